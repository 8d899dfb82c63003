"""Echo server on a UNIX-domain socket: `python -m eyesocket.article.uds_server [--path PATH]`."""

from __future__ import annotations

import contextlib
from itertools import count
from pathlib import Path

from eyesocket import socket
from eyesocket.article import _script
from eyesocket.article.uds_client import options

__all__ = ["clear", "handler", "main"]


def clear(path: Path) -> None:
    """Remove a socket that a server left behind, and nothing else.

    The original unlinked whatever was there: a file of yours, or the socket of a server that still runs.
    """
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, contextlib.suppress(ConnectionRefusedError):
        probe.connect(str(path))
        return
    path.unlink(missing_ok=True)


def handler(client_sock: socket.socket) -> None:
    """Send back what one recv gives, and close."""
    with client_sock:
        client_sock.sendall(client_sock.recv(1024))


def main() -> None:
    """Serve: one echo a client."""
    given = options(__doc__ or "", server=True)
    path = Path(given.path)
    clear(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(str(path))
        try:
            sock.listen(1)
            _script.announce(given.announce, path)
            for _ in range(given.count) if given.count is not None else count():
                client_sock, _addr = sock.accept()
                print("new client")
                try:
                    handler(client_sock)
                except OSError as error:
                    # One client that hangs up early must not end the server.
                    print("client lost:", error)
        finally:
            path.unlink(missing_ok=True)


if __name__ == "__main__":
    _script.run(main)
