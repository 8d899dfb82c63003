"""Serving: what comes before the first frame, and how that may fail."""

from __future__ import annotations

import asyncio
import errno
import os
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


@pytest.mark.parametrize("address", [("::1", 0), "path", b"path", "abstract"])
def test_the_address_that_is_given_is_one_to_connect_to(address, tmp_path):
    if isinstance(address, (str, bytes)):
        address = {"path": str(tmp_path / "s"), b"path": bytes(tmp_path / "s"), "abstract": f"\0{tmp_path}"}[address]
    with framing.serve_in_thread(lambda frame, peer: frame, address, framing.Lines()) as given:
        with framing.connect(given, framing.Lines()) as chat:
            chat.send(b"here")
            assert chat.recv(timeout=30) == b"here"

        async def main():
            async with await framing.connect_async(given, framing.Lines()) as chat:
                await chat.send_async(b"there")
                return await chat.recv_async(timeout=30)

        assert asyncio.run(main()) == b"there"


@pytest.mark.parametrize(
    ("address", "kind", "said"),
    [
        (("127.0.0.1", 70_000), ValueError, "port: 70000 is none; they are 0 to 65535"),
        (("127.0.0.1", -(1 << 70)), ValueError, "they are 0 to 65535"),
        (("127.0.0.1", "80"), TypeError, r"address: \(host, port\)"),
        (("127.0.0.1",), TypeError, r"address: \(host, port\)"),
        (5, TypeError, "address: .* not 5"),
    ],
)
def test_an_address_that_is_none_is_refused_by_name(address, kind, said):
    with pytest.raises(kind, match=said):
        framing.connect(address, framing.Lines())


def test_a_loop_that_cannot_be_made_is_an_error_and_not_a_wait(monkeypatch):
    def none_left():
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    async def echo(frame, peer):
        return frame

    monkeypatch.setattr(asyncio.events, "new_event_loop", none_left)
    serving = framing.serve_in_thread(echo, ("127.0.0.1", 0), framing.Lines())
    with pytest.raises(OSError, match="Too many open files"):
        serving.__enter__()
    monkeypatch.undo()
    with serving as address, framing.connect(address, framing.Lines()) as chat:
        chat.send(b"again")
        assert chat.recv(30) == b"again"
