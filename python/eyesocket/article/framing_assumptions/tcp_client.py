"""Send twice over TCP, port 5500: `python -m eyesocket.article.framing_assumptions.tcp_client`."""

from __future__ import annotations

from eyesocket import socket
from eyesocket.article import _script

__all__ = ["main"]


def main() -> None:
    """Send `hello` two times."""
    given = _script.options(__doc__ or "", 5500)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.connect(_script.address(given))
        sock.sendall(b"hello")
        sock.sendall(b"hello")


if __name__ == "__main__":
    _script.run(main)
