"""The plain life of a request: framing of bodies, keep-alive, deadlines, errors, both drivers."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time

import pytest

from eyesocket import errors, http


def ok(body: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *lines, b"", body])


def chunked(*pieces: bytes, tail: bytes = b"\r\n") -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n" + tail


def test_content_length(script):
    response = http.get(script.play(ok(b"hello", b"X-A: 1", b"x-a: 2")))
    assert (response.status, response.reason_phrase, response.content, response.text) == (200, "OK", b"hello", "hello")
    assert response.headers["X-A"] == "1, 2"
    assert response.headers.get_list("x-a") == ["1", "2"]
    assert script.requests[0].startswith(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % script.port)


def test_chunked_with_trailers(script):
    response = http.get(script.play(chunked(b"hel", b"lo" * 5000, tail=b"X-Sum: 7\r\n\r\n")))
    assert response.content == b"hel" + b"lo" * 5000
    assert response.trailers["x-sum"] == "7"


def test_until_close(script):
    assert http.get(script.play(b"HTTP/1.0 200 OK\r\n\r\nall of it")).content == b"all of it"


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_content(script, status):
    response = http.get(script.play(b"HTTP/1.1 %d X\r\nContent-Length: 10\r\n\r\n" % status))
    assert response.content == b""


def test_head_has_no_content(script):
    response = http.head(script.play(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"))
    assert (response.content, response.headers["content-length"]) == (b"", "10")


@pytest.mark.parametrize("cut", [0, 1, 9, 16, 17, 18, 40, 60])
def test_arrival_in_two_pieces(script, cut):
    reply = chunked(b"hello", b"world")

    def halves(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(reply[:cut])
        connection.sendall(reply[cut:])

    assert http.get(script.play(halves)).content == b"helloworld"


def test_keep_alive_uses_one_connection(script):
    script.play(ok(b"1"), ok(b"2"), chunked(b"3"))
    with http.Client() as client:
        responses = [client.get(script.url(f"/{number}")) for number in range(3)]
    assert [response.content for response in responses] == [b"1", b"2", b"3"]
    assert [response.timings.reused for response in responses] == [False, True, True]
    assert script.connections == 1


def test_keep_alive_survives_a_large_body(script):
    script.play(chunked(*[b"x" * 1000] * 3000), ok(b"2"))
    with http.Client() as client:
        assert len(client.get(script.url()).content) == 3_000_000
        assert client.get(script.url()).timings.reused


def test_connection_close_is_obeyed(script):
    script.play(ok(b"1", b"Connection: close"))
    script.play(ok(b"2"))
    with http.Client() as client:
        assert client.get(script.url()).content == b"1"
        assert client.connections == (0, 0)
        assert client.get(script.url()).content == b"2"
    assert script.connections == 2


def test_await_is_the_same(script):
    script.play(ok(b"1"), chunked(b"2"))

    async def twice() -> list[bytes]:
        async with http.AsyncClient() as client:
            return [(await client.get(script.url())).content for _ in range(2)]

    assert asyncio.run(twice()) == [b"1", b"2"]
    assert script.connections == 1
    script.play(ok(b"3"))
    assert asyncio.run(http.aget(script.url())).content == b"3"


def test_many_at_once(script):
    count = 20
    for _ in range(count):
        script.play(ok(b"x" * 100_000))

    async def all_of_them() -> list[int]:
        async with http.AsyncClient() as client:
            return [len(r.content) for r in await asyncio.gather(*(client.get(script.url()) for _ in range(count)))]

    assert asyncio.run(all_of_them()) == [100_000] * count


def test_a_full_pool_makes_wait(script):
    script.play(*[ok(b"x")] * 6)
    limits = http.Limits(max_connections=1)

    async def all_of_them() -> list[bytes]:
        async with http.AsyncClient(limits=limits) as client:
            return [r.content for r in await asyncio.gather(*(client.get(script.url()) for _ in range(6)))]

    assert asyncio.run(all_of_them()) == [b"x"] * 6
    assert script.connections == 1


def test_threads_share_a_client(script):
    # Some connections end in the middle: their idle corpses must not cost an answer.
    for _ in range(40):
        script.play(*[ok(b"x")] * 50)
    got: list[bytes] = []
    with http.Client() as client:

        def work() -> None:
            got.extend(client.get(script.url()).content for _ in range(50))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert got == [b"x"] * 400


def test_refused_names_the_peer():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(ConnectionRefusedError) as caught:
            http.get(f"http://127.0.0.1:{port}/")
    assert caught.value.address == f"127.0.0.1:{port}"


def test_truncated_content_keeps_what_came(script):
    with pytest.raises(errors.TruncatedError) as caught:
        http.get(script.play(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"))
    assert caught.value.partial == b"hello"
    with pytest.raises(errors.TruncatedError) as caught:
        http.get(script.play(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7\r\nwo"))
    assert caught.value.partial == b"hellowo"


def test_no_reply_at_all(script):
    with pytest.raises(errors.TruncatedError):
        http.get(script.play(None))


def drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    stop = time.monotonic() + 5
    while time.monotonic() < stop:
        connection.sendall(b"x")
        # The drip itself is what is tested: bytes that keep coming.
        time.sleep(0.02)


@pytest.mark.parametrize("reply", [drip, lambda connection: connection.recv(1)])
def test_the_total_deadline_holds(script, reply):
    begun = time.monotonic()
    with pytest.raises(TimeoutError) as caught:
        http.get(script.play(reply), timeout=0.3)
    assert 0.3 <= time.monotonic() - begun < 2
    assert set(caught.value.partial) <= {ord("x")}


def test_the_total_deadline_holds_when_awaited(script):
    with pytest.raises(TimeoutError) as caught:
        asyncio.run(http.aget(script.play(drip), timeout=0.3))
    assert caught.value.partial.startswith(b"x")


def test_read_timeout(script):
    with pytest.raises(TimeoutError):
        http.get(script.play(lambda connection: connection.recv(1)), timeout=http.Timeout(read=0.1))


def test_too_much_content(script):
    with pytest.raises(errors.TooLargeError) as caught:
        http.get(script.play(ok(b"x" * 5000)), max_size=1000)
    assert caught.value.limit == 1000


def test_an_idle_connection_that_died_is_replaced(script):
    script.play(ok(b"1"))
    script.play(ok(b"2"))
    with http.Client() as client:
        assert client.get(script.url()).content == b"1"
        assert client.get(script.url()).content == b"2"


def test_unasked_bytes_never_answer_the_next_request(script):
    script.play(ok(b"1") + ok(b"evil"))
    script.play(ok(b"2"))
    with http.Client() as client:
        assert client.get(script.url()).content == b"1"
        assert client.connections == (0, 0)
        assert client.get(script.url()).content == b"2"


def test_unasked_bytes_on_an_idle_connection_close_it(script):
    sent = threading.Event()

    def late(connection: socket.socket) -> None:
        connection.sendall(ok(b"1"))
        finished.wait(5)
        connection.sendall(ok(b"evil"))
        sent.set()
        connection.recv(1)

    finished = threading.Event()
    script.play(late)
    script.play(ok(b"2"))
    with http.Client() as client:
        assert client.get(script.url()).content == b"1"
        assert client.connections == (1, 1)
        finished.set()
        assert sent.wait(5)
        assert client.get(script.url()).content == b"2"


def test_bodies_that_are_sent(script):
    script.play(ok(b""), ok(b""), ok(b""), ok(b""))
    big = b"x" * 3_000_000
    with http.Client() as client:
        client.post(script.url(), content=b"abc")
        client.post(script.url(), json={"a": 1})
        client.put(script.url(), content=big)
        client.post(script.url())
    head, _, body = script.requests[0].partition(b"\r\n\r\n")
    assert body == b"abc"
    assert b"Content-Length: 3" in head
    assert script.requests[1].endswith(b'\r\n\r\n{"a":1}')
    assert script.requests[2].endswith(big)
    assert b"Content-Length: 0" in script.requests[3]


def test_the_wire_is_kept(script):
    response = http.get(script.play(chunked(b"hel", b"lo")))
    wire = response.wire
    assert wire.sent == script.requests[0]
    assert wire.received == chunked(b"hel", b"lo")
    assert [wire.received[start:end] for start, end in wire.content] == [b"hel", b"lo"]
    assert wire.pieces[0].sent
    assert wire.pieces[0].length == len(wire.sent)


def test_the_command(script):
    def command(*words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([sys.executable, "-m", "eyesocket", "get", *words], capture_output=True, timeout=30)

    done = command(script.play(ok(b"hello\n")))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")
    done = command("-i", script.play(ok(b"hello\n", b"X-A: 1")))
    assert done.stdout == b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-A: 1\r\n\r\nhello\n"
    done = command("--json", script.play(ok(b"hello\n")))
    assert json.loads(done.stdout)["status"] == 200
    done = command("http://127.0.0.1:1/")
    assert done.returncode == 1
    assert done.stderr.startswith(b"eyesocket get: 127.0.0.1:1: Connection refused")
    assert done.stderr.count(b"\n") == 1
