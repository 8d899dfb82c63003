"""Closing while somebody waits: the wait ends at once, and who gets the descriptor's number next is not concerned."""

from __future__ import annotations

import asyncio
import errno
import gc
import socket as stock
import subprocess
import sys
import textwrap
import threading

import pytest

from eyesocket import _native, framing, socket


@pytest.fixture(params=["asyncio", "uvloop"])
def factory(request):
    """Makes an event loop."""
    if request.param == "asyncio":
        return asyncio.new_event_loop
    return pytest.importorskip("uvloop", reason="uvloop is not installed for this interpreter").new_event_loop


@pytest.fixture
def run(factory):
    def run(coroutine):
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(asyncio.wait_for(coroutine, 60))

    return run


@pytest.fixture(params=["stock", "ours"])
def module(request):
    return {"stock": stock, "ours": socket}[request.param]


async def waiting(awaitable):
    """Start a task that waits for `awaitable` by now."""

    async def work():
        return await awaitable

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    return task


async def fails(task):
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        await asyncio.wait_for(task, 30)
    assert caught.value.errno == errno.EBADF
    return caught.value


def number_again(number, keep):
    """Open pairs until one has the descriptor `number`; give it and its peer."""
    for _ in range(100):
        pair = stock.socketpair()
        keep.extend(pair)
        for one, other in (pair, pair[::-1]):
            if one.fileno() == number:
                return one, other
    pytest.fail(f"the kernel does not give {number} again")


async def the_number_serves(number, keep):
    """See that a connection of the same number is received from."""
    await serves(*number_again(number, keep))


async def serves(one, other):
    chat = framing.wrap(one, framing.Lines())
    task = await waiting(chat.recv_async(timeout=30))
    other.sendall(b"hello\n")
    assert await task == b"hello"
    chat.detach()
    # And by the loop's own means.
    reading = asyncio.ensure_future(asyncio.wait_for(asyncio.get_running_loop().sock_recv(nonblocking(one), 10), 30))
    await asyncio.sleep(0)
    other.sendall(b"again")
    assert await reading == b"again"


def nonblocking(sock):
    sock.setblocking(False)
    return sock


@pytest.fixture
def keep():
    sockets = []
    yield sockets
    for sock in sockets:
        sock.close()


def test_closing_a_framed_socket_ends_the_wait_of_a_task(run, module, keep):
    async def main():
        ours, theirs = module.socketpair()
        keep.append(theirs)
        chat, number = framing.wrap(ours, framing.LengthPrefixed(1)), ours.fileno()
        theirs.sendall(b"\5he")
        task = await waiting(chat.recv_async())
        chat.close()
        assert chat.fileno() == -1
        error = await fails(task)
        assert "closed while this task waited" in error.__notes__[-1]
        await the_number_serves(number, keep)

    run(main())


def test_closing_ends_the_send_of_a_task_and_says_how_much_went(run, module, keep):
    async def main():
        ours, theirs = module.socketpair()
        keep.append(theirs)
        chat, number = framing.wrap(ours, framing.LengthPrefixed(4, max_frame=1 << 24)), ours.fileno()
        task = await waiting(chat.send_async(bytes(1 << 24)))
        chat.close()
        error = await fails(task)
        assert 0 < error.sent < 1 << 24
        await the_number_serves(number, keep)

    run(main())


def test_closing_our_socket_itself_ends_the_wait_of_a_task(run, keep):
    async def main():
        ours, theirs = socket.socketpair()
        keep.append(theirs)
        number = ours.fileno()
        theirs.sendall(b"abc")
        task = await waiting(_native.recv_exactly_async(number, 4))
        ours.close()
        assert (await fails(task)).partial == b"abc"
        await the_number_serves(number, keep)

    run(main())


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_socket_of_ours_that_is_collected_ends_the_wait_of_a_task(run, keep):
    async def main():
        ours, theirs = socket.socketpair()
        keep.append(theirs)
        number = ours.fileno()
        task = await waiting(_native.recv_exactly_async(number, 4))
        del ours
        gc.collect()
        await fails(task)
        await the_number_serves(number, keep)

    run(main())


def test_closed_behind_our_back_the_number_serves_whoever_gets_it(run, keep):
    async def main():
        ours, theirs = stock.socketpair()
        keep.append(theirs)
        number = ours.fileno()
        chat = framing.wrap(ours, framing.Lines())
        task = await waiting(chat.recv_async())
        ours.close()
        one, other = number_again(number, keep)
        task_of_the_next = await waiting(framing.wrap(one, framing.Lines()).recv_async(timeout=30))
        await fails(task)
        other.sendall(b"hello\n")
        assert await task_of_the_next == b"hello"

    run(main())


