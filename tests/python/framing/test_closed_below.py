"""The socket below is closed by somebody else, and its number given to another."""

from __future__ import annotations

import errno
import socket

import pytest

from eyesocket import framing
from eyesocket import socket as our_socket
from eyesocket.framing import Lines


@pytest.mark.parametrize("module", [socket, our_socket])
def test_a_socket_that_was_closed_below_is_not_taken_for_who_has_its_number_now(module):
    ours, theirs = module.socketpair()
    theirs.sendall(b"came\nbefore")
    chat = framing.wrap(ours, Lines())
    assert chat.recv(timeout=30) == b"came"
    number = ours.fileno()
    ours.close()
    pairs = []
    while number not in {sock.fileno() for pair in pairs for sock in pair}:
        pairs.append(socket.socketpair())
    near, far = next(pair for pair in pairs if number in {sock.fileno() for sock in pair})
    other, peer = (near, far) if near.fileno() == number else (far, near)
    peer.sendall(b"another's\n")
    for act in (lambda: chat.recv(timeout=30), lambda: chat.send(b"x", timeout=30)):
        with pytest.raises(OSError, match="Bad file descriptor"):
            act()
    peer.setblocking(False)
    with pytest.raises(BlockingIOError):
        peer.recv(1)
    other.settimeout(30)
    assert other.recv(100) == b"another's\n"
    theirs.close()
    for sock in (sock for pair in pairs for sock in pair):
        sock.close()


def test_a_closed_socket_is_refused_with_its_errno():
    sock = socket.socket()
    sock.close()
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        framing.wrap(sock, Lines())
    assert caught.value.errno == errno.EBADF
