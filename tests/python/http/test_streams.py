"""Bodies that are read piece by piece, as bytes, text, lines and events."""

from __future__ import annotations

import asyncio
import gzip
import threading

import pytest

from eyesocket import errors, http
from eyesocket.http._pieces import Lines


def ok(body: bytes = b"ok", *lines: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *lines, b"", body])


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_a_stream_is_read_piece_by_piece(script):
    script.play(
        CHUNKED + b"".join(b"%x\r\n%s\r\n" % (1000, b"x" * 1000) for _ in range(100)) + b"0\r\nA: b\r\n\r\n", ok()
    )
    with http.Client() as client:
        with client.stream("GET", script.url()) as response:
            assert (response.status, client.connections) == (200, (1, 0))
            with pytest.raises(RuntimeError, match="unread"):
                _ = response.content
            pieces = list(response.iter_bytes(3000))
            assert [len(piece) for piece in pieces] == [3000] * 33 + [1000]
            assert response.trailers["a"] == "b"
        assert client.get(script.url()).timings.reused


def test_a_stream_that_is_left_closes_its_connection(script):
    script.play(ok(b"x" * 10_000_000))
    script.play(ok())
    with http.Client() as client:
        with client.stream("GET", script.url()) as response:
            next(response.iter_raw())
        assert client.connections == (0, 0)
        assert client.get(script.url()).content == b"ok"


