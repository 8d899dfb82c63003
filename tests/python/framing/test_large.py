"""Large frames go past the decoder into memory of their size; nothing else about them differs."""

from __future__ import annotations

import asyncio
import itertools
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eyesocket import framing
from eyesocket.framing import TLV, LengthPrefixed, Netstring, Varint

SIZES = [0, 1, 100, 32_767, 32_768, 32_769, 65_532, 65_536, 100_000, 1 << 20, (1 << 23) + 1]
MOST = 1 << 24
CODECS = [LengthPrefixed(4, max_frame=MOST), LengthPrefixed(3, skip=0, max_frame=MOST), Varint(MOST), Netstring(MOST)]


def content(size, codec):
    frame = bytes(range(251)) * (size // 251 + 1)
    if isinstance(codec, LengthPrefixed) and codec is CODECS[1]:
        return size.to_bytes(3, "big") + frame[:size]
    return frame[:size]


def pour(sock, data):
    thread = threading.Thread(target=sock.sendall, args=(data,))
    thread.start()
    return thread


@pytest.mark.parametrize("codec", CODECS, ids=repr)
@pytest.mark.parametrize("many", [False, True])
def test_frames_of_all_sizes_come_in_their_order(pair, codec, many):
    ours, theirs = pair
    chat = framing.wrap(ours, codec)
    frames = [content(size, codec) for size in [*SIZES, *reversed(SIZES), 65_536, 65_536, 5, 65_536]]
    pouring = pour(theirs, codec.encode_many(frames))
    got = []
    while len(got) < len(frames):
        got += chat.recv_many(timeout=30) if many else [chat.recv(timeout=30)]
    assert got == frames
    pouring.join()


def test_types_stay_with_their_values(pair):
    ours, theirs = pair
    codec = TLV(1, 4, max_frame=MOST)
    chat = framing.wrap(ours, codec)
    frames = [(7, b"x" * 100_000), (8, b""), (9, b"y" * (1 << 20)), (10, b"z")]
    pouring = pour(theirs, codec.encode_many(frames))
    assert [chat.recv(timeout=30) for _ in frames] == frames
    pouring.join()


def test_awaited_too(pair, run):
    ours, theirs = pair
    codec = CODECS[0]
    frames = [content(size, codec) for size in SIZES]
    chat = framing.wrap(ours, codec)
    pouring = pour(theirs, codec.encode_many(frames))

    async def main():
        return [await chat.recv_async(timeout=30) for _ in frames]

    assert run(main()) == frames
    pouring.join()


@given(at=st.integers(0, 200_003), entry=st.sampled_from(["timeout", "cancel", "unread", "end"]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_given_up_at_any_byte_nothing_is_lost(at, entry):
    import socket

    codec = CODECS[0]
    frame, behind = content(200_000, codec), b"behind"
    wire = codec.encode_many([frame, behind])
    ours, theirs = socket.socketpair()
    with ours, theirs:
        chat = framing.wrap(ours, codec)
        theirs.setblocking(False)
        sent = 0
        while sent < at:
            sent += theirs.send(wire[sent:at])
            with pytest.raises(TimeoutError):
                chat.recv(timeout=0)
        with pytest.raises(TimeoutError):
            chat.recv(timeout=0)
        assert chat.buffered == at
        match entry:
            case "unread":
                assert chat.unread() == wire[:at]
                return
            case "end":
                theirs.close()
                with pytest.raises(framing.TruncatedFrame if at else framing.EndOfStream) as caught:
                    chat.recv(timeout=30)
                assert caught.value.partial == wire[:at]
                return
            case "cancel":
                asyncio.run(cancelled(chat))
        theirs.setblocking(True)
        pouring = pour(theirs, wire[at:])
        assert [chat.recv(timeout=30), chat.recv(timeout=30)] == [frame, behind]
        pouring.join()
        assert chat.buffered == 0


async def cancelled(chat):
    async def work():
        await chat.recv_async()

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_what_is_whole_and_not_taken_can_be_unread(pair, run):
    ours, theirs = pair
    codec = CODECS[0]
    chat = framing.wrap(ours, codec)
    wire = codec.encode_many([b"x" * 100_000, b"behind"])
    pouring = pour(theirs, wire)

    async def main():
        # The loop receives for a task that is cancelled in the same turn.
        async def work():
            await chat.recv_async()

        for _ in range(200):
            task = asyncio.ensure_future(work())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if task.done():
                return True
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            if chat.buffered >= 100_004:
                return False
        return None

    taken = run(main())
    pouring.join()
    rest = chat.unread()
    if taken is False:
        assert wire.startswith(rest)
        assert len(rest) >= 100_004


def test_threads_share_large_frames(pair):
    ours, theirs = pair
    codec = CODECS[0]
    chat, sizes = framing.wrap(ours, codec), [70_000, 5, 400_000, 33_000, 0] * 30
    frames = [index.to_bytes(4, "big") + content(size, codec) for index, size in enumerate(sizes)]
    got, errors = [], []

    def work(many):
        try:
            while batch := (chat.recv_many(timeout=60) if many else list(itertools.islice(chat, 1))):
                got.extend(batch)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number % 2,)) for number in range(4)]
    for thread in threads:
        thread.start()
    theirs.sendall(codec.encode_many(frames))
    theirs.close()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert sorted(got) == frames
