"""The echo client of port 5600, framed: `python -m eyesocket.article.tcp_echo_with_pitfall.framed_echo_client`."""

from __future__ import annotations

from eyesocket import framing
from eyesocket.article import _script

__all__ = ["main"]


def main() -> None:
    """Send a message and print what comes back, whatever its length."""
    given = _script.options(__doc__ or "", 5600)
    with framing.connect(_script.address(given), framing.LengthPrefixed(4)) as chat:
        chat.send(b"hello socket world")
        print(chat.recv().decode())


if __name__ == "__main__":
    _script.run(main)