def test_a_duplicate_stays_open_and_the_number_is_free(run, module, keep):
    async def main():
        ours, theirs = module.socketpair()
        duplicate = ours.dup()
        keep.extend((theirs, duplicate))
        chat, number = framing.wrap(ours, framing.Lines()), ours.fileno()
        task = await waiting(chat.recv_async())
        chat.close()
        await fails(task)
        # Data for the duplicate must not be taken for data of who has the number now.
        theirs.sendall(b"for the duplicate")
        await the_number_serves(number, keep)
        assert duplicate.recv(100) == b"for the duplicate"

    run(main())


def test_closing_in_another_thread(run, module, keep):
    async def main():
        ours, theirs = module.socketpair()
        keep.append(theirs)
        chat, number = framing.wrap(ours, framing.Lines()), ours.fileno()
        task = await waiting(chat.recv_async())
        closing = threading.Thread(target=chat.close)
        closing.start()
        closing.join()
        await fails(task)
        assert ours.fileno() == -1
        await the_number_serves(number, keep)

    run(main())


def test_closing_our_socket_itself_in_another_thread(run, keep):
    async def main():
        ours, theirs = socket.socketpair()
        keep.append(theirs)
        number = ours.fileno()
        task = await waiting(_native.recv_exactly_async(number, 4))
        closing = threading.Thread(target=ours.close)
        closing.start()
        closing.join()
        assert ours.fileno() == -1
        await fails(task)
        await the_number_serves(number, keep)

    run(main())


def test_a_cancelled_wait_leaves_nothing_behind(run, keep):
    async def main():
        ours, theirs = stock.socketpair()
        keep.append(theirs)
        chat, number = framing.wrap(ours, framing.Lines()), ours.fileno()
        task = await waiting(chat.recv_async())
        task.cancel()
        chat.close()
        with pytest.raises((asyncio.CancelledError, OSError)):
            await task
        await the_number_serves(number, keep)

    run(main())


def test_a_wait_that_is_dropped_leaves_nothing_behind(run, keep):
    async def main():
        ours, theirs = stock.socketpair()
        keep.extend((ours, theirs))
        chat = framing.wrap(ours, framing.Lines())
        wait = chat.recv_async()
        wait.send(None)
        del wait
        gc.collect()
        task = await waiting(chat.recv_async(timeout=30))
        theirs.sendall(b"hello\n")
        assert await task == b"hello"

    run(main())


def test_a_loop_that_is_closed_in_mid_wait_is_collected_and_holds_nothing_up(factory, run, keep):
    ours, theirs = stock.socketpair()
    keep.append(theirs)
    number = ours.fileno()
    chat = framing.wrap(ours, framing.Lines())
    loop = factory()
    waits = [chat.recv_async()]

    async def start():
        waits[0].send(None)

    loop.run_until_complete(start())
    loop.close()
    chat.close()
    again = number_again(number, keep)
    waits.clear()
    del loop
    gc.collect()
    assert not [one for one in gc.get_objects() if type(one).__name__ == "Pending"]
    run(serves(*again))


def test_a_task_that_is_pending_when_its_loop_is_closed(factory, run, keep):
    ours, theirs = stock.socketpair()
    keep.append(theirs)
    number = ours.fileno()
    chat = framing.wrap(ours, framing.Lines())
    loop = factory()
    loop.set_exception_handler(lambda _loop, _context: None)  # "Task was destroyed but it is pending"

    async def receive():
        await chat.recv_async()

    loop.create_task(receive())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    del loop
    gc.collect()
    chat.close()
    again = number_again(number, keep)
    run(serves(*again))


def test_closing_between_two_runs_of_a_loop(factory, keep):
    ours, theirs = stock.socketpair()
    keep.append(theirs)
    number = ours.fileno()
    chat = framing.wrap(ours, framing.Lines())
    with asyncio.Runner(loop_factory=factory) as runner:
        task = runner.run(waiting(chat.recv_async()))
        chat.close()
        assert ours.fileno() == -1
        again = number_again(number, keep)
        runner.run(fails(task))
        runner.run(serves(*again))


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_forked_child_closes_its_copy_and_the_parent_waits_on(loop):
    if loop == "uvloop":
        pytest.importorskip("uvloop", reason="uvloop is not installed for this interpreter")
    program = f"""
        import asyncio, os, socket, {loop}
        from eyesocket import framing

        async def main():
            ours, theirs = socket.socketpair()
            chat = framing.wrap(ours, framing.Lines())
            async def work():
                return await chat.recv_async(timeout=30)
            task = asyncio.ensure_future(work())
            await asyncio.sleep(0)
            child = os.fork()
            if child == 0:
                chat.close()
                os._exit(0 if ours.fileno() == -1 else 1)
            assert os.waitpid(child, 0)[1] == 0
            theirs.sendall(b"hello\\n")
            print(await task)
            chat.close()
            theirs.close()

        {loop}.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.returncode) == ("b'hello'\n", 0), done.stderr
