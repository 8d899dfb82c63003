"""TCP echo on port 5500 for many clients at once: `python -m eyesocket.article.simple_tcp_echo.framed_echo_server`.

The article's loop serves one client at a time, and a silent one holds up all others. `Raw` frames are whatever came,
so the article's client needs no change.
"""

from __future__ import annotations

from eyesocket import framing
from eyesocket.article import _script

__all__ = ["handler", "main"]


def handler(message: bytes, peer: str) -> bytes:
    """Send back what came, and say so."""
    print(f"{len(message)} bytes from {peer}")
    return message


def main() -> None:
    """Serve until so many messages were answered, or for ever."""
    given = _script.options(__doc__ or "", 5500, server=True)
    _script.serve(handler, framing.Raw(), given)


if __name__ == "__main__":
    _script.run(main)
