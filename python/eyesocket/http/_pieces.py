"""What becomes of the pieces of a body as they come: pieces of one size, text, lines."""

from __future__ import annotations

import codecs

__all__ = ["Lines", "Sized", "Text"]


class Sized:
    """Cuts bytes into pieces of `size`; the last one may be shorter. None leaves them as they come."""

    def __init__(self, size: int | None) -> None:
        self._size = size
        self._rest = bytearray()

    def feed(self, piece: bytes) -> list[bytes]:
        """Give the pieces that are complete."""
        if self._size is None:
            return [piece]
        self._rest += piece
        whole = len(self._rest) // self._size * self._size
        cut = [bytes(self._rest[at : at + self._size]) for at in range(0, whole, self._size)]
        del self._rest[:whole]
        return cut

    def end(self) -> list[bytes]:
        """Give what is left."""
        return [bytes(self._rest)] if self._rest else []


class Text:
    """Decodes bytes; what cannot be decoded is U+FFFD."""

    def __init__(self, encoding: str) -> None:
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")

    def feed(self, piece: bytes) -> list[str]:
        """Give the text that is complete."""
        text = self._decoder.decode(piece)
        return [text] if text else []

    def end(self) -> list[str]:
        """Give what is left."""
        text = self._decoder.decode(b"", final=True)
        return [text] if text else []


class Lines:
    """Splits text at LF, CRLF and CR."""

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, text: str) -> list[str]:
        """Give the lines that are complete, their ends taken off."""
        text = self._rest + text
        # A CR at the very end may be half of a CRLF, and so stays.
        held = "\r" if text.endswith("\r") else ""
        *lines, rest = text.removesuffix("\r").replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._rest = rest + held
        return lines

    def end(self) -> list[str]:
        """Give what is left."""
        return [self._rest.removesuffix("\r")] if self._rest else []
