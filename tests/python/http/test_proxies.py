"""Through proxies: forwarding, CONNECT in the clear and over TLS; what the proxy is told, and what it may not do."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import threading

import pytest

from eyesocket import errors, http


class Relay:
    """A proxy that knows CONNECT alone; `answer` is what it says, `heard` the heads that it got."""

    def __init__(
        self, context: ssl.SSLContext | None = None, answer: bytes = b"HTTP/1.1 200 Connected\r\n\r\n"
    ) -> None:
        self.context, self.answer = context, answer
        self.heard: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self.serve, daemon=True)]
        self.threads[0].start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.threads.append(threading.Thread(target=self.carry, args=(connection,), daemon=True))
            self.threads[-1].start()

    def carry(self, client: socket.socket) -> None:
        try:
            if self.context is not None:
                client = self.context.wrap_socket(client, server_side=True)
            with client:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    piece = client.recv(1)
                    if not piece:
                        return
                    head += piece
                self.heard.append(head)
                client.sendall(self.answer)
                if not self.answer.startswith(b"HTTP/1.1 200 "):
                    return
                host, _, port = head.split(b" ")[1].decode().rpartition(":")
                with socket.create_connection((host, int(port))) as origin:
                    back = threading.Thread(target=copy, args=(origin, client), daemon=True)
                    back.start()
                    copy(client, origin)
                    back.join(5)
        except OSError:
            pass

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(5)


def copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while piece := source.recv(65536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.fixture
def relay():
    made: list[Relay] = []

    def start(*words, **options) -> Relay:
        made.append(Relay(*words, **options))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.fixture
def origin(authority):
    """The URL of a TLS server that says what it was asked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue())
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            try:
                with plain, context.wrap_socket(plain, server_side=True) as connection:
                    while head := connection.recv(65536):
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(head) + head)
            except OSError:
                pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"https://localhost:{listener.getsockname()[1]}/"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("awaited", [False, True])
def test_a_tunnel(relay, origin, authority, secure, awaited):
    context = None
    if secure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.issue())
    proxy = relay(context)
    url = f"{'https' if secure else 'http'}://user:secret@127.0.0.1:{proxy.port}"
    options = {"proxy": url, "verify": str(authority.file), "auth": ("me", "pw")}

    async def twice():
        async with http.AsyncClient(**options) as client:
            return [await client.get(origin), await client.get(origin)]

    if awaited:
        responses = asyncio.run(twice())
    else:
        with http.Client(**options) as client:
            responses = [client.get(origin), client.get(origin)]
    assert [response.timings.reused for response in responses] == [False, True]
    for response in responses:
        assert b"\r\nAuthorization: Basic bWU6cHc=\r\n" in response.content
        assert b"Proxy-Authorization" not in response.content
    authority_form = origin.split("/")[2].encode()
    assert len(proxy.heard) == 1
    assert proxy.heard[0].startswith(b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n" % (authority_form, authority_form))
    assert b"\r\nProxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n" in proxy.heard[0]
    assert b"bWU6cHc" not in proxy.heard[0]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "before it was used"),
        (b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n", "407 Who"),
        (b"HTTP/1.1 302 X\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n", "302 X"),
        (b"HTTP/1.1 101 X\r\n\r\n", "101 X"),
        (b"HTTP/1.1 103 E\r\n\r\n" * 30, "1xx"),
        (b"SSH-2.0-x\r\n", "begins with"),
        (b"HTTP/1.1 20", "closed"),
    ],
)
def test_a_proxy_that_is_none(relay, origin, authority, answer, reason):
    proxy = relay(answer=answer)
    with pytest.raises(ConnectionError, match=reason) as caught:
        http.get(origin, proxy=f"http://127.0.0.1:{proxy.port}", verify=str(authority.file), follow_redirects=True)
    assert isinstance(caught.value, (http.ProxyError, http.RemoteProtocolError))
    assert isinstance(caught.value, (errors.ProtocolError, errors.TruncatedError))


def test_the_origin_behind_a_tunnel_is_verified(relay, origin, authority, tmp_path):
    other = type(authority)(tmp_path, "other")
    with pytest.raises(errors.TLSError, match="UnknownIssuer"):
        http.get(origin, proxy=f"http://127.0.0.1:{relay().port}", verify=str(other.file))


def ok(body: bytes = b"ok", *lines: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *lines, b"", body])


def field(request: bytes, name: str) -> str | None:
    found = re.search(rb"\r\n" + name.encode() + rb": ([^\r]*)\r\n", request, re.IGNORECASE)
    return found[1].decode() if found else None


def test_a_proxy_forwards_http(script):
    script.play(ok())
    http.get("http://no-such-host.invalid/a?b", proxy=f"http://user:pass@127.0.0.1:{script.port}")
    assert script.requests[0].startswith(
        b"GET http://no-such-host.invalid/a?b HTTP/1.1\r\nHost: no-such-host.invalid\r\n"
    )
    assert field(script.requests[0], "proxy-authorization") == "Basic dXNlcjpwYXNz"


def test_a_proxy_that_refuses_to_connect(script):
    script.play(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(errors.ProtocolError, match="407"):
        http.get("https://no-such-host.invalid/", proxy=script.url(), auth=("u", "secret"))
    assert script.requests[0].startswith(
        b"CONNECT no-such-host.invalid:443 HTTP/1.1\r\nHost: no-such-host.invalid:443\r\n"
    )
    assert b"uthorization" not in script.requests[0]


def test_the_environment_names_a_proxy(script, monkeypatch, unknown_name):
    script.play(ok())
    monkeypatch.setenv("http_proxy", script.url())
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert http.get(f"http://{unknown_name}/").content == b"ok"
    script.play(ok(b"direct"))
    assert http.get(script.url()).content == b"direct"
    assert script.requests[1].startswith(b"GET / HTTP/1.1\r\n")
    with pytest.raises(OSError):  # noqa: PT011 - what the resolver says differs
        http.get(f"http://{unknown_name}/", trust_env=False)
