"""Several threads and tasks on one framed socket: frames stay whole, sends keep their order, nobody is forgotten."""

from __future__ import annotations

import asyncio
import struct
import threading

import pytest

from eyesocket import framing
from eyesocket.framing import LengthPrefixed, Lines

CODEC = LengthPrefixed(4, max_frame=1 << 24)


async def begun(awaitable):
    """Start a task that waits for `awaitable` by now."""

    async def work():
        return await awaitable

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    return task


def test_tasks_that_send_wait_for_their_turn_and_keep_their_order(pair, run):
    ours, theirs = (framing.wrap(sock, CODEC) for sock in pair)
    frames = [bytes([number]) * (1 << 20) for number in range(8)]

    async def main():
        tasks = [await begun(ours.send_async(frame)) for frame in frames]
        got = [await theirs.recv_async(timeout=30) for _ in frames]
        await asyncio.gather(*tasks)
        return got

    assert run(main()) == frames


def test_a_task_that_is_cancelled_in_the_queue_lets_the_next_send(pair, run):
    ours, theirs = (framing.wrap(sock, CODEC) for sock in pair)
    frames = [bytes([number]) * (1 << 20) for number in range(5)]

    async def main():
        tasks = [await begun(ours.send_async(frame)) for frame in frames]
        for index in (1, 3):
            tasks[index].cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await tasks[index]
            del caught
        got = [await theirs.recv_async(timeout=30) for _ in range(3)]
        await asyncio.gather(tasks[0], tasks[2], tasks[4])
        return got

    assert run(main()) == [frames[0], frames[2], frames[4]]


def test_who_sends_now_is_cancelled_and_the_queue_goes_on(pair, run):
    ours, theirs = (framing.wrap(sock, CODEC) for sock in pair)
    frames = [bytes([number]) * (1 << 20) for number in range(3)]

    async def main():
        tasks = [await begun(ours.send_async(frame)) for frame in frames]
        tasks[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]
        # It had begun, so it goes out whole.
        got = [await theirs.recv_async(timeout=30) for _ in frames]
        await asyncio.gather(*tasks[1:])
        return got

    assert run(main()) == frames


def test_a_queued_send_that_times_out_has_sent_nothing(pair, run):
    ours, theirs = (framing.wrap(sock, CODEC) for sock in pair)

    async def main():
        first = await begun(ours.send_async(b"a" * (1 << 20)))
        with pytest.raises(TimeoutError) as caught:
            await ours.send_async(b"b", timeout=0.02)
        assert caught.value.sent == 0
        got = await theirs.recv_async(timeout=30)
        await first
        await ours.send_async(b"c")
        return [got[:1], await theirs.recv_async(timeout=30)]

    assert run(main()) == [b"a", b"c"]


def test_threads_that_send_wait_for_their_turn_and_keep_their_order(pair):
    ours, theirs = (framing.wrap(sock, CODEC) for sock in pair)
    frames = [bytes([number]) * (1 << 20) for number in range(6)]
    threads = []
    for number, frame in enumerate(frames):
        thread = threading.Thread(target=ours.send, args=(frame,))
        thread.start()
        threads.append(thread)
        # In the queue (or, the first, in the kernel) before the next begins: it waits in poll(2).
        while "poll" not in waits_in(thread):
            assert thread.is_alive(), number
    assert [theirs.recv(30) for _ in frames] == frames
    for thread in threads:
        thread.join(30)


def waits_in(thread):
    with open(f"/proc/self/task/{thread.native_id}/wchan") as file:  # noqa: PTH123
        return file.read()


def test_tasks_and_a_thread_send_on_one_object(pair, run):
    ours, theirs = (framing.wrap(sock, CODEC) for sock in pair)

    async def main():
        thread = threading.Thread(target=lambda: [ours.send(b"t" * 50_000) for _ in range(50)])
        thread.start()

        async def work():
            for _ in range(50):
                await ours.send_async(b"a" * 50_000)

        sending = asyncio.ensure_future(work())
        got = [await theirs.recv_async(timeout=30) for _ in range(100)]
        await sending
        thread.join(30)
        return got

    assert sorted(run(main())) == [b"a" * 50_000] * 50 + [b"t" * 50_000] * 50


def test_tasks_that_receive_get_a_frame_each(pair, run):
    ours, theirs = (framing.wrap(sock, Lines()) for sock in pair)

    async def main():
        tasks = [await begun(ours.recv_async(timeout=30)) for _ in range(5)]
        await theirs.send_many_async([b"%d" % number for number in range(5)])
        return await asyncio.gather(*tasks)

    assert run(main()) == [b"0", b"1", b"2", b"3", b"4"]


def test_a_thread_that_brings_several_frames_wakes_a_task(pair, run):
    ours, theirs = pair
    chat = framing.wrap(ours, Lines())

    async def main():
        task = await begun(chat.recv_async(timeout=30))
        other = await begun(chat.recv_async(timeout=30))
        theirs.sendall(b"a\nb\nc\n")
        # Before the loop looks: all three are in the decoder now, and the kernel has nothing more to tell.
        thread = threading.Thread(target=chat.recv)
        thread.start()
        thread.join(30)
        return await task, await other

    assert len(run(main())) == 2


def test_two_loops_receive_from_one_object(pair):
    ours, theirs = pair
    chat, got = framing.wrap(ours, Lines()), []

    def work():
        async def main():
            for _ in range(200):
                got.append(await chat.recv_async(timeout=30))  # noqa: PERF401

        asyncio.run(main())

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    expected = [b"%03d" % number for number in range(400)]
    for line in expected:
        theirs.sendall(line + b"\n")
    for thread in threads:
        thread.join(60)
    assert sorted(got) == expected


