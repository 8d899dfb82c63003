"""Bodies in pieces that are wanted again: what can be had a second time is sent again, whole; what cannot says so."""

from __future__ import annotations

import asyncio
import io

import pytest

from eyesocket import http

CONTENT = b"abcdefgh"
NO = b"HTTP/1.1 401 X\r\nWWW-Authenticate: Digest realm=r, nonce=n, qop=auth\r\nContent-Length: 0\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Awaited:
    """Pieces that can be awaited as often as one likes."""

    async def __aiter__(self):
        for piece in (b"abc", b"defgh"):
            yield piece


def file():
    made = io.BytesIO(b"no" + CONTENT)
    made.seek(2)
    return made


KINDS = {"list": lambda: [b"abc", b"defgh"], "file": file, "awaited": Awaited}


def ask(kind, url, **options):
    """POST the content, awaited or not."""
    content = KINDS[kind]()
    if kind != "awaited":
        with http.Client(**options) as client:
            return client.post(url, content=content)

    async def work():
        async with http.AsyncClient(**options) as client:
            return await client.post(url, content=content)

    return asyncio.run(work())


def body(request):
    """Give what was sent behind the head, chunks undone."""
    head, _, rest = request.partition(b"\r\n\r\n")
    if b"chunked" not in head:
        return rest
    content = b""
    while (size := int(rest.partition(b"\r\n")[0], 16)) > 0:
        rest = rest.partition(b"\r\n")[2]
        content, rest = content + rest[:size], rest[size + 2 :]
    return content


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_challenge(script, kind):
    script.play(NO, OK)
    response = ask(kind, script.url(), auth=http.DigestAuth("u", "p"))
    assert response.status == 200
    # Before the challenge the body is not sent at all: it can be had.
    assert [body(request) for request in script.requests] == [b"", CONTENT]
    assert b"qop=auth" in script.requests[1]


def test_a_proof_of_the_body_needs_the_body(script):
    """A server that takes nothing but `auth-int` gets none for what is not known before it is sent."""
    script.play(NO.replace(b"qop=auth", b'qop="auth-int"'))
    assert ask("list", script.url(), auth=http.DigestAuth("u", "p")).status == 401


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_redirection(script, kind):
    script.play(b"HTTP/1.1 307 X\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n", OK)
    assert ask(kind, script.url(), follow_redirects=True).text == "ok"
    assert [body(request) for request in script.requests] == [CONTENT] * 2
    assert script.requests[1].startswith(b"POST /b ")


def test_after_an_expectation_that_is_not_met(script):
    script.play(b"HTTP/1.1 417 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    script.play(OK)
    assert ask("file", script.url(), headers={"Expect": "100-continue"}).text == "ok"
    assert body(script.requests[1]) == CONTENT


def test_on_a_connection_that_had_died(script):
    script.play(OK)
    script.play(OK)
    with http.Client() as client:
        client.put(script.url(), content=file())
        # The server has closed by now, or does so in the middle.
        assert client.put(script.url(), content=file()).text == "ok"
    assert [body(request) for request in script.requests] == [CONTENT] * 2


@pytest.mark.parametrize("kind", KINDS)
def test_by_a_policy_of_retries(script, kind):
    script.play(b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n", OK)
    retries = http.Retry(1, methods=["POST"], backoff=0.001)
    assert ask(kind, script.url(), retries=retries).text == "ok"
    assert [body(request) for request in script.requests] == [CONTENT] * 2


def test_what_is_gone_through_once_is_not_sent_again(script):
    script.play(NO)
    with http.Client(auth=http.DigestAuth("u", "p")) as client:
        assert client.post(script.url(), content=iter([CONTENT])).status == 401
    script.play(b"HTTP/1.1 307 X\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n")
    with http.Client(follow_redirects=True) as client, pytest.raises(http.RemoteProtocolError, match="second time"):
        client.post(script.url(), content=iter([CONTENT]))
    script.play(OK)
    with http.Client() as client:
        request = client.build_request("POST", script.url(), content=iter([CONTENT]))
        client.send(request)
        with pytest.raises(http.StreamConsumed, match="sent already"):
            client.send(request)
    assert [body(request) for request in script.requests] == [CONTENT] * 3


def test_the_same_request_twice(script):
    script.play(OK, OK)
    with http.Client() as client:
        request = client.build_request("POST", script.url(), content=file())
        for _ in range(2):
            client.send(request)
    assert [body(request) for request in script.requests] == [CONTENT] * 2


def test_pieces_that_are_awaited_need_a_client_that_awaits(script):
    with pytest.raises(TypeError, match="AsyncClient"):
        http.post(script.url(), content=Awaited())
