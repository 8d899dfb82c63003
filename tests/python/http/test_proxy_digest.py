"""Digest towards a proxy (RFC 7616, RFC 9110 section 11.7): forwarding and CONNECT, checked by a proxy of its own."""

from __future__ import annotations

import asyncio
import hashlib
import re
import socket
import ssl
import threading

import pytest

from eyesocket import errors, http

PARAMETER = re.compile(r'(\w+)=(?:"([^"]*)"|([^", ]+))')


class Guarded:
    """A proxy that lets through who proves by Digest to be `u` with `p`; it answers forwarded requests itself.

    `ending` is how its 407 ends: a length, chunked, with the connection, or a length with the end announced.
    """

    def __init__(self, *, algorithm="MD5", quality="auth", ending="length", context=None, once=False, extra=()):
        self.algorithm, self.quality, self.ending = algorithm, quality, ending
        self.context, self.once, self.extra = context, once, extra
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self.used: dict[str, int] = {}
        self.given = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.speak, args=(plain,), daemon=True).start()

    def speak(self, plain):
        try:
            with plain:
                if self.context is None:
                    self.talk(plain)
                else:
                    with self.context.wrap_socket(plain, server_side=True) as connection:
                        self.talk(connection)
        except OSError:
            pass

    def talk(self, connection):
        while True:
            data = b""
            while b"\r\n\r\n" not in data:
                piece = connection.recv(65536)
                if not piece:
                    return
                data += piece
            head, _, body = data.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
            while length and len(body) < int(length[1]):
                body += connection.recv(65536)
            self.heads.append(head)
            self.bodies.append(body)
            method, target = head.decode("latin-1").split(" ")[:2]
            wrong = self.wrong(head, method, target, body)
            if wrong is not None:
                connection.sendall(self.refusal(stale=wrong == "stale"))
                if self.ending in ("close", "announced"):
                    return
            elif method == "CONNECT":
                self.relay(connection, target)
                return
            else:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def refusal(self, *, stale=False):
        self.given += 1
        challenge = f'Digest realm="gate", nonce="n{self.given}", algorithm={self.algorithm}'
        challenge += f', qop="{self.quality}"' if self.quality else ""
        challenge += ", stale=true" if stale else ""
        lines = ["HTTP/1.1 407 Proxy Authentication Required", *self.extra, f"Proxy-Authenticate: {challenge}"]
        body = "who are you?"
        if self.ending == "chunked":
            lines.append("Transfer-Encoding: chunked")
            body = f"{len(body):x}\r\n{body}\r\n0\r\n\r\n"
        elif self.ending == "close":
            lines.append("Connection: close")
        else:
            lines.append(f"Content-Length: {len(body)}")
            lines += ["Connection: close"] if self.ending == "announced" else []
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    def wrong(self, head, method, target, body):
        """None if the head bears a good proof, else what is wrong with it."""
        sent = re.search(rb"\r\nProxy-Authorization: Digest ([^\r]*)", head)
        if not sent:
            return "none"
        have = {name: quoted or plain for name, quoted, plain in PARAMETER.findall(sent[1].decode())}
        if (have["username"], have["realm"], have["uri"]) != ("u", "gate", target):
            return "names"
        digest = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[self.algorithm.removesuffix("-sess")]

        def hashed(*parts):
            return digest(":".join(parts).encode()).hexdigest()

        first = hashed("u", "gate", "p")
        if self.algorithm.endswith("-sess"):
            first = hashed(first, have["nonce"], have["cnonce"])
        second = [method, target]
        if self.quality == "auth-int":
            second.append(digest(body).hexdigest())
        middle = [have["nonce"], have["nc"], have["cnonce"], self.quality] if self.quality else [have["nonce"]]
        if have["response"] != hashed(first, *middle, hashed(*second)):
            return "proof"
        count = int(have.get("nc", "1"), 16)
        if self.quality and count <= self.used.get(have["nonce"], 0):
            return "replay"
        self.used[have["nonce"]] = count
        if self.once and count > 1:
            return "stale"
        return None

    def relay(self, connection, target):
        host, _, port = target.rpartition(":")
        with socket.create_connection((host, int(port))) as beyond:
            connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            back = threading.Thread(target=copy, args=(beyond, connection), daemon=True)
            back.start()
            copy(connection, beyond)
            back.join(5)

    def url(self, credentials="u:p@", scheme=None):
        name = "localhost" if self.context else "127.0.0.1"
        return f"{scheme or ('https' if self.context else 'http')}://{credentials}{name}:{self.port}"

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)


