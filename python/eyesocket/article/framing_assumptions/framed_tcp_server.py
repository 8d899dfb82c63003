"""Receive frames over TCP, port 5500: `python -m eyesocket.article.framing_assumptions.framed_tcp_server`."""

from __future__ import annotations

from itertools import count

from eyesocket import framing, socket
from eyesocket.article import _script

__all__ = ["main"]


def main() -> None:
    """Take one client and print each message: two sends are two messages again."""
    given = _script.options(__doc__ or "", 5500, server=True, count=1)
    with socket.create_server(_script.address(given)) as sock:
        _script.announce(given.announce, sock.getsockname())
        for _ in range(given.count) if given.count is not None else count():
            with framing.wrap(sock.accept()[0], framing.LengthPrefixed(4)) as chat:
                for message in chat:
                    print(message.decode())


if __name__ == "__main__":
    _script.run(main)
