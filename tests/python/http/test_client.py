"""Clients: streams both ways, credentials, proxies, hooks, retries, forms, downloads, archives."""

from __future__ import annotations

import asyncio
import datetime
import email.utils
import hashlib
import io
import json
import re
import socket
import subprocess
import sys
import threading
import xml.etree.ElementTree

import pytest

from eyesocket import errors, http


def ok(body: bytes = b"ok", *lines: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *lines, b"", body])


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def field(request: bytes, name: str) -> str | None:
    found = re.search(rb"\r\n" + name.encode() + rb": ([^\r]*)\r\n", request, re.IGNORECASE)
    return found[1].decode() if found else None


# streams


def test_a_stream_is_read_piece_by_piece(script):
    script.play(
        CHUNKED + b"".join(b"%x\r\n%s\r\n" % (1000, b"x" * 1000) for _ in range(100)) + b"0\r\nA: b\r\n\r\n", ok()
    )
    with http.Client() as client:
        with client.stream("GET", script.url()) as response:
            assert (response.status, client.connections) == (200, (1, 0))
            with pytest.raises(RuntimeError, match="unread"):
                _ = response.content
            pieces = list(response.iter_bytes(3000))
            assert [len(piece) for piece in pieces] == [3000] * 33 + [1000]
            assert response.trailers["a"] == "b"
        assert client.get(script.url()).timings.reused


def test_a_stream_that_is_left_closes_its_connection(script):
    script.play(ok(b"x" * 10_000_000))
    script.play(ok())
    with http.Client() as client:
        with client.stream("GET", script.url()) as response:
            next(response.iter_raw())
        assert client.connections == (0, 0)
        assert client.get(script.url()).content == b"ok"


def test_lines_and_text(script):
    text = "eins\r\nzw\u00f6lf\rdrei\n\nvier"
    script.play(*[CHUNKED + b"".join(b"1\r\n%c\r\n" % byte for byte in text.encode()) + b"0\r\n\r\n"] * 2)
    with http.Client() as client:
        with client.stream("GET", script.url()) as response:
            assert list(response.iter_lines()) == ["eins", "zw\u00f6lf", "drei", "", "vier"]
        with client.stream("GET", script.url()) as response:
            assert "".join(response.iter_text()) == text


def test_streams_are_awaited_too(script):
    script.play(CHUNKED + b"3\r\na\nb\r\n0\r\n\r\n", ok(b"data: 1\n\nevent: x\ndata: 2\n\n"))

    async def both():
        async with http.AsyncClient() as client:
            async with client.stream("GET", script.url()) as response:
                lines = [line async for line in response.aiter_lines()]
            async with client.stream("GET", script.url()) as response:
                return lines, [event async for event in response.aiter_sse()]

    lines, events = asyncio.run(both())
    assert lines == ["a", "b"]
    assert [(event.event, event.data) for event in events] == [("message", "1"), ("x", "2")]


def test_charsets(script):
    for head, body, text in (
        (b"text/plain; charset=iso-8859-1", "\u00e4".encode("latin-1"), "\u00e4"),
        (b"text/plain; charset=gbk", "\u4f60\u597d".encode("gbk"), "\u4f60\u597d"),
        (b"text/plain", "\u00e4".encode(), "\u00e4"),
        (b"text/plain", b"\xff\xfea\0", "a"),
        (b"application/json", '{"a": "\u00e4"}'.encode(), '{"a": "\u00e4"}'),
    ):
        response = http.get(script.play(ok(body, b"Content-Type: " + head)))
        assert response.text == text
    assert response.json() == {"a": "\u00e4"}


# sending


def test_pieces_are_sent_as_chunks(script):
    script.play(ok(), ok(), ok())
    with http.Client() as client:
        client.post(script.url(), content=iter([b"abc", b"", b"x" * 20]))
        client.post(script.url(), content=io.BytesIO(b"abc"))
        client.post(script.url(), content=iter([]))
    assert script.requests[0].endswith(b"\r\n\r\n3\r\nabc\r\n14\r\n" + b"x" * 20 + b"\r\n0\r\n\r\n")
    assert field(script.requests[0], "transfer-encoding") == "chunked"
    assert field(script.requests[1], "content-length") == "3"
    assert script.requests[1].endswith(b"\r\n\r\nabc")
    assert script.requests[2].endswith(b"\r\n\r\n0\r\n\r\n")


