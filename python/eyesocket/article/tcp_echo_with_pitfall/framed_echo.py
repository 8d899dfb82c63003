"""Server and client of the echo in five lines: `python -m eyesocket.article.tcp_echo_with_pitfall.framed_echo`."""

from __future__ import annotations

from eyesocket import framing
from eyesocket.article import _script

__all__ = ["main"]


def main() -> None:
    """Serve, send a message, print what comes back."""
    given = _script.options(__doc__ or "", 5600)
    codec = framing.LengthPrefixed(4)
    server = framing.serve_in_thread(lambda message, _peer: message, _script.address(given), codec)
    with server as address, framing.connect(address, codec) as chat:
        chat.send(b"hello socket world")
        print(chat.recv().decode())


if __name__ == "__main__":
    _script.run(main)
