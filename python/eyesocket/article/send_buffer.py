"""What the kernel makes of SO_SNDBUF: `python -m eyesocket.article.send_buffer [SIZE ...]`.

Linux doubles the size, to have room for its own bookkeeping, keeps a minimum, and holds it below
`net.core.wmem_max` (socket(7)).
"""

from __future__ import annotations

import argparse

from eyesocket import socket
from eyesocket.article import _script

__all__ = ["made_of", "main"]


def made_of(buffer_size: int) -> int:
    """Ask for a send buffer of `buffer_size` bytes; give the size in bytes that the kernel then reports."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_size)
        return s.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)


def verdict(asked: int, got: int) -> str:
    """Say what happened to the size that was asked for."""
    if got == 2 * asked:
        return "doubled"
    return "raised to the minimum" if got > 2 * asked else "cut to the maximum, net.core.wmem_max, doubled"


def main() -> None:
    """Try some sizes."""
    parser = argparse.ArgumentParser(description="What the kernel makes of SO_SNDBUF.")
    parser.add_argument("sizes", nargs="*", type=int, default=[1, 4096, 65536, 2**30], metavar="SIZE", help="bytes")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        print("send buffer at first: %d bytes" % s.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF))
    for asked in parser.parse_args().sizes:
        got = made_of(asked)
        print("asked for %d bytes, got %d: %s" % (asked, got, verdict(asked, got)))


if __name__ == "__main__":
    _script.run(main)