def test_threads_send_and_receive_in_both_directions_at_once(pair):
    chats = [framing.wrap(sock, CODEC) for sock in pair]
    count, workers, errors = 300, 3, []
    got = {chat: [] for chat in chats}

    def guarded(work, *arguments):
        try:
            work(*arguments)
        except BaseException as error:
            errors.append(error)

    def content(number, index):
        return struct.pack(">II", number, index) + bytes([number]) * (index * 377 % 20_000)

    def send(chat, number):
        for index in range(0, count, 3):
            chat.send(content(number, index), timeout=60)
            chat.send_many([content(number, index + 1), content(number, index + 2)], timeout=60)

    def receive(chat, number):
        left = count
        while left:
            frames = chat.recv_many(most=min(left, 7), timeout=60) if number % 2 else [chat.recv(timeout=60)]
            left -= len(frames)
            got[chat].append(frames)

    work = [(act, chat, number) for act in (send, receive) for chat in chats for number in range(workers)]
    running = [threading.Thread(target=guarded, args=one) for one in work]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(100)
    assert not errors
    expected = sorted(content(number, index) for number in range(workers) for index in range(count))
    for chat in chats:
        assert sorted(frame for frames in got[chat] for frame in frames) == expected


@pytest.mark.parametrize("act", ["recv", "send"])
def test_closing_wakes_threads_that_wait(pair, act):
    ours, _ = pair
    chat, outcome = framing.wrap(ours, CODEC), []

    def work():
        try:
            chat.recv() if act == "recv" else chat.send(bytes(1 << 24))
        except OSError as error:
            outcome.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        while "poll" not in waits_in(thread):
            assert thread.is_alive()
    chat.close()
    for thread in threads:
        thread.join(30)
    assert [error.errno for error in outcome] == [9, 9, 9]


def test_closed_behind_our_back_a_wait_ends_by_its_deadline_and_takes_nothing(pair):
    import socket

    ours, theirs = pair
    chat, number = framing.wrap(ours, CODEC), ours.fileno()
    outcome = []

    def work():
        try:
            chat.recv(timeout=0.3)
        except OSError as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    while "poll" not in waits_in(thread):
        assert thread.is_alive()
    ours.close()
    pairs = [socket.socketpair() for _ in range(3)]
    for one, other in pairs:
        one.send(b"private")
        other.send(b"private")
    assert number in {sock.fileno() for pair in pairs for sock in pair}
    thread.join(30)
    assert [error.errno for error in outcome] == [9]
    for one, other in pairs:
        assert one.recv(100) == other.recv(100) == b"private"
        one.close()
        other.close()
    theirs.close()


def test_a_non_blocking_socket_does_not_wait_and_loses_nothing(pair, run):
    ours, theirs = pair
    ours.setblocking(False)
    chat = framing.wrap(ours, LengthPrefixed(4, max_frame=1 << 24))
    theirs.sendall(b"\0\0\0\5he")
    for receive in (chat.recv, chat.recv_many, lambda: next(iter(chat))):
        with pytest.raises(BlockingIOError) as caught:
            receive()
        assert caught.value.errno == 11
    assert chat.buffered == 6
    theirs.sendall(b"llo")
    assert chat.recv() == b"hello"
    frame = b"x" * (1 << 22)
    with pytest.raises(BlockingIOError) as caught:
        chat.send(frame)
    assert 0 < caught.value.sent < len(frame) + 4 == caught.value.sent + chat.unsent
    other = framing.wrap(theirs, CODEC)
    got = []
    reading = threading.Thread(target=lambda: got.extend((other.recv(30), other.recv(30))))
    reading.start()
    chat.send(b"next", timeout=30)
    reading.join(30)
    assert got == [frame, b"next"]

    async def main():
        task = await begun(chat.recv_async())
        other.send(b"awaited")
        return await task

    assert run(main()) == b"awaited"


def test_what_was_left_of_a_frame_is_flushed_and_holds_up_a_detach(pair, run):
    ours, theirs = (framing.wrap(sock, CODEC) for sock in pair)
    frame = b"x" * (1 << 22)
    with pytest.raises(TimeoutError):
        ours.send(frame, timeout=0.02)
    with pytest.raises(ValueError, match="flush"):
        ours.detach()
    with pytest.raises(TimeoutError):
        ours.flush(timeout=0.02)

    async def main():
        flushing = await begun(ours.flush_async(timeout=30))
        got = await theirs.recv_async(timeout=30)
        await flushing
        return got

    assert run(main()) == frame
    assert ours.unsent == 0
    ours.flush()
    sock, rest = ours.detach()
    assert (sock.fileno() >= 0, rest) == (True, b"")


def test_what_connects_is_a_socket_of_this_package(run):
    from eyesocket import socket

    before = socket.getdefaulttimeout()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        socket.setdefaulttimeout(5)
        try:
            with framing.connect(listener.getsockname(), Lines()) as chat:
                assert type(chat.socket) is socket.socket
                assert chat.socket.gettimeout() is None
            chat = run(connected(listener.getsockname()))
        finally:
            socket.setdefaulttimeout(before)
        with chat:
            assert type(chat.socket) is socket.socket


async def connected(address):
    return await framing.connect_async(address, Lines())
