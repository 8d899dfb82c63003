"""Echo client on a UNIX-domain socket, framed: `python -m eyesocket.article.framed_uds_client [--path PATH]`."""

from __future__ import annotations

from eyesocket import framing
from eyesocket.article import _script
from eyesocket.article.uds_client import options

__all__ = ["main"]


def main() -> None:
    """Send a greeting, and a message longer than any one recv of the article; print what comes back."""
    given = options(__doc__ or "", server=False)
    with framing.connect(given.path, framing.LengthPrefixed(4)) as chat:
        chat.send_many([b"hello unix domain socket", b"and so on " * 10_000])
        print(chat.recv().decode())
        print(f"{len(chat.recv())} bytes in one message")


if __name__ == "__main__":
    _script.run(main)