EMPTY = [
    pytest.param("GET", b"HTTP/1.1 204 No Content\r\n\r\n", id="204"),
    pytest.param("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", id="304"),
    pytest.param("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", id="head"),
    pytest.param("GET", ok(b""), id="no content"),
    pytest.param("GET", ok(b"x" * 9000), id="all here"),
    pytest.param("GET", CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", id="chunks, all here"),
]


@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize(("method", "answer"), EMPTY)
def test_a_stream_that_is_left_keeps_its_connection_if_nothing_is_to_come(script, method, answer, awaited):
    script.play(answer, ok())

    async def asked():
        async with http.AsyncClient() as client:
            async with client.stream(method, script.url()):
                pass
            return (await client.get(script.url())).content

    if awaited:
        assert asyncio.run(asked()) == b"ok"
    else:
        with http.Client() as client:
            with client.stream(method, script.url()) as response:
                assert response.is_closed is False
            assert response.is_closed
            assert client.connections == (1, 1)
            assert client.get(script.url()).content == b"ok"
    assert script.connections == 1


def test_lines_and_text(script):
    text = "eins\r\nzw\u00f6lf\rdrei\n\nvier"
    script.play(*[CHUNKED + b"".join(b"1\r\n%c\r\n" % byte for byte in text.encode()) + b"0\r\n\r\n"] * 2)
    with http.Client() as client:
        with client.stream("GET", script.url()) as response:
            assert list(response.iter_lines()) == ["eins", "zw\u00f6lf", "drei", "", "vier"]
        with client.stream("GET", script.url()) as response:
            assert "".join(response.iter_text()) == text


def test_streams_are_awaited_too(script):
    script.play(CHUNKED + b"3\r\na\nb\r\n0\r\n\r\n", ok(b"data: 1\n\nevent: x\ndata: 2\n\n"))

    async def both():
        async with http.AsyncClient() as client:
            async with client.stream("GET", script.url()) as response:
                lines = [line async for line in response.aiter_lines()]
            async with client.stream("GET", script.url()) as response:
                return lines, [event async for event in response.aiter_sse()]

    lines, events = asyncio.run(both())
    assert lines == ["a", "b"]
    assert [(event.event, event.data) for event in events] == [("message", "1"), ("x", "2")]


def test_charsets(script):
    for head, body, text in (
        (b"text/plain; charset=iso-8859-1", "\u00e4".encode("latin-1"), "\u00e4"),
        (b"text/plain; charset=gbk", "\u4f60\u597d".encode("gbk"), "\u4f60\u597d"),
        (b"text/plain", "\u00e4".encode(), "\u00e4"),
        (b"text/plain", b"\xff\xfea\0", "a"),
        (b"application/json", '{"a": "\u00e4"}'.encode(), '{"a": "\u00e4"}'),
    ):
        response = http.get(script.play(ok(body, b"Content-Type: " + head)))
        assert response.text == text
    assert response.json() == {"a": "\u00e4"}


def test_a_body_read_piece_by_piece_is_not_kept(script):
    script.play(ok(b"12345"), ok(b"67890"))
    with http.Client() as client:
        with client.stream("GET", script.url()) as response:
            with pytest.raises(RuntimeError, match="unread"):
                _ = response.content
            assert repr(response).startswith("<Response 200 OK, unread, ")
            assert b"".join(response.iter_bytes()) == b"12345"
            with pytest.raises(RuntimeError, match="not kept"):
                _ = response.content
            assert repr(response).startswith("<Response 200 OK, streamed, ")
            assert response.to_dict()["length"] is None
        with client.stream("GET", script.url()) as response:
            assert response.read() == response.content == b"67890"


@pytest.mark.parametrize("line", [1000, 1001])
def test_the_limit_of_a_line_does_not_depend_on_the_cut(line):
    text = "a\n" + "x" * line + "\nb"
    for cut in range(len(text)):
        if line == 1000:
            assert lines_of([text[:cut], text[cut:]], 1000) == text.split("\n")
        else:
            with pytest.raises(errors.TooLargeError, match="1001"):
                lines_of([text[:cut], text[cut:]], 1000)


def lines_of(pieces, most=None):
    lines = Lines(most)
    return [line for piece in pieces for line in lines.feed(piece)] + lines.end()


@pytest.mark.parametrize("text", ["", "a", "a\n", "a\r", "\r\n", "a\rb\r\nc\n\n\rd", "\r\r\n\n"])
def test_lines_are_the_same_for_every_cut(text):
    whole = lines_of([text])
    assert whole == text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n") if text else not whole
    for cut in range(len(text) + 1):
        assert lines_of([text[:cut], text[cut:]]) == whole
    assert lines_of(text) == whole


def test_a_line_in_many_pieces_is_put_together_once():
    """What is joined in all is the line itself, not each beginning of it."""

    class Told(str):
        __slots__ = ()
        seen = 0

        def replace(self, *arguments):
            Told.seen += len(self)
            return super().replace(*arguments)

        def removesuffix(self, suffix):
            return Told(super().removesuffix(suffix))

    assert lines_of([Told("x" * 10)] * 1000) == ["x" * 10_000]
    assert Told.seen == 10_000


@pytest.mark.parametrize("awaited", [False, True])
def test_a_line_beyond_the_limit_is_refused(script, awaited):
    script.play(ok(b"short\n" + b"x" * 5000))

    async def asked():
        async with http.AsyncClient(max_size=1000) as client, client.stream("GET", script.url()) as response:
            return [line async for line in response.aiter_lines()]

    def ask():
        with http.Client(max_size=1000) as client, client.stream("GET", script.url()) as response:
            return list(response.iter_lines())

    with pytest.raises(errors.TooLargeError, match="max_size") as caught:
        asyncio.run(asked()) if awaited else ask()
    assert isinstance(caught.value, http.HTTPError)
    assert caught.value.limit == 1000


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("\ufeffa\u00e4\u20ac".encode(), b"text/plain"),
        ("\ufeffa\u00e4".encode("utf-16-le"), b"text/plain"),
        (b"\x80\xa4", b"text/plain; charset=windows-874"),
        (b"\xe0\xe1", b"text/plain; charset=iso-8859-8-i"),
        (b"\xe0\xe1", b"text/plain; charset=x-mac-cyrillic"),
        (b"a\xe2\x82", b"text/plain; charset=utf-8"),
    ],
)
def test_text_in_pieces_is_the_text(script, body, kind):
    script.play(*[ok(body, b"Content-Type: " + kind)] * 2)
    with http.Client() as client:
        whole = client.get(script.url()).text
        with client.stream("GET", script.url()) as response:
            assert "".join(response.iter_text(1)) == whole
    assert not whole.startswith("\ufeff")


