"""What the first line of a program and a large body may cost: modules, memory."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import zlib

import pytest

from eyesocket import http
from eyesocket.errors import TooLargeError

PIECE = b"x" * (1 << 20)
PIECES = 40


def by_length(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (PIECES * len(PIECE)))
    for _ in range(PIECES):
        connection.sendall(PIECE)


def until_close(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(PIECES):
        connection.sendall(PIECE)


def chunked(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(PIECES):
        connection.sendall(b"%x\r\n%b\r\n" % (len(PIECE), PIECE))
    connection.sendall(b"0\r\n\r\n")


def gzipped(connection):
    coder = zlib.compressobj(0, zlib.DEFLATED, 31)
    body = b"".join([*(coder.compress(PIECE) for _ in range(PIECES)), coder.flush()])
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def printed(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout


def test_the_import_and_a_client_bring_nothing_heavy():
    # Not `typing` nor `collections` either: they would be most of what the first lines of a program cost.
    code = (
        "import sys; before = set(sys.modules)\n"
        "from eyesocket import http\n"
        "http.Client().close()\n"
        "print(*(name for name in set(sys.modules) - before if name.partition('.')[0] != 'eyesocket'))"
    )
    assert set(printed(code).split()) <= {"__future__", "errno"}


GET = "len(client.get(url).content)"
READ = "len(client.request('GET', url, stream=True).read())"
AWAIT = "asyncio.run(awaited())"
SCRIPT = """
import asyncio
from eyesocket import http

def high():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))

async def awaited():
    async with http.AsyncClient(trust_env=False, timeout=None) as client, client.stream("GET", url) as response:
        return len(await response.aread())

url = {url!r}
with http.Client(trust_env=False, timeout=None) as client:
    client.get(url)
    before = high()
    length = {work}
    print(length, high() - before - length)
"""


@pytest.mark.parametrize("work", [GET, READ, AWAIT], ids=["get", "read", "aread"])
@pytest.mark.parametrize("body", [by_length, until_close, chunked, gzipped])
def test_content_is_in_memory_once_however_its_end_is_known(script, body, work):
    script.play(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    script.play(body)
    length, beyond = map(int, printed(SCRIPT.format(url=script.url(), work=work)).split())
    assert length == PIECES * len(PIECE)
    # A buffer that doubles by copying, or pieces that are joined, would take 24 million bytes at least.
    assert beyond < 4_000_000


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("size", [1, 7, 1024, 65535, 65536, 100_000, 1 << 40])
def test_pieces_of_a_size_have_it_whatever_comes_at_once(script, size, raw):
    whole = bytes(range(256)) * 1000
    cuts = [whole[at : at + 999] for at in range(0, len(whole), 999)]
    reply = b"".join(b"%x\r\n%b\r\n" % (len(cut), cut) for cut in cuts)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    script.play(head + reply + b"0\r\n\r\n", head + reply + b"0\r\n\r\n")

    async def awaited(url):
        async with http.AsyncClient() as client, client.stream("GET", url) as response:
            return [piece async for piece in (response.aiter_raw if raw else response.aiter_bytes)(size)]

    with http.Client() as client:
        with client.stream("GET", script.url()) as response:
            pieces = list((response.iter_raw if raw else response.iter_bytes)(size))
            assert response.num_bytes_downloaded == len(whole)
        # Its end was seen, so the connection is used again.
        assert len(client.get(script.url()).content) == len(whole)
    assert script.connections == 1
    assert pieces == [whole[at : at + size] for at in range(0, len(whole), size)]
    script.play(head + reply + b"0\r\n\r\n")
    assert asyncio.run(awaited(script.url())) == pieces


def test_a_piece_that_does_not_become_whole_is_on_the_exception(script):
    script.play(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"a" * 250_000)
    with http.Client() as client, client.stream("GET", script.url()) as response:
        pieces = response.iter_raw(200_000)
        assert next(pieces) == b"a" * 200_000
        with pytest.raises(http.RemoteProtocolError) as caught:
            next(pieces)
    assert caught.value.partial == b"a" * 50_000


@pytest.mark.parametrize("size", [0, -1])
def test_a_size_that_is_none_is_refused(script, size):
    script.play(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    with http.Client() as client, client.stream("GET", script.url()) as response:
        with pytest.raises(ValueError, match="chunk_size"):
            next(response.iter_bytes(size))
        assert response.read() == b"ok"


def test_reading_a_stream_to_its_end_keeps_to_the_size_that_is_allowed(script):
    body = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n"
    script.play(body)
    script.play(body)
    with http.Client(max_size=4) as client:
        with client.stream("GET", script.url()) as response, pytest.raises(TooLargeError, match="4") as caught:
            response.read()
        assert caught.value.partial == b"12345"
        # Piece by piece nothing is kept, so there is no limit.
        with client.stream("GET", script.url()) as response:
            assert b"".join(response.iter_bytes()) == b"12345"


def test_a_response_can_be_asked_while_another_thread_reads_its_body(script):
    # In a process of its own: two threads that wait for each other would hold its interpreter for ever.
    code = """
import threading
from eyesocket import http

lengths = []
with http.Client() as client, client.stream("GET", {url!r}) as response:
    reader = threading.Thread(target=lambda: lengths.extend(map(len, response.iter_raw(1 << 20))))
    reader.start()
    while reader.is_alive():
        assert response.status == 200
print(*lengths)
"""
    script.play(chunked)
    assert printed(code.format(url=script.url())).split() == [str(len(PIECE))] * PIECES
