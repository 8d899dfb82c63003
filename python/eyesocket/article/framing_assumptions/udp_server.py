"""Receive twice over UDP, port 5500: `python -m eyesocket.article.framing_assumptions.udp_server`."""

from __future__ import annotations

from itertools import count

from eyesocket import socket
from eyesocket.article import _script

__all__ = ["main"]


def main() -> None:
    """Receive two datagrams and print each."""
    given = _script.options(__doc__ or "", 5500, server=True, count=2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(_script.address(given))
        _script.announce(given.announce, sock.getsockname())
        for _ in range(given.count) if given.count is not None else count():
            data, _addr = sock.recvfrom(1024)
            print(data.decode())


if __name__ == "__main__":
    _script.run(main)
