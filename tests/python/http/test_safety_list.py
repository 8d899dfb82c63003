"""The safety list, line by line: raw replies and exactly what becomes of them, in a client that asks twice.

`kept` is whether the connection serves the second request; a connection whose bounds are in doubt never does. Heads and
chunks that are merely malformed are in test_safety.py, certificates in test_tls.py, redirections in test_redirects.py.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import threading
import time
import zlib

import pytest

from eyesocket import errors, http

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"
OTHER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother"

TAKEN = {
    # name: reply, method, status, content, kept
    "CL": (HEAD + b"Content-Length: 5\r\n\r\nhello", "GET", 200, b"hello", True),
    "CL with blanks": (HEAD + b"Content-Length: \t 5 \t\r\n\r\nhello", "GET", 200, b"hello", True),
    "CL with zeros": (HEAD + b"Content-Length: 0005\r\n\r\nhello", "GET", 200, b"hello", True),
    "CL twice, the same": (HEAD + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "GET", 200, b"hello", True),
    "TE with CL: TE wins": (
        CHUNKED.replace(b"\r\n\r\n5", b"\r\nContent-Length: 3\r\n\r\n5") + b"\r\n",
        "GET",
        200,
        b"hello",
        False,
    ),
    "no framing": (HEAD + b"\r\nhello", "GET", 200, b"hello", False),
    "TE without chunked": (
        HEAD + b"Transfer-Encoding: gzip\r\n\r\n" + gzip.compress(b"hello"),
        "GET",
        200,
        b"hello",
        False,
    ),
    "close": (HEAD + b"Connection: keep-alive, Close\r\nContent-Length: 5\r\n\r\nhello", "GET", 200, b"hello", False),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", "GET", 200, b"hello", False),
    "HTTP/1.0 kept": (
        b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n\r\nhello",
        "GET",
        200,
        b"hello",
        True,
    ),
    "LF alone": (b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "GET", 200, b"hello", False),
    "bytes left": (HEAD + b"Content-Length: 5\r\n\r\nhello" + OTHER, "GET", 200, b"hello", False),
    "a line left": (HEAD + b"Content-Length: 5\r\n\r\nhello\r\n", "GET", 200, b"hello", False),
    "bytes left behind chunks": (CHUNKED + b"\r\n" + OTHER, "GET", 200, b"hello", False),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", "GET", 204, b"", True),
    "204 with a body": (b"HTTP/1.1 204 No Content\r\n\r\nhello", "GET", 204, b"", False),
    "204 with TE": (b"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "GET", 204, b"", False),
    "304 with CL": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "GET", 304, b"", True),
    "304 with a body": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello", "GET", 304, b"", False),
    "HEAD": (HEAD + b"Content-Length: 5\r\n\r\n", "HEAD", 200, b"", True),
    "HEAD with chunked": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", "HEAD", 200, b"", True),
    "HEAD with a body": (HEAD + b"Content-Length: 5\r\n\r\nhello", "HEAD", 200, b"", False),
    "1xx with CL": (b"HTTP/1.1 103 Early\r\nContent-Length: 9\r\n\r\n" + OTHER, "GET", 200, b"other", True),
    "obs-text in a reason": (b"HTTP/1.1 200 \xe4\r\nContent-Length: 5\r\n\r\nhello", "GET", 200, b"hello", True),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", "GET", 200, b"hello", True),
    "599": (b"HTTP/1.1 599 X\r\nContent-Length: 5\r\n\r\nhello", "GET", 599, b"hello", True),
    "five codings": (
        HEAD
        + b"Content-Encoding: gzip\r\n" * 5
        + b"\r\n"
        + gzip.compress(gzip.compress(gzip.compress(gzip.compress(gzip.compress(b"hello"))))),
        "GET",
        200,
        b"hello",
        False,
    ),
    "a coding unknown": (HEAD + b"Content-Encoding: x\r\nContent-Length: 5\r\n\r\nhello", "GET", 200, b"hello", True),
}


@pytest.mark.parametrize("case", TAKEN)
@pytest.mark.parametrize("awaited", [False, True])
def test_what_is_taken_and_whether_the_connection_is(script, case, awaited):
    reply, method, status, content, kept = TAKEN[case]
    closes = b"\r\nContent-Length" not in reply and b"chunked" not in reply and status == 200 and method == "GET"

    def first(connection: socket.socket) -> None:
        connection.sendall(reply)
        if closes or b"gzip" in reply:
            connection.shutdown(socket.SHUT_WR)

    script.play(first, OTHER)
    script.play(OTHER)

    async def twice():
        async with http.AsyncClient() as client:
            return await client.request(method, script.url()), client.connections, await client.get(script.url())

    if awaited:
        response, connections, second = asyncio.run(twice())
    else:
        with http.Client() as client:
            response, connections, second = (
                client.request(method, script.url()),
                client.connections,
                client.get(script.url()),
            )
    assert (response.status, response.content) == (status, content)
    # What was left over never answers the second request.
    assert second.content == b"other"
    # Bytes that came in the same piece are seen at once, later ones when the connection is taken again.
    assert second.timings.reused == kept
    if kept:
        assert connections == (1, 1)


@pytest.mark.parametrize(
    "field",
    [
        "Content-Length: 3",
        "Transfer-Encoding: chunked",
        "Set-Cookie: a=b",
        "Host: x",
        "WWW-Authenticate: Basic",
        "Location: /",
    ],
)
def test_trailers_that_have_no_place_there(script, field):
    script.play(CHUNKED + f"X-Sum: 7\r\n{field}\r\n\r\n".encode(), OTHER)
    with http.Client() as client:
        response = client.get(script.url())
        assert (response.content, response.trailers.multi_items()) == (b"hello", [("x-sum", "7")])
        assert field.partition(":")[0] not in response.headers or field.startswith("Transfer")
        assert list(client.cookies) == []
        assert client.get(script.url()).timings.reused


# truncated


CUT = {
    "nothing": (b"", b""),
    "in the status": (b"HTTP/1.1 20", b"HTTP/1.1 20"),
    "in a field": (HEAD + b"Content-Le", HEAD + b"Content-Le"),
    "behind 1xx": (b"HTTP/1.1 103 Early\r\n\r\nHTTP", b"HTTP"),
    "in a body": (HEAD + b"Content-Length: 9\r\n\r\nhello", b"hello"),
    "in a chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhello", b"hello"),
    "in a size": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1", b"hello"),
    "before the last chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", b"hello"),
    "in the trailers": (CHUNKED + b"A: b", b"hello"),
}


@pytest.mark.parametrize("case", CUT)
def test_what_is_cut_is_an_error_that_keeps_what_came(script, case):
    reply, came = CUT[case]
    with pytest.raises(errors.TruncatedError) as caught:
        http.get(script.play(reply))
    assert caught.value.partial == came
    with pytest.raises(errors.TruncatedError) as caught:
        asyncio.run(http.aget(script.play(reply)))
    assert caught.value.partial == came


@pytest.mark.parametrize("reply", [b"SSH-2.0-x\r\n", HEAD + b"A : b\r\n\r\nhello", HEAD + b"Content-Length: x\r\n\r\n"])
def test_what_is_malformed_is_an_error_that_keeps_what_came(script, reply):
    with pytest.raises(errors.ProtocolError) as caught:
        http.get(script.play(reply))
    assert reply.startswith(caught.value.partial[:7])
    assert reply.endswith(caught.value.partial)


def test_a_cut_stream_and_a_cut_download_keep_what_came(script, tmp_path):
    reply = HEAD + b"Content-Length: 9\r\n\r\nhello"
    with http.Client() as client, client.stream("GET", script.play(reply)) as response:
        pieces = response.iter_bytes()
        assert next(pieces) == b"hello"
        with pytest.raises(errors.TruncatedError, match="after 5 of 9"):
            next(pieces)

    async def stream(into: bytearray) -> None:
        async with http.AsyncClient() as client, client.stream("GET", script.play(reply)) as response:
            async for piece in response.aiter_bytes():
                into += piece

    got = bytearray()
    with pytest.raises(errors.TruncatedError, match="after 5 of 9"):
        asyncio.run(stream(got))
    assert got == b"hello"
    for fetch in (http.download, lambda url, path: asyncio.run(http.adownload(url, path))):
        with pytest.raises(errors.TruncatedError, match="after 5 of 9"):
            fetch(script.play(reply), tmp_path / "f")
        assert (tmp_path / "f.part").read_bytes() == b"hello"
        assert not (tmp_path / "f").exists()


def test_a_cut_coding_keeps_what_was_decoded(script):
    text = bytes(range(256)) * 400
    body = zlib.compress(text, 0)
    head = HEAD + b"Content-Encoding: deflate\r\nContent-Length: %d\r\n\r\n" % len(body)
    with pytest.raises(errors.TruncatedError, match=f"after 70000 of {len(body)}") as caught:
        http.get(script.play(head + body[:70_000]))
    assert len(caught.value.partial) > 60_000
    assert text.startswith(caught.value.partial)


# deadlines


@pytest.mark.parametrize("gap", [0.0, 0.004])
def test_a_slow_drip_ends_at_the_deadline(script, gap):
    """Whatever part of the reply drips; the exact overshoot is measured in the benchmarks."""

    def drip(start: bytes):
        def play(connection: socket.socket) -> None:
            connection.sendall(start)
            stop = time.monotonic() + 3
            while time.monotonic() < stop:
                connection.sendall(b"1")
                # The drip itself is what is tested.
                time.sleep(gap)

        return play

    for start in (
        b"HTTP/1.1 200 ",
        HEAD + b"A: ",
        HEAD + b"Content-Length: 99999999\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n9;a=",
    ):
        begun = time.monotonic()
        with pytest.raises((TimeoutError, errors.ProtocolError, errors.TooLargeError)):
            http.get(script.play(drip(start)), timeout=0.2, max_size=1 << 40)
        assert time.monotonic() - begun < 2


# who gets what


def test_credentials_of_a_proxy_are_its_alone(script):
    """Neither the origin, nor a redirection's next hop past the proxy, sees them."""
    origin = type(script)()
    try:
        script.play(b"HTTP/1.1 302 X\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % origin.url().encode())
        origin.play(OTHER)
        environment = {"no_proxy": f"127.0.0.1:{origin.port}"}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            patch.setenv("http_proxy", f"http://user:secret@127.0.0.1:{script.port}")
            response = http.get("http://origin.example/", follow_redirects=True)
        assert response.content == b"other"
        assert b"\r\nProxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n" in script.requests[0]
        assert b"uthorization" not in origin.requests[0]
        for text in (repr(response.history[0].request.headers), str(response.history[0].wire.sent)):
            assert "dXNlcjpzZWNyZXQ" not in text
    finally:
        origin.close()


def test_from_https_to_http_not_at_all(script, authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue())
    reply = b"HTTP/1.1 302 X\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n" % script.port

    def over_tls(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(65536)
            secured.sendall(reply)
            secured.recv(1)

    # The script reads a request first; over TLS it has to speak at once.
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    over_tls(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"https://localhost:{listener.getsockname()[1]}/"
        with pytest.raises(errors.ProtocolError, match="from https to http"):
            http.get(url, verify=str(authority.file), follow_redirects=True)
        script.play(OTHER)
        options = {"follow_redirects": True, "allow_insecure_redirects": True, "auth": ("u", "p")}
        assert http.get(url, verify=str(authority.file), **options).content == b"other"
        assert b"uthorization" not in script.requests[0]
        thread.join(5)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("http://0177.0.0.1/", "127.0.0.1"),
        ("http://2130706433/", "127.0.0.1"),
        ("http://0x7f.1/", "127.0.0.1"),
        ("http://127.1/", "127.0.0.1"),
        ("http://\uff11\uff12\uff17.0.0.1/", "127.0.0.1"),
        ("http://b\u00fccher.example/", "xn--bcher-kva.example"),
        ("http://stra\u00dfe.example/", "xn--strae-oqa.example"),
        ("http://EXAMPLE.%65xample/", "example.example"),
        ("http://[0:0::1]/", "::1"),
    ],
)
def test_hosts_are_made_canonical(text, host):
    from eyesocket._native import http_url

    assert http_url(text)[1] == host


@pytest.mark.parametrize(
    "text",
    [
        "http://user:secret@exa mple/",
        "http://user:secret@1.2.3.4.5/",
        "http://user:secret@0x100000000/",
        "http://user:secret@xn--a/",
        "http://user:secret@a\u200b\u00adb..\u2028/",
        "http://user:secret@host:65536/",
        "http://user:secret@[::1/",
        "http://user:secret@ex%00ample/",
        "http://user:secret@name.0x7f/",
        "http://user:secret@good\\@evil/",
    ],
)
def test_hosts_that_are_refused_show_no_password(text):
    with pytest.raises(ValueError, match="url") as caught:
        http.get(text)
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(caught.value)
    assert "secret" not in repr(caught.value.__dict__.get("address"))
