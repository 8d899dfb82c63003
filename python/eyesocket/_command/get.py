"""`eyesocket get URL`: fetch it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options; the letters are curl's."""
    parser.add_argument("url", help="what to fetch; http:// is assumed")
    parser.add_argument("-i", "--include", action="store_true", help="print the response head too")
    parser.add_argument("-m", "--max-time", type=float, metavar="SECONDS", help="total deadline (default 30)")
    parser.add_argument("--cacert", metavar="FILE", help="believe the authorities in this PEM file only")
    parser.add_argument("--json", action="store_true", help="print status, headers and timings as JSON")


def run(options: argparse.Namespace) -> int:
    """Fetch and print."""
    from eyesocket import http

    url = options.url if "://" in options.url else f"http://{options.url}"
    timeout = http.Timeout() if options.max_time is None else http.Timeout(options.max_time)
    response = http.get(url, timeout=timeout, verify=options.cacert or True)
    if options.json:
        sys.stdout.write(json.dumps(response.to_dict()) + "\n")
        return 0
    out = sys.stdout.buffer
    if options.include:
        status = f"{response.http_version} {response.status} {response.reason_phrase}".rstrip()
        lines = [status, *(f"{k.decode('latin-1')}: {v.decode('latin-1')}" for k, v in response.headers.raw), "", ""]
        out.write("\r\n".join(lines).encode("latin-1"))
    out.write(response.content)
    out.flush()
    return 0
