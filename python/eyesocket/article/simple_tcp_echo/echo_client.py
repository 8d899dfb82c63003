"""TCP echo client for port 5500: `python -m eyesocket.article.simple_tcp_echo.echo_client`."""

from __future__ import annotations

from eyesocket import socket
from eyesocket.article import _script

__all__ = ["main"]


def main() -> None:
    """Send a greeting and print what comes back."""
    given = _script.options(__doc__ or "", 5500)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        # The original connected to '', which is no destination; Linux takes it for this host.
        sock.connect(_script.address(given))
        # The original ignored what send returns; sendall sends the rest too.
        sock.sendall(b"hello socket world")
        print(sock.recv(1024).decode())


if __name__ == "__main__":
    _script.run(main)
