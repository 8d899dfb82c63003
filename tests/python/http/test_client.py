"""Clients: what is sent, settings, hooks, retries, upgrades, UNIX sockets."""

from __future__ import annotations

import asyncio
import datetime
import email
import email.utils
import io
import json
import os
import re
import socket
import threading

import pytest

from eyesocket import errors, http


def ok(body: bytes = b"ok", *lines: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *lines, b"", body])


def field(request: bytes, name: str) -> str | None:
    found = re.search(rb"\r\n" + name.encode() + rb": ([^\r]*)\r\n", request, re.IGNORECASE)
    return found[1].decode() if found else None


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


def test_hooks_may_change_between_requests(script):
    script.play(*[ok()] * 4)
    seen: list[http.Response] = []
    with http.Client() as client:
        hooks = client.event_hooks
        client.get(script.url())
        hooks["response"].append(seen.append)
        assert client.get(script.url()) is seen[0]
        client.event_hooks = {"error": []}
        client.get(script.url())
        hooks["request"].append(seen.append)
        client.get(script.url())
        assert len(seen) == 1
    assert len(script.requests) == 4


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


def test_kept_cookies_are_private_and_as_they_were(script, tmp_path):
    path, value = tmp_path / "jar", b"\xff\x80\xc3\xa9"
    path.write_text("[]")
    path.chmod(0o644)
    script.play(ok(b"", b"Set-Cookie: a=%s; Max-Age=1000" % value))
    script.play(ok())
    with http.Client() as client:
        client.get(script.url())
        client.cookies.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["jar"]
    with http.Client() as client:
        client.cookies.load(path)
        client.get(script.url())
    assert b"\r\nCookie: a=%s\r\n" % value in script.requests[1]


def test_what_is_no_file_is_written_to(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    descriptor = os.open(pipe, os.O_RDWR)
    try:
        with http.Client(cookies={"own": "1"}) as client:
            client.cookies.save(pipe)
        assert json.loads(os.read(descriptor, 1000)) == [{"name": "own", "value": "1"}]
        assert pipe.is_fifo()
    finally:
        os.close(descriptor)


def test_cookies_of_no_domain_are_kept_too(script, tmp_path):
    script.play(ok())
    with http.Client(cookies={"own": "1"}) as client:
        client.cookies.save(tmp_path / "jar")
    with http.Client() as client:
        client.cookies.load(tmp_path / "jar")
        client.get(script.url())
    assert field(script.requests[0], "cookie") == "own=1"


@pytest.mark.parametrize("text", ["{}", "[1]", '["a"]', '[{"name": "a"}]', '[{"name": 1, "value": "b"}]', "json", ""])
def test_what_is_no_file_of_cookies_says_so(tmp_path, text):
    (tmp_path / "jar").write_text(text)
    with http.Client() as client:
        with pytest.raises(ValueError, match="no file of cookies"):
            client.cookies.load(tmp_path / "jar")
        assert not client.cookies


@pytest.mark.parametrize(("domain", "sent"), [("example.co.uk", True), ("co.uk", False), ("uk", False)])
@pytest.mark.parametrize("kept", [False, True])
def test_a_public_suffix_gives_nobody_its_cookies(script, tmp_path, domain, sent, kept):
    script.play(ok())
    with http.Client(proxy=script.url()) as client:
        client.cookies.set("a", "1", domain=domain)
        if kept:
            client.cookies.save(tmp_path / "jar")
            client.cookies.clear()
            said = json.loads((tmp_path / "jar").read_text())
            (tmp_path / "jar").write_text(json.dumps([cookie | {"host_only": False} for cookie in said]))
            client.cookies.load(tmp_path / "jar")
        client.get("http://www.example.co.uk/")
    assert field(script.requests[0], "cookie") == ("a=1" if sent else None)


def test_a_cookie_of_the_request_takes_the_place_of_the_clients(script):
    script.play(ok(b"", b"Set-Cookie: a=1", b"Set-Cookie: b=1"), ok(), ok())
    with http.Client() as client:
        client.get(script.url())
        again = client.get(script.url(), headers={"Cookie": "c=3; a=2"})
        client.send(again.request)
    assert [field(request, "cookie") for request in script.requests[1:]] == ["c=3; a=2; b=1"] * 2


def test_cookies_of_a_network_of_ones_own(script):
    script.play(ok())
    with http.Client(proxy=script.url()) as client:
        client.cookies.set("a", "1", domain="lan")
        client.get("http://printer.lan/")
    assert field(script.requests[0], "cookie") == "a=1"


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


@pytest.mark.parametrize("where", ["hook", "flow"])
@pytest.mark.parametrize("awaited", [False, True])
def test_a_response_that_nobody_gets_gives_its_connection_back(script, where, awaited):
    class Refusing(http.Auth):
        def auth_flow(self, request):
            response = yield request
            response.raise_for_status()

    async def refuse(response):
        response.raise_for_status()

    no = b"HTTP/1.1 404 No\r\nContent-Length: 1000000\r\n\r\nsome"
    script.stay = True
    for _ in range(3):
        script.play(no)
    hooks = {"response": [refuse if awaited else http.Response.raise_for_status]}
    options = {"event_hooks": hooks} if where == "hook" else {"auth": Refusing()}
    options |= {"limits": http.Limits(max_connections=1), "timeout": http.Timeout(30, pool=5)}
    kept = []

    async def work():
        async with http.AsyncClient(**options) as client:
            for _ in range(3):
                with pytest.raises(http.HTTPStatusError) as caught:
                    await client.send(client.build_request("GET", script.url()), stream=True)
                kept.append(caught.value)

    if awaited:
        asyncio.run(work())
    else:
        with http.Client(**options) as client:
            for _ in range(3):
                with pytest.raises(http.HTTPStatusError) as caught, client.stream("GET", script.url()):
                    pass
                kept.append(caught.value)
    assert all(error.response.is_closed for error in kept)


@pytest.mark.parametrize("name", ["retries", "max_redirects", "max_size", "wire_limit"])
@pytest.mark.parametrize("value", [-1, 2**64, "x", 1.5])
def test_a_setting_that_counts_nothing_is_refused_by_name(name, value):
    if name == "retries" and not isinstance(value, int):
        pytest.skip("whatever else is given is a policy")
    with pytest.raises((ValueError, TypeError), match=rf"^{name}: "):
        http.Client(**{name: value})


def test_a_part_has_one_type(script):
    fields = {"Content-Type": "a/b", "X-Mine": "1"}
    script.play(ok(), ok())
    with http.Client() as client:
        for _ in range(2):
            client.post(script.url(), files={"f": ("n", b"z", "text/x", fields)})
    for request in script.requests:
        part = request.partition(b'name="f"')[2]
        assert part.count(b"Content-Type") == 1
        assert b"Content-Type: a/b\r\n" in part
    assert fields == {"Content-Type": "a/b", "X-Mine": "1"}
