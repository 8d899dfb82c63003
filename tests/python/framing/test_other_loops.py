"""Decoders on trio and anyio, which wait by themselves."""

from __future__ import annotations

import pytest

from eyesocket import framing


@pytest.mark.parametrize("loop", ["trio", "asyncio"])
def test_a_decoder_needs_only_somebody_who_waits(pair, loop):
    anyio = pytest.importorskip("anyio", reason="anyio is not installed for this interpreter")
    if loop == "trio":
        pytest.importorskip("trio", reason="trio is not installed for this interpreter")
    ours, theirs = pair

    async def main():
        decoder, got = framing.Lines().decoder(), []
        async with anyio.create_task_group() as group:
            group.start_soon(send)
            while not decoder.at_end:
                await anyio.wait_readable(ours)
                data = ours.recv(3)
                got += decoder.feed(data) if data else decoder.eof()
        return got

    async def send():
        for piece in (b"o", b"ne\ntw", b"o\n"):
            await anyio.wait_writable(theirs)
            theirs.send(piece)
        theirs.shutdown(1)

    assert anyio.run(main, backend=loop) == [b"one", b"two"]
