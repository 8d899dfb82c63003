"""The article's second pair."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from eyesocket import socket

if TYPE_CHECKING:
    from eyesocket._tour.stage import Stage

TITLE = "UDP: no connection, no listen, one datagram at a time"


def tell(stage: Stage) -> None:
    """Run server and client; then send to nobody."""
    with stage.server("simple_udp_echo.echo_server", "--port", "0", "--count", "1") as server:
        told = stage.script("simple_udp_echo.echo_client", "--port", server.port)
        stage.check(told == f"receive data:[hello udp socket] from {server.where}\n", "the datagram comes back whole")
        server.finish()
    stage.say("Nobody has that port now. A send succeeds all the same; the refusal comes later, as an ICMP message.")
    refused = None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect(("127.0.0.1", int(server.port)))
        sent = sock.send(b"hello?")
        try:
            sock.recv(1024)
        except OSError as error:
            refused = error
            stage.show(f"send gave {sent}, then recv: {type(error).__name__}: {error}")
    stage.check(refused is not None and refused.errno == errno.ECONNREFUSED, "a connected UDP socket is told so")
