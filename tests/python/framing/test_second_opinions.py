"""The same streams through asyncio's reader and through the loops that people write."""

from __future__ import annotations

import asyncio
import struct

from hypothesis import given
from hypothesis import strategies as st

from eyesocket import framing
from eyesocket.framing import Delimited, LengthPrefixed

PIECES = st.lists(st.integers(1, 9), min_size=1)


def cut(wire, sizes):
    at, index = 0, 0
    while at < len(wire):
        size = sizes[index % len(sizes)]
        yield wire[at : at + size]
        at += size
        index += 1


@given(st.text("ab=-", max_size=60).map(str.encode), PIECES)
def test_delimiters_are_those_of_readuntil(wire, sizes):
    async def read():
        reader, found = asyncio.StreamReader(), []
        reader.feed_data(wire)
        reader.feed_eof()
        while True:
            try:
                found.append((await reader.readuntil(b"-=")).removesuffix(b"-="))
            except asyncio.IncompleteReadError as error:
                return found, error.partial

    decoder, found, partial = Delimited(b"-=").decoder(), [], b""
    try:
        for piece in cut(wire, sizes):
            found += decoder.feed(piece)
        found += decoder.eof()
    except framing.TruncatedFrame as error:
        partial = error.partial
    assert (found, partial) == asyncio.run(read())


@given(st.lists(st.binary(max_size=40), max_size=8), st.binary(max_size=3), PIECES)
def test_lengths_are_those_of_a_loop_with_struct(frames, rest, sizes):
    wire = b"".join(struct.pack("<H", len(frame)) + frame for frame in frames) + rest

    def loop():
        at = 0
        while at + 2 <= len(wire):
            (length,) = struct.unpack_from("<H", wire, at)
            if at + 2 + length > len(wire):
                break
            yield wire[at + 2 : at + 2 + length]
            at += 2 + length

    codec = LengthPrefixed(2, "little")
    decoder = codec.decoder()
    assert [frame for piece in cut(wire, sizes) for frame in decoder.feed(piece)] == list(loop())
    assert codec.encode_many(frames) + rest == wire
