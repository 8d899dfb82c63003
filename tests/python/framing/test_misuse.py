"""What callers do to codecs that they should not, and strangers: settings, objects, threads, frames over the limit."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import os
import resource
import socket
import threading
import weakref
from pathlib import Path

import pytest

from eyesocket import framing
from eyesocket.errors import ProtocolError
from eyesocket.framing import (
    COBS,
    SLIP,
    TLV,
    Delimited,
    Fixed,
    HTTPChunked,
    LengthPrefixed,
    Lines,
    Netstring,
    Raw,
    Typed,
    Varint,
)

BEYOND = [-1, -(2**70), 2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**200]
LIMITED = [Lines, Varint, Netstring, COBS, SLIP, HTTPChunked, Raw, Fixed]


@pytest.mark.parametrize("number", [*BEYOND, 0, 2**48])
@pytest.mark.parametrize("make", [*LIMITED, lambda n: Delimited(b"-", n), lambda n: TLV(max_frame=n)], ids=str)
def test_a_limit_that_is_none_is_told(make, number):
    with pytest.raises(ValueError, match=r"max_frame|size"):
        make(number)


@pytest.mark.parametrize("number", BEYOND)
@pytest.mark.parametrize("name", ["width", "offset", "skip", "max_frame"])
def test_a_length_field_that_is_none_is_told(name, number):
    with pytest.raises(ValueError, match=name):
        LengthPrefixed(**{name: number})


@pytest.mark.parametrize("number", [2**61 + 1, -(2**61) - 1, 2**63 - 1, -(2**63), 2**63, -(2**63) - 1, 2**200])
def test_an_adjustment_beyond_any_length_is_told(number):
    with pytest.raises(ValueError, match="adjustment"):
        LengthPrefixed(adjustment=number)


@pytest.mark.parametrize("number", [2**61, -(2**61), 2**40, -(2**40)])
@pytest.mark.parametrize("counts_header", [False, True])
def test_an_adjustment_of_any_size_ends_in_an_error_of_the_stream(number, counts_header):
    codec = LengthPrefixed(8, adjustment=number, counts_header=counts_header, max_frame=10)
    for wire in (b"\0" * 8, b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\x81" + b"\0" * 7):
        with pytest.raises((framing.FrameTooLarge, ProtocolError)):
            codec.decoder().feed(wire)
    with pytest.raises(ValueError, match="frame"):
        codec.encode(b"x" * 11)
    try:
        wire = codec.encode(b"abc")
    except ValueError:
        # Too few bytes for such an adjustment.
        return
    assert codec.decoder().feed(wire) == [b"abc"]


@pytest.mark.parametrize("name", ["width", "offset", "skip", "adjustment", "max_frame"])
@pytest.mark.parametrize("value", [1.5, "4", b"4", [4], object()])
def test_what_is_no_number_is_told(name, value):
    with pytest.raises(TypeError, match=name):
        LengthPrefixed(**{name: value})


@pytest.mark.parametrize("value", ["\n", 10, None, ["\n"], [10], [None], [[10]]])
def test_what_is_no_delimiter_is_told(value):
    with pytest.raises(TypeError):
        Delimited(value)


def test_too_many_or_too_long_delimiters_are_told():
    with pytest.raises(ValueError, match="at most"):
        Delimited(b"-" * 2000)
    with pytest.raises(ValueError, match="at most"):
        Delimited([bytes([1, n]) for n in range(2, 100)])
    codec = Delimited([bytearray(b"a"), b"b"])
    assert codec.decoder().feed(b"1a2b") == [b"1", b"2"]


CODECS = {
    "lines": Lines(100),
    "open lines": Lines(100, open_end=True),
    "delimited": Delimited([b"=-", b"--"], 100),
    "fixed": Fixed(5),
    "u32": LengthPrefixed(max_frame=100),
    "varint": Varint(100),
    "netstring": Netstring(100),
    "cobs": COBS(100),
    "slip": SLIP(100),
    "tlv": TLV(max_frame=100),
    "chunked": HTTPChunked(100),
    "raw": Raw(100),
}


@pytest.fixture(params=CODECS)
def codec(request):
    return CODECS[request.param]


@pytest.mark.parametrize("value", ["text", 3, 3.0, None, [1, 2], (1, b"x", 2), {}, object()])
def test_what_is_no_frame_is_told_and_what_is_no_stream(codec, value):
    with pytest.raises((TypeError, ValueError)):
        codec.encode(value)
    decoder = codec.decoder()
    with pytest.raises(TypeError):
        decoder.feed(value)
    assert decoder.buffered == 0


@pytest.mark.parametrize("frame", [(-1, b""), (2**64, b""), ("1", b""), (1, "x"), (1,), b"x"])
def test_what_is_no_type_and_value_is_told(frame):
    with pytest.raises((TypeError, ValueError)):
        TLV(8).encode(frame)


def test_any_buffer_is_a_stream(codec):
    import array

    frames = [(1, b"12345"), (2, b"abcde")] if isinstance(codec, TLV) else [b"12345", b"abcde"]
    wire = codec.encode_many(frames)
    expected = codec.decoder().feed(wire)
    spread = bytearray(2 * len(wire))
    spread[::2] = wire
    for same in (bytearray(wire), memoryview(wire), memoryview(spread)[::2], array.array("b", wire)):
        assert codec.decoder().feed(same) == expected
    wide = array.array("I", [0x0A0A0A0A])
    assert codec.decoder().feed(wide.tobytes()) == codec.decoder().feed(wide) if isinstance(codec, Lines) else True


def test_nothing_comes_behind_the_end(codec):
    decoder = codec.decoder()
    decoder.feed(codec.end())
    assert decoder.eof() == []
    with pytest.raises(ValueError, match="ended"):
        decoder.feed(b"x")
    assert decoder.feed(b"") == []
    assert decoder.eof() == []
    assert decoder.at_end
    assert decoder.buffered == 0


def test_a_truncated_stream_is_not_at_its_end():
    for codec, wire in ((COBS(), b"\3ab"), (SLIP(), b"ab"), (HTTPChunked(), b""), (Varint(), b"\5a")):
        decoder = codec.decoder()
        decoder.feed(wire)
        for _ in range(2):
            with pytest.raises(framing.TruncatedFrame):
                decoder.eof()
            assert not decoder.at_end


# A format, a stream with a frame of 5 bytes between two of 1 over a limit of 3, and where that frame begins.
OVERSIZE = {
    "lines": (lambda **k: Lines(3, **k), b"a\n12345\nb\n", 2),
    "open lines": (lambda **k: Lines(3, open_end=True, **k), b"a\n12345\nb\n", 2),
    "delimited": (lambda **k: Delimited([b"=-=", b"--"], 3, **k), b"a--12345=-=b--", 3),
    "length": (lambda **k: LengthPrefixed(1, max_frame=3, **k), b"\1a\x0512345\1b", 2),
    "varint": (lambda **k: Varint(3, **k), b"\1a\x0512345\1b", 2),
    "netstring": (lambda **k: Netstring(3, **k), b"1:a,5:12345,1:b,", 4),
    "tlv": (lambda **k: TLV(1, 1, max_frame=3, **k), b"\0\1a\0\x0512345\0\1b", 3),
    "chunked": (lambda **k: HTTPChunked(3, **k), b"1\r\na\r\n5\r\n12345\r\n1\r\nb\r\n", 6),
    "cobs": (lambda **k: COBS(3, **k), b"\2a\0\3ab\4abc\0\2b\0", 3),
    "slip": (lambda **k: SLIP(3, **k), b"\xc0a\xc0\xc0\xdb\xdc\xdb\xdd345\xc0\xc0b\xc0", 4),
}


def pieces(wire):
    """Every cut in two, and all sizes."""
    for at in range(len(wire) + 1):
        yield [wire[:at], wire[at:]]
    for size in range(1, len(wire)):
        yield [wire[at : at + size] for at in range(0, len(wire), size)]


def plain(frame):
    return frame[1] if isinstance(frame, tuple) else frame


@pytest.mark.parametrize("name", OVERSIZE)
@pytest.mark.parametrize("policy", ["raise", "close"])
def test_nothing_is_lost_behind_a_frame_over_the_limit(name, policy):
    make, wire, begin = OVERSIZE[name]
    for cut in pieces(wire):
        decoder, frames = make(oversize=policy).decoder(), []
        for piece in cut:
            with contextlib.suppress(framing.FrameTooLarge):
                frames += decoder.feed(piece)
        with pytest.raises(framing.FrameTooLarge) as caught:
            decoder.feed(b"")
        assert caught.value.limit == 3
        assert caught.value.length in (4, 5)
        assert [plain(frame) for frame in frames] == [b"a"]
        assert decoder.buffered == len(wire) - begin
        assert not decoder.at_end
        assert decoder.unread() == wire[begin:]


@pytest.mark.parametrize("name", OVERSIZE)
def test_skipping_goes_on_behind_a_frame_over_the_limit(name):
    make, wire, _ = OVERSIZE[name]
    for cut in pieces(wire):
        decoder = make(oversize="skip").decoder()
        frames = [plain(frame) for piece in cut for frame in decoder.feed(piece)]
        assert frames == [b"a", b"b"]
        assert decoder.skipped == 1
        assert decoder.buffered == 0


@pytest.mark.parametrize(
    ("codec", "wire"),
    [(Netstring(3, oversize="skip"), b"5:12345;"), (HTTPChunked(3, oversize="skip"), b"5\r\n12345xx")],
)
def test_a_skipped_frame_has_to_end_as_the_format_says(codec, wire):
    for cut in pieces(wire):
        decoder = codec.decoder()
        for piece in cut:
            with contextlib.suppress(ProtocolError):
                assert decoder.feed(piece) == []
        with pytest.raises(ProtocolError, match="behind"):
            decoder.feed(b"")
    decoder = codec.decoder()
    decoder.feed(wire[:-2])
    with pytest.raises(framing.TruncatedFrame):
        decoder.eof()


@pytest.mark.parametrize("wire", [b"a\nbcdef", b"a\nbcdefghijklmnop", b"a\nbcde\r"])
def test_an_open_end_over_the_limit_follows_the_policy(wire):
    for cut in pieces(wire):
        decoder = Lines(3, open_end=True, oversize="skip").decoder()
        assert [frame for piece in cut for frame in decoder.feed(piece)] + decoder.eof() == [b"a"]
        assert decoder.skipped == 1
        assert decoder.at_end
        decoder = Lines(3, open_end=True).decoder()
        frames = []
        with contextlib.suppress(framing.FrameTooLarge):
            for piece in cut:
                frames += decoder.feed(piece)
        with pytest.raises(framing.FrameTooLarge):
            decoder.eof()
        assert frames == [b"a"]


def number(frame):
    return int(plain(frame))


@pytest.mark.parametrize("name", ["lines", "length", "cobs", "slip", "tlv", "chunked", "netstring"])
def test_frames_behind_one_that_loads_refused_still_count(name):
    inner = OVERSIZE[name][0](oversize="raise")
    frames = [b"1", b"2", b"x", b"4", b"5"]
    if name == "tlv":
        frames = [(0, frame) for frame in frames]
    codec = Typed(inner, str, number)
    parts = [inner.encode(frame) for frame in frames]
    rest = b"\xc0" if name == "slip" else b""
    decoder = codec.decoder()
    assert decoder.feed(b"".join(parts)) == [1, 2]
    left = b"".join(parts[2:])
    # An END that no frame follows is noise to SLIP, also before it has been looked at.
    assert decoder.buffered in (len(left), len(left) - len(rest))
    assert decoder.unread() in (left, left.removeprefix(rest))

    decoder = codec.decoder()
    assert decoder.feed(b"".join(parts)) == [1, 2]
    with pytest.raises(ValueError, match="invalid literal") as caught:
        decoder.feed(codec.end())
    assert caught.value.partial == b"x"
    assert decoder.buffered > 0
    if not codec.end():
        # Not at the end as long as frames are left.
        decoder = codec.decoder()
        assert decoder.feed(b"".join(parts)) == [1, 2]
        with pytest.raises(ValueError, match="invalid literal"):
            decoder.eof()
        assert not decoder.at_end
        assert decoder.feed(b"") == [4, 5]
        assert decoder.at_end


def test_the_bytes_of_a_refused_frame_are_given_back_as_they_came():
    wire = b"1\r\nx\r\n3\n"
    decoder = Typed(Lines(), str, int).decoder()
    assert decoder.feed(wire) == [1]
    assert decoder.unread() == b"x\r\n3\n"


def test_many_values_encoded_up_to_one_that_is_refused():
    codec = LengthPrefixed(1, max_frame=3)
    given = iter([b"a", b"bc", b"defg", b"h"])
    with pytest.raises(ValueError, match="max_frame") as caught:
        codec.encode_many(given)
    assert (caught.value.partial, caught.value.frames) == (b"\1a\2bc", 2)
    assert list(given) == [b"h"]

    def failing():
        yield b"a"
        raise KeyError("b")

    with pytest.raises(KeyError) as caught:
        codec.encode_many(failing())
    assert (caught.value.partial, caught.value.frames) == (b"\1a", 1)
    for nothing in (3, None):
        with pytest.raises(TypeError):
            codec.encode_many(nothing)


def test_loads_may_call_the_decoder_that_calls_it():
    calls = []

    def loads(frame):
        calls.append(frame)
        if frame == b"again":
            return [frame, decoder.feed(b"in\n"), decoder.buffered]
        return frame

    decoder = Typed(Lines(), bytes, loads).decoder()
    assert decoder.feed(b"again\nout\n") == [[b"again", [b"out", b"in"], 0]]
    assert calls == [b"again", b"out", b"in"]


def test_dumps_may_give_anything_and_raise_anything():
    for value in ("text", 3, None):
        with pytest.raises(TypeError):
            Typed(Lines(), lambda _, value=value: value, bytes).encode(1)
    with pytest.raises(ZeroDivisionError):
        Typed(Lines(), lambda value: 1 // value, bytes).encode(0)
    for dumps, loads in ((3, bytes), (bytes, 3), (None, bytes), (bytes, None)):
        with pytest.raises(TypeError, match=r"dumps|loads"):
            Typed(Lines(), dumps, loads)
    for inner in ("lines", "fixed", None, 3, b"lines", Lines):
        with pytest.raises(TypeError):
            Typed(inner, bytes, bytes)


def test_values_over_values_go_through_all_functions_in_order():
    hexadecimal = Typed(Lines(), lambda data: data.hex().encode(), lambda line: bytes.fromhex(line.decode()))
    codec = Typed(hexadecimal, str.encode, bytes.decode)
    assert codec.encode("a\n") == b"610a\n"
    assert codec.decoder().feed(b"610a\n") == ["a\n"]
    assert codec.max_frame == Lines().max_frame


def test_an_exception_of_loads_that_takes_no_attributes_is_raised_all_the_same():
    class BareError(Exception):
        def __setattr__(self, name, value):
            raise RuntimeError

    def loads(_):
        raise BareError

    decoder = Typed(Lines(), bytes, loads).decoder()
    with pytest.raises(BareError):
        decoder.feed(b"x\n")
    assert decoder.buffered == 0


def test_a_decoder_that_its_functions_hold_is_collected():
    class Holder:
        def loads(self, frame):
            return frame

    holder = Holder()
    holder.decoder = Typed(Lines(), bytes, holder.loads).decoder()
    gone = weakref.ref(holder)
    del holder
    gc.collect()
    assert gone() is None


def test_threads_share_one_decoder_and_one_codec():
    codec = Typed(LengthPrefixed(4), bytes, bytes)
    plain_codec = LengthPrefixed(4)
    count, frames = 8, [bytes([n]) * n for n in range(64)]
    wire = plain_codec.encode_many(frames)
    for shared in (plain_codec, codec):
        decoder = shared.decoder()
        start, got, failed = threading.Barrier(count), [[] for _ in range(count)], []

        def work(number, shared=shared, decoder=decoder, start=start, got=got, failed=failed):
            try:
                start.wait()
                for _ in range(50):
                    got[number] += decoder.feed(wire)
                    assert shared.encode_many(frames) == wire
                    assert decoder.skipped == 0
                    assert decoder.buffered >= 0
                    assert not decoder.at_end
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert sorted(itertools.chain(*got)) == sorted(frames * 50 * count)
        assert decoder.buffered == 0


def test_threads_may_end_a_decoder_under_each_other():
    codec = Lines()
    for _ in range(20):
        decoder = codec.decoder()
        start, taken, unexpected = threading.Barrier(4), [], []

        def work(number, decoder=decoder, start=start, taken=taken, unexpected=unexpected):
            start.wait()
            try:
                for _ in range(200):
                    if number == 3:
                        taken.append(decoder.unread())
                    else:
                        taken.extend(frame + b"\n" for frame in decoder.feed(b"abc\nd\ne"))
            except BaseException as error:
                unexpected.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert unexpected == []
        assert len(b"".join(taken)) + decoder.buffered == 3 * 200 * len(b"abc\nd\ne")


@pytest.mark.parametrize("count", [0, 2, 9000])
def test_what_is_before_a_frame_that_cannot_be_sent_goes_out(pair, count):
    ours, theirs = pair
    codec = LengthPrefixed(4, max_frame=100)
    got = []
    reader = threading.Thread(target=lambda: got.extend(framing.wrap(theirs, codec)))
    reader.start()
    chat = framing.wrap(ours, codec)
    frames = [bytes(60)] * count
    with pytest.raises(ValueError, match="max_frame") as caught:
        chat.send_many(iter([*frames, bytes(101), b"never"]))
    assert (caught.value.sent, caught.value.frames) == (64 * count, count)
    chat.send(b"next")
    chat.close()
    reader.join()
    assert got == [*frames, b"next"]


@pytest.mark.parametrize("count", [0, 2, 9000])
def test_what_is_before_a_frame_that_cannot_be_sent_goes_out_awaited(pair, run, count):
    ours, theirs = pair
    codec = LengthPrefixed(4, max_frame=100)
    frames = [bytes(60)] * count

    async def talk():
        got = []

        async def receive():
            got.extend([frame async for frame in framing.wrap(theirs, codec)])

        async with asyncio.TaskGroup() as group:
            group.create_task(receive())
            chat = framing.wrap(ours, codec)
            with pytest.raises(ValueError, match="max_frame") as caught:
                await chat.send_many_async([*frames, bytes(101), b"never"])
            assert (caught.value.sent, caught.value.frames) == (64 * count, count)
            await chat.send_async(b"next")
            chat.close()
        assert got == [*frames, b"next"]

    run(talk())


@pytest.mark.parametrize("stop", [StopIteration, StopAsyncIteration])
def test_what_ends_iterations_does_not_when_a_function_of_typed_raises_it(pair, run, stop):
    def loads(frame):
        if frame == b"bad":
            raise stop
        return frame

    def wrapped():
        return framing.wrap(pair[0], Typed(Lines(), bytes, loads))

    async def awaited():
        return await wrapped().recv_async(timeout=30)

    async def awaited_many():
        return await wrapped().recv_many_async(timeout=30)

    async def iterated():
        return [frame async for frame in wrapped()]

    for receive in (
        lambda: wrapped().recv(timeout=30),
        lambda: list(wrapped()),
        lambda: run(awaited()),
        lambda: run(awaited_many()),
        lambda: run(iterated()),
    ):
        pair[1].sendall(b"bad\n")
        with pytest.raises(RuntimeError, match="loads raised") as caught:
            receive()
        assert isinstance(caught.value.__cause__, stop)
        assert caught.value.partial == b"bad"
    with pytest.raises(RuntimeError, match="dumps raised"):
        Typed(Lines(), lambda _: next(iter(())), bytes).encode(b"")


def test_what_is_blamed_is_what_was_given():
    with pytest.raises(ValueError, match="size: -1"):
        framing.Fixed(-1)
    with pytest.raises(ValueError, match="max_frame: -1"):
        framing.Varint(-1)


def test_a_frame_that_loads_refused_behind_others_is_held_once():
    # malloc(3) gives so much back at once (mallopt(3), M_MMAP_THRESHOLD).
    size = 33 << 20
    decoder = Typed(Varint(size), bytes, lambda frame: frame if len(frame) < 9 else int(frame)).decoder()
    wire = Varint(size).encode_many([b"x", bytes(size)])
    before = resident()
    assert decoder.feed(wire) == [b"x"]
    assert resident() - before < size + (256 << 10) + SLACK
    assert decoder.buffered == len(wire) - 2
    with pytest.raises(ValueError, match="invalid literal") as caught:
        decoder.feed(b"")
    assert len(caught.value.partial) == size
    del caught
    gc.collect()
    assert resident() - before < SLACK
    assert (decoder.feed(wire), decoder.unread()) == ([b"x"], wire[2:])


def test_a_large_frame_that_loads_refuses_on_a_socket_is_in_its_error_alone(pair):
    size = 4 << 20
    codec = LengthPrefixed(4, max_frame=size)
    chat = framing.wrap(pair[0], Typed(codec, bytes, lambda frame: frame if len(frame) < 9 else int(frame)))
    wire = codec.encode_many([b"a", bytes(size), b"b"])
    sender = threading.Thread(target=pair[1].sendall, args=[wire])
    sender.start()
    assert chat.recv(timeout=30) == b"a"
    with pytest.raises(ValueError, match="invalid literal") as caught:
        chat.recv(timeout=30)
    sender.join()
    assert len(caught.value.partial) == size
    del caught
    assert chat.recv(timeout=30) == b"b"
    assert (chat.buffered, chat.unread()) == (0, b"")
    chat.close()


SLACK = 4 << 20


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


class Chatter:
    """Keeps a socket whose codec calls it."""

    def __init__(self, sock):
        codec = framing.Typed(framing.Lines(), dumps=self.dumps, loads=bytes)
        self.chat = framing.wrap(sock, codec)

    def dumps(self, value):
        return value


class Batched(socket.socket):
    """Keeps what is laid over it."""


def test_who_keeps_a_socket_whose_codec_calls_it_is_collected():
    one, other = socket.socketpair()
    with other:
        chatter = Chatter(one)
        chatter.chat.send(b"x")
        descriptor, gone = one.detach(), weakref.ref(chatter)
        os.close(descriptor)
        del one, chatter
        gc.collect()
        assert gone() is None


@pytest.mark.parametrize("lay", [lambda sock: framing.wrap(sock, framing.Lines()), framing.DatagramBatch])
def test_a_socket_that_keeps_what_is_laid_over_it_is_collected(lay):
    kind = socket.SOCK_DGRAM if lay is framing.DatagramBatch else socket.SOCK_STREAM
    sock = Batched(socket.AF_INET, kind)
    sock.over = lay(sock)
    sock.close()
    gone = weakref.ref(sock)
    del sock
    gc.collect()
    assert gone() is None
