"""Awaits that need not wait let the loop's other tasks run all the same."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from eyesocket import framing

CODEC = framing.LengthPrefixed(2)


@pytest.fixture(params=["asyncio", "uvloop"])
def runner(request):
    factory = asyncio.new_event_loop
    if request.param == "uvloop":
        factory = pytest.importorskip("uvloop", reason="uvloop is not installed for this interpreter").new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        yield runner


def work(seconds):
    """Keep the processor, as the body of a loop does."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


@pytest.mark.parametrize("ahead", [True, False])
def test_frames_that_are_there_do_not_keep_the_others_from_running(runner, ahead):
    ours, theirs = socket.socketpair()
    turns = []

    async def others():
        while True:
            turns.append(None)
            await asyncio.sleep(0)

    async def main():
        other = asyncio.ensure_future(others())
        chat, count = framing.wrap(ours, CODEC), 0
        if ahead:
            theirs.sendall(CODEC.encode_many([b"frame"] * 300))
        before = len(turns)
        while count < 300:
            if not ahead:
                # Always one more than is taken.
                theirs.sendall(CODEC.encode_many([b"frame"] * (2 - min(count, 1))))
            await chat.recv_async(timeout=30)
            count += 1
            work(0.001)
        other.cancel()
        return len(turns) - before

    with ours, theirs:
        assert runner.run(main()) >= 10


def test_a_cancellation_in_such_a_turn_loses_nothing(runner):
    ours, theirs = socket.socketpair()

    async def main():
        chat = framing.wrap(ours, CODEC)
        theirs.sendall(CODEC.encode_many([bytes([number]) for number in range(200)]))
        got = []

        async def receive():
            while True:
                got.append(await chat.recv_async(timeout=30))
                work(0.001)

        while len(got) < 200:
            task = asyncio.ensure_future(receive())
            # It runs until it lets us have a turn.
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        return got

    with ours, theirs:
        assert runner.run(main()) == [bytes([number]) for number in range(200)]
