"""Receive twice over TCP, port 5500: `python -m eyesocket.article.framing_assumptions.tcp_server`."""

from __future__ import annotations

from itertools import count

from eyesocket import socket
from eyesocket.article import _script

__all__ = ["main"]


def main() -> None:
    """Take one client, receive twice, print each time."""
    given = _script.options(__doc__ or "", 5500, server=True, count=1)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(_script.address(given))
        sock.listen(5)
        _script.announce(given.announce, sock.getsockname())
        for _ in range(given.count) if given.count is not None else count():
            client_sock, _addr = sock.accept()
            with client_sock:
                # The original left it to chance whether both sends had come; the peek waits for both and takes neither.
                client_sock.recv(len(b"hello") * 2, socket.MSG_PEEK | socket.MSG_WAITALL)
                # The pitfall: the first recv takes both messages, the second finds the end of the stream.
                print(client_sock.recv(1024).decode())
                print(client_sock.recv(1024).decode())


if __name__ == "__main__":
    _script.run(main)
