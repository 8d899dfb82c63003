"""The echo server of port 5600 on framing: `python -m eyesocket.article.tcp_echo_with_pitfall.framed_echo_server`.

Lengths travel on the wire, so the server need not import the client, and it serves all clients at once. By itself it is
one line: `framing.serve(lambda message, peer: message, ("127.0.0.1", 5600), framing.LengthPrefixed(4))`.
"""

from __future__ import annotations

from eyesocket import framing
from eyesocket.article import _script

__all__ = ["main"]


def main() -> None:
    """Serve until so many messages were answered, or for ever."""
    given = _script.options(__doc__ or "", 5600, server=True)
    _script.serve(lambda message, _peer: message, framing.LengthPrefixed(4), given)


if __name__ == "__main__":
    _script.run(main)
