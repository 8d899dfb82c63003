"""Datagrams in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from eyesocket import _native

if TYPE_CHECKING:
    from eyesocket.framing._sockets import StreamSocket

__all__ = ["DatagramBatch"]


class DatagramBatch(_native.DatagramBatch):
    """Lists of (bytes, address) in and out of a UDP socket, many datagrams a system call (recvmmsg(2), sendmmsg(2)).

    `recv` gives what is there, at least one and at most `count` datagrams (1 to 1024) of at most `size` bytes (2048,
    with `gro` 65535). A longer one is a `ProtocolError` and lost; those that came with it are given first. With `gro`
    the kernel joins datagrams of one sender (`UDP_GRO` of udp(7), for as long as the socket lives) and they are taken
    apart here, so one receive may give more than `count`.

    `send` hands neighbours of one size for one address to the kernel as one (`UDP_SEGMENT` of udp(7)), unless `gso` is
    off. Addresses are numeric, as `getsockname` gives them; None is the peer of a connected socket. A send that fails
    says in the exception's `sent` how many datagrams went out.

    `recv_joined` gives what comes as the kernel joined it, a list of `Joined`: many datagrams in one piece, which costs
    the least with `gro`; `joined[0]`, iteration and `len` take it apart. `send_segments(data, size, address)` sends
    what lies in one piece as datagrams of `size` bytes each, the last what is left.

    `recv_async`, `send_async`, `recv_joined_async` and `send_segments_async` are the same, to be awaited; `timeout` is
    for the whole operation, in seconds. None is the timeout that the socket had; over a socket that was non-blocking
    then what would wait raises `BlockingIOError`, unless it is given a `timeout` or awaited.
    """

    def __new__(
        cls, sock: StreamSocket, *, count: int = 64, size: int | None = None, gro: bool = False, gso: bool = True
    ) -> Self:
        room = size if size is not None else 65535 if gro else 2048
        timeout = sock.gettimeout()
        return super().__new__(cls, sock, sock.fileno(), count, room, gro, gso, timeout or None, timeout != 0)
