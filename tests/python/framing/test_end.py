"""The end that a format has of its own: the last chunk and its trailer fields, sent, awaited and refused."""

from __future__ import annotations

import asyncio
import http.client
import threading

import pytest

from eyesocket import framing
from eyesocket.framing import COBS, SLIP, TLV, Fixed, HTTPChunked, LengthPrefixed, Lines, Netstring, Raw, Typed, Varint

CHUNKED = HTTPChunked()
OTHERS = [Lines(), LengthPrefixed(4), Varint(), Netstring(), COBS(), SLIP(), TLV(), Fixed(1), Raw()]
TRAILERS = [
    (None, b""),
    ({}, b""),
    ([], b""),
    ({"Digest": "x", "Expires": ""}, b"Digest: x\r\nExpires: \r\n"),
    ([(b"a", b"\xe4\t."), ("a", "2")], b"a: \xe4\t.\r\na: 2\r\n"),
    (iter([("a", "1")]), b"a: 1\r\n"),
]


@pytest.mark.parametrize(("trailers", "lines"), TRAILERS)
def test_it_is_the_last_chunk_with_its_trailer_fields(pair, trailers, lines):
    if not hasattr(trailers, "__next__"):
        assert CHUNKED.end(trailers) == b"0\r\n" + lines + b"\r\n"
    chat = framing.wrap(pair[0], CHUNKED)
    chat.send(b"last")
    chat.send_end(trailers)
    chat.close()
    with pair[1].makefile("rb") as file:
        assert file.read() == b"4\r\nlast\r\n0\r\n" + lines + b"\r\n"


def test_the_peer_hears_it_and_the_other_direction_goes_on(pair, run):
    ours, theirs = (framing.wrap(sock, CHUNKED) for sock in pair)

    async def main():
        await ours.send_many_async([b"a", b"b"])
        await ours.send_end_async({"Digest": "x"})
        got = [frame async for frame in theirs]
        await theirs.send_async(b"answer")
        await theirs.send_end_async(timeout=5)
        return got

    assert run(main()) == [b"a", b"b"]
    assert ours.recv(timeout=30) == b"answer"
    with pytest.raises(framing.EndOfStream):
        ours.recv(timeout=30)
    assert ours.buffered == theirs.buffered == 0


def test_the_standard_librarys_client_hears_it(pair):
    chat = framing.wrap(pair[0], CHUNKED)
    pair[0].sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Digest\r\n\r\n")
    chat.send_many([b"first ", b"second"])
    chat.send_end([("Digest", "sha-256=x")])
    response = http.client.HTTPResponse(pair[1])
    response.begin()
    # The connection stays open: the end of the body is what is heard.
    assert response.read() == b"first second"
    response.close()


def test_it_goes_out_behind_the_frames_that_began_before(pair):
    """The sends of another thread, which have to wait for the peer."""
    chat, far = framing.wrap(pair[0], CHUNKED), framing.wrap(pair[1], CHUNKED)
    frames = [bytes([number]) * 300_000 for number in range(1, 6)]
    got = []
    reading = threading.Thread(target=lambda: got.extend(far))
    reading.start()
    chat.send_many(frames)
    chat.send_end()
    reading.join(30)
    assert not reading.is_alive()
    assert got == frames


@pytest.mark.parametrize("codec", OTHERS, ids=repr)
def test_formats_without_an_end_send_nothing(pair, codec):
    chat = framing.wrap(pair[0], codec)
    chat.send_end()
    chat.send_end({})
    for end in (lambda: chat.send_end({"a": "b"}), lambda: codec.end({"a": "b"})):
        with pytest.raises(ValueError, match=r"^trailers: HTTPChunked alone"):
            end()
    assert codec.end() == b""
    chat.close()
    assert pair[1].recv(9) == b""