def copy(source, sink):
    try:
        while piece := source.recv(65536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.fixture
def guarded():
    made = []

    def start(**options):
        made.append(Guarded(**options))
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

    def speak(plain):
        try:
            with plain, context.wrap_socket(plain, server_side=True) as connection:
                while head := connection.recv(65536):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(head) + head)
        except OSError:
            pass

    def serve():
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=speak, args=(plain,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"https://localhost:{listener.getsockname()[1]}/"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def fetch(url, awaited, **options):
    if not awaited:
        return http.get(url, **options)

    async def get():
        return await http.aget(url, **options)

    return asyncio.run(get())


def proofs(proxy):
    """The scheme of each head's Proxy-Authorization."""
    found = [re.search(rb"\r\nProxy-Authorization: (\w+) ", head) for head in proxy.heads]
    return [one and one[1].decode() for one in found]


@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize("ending", ["length", "chunked", "close", "announced"])
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256-sess"])
@pytest.mark.parametrize("quality", ["auth", "auth-int"])
def test_a_forwarding_proxy_is_given_a_digest(guarded, algorithm, quality, ending, awaited):
    proxy = guarded(algorithm=algorithm, quality=quality, ending=ending)
    response = fetch("http://far.invalid/a?b", awaited, proxy=proxy.url())
    assert (response.status, response.content) == (200, b"ok")
    assert [old.status for old in response.history] == [407]
    assert [head.split(b"\r\n")[0] for head in proxy.heads] == [b"GET http://far.invalid/a?b HTTP/1.1"] * 2
    assert proofs(proxy) == ["Basic", "Digest"]


@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize("ending", ["length", "chunked", "close", "announced"])
@pytest.mark.parametrize("quality", ["auth", "auth-int", None])
@pytest.mark.parametrize("secure", [False, True])
def test_a_tunnel_is_opened_by_digest(guarded, origin, authority, quality, ending, secure, awaited):
    context = None
    if secure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.issue())
    proxy = guarded(algorithm="SHA-256", quality=quality, ending=ending, context=context)
    response = fetch(origin, awaited, proxy=proxy.url(), verify=authority.file)
    assert response.status == 200
    assert b"roxy-" not in response.content
    assert proofs(proxy) == ["Basic", "Digest"]
    assert proxy.connections == (1 if ending in ("length", "chunked") else 2)


def test_digest_alone_never_says_the_password(guarded, origin, authority):
    proxy = guarded()
    way = http.Proxy(proxy.url(""), auth=http.DigestAuth("u", "p"))
    with http.Client(proxy=way, verify=authority.file) as client:
        assert client.post("http://far.invalid/", content=b"body").content == b"ok"
        assert client.get(origin).status == 200
        assert client.get("http://else.invalid/").content == b"ok"
    assert proofs(proxy) == [None, "Digest", "Digest", "Digest"]
    assert proxy.bodies == [b"", b"body", b"", b""]
    assert [re.search(rb"nc=(\d+)", head)[1] for head in proxy.heads[1:]] == [b"00000001", b"00000002", b"00000003"]
    assert proxy.given == 1


def test_a_nonce_that_is_stale_is_replaced(guarded, origin, authority):
    proxy = guarded(once=True)
    with http.Client(proxy=proxy.url(), verify=authority.file) as client:
        assert client.get("http://far.invalid/").content == b"ok"
        again = client.get("http://far.invalid/")
        assert [old.status for old in again.history] == [407]
        assert client.get(origin).status == 200
    assert proofs(proxy) == ["Basic"] + ["Digest"] * 5


def test_a_wrong_password_is_tried_once(guarded, origin, authority):
    proxy = guarded()
    response = http.get("http://far.invalid/", proxy=proxy.url("u:wrong@"))
    assert response.status == 407
    assert proofs(proxy) == ["Basic", "Digest"]
    with pytest.raises(http.ProxyError, match=r"407 .*refuses the user and password") as caught:
        http.get(origin, proxy=proxy.url("u:wrong@"), verify=authority.file)
    assert "wrong@" not in str(caught.value)
    assert proofs(proxy)[2:] == ["Basic", "Digest"]


