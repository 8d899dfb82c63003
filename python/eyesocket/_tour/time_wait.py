"""TIME_WAIT."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import eyesocket
from eyesocket import socket

if TYPE_CHECKING:
    from eyesocket._tour.stage import Stage

TITLE = "Who closes first holds TIME_WAIT"


def tell(stage: Stage) -> None:
    """Close in both orders, look with ss, and come back with SO_REUSEADDR."""
    stage.say("2 MSL (60 s on Linux) the closer waits, so that its last ACK can be sent again if it was lost.")
    for first in ("client", "server"):
        port, mine, other = closed_by(first)
        table = eyesocket.ss(f"state time-wait sport = :{mine} dport = :{other}")
        stage.show(f"{first} closed first: ss state time-wait")
        stage.show(table)
        stage.check(len(table) == 1, f"the {first} closed first, and on the {first}'s port the connection waits")
    stage.say("A server that closed first and ended would have to wait until it can bind its port again.")
    with socket.socket() as again:
        refused = None
        try:
            again.bind(("127.0.0.1", port))
        except OSError as error:
            refused = error
            stage.show(f"bind without SO_REUSEADDR: {error}")
        stage.check(refused is not None and refused.errno == errno.EADDRINUSE, "so it is, without SO_REUSEADDR")
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))
        stage.check(again.getsockname()[1] == port, "with SO_REUSEADDR, before and after, it comes back at once")


def closed_by(first: str) -> tuple[int, int, int]:
    """Make a connection that `first` closes first; give the ports of the listener, of `first` and of the other side."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        server, peer = listener.accept()
    ends = {"client": client, "server": server}
    with ends.pop(first):
        pass
    (last,) = ends.values()
    with last:
        last.recv(1)
    return (port, peer[1], port) if first == "client" else (port, port, peer[1])