def test_pieces_are_sent_when_awaited(script):
    async def pieces():
        for number in range(3):
            await asyncio.sleep(0)
            yield b"%d" % number

    async def send():
        async with http.AsyncClient() as client:
            return await client.post(script.url(), content=pieces())

    script.play(ok())
    assert asyncio.run(send()).status == 200
    assert script.requests[0].endswith(b"1\r\n0\r\n1\r\n1\r\n1\r\n2\r\n0\r\n\r\n")


def test_a_file_of_the_wrong_length_is_an_error(script):
    class Liar(io.BytesIO):
        def seek(self, offset, whence=0):
            return super().seek(offset, whence) + (5 if whence == 2 else 0)

    script.play(ok())
    with pytest.raises(ValueError, match="Content-Length"):
        http.post(script.url(), content=Liar(b"abc"))


def test_forms(script):
    script.play(ok(), ok())
    with http.Client() as client:
        client.post(script.url(), data={"a": "1 2", "b": ["x", "y"]})
        files = {
            "f": ("n.txt", b"content"),
            "g": b"raw",
            "h": ("h.json", "{}", None, {"X-H": "1", "Content-Type": "a/b"}),
        }
        client.post(script.url(), data={"a": "1"}, files=files)
    assert script.requests[0].endswith(b"\r\n\r\na=1+2&b=x&b=y")
    head, _, body = script.requests[1].partition(b"\r\n\r\n")
    message = email.message_from_bytes(
        b"Content-Type: " + field(head + b"\r\n", "content-type").encode() + b"\r\n\r\n" + body
    )
    parts = {part.get_param("name", header="content-disposition"): part for part in message.get_payload()}
    assert {name: part.get_payload(decode=True) for name, part in parts.items()} == {
        "a": b"1",
        "f": b"content",
        "g": b"raw",
        "h": b"{}",
    }
    assert (parts["h"]["x-h"], parts["h"].get_content_type()) == ("1", "a/b")
    assert parts["f"].get_filename() == "n.txt"
    assert parts["f"].get_content_type() == "text/plain"


def test_queries_and_base_url(script):
    script.play(ok(), ok())
    with http.Client(base_url=script.url("/api/"), params={"k": "v"}, headers={"X-A": "1"}) as client:
        client.get("things?a=b#f", params={"c": "d e"})
        client.get("/x", headers={"x-a": "2"})
    assert script.requests[0].startswith(b"GET /api/things?a=b&k=v&c=d+e HTTP/1.1\r\n")
    assert script.requests[1].startswith(b"GET /api/x?k=v HTTP/1.1\r\n")
    assert field(script.requests[1], "x-a") == "2"


def test_settings_change_between_requests(script):
    script.play(*[ok()] * 6)
    with http.Client() as client:
        client.get(script.url())
        client.headers["X-A"] = "1"
        client.get(script.url())
        client.cookies["c"] = "d"
        client.auth = ("u", "p")
        client.get(script.url())
        del client.headers["X-A"]
        client.cookies.clear()
        client.headers = http.Headers({"X-B": "2"})
        client.get(script.url())
        client.params = {"q": "1"}
        client.get(script.url())
        seen: list[object] = []
        client.event_hooks["response"].append(seen.append)
        assert seen == [client.get(script.url())]
    names = ("x-a", "cookie", "authorization", "x-b")
    assert [[field(request, name) for name in names] for request in script.requests[:4]] == [
        [None, None, None, None],
        ["1", None, None, None],
        ["1", "c=d", "Basic dTpw", None],
        [None, None, "Basic dTpw", "2"],
    ]
    assert script.requests[4].startswith(b"GET /?q=1 ")
    with pytest.raises(RuntimeError, match="closed"):
        client.get(script.url())


# credentials


