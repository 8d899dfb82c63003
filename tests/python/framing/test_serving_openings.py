"""Serving: connections that are cancelled while a loop opens them."""

from __future__ import annotations

import asyncio
import socket

import pytest

from eyesocket import framing
from eyesocket.framing._serving._connection import Connection


@pytest.mark.parametrize("step", ["before", "after"])
def test_an_opening_that_is_cancelled_does_not_hold_the_end_up(run, monkeypatch, step):
    """As Ctrl-C does, which cancels every task of the loop."""
    made = Connection.connection_made

    def cancel(self, transport):
        if step == "before":
            self.opening.cancel()
        made(self, transport)
        if step == "after":
            self.opening.cancel()

    monkeypatch.setattr(Connection, "connection_made", cancel)

    async def main():
        server = framing.serve(lambda frame, peer: frame, ("127.0.0.1", 0), framing.Lines())
        with socket.create_connection(server.address) as client:
            while not (server.accepted and server.connections == 0):
                await asyncio.sleep(0)
            await asyncio.wait_for(server.stop(0.1), 10)
            assert await asyncio.to_thread(client.recv, 1) == b""

    run(main())
