"""UDP echo server on port 5500: `python -m eyesocket.article.simple_udp_echo.echo_server`."""

from __future__ import annotations

from itertools import count

from eyesocket import socket
from eyesocket.article import _script

__all__ = ["main"]


def main() -> None:
    """Serve."""
    given = _script.options(__doc__ or "", 5500, server=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        # The original set SO_REUSEADDR here as for TCP. UDP has no TIME_WAIT; on a UDP socket that option lets a second
        # server bind the same port, which then takes the first one's datagrams. So it is left out.
        sock.bind(_script.address(given))
        # No listen: there are no connections to accept.
        _script.announce(given.announce, sock.getsockname())
        for _ in range(given.count) if given.count is not None else count():
            data, addr = sock.recvfrom(1024)
            print("new client from %s:%s" % addr[:2])
            sock.sendto(data, addr)


if __name__ == "__main__":
    _script.run(main)
