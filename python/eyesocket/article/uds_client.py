"""Echo client on a UNIX-domain socket: `python -m eyesocket.article.uds_client [--path PATH]`."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from eyesocket import socket
from eyesocket.article import _script

__all__ = ["main"]

DEFAULT = Path(tempfile.gettempdir()) / f"eyesocket-uds-{os.getuid()}"


def options(purpose: str, *, server: bool) -> argparse.Namespace:
    """Read --path; for a server --count and --announce too."""
    parser = argparse.ArgumentParser(description=purpose)
    parser.add_argument(
        "--path", default=str(DEFAULT), help="the socket's path, at most 107 bytes (default: %(default)s)"
    )
    if server:
        parser.add_argument("--count", type=int, help="clients to serve (default: serve for ever)")
        parser.add_argument("--announce", action="store_true", help="print the path when it listens")
    return parser.parse_args()


def main() -> None:
    """Send a greeting and print what comes back."""
    given = options(__doc__ or "", server=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.connect(given.path)
        sock.sendall(b"hello unix domain socket")
        print(sock.recv(1024).decode())


if __name__ == "__main__":
    _script.run(main)