@pytest.mark.parametrize(
    ("algorithm", "digest"), [("MD5", hashlib.md5), ("SHA-256", hashlib.sha256), (None, hashlib.md5)]
)
@pytest.mark.parametrize("session", [False, True])
@pytest.mark.parametrize("quality", [None, "auth", "auth-int"])
def test_digest(script, algorithm, digest, session, quality):
    if algorithm is None and session:
        pytest.skip("-sess is spelled in the algorithm")
    name = algorithm and algorithm + ("-sess" if session else "")
    challenge = 'Digest realm="r", nonce="n", opaque="o"'
    challenge += f", algorithm={name}" if name else ""
    challenge += f', qop="{quality}"' if quality else ""
    script.play(
        f"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0\r\n\r\n".encode(),  # noqa: E501
        ok(),
    )
    response = http.post(script.url("/p?q"), content=b"body", auth=http.DigestAuth("u", "p"))
    assert [old.status for old in response.history] == [401]
    assert field(script.requests[0], "content-length") == "0"
    assert script.requests[1].endswith(b"\r\n\r\nbody")
    sent = dict(re.findall(r'(\w+)="?([^",]*)"?', field(script.requests[1], "authorization")))

    def hashed(text: str) -> str:
        return digest(text.encode()).hexdigest()

    first = hashed("u:r:p")
    if session:
        first = hashed(f"{first}:n:{sent['cnonce']}")
    second = "POST:/p?q" + (":" + hashed("body") if quality == "auth-int" else "")
    middle = f"n:{sent['nc']}:{sent['cnonce']}:{quality}" if quality else "n"
    assert sent["response"] == hashed(f"{first}:{middle}:{hashed(second)}")
    assert (sent["username"], sent["opaque"]) == ("u", "o")


def test_a_wrong_digest_password_is_asked_once(script):
    no = b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\nContent-Length: 0\r\n\r\n'
    script.play(no, no, no)
    assert http.get(script.url(), auth=http.DigestAuth("u", "p")).status == 401
    assert len(script.requests) == 2
    # Most servers make a nonce for each 401.
    script.play(no, no.replace(b'"n"', b'"m"'), no.replace(b'"n"', b'"l"'))
    assert http.get(script.url(), auth=http.DigestAuth("u", "p")).status == 401
    assert len(script.requests) == 4


def test_a_server_that_finds_every_proof_stale(script):
    no = b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="r", nonce="%d", stale=true\r\nContent-Length: 0\r\n\r\n'
    script.play(*(no % number for number in range(9)))
    assert http.get(script.url(), auth=http.DigestAuth("u", "p")).status == 401
    assert len(script.requests) == 4


def test_netrc_is_by_exact_host(script, tmp_path):
    file = tmp_path / "netrc"
    file.write_text("machine 127.0.0.1 login u password p\ndefault login d password d\n")
    file.chmod(0o600)
    script.play(f"HTTP/1.1 302 X\r\nLocation: http://localhost:{script.port}/\r\nContent-Length: 0\r\n\r\n".encode())
    script.play(ok())
    http.get(script.url(), auth=http.NetRCAuth(file), follow_redirects=True)  # CVE-2024-47081
    assert field(script.requests[0], "authorization") == "Basic dTpw"
    assert field(script.requests[1], "authorization") is None


# proxies


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
                connection.sendall(ok())

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


def test_unix_sockets(tmp_path):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(10_000)
                connection.sendall(ok())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        assert http.get("http://docker/info", uds=path).content == b"ok"
        thread.join(5)


# policies


def test_hooks_see_and_change(script):
    script.play(ok())
    seen: list[object] = []

    def sign(request: http.Request) -> None:
        request.headers["X-Signed"] = "yes"

    with http.Client(event_hooks={"request": [sign], "response": [seen.append]}) as client:
        response = client.get(script.url())
    assert field(script.requests[0], "x-signed") == "yes"
    assert seen == [response]


def test_retries(script):
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
    script.play(busy, busy, ok())
    assert http.get(script.url(), retries=http.Retry(2)).content == b"ok"
    script.play(busy, ok())
    assert http.post(script.url(), retries=http.Retry(2)).status == 503
    script.play(None)
    script.play(ok())
    assert http.get(script.url(), retries=http.Retry(1, backoff=0)).content == b"ok"


def test_retry_after_may_be_a_date(script):
    late = email.utils.format_datetime(datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1), usegmt=True)
    script.play(f"HTTP/1.1 429 Busy\r\nRetry-After: {late}\r\nContent-Length: 0\r\n\r\n".encode(), ok())
    assert http.get(script.url(), retries=http.Retry(1, backoff=1e9, max_wait=1e9)).content == b"ok"


