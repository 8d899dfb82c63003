"""UDP echo client for port 5500: `python -m eyesocket.article.simple_udp_echo.echo_client`."""

from __future__ import annotations

from eyesocket import socket
from eyesocket.article import _script

__all__ = ["main"]


def main() -> None:
    """Send a datagram and print what comes back."""
    given = _script.options(__doc__ or "", 5500)
    udp_server_addr = _script.address(given)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        # The original waited for ever; a datagram, or its answer, may be lost. A connected UDP socket is told at once
        # when nobody has the port (ICMP port unreachable).
        sock.settimeout(5)
        sock.connect(udp_server_addr)
        sock.send(b"hello udp socket")
        data, server = sock.recvfrom(1024)
        print("receive data:[%s] from %s:%s" % (data.decode(), *server[:2]))


if __name__ == "__main__":
    _script.run(main)
