"""Socket tables as data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import eyesocket
from eyesocket import socket

if TYPE_CHECKING:
    from eyesocket._tour.stage import Stage

TITLE = "netstat and ss: what sockets has this machine?"


def tell(stage: Stage) -> None:
    """Find our own sockets by filters, straight from the kernel."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            stage.say(f"A listener on port {port} and a connection to it; the filter is ss's own language.")
            # Another connection to this port may still be in TIME-WAIT, from a minute ago: the pair is ours alone.
            pair = f"sport = :{port} and dport = :{client.getsockname()[1]}"
            for words in ("state listening", "state established", "exclude listening"):
                filtered = f"{words} {f'sport = :{port}' if words == 'state listening' else pair}"
                table = eyesocket.ss(filtered)
                stage.show(f'ss("{filtered}")')
                stage.show(table)
                wanted = {"state listening": {"LISTEN"}}.get(words, {"ESTAB", "ESTABLISHED"})
                stage.check(
                    {str(row.state) for row in table} <= wanted and len(table) == 1, f"{words}: exactly the one we made"
                )
            named = [row.local[1] for row in eyesocket.ss("state established") if row.peer[1] == port]
            stage.check(named == [client.getsockname()[1]], "rows are values: Python can ask them further")
