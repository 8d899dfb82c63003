"""Send twice over TCP with frames, port 5500: `python -m eyesocket.article.framing_assumptions.framed_tcp_client`."""

from __future__ import annotations

from eyesocket import framing
from eyesocket.article import _script

__all__ = ["main"]


def main() -> None:
    """Send `hello` two times, each with its length before it."""
    given = _script.options(__doc__ or "", 5500)
    with framing.connect(_script.address(given), framing.LengthPrefixed(4)) as chat:
        chat.send(b"hello")
        chat.send(b"hello")


if __name__ == "__main__":
    _script.run(main)
