"""What the article's scripts share as programs: their options, and one line instead of a traceback."""

from __future__ import annotations

import argparse
import sys
import threading
from typing import TYPE_CHECKING

from eyesocket import framing
from eyesocket._command import explain

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["address", "announce", "options", "run", "serve"]


_asked: str | None = None


def options(purpose: str, port: int | None, *, server: bool = False, count: int | None = None) -> argparse.Namespace:
    """Read the options that the scripts have in common: --host and --port; for a server --count and --announce."""
    parser = argparse.ArgumentParser(description=purpose)
    if port is not None:
        parser.add_argument("--host", default="127.0.0.1", help="address or name (default: loopback)")
        parser.add_argument("--port", type=int, default=port, help="port (default: the article's, %(default)s)")
    if server:
        until = "serve for ever" if count is None else str(count)
        parser.add_argument("--count", type=int, default=count, help=f"clients or messages to serve (default: {until})")
        parser.add_argument("--announce", action="store_true", help="print the address first; --port 0 lets it choose")
    return parser.parse_args()


def announce(told: bool, name: object) -> None:  # noqa: FBT001
    """Print where a server listens, if it was asked to."""
    if told:
        where = "{}:{}".format(*name[:2]) if isinstance(name, tuple) else str(name)
        print("listening on", where, flush=True)


def address(given: argparse.Namespace) -> tuple[str, int]:
    """Give the address of the options as the socket API wants it; an error that names none will be about it."""
    global _asked
    _asked = f"{given.host}:{given.port}"
    return given.host, given.port


def serve(handler: Callable[[bytes, str], bytes], codec: framing.Codec, given: argparse.Namespace) -> None:
    """Serve frames at the address or path of the options, until --count messages were answered, or for ever."""
    at = given.path if "path" in given else address(given)
    if given.count is None:
        framing.serve(handler, at, codec, started=lambda server: announce(given.announce, server.address))
        return
    answered = threading.Semaphore(0)

    def counting(message: bytes, peer: str) -> bytes:
        answered.release()
        return handler(message, peer)

    with framing.serve_in_thread(counting, at, codec, grace=5) as where:
        announce(given.announce, where)
        for _ in range(given.count):
            answered.acquire()


def run(main: Callable[[], None]) -> None:
    """Run a script; an error becomes one line and exit status 1, Ctrl-C exit status 130."""
    # A port that a test or a pipe reads must show each line when it happens.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except (OSError, OverflowError, RuntimeError, ValueError) as error:
        if isinstance(error, OSError) and _asked and not getattr(error, "address", None):
            error.address = _asked  # type: ignore[attr-defined]
        raise SystemExit(explain(error)) from None
