"""Framed sockets through both drivers: whole frames, one deadline, nothing lost on the way out."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from eyesocket import framing
from eyesocket.framing import LengthPrefixed, Lines, Raw


def fill(sock):
    """Write until the kernel takes no more; gives what it took."""
    sock.setblocking(False)
    taken = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            taken += sock.send(b"x" * 65536)
    sock.setblocking(True)
    return taken


def test_what_is_sent_is_received(pair):
    ours, theirs = (framing.wrap(sock, LengthPrefixed(4)) for sock in pair)
    frames = [b"", b"a", b"b" * 1000, b"c" * 100_000]
    for frame in frames:
        ours.send(frame)
    assert [theirs.recv() for _ in frames] == frames
    theirs.send_many(frames)
    got = []
    while len(got) < len(frames):
        got += ours.recv_many()
    assert got == frames


def test_two_sends_are_two_frames_and_the_end_ends_the_loop(pair):
    ours, theirs = (framing.wrap(sock, Lines()) for sock in pair)
    ours.send(b"hello")
    ours.send(b"hello")
    ours.close()
    assert list(theirs) == [b"hello", b"hello"]
    with pytest.raises(framing.EndOfStream) as caught:
        theirs.recv()
    assert isinstance(caught.value, EOFError)
    assert theirs.recv_many() == []


def test_a_frame_larger_than_the_sockets_buffers_arrives(pair):
    ours, theirs = (framing.wrap(sock, LengthPrefixed(4, max_frame=1 << 24)) for sock in pair)
    frame = os.urandom(10_000_000)
    sender = threading.Thread(target=ours.send, args=(frame,))
    sender.start()
    try:
        assert theirs.recv(30) == frame
    finally:
        sender.join()


def test_recv_many_gives_at_most_what_was_asked(pair):
    ours, theirs = (framing.wrap(sock, LengthPrefixed(1)) for sock in pair)
    ours.send_many([b"a"] * 10)
    assert theirs.recv_many(3) == [b"a"] * 3
    with pytest.raises(ValueError, match="most"):
        theirs.recv_many(0)


def test_a_timeout_in_mid_frame_loses_nothing(pair):
    ours, theirs = pair
    chat = framing.wrap(ours, LengthPrefixed(1))
    theirs.sendall(b"\5hel")
    with pytest.raises(TimeoutError):
        chat.recv(0.02)
    assert chat.buffered == 4
    theirs.sendall(b"lo")
    assert chat.recv() == b"hello"


def test_the_timeout_that_the_socket_has_holds(pair):
    ours, _ = pair
    ours.settimeout(0.02)
    with pytest.raises(TimeoutError):
        framing.wrap(ours, LengthPrefixed(1)).recv()


def test_a_deadline_is_for_the_whole_frame_even_if_bytes_keep_coming(pair):
    ours, theirs = pair
    chat = framing.wrap(ours, Lines())
    stop, sent = threading.Event(), []

    def drip():
        """Each byte when the one before it has arrived."""
        while not stop.is_set():
            if chat.buffered == len(sent):
                theirs.send(b"x")
                sent.append(b"x")
            time.sleep(0)

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        with pytest.raises(TimeoutError):
            chat.recv(0.1)
    finally:
        stop.set()
        dripping.join()
    assert len(sent) > 2
    assert 0 < chat.buffered <= len(sent)


def test_an_end_in_mid_frame_says_what_came(pair):
    ours, theirs = pair
    chat = framing.wrap(ours, LengthPrefixed(1))
    theirs.sendall(b"\1a\5hel")
    theirs.close()
    assert chat.recv() == b"a"
    with pytest.raises(framing.TruncatedFrame) as caught:
        chat.recv()
    assert caught.value.partial == b"\5hel"


def tcp_pair():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        return client, listener.accept()[0]


def test_a_reset_in_mid_frame_says_what_came_and_from_whom():
    client, server = tcp_pair()
    with client, framing.wrap(server, LengthPrefixed(1)) as chat:
        client.sendall(b"\5hel")
        with pytest.raises(TimeoutError):
            chat.recv(0.05)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        address = "{}:{}".format(*client.getsockname())
        client.close()
        with pytest.raises(ConnectionResetError) as caught:
            chat.recv()
        assert caught.value.partial == b"\5hel"
        assert caught.value.address == address


def test_a_frame_over_the_limit_names_length_limit_and_peer():
    client, server = tcp_pair()
    with client, framing.wrap(server, LengthPrefixed(8, max_frame=1000)) as chat:
        client.sendall(struct.pack(">Q", 1 << 40))
        with pytest.raises(framing.FrameTooLarge) as caught:
            chat.recv()
        assert (caught.value.length, caught.value.limit) == (1 << 40, 1000)
        assert caught.value.peer == "{}:{}".format(*client.getsockname())
        assert chat.fileno() >= 0


def test_a_frame_over_the_limit_closes_if_so_told(pair):
    ours, theirs = pair
    chat = framing.wrap(ours, LengthPrefixed(8, max_frame=1000, oversize="close"))
    theirs.sendall(struct.pack(">Q", 1 << 40))
    with pytest.raises(framing.FrameTooLarge):
        chat.recv()
    assert theirs.recv(1) == b""
    assert chat.fileno() == -1


def test_an_endless_line_costs_no_memory(pair):
    ours, theirs = pair
    chat = framing.wrap(ours, Lines(1000, oversize="skip"))
    done = threading.Thread(target=lambda: (theirs.sendall(b"x" * 5_000_000), theirs.sendall(b"\nhello\n")))
    done.start()
    assert chat.recv(30) == b"hello"
    done.join()
    assert chat.skipped == 1


def test_a_send_that_times_out_says_how_much_went_and_the_next_goes_on(pair):
    ours, theirs = pair
    chat = framing.wrap(ours, LengthPrefixed(4, max_frame=1 << 24))
    with pytest.raises(TimeoutError) as caught:
        chat.send(b"a" * 10_000_000, timeout=0.02)
    sent = caught.value.sent
    assert 0 < sent < 10_000_000
    assert chat.unsent == 10_000_004 - sent
    reader = framing.wrap(theirs, LengthPrefixed(4, max_frame=1 << 24))
    got = []
    receiving = threading.Thread(target=lambda: got.extend([reader.recv(30), reader.recv(30)]))
    receiving.start()
    chat.send(b"next", timeout=30)
    receiving.join()
    assert got == [b"a" * 10_000_000, b"next"]


def test_frames_that_had_not_begun_are_withdrawn(pair):
    ours, theirs = pair
    filled = fill(ours)
    chat = framing.wrap(ours, LengthPrefixed(1))
    with pytest.raises(TimeoutError) as caught:
        chat.send_many([b"never"] * 3, timeout=0.02)
    assert caught.value.sent == 0
    assert chat.unsent == 0
    left = filled
    while left:
        left -= len(theirs.recv(min(left, 1 << 20)))
    chat.send(b"next")
    assert framing.wrap(theirs, LengthPrefixed(1)).recv() == b"next"


def test_sending_to_who_has_gone_says_so(pair):
    ours, theirs = pair
    theirs.close()
    with pytest.raises(BrokenPipeError) as caught:
        framing.wrap(ours, Lines()).send(b"x")
    assert caught.value.sent == 0


def test_detach_gives_the_socket_and_what_follows(pair):
    ours, theirs = pair
    chat = framing.wrap(ours, Lines())
    theirs.sendall(b"STARTTLS\r\n\x16\x03\x01")
    assert chat.recv() == b"STARTTLS"
    sock, rest = chat.detach()
    assert sock is ours
    assert rest == b"\x16\x03\x01"
    for call in (chat.recv, chat.recv_many, lambda: chat.send(b"x")):
        with pytest.raises(OSError, match="Bad file descriptor"):
            call()
    with pytest.raises(ValueError, match="already"):
        chat.detach()


def test_closing_wakes_who_waits(pair):
    ours, _ = pair
    chat = framing.wrap(ours, Lines())
    outcome = []

    def receive():
        try:
            chat.recv()
        except (OSError, EOFError) as error:
            outcome.append(error)

    receiving = threading.Thread(target=receive)
    receiving.start()
    chat.close()
    receiving.join(30)
    assert len(outcome) == 1


def test_many_threads_send_and_receive_at_once_and_no_frame_is_torn(pair):
    ours, theirs = (framing.wrap(sock, LengthPrefixed(4)) for sock in pair)
    count, senders, receivers = 300, 4, 4
    got = [[] for _ in range(receivers)]

    def send(number):
        for index in range(count):
            frame = struct.pack(">II", number, index) + bytes([number]) * ((index * 37) % 5000)
            ours.send_many([frame, frame]) if index % 2 else (ours.send(frame), ours.send(frame))

    def receive(number):
        got[number].extend(theirs)

    sending = [threading.Thread(target=send, args=(number,)) for number in range(senders)]
    receiving = [threading.Thread(target=receive, args=(number,)) for number in range(receivers)]
    for thread in sending + receiving:
        thread.start()
    for thread in sending:
        thread.join(60)
    ours.close()
    for thread in receiving:
        thread.join(60)
    frames = [frame for frames in got for frame in frames]
    assert len(frames) == 2 * count * senders
    for frame in frames:
        number, index = struct.unpack_from(">II", frame)
        assert frame[8:] == bytes([number]) * ((index * 37) % 5000)


def test_control_c_in_mid_frame_loses_nothing():
    program = """
        import os, signal, socket, threading
        from eyesocket import framing
        ours, theirs = socket.socketpair()
        chat = framing.wrap(ours, framing.LengthPrefixed(1))
        theirs.sendall(b"\\5hel")
        def interrupt():
            while open(f"/proc/self/task/{threading.main_thread().native_id}/wchan").read() in ("", "0"):
                pass
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=interrupt, daemon=True).start()
        try:
            chat.recv()
        except KeyboardInterrupt:
            theirs.sendall(b"lo")
            print(chat.recv())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert done.stdout == "b'hello'\n"


