"""Where a request's body ends is said once and truly, whoever says it (RFC 9112 sections 6.1 to 6.3)."""

from __future__ import annotations

import asyncio
import io

import pytest

from eyesocket import http

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def halves():
    yield b"he"
    yield b"llo"


async def later_halves():
    for piece in halves():
        yield piece


def parts(request):
    """The framing fields of a request, in lower case, and what follows its head."""
    head, _, body = request.partition(b"\r\n\r\n")
    lines = [line.lower() for line in head.split(b"\r\n")[1:]]
    return sorted(line for line in lines if line.startswith((b"content-length:", b"transfer-encoding:"))), body


def sent(script, awaited, **options):
    script.play(OK)
    if not awaited:
        assert http.post(script.url(), **options).content == b"ok"
    else:
        assert asyncio.run(http.apost(script.url(), **options)).content == b"ok"
    return parts(script.requests[-1])


BODIES = {
    "bytes": lambda: b"hello",
    "text": lambda: "hello",
    "file": lambda: io.BytesIO(b"hello"),
    "pieces": halves,
}
WRONG = {
    "too small": {"Content-Length": "2"},
    "too large": {"Content-Length": "7"},
    "signed": {"Content-Length": "+5"},
    "not a number": {"Content-Length": "five"},
    "empty": {"Content-Length": ""},
    "a list": {"Content-Length": "5, 5"},
    "twice": [("Content-Length", "5"), ("content-length", "5")],
    "out of range": {"Content-Length": "18446744073709551616"},
    "both": {"Content-Length": "5", "Transfer-Encoding": "chunked"},
    "another coding": {"Transfer-Encoding": "gzip, chunked"},
    "chunked not last": {"Transfer-Encoding": "chunked, gzip"},
    "chunked twice": [("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")],
    "no coding": {"Transfer-Encoding": ""},
    "identity": {"Transfer-Encoding": "identity"},
    "two hosts": [("Host", "a"), ("Host", "b")],
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("body", ["bytes", "file"])
@pytest.mark.parametrize("awaited", [False, True])
def test_fields_that_contradict_are_refused(script, case, body, awaited):
    """A peer would read the rest of one request as the next, or wait for what never comes."""
    with pytest.raises(http.LocalProtocolError, match=r"Content-Length|Transfer-Encoding|Host") as caught:
        sent(script, awaited, content=BODIES[body](), headers=WRONG[case])
    assert isinstance(caught.value, ValueError)
    assert script.connections == 0


@pytest.mark.parametrize("case", ["too small", "twice", "both", "another coding"])
def test_without_a_body_too(script, case):
    with pytest.raises(http.LocalProtocolError):
        http.get(script.url(), headers=WRONG[case])
    with http.Client(headers=WRONG[case]) as client, pytest.raises(http.LocalProtocolError):
        client.get(script.url())
    assert script.connections == 0


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("awaited", [False, True])
def test_a_length_that_is_true(script, body, awaited):
    headers = {"content-length": "5"}
    assert sent(script, awaited, content=BODIES[body](), headers=headers) == ([b"content-length: 5"], b"hello")


def test_a_length_for_pieces_of_a_coroutine(script):
    headers = {"Content-Length": "5"}
    assert sent(script, True, content=later_halves(), headers=headers) == ([b"content-length: 5"], b"hello")


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("awaited", [False, True])
def test_chunked_where_it_is_asked_for(script, body, awaited):
    fields, wire = sent(script, awaited, content=BODIES[body](), headers={"Transfer-Encoding": "Chunked"})
    assert fields == [b"transfer-encoding: chunked"]
    assert wire == (b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n" if body == "pieces" else b"5\r\nhello\r\n0\r\n\r\n")


def test_chunked_and_nothing(script):
    fields, wire = sent(script, False, headers={"Transfer-Encoding": "chunked"})
    assert (fields, wire) == ([b"transfer-encoding: chunked"], b"0\r\n\r\n")


def test_chunked_large_and_after_100(script):
    def wait(connection):
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        got = b""
        while not got.endswith(b"\r\n0\r\n\r\n"):
            got += connection.recv(1 << 20)
        script.requests.append(got)
        connection.sendall(OK)

    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        import threading

        def serve():
            connection, _ = listener.accept()
            with connection:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += connection.recv(1)
                wait(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        fields = {"Transfer-Encoding": "chunked", "Expect": "100-continue"}
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        assert http.post(url, content=bytes(300_000), headers=fields).content == b"ok"
        thread.join(10)
    assert script.requests == [b"493e0\r\n" + bytes(300_000) + b"\r\n0\r\n\r\n"]


@pytest.mark.parametrize("length", [0, 1, 4])
@pytest.mark.parametrize("awaited", [False, True])
def test_pieces_that_go_on_are_an_error(script, length, awaited):
    """Also where the surplus begins with a piece of its own, and the peer has all that it was promised."""
    given = later_halves() if awaited else iter([bytes(length), b"more"])
    headers = {"Content-Length": str(length)}
    with pytest.raises(http.LocalProtocolError, match="more"):
        sent(script, awaited, content=given, headers=headers)


def test_pieces_that_end_early_are_an_error_and_close(script):
    with http.Client() as client:
        script.play(OK, OK)
        with pytest.raises(http.LocalProtocolError, match="2 bytes before") as caught:
            client.post(script.url(), content=halves(), headers={"Content-Length": "7"})
        # Though the traceback holds the upload.
        assert caught.value.__traceback__ is not None
        assert client.connections == (0, 0)


def test_pieces_that_fail_close_the_connection(script):
    def fail():
        yield b"he"
        raise KeyError("no more")

    async def fail_later():
        for piece in fail():
            yield piece

    script.play(OK)
    script.play(OK)

    async def awaited():
        async with http.AsyncClient() as client:
            with pytest.raises(KeyError) as caught:
                await client.post(script.url(), content=fail_later())
            assert caught.value.__traceback__ is not None
            assert client.connections == (0, 0)

    with http.Client() as client:
        with pytest.raises(KeyError) as caught:
            client.post(script.url(), content=fail())
        assert caught.value.__traceback__ is not None
        assert client.connections == (0, 0)
    asyncio.run(awaited())


def test_a_file_that_grows_is_sent_as_it_was(script, tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"hello")

    class Growing(io.FileIO):
        def read(self, size=-1):
            with path.open("ab") as more:
                more.write(b"more")
            return super().read(size)

    with Growing(path) as file:
        assert sent(script, False, content=file) == ([b"content-length: 5"], b"hello")


def test_a_file_is_sent_from_where_it_is(script):
    file = io.BytesIO(b"not hello")
    file.seek(4)
    assert sent(script, False, content=file) == ([b"content-length: 5"], b"hello")


def test_a_redirection_says_it_anew(script):
    script.play(b"HTTP/1.1 307 X\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n", OK)
    http.post(script.url(), content=b"hello", headers={"Content-Length": "5"}, follow_redirects=True)
    assert parts(script.requests[1]) == ([b"content-length: 5"], b"hello")
    script.play(b"HTTP/1.1 303 X\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n", OK)
    http.post(script.url(), content=b"hello", headers={"Transfer-Encoding": "chunked"}, follow_redirects=True)
    assert parts(script.requests[3]) == ([], b"")


def test_a_connection_that_was_to_close_is_not_used_again(script):
    script.play(OK, OK)
    script.play(OK)
    with http.Client() as client:
        assert client.get(script.url(), headers={"Connection": "Close"}).content == b"ok"
        assert client.connections == (0, 0)
        assert not client.get(script.url()).timings.reused
