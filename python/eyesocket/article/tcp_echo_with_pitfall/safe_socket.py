"""Loops over send and recv, since either may do less than it was asked for.

The standard library's `sendall` is the first loop; `eyesocket.framing` makes both needless.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eyesocket import socket

__all__ = ["safe_recv", "safe_send"]


def safe_send(sock: socket.socket, msg: bytes) -> None:
    """Send all of `msg`. RuntimeError when the peer is gone."""
    total_send = 0
    content_length = len(msg)
    while total_send < content_length:
        sent = sock.send(msg[total_send:])
        if sent == 0:
            raise RuntimeError("socket connection broken")
        # The article prints `total_send += total_send + sent`, which skips bytes from the second round on.
        total_send += sent


def safe_recv(sock: socket.socket, content_length: int) -> bytes:
    """Receive `content_length` bytes. RuntimeError when the peer closes before."""
    chunks = []
    total_recv = 0
    while total_recv < content_length:
        chunk = sock.recv(content_length - total_recv)
        if chunk == b"":
            raise RuntimeError("socket connection broken")
        chunks.append(chunk)
        total_recv += len(chunk)
    return b"".join(chunks)
