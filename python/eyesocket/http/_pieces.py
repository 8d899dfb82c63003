"""What becomes of the pieces of a body as they come: pieces of one size, lines."""

from __future__ import annotations

from eyesocket.errors import TooLargeError

__all__ = ["MODEST", "PIECE", "Lines", "Sized"]


MODEST = 64 * 1024
"""What is read at once where memory counts; below this size, several pieces are cut from what is."""

PIECE = 256 * 1024
"""What is read at once, if so much is known to come, where nobody says how much."""


class Sized:
    """Cuts bytes into pieces of `size`; the last one may be shorter. None leaves them as they come."""

    def __init__(self, size: int | None, at_once: int = PIECE) -> None:
        if size is not None and size < 1:
            message = f"chunk_size: {size!r} is not a number of bytes above zero"
            raise ValueError(message)
        self._size = size
        self._rest = b""
        self.small = size is None or size < MODEST
        """Whether several pieces are cut from what is read at once; else each is what is read."""
        self.at_once = at_once if size is None else max(size, MODEST)
        """How much to read at once."""

    @property
    def rest(self) -> bytes:
        """What waits for more."""
        return self._rest

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


class Lines:
    """Splits text at LF, CRLF and CR; a line of more than `most` characters is refused."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        # A line that comes in many pieces is put together once.
        self._rest: list[str] = []
        self._length = 0
        # A CR at the very end may be half of a CRLF.
        self._held = False

    @property
    def rest(self) -> bytes:
        """What waits for more, as UTF-8."""
        return ("".join(self._rest) + ("\r" if self._held else "")).encode()

    def feed(self, text: str) -> list[str]:
        """Give the lines that are complete, their ends taken off."""
        if not text:
            return []
        if self._held:
            text = "\r" + text
        self._held = text.endswith("\r")
        first, *more = text.removesuffix("\r").replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._rest.append(first)
        self._length += len(first)
        lines: list[str] = []
        longest = self._length
        if more:
            lines = ["".join(self._rest), *more]
            rest = lines.pop()
            self._rest, self._length = [rest], len(rest)
            longest = max(longest, *map(len, more))
        if self._most is not None and longest > self._most:
            raise _too_long(longest, self._most)
        return lines

    def end(self) -> list[str]:
        """Give what is left."""
        rest = "".join(self._rest)
        return [rest] if rest or self._held else []


def _too_long(length: int, limit: int) -> TooLargeError:
    error = TooLargeError(f"a line of {length} characters is longer than max_size, {limit}")
    error.length, error.limit = length, limit
    # As errors of the engine have it.
    error.__dict__.update(operation="body", what="content")
    return error
