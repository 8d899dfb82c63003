"""Frames into a buffer of one's own: written there by the kernel, and lost by nothing that gives the receive up."""

from __future__ import annotations

import array
import asyncio
import ctypes
import errno
import mmap
import sys
import threading

import pytest

from eyesocket import framing
from eyesocket.errors import BufferTooSmall, LocalError
from eyesocket.framing import (
    COBS,
    SLIP,
    TLV,
    Delimited,
    Fixed,
    FrameTooLarge,
    HTTPChunked,
    LengthPrefixed,
    Lines,
    Netstring,
    Raw,
    TruncatedFrame,
    Typed,
    Varint,
)

CODEC = LengthPrefixed(4)
SIZE = 100_000
CODECS = [
    CODEC,
    LengthPrefixed(8, "little", offset=3),
    Varint(),
    Netstring(),
    HTTPChunked(),
    Fixed(SIZE),
    Lines(),
    Delimited(b"<end>"),
    COBS(),
    SLIP(),
    Raw(),
]


def content(size):
    return (b"0123456789abcdef!" * (size // 17 + 1))[:size]


def pour(sock, data):
    thread = threading.Thread(target=sock.sendall, args=(data,))
    thread.start()
    return thread


@pytest.mark.parametrize("size", [0, 5, 100, 4_200, 70_000, 1 << 20])
def test_into_a_buffer_of_ones_own(pair, size):
    ours, theirs = pair
    room = bytearray(b"#" * (1 << 20) + b"#")
    chat = framing.wrap(ours, CODEC)
    frames = [content(size), b"behind"]
    pouring = pour(theirs, CODEC.encode_many(frames))
    assert chat.recv_into(room, timeout=30) == size
    assert room[:size] == frames[0]
    assert set(room[size:]) == set(b"#"), "behind the frame nothing is written"
    assert chat.recv_into(memoryview(room)[3:], timeout=30) == 6
    assert room[3:9] == b"behind"
    pouring.join()
    with pytest.raises(TimeoutError):
        chat.recv_into(room, timeout=0)
    theirs.close()
    with pytest.raises(framing.EndOfStream):
        chat.recv_into(room, timeout=30)


@pytest.mark.parametrize("codec", CODECS, ids=repr)
def test_every_codec_blocked_and_awaited(pair, run, codec):
    ours, theirs = pair
    chat = framing.wrap(ours, codec)
    frame = content(SIZE)
    pouring = pour(theirs, codec.encode(frame) * 4)
    got, room = bytearray(), bytearray(SIZE)

    async def main():
        return await chat.recv_into_async(room, timeout=30)

    while len(got) < 4 * SIZE:
        for receive in (lambda: chat.recv_into(room, timeout=30), lambda: run(main())):
            got += room[: receive()]
            if len(got) == 4 * SIZE:
                break
    assert got == frame * 4
    pouring.join()


def test_a_type_is_given_beside_the_length(pair, run):
    ours, theirs = pair
    codec = TLV(2, 4)
    chat = framing.wrap(ours, codec)
    frames = [(7, content(70_000)), (8, b""), (65_535, b"small")]
    pouring = pour(theirs, codec.encode_many(frames * 2))
    room = bytearray(70_000)

    async def main():
        return await chat.recv_into_async(room, timeout=30)

    for receive in (lambda: chat.recv_into(room, timeout=30), lambda: run(main())):
        for tag, value in frames:
            assert receive() == (tag, len(value))
            assert room[: len(value)] == value
    pouring.join()


@pytest.mark.parametrize("codec", [CODEC, Lines(), COBS()], ids=repr)
def test_over_tls_too(encrypted, codec):
    ours, theirs = encrypted
    chat, room = framing.wrap(ours, codec), bytearray(SIZE)
    pouring = pour(theirs, codec.encode_many([content(SIZE), b"behind"]))
    assert chat.recv_into(room, timeout=30) == SIZE
    assert room == content(SIZE)
    assert chat.recv_into(room, timeout=30) == 6
    assert room[:6] == b"behind"
    pouring.join()
    chat.detach()


@pytest.mark.parametrize("kind", ["pair", "encrypted"])
def test_while_a_frame_comes_its_bytes_are_in_the_buffer_already(request, kind):
    """The kernel's or OpenSSL's copy is the only one: but for what came with the header, which is copied at the end."""
    ours, theirs = request.getfixturevalue(kind)
    chat, room, frame = framing.wrap(ours, CODEC), bytearray(b"#" * SIZE), content(SIZE)
    wire = CODEC.encode(frame)
    theirs.sendall(wire[:60_000])

    async def main():
        async def work():
            return await chat.recv_into_async(room)

        task = asyncio.ensure_future(work())
        while room[60:100] != frame[60:100]:
            await asyncio.sleep(0)
        # Without a codec's or a decoder's doing: the memory itself.
        assert room[60:59_996] == frame[60:59_996]
        assert set(room[59_996:]) == set(b"#")
        with pytest.raises(BufferError):
            room.append(0)
        theirs.sendall(wire[60_000:])
        assert await task == SIZE

    asyncio.run(main())
    assert room == frame
    room.append(0)
    chat.detach()


@pytest.mark.parametrize(
    "room",
    [
        array.array("I", bytes(SIZE)),
        memoryview(array.array("d", bytes(SIZE))),
        memoryview(bytearray(SIZE)).cast("B", (2, SIZE // 2)),
        mmap.mmap(-1, SIZE),
        ctypes.create_string_buffer(SIZE),
    ],
    ids=lambda room: type(room).__name__,
)
@pytest.mark.parametrize("kind", ["pair", "encrypted"])
def test_any_writable_memory_will_do(request, kind, room):
    ours, theirs = request.getfixturevalue(kind)
    chat = framing.wrap(ours, CODEC)
    pouring = pour(theirs, CODEC.encode(content(SIZE)))
    assert chat.recv_into(room, timeout=30) == SIZE
    assert bytes(memoryview(room).cast("B") if not isinstance(room, mmap.mmap) else room) == content(SIZE)
    pouring.join()
    chat.detach()


class Shifting:
    """Gives other memory at each request."""

    def __init__(self):
        self.given = []

    def __buffer__(self, flags):
        self.given.append(bytearray(SIZE))
        return memoryview(self.given[-1])


@pytest.mark.skipif(sys.version_info < (3, 12), reason="classes export buffers from Python 3.12 on (PEP 688)")
@pytest.mark.parametrize("kind", ["pair", "encrypted"])
def test_the_memory_is_asked_for_once(request, kind):
    ours, theirs = request.getfixturevalue(kind)
    chat, room = framing.wrap(ours, CODEC), Shifting()
    pouring = pour(theirs, CODEC.encode(content(SIZE)))
    assert chat.recv_into(room, timeout=30) == SIZE
    assert room.given == [content(SIZE)]
    pouring.join()
    chat.detach()


@pytest.mark.parametrize("kind", ["pair", "encrypted"])
@pytest.mark.parametrize(("room", "error"), [(b"x" * 9, BufferError), (5, TypeError), ("x", TypeError)])
def test_what_cannot_be_written_to_is_refused(request, kind, room, error):
    chat = framing.wrap(request.getfixturevalue(kind)[0], CODEC)
    with pytest.raises(error):
        chat.recv_into(room, timeout=30)
    chat.detach()


@pytest.mark.parametrize("size", [100, 70_000])
def test_into_a_buffer_that_is_too_small_it_stays(pair, run, size):
    ours, theirs = pair
    chat = framing.wrap(ours, CODEC)
    pouring = pour(theirs, CODEC.encode(content(size)))

    async def main():
        await chat.recv_into_async(array.array("B", bytes(10)), timeout=30)

    for receive in (lambda: chat.recv_into(bytearray(10), timeout=30), lambda: run(main())):
        with pytest.raises(BufferTooSmall, match=f"has {size} bytes") as caught:
            receive()
        assert (caught.value.length, caught.value.room) == (size, 10)
        assert isinstance(caught.value, LocalError)
        assert isinstance(caught.value, ValueError)
    with pytest.raises(BufferError):
        chat.recv_into(b"read-only", timeout=30)
    with pytest.raises(TypeError):
        chat.recv_into("text", timeout=30)
    room = bytearray(size)
    assert chat.recv_into(room, timeout=30) == size
    assert room == content(size)
    pouring.join()


def test_that_it_is_too_small_is_told_when_the_header_has_come(pair):
    ours, theirs = pair
    chat = framing.wrap(ours, CODEC)
    theirs.sendall(CODEC.encode(content(SIZE))[:10])
    with pytest.raises(BufferTooSmall):
        chat.recv_into(bytearray(10), timeout=30)
    assert chat.unread() == CODEC.encode(content(SIZE))[:10]


@pytest.mark.parametrize("kind", ["pair", "encrypted"])
def test_raw_gives_what_fits_and_keeps_the_rest(request, run, kind):
    ours, theirs = request.getfixturevalue(kind)
    chat, wire = framing.wrap(ours, Raw(max_frame=50)), bytes(range(200))
    theirs.sendall(wire)

    async def into(room):
        return await chat.recv_into_async(room, timeout=30)

    got, sizes = b"", [3, 1, 7, 50, 2]
    for way in (lambda room: chat.recv_into(room, timeout=30), lambda room: run(into(room))):
        for size in sizes:
            room = bytearray(size)
            count = way(room)
            assert 0 < count <= size
            got += room[:count]
            with pytest.raises(BufferTooSmall):
                way(bytearray())
    with pytest.raises(BufferTooSmall):
        chat.recv_into(bytearray(), timeout=30)
    # A room that is larger gets no more than the codec's limit, and `recv` what is left.
    room = bytearray(1000)
    got += room[: chat.recv_into(room, timeout=30)]
    while len(got) < len(wire):
        got += chat.recv(timeout=30)
    assert (got, chat.buffered) == (wire, 0)
    chat.detach()


def test_values_of_typed_have_no_bytes(pair):
    chat = framing.wrap(pair[0], Typed(CODEC, bytes, bytes))
    with pytest.raises(TypeError, match="Typed"):
        chat.recv_into(bytearray(10))


def test_what_ends_it_in_the_middle_gives_back_all_that_came(pair):
    ours, theirs = pair
    chat, wire = framing.wrap(ours, CODEC), CODEC.encode(content(SIZE))
    theirs.sendall(wire[:70_000])
    with pytest.raises(TimeoutError):
        chat.recv_into(bytearray(SIZE), timeout=0)
    theirs.sendall(wire[70_000:90_000])
    theirs.close()
    with pytest.raises(TruncatedFrame) as caught:
        chat.recv_into(bytearray(SIZE), timeout=30)
    assert caught.value.partial == wire[:90_000]
    assert chat.unread() == wire[:90_000]


def test_a_policy_of_closing_holds(pair):
    ours, theirs = pair
    chat = framing.wrap(ours, LengthPrefixed(4, max_frame=10, oversize="close"))
    theirs.sendall(CODEC.encode(content(20)))
    with pytest.raises(FrameTooLarge):
        chat.recv_into(bytearray(100), timeout=30)
    assert chat.fileno() == -1


def test_closing_ends_a_blocked_one_and_gives_the_buffer_back(pair):
    chat, room, errors = framing.wrap(pair[0], CODEC), bytearray(SIZE), []
    pair[1].sendall(CODEC.encode(content(SIZE))[:50_000])

    def work():
        try:
            chat.recv_into(room)
        except OSError as error:
            errors.append(error.errno)

    thread = threading.Thread(target=work)
    thread.start()
    while chat.buffered < 50_000:
        pass
    chat.close()
    thread.join(30)
    assert errors == [errno.EBADF]
    room.append(0)


def test_closing_ends_an_awaited_one_and_gives_the_buffer_back(pair, run):
    chat, room = framing.wrap(pair[0], CODEC), bytearray(SIZE)
    pair[1].sendall(CODEC.encode(content(SIZE))[:50_000])

    async def work():
        await chat.recv_into_async(room)

    async def main():
        task = asyncio.ensure_future(work())
        while chat.buffered < 50_000:
            await asyncio.sleep(0)
        chat.close()
        with pytest.raises(OSError, match="Bad file"):
            await task

    run(main())
    room.append(0)


def test_threads_share_a_stream_by_recv_recv_many_and_recv_into(pair):
    ours, theirs = pair
    chat = framing.wrap(ours, CODEC)
    frames = [
        index.to_bytes(4, "big") + content(size)
        for index, size in enumerate([70_000, 5, 400_000, 33_000, 0, 9_000] * 30)
    ]
    got, errors = [], []

    def receive(kind):
        match kind:
            case 0:
                return [chat.recv(timeout=60)]
            case 1:
                return chat.recv_many(timeout=60) or (_ for _ in ()).throw(framing.EndOfStream)
            case _:
                room = bytearray(400_004)
                return [bytes(room[: chat.recv_into(room, timeout=60)])]

    def work(kind):
        try:
            while True:
                got.extend(receive(kind))
        except framing.EndOfStream:
            pass
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(kind,)) for kind in (0, 1, 2, 2, 2)]
    for thread in threads:
        thread.start()
    theirs.sendall(CODEC.encode_many(frames))
    theirs.close()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert sorted(got) == frames


def test_tasks_share_a_stream_and_may_be_cancelled(pair, run):
    """Of three that wait with a buffer one is given up in mid-frame; the others have all, in order."""
    ours, theirs = pair
    chat = framing.wrap(ours, CODEC)
    frames = [content(SIZE), content(SIZE)[::-1], content(50)]
    wire = CODEC.encode_many(frames)

    async def one():
        room = bytearray(SIZE)
        return bytes(room[: await chat.recv_into_async(room)])

    async def main():
        tasks = [asyncio.ensure_future(one()) for _ in range(3)]
        await asyncio.sleep(0)
        theirs.sendall(wire[:60_000])
        while chat.buffered < 60_000:
            await asyncio.sleep(0)
        tasks[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]
        assert chat.buffered == 60_000
        pouring = pour(theirs, wire[60_000:])
        got = [await tasks[1], await tasks[2], await chat.recv_async(timeout=30)]
        pouring.join()
        return got

    assert sorted(run(main())) == sorted(frames)
