"""Deadlines on a loop: each is kept, though one timer stands for all of them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import weakref

import pytest

from eyesocket import _native


@pytest.fixture(params=["asyncio", "uvloop"])
def factory(request):
    """Makes an event loop."""
    if request.param == "asyncio":
        return asyncio.new_event_loop
    return pytest.importorskip("uvloop", reason="uvloop is not installed for this interpreter").new_event_loop


@pytest.fixture
def silent():
    """Sockets whose peers say nothing."""
    with contextlib.ExitStack() as stack:
        pairs = [socket.socketpair() for _ in range(5)]
        for pair in pairs:
            for end in pair:
                stack.enter_context(end)
        yield pairs


def run(factory, coroutine):
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(coroutine)


async def expired(pair, timeout, order):
    with pytest.raises(TimeoutError):
        await _native.recv_exactly_async(pair[0].fileno(), 1, timeout)
    order.append(timeout)


def test_deadlines_come_in_their_order_whatever_order_they_were_set_in(silent, factory):
    order = []

    async def main():
        times = [0.2, 0.05, 0.15, 0.02, 0.1]
        await asyncio.gather(*(expired(pair, time, order) for pair, time in zip(silent, times, strict=True)))

    run(factory, main())
    assert order == [0.02, 0.05, 0.1, 0.15, 0.2]


def test_the_end_of_a_wait_takes_no_other_deadline_along(silent, factory):
    order = []

    async def main():
        first = asyncio.ensure_future(_native.recv_exactly_async(silent[0][0].fileno(), 1, 0.02))
        late = asyncio.ensure_future(expired(silent[1], 0.1, order))
        answered = asyncio.ensure_future(_native.recv_exactly_async(silent[2][0].fileno(), 1, 0.05))
        await asyncio.sleep(0)
        first.cancel()
        silent[2][1].send(b"x")
        assert await answered == b"x"
        with pytest.raises(asyncio.CancelledError):
            await first
        await late
        # The timer has fired and none was left: the next deadline sets a new one.
        await expired(silent[3], 0.02, order)

    run(factory, main())
    assert order == [0.1, 0.02]


def test_waits_that_end_before_their_deadlines_set_one_timer_in_all(silent):
    class Counting(asyncio.SelectorEventLoop):
        timers = 0

        def call_at(self, *words, **more):
            Counting.timers += 1
            return super().call_at(*words, **more)

    async def main():
        ours, theirs = silent[0]
        for _ in range(50):
            reading = asyncio.ensure_future(_native.recv_exactly_async(ours.fileno(), 1, 30))
            await asyncio.sleep(0)
            theirs.send(b"x")
            assert await reading == b"x"

    run(Counting, main())
    assert Counting.timers == 1


def test_a_timer_that_is_still_set_keeps_no_loop_that_is_closed(silent):
    class Loop(asyncio.SelectorEventLoop):
        pass

    async def main():
        ours, theirs = silent[0]
        reading = asyncio.ensure_future(_native.recv_exactly_async(ours.fileno(), 1, 3600))
        await asyncio.sleep(0)
        theirs.send(b"x")
        await reading
        return weakref.ref(asyncio.get_running_loop())

    loop = run(Loop, main())
    gc.collect()
    assert loop() is None


def test_two_loops_have_each_their_own(silent, factory):
    order = []
    with asyncio.Runner(loop_factory=factory) as one, asyncio.Runner(loop_factory=factory) as two:
        for runner, pair, timeout in ((one, silent[0], 0.03), (two, silent[1], 0.02), (one, silent[2], 0.01)):
            runner.run(expired(pair, timeout, order))
    assert order == [0.03, 0.02, 0.01]
