"""The article's first pair."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eyesocket._tour.stage import Stage

TITLE = "TCP: connect, then a stream of bytes"


def tell(stage: Stage) -> None:
    """Run server and client."""
    stage.say("bind, listen, accept on one side, connect on the other; then both may send and receive.")
    with stage.server("simple_tcp_echo.echo_server", "--port", "0", "--count", "1") as server:
        told = stage.script("simple_tcp_echo.echo_client", "--port", server.port)
        stage.check(told == "hello socket world\n", "the client gets back what it sent")
        log = server.finish()
    match = re.search(r"new client from ([\d.]+:\d+)\nclient\[\1\] socket closed", log)
    stage.check(match is not None, "the server saw that client come and go, by the client's own address")
