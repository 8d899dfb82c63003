"""What becomes of the pieces of a body as they come: pieces of one size, text, lines."""

from __future__ import annotations

import codecs

__all__ = ["Lines", "Sized", "Text"]


_PIECE = 64 * 1024


class Sized:
    """Cuts bytes into pieces of `size`; the last one may be shorter. None leaves them as they come."""

    def __init__(self, size: int | None) -> None:
        if size is not None and size < 1:
            message = f"chunk_size: {size!r} is not a number of bytes above zero"
            raise ValueError(message)
        self._size = size
        self._rest = b""
        self.small = size is None or size < _PIECE
        """Whether several pieces are cut from what is read at once; else each is what is read."""
        self.at_once = _PIECE if size is None or size < _PIECE else size
        """How much to read at once."""

    def feed(self, piece: bytes) -> list[bytes]:
        """Give the pieces that are complete."""
        size = self._size
        if size is None or (len(piece) == size and not self._rest):
            return [piece]
        if self._rest:
            piece = self._rest + piece
        whole = len(piece) - len(piece) % size
        self._rest = piece[whole:]
        return [piece[at : at + size] for at in range(0, whole, size)]

    def end(self) -> list[bytes]:
        """Give what is left."""
        return [self._rest] if self._rest else []


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
