"""Framed sockets: what a connection with a codec over it is called, and how one is made."""

from __future__ import annotations

import os
import socket
import ssl
from typing import TYPE_CHECKING, Any, Protocol, Self

from eyesocket import _native
from eyesocket import socket as _socket
from eyesocket.framing._codecs import checked

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["FramedSocket", "connect", "connect_async", "wrap"]


class StreamSocket(Protocol):
    """A connected stream socket: of this package, of the standard library, an `ssl.SSLSocket`."""

    def fileno(self) -> int:
        """Give the descriptor."""

    def close(self) -> None:
        """Close it."""

    def gettimeout(self) -> float | None:
        """Give the timeout in seconds."""

    def settimeout(self, value: float | None, /) -> None:
        """Set the timeout in seconds."""


class FramedSocket(_native.FramedSocket):
    """Frames over a connected socket; `wrap` and `connect` make one.

    `for frame in chat` and `async for frame in chat` end with the stream; `recv` raises `EndOfStream` there,
    `recv_many` gives an empty list. A `timeout` is for the whole operation, in seconds; None is the timeout that the
    socket had when it was wrapped. Over a socket that was non-blocking then, what would wait raises
    `BlockingIOError`, unless it is given a `timeout` or awaited. Nothing is lost by any of these, nor by a cancellation
    or Ctrl-C: what came of a frame stays for the next call.

    Any number of threads and tasks may use one object. A frame is sent whole, in the order in which the sends began,
    and received by one of them. A send that fails says in the exception's `sent` how many bytes went out; frames that
    had not begun to are withdrawn, and the rest of the one that had (over TLS: of those in the record that had) goes
    out before the next, or by `flush`.

    Closing ends every wait on the object, in other threads and on loops too, with `OSError` (EBADF). Close this object,
    not the socket below it: who waits does not learn of that before the deadline.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<FramedSocket fd={self.fileno()} peer={self.peer} buffered={self.buffered}>"

    def fileno(self) -> int:
        """Give the descriptor; -1 once closed."""
        descriptor: int = self.socket.fileno()
        return descriptor

    def detach(self) -> tuple[Any, bytes]:
        """Give the socket back, as it was, and the bytes that came behind the last frame taken.

        To go on with another protocol on the same connection: STARTTLS, an upgrade. This object is of no use after it.
        While a frame is half sent (`unsent`) it is a `ValueError`, for nobody else could finish it.
        """
        if unsent := self.unsent:
            message = f"{unsent} bytes of a frame are still to be sent; call flush() first, or close()"
            raise ValueError(message)
        unread = self.unread()
        if not self._retire():
            message = "this framed socket was closed or detached already"
            raise ValueError(message)
        restore = self.__dict__.pop("_timeout_before", _UNCHANGED)
        if restore is not _UNCHANGED:
            self.socket.settimeout(restore)
        return self.socket, unread


_UNCHANGED = object()


def wrap(sock: StreamSocket, codec: _native.Codec) -> FramedSocket:
    """Lay `codec` over a connected stream socket, which from now on belongs to what is given back.

    An `ssl.SSLSocket` is used by its `recv`, `recv_into` and `send`, and is non-blocking until `detach` gives it back.
    """
    checked(codec)
    if not hasattr(sock, "gettimeout"):
        message = f"sock: {sock!r} is no socket; give a connected one of eyesocket.socket, socket or ssl"
        raise TypeError(message)
    if getattr(sock, "type", None) == socket.SOCK_DGRAM:
        message = f"sock: {sock!r} carries datagrams, not a stream; lay DatagramBatch over it"
        raise ValueError(message)
    timeout = sock.gettimeout()
    encrypts = isinstance(sock, ssl.SSLSocket)
    framed = FramedSocket(codec, sock, sock.fileno(), encrypts, _peer(sock), timeout or None, timeout != 0)
    if encrypts:
        sock.settimeout(0)
        framed.__dict__["_timeout_before"] = timeout
    return framed


def _peer(sock: StreamSocket) -> str | None:
    """Give the peer as a person writes it; None where it has no name."""
    try:
        return peer_name(sock.getpeername())  # type: ignore[attr-defined]
    except (OSError, AttributeError):
        return None


def peer_name(name: object) -> str | None:
    """Write what `getpeername` gives as a person does; None for no name."""
    match name:
        case (str(host), int(port), *_):
            return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        case None | "" | b"":
            return None
        case bytes(path):
            return os.fsdecode(path)
        case _:
            return str(name)


Address = tuple[str, int] | tuple[str, int, int, int] | str | bytes | os.PathLike[str]


def connect(address: Address, codec: _native.Codec, *, timeout: float | None = None) -> FramedSocket:
    """Connect to `(host, port)`, or to the UNIX socket at a path, and lay `codec` over the connection.

    An address of IPv6 as `getsockname` gives it (four parts) will do, and bytes for a path or an abstract name.
    A host's addresses are tried as RFC 8305 says; Nagle's delay is off. `timeout` is for connecting, in seconds. The
    socket below is an `eyesocket.socket.socket` without a timeout.
    """
    checked(codec)
    return _over(_native.framing_connect(address, timeout), codec)


async def connect_async(address: Address, codec: _native.Codec, *, timeout: float | None = None) -> FramedSocket:
    """Do as `connect`, awaited."""
    checked(codec)
    return _over(await _native.framing_connect_async(address, timeout), codec)


def _over(descriptor: int, codec: _native.Codec) -> FramedSocket:
    sock = _socket.socket(fileno=descriptor)
    # Whatever `setdefaulttimeout` says: a default for sockets is none for frames.
    sock.settimeout(None)
    return wrap(sock, codec)
