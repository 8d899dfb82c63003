"""The same over TLS, both ways: `python -m eyesocket.article.https_ua [--host HOST] [--port PORT]`.

Without a host it visits a small server of its own on loopback, whose certificate everybody can forge.
"""

from __future__ import annotations

import ssl

from eyesocket import http, socket
from eyesocket.article import _script
from eyesocket.article._site import AUTHORITY, site
from eyesocket.article.http_ua import options

__all__ = ["by_hand", "main"]


def by_hand(host: str, port: int, authority: str | None) -> bytes:
    """Connect, wrap the socket in TLS, send a request written by hand, take what one recv gives."""
    context = ssl.create_default_context(cafile=authority)
    with socket.create_connection((host, port), timeout=30) as sock:
        print(f"connected to {sock.getpeername()[0]}")
        with context.wrap_socket(sock, server_hostname=host) as secured:
            req_msg = ["GET / HTTP/1.1", "User-Agent: curl/7.37.1", f"Host: {host}", "Accept: */*", "", ""]
            secured.sendall("\r\n".join(req_msg).encode())
            return secured.recv(4096)


def visit(host: str, port: int, authority: str | None) -> None:
    """Walk both ways."""
    http_response = by_hand(host, port, authority)
    print(f"{'-' * 20}received{'-' * 20}")
    print(http_response.decode("latin-1").replace("\r\n", "\n"))
    print(f"{'-' * 20}eyesocket.http{'-' * 20}")
    # The original printed the headers of the reply and the first 1000 bytes; its library did not check certificates.
    response = http.get(f"https://{host}:{port}/", verify=authority or True, trust_env=False)
    print(response)
    for name, value in response.headers.multi_items():
        print(f"{name}: {value}")
    print()
    print(response.text[:1000])


def main() -> None:
    """Visit the host, or the script's own server."""
    given = options(__doc__ or "", 443)
    if given.host is not None:
        visit(*_script.address(given), None)
        return
    with site(tls=True) as port:
        # By its address: a system without an /etc/hosts does not know the name localhost.
        visit("127.0.0.1", port, AUTHORITY)


if __name__ == "__main__":
    _script.run(main)
