"""TCP echo client for port 5600: `python -m eyesocket.article.tcp_echo_with_pitfall.echo_client`."""

from __future__ import annotations

from eyesocket import socket
from eyesocket.article import _script
from eyesocket.article.tcp_echo_with_pitfall.safe_socket import safe_recv, safe_send

__all__ = ["MESSAGE", "main"]

MESSAGE = b"hello socket world"


def main() -> None:
    """Send a message and print what comes back."""
    given = _script.options(__doc__ or "", 5600)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.connect(_script.address(given))
        safe_send(sock, MESSAGE)
        print(safe_recv(sock, len(MESSAGE)).decode())


if __name__ == "__main__":
    _script.run(main)
