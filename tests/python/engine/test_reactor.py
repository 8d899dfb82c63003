"""Waits on a loop: the loop hears of them once a direction, they live as long as it, and they mind nobody else's."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import resource
import socket
import weakref
from pathlib import Path

import pytest

from eyesocket import framing


class Counting(asyncio.SelectorEventLoop):
    """Counts what is asked of it."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def add_reader(self, *arguments):
        self.asked.append("add_reader")
        return super().add_reader(*arguments)

    def remove_reader(self, *arguments):
        self.asked.append("remove_reader")
        return super().remove_reader(*arguments)

    def add_writer(self, *arguments):
        self.asked.append("add_writer")
        return super().add_writer(*arguments)


def run(coroutine, factory=asyncio.new_event_loop):
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(asyncio.wait_for(coroutine, 60))


def pair(codec):
    one, other = socket.socketpair()
    return framing.wrap(one, codec), framing.wrap(other, codec)


def test_a_loop_is_asked_once_for_many_waits():
    async def work():
        loop = asyncio.get_running_loop()
        before = len(loop.asked)
        pairs = [pair(framing.Lines()) for _ in range(20)]
        for turn in range(5):
            tasks = [asyncio.ensure_future(one.recv_async()) for one, _ in pairs]
            await asyncio.sleep(0)
            for _, other in pairs:
                other.send(b"%d" % turn)
            assert await asyncio.gather(*tasks) == [b"%d" % turn] * 20
        for both in pairs:
            for one in both:
                one.close()
        return loop.asked[before:]

    assert run(work(), Counting) == ["add_reader"]


def test_writers_wait_at_a_descriptor_of_their_own():
    async def work():
        loop = asyncio.get_running_loop()
        before = len(loop.asked)
        one, other = pair(framing.LengthPrefixed(4, max_frame=1 << 24))
        sending = asyncio.ensure_future(one.send_async(bytes(1 << 23)))
        receiving = asyncio.ensure_future(one.recv_async())
        await asyncio.sleep(0)
        assert await other.recv_async() == bytes(1 << 23)
        await sending
        await other.send_async(b"back")
        assert await receiving == b"back"
        one.close()
        other.close()
        return loop.asked[before:]

    assert run(work(), Counting) == ["add_reader"] * 2


def test_a_wait_that_nobody_else_knows_is_not_collected():
    """A loop keeps its tasks weakly; what keeps one that waits is what it waits for."""
    heard = []

    async def listen(one):
        heard.append(await one.recv_async())
        one.close()

    async def work():
        one, other = pair(framing.Lines())
        task = weakref.ref(asyncio.ensure_future(listen(one)))
        del one
        await asyncio.sleep(0)
        gc.collect()
        assert task() is not None
        other.send(b"there")
        while not heard:
            await asyncio.sleep(0)
        other.close()

    run(work())
    gc.collect()
    assert heard == [b"there"]


def test_a_reader_of_the_program_on_the_same_descriptor_is_not_disturbed():
    async def work():
        loop, told = asyncio.get_running_loop(), []
        one, other = pair(framing.Lines())
        number = one.socket.fileno()
        loop.add_reader(number, told.append, "readable")
        receiving = asyncio.ensure_future(one.recv_async())
        await asyncio.sleep(0)
        other.send(b"x")
        assert await receiving == b"x"
        assert told
        assert loop.remove_reader(number)
        one.close()
        other.close()

    run(work())


def test_a_wait_that_was_cancelled_is_not_told_of():
    """The descriptor is still in the set; what comes then is for the next wait, whole."""

    async def work():
        one, other = pair(framing.LengthPrefixed(4))
        for turn in range(3):
            given_up = asyncio.ensure_future(one.recv_async())
            await asyncio.sleep(0)
            given_up.cancel()
            await asyncio.wait([given_up])
            other.send(b"%d" % turn)
            # The loop's turns in which nobody waits, though something is there.
            for _ in range(3):
                await asyncio.sleep(0)
            assert await one.recv_async() == b"%d" % turn
        one.close()
        other.close()

    run(work())


def test_half_a_frame_wakes_nobody_and_the_rest_does():
    async def work():
        near, far = socket.socketpair()
        one = framing.wrap(near, framing.LengthPrefixed(4))
        receiving = asyncio.ensure_future(one.recv_async())
        for byte in b"\0\0\0\3abc":
            await asyncio.sleep(0)
            assert not receiving.done()
            far.send(bytes([byte]))
        assert await receiving == b"abc"
        one.close()
        far.close()

    run(work())


def test_a_loop_leaves_no_descriptor_behind():
    def numbers():
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir()))

    async def work():
        one, other = pair(framing.Lines())
        receiving = asyncio.ensure_future(one.recv_async())
        await asyncio.sleep(0)
        other.send(b"x")
        await receiving
        # Given up in the middle with its loop.
        left = asyncio.ensure_future(one.recv_async())
        await asyncio.sleep(0)
        left.cancel()
        one.close()
        other.close()

    run(work())
    before = numbers()
    for _ in range(3):
        run(work())
    assert numbers() == before


def test_with_no_descriptor_left_a_wait_says_so_and_the_next_one_waits():
    async def work():
        one, other = pair(framing.Lines())
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = max(int(entry.name) for entry in Path("/proc/self/fd").iterdir()) + 1
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, limits[1]))
        fillers = []
        try:
            while True:
                fillers.append(os.dup(0))
        except OSError:
            with pytest.raises(OSError, match="Too many open files") as caught:
                await one.recv_async()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            for filler in fillers:
                os.close(filler)
        waiting = asyncio.ensure_future(one.recv_async())
        await asyncio.sleep(0)
        other.send(b"x")
        frame = await waiting
        one.close()
        other.close()
        return caught.value.errno, frame

    assert run(work()) == (errno.EMFILE, b"x")
