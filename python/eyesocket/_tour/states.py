"""TCP's state machine, read off live sockets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from eyesocket import socket, tcp

if TYPE_CHECKING:
    from eyesocket._tour.stage import Stage

TITLE = "TCP's states, on a live connection"


def tell(stage: Stage) -> None:
    """Open and close a connection, and ask the kernel for the state at each step."""
    stage.say("Open and close are active on one side and passive on the other. The side that closes first goes far.")
    rows: list[tuple[str, str, str]] = []

    def step(call: str, client: socket.socket | None, server: socket.socket | None) -> None:
        told = [str(tcp.state(end)) if end is not None else "" for end in (client, server)]
        rows.append((call, *told))  # type: ignore[arg-type]
        stage.show(f"{call:<28} {told[0]:<12} {told[1]}")

    def acknowledged(end: socket.socket, waiting: tcp.State) -> None:
        # The peer's kernel may take some 40 ms to acknowledge (delayed ACK).
        limit = time.monotonic() + 5
        while tcp.state(end) is waiting and time.monotonic() < limit:
            time.sleep(0.001)

    stage.show(f"{'call':<28} {'client':<12} server")
    with socket.socket() as listener, socket.socket() as client:
        listener.bind(("127.0.0.1", 0))
        step("socket()", client, listener)
        listener.listen()
        step("listen()", client, listener)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        with server:
            step("connect(), accept()", client, server)
            client.shutdown(socket.SHUT_WR)
            server.recv(1)
            acknowledged(client, tcp.State.FIN_WAIT_1)
            step("client: shutdown(SHUT_WR)", client, server)
            server.shutdown(socket.SHUT_WR)
            client.recv(1)
            acknowledged(server, tcp.State.LAST_ACK)
            step("server: shutdown(SHUT_WR)", None, server)
    seen = [row[1:] for row in rows]
    stage.check(seen[0] == ("CLOSED", "CLOSED"), "a new socket is CLOSED")
    stage.check(seen[1][1] == "LISTEN", "listen is the passive open")
    stage.check(seen[2] == ("ESTABLISHED", "ESTABLISHED"), "three segments later both ends are ESTABLISHED")
    stage.check(
        seen[3] == ("FIN-WAIT-2", "CLOSE-WAIT"),
        "a FIN and its ACK: who closed waits in FIN-WAIT-2, the other in CLOSE-WAIT",
    )
    stage.check(
        seen[4][1] == "CLOSED", "after its own FIN is acknowledged the passive side is through; the active one is not"
    )
