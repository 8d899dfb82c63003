"""An answer that is there is given, whatever becomes of the rest of the request (RFC 9112 sections 9.3 and 9.5)."""

from __future__ import annotations

import asyncio
import io
import socket
import ssl
import threading
from contextlib import contextmanager, suppress

import pytest

from eyesocket import errors, http

TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"
LARGE = 8_000_000
TIMES = 8


class Hasty:
    """Answers after a head and closes with most of the request unread, which resets the connection."""

    def __init__(self, answer, context=None, family=socket.AF_INET, place=("127.0.0.1", 0)):
        self.answer, self.context = answer, context
        self.gone = threading.Event()
        self.listener = socket.socket(family)
        self.listener.bind(place)
        self.listener.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def url(self):
        scheme = "http" if self.context is None else "https"
        return f"{scheme}://localhost:{self.listener.getsockname()[1]}/"

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            if connection.family != socket.AF_UNIX:
                # What Nagle's algorithm holds back is lost with a reset.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context is not None:
                connection = self.context.wrap_socket(connection, server_side=True)
            with connection:
                head = connection.recv(1)
                while head and b"\r\n\r\n" not in head:
                    head += connection.recv(1)
                if self.context is None:
                    # Something is unread for sure: closing resets, and does not end in order.
                    connection.recv(1, socket.MSG_PEEK)
                if head and self.answer:
                    connection.sendall(self.answer)
                if self.context is not None:
                    # Gone without a word, as the kernel ends the connections of a process.
                    socket.socket(fileno=connection.detach()).close()
            self.gone.set()


@contextmanager
def hasty(answer=TOO_LARGE, context=None, **more):
    server = Hasty(answer, context, **more)
    try:
        yield server
    finally:
        server.listener.shutdown(socket.SHUT_RDWR)
        server.listener.close()
        server.thread.join(10)


@pytest.fixture(params=["plain", "tls"])
def secured(request, authority):
    """Options of a client, and the server's context."""
    if request.param == "plain":
        return {}, None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue())
    return {"verify": str(authority.file)}, context