def test_both_the_proxy_and_the_origin_ask(guarded, origin, authority, script):
    """The proxy asks first, the origin behind it next; each gets its own proof."""
    no = b'Digest realm="r", nonce="o", qop="auth"\r\nContent-Length: 0\r\n\r\n'
    script.play(
        b"HTTP/1.1 407 No\r\nProxy-Authenticate: " + no.replace(b'"r"', b'"gate"'),
        b"HTTP/1.1 401 No\r\nWWW-Authenticate: " + no,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    )
    way = http.Proxy(script.url(), auth=http.DigestAuth("u", "p"))
    response = http.post("http://far.invalid/", content=b"body", proxy=way, auth=http.DigestAuth("ou", "op"))
    assert [old.status for old in response.history] == [407, 401]
    first, second, third = script.requests
    assert b"uthorization" not in first
    assert b'\r\nProxy-Authorization: Digest username="u", realm="gate"' in second
    assert b"\r\nAuthorization" not in second
    assert b'\r\nAuthorization: Digest username="ou", realm="r"' in third
    assert b'\r\nProxy-Authorization: Digest username="u", realm="gate"' in third
    assert b"nc=00000002" in third
    assert [request.partition(b"\r\n\r\n")[2] for request in script.requests] == [b"", b"", b"body"]


def test_407_of_an_origin_is_not_answered(script):
    script.play(
        b'HTTP/1.1 407 P\r\nProxy-Authenticate: Digest realm="g", nonce="g", qop="auth"\r\nContent-Length: 0\r\n\r\n'
    )
    response = http.get(script.url(), auth=http.DigestAuth("u", "p"))
    assert (response.status, len(script.requests)) == (407, 1)


def test_a_401_of_a_proxy_takes_no_proof_for_proxies(script):
    script.play(b'HTTP/1.1 401 P\r\nWWW-Authenticate: Digest realm="g", nonce="g"\r\nContent-Length: 0\r\n\r\n')
    response = http.get("http://far.invalid/", proxy=f"http://u:p@127.0.0.1:{script.port}")
    assert (response.status, len(script.requests)) == (401, 1)


@pytest.mark.parametrize(
    ("lines", "credentials", "told"),
    [
        (["Proxy-Authenticate: Digest realm=r, nonce=n"], "", "give it a user and a password: digest"),
        (["Proxy-Authenticate: Basic realm=r"], "u:p@", "refuses the user and password"),
        (["Proxy-Authenticate: Negotiate", "Proxy-Authenticate: NTLM"], "u:p@", "asks for negotiate, ntlm"),
        ([], "", "407 Who"),
    ],
)
def test_a_refusal_says_what_to_do(script, lines, credentials, told):
    script.play("\r\n".join(["HTTP/1.1 407 Who?", *lines, "Content-Length: 0", "", ""]).encode())
    with pytest.raises(http.ProxyError, match=told):
        http.get("https://far.invalid/", proxy=f"http://{credentials}127.0.0.1:{script.port}")
    assert len(script.requests) == 1


def test_a_refusal_without_end_is_not_read(script):
    """The content of a 407 is of no interest: a long one costs its connection, and no more."""

    def endless(connection: socket.socket) -> None:
        connection.sendall(b'HTTP/1.1 407 P\r\nProxy-Authenticate: Digest realm="g", nonce="n"\r\n')
        connection.sendall(b"Content-Length: 100000000\r\n\r\n")
        try:
            while True:
                connection.sendall(b"x" * 65536)
        except OSError:
            pass

    script.play(endless)
    script.play(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(errors.ProtocolError, match="403"):
        http.get("https://far.invalid/", proxy=f"http://u:p@127.0.0.1:{script.port}")
    assert b"\r\nProxy-Authorization: Digest " in script.requests[1]
    assert b"nc=" not in script.requests[1]


def test_what_a_proxy_can_be():
    assert repr(http.Proxy("http://u:secret@p.example:3128")) == "Proxy('http://p.example:3128', auth=...)"
    assert repr(http.Proxy("socks5://p.example")) == "Proxy('socks5://p.example')"
    with pytest.raises(ValueError, match="both in the URL and in auth="):
        http.Client(proxy=http.Proxy("http://u:secret@p.example", auth=("u", "p")))
    with pytest.raises(ValueError, match="SOCKS"):
        http.Client(proxy=http.Proxy("socks5://p.example", auth=http.DigestAuth("u", "p")))
    with pytest.raises(TypeError, match="proxy"):
        http.Proxy("http://p.example", auth=http.Auth())
    with pytest.raises(TypeError, match="proxy"):
        http.Client(proxy=3128)


def test_a_users_own_field_is_left_alone(script):
    script.play(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    http.get(
        "http://far.invalid/",
        proxy=f"http://u:p@127.0.0.1:{script.port}",
        headers={"Proxy-Authorization": "Mine xyz"},
    )
    assert re.findall(rb"\r\nProxy-Authorization: ([^\r]*)", script.requests[0]) == [b"Mine xyz"]
