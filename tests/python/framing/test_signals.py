"""Ctrl-C while a frame comes, cut anywhere, whatever receives it: no byte is lost and the next call goes on."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import itertools
import platform
import signal
import socket
import struct
import termios
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyesocket import framing
from eyesocket.framing import COBS, SLIP, Delimited, Fixed, HTTPChunked, LengthPrefixed, Lines, Netstring, Typed, Varint

# The system calls in which a receive waits: poll, ppoll and epoll's.
WAITS = {"x86_64": {7, 271, 232, 281, 441}, "aarch64": {73, 22, 441}}.get(platform.machine(), set())
SIZE = 40_000
CODECS = [
    LengthPrefixed(4),
    LengthPrefixed(2, "little", offset=1),
    Varint(),
    Netstring(),
    HTTPChunked(),
    Lines(),
    Delimited(b"\r\n--"),
    COBS(),
    SLIP(),
    Typed(Lines(), bytes, bytes),
]


def syscall_of(thread):
    """Give the number of the system call that a thread is in, or None."""
    first = Path(f"/proc/self/task/{thread.native_id}/syscall").read_text().split()[0]
    return int(first) if first.isdecimal() else None


@pytest.fixture(autouse=True)
def can_see_where_a_thread_waits():
    if not WAITS:
        pytest.skip(f"the numbers of system calls are not written down for {platform.machine()}")
    try:
        syscall_of(threading.main_thread())
    except OSError as error:
        pytest.skip(f"this system does not say in which system call a thread is: {error}")


@pytest.fixture(autouse=True)
def control_c():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def iterated(chat, got, enough):
    for frame in chat:
        got.append(frame)
        if enough():
            return


def received(chat, got, enough):
    while not enough():
        got.append(chat.recv())


def received_many(chat, got, enough):
    while not enough():
        got += chat.recv_many()


def received_few(chat, got, enough):
    while not enough():
        got += chat.recv_many(most=2)


def received_into(chat, got, enough):
    while not enough():
        room = bytearray(SIZE)
        got.append(bytes(room[: chat.recv_into(room)]))


def awaited(chat, got, enough):
    async def main():
        async for frame in chat:
            got.append(frame)
            if enough():
                return

    asyncio.run(main())


def awaited_into(chat, got, enough):
    async def main():
        while not enough():
            room = bytearray(SIZE)
            got.append(bytes(room[: await chat.recv_into_async(room)]))

    asyncio.run(main())


WAYS = [iterated, received, received_many, received_few, received_into, awaited, awaited_into]

small = st.binary(max_size=200).map(lambda data: data.translate(None, b"\r\n-") or b"x")
long = st.integers(4_000, SIZE).map(lambda size: (b"%d" % size * SIZE)[:size])


class Interrupting(threading.Thread):
    """Sends a stream piece by piece; behind each, once all of it was received and the main thread waits, Ctrl-C."""

    def __init__(self, sock, receiver, pieces):
        super().__init__(daemon=True)
        self.sock, self.receiver, self.pieces = sock, receiver, pieces
        self.caught = threading.Semaphore(0)

    def run(self):
        *interrupted, last = self.pieces
        for piece in interrupted:
            self.sock.sendall(piece)
            while self.unread() or syscall_of(threading.main_thread()) not in WAITS:
                pass
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            self.caught.acquire()
        self.sock.sendall(last)

    def unread(self):
        return struct.unpack("i", fcntl.ioctl(self.receiver, termios.FIONREAD, bytes(4)))[0]


@given(
    codec=st.sampled_from(CODECS),
    frames=st.lists(small | long, min_size=1, max_size=5),
    cuts=st.lists(st.integers(0, 600) | st.integers(0, 3 * SIZE), min_size=1, max_size=6),
    ways=st.lists(st.sampled_from(WAYS), min_size=1, max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_control_c_anywhere_in_a_stream_loses_nothing(codec, frames, cuts, ways):
    able = [way for way in [*ways, received] if not (isinstance(codec, Typed) and way in {received_into, awaited_into})]
    wire = codec.encode_many(frames)
    # The last piece is never empty: behind it nobody interrupts.
    places = sorted({min(cut, len(wire) - 1) for cut in cuts} | {0, len(wire)})
    pieces = [wire[start:end] for start, end in itertools.pairwise(places)]
    got, caught = [], 0

    def enough():
        return len(got) >= len(frames)

    ours, theirs = socket.socketpair()
    with ours, theirs:
        chat = framing.wrap(ours, codec)
        sending = Interrupting(theirs, ours, pieces)
        sending.start()
        for way in itertools.cycle(able):
            try:
                way(chat, got, enough)
            except KeyboardInterrupt:
                caught += 1
                sending.caught.release()
            else:
                break
        sending.join(30)
        assert got == frames
        assert caught == len(pieces) - 1
        assert chat.buffered == 0


@given(cut=st.integers(0, SIZE - 1), way=st.sampled_from(WAYS))
@settings(max_examples=30, deadline=None)
def test_after_control_c_all_that_came_can_be_unread(cut, way):
    codec = Fixed(SIZE)
    wire = bytes(range(250)) * (SIZE // 250)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        chat = framing.wrap(ours, codec)
        sending = Interrupting(theirs, ours, [wire[:cut], b""])
        sending.start()
        with pytest.raises(KeyboardInterrupt):
            way(chat, [], lambda: False)
        sending.caught.release()
        assert chat.unread() == wire[:cut]
        sending.join(30)


def test_control_c_in_a_send_says_what_went_and_the_next_begins_with_the_rest():
    """The peer takes nothing until the main thread waits for it."""
    codec = LengthPrefixed(4)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        chat = framing.wrap(ours, codec)
        frames = [b"%d" % number * 70_000 for number in range(20)]

        def interrupt():
            while syscall_of(threading.main_thread()) not in WAITS:
                pass
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

        interrupting = threading.Thread(target=interrupt, daemon=True)
        interrupting.start()
        with pytest.raises(KeyboardInterrupt) as caught:
            chat.send_many(frames)
        interrupting.join(30)
        begun = caught.value.sent + chat.unsent
        assert chat.unsent > 0
        got = []
        other = framing.wrap(theirs, codec)
        reading = threading.Thread(target=lambda: got.extend(other))
        reading.start()
        chat.send(b"last", timeout=30)
        with contextlib.suppress(OSError):
            ours.shutdown(socket.SHUT_WR)
        reading.join(30)
        assert got[-1] == b"last"
        assert b"".join(got[:-1]) == b"".join(frames)[: sum(map(len, got[:-1]))]
        assert len(codec.encode_many(got[:-1])) == begun
