"""The total of a `Timeout` is one deadline for the whole call: attempts, waits between them, and credentials' flows."""

from __future__ import annotations

import asyncio
import socket

import pytest

from eyesocket import http

BUSY = b"HTTP/1.1 503 Busy\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n"
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture(params=["blocking", "awaited"])
def get(request):
    """get(URL, **SETTINGS) by either client."""

    def blocking(url, **settings):
        with http.Client(**settings) as client:
            return client.get(url)

    def awaited(url, **settings):
        async def main():
            async with http.AsyncClient(**settings) as client:
                return await client.get(url)

        return asyncio.run(main())

    return blocking if request.param == "blocking" else awaited


class Thrice(http.Auth):
    """A flow of three requests."""

    def auth_flow(self, request):
        yield request
        yield request
        yield request


def slowly(script, seconds):
    def reply(connection):
        script.over.wait(seconds)
        connection.sendall(FINE)

    return reply


def test_what_used_up_the_total_is_not_tried_again(script, get):
    for _ in range(4):
        script.play(slowly(script, 30))
    with pytest.raises(TimeoutError):
        get(script.url(), timeout=0.2, retries=http.Retry(3, backoff=0))
    assert script.connections == 1


def test_several_attempts_share_the_total(script, get):
    for _ in range(20):
        script.play(slowly(script, 30))
    with pytest.raises(TimeoutError):
        get(script.url(), timeout=http.Timeout(0.5, read=0.2), retries=http.Retry(19, backoff=0))
    assert 2 <= script.connections <= 3


def test_a_wait_beyond_the_total_is_not_begun(script, get):
    script.play(BUSY)
    assert get(script.url(), timeout=20, retries=http.Retry(3, max_wait=1000)).status == 503
    assert len(script.requests) == 1


def test_the_requests_of_a_flow_share_the_total(script, get):
    script.play(*[slowly(script, 0.3)] * 3)
    with pytest.raises(TimeoutError):
        get(script.url(), timeout=0.5, auth=Thrice())
    assert len(script.requests) <= 2
    script.play(FINE, FINE, FINE)
    assert get(script.url(), timeout=20, auth=Thrice()).content == b"ok"


def test_the_total_names_what_it_ended(script, get):
    script.play(slowly(script, 30))
    with pytest.raises(http.ReadTimeout):
        get(script.url(), timeout=0.2)


def test_a_total_that_ends_while_sending_says_so():
    with socket.create_server(("127.0.0.1", 0)) as listener, http.Client(timeout=0.3) as client:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(http.WriteTimeout):
            client.post(url, content=bytes(64 << 20))
        with pytest.raises(http.WriteTimeout):
            client.post(url, content=(bytes(1 << 20) for _ in range(64)))
