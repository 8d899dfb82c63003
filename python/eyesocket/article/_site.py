"""The site that `http_ua` and `https_ua` visit when they are given no host: a small server of their own, on loopback.

It runs in a thread of the script on a port that the system chooses. `/` is a short page with Content-Length, `/long`
one that no single recv takes, in chunks.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eyesocket import socket

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["AUTHORITY", "LONG", "SHORT", "site"]

_CERTIFICATES = Path(__file__).parent / "certificates"
AUTHORITY = str(_CERTIFICATES / "authority.pem")
"""Who vouches for the site over TLS."""

SHORT = b'<html>\n<meta http-equiv="refresh" content="0;url=http://baidu.invalid/">\n</html>\n'
LONG = b"".join(b"line %4d of a page that is longer than one recv\n" % number for number in range(1, 401))


def _reply(target: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nServer: eyesocket.article\r\nContent-Type: text/html\r\n"
    if target != b"/long":
        return head + b"Content-Length: %d\r\nConnection: Keep-Alive\r\n\r\n" % len(SHORT) + SHORT
    pieces = (LONG[at : at + 1000] for at in range(0, len(LONG), 1000))
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


def _serve(connection: Any, context: ssl.SSLContext | None) -> None:
    with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
        stack.enter_context(connection)
        if context is not None:
            connection = stack.enter_context(context.wrap_socket(connection, server_side=True))
        received = b""
        while True:
            while b"\r\n\r\n" not in received:
                piece = connection.recv(4096)
                if not piece:
                    return
                received += piece
            head, _, received = received.partition(b"\r\n\r\n")
            connection.sendall(_reply(head.split(b" ")[1]))


@contextlib.contextmanager
def site(*, tls: bool) -> Iterator[int]:
    """Serve while the `with` lasts; gives the port."""
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(_CERTIFICATES / "server.pem")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(5)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    # TLS sends tickets before the reply: without this the reply would wait for their acknowledgement.
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    threading.Thread(target=_serve, args=(connection, context), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            # Closing alone would leave the thread in accept.
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