def test_a_request_that_may_have_worked_is_not_repeated(script):
    script.play(ok(), None)
    with http.Client() as client:
        client.get(script.url())
        with pytest.raises(errors.TruncatedError):
            client.post(script.url(), content=b"pay")
    assert len(script.requests) == 2


def test_an_upgrade_hands_the_socket_over(script):
    def switch(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 101 Switching\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\nfirst")
        connection.sendall(connection.recv(100).upper())

    script.play(switch)
    with http.Client() as client:
        headers = {"Connection": "upgrade", "Upgrade": "echo"}
        with client.stream("GET", script.url(), headers=headers) as response:
            sock, unread = response.upgrade()
        with sock:
            while len(unread) < 5:
                unread += sock.recv(5)
            sock.sendall(b"more")
            assert (unread, sock.recv(100)) == (b"first", b"MORE")


def test_cookies_are_kept_over_time(script, tmp_path):
    script.play(ok(b"", b"Set-Cookie: a=1; Max-Age=1000"))
    script.play(ok())
    with http.Client() as client:
        client.get(script.url())
        client.cookies.save(tmp_path / "jar")
    with http.Client() as client:
        client.cookies.load(tmp_path / "jar")
        assert dict(client.cookies) == {"a": "1"}
        client.get(script.url())
        del client.cookies["a"]
        assert not client.cookies
    assert field(script.requests[1], "cookie") == "a=1"


def test_an_archive(script):
    script.play(
        b"HTTP/1.1 302 X\r\nLocation: /b?c=d\r\nContent-Length: 0\r\n\r\n", ok(b"text", b"Set-Cookie: s=secret")
    )
    response = http.get(script.url(), follow_redirects=True, auth=("user", "secret"))
    archive = json.loads(json.dumps(http.har([response])))
    first, second = archive["log"]["entries"]
    assert (first["response"]["status"], first["response"]["redirectURL"]) == (302, "/b?c=d")
    assert second["request"]["queryString"] == [{"name": "c", "value": "d"}]
    assert second["response"]["content"]["text"] == "text"
    assert second["timings"]["wait"] >= 0
    assert "secret" not in json.dumps(archive)
    assert "dXNlc" not in json.dumps(archive)


def test_a_notebook_that_is_not_trusted_shows_the_waterfall_too(script):
    response = http.get(script.play(ok(b"x" * 100)))
    bundle = response._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "image/svg+xml"}
    phases = ["name", "connect", "send", "wait", "receive"]
    picture = xml.etree.ElementTree.fromstring(bundle["image/svg+xml"])
    texts = [element.text for element in picture.iter() if element.tag.endswith("text")]
    assert texts[::2] == phases
    # What sanitizers take out is not needed: neither pictures nor scripts nor style sheets are in the HTML.
    assert not re.search("<(svg|script|style|img|iframe)", bundle["text/html"])
    assert re.findall(r"<tr><td[^>]*>(\w+)</td>", bundle["text/html"]) == phases
    assert bundle["text/html"].count("background-color") == len(phases)
    assert [line.split()[0] for line in bundle["text/plain"].splitlines()[1:]] == phases


def test_a_notebook_shows_it_escaped(script):
    response = http.get(script.play(ok(b"<script>alert(1)</script>", b"X-A: <b>")))
    for bundle in (response._repr_mimebundle_(), response.wire._repr_mimebundle_()):
        assert "&lt;script&gt;" in bundle["text/html"]
        assert "<script>" not in bundle["text/html"]
        assert "<b>" not in bundle["text/html"].replace("<b>sent", "").replace("<b>received", "").replace("<b>&lt;", "")


# downloads


