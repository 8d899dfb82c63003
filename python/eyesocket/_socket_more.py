"""What `eyesocket.socket` has beyond the standard library: methods for its socket class, and functions."""

from __future__ import annotations

import sys
from types import EllipsisType
from typing import TYPE_CHECKING, Any

from eyesocket import _native
from eyesocket._explain import explain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from typing_extensions import Buffer


__all__ = ["METHODS", "Datagram", "connecting", "explain"]

Datagram = _native.Datagram

METHODS = ("recv_exactly", "recv_exactly_into", "sendmmsg", "recvmmsg", "send_segments", "recv_segments")
"""The functions here that become methods."""


def _own(socket: Any, timeout: float | EllipsisType | None) -> float | None:
    """Give the timeout of a call: `...` is the socket's own."""
    own: float | None = socket.gettimeout()
    return own if isinstance(timeout, EllipsisType) else timeout


def recv_exactly(self: Any, bufsize: int, *, timeout: float | EllipsisType | None = ...) -> bytes:
    """Receive exactly `bufsize` bytes from a stream, with one deadline for the whole call.

    `timeout` is in seconds, None for no limit, and the socket's own unless given. Raises `TruncatedError` when the
    stream ends before, `TimeoutError` when the time is up, `BlockingIOError` when there is less and nothing may be
    waited for (0, or a socket that is not blocking); `partial` of the exception has the bytes that came.
    """
    return _native.recv_exactly(self.fileno(), bufsize, _own(self, timeout))


def recv_exactly_into(self: Any, buffer: Buffer, *, timeout: float | EllipsisType | None = ...) -> None:
    """Fill `buffer` from a stream, as `recv_exactly` does."""
    _native.fill(self, buffer, _own(self, timeout))


def sendmmsg(self: Any, messages: Iterable[Buffer | tuple[Buffer, Any]], flags: int = 0) -> int:
    """Send a batch of datagrams by as few system calls as can be: each is bytes, or a pair of bytes and an address.

    It is sendmmsg(2), and gives how many went out. That is all of them, unless the socket does not wait, or one of
    them fails after others have gone: sending the rest says why.
    """
    return _native.send_messages(self, messages, flags)


def recvmmsg(
    self: Any, count: int, bufsize: int, flags: int = 0, *, timestamps: bool = False
) -> list[_native.Datagram]:
    """Receive a batch of up to `count` (at most 1024) datagrams of up to `bufsize` bytes.

    It is one recvmmsg(2), which waits for the first and takes what else is there: `(data, address, time)` each.
    With `timestamps`, `time` is when the kernel got the datagram, in seconds since the epoch (SO_TIMESTAMPNS, which
    stays on).
    """
    return _native.receive_messages(self, count, bufsize, flags, bool(timestamps))


def send_segments(self: Any, data: Buffer, size: int, address: Any = None, flags: int = 0) -> int:
    """Send `data` as UDP datagrams of `size` bytes each, the last with the rest, which the kernel cuts (GSO, udp(7)).

    Gives how many bytes went out.
    """
    return _native.send_segments(self, data, size, address, flags)


def recv_segments(self: Any, bufsize: int = 65535, flags: int = 0) -> tuple[list[bytes], Any]:
    """Receive UDP datagrams of one sender that the kernel has joined (UDP GRO, which stays on), and who sent them."""
    return _native.receive_segments(self, bufsize, flags)


def connecting(socket: Any, plain: Callable[..., Any]) -> Callable[..., Any]:
    """Give `create_connection` with an option for happy eyeballs."""
    unset = plain.__globals__["_GLOBAL_DEFAULT_TIMEOUT"]

    def create_connection(
        address: tuple[str, int],
        timeout: Any = unset,
        source_address: Any = None,
        *,
        all_errors: bool = False,
        happy_eyeballs: bool = False,
    ) -> Any:
        """Connect to `(host, port)` and give the socket.

        As the standard library's. With `happy_eyeballs`, the addresses of the host are tried side by side, a new
        one each 250 ms, both families in turn; the first that answers is it (RFC 8305), and `timeout` is for the whole.
        With a timeout of 0 it makes no difference: `BlockingIOError`, as nothing may be waited for.
        """
        if not happy_eyeballs:
            return plain(address, timeout, source_address, all_errors=all_errors)
        if source_address or all_errors:
            message = "happy_eyeballs goes with neither source_address nor all_errors"
            raise ValueError(message)
        host, port = address
        limit = plain.__globals__["getdefaulttimeout"]() if timeout is unset else timeout
        if limit == 0:
            # What cannot wait cannot try side by side: the first connect in progress is the answer, as ever.
            return plain(address, timeout)
        sys.audit("socket.getaddrinfo", host, port, 0, 1, 0)
        made = socket(fileno=_native.connect_first(host, port, limit))
        made.setsockopt(6, 1, 0)  # TCP_NODELAY is ours, not the caller's.
        made.settimeout(limit)
        return made

    create_connection.__module__ = plain.__module__
    create_connection.__qualname__ = plain.__qualname__
    return create_connection
