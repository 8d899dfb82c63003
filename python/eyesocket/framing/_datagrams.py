"""Datagrams in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from eyesocket import _native

if TYPE_CHECKING:
    from eyesocket.framing._sockets import StreamSocket

__all__ = ["DatagramBatch"]


class DatagramBatch(_native.DatagramBatch):
    """Lists of (bytes, address) in and out of a UDP socket, many datagrams a system call (recvmmsg(2), sendmmsg(2)).

    `recv` gives what is there, at least one and at most `count` datagrams of at most `size` bytes; a longer one is a
    `ProtocolError` and lost. With `gro` the kernel joins datagrams of one sender (`UDP_GRO` of udp(7), for as long as
    the socket lives) and they are taken apart here, so one receive may give more than `count`. `send` hands neighbours
    of one size for one address to the kernel as one (`UDP_SEGMENT`), unless `gso` is off; addresses are numeric, None
    is the peer of a connected socket. A send that fails says in the exception's `sent` how many datagrams went out.
    """

    def __new__(
        cls, sock: StreamSocket, *, count: int = 64, size: int | None = None, gro: bool = False, gso: bool = True
    ) -> Self:
        room = size if size is not None else 65535 if gro else 2048
        return super().__new__(cls, sock, sock.fileno(), count, room, gro, gso)
