"""A socket is an address and a protocol."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from eyesocket import socket

if TYPE_CHECKING:
    from eyesocket._tour.stage import Stage

TITLE = "An address and a protocol make a socket"


def tell(stage: Stage) -> None:
    """Bind one port twice: by another protocol, and by the same."""
    stage.say("The address is an ip and a port. The kernel picks a free port when it is asked for port 0.")
    with (
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as again,
    ):
        tcp.bind(("127.0.0.1", 0))
        stage.show(tcp)
        udp.bind(tcp.getsockname())
        stage.show(udp)
        stage.check(
            tcp.getsockname() == udp.getsockname() and tcp.type != udp.type,
            "TCP and UDP have the same ip and port at once: they are two sockets",
        )
        refused = None
        try:
            again.bind(tcp.getsockname())
        except OSError as error:
            refused = error
            stage.show(f"{type(error).__name__}: {error}")
        stage.check(
            refused is not None and refused.errno == errno.EADDRINUSE,
            "a second TCP socket on that address is refused: there is one of each on a machine",
        )