def test_a_download_is_resumed(script, tmp_path):
    content = bytes(range(256)) * 1000
    path = tmp_path / "file"
    script.play(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\nETag: "v1"\r\n\r\n' % len(content) + content[:100_000])
    with pytest.raises(errors.TruncatedError):
        http.download(script.url(), path)
    assert not path.exists()
    told: list[tuple[int, int | None]] = []
    script.play(
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 100000-%d/%d\r\nContent-Length: %d\r\n\r\n"
        % (len(content) - 1, len(content), len(content) - 100_000)
        + content[100_000:]
    )
    http.download(script.url(), path, progress=lambda have, total: told.append((have, total)))
    assert path.read_bytes() == content
    assert field(script.requests[1], "range") == "bytes=100000-"
    assert field(script.requests[1], "if-range") == '"v1"'
    assert told[-1] == (len(content), len(content))
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_changed_resource_is_fetched_anew(script, tmp_path):
    path = tmp_path / "file"
    (tmp_path / "file.part").write_bytes(b"old")
    (tmp_path / "file.part.tag").write_text('"v1"')
    script.play(ok(b"new content"))
    http.download(script.url(), path)
    assert path.read_bytes() == b"new content"


def test_a_download_that_fails_leaves_the_file(script, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"precious")
    script.play(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")
    with pytest.raises(http.HTTPStatusError, match="404"):
        http.download(script.url(), path)
    assert path.read_bytes() == b"precious"


def test_a_download_is_awaited_too(script, tmp_path):
    script.play(ok(b"x" * 1_000_000))
    asyncio.run(http.adownload(script.url(), tmp_path / "file"))
    assert (tmp_path / "file").stat().st_size == 1_000_000


# the command


def command(*words: str, cwd=None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "eyesocket", "get", *words], capture_output=True, timeout=30, cwd=cwd)


def test_the_commands_letters(script, tmp_path):
    script.play(ok(b"", b"X-A: b"))
    done = command("-I", script.url())
    assert done.stdout.startswith(b"HTTP/1.1 200 OK\r\n")
    assert script.requests[-1].startswith(b"HEAD ")
    script.play(ok())
    command("-X", "PUT", "-H", "X-B: c", "-d", "a=1", "-d", "b=2", "-u", "u:p", script.url())
    assert script.requests[-1].startswith(b"PUT / ")
    assert script.requests[-1].endswith(b"\r\n\r\na=1&b=2")
    assert field(script.requests[-1], "x-b") == "c"
    assert field(script.requests[-1], "authorization") == "Basic dTpw"
    script.play(b"HTTP/1.1 302 X\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n", ok(b"there"))
    done = command("-L", "-w", "\\n%{http_code} %{num_redirects}", script.url())
    assert done.stdout == b"there\n200 1"
    script.play(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")
    done = command("-f", script.url())
    assert (done.returncode, done.stdout, done.stderr) == (22, b"", b"eyesocket get: 404 Not Found\n")
    script.play(ok(b"saved"))
    done = command("-O", script.url("/a/name.txt?q"), cwd=tmp_path)
    assert (done.returncode, (tmp_path / "name.txt").read_bytes()) == (0, b"saved")
    script.play(ok(b"saved too"))
    done = command("-o", "f", "-v", "--waterfall", "--har", "h", script.url(), cwd=tmp_path)
    assert (tmp_path / "f").read_bytes() == b"saved too"
    assert b"> GET / HTTP/1.1" in done.stderr
    assert b"receive" in done.stderr
    assert json.loads((tmp_path / "h").read_text())["log"]["entries"][0]["response"]["status"] == 200
    done = command("-k", script.url())
    assert done.returncode == 1
    assert b"--insecure" in done.stderr


def test_the_commands_bodies(script, tmp_path):
    (tmp_path / "f").write_bytes(b"a\r\nb\0c\n")
    script.play(ok(), ok(), ok())
    command("-d", "@f", script.url(), cwd=tmp_path)
    script.play(ok())
    command("--data-binary", "@f", script.url(), cwd=tmp_path)
    assert [request.partition(b"\r\n\r\n")[2] for request in script.requests] == [b"abc", b"a\r\nb\0c\n"]
    done = subprocess.run(
        [sys.executable, "-m", "eyesocket", "get", "-d", "@-", "-H", "X-Empty;", script.play(ok())],
        input=b"in\n",
        capture_output=True,
        timeout=30,
    )
    assert (done.returncode, script.requests[-1][-2:]) == (0, b"in")
    assert b"\r\nX-Empty: \r\n" in script.requests[-1]
    done = command("-H", "Accept:", script.url())
    assert done.returncode == 1
    assert b"'Accept;' sends an empty field" in done.stderr


def test_the_command_says_what_took_too_long(script):
    script.play(lambda connection: connection.recv(1))
    done = command("-m", "0.2", script.url())
    assert done.returncode == 1
    told = f"eyesocket get: waiting for the response of 127.0.0.1:{script.port}: timed out"
    assert done.stderr.decode().startswith(told)


def test_the_command_saves_what_any_method_gives(script, tmp_path):
    script.play(ok(b"made"))
    done = command("-X", "POST", "-d", "a", "-o", "f", "-w", "%{size_download}", script.url(), cwd=tmp_path)
    assert (done.returncode, done.stdout, (tmp_path / "f").read_bytes()) == (0, b"4", b"made")
    script.play(ok(b"x" * 100_000))
    done = command("-o", "-", "-w", "%{size_download}", script.url(), cwd=tmp_path)
    assert done.stdout == b"x" * 100_000 + b"100000"
    script.play(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
    done = command("-o", "g", script.url(), cwd=tmp_path)
    assert (done.returncode, (tmp_path / "g").exists()) == (1, False)
    script.play(b"HTTP/1.1 416 No\r\nContent-Range: bytes */9\r\nContent-Length: 0\r\n\r\n")
    done = command("-o", "g", script.url(), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, b"eyesocket get: nothing saved: 416 No\n")


def test_the_command_prints_what_came_before_the_end(script):
    moved = b"HTTP/1.1 302 X\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"
    script.play(moved, half)
    done = command("-i", "-L", script.url())
    assert (done.returncode, done.stdout) == (1, moved + half)
    assert b"after 4 of 9 bytes" in done.stderr


def test_the_command_goes_on_with_a_download(script, tmp_path):
    whole = bytes(range(256)) * 100
    head = b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\nETag: "v1"\r\n\r\n' % len(whole)
    script.play(head + whole[:10_000])
    assert command("-O", script.url("/big"), cwd=tmp_path).returncode == 1
    rest = b"bytes 10000-%d/%d" % (len(whole) - 1, len(whole))
    script.play(
        b"HTTP/1.1 206 P\r\nContent-Range: %s\r\nContent-Length: %d\r\n\r\n" % (rest, len(whole) - 10_000)
        + whole[10_000:]
    )
    done = command("-C", "-", "-O", "--waterfall", script.url("/big"), cwd=tmp_path)
    assert (done.returncode, (tmp_path / "big").read_bytes()) == (0, whole)
    assert done.stderr.splitlines()[-1].startswith(b"receive")
    # A part that is the whole file already: the server has nothing more.
    (tmp_path / "big").rename(tmp_path / "big.part")
    (tmp_path / "big.part.tag").write_text('"v1"')
    script.play(b"HTTP/1.1 416 No\r\nContent-Range: bytes */%d\r\nContent-Length: 0\r\n\r\n" % len(whole))
    assert command("-C", "-", "-O", script.url("/big"), cwd=tmp_path).returncode == 0
    assert (tmp_path / "big").read_bytes() == whole


def test_a_body_read_piece_by_piece_is_not_kept(script):
    script.play(ok(b"12345"), ok(b"67890"))
    with http.Client() as client:
        with client.stream("GET", script.url()) as response:
            with pytest.raises(RuntimeError, match="unread"):
                _ = response.content
            assert repr(response).startswith("<Response 200 OK, unread, ")
            assert b"".join(response.iter_bytes()) == b"12345"
            with pytest.raises(RuntimeError, match="not kept"):
                _ = response.content
            assert repr(response).startswith("<Response 200 OK, streamed, ")
            assert response.to_dict()["length"] is None
        with client.stream("GET", script.url()) as response:
            assert response.read() == response.content == b"67890"


def test_the_same_request_again_says_what_has_changed(script):
    script.play(ok(), ok(), ok(b"ok", b"Set-Cookie: a=b"), ok(), ok())
    with http.Client() as client:
        for _ in range(3):
            client.get(script.url())
        client.get(script.url())
        client.headers["X-New"] = "1"
        client.get(script.url())
    heads = [request.split(b"\r\n\r\n")[0] for request in script.requests]
    assert heads[0] == heads[1] == heads[2]
    assert b"Cookie: a=b" not in heads[2]
    assert b"Cookie: a=b" in heads[3]
    assert b"X-New" not in heads[3]
    assert b"X-New: 1" in heads[4]