def test_links(script):
    """Commas and blanks stand anywhere; what is quoted is no end."""
    script.play(
        ok(
            b"ok",
            b'Link: </a>; rel="next", </b?x=1,2>;rel=last ;title="a, <b>; \\"c\\"", <http://c/>',
            b'Link: <d>; rel="first"; rel="second"; crossorigin',
        )
    )
    links = http.get(script.url()).links
    assert links == {
        "next": {"url": "/a", "rel": "next"},
        "last": {"url": "/b?x=1,2", "rel": "last", "title": 'a, <b>; "c"'},
        "http://c/": {"url": "http://c/"},
        "first": {"url": "d", "rel": "first", "crossorigin": ""},
    }


BEGINS = {
    "bytes": lambda response: next(response.iter_bytes(10)),
    "raw": lambda response: next(response.iter_raw(10)),
    "text": lambda response: next(response.iter_text(10)),
    "lines": lambda response: next(response.iter_lines()),
}


@pytest.mark.parametrize("begin", BEGINS)
@pytest.mark.parametrize("then", ["read", "bytes", "raw", "text", "lines"])
def test_what_an_iterator_took_along_is_not_passed_over(script, begin, then):
    """The rest is never given as if it were the whole."""
    script.play(ok(b"".join(b"line %d\n" % number for number in range(20_000))))
    with http.Client() as client, client.stream("GET", script.url()) as response:
        BEGINS[begin](response)
        assert response.is_stream_consumed
        with pytest.raises(http.StreamConsumed, match="being read"):
            response.read() if then == "read" else BEGINS[then](response)


def test_pieces_that_hold_nothing_back_go_on_where_others_stopped(script):
    body = bytes(range(256)) * 2000
    script.play(ok(body))
    with http.Client() as client, client.stream("GET", script.url()) as response:
        came = b""
        while len(came) < len(body):
            came += next(response.iter_bytes())
        assert came == body


@pytest.mark.parametrize("first", BEGINS)
def test_two_iterators_at_once_would_each_have_half(script, first):
    script.play(ok(b"".join(b"line %d\n" % number for number in range(20_000))))
    with http.Client() as client, client.stream("GET", script.url()) as response:
        lines = response.iter_lines() if first == "lines" else response.iter_bytes(10)
        next(lines)
        with pytest.raises(http.StreamConsumed):
            BEGINS[first](response)
        assert len(next(lines)) > 0


def test_bytes_and_raw_bytes_do_not_mix(script):
    """Also where nothing is held back: what one has undone the other cannot go on with."""
    packed = gzip.compress(bytes(range(256)) * 1000)
    script.play(*[ok(packed, b"Content-Encoding: gzip")] * 3)
    with http.Client() as client:
        for first, then in (("iter_bytes", "iter_raw"), ("iter_raw", "iter_bytes")):
            with client.stream("GET", script.url()) as response:
                next(getattr(response, first)())
                with pytest.raises(http.StreamConsumed):
                    next(getattr(response, then)())
            script.play(*[ok(packed, b"Content-Encoding: gzip")] * 2)
        response = client.get(script.url())
        with pytest.raises(http.StreamConsumed, match="without its codings"):
            list(response.iter_raw())
        assert b"".join(response.iter_bytes()) == bytes(range(256)) * 1000


def test_awaited_pieces_are_not_passed_over_either(script):
    script.play(ok(b"line\n" * 20_000))

    async def work():
        async with http.AsyncClient() as client, client.stream("GET", script.url()) as response:
            lines = response.aiter_lines()
            assert await anext(lines) == "line"
            with pytest.raises(http.StreamConsumed):
                await response.aread()
            await lines.aclose()
            with pytest.raises(http.StreamConsumed):
                await anext(response.aiter_bytes())

    asyncio.run(work())


@pytest.mark.parametrize("awaited", [False, True])
def test_an_event_beyond_the_limit_is_an_error_of_http(script, awaited):
    script.play(ok(b"data: " + b"x" * (17 << 20)))

    async def asked():
        async with http.AsyncClient() as client, client.stream("GET", script.url()) as response:
            return [event async for event in response.aiter_sse()]

    def ask():
        with http.Client() as client, client.stream("GET", script.url()) as response:
            return list(response.iter_sse())

    with pytest.raises(http.HTTPError, match="event") as caught:
        asyncio.run(asked()) if awaited else ask()
    assert isinstance(caught.value, errors.TooLargeError)


# cut, interrupted, cancelled