def test_typed_has_the_end_of_what_it_is_laid_over(pair):
    chat = framing.wrap(pair[0], Typed(CHUNKED, str.encode, bytes.decode))
    chat.send("x")
    chat.send_end()
    assert list(framing.wrap(pair[1], CHUNKED)) == [b"x"]


@pytest.mark.parametrize(
    ("trailers", "kind", "says"),
    [
        ({"a b": ""}, ValueError, "is no field name"),
        ({"": ""}, ValueError, "is no field name"),
        ({"a:": ""}, ValueError, "is no field name"),
        ({"a": "x\r\nSet-Cookie: y"}, ValueError, "control characters"),
        ({"a": "\0"}, ValueError, "control characters"),
        ({"Content-Length": "5"}, ValueError, "belongs before"),
        ({"tRANSFER-eNCODING": "chunked"}, ValueError, "belongs before"),
        ({"a": "x" * 4096}, ValueError, "longer than 4096"),
        ({f"a{number}": "x" * 4000 for number in range(17)}, ValueError, "more than 65536"),
        ({"a": "\xe4"}, ValueError, "give bytes"),
        ({"a": 5}, TypeError, "mapping of names"),
        ("ab", TypeError, "mapping of names"),
        ([("a",)], TypeError, "mapping of names"),
        (5, TypeError, "mapping of names"),
    ],
)
def test_what_cannot_be_a_trailer_field_is_refused_and_nothing_sent(pair, trailers, kind, says):
    chat = framing.wrap(pair[0], CHUNKED)
    with pytest.raises(kind, match=rf"^trailers: .*{says}"):
        chat.send_end(trailers)
    with pytest.raises(kind, match=rf"^trailers: .*{says}"):
        CHUNKED.end(trailers)
    chat.send(b"x")
    chat.close()
    assert pair[1].recv(99) == b"1\r\nx\r\n"


def test_the_longest_that_is_sent_is_taken():
    most = {"a": "x" * (4096 - 5)}
    decoder = CHUNKED.decoder()
    assert decoder.feed(CHUNKED.end(most)) == []
    assert decoder.at_end
    many = [("abc", "x" * 249)] * 255 + [("abc", "x" * 247)]
    decoder = CHUNKED.decoder()
    assert len(CHUNKED.end(many)) == (64 << 10) + 3
    assert decoder.feed(CHUNKED.end(many)) == []
    assert decoder.at_end
    with pytest.raises(ValueError, match="65536"):
        CHUNKED.end([*many[:-1], ("abc", "x" * 248)])


def received(chat):
    return chat.recv(timeout=0)


def received_into(chat):
    return chat.recv_into(bytearray(9), timeout=0)


def iterated(chat):
    assert list(chat) == []
    return chat.recv()


@pytest.mark.parametrize("receive", [received, received_into, iterated])
@pytest.mark.parametrize("before", [b"", b"3\r\nabc\r\n"])
def test_an_end_that_comes_alone_is_heard_at_once(pair, receive, before):
    """The connection stays open, and nothing behind the end would wake who waits: so nobody waits."""
    pair[0].setblocking(False)
    chat = framing.wrap(pair[0], CHUNKED)
    pair[1].sendall(before)
    assert not before or chat.recv() == b"abc"
    pair[1].sendall(b"0\r\n\r\n")
    with pytest.raises(framing.EndOfStream):
        receive(chat)
    assert chat.recv_many() == []


def test_an_end_that_comes_alone_and_in_pieces_is_heard_by_who_waits(pair, run):
    chat = framing.wrap(pair[0], CHUNKED)

    async def main():
        waiting = asyncio.ensure_future(collected(chat))
        for piece in (b"3\r\nabc\r\n", b"0\r", b"\n", b"Digest: x\r\n", b"\r\n"):
            pair[1].sendall(piece)
            # The task receives it, if it comes to that.
            for _ in range(5):
                await asyncio.sleep(0)
        return await asyncio.wait_for(waiting, 5)

    assert run(main()) == [b"abc"]


async def collected(chat):
    return [frame async for frame in chat]
