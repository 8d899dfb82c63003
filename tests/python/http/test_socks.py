"""What a SOCKS proxy may answer, field by field (RFC 1928, RFC 1929), and what it gets to know."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading

import pytest

from eyesocket import errors, http

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GOOD = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50"


class Socks:
    """Says `method`, then `reply`, a byte at a time, and then answers HTTP itself."""

    def __init__(self, method, *replies):
        self.method, self.replies = method, replies
        self.heard = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    for said in (self.method, *self.replies, OK):
                        self.heard.append(connection.recv(1000))
                        for byte in said:
                            connection.send(bytes([byte]))
                except OSError:
                    pass

    def url(self, scheme="socks5h", userinfo=""):
        return f"{scheme}://{userinfo}127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)


def get(awaited, proxy, url="http://name.example/"):
    async def later():
        async with http.AsyncClient(proxy=proxy, timeout=10) as client:
            return await client.get(url)

    if awaited:
        return asyncio.run(later())
    with http.Client(proxy=proxy, timeout=10) as client:
        return client.get(url)


@pytest.mark.parametrize(
    "reply",
    [GOOD, b"\x05\x00\x00\x03\x04name\x00\x50", b"\x05\x00\x00\x03\x00\x00\x50", b"\x05\x00\x00\x04" + bytes(18)],
)
@pytest.mark.parametrize("awaited", [False, True])
def test_a_proxy_that_connects(reply, awaited):
    with Socks(b"\x05\x00", reply) as proxy:
        assert get(awaited, proxy.url()).content == b"ok"
        assert proxy.heard[:2] == [b"\x05\x01\x00", b"\x05\x01\x00\x03\x0cname.example\x00\x50"]
        assert proxy.heard[2].startswith(b"GET / HTTP/1.1\r\nHost: name.example\r\n")


def test_a_proxy_that_asks_who():
    with Socks(b"\x05\x02", b"\x01\x00", GOOD) as proxy:
        assert get(False, proxy.url(userinfo="me:pa%20ss@"), "http://127.0.0.1:7/").content == b"ok"
        assert proxy.heard[:3] == [
            b"\x05\x02\x00\x02",
            b"\x01\x02me\x05pa ss",
            b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x07",
        ]
        assert b"uthorization" not in proxy.heard[3]


REFUSED = {
    "SOCKS 4": (b"\x04\x00", [GOOD]),
    "HTTP": (b"HTTP/1.1 400 Bad Request\r\n\r\n", []),
    "no way": (b"\x05\xff", [GOOD]),
    "a way not offered": (b"\x05\x01", [GOOD]),
    "wants a password": (b"\x05\x02", [b"\x01\x00", GOOD]),
    "reply of SOCKS 4": (b"\x05\x00", [b"\x04" + GOOD[1:]]),
    "refused": (b"\x05\x00", [b"\x05\x05\x00\x01" + bytes(6)]),
    "refused in short": (b"\x05\x00", [b"\x05\x05"]),
    "reserved": (b"\x05\x00", [b"\x05\x00\x01" + GOOD[3:]]),
    "no address type 0": (b"\x05\x00", [b"\x05\x00\x00\x00" + bytes(6)]),
    "no address type 9": (b"\x05\x00", [b"\x05\x00\x00\x09" + bytes(6)]),
    "no address type 255, and OK": (b"\x05\x00", [b"\x05\x00\x00\xff\x00" + OK]),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("awaited", [False, True])
def test_a_proxy_that_does_not(case, awaited):
    method, replies = REFUSED[case]
    with Socks(method, *replies) as proxy, pytest.raises(http.ProxyError) as caught:
        get(awaited, proxy.url())
    assert isinstance(caught.value, errors.ProtocolError)


@pytest.mark.parametrize("end", range(len(GOOD)))
@pytest.mark.parametrize("awaited", [False, True])
def test_a_reply_that_is_cut(end, awaited):
    class Short(Socks):
        def serve(self):
            connection, _ = self.listener.accept()
            with connection:
                connection.recv(3)
                connection.sendall(b"\x05\x00")
                connection.recv(19)
                connection.sendall(GOOD[:end])

    with Short(b"") as proxy, pytest.raises(http.ProxyError) as caught:
        get(awaited, proxy.url())
    assert isinstance(caught.value, errors.TruncatedError)
    assert caught.value.partial == GOOD[:end]


def test_a_wrong_password_is_not_shown():
    with Socks(b"\x05\x02", b"\x01\x01") as proxy, pytest.raises(http.ProxyError, match="wrong") as caught:
        get(False, proxy.url(userinfo="me:secret@"))
    assert "secret" not in f"{caught.value} {caught.value!r} {caught.value.__notes__}"


@pytest.mark.parametrize("kind", ["socks5", "socks5h"])
@pytest.mark.parametrize("credentials", ["", "user:pass@"])
def test_socks(kind, credentials):
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def exactly(connection: socket.socket, count: int) -> bytes:
            data = b""
            while len(data) < count:
                data += connection.recv(count - len(data))
            heard.append(data)
            return data

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                count = exactly(connection, 2)[1]
                methods = exactly(connection, count)
                if 2 in methods:
                    connection.sendall(b"\5\2")
                    exactly(connection, 2 + 4 + 1 + 4)
                    connection.sendall(b"\1\0")
                else:
                    connection.sendall(b"\5\0")
                kind_of_address = exactly(connection, 4)[3]
                exactly(connection, exactly(connection, 1)[0] + 2 if kind_of_address == 3 else 6)
                connection.sendall(b"\5\0\0\1\0\0\0\0\0\0")
                heard.append(connection.recv(10_000))
                connection.sendall(OK)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        proxy = f"{kind}://{credentials}127.0.0.1:{listener.getsockname()[1]}"
        assert http.get("http://localhost:81/", proxy=proxy).content == b"ok"
        thread.join(5)
    if credentials:
        assert b"\1\4user\4pass" in heard
    assert (b"\x09" in heard) == (kind == "socks5h")
    assert heard[-2] == (b"localhost\0\x51" if kind == "socks5h" else heard[-2])
    assert heard[-1].startswith(b"GET / HTTP/1.1\r\nHost: localhost:81\r\n")


def test_an_answer_that_comes_before_its_question_is_none():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            connection, _ = listener.accept()
            with connection, contextlib.suppress(ConnectionError):
                connection.recv(1000)
                connection.sendall(b"\x05\x00")
                connection.recv(1000)
                connection.sendall(GOOD + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL")
                connection.recv(1000)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(http.ProxyError, match="before it was used"):
            get(False, f"socks5h://127.0.0.1:{listener.getsockname()[1]}")
        thread.join(30)