@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize(
    ("name", "arguments", "given", "kept"),
    [
        ("iter_bytes", [100], [], b"line 1\nline 2\nlin"),
        ("iter_bytes", [10], [b"line 1\nlin"], b"e 2\nlin"),
        ("iter_raw", [100], [], b"line 1\nline 2\nlin"),
        ("iter_lines", [], ["line 1", "line 2"], b"lin"),
    ],
)
def test_a_body_that_is_cut_keeps_what_came(script, awaited, name, arguments, given, kept):
    script.play(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nline 1\nline 2\nlin")
    came = []

    async def one_by_one():
        async with http.AsyncClient() as client, client.stream("GET", script.url()) as response:
            async for piece in getattr(response, "a" + name)(*arguments):
                came.append(piece)  # noqa: PERF401 - those before the error count

    def now():
        with http.Client() as client, client.stream("GET", script.url()) as response:
            came.extend(getattr(response, name)(*arguments))

    with pytest.raises(errors.TruncatedError) as caught:
        asyncio.run(one_by_one()) if awaited else now()
    assert came == given
    assert caught.value.partial == kept


def test_a_read_that_was_cancelled_goes_on(script):
    begun, go_on = threading.Event(), threading.Event()

    def slowly(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nab")
        begun.set()
        assert go_on.wait(20)
        connection.sendall(b"cdef")

    script.play(slowly)

    async def work():
        async with http.AsyncClient() as client, client.stream("GET", script.url()) as response:
            reading = asyncio.ensure_future(response.aread())
            assert begun.wait(20)
            # What is here is taken in the loop's next turns.
            for _ in range(5):
                await asyncio.sleep(0)
            reading.cancel()
            await asyncio.wait([reading])
            with pytest.raises(http.StreamConsumed):
                await anext(response.aiter_bytes())
            go_on.set()
            assert await response.aread() == b"abcdef"
            assert response.content == b"abcdef"

    try:
        asyncio.run(work())
    finally:
        go_on.set()


def test_two_reads_at_once_are_one(script):
    """The second is told; what the first gets is the whole."""
    go_on = threading.Event()

    def slowly(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nab")
        assert go_on.wait(20)
        connection.sendall(b"cdef")

    script.play(slowly)

    async def work():
        async with http.AsyncClient() as client, client.stream("GET", script.url()) as response:
            first, second = (asyncio.ensure_future(response.aread()) for _ in range(2))
            await asyncio.wait([second])
            with pytest.raises(http.StreamConsumed):
                second.result()
            go_on.set()
            assert await first == response.content == b"abcdef"

    try:
        asyncio.run(work())
    finally:
        go_on.set()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"


@pytest.mark.parametrize("awaited", [False, True])
def test_the_wire_of_a_stream_is_there_before_its_end_and_after_a_cut(script, awaited):
    async def shown(client):
        async with client.stream("GET", script.url()) as response:
            seen = [response.wire]
            with pytest.raises(http.RemoteProtocolError):
                await response.aread()
            return [*seen, response.wire]

    script.play(HEAD + b"12345")
    if awaited:

        async def work():
            async with http.AsyncClient() as client:
                return await shown(client)

        before, after = asyncio.run(work())
    else:
        with http.Client() as client, client.stream("GET", script.url()) as response:
            before = response.wire
            with pytest.raises(http.RemoteProtocolError):
                response.read()
            after = response.wire
    assert before.received.startswith(HEAD)
    assert before.sent == after.sent == script.requests[0]
    assert (after.received, after.total_content) == (HEAD + b"12345", 5)


def test_the_wire_of_a_stream_that_is_given_up_stays(script):
    script.play(HEAD + b"12345")
    script.stay = True
    with http.Client() as client:
        with client.stream("GET", script.url()) as response:
            pass
        assert response.wire.received.startswith(HEAD)
        assert response.wire.sent == script.requests[0]


def test_the_wire_of_an_upgrade_stays(script):
    reply = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nmore"
    script.play(reply)
    upgrade = {"Connection": "upgrade", "Upgrade": "echo"}
    with http.Client() as client, client.stream("GET", script.url(), headers=upgrade) as response:
        connection, unread = response.upgrade()
        connection.close()
        assert unread == b"more"
        assert response.wire.received.startswith(reply.removesuffix(b"more"))