def test_connecting_over_tcp_and_unix(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener, framing.connect(listener.getsockname(), Lines()) as chat:
        server, _ = listener.accept()
        with framing.wrap(server, Lines()) as other:
            chat.send(b"hello")
            assert other.recv() == b"hello"
            assert chat.peer == "{}:{}".format(*listener.getsockname())
    path = tmp_path / "sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with framing.connect(path, Lines()) as chat, framing.wrap(listener.accept()[0], Lines()) as other:
            chat.send(b"hello")
            assert other.recv() == b"hello"


def test_connecting_to_nobody_is_refused():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            framing.connect(bound.getsockname(), Lines(), timeout=30)


# Awaited ---------------------------------------------------------------------------------------------------------


def test_awaiting_gives_the_same(pair, run):
    ours, theirs = (framing.wrap(sock, LengthPrefixed(4)) for sock in pair)

    async def main():
        await ours.send_async(b"hello")
        await ours.send_many_async([b"a", b"b", b"c"])
        got = [await theirs.recv_async(), await theirs.recv_async()]
        got += await theirs.recv_many_async()
        reading = asyncio.ensure_future(later())
        await asyncio.sleep(0)
        await ours.send_async(b"late")
        got.append(await reading)
        ours.close()
        assert [frame async for frame in theirs] == []
        assert await theirs.recv_many_async() == []
        with pytest.raises(framing.EndOfStream):
            await theirs.recv_async()
        return got

    async def later():
        return await theirs.recv_async()

    assert run(main()) == [b"hello", b"a", b"b", b"c", b"late"]


def test_frames_larger_than_the_buffers_cross_both_ways(pair, run):
    ours, theirs = (framing.wrap(sock, LengthPrefixed(4, max_frame=1 << 23)) for sock in pair)
    frame = os.urandom(5_000_000)

    async def main():
        async def recv(chat):
            return await chat.recv_async()

        async def send(chat):
            await chat.send_async(frame)

        results = await asyncio.gather(send(ours), send(theirs), recv(ours), recv(theirs))
        assert results[2:] == [frame, frame]

    run(main())


def test_a_cancelled_receive_loses_nothing(pair, run):
    ours, theirs = pair
    chat = framing.wrap(ours, LengthPrefixed(1))

    async def main():
        async def receive():
            return await chat.recv_async()

        theirs.sendall(b"\5hel")
        task = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(TimeoutError):
            await chat.recv_async(0.01)
        assert chat.buffered == 4
        theirs.sendall(b"lo")
        assert await chat.recv_async() == b"hello"
        chat.recv_async()  # never awaited: takes nothing
        theirs.sendall(b"\1x")
        assert await chat.recv_async() == b"x"

    run(main())


def test_a_cancelled_send_says_how_much_went_and_the_next_goes_on(pair, run):
    ours, theirs = pair
    codec = LengthPrefixed(4, max_frame=1 << 24)
    chat = framing.wrap(ours, codec)

    async def main():
        outcome = []

        async def send():
            try:
                await chat.send_async(b"a" * 10_000_000)
            except asyncio.CancelledError as error:
                outcome.append(error.sent)
                raise

        task = asyncio.ensure_future(send())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert 0 < outcome[0] < 10_000_000
        assert chat.unsent == 10_000_004 - outcome[0]
        reader = framing.wrap(theirs, codec)

        async def receive():
            return [await reader.recv_async(), await reader.recv_async()]

        receiving = asyncio.ensure_future(receive())
        await chat.send_async(b"next")
        assert await receiving == [b"a" * 10_000_000, b"next"]

    run(main())


def test_connecting_is_awaited_too(run):
    async def main():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            async with await framing.connect_async(listener.getsockname(), Lines()) as chat:
                with framing.wrap(listener.accept()[0], Lines()) as other:
                    await chat.send_async(b"hello")
                    assert await other.recv_async() == b"hello"

    run(main())


def test_raw_is_what_recv_gives(pair):
    ours, theirs = pair
    chat = framing.wrap(ours, Raw())
    theirs.sendall(b"hello")
    assert chat.recv() == b"hello"


def test_iteration_needs_no_end(pair):
    ours, theirs = (framing.wrap(sock, Lines()) for sock in pair)
    theirs.send_many([b"%d" % number for number in range(5000)])
    assert list(itertools.islice(ours, 5000)) == [b"%d" % number for number in range(5000)]
