"""Codecs without a socket: the same frames for every cut, limits before memory, and what is refused."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

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

# A codec, frames, and the bytes they are on the wire, by hand from each format's definition.
WIRE = {
    "lines": (Lines(100), [b"a", b"", b"bc"], b"a\n\nbc\n"),
    "crlf": (Lines(100, ending=b"\r\n"), [b"a\nb", b"c\r"], b"a\nb\r\nc\r\r\n"),
    "delimited": (Delimited(b"--", 100), [b"a-b", b"c"], b"a-b--c--"),
    "fixed": (Fixed(3), [b"abc", b"def"], b"abcdef"),
    "u32": (LengthPrefixed(4), [b"abc", b""], b"\0\0\0\3abc\0\0\0\0"),
    "u16le": (LengthPrefixed(2, "little"), [b"abc"], b"\3\0abc"),
    "u24": (LengthPrefixed(3), [b"abc"], b"\0\0\3abc"),
    "counts_header": (LengthPrefixed(2, counts_header=True), [b"abc"], b"\0\5abc"),
    "offset": (LengthPrefixed(1, offset=2), [b"abc"], b"\0\0\3abc"),
    "header_kept": (LengthPrefixed(1, offset=1, skip=0), [b"T\3abc"], b"T\3abc"),
    "adjustment": (LengthPrefixed(1, adjustment=2), [b"abcd"], b"\2abcd"),
    "negative_adjustment": (LengthPrefixed(1, adjustment=-2), [b"ab"], b"\4ab"),
    "varint": (Varint(1000), [b"abc", b"x" * 300, b""], b"\3abc\xac\2" + b"x" * 300 + b"\0"),
    "netstring": (Netstring(100), [b"hello", b""], b"5:hello,0:,"),
    "cobs": (COBS(1000), [b"\0", b"a\0b", b"", b"x" * 254], b"\1\1\0\2a\2b\0\1\0\xff" + b"x" * 254 + b"\0"),
    "slip": (SLIP(100), [b"a\xc0b", b"\xdb"], b"\xc0a\xdb\xdcb\xc0\xc0\xdb\xdd\xc0"),
    "tlv": (TLV(1, 2), [(7, b"abc"), (0, b"")], b"\7\0\3abc\0\0\0"),
    "chunked": (HTTPChunked(1000), [b"hello", b"x" * 26], b"5\r\nhello\r\n1a\r\n" + b"x" * 26 + b"\r\n"),
}


@pytest.fixture(params=WIRE, ids=str)
def case(request):
    return WIRE[request.param]


def test_frames_are_these_bytes(case):
    codec, frames, wire = case
    assert codec.encode_many(frames) == wire
    assert b"".join(codec.encode(frame) for frame in frames) == wire


def test_every_cut_in_two_gives_the_same_frames(case):
    codec, frames, wire = case
    for at in range(len(wire) + 1):
        decoder = codec.decoder()
        assert decoder.feed(wire[:at]) + decoder.feed(wire[at:]) == frames
        assert decoder.buffered == 0


def test_one_byte_at_a_time_gives_the_same_frames(case):
    codec, frames, wire = case
    decoder = codec.decoder()
    assert [frame for at in range(len(wire)) for frame in decoder.feed(wire[at : at + 1])] == frames


def test_an_end_in_the_middle_says_what_came(case):
    codec, frames, _ = case
    last = codec.encode(frames[-1])
    if len(last) < 2:
        last = codec.encode(frames[0])
    for end in range(2 if isinstance(codec, SLIP) else 1, len(last)):
        decoder = codec.decoder()
        assert decoder.feed(last[:end]) == []
        assert decoder.buffered == end - (1 if isinstance(codec, SLIP) else 0)
        with pytest.raises(framing.TruncatedFrame) as caught:
            decoder.eof()
        assert caught.value.partial == last[:end].lstrip(b"\xc0")
        assert decoder.unread() == last[:end].lstrip(b"\xc0")
        assert decoder.buffered == 0


def test_a_clean_end_is_none_of_these(case):
    codec, frames, wire = case
    decoder = codec.decoder()
    assert decoder.feed(wire + codec.end()) == frames
    assert decoder.eof() == []
    assert decoder.at_end


def test_unread_gives_back_what_follows(case):
    _, _, wire = case
    decoder = HTTPChunked().decoder()
    assert decoder.feed(b"1\r\na\r\n0\r\nTrailer: 1\r\n\r\n" + wire) == [b"a"]
    assert decoder.at_end
    assert decoder.unread() == wire


def feed_nothing_whole(decoder, pieces):
    for piece in pieces:
        assert decoder.feed(piece) == []


BINARY = {
    "u32": LengthPrefixed(4, max_frame=5000),
    "u64le": LengthPrefixed(8, "little", max_frame=5000),
    "odd": LengthPrefixed(3, offset=1, adjustment=-1, skip=6, counts_header=True, max_frame=5000),
    "varint": Varint(5000),
    "netstring": Netstring(5000),
    "cobs": COBS(5000),
    "slip": SLIP(5000),
    "chunked": HTTPChunked(5000),
}


@given(
    name=st.sampled_from(sorted(BINARY)),
    frames=st.lists(st.binary(min_size=1, max_size=600) | st.sampled_from([b"\0" * 255, b"x" * 508, b"\xc0\xdb" * 99])),
    data=st.data(),
)
def test_any_frames_survive_any_cuts(name, frames, data):
    codec = BINARY[name]
    wire = codec.encode_many(frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    decoder = codec.decoder()
    got = []
    for begin, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        got += decoder.feed(wire[begin:end])
    assert got == frames
    assert decoder.feed(codec.end()) == []
    assert decoder.eof() == []


@given(
    st.binary(max_size=300),
    st.lists(st.integers(1, 40), min_size=1),
    st.sampled_from([*sorted(BINARY), "lines", "tlv"]),
)
def test_any_bytes_give_the_same_for_any_cuts(wire, sizes, name):
    codec = {**BINARY, "lines": Lines(20), "tlv": TLV(max_frame=50)}[name]

    def decode(pieces):
        decoder, frames = codec.decoder(), []
        try:
            for piece in pieces:
                frames += decoder.feed(piece)
            frames += decoder.eof()
        except (framing.FrameTooLarge, framing.TruncatedFrame, ProtocolError) as error:
            return frames, type(error), str(error), decoder.unread() and error.partial
        return frames, None, None, None

    pieces, at = [], 0
    for size in sizes * len(wire):
        pieces.append(wire[at : at + size])
        at += size
        if at >= len(wire):
            break

    def told(outcome):
        # Of bytes behind an error, only those before it have come when it is raised.
        frames, kind, text, partial = outcome
        return frames, kind, text, partial if kind is framing.TruncatedFrame else None

    assert told(decode([wire])) == told(decode(pieces)) == told(decode([wire[i : i + 1] for i in range(len(wire))]))


@pytest.mark.parametrize(
    ("codec", "wire", "length"),
    [
        (LengthPrefixed(8, max_frame=10), struct.pack(">Q", 1 << 40), 1 << 40),
        (LengthPrefixed(8, max_frame=10), b"\xff" * 8, 2**64 - 1),
        (LengthPrefixed(4, max_frame=10), struct.pack(">I", 11), 11),
        (Varint(10), b"\x80\x80\x80\x80\x80\x20", 1 << 40),
        (Netstring(10), b"1099511627776:", 1 << 40),
        (TLV(1, 8, max_frame=10), b"\0" + struct.pack(">Q", 1 << 40), 1 << 40),
        (HTTPChunked(10), b"10000000000\r\n", 1 << 40),
        (Lines(10), b"x" * 12, 11),
        (Lines(10), b"x" * 11 + b"\n", 11),
        (Delimited(b"--", 10), b"x" * 12, 11),
        (COBS(10), b"\x0cxxxxxxxxxxx", 11),
        (SLIP(10), b"x" * 11, 11),
    ],
)
def test_a_frame_over_the_limit_is_told_before_it_comes(codec, wire, length):
    for pieces in ([wire], [wire[i : i + 1] for i in range(len(wire))]):
        decoder = codec.decoder()
        with pytest.raises(framing.FrameTooLarge) as caught:
            feed_nothing_whole(decoder, pieces)
        assert (caught.value.length, caught.value.limit) == (length, 10)
        with pytest.raises(framing.FrameTooLarge):
            decoder.feed(b"")


@pytest.mark.parametrize(
    "make",
    [
        lambda policy: LengthPrefixed(2, max_frame=10, oversize=policy),
        lambda policy: Lines(10, oversize=policy),
        lambda policy: Delimited([b"=-=", b"--"], 10, oversize=policy),
        lambda policy: Varint(10, oversize=policy),
        lambda policy: Netstring(10, oversize=policy),
        lambda policy: TLV(1, 2, max_frame=10, oversize=policy),
        lambda policy: HTTPChunked(10, oversize=policy),
        lambda policy: COBS(10, oversize=policy),
        lambda policy: SLIP(10, oversize=policy),
    ],
)
def test_skipping_goes_on_behind_the_frame_wherever_it_is_cut(make):
    small, large = b"ab", b"x" * 300
    if isinstance(make("raise"), TLV):
        small, large = (1, small), (1, large)
    sender = type(make("raise"))
    wide = {Delimited: lambda: Delimited([b"=-=", b"--"], 999), LengthPrefixed: lambda: LengthPrefixed(2)}.get(
        sender, sender
    )()
    wire = wide.encode_many([small, large, small, large, large, small])
    for size in (1, 2, 3, 7, 64, len(wire)):
        decoder = make("skip").decoder()
        got = [frame for at in range(0, len(wire), size) for frame in decoder.feed(wire[at : at + size])]
        assert got == [small] * 3
        assert decoder.skipped == 3
        assert decoder.buffered == 0


def test_frames_before_an_error_are_given_first():
    decoder = LengthPrefixed(1, max_frame=3).decoder()
    assert decoder.feed(b"\1a\2bc\4defg") == [b"a", b"bc"]
    with pytest.raises(framing.FrameTooLarge):
        decoder.feed(b"")
    assert decoder.unread() == b"\4defg"


@pytest.mark.parametrize(
    ("codec", "wire", "says"),
    [
        (Varint(), b"\x80\x00", "overlong"),
        (Varint(), b"\xff" * 9 + b"\x02", "64 bits"),
        (Varint(), b"\xff" * 10, "64 bits"),
        (Netstring(), b"05:hello,", "leading zero"),
        (Netstring(), b":", "length"),
        (Netstring(), b"5:hello;", "comma"),
        (Netstring(), b"1" * 20, "length"),
        (LengthPrefixed(2, counts_header=True), b"\0\1", "smaller"),
        (LengthPrefixed(8, adjustment=-(1 << 61)), b"\0" * 8, "smaller"),
        (LengthPrefixed(1, skip=5), b"\3abc", "smaller"),
        (COBS(), b"\5ab\0", "ends before"),
        (SLIP(), b"\xdbx", "ESC"),
        (HTTPChunked(), b"5\nhello", "LF alone"),
        (HTTPChunked(), b"g\r\n", "hexadecimal"),
        (HTTPChunked(), b"1\r\nab\r\n", "CRLF"),
        (HTTPChunked(), b"1;=x\r\n", "extension"),
        (HTTPChunked(), b"f" * 5000, "too long"),
    ],
)
def test_what_breaks_the_format_is_refused(codec, wire, says):
    for pieces in ([wire], [wire[i : i + 1] for i in range(len(wire))]):
        with pytest.raises(ProtocolError, match=says):
            feed_nothing_whole(codec.decoder(), pieces)


@pytest.mark.parametrize(
    ("codec", "frame", "says"),
    [
        (Lines(), b"a\nb", "two frames"),
        (Lines(), b"a\r", "two frames"),
        (Delimited(b"--"), b"a-", "two frames"),
        (Lines(3), b"abcd", "max_frame"),
        (Fixed(3), b"ab", "each has 3"),
        (LengthPrefixed(1), b"x" * 256, "does not fit"),
        (LengthPrefixed(1, adjustment=2), b"a", "too few"),
        (TLV(1, 1), (256, b""), "does not fit"),
        (SLIP(), b"", "empty"),
        (HTTPChunked(), b"", "end"),
    ],
)
def test_what_cannot_be_sent_is_told(codec, frame, says):
    with pytest.raises(ValueError, match=says):
        codec.encode(frame)


@pytest.mark.parametrize(
    "make",
    [
        lambda: LengthPrefixed(0),
        lambda: LengthPrefixed(9),
        lambda: LengthPrefixed(byteorder="middle"),
        lambda: LengthPrefixed(adjustment=-(1 << 63), counts_header=True),
        lambda: Lines(0),
        lambda: Lines(oversize="ignore"),
        lambda: Delimited(b""),
        lambda: Delimited([]),
        lambda: Delimited([b"\r", b"\r\n"]),
        lambda: Fixed(0),
    ],
)
def test_settings_that_cannot_work_are_told(make):
    with pytest.raises(ValueError, match=":"):
        make()


def test_any_bytes_like_object_is_a_frame_and_text_is_not():
    codec = LengthPrefixed(1)
    for frame in (b"abc", bytearray(b"abc"), memoryview(b"abc"), memoryview(b"xaxbxc")[1::2]):
        assert codec.encode(frame) == b"\3abc"
    assert codec.decoder().feed(bytearray(b"\3abc")) == [b"abc"]
    for frame in ("abc", 3, [1, 2], None):
        with pytest.raises(TypeError):
            codec.encode(frame)


def test_values_over_a_codec():
    codec = Typed(Lines(), lambda value: json.dumps(value).encode(), json.loads)
    assert codec.encode({"a": 1}) == b'{"a": 1}\n'
    decoder = codec.decoder()
    assert decoder.feed(b'{"a": 1}\n[]\n{\n3\n') == [{"a": 1}, []]
    with pytest.raises(json.JSONDecodeError) as caught:
        decoder.feed(b"")
    assert caught.value.partial == b"{"
    assert decoder.feed(b"") == [3]


def test_raw_gives_what_came_in_pieces_of_the_limit():
    assert Raw(3).decoder().feed(b"abcdefgh") == [b"abc", b"def", b"gh"]


def test_a_last_line_without_an_ending_may_be_a_frame():
    decoder = Lines(5, open_end=True).decoder()
    assert decoder.feed(b"a\nbc") == [b"a"]
    assert decoder.eof() == [b"bc"]
    assert decoder.at_end
    decoder = Lines(5, open_end=True).decoder()
    assert decoder.feed(b"abcde\r") == []
    with pytest.raises(framing.FrameTooLarge):
        decoder.eof()


def test_lines_are_those_of_file_objects():
    import io

    data = b"one\ntwo\r\n\nthree\n" * 50
    expected = [line.removesuffix(b"\n").removesuffix(b"\r") for line in io.BytesIO(data)]
    assert Lines().decoder().feed(data) == expected


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        (LengthPrefixed(2, "little", max_frame=9), "LengthPrefixed(2, 'little', max_frame=9)"),
        (
            LengthPrefixed(3, offset=1, adjustment=-1, skip=0, max_frame=9, oversize="skip"),
            "LengthPrefixed(3, 'big', offset=1, adjustment=-1, skip=0, max_frame=9, oversize='skip')",
        ),
        (Lines(5, open_end=True), 'Lines([b"\\n", b"\\r\\n"], open_end=True, max_frame=5)'),
        (Delimited(b"--", oversize="close"), "Delimited([b\"--\"], max_frame=1048576, oversize='close')"),
        (TLV(1, 2), "TLV(1, 2, 'big', max_frame=1048576)"),
        (Fixed(7), "Fixed(7)"),
        (COBS(3), "COBS(max_frame=3)"),
        (Typed(Varint(3), bytes, bytes), "Typed(Varint(max_frame=3))"),
    ],
)
def test_a_codec_says_how_it_was_made(codec, text):
    assert repr(codec) == text
