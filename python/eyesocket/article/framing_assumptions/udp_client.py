"""Send twice over UDP, port 5500: `python -m eyesocket.article.framing_assumptions.udp_client`."""

from __future__ import annotations

from eyesocket import socket
from eyesocket.article import _script

__all__ = ["main"]


def main() -> None:
    """Send `hello` two times."""
    given = _script.options(__doc__ or "", 5500)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(_script.address(given))
        sock.send(b"hello")
        sock.send(b"hello")


if __name__ == "__main__":
    _script.run(main)
