"""Sockets whose address is a path."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eyesocket._tour.stage import Stage

TITLE = "UNIX-domain sockets: the address is a file"


def tell(stage: Stage) -> None:
    """Run server and client in a folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="eyesocket-") as folder:
        path = Path(folder) / "echo"
        with stage.server("uds_server", "--path", str(path), "--count", "1") as server:
            stage.check(path.is_socket(), "a socket stands in the file system where the server bound it")
            told = stage.script("uds_client", "--path", str(path))
            stage.check(told == "hello unix domain socket\n", "the same calls as over a network, the same echo")
            server.finish()
        stage.check(not path.exists(), "the server took its file away; the kernel would not have")
        with stage.server("framed_uds_server", "--path", str(path), "--count", "2") as server:
            told = stage.script("framed_uds_client", "--path", str(path))
            stage.check(
                told == "hello unix domain socket\n100000 bytes in one message\n",
                "on frames: two messages on one connection, the second longer than any recv of the article",
            )
            server.finish()
