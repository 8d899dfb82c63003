"""The exceptions of this package that the standard library does not have.

Each is also an `OSError` with `errno` set, so code that catches `OSError`, `ConnectionError` or `EOFError` catches
these too. `LocalError` is yours to mend (an argument, a right, this machine), `RemoteError` is the peer's or the
network's. All of them, and the plain `OSError` and `TimeoutError` that this package raises, carry

* `address`: the peer or target as text, or None;
* `partial`: where something was being received, bytes that had come before the failure and are nowhere else;
* `sent`: for a send, how many bytes the kernel had taken.

Where one of several frames is refused, the exception has the number of those before it in `frames`.
"""

from __future__ import annotations

import errno

__all__ = [
    "BufferTooSmall",
    "EndOfStream",
    "EyesocketError",
    "FrameTooLarge",
    "LocalError",
    "ProtocolError",
    "RemoteError",
    "TLSError",
    "TooLargeError",
    "TruncatedError",
    "TruncatedFrame",
]


class EyesocketError(Exception):
    """Base of the exceptions that only this package has."""

    address: str | None = None
    partial: bytes = b""


class LocalError(EyesocketError):
    """Something on this side has to change: an argument, a right, this machine."""


class BufferTooSmall(LocalError, ValueError):  # noqa: N818
    """The next frame does not fit into the buffer that `recv_into` was given. It stays, for the next call.

    `length` is the frame's and `room` the buffer's, in bytes.
    """

    length: int = 0
    room: int = 0


class RemoteError(EyesocketError):
    """The peer, or the network between, did what it should not."""


class ProtocolError(RemoteError, ConnectionError):
    """The peer's bytes break the protocol (errno EPROTO)."""

    def __init__(self, message: str) -> None:
        super().__init__(errno.EPROTO, message)


class TruncatedError(RemoteError, ConnectionError, EOFError):
    """The peer ended the stream in the middle; `partial` has what came (errno ECONNABORTED)."""

    def __init__(self, message: str) -> None:
        super().__init__(errno.ECONNABORTED, message)


class TruncatedFrame(TruncatedError):  # noqa: N818
    """The peer ended the stream in the middle of a frame; `partial` has the bytes of it that came, header included."""


class EndOfStream(RemoteError, EOFError):  # noqa: N818
    """The peer ended the stream where it may end, behind a whole frame; there is nothing more to receive."""


class TooLargeError(RemoteError, OSError):
    """Something from the peer exceeds a limit of yours (errno EMSGSIZE)."""

    length: int = 0
    """The announced length in bytes, or the length reached when the limit was."""
    limit: int = 0
    """The limit in bytes."""

    def __init__(self, message: str) -> None:
        super().__init__(errno.EMSGSIZE, message)


class FrameTooLarge(TooLargeError):  # noqa: N818
    """A frame from the peer exceeds the codec's `max_frame`; nothing was allocated for it.

    `length` is what its header announces; where only its end would tell (lines, SLIP, COBS) it is the limit and one.
    """

    @property
    def peer(self) -> str | None:
        """Who sent it: the same as `address`."""
        return self.address


class TLSError(RemoteError, ConnectionError):
    """A TLS handshake, certificate or record was refused (errno EPROTO)."""

    def __init__(self, message: str) -> None:
        super().__init__(errno.EPROTO, message)
