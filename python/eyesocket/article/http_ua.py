"""A user agent by hand, then `eyesocket.http`: `python -m eyesocket.article.http_ua [--host HOST] [--port PORT]`.

Without a host it visits a small server of its own on loopback.
"""

from __future__ import annotations

import argparse

from eyesocket import http, socket
from eyesocket.article import _script
from eyesocket.article._site import site

__all__ = ["by_hand", "main", "options"]


def options(purpose: str, port: int) -> argparse.Namespace:
    """Read --host and --port."""
    parser = argparse.ArgumentParser(description=purpose.partition("\n")[0])
    parser.add_argument("--host", help="whom to visit (default: a server of the script's own, on loopback)")
    parser.add_argument("--port", type=int, default=port, help="port (default: %(default)s)")
    return parser.parse_args()


def by_hand(host: str, port: int, target: str = "/") -> bytes:
    """Do what the article does: connect, send a request written by hand, take what one recv gives."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        ip = socket.gethostbyname(host)
        sock.connect((ip, port))
        print(f"connected to {ip}")
        # The original sent the lines and the two delimiters by three sends, and ignored what they return.
        delimiter = "\r\n"
        req_msg = [
            f"GET {target} HTTP/1.1",
            "User-Agent: curl/7.37.1",
            f"Host: {host}",
            "Accept: */*",
        ]
        sock.sendall((delimiter.join(req_msg) + delimiter + delimiter).encode())
        # One recv is not one reply: it may be less, and a reply may be longer.
        return sock.recv(4096)


def visit(host: str, port: int, *, own: bool) -> None:
    """Walk both ways."""
    http_response = by_hand(host, port)
    print(f"{'-' * 20}received{'-' * 20}")
    print(http_response.decode("latin-1").replace("\r\n", "\n"))
    print(f"{'-' * 20}eyesocket.http{'-' * 20}")
    with http.Client(trust_env=False) as client:
        print(client.get(f"http://{host}:{port}/"))
        if own:
            first = by_hand(host, port, "/long")
            long = client.get(f"http://{host}:{port}/long")
            print(f"one recv of a long reply: {len(first)} bytes; the wire had {long.wire.total_received}")
            print(f"{long}, {len(long.wire.content)} chunks")


def main() -> None:
    """Visit the host, or the script's own server."""
    given = options(__doc__ or "", 80)
    if given.host is not None:
        visit(*_script.address(given), own=False)
        return
    with site(tls=False) as port:
        visit("127.0.0.1", port, own=True)


if __name__ == "__main__":
    _script.run(main)