def contents(server):
    """Bodies by kind; the ones in pieces go on only when the server is gone for sure."""

    def pieces():
        for at in range(LARGE // 100_000):
            if at == 1:
                assert server.gone.wait(10)
            yield bytes(100_000)

    async def later():
        for piece in pieces():
            yield piece

    return {
        "bytes": lambda: bytes(LARGE),
        "file": lambda: io.BytesIO(bytes(LARGE)),
        "pieces": pieces,
        "async pieces": later,
    }


@pytest.mark.parametrize("kind", ["bytes", "file", "pieces"])
def test_an_answer_outlives_its_connection(secured, kind):
    options, context = secured
    with hasty(context=context) as server, http.Client(timeout=10, **options) as client:
        for _ in range(TIMES):
            server.gone.clear()
            response = client.post(server.url(), content=contents(server)[kind]())
            assert (response.status, response.content) == (413, b"no")
            assert client.connections == (0, 0)


@pytest.mark.parametrize("kind", ["bytes", "file", "pieces", "async pieces"])
def test_an_answer_outlives_its_connection_awaited(secured, kind):
    options, context = secured

    async def post(server):
        async with http.AsyncClient(timeout=10, **options) as client:
            for _ in range(TIMES):
                server.gone.clear()
                # The server runs in a thread: pieces that wait for it may block the loop.
                response = await client.post(server.url(), content=contents(server)[kind]())
                assert (response.status, response.content) == (413, b"no")
                assert client.connections == (0, 0)

    with hasty(context=context) as server:
        asyncio.run(post(server))


def test_over_a_unix_socket(tmp_path):
    place = str(tmp_path / "s")
    with (
        hasty(family=socket.AF_UNIX, place=place) as server,
        http.Client(timeout=10, uds=place) as client,
    ):
        for kind in ("bytes", "file", "pieces"):
            server.gone.clear()
            response = client.post("http://x/", content=contents(server)[kind]())
            assert (response.status, response.content) == (413, b"no")


def test_interim_answers_come_too():
    with hasty(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + TOO_LARGE) as server:
        response = http.post(server.url(), content=contents(server)["pieces"]())
        assert response.status == 413
        assert [interim.status for interim in response.informational] == [103]


def test_no_answer_is_what_sending_said():
    with hasty(b"") as server, pytest.raises(ConnectionError) as caught:
        http.post(server.url(), content=contents(server)["pieces"](), timeout=10)
    # What is seen first, the end or the reset, is the network's choice.
    assert isinstance(caught.value, (http.WriteError, http.ReadError, http.RemoteProtocolError))


def test_half_an_answer_is_kept():
    for answer, came in (
        (b"HTTP/1.1 413 Conte", b"HTTP/1.1 413 Conte"),
        (TOO_LARGE[:-1], b"n"),
        # Reset, not closed: nobody knows whether this is all of it.
        (b"HTTP/1.1 413 Too Large\r\n\r\nno", b"no"),
    ):
        with hasty(answer) as server, pytest.raises((errors.TruncatedError, ConnectionError)) as caught:
            http.post(server.url(), content=contents(server)["pieces"](), timeout=10)
        assert caught.value.partial == came


@pytest.mark.parametrize("awaited", [False, True])
def test_an_upload_goes_on_when_the_peer_reads_late(secured, awaited):
    """Over TLS what waits to be written and what of a record is left wait for the same descriptor."""
    options, context = secured
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            connection, _ = listener.accept()
            if context is not None:
                connection = context.wrap_socket(connection, server_side=True)
            with connection:
                got = 0
                while got < LARGE:
                    # Little by little: the sender fills every buffer in between.
                    got += len(connection.recv(20_000))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                connection.recv(1)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"{'http' if context is None else 'https'}://localhost:{listener.getsockname()[1]}/"
        if awaited:

            async def post():
                async with http.AsyncClient(timeout=20, **options) as client:
                    return await client.post(url, content=bytes(LARGE))

            response = asyncio.run(post())
        else:
            with http.Client(timeout=20, **options) as client:
                response = client.post(url, content=bytes(LARGE))
        assert response.content == b"ok"
        thread.join(10)


class Duplex:
    """Accepts at once, and goes on reading: sends back what comes (`echo`), or then how much it was (`count`)."""

    def __init__(self, kind, context):
        self.kind, self.context = kind, context
        self.got = 0
        self.over = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def url(self):
        scheme = "http" if self.context is None else "https"
        return f"{scheme}://localhost:{self.listener.getsockname()[1]}/"

    def serve(self):
        connection, _ = self.listener.accept()
        if self.context is not None:
            connection = self.context.wrap_socket(connection, server_side=True)
        with connection, suppress(OSError):
            self.speak(connection)

    def speak(self, connection):
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(1)
        if self.kind == "ignore":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            self.over.wait(20)
            return
        echo = self.kind == "echo"
        connection.sendall(
            b"HTTP/1.1 200 OK\r\n%s\r\n" % (b"Content-Length: %d\r\n" % (LARGE if echo else len(str(LARGE))))
        )
        while self.got < LARGE:
            piece = connection.recv(65536)
            if not piece:
                return
            self.got += len(piece)
            if echo:
                connection.sendall(piece)
        if not echo:
            connection.sendall(b"%d" % self.got)

    def close(self):
        self.over.set()
        self.listener.close()
        self.thread.join(10)


@pytest.mark.parametrize("kind", ["count", "echo"])
@pytest.mark.parametrize("body", ["bytes", "file", "pieces"])
@pytest.mark.parametrize("awaited", [False, True])
def test_a_peer_that_accepts_gets_the_rest(secured, kind, body, awaited):
    """As servers do that begin to answer while they read."""
    options, context = secured
    server = Duplex(kind, context)

    def content():
        whole = bytes(LARGE)
        if body == "bytes":
            return whole
        return io.BytesIO(whole) if body == "file" else iter([whole[:3_000_000], whole[3_000_000:]])

    async def post():
        async with http.AsyncClient(timeout=20, **options) as client:
            return await client.post(server.url(), content=content(), headers={"Content-Length": str(LARGE)})

    try:
        if awaited:
            response = asyncio.run(post())
        else:
            with http.Client(timeout=20, **options) as client:
                response = client.post(server.url(), content=content(), headers={"Content-Length": str(LARGE)})
        assert server.got == LARGE
        assert len(response.content) == LARGE if kind == "echo" else response.content == b"%d" % LARGE
        assert response.timings.sent is not None
    finally:
        server.close()


@pytest.mark.parametrize(
    ("awaited", "timeout"),
    [
        (False, http.Timeout(15)),
        (True, http.Timeout(total=0.6)),
        (False, http.Timeout(total=0.4)),
        (False, http.Timeout(write=0.2)),
    ],
    ids=str,
)
def test_a_peer_that_has_said_all_need_not_read_all(awaited, timeout):
    """However short the time: the answer is here."""
    server = Duplex("ignore", None)
    try:
        if awaited:
            response = asyncio.run(http.apost(server.url(), content=bytes(LARGE), timeout=timeout))
        else:
            response = http.post(server.url(), content=bytes(LARGE), timeout=timeout)
        assert response.content == b"ok"
    finally:
        server.close()
