"""TCP echo on port 5500 for many clients at once: `python -m eyesocket.article.simple_tcp_echo.framed_echo_server`.

The article's loop serves one client at a time, and a silent one holds up all others. `Raw` frames are whatever came,
so the article's client needs no change.
"""

from __future__ import annotations

import threading

from eyesocket import framing
from eyesocket.article import _script

__all__ = ["main"]


def main() -> None:
    """Serve until so many messages were answered, or for ever."""
    given = _script.options(__doc__ or "", 5500, server=True)
    left = threading.Semaphore(0)

    def handler(message: bytes, peer: str) -> bytes:
        print(f"{len(message)} bytes from {peer}")
        left.release()
        return message

    if given.count is None and not given.announce:
        framing.serve(handler, _script.address(given), framing.Raw())
        return
    with framing.serve_in_thread(handler, _script.address(given), framing.Raw(), grace=5) as where:
        _script.announce(given.announce, where)
        for _ in range(given.count or 1):
            left.acquire()


if __name__ == "__main__":
    _script.run(main)
