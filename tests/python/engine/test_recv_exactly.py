"""The first user of the engine, through both drivers: whole results, one deadline, and nothing lost on the way out."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading

import pytest

from eyesocket import _native
from eyesocket.errors import RemoteError, TruncatedError


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture(params=["asyncio", "uvloop"])
def factory(request):
    """Makes an event loop."""
    if request.param == "asyncio":
        return asyncio.new_event_loop
    return pytest.importorskip("uvloop", reason="uvloop is not installed for this interpreter").new_event_loop


def run(factory, coroutine):
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(coroutine)


def test_gives_exactly_what_was_asked_and_leaves_the_rest(pair):
    ours, theirs = pair
    theirs.sendall(b"hello socket world")
    assert _native.recv_exactly(ours.fileno(), 5) == b"hello"
    assert ours.recv(100) == b" socket world"


def test_zero_bytes_need_no_peer(pair):
    assert _native.recv_exactly(pair[0].fileno(), 0) == b""


def test_pieces_are_put_together_across_waits(pair):
    ours, theirs = pair
    data = os.urandom(1_000_000)

    def drip():
        for at in range(0, len(data), 70_001):
            theirs.sendall(data[at : at + 70_001])

    sender = threading.Thread(target=drip)
    sender.start()
    try:
        assert _native.recv_exactly(ours.fileno(), len(data), 30) == data
    finally:
        sender.join()


def test_a_timeout_keeps_what_came(pair):
    ours, theirs = pair
    theirs.sendall(b"abc")
    with pytest.raises(TimeoutError) as caught:
        _native.recv_exactly(ours.fileno(), 4, 0.02)
    assert caught.value.partial == b"abc"


def test_an_early_end_keeps_what_came_and_is_the_peers_fault(pair):
    ours, theirs = pair
    theirs.sendall(b"abc")
    theirs.close()
    with pytest.raises(TruncatedError) as caught:
        _native.recv_exactly(ours.fileno(), 4)
    assert caught.value.partial == b"abc"
    assert isinstance(caught.value, RemoteError)
    assert isinstance(caught.value, EOFError)
    assert isinstance(caught.value, ConnectionError)
    assert caught.value.errno


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_a_timeout_that_is_no_duration_is_refused(pair, timeout):
    with pytest.raises(ValueError, match="timeout"):
        _native.recv_exactly(pair[0].fileno(), 1, timeout)


def test_a_huge_length_costs_no_memory_before_its_bytes_come(pair):
    ours, theirs = pair
    theirs.sendall(b"abc")
    theirs.close()
    with pytest.raises(TruncatedError) as caught:
        _native.recv_exactly(ours.fileno(), 1 << 50)
    assert caught.value.partial == b"abc"


def test_a_closed_descriptor_is_told_by_errno():
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        _native.recv_exactly(2**31 - 1, 1)
    assert caught.value.errno == 9


def test_control_c_ends_the_wait_at_once_and_keeps_what_came():
    program = """
        import os, signal, socket, sys, threading, time
        from eyesocket import _native
        ours, theirs = socket.socketpair()
        theirs.sendall(b"abc")
        sent = []
        def interrupt():
            while open(f"/proc/self/task/{threading.main_thread().native_id}/wchan").read() in ("", "0"):
                pass
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=interrupt, daemon=True).start()
        try:
            _native.recv_exactly(ours.fileno(), 4)
        except KeyboardInterrupt as error:
            print(error.partial, time.monotonic() - sent[0])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    partial, seconds = done.stdout.rsplit(maxsplit=1)
    assert partial == "b'abc'"
    # The promise is 50 ms; a busy machine gets more, a lost signal would hang until the limit above.
    assert float(seconds) < 5


def test_a_signal_handler_that_returns_does_not_end_the_wait(pair):
    ours, theirs = pair
    calls = []

    def handler(number, frame):
        calls.append(number)
        theirs.sendall(b"d")

    before = signal.signal(signal.SIGALRM, handler)
    try:
        theirs.sendall(b"abc")
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        assert _native.recv_exactly(ours.fileno(), 4, 30) == b"abcd"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert calls == [signal.SIGALRM]


def test_awaiting_gives_the_same(pair, factory):
    ours, theirs = pair

    async def main():
        reading = asyncio.ensure_future(asyncio.wait_for(_native.recv_exactly_async(ours.fileno(), 5), 30))
        for byte in b"hello":
            await asyncio.sleep(0)
            theirs.send(bytes([byte]))
        return await reading

    assert run(factory, main()) == b"hello"


def test_awaiting_times_out_by_the_same_error(pair, factory):
    ours, theirs = pair
    theirs.sendall(b"abc")

    async def main():
        with pytest.raises(TimeoutError) as caught:
            await _native.recv_exactly_async(ours.fileno(), 4, 0.02)
        return caught.value.partial

    assert run(factory, main()) == b"abc"


def test_cancelling_takes_the_reader_off_and_gives_what_came(pair, factory):
    ours, theirs = pair

    async def main():
        outcome = []

        async def read():
            try:
                await _native.recv_exactly_async(ours.fileno(), 4)
            except asyncio.CancelledError as cancelled:
                outcome.append(cancelled.partial)
                raise

        theirs.sendall(b"abc")
        task = asyncio.ensure_future(read())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not asyncio.get_running_loop().remove_reader(ours.fileno())
        theirs.sendall(b"defg")
        return outcome, await _native.recv_exactly_async(ours.fileno(), 4)

    assert run(factory, main()) == ([b"abc"], b"defg")


def test_two_tasks_on_one_descriptor_are_told_apart(pair, factory):
    ours, theirs = pair

    async def main():
        async def read():
            return await _native.recv_exactly_async(ours.fileno(), 4, 30)

        first = asyncio.ensure_future(read())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="another task already waits"):
            await _native.recv_exactly_async(ours.fileno(), 4, 30)
        theirs.sendall(b"abcd")
        return await first

    assert run(factory, main()) == b"abcd"


def test_an_operation_is_awaited_once(pair):
    ours, theirs = pair
    theirs.sendall(b"abcd")

    async def main():
        operation = _native.recv_exactly_async(ours.fileno(), 4)
        assert await operation == b"abcd"
        with pytest.raises(RuntimeError, match="twice"):
            await operation

    asyncio.run(main())


def test_awaiting_outside_a_loop_says_so(pair):
    operation = _native.recv_exactly_async(pair[0].fileno(), 4)
    with pytest.raises(RuntimeError, match="no running event loop"):
        operation.send(None)
