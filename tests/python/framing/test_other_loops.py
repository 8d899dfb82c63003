"""Decoders and framed sockets on trio and anyio, which wait by themselves."""

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


@pytest.mark.parametrize("loop", ["trio", "asyncio"])
def test_a_framed_socket_that_does_not_block_needs_only_somebody_who_waits(pair, loop):
    anyio = pytest.importorskip("anyio", reason="anyio is not installed for this interpreter")
    if loop == "trio":
        pytest.importorskip("trio", reason="trio is not installed for this interpreter")
    for sock in pair:
        sock.setblocking(False)
    codec = framing.LengthPrefixed(4, max_frame=1 << 23)
    ours, theirs = (framing.wrap(sock, codec) for sock in pair)
    frames = [b"hello", bytes(range(256)) * 20_000, b"", b"x" * 100]

    async def receive():
        while True:
            try:
                return ours.recv()
            except BlockingIOError:
                await anyio.wait_readable(ours)

    async def send():
        for frame in frames:
            act = theirs.send
            while True:
                try:
                    act(*([frame] if act == theirs.send else []))
                    break
                except BlockingIOError:
                    if theirs.unsent:
                        act = theirs.flush
                    await anyio.wait_writable(theirs)

    async def main():
        async with anyio.create_task_group() as group:
            group.start_soon(send)
            return [await receive() for _ in frames]

    assert anyio.run(main, backend=loop) == frames
