"""Echo server on a UNIX-domain socket, framed: `python -m eyesocket.article.framed_uds_server [--path PATH]`.

It serves all clients at once, and each as many messages as it likes, of any length. A socket that a dead server left at
the path is replaced, one that is in use is not, and the path is taken away at the end.
"""

from __future__ import annotations

from eyesocket import framing
from eyesocket.article import _script
from eyesocket.article.uds_client import options

__all__ = ["handler", "main"]


def handler(message: bytes, _peer: str) -> bytes:
    """Send the message back, and say how long it was; who sends has no name on a UNIX socket."""
    print(f"{len(message)} bytes")
    return message


def main() -> None:
    """Serve until so many messages were answered, or for ever."""
    _script.serve(handler, framing.LengthPrefixed(4), options(__doc__ or "", server=True))


if __name__ == "__main__":
    _script.run(main)
