"""What a user of httpx meets on the first day: its names, its exceptions, its ways of asking."""

from __future__ import annotations

import asyncio
import gzip
import pickle
import socket

import pytest

from eyesocket import errors, http

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


# exceptions


def test_the_tree_of_exceptions():
    for child, parent in (
        (http.RequestError, http.HTTPError),
        (http.HTTPStatusError, http.HTTPError),
        (http.TransportError, http.RequestError),
        (http.DecodingError, http.RequestError),
        (http.TooManyRedirects, http.RequestError),
        (http.TimeoutException, http.TransportError),
        (http.NetworkError, http.TransportError),
        (http.ProtocolError, http.TransportError),
        (http.ProxyError, http.TransportError),
        (http.UnsupportedProtocol, http.TransportError),
        (http.ConnectTimeout, http.TimeoutException),
        (http.ReadTimeout, http.TimeoutException),
        (http.WriteTimeout, http.TimeoutException),
        (http.PoolTimeout, http.TimeoutException),
        (http.ConnectError, http.NetworkError),
        (http.ReadError, http.NetworkError),
        (http.WriteError, http.NetworkError),
        (http.LocalProtocolError, http.ProtocolError),
        (http.RemoteProtocolError, http.ProtocolError),
        (http.RequestError, OSError),
        (http.HTTPStatusError, OSError),
        (http.TimeoutException, TimeoutError),
        (http.InvalidURL, ValueError),
        (http.StreamConsumed, http.StreamError),
    ):
        assert issubclass(child, parent)
    assert not issubclass(http.HTTPStatusError, http.RequestError)
    assert not issubclass(http.InvalidURL, http.HTTPError)


def redirect(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 302 X\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")


RAISED = {
    "a truncated body": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok",
        http.RemoteProtocolError,
        errors.TruncatedError,
    ),
    "no answer": (None, http.RemoteProtocolError, errors.TruncatedError),
    "not HTTP": (b"SSH-2.0-x\r\n", http.RemoteProtocolError, errors.ProtocolError),
    "bad gzip": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok",
        http.DecodingError,
        errors.ProtocolError,
    ),
    "a loop": (redirect, http.TooManyRedirects, errors.ProtocolError),
}


@pytest.mark.parametrize("case", RAISED)
@pytest.mark.parametrize("awaited", [False, True])
def test_an_error_is_caught_by_both_names(script, case, awaited):
    reply, theirs, ours = RAISED[case]
    script.play(reply)
    options = {"follow_redirects": True, "max_redirects": 0}
    get = (lambda url, **more: asyncio.run(http.aget(url, **more))) if awaited else http.get
    with pytest.raises(theirs) as caught:
        get(script.url("/x"), **options)
    assert isinstance(caught.value, ours)
    assert isinstance(caught.value, OSError)
    assert type(caught.value).__module__ == "eyesocket.http"
    assert (caught.value.request.method, caught.value.request.url.path) == ("GET", "/x")
    assert caught.value.address == f"127.0.0.1:{script.port}"
    again = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(again, theirs)
    assert isinstance(again, ours)
    assert (str(again), again.address) == (str(caught.value), caught.value.address)


def test_which_limit_it_was(script):
    with pytest.raises(http.ReadTimeout):
        http.get(script.play(lambda connection: connection.recv(1)), timeout=http.Timeout(read=0.05))
    with pytest.raises(http.ReadTimeout):
        http.get(script.play(lambda connection: connection.recv(1)), timeout=0.05)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        peers = [socket.socket() for _ in range(4)]
        try:
            for peer in peers:
                peer.setblocking(False)
                peer.connect_ex(full.getsockname())
            with pytest.raises(http.ConnectTimeout) as caught:
                http.get(f"http://127.0.0.1:{full.getsockname()[1]}/", timeout=http.Timeout(connect=0.05))
        finally:
            for peer in peers:
                peer.close()
    assert not isinstance(caught.value, http.ReadTimeout)

    async def crowd() -> None:
        limits = http.Limits(max_connections=1)
        async with http.AsyncClient(limits=limits) as client, client.stream("GET", script.url()):
            with pytest.raises(http.PoolTimeout):
                await client.get(script.url(), timeout=http.Timeout(pool=0.05))

    script.play(OK[:-1])
    script.stay = True
    asyncio.run(crowd())


def test_no_connection(unknown_name):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(http.ConnectError) as caught:
            http.get(f"http://127.0.0.1:{unused.getsockname()[1]}/")
        assert isinstance(caught.value, ConnectionRefusedError)
        assert str(caught.value) == "[Errno 111] Connection refused"
    with pytest.raises(http.ConnectError) as caught:
        http.get(f"http://{unknown_name}/")
    assert isinstance(caught.value, socket.gaierror)


def test_what_cannot_be_asked():
    for url, kind in (
        ("ftp://host/", http.UnsupportedProtocol),
        ("host/path", http.UnsupportedProtocol),
        ("http://1.2.3.999/", http.InvalidURL),
        ("http://", http.InvalidURL),
    ):
        with pytest.raises(kind) as caught:
            http.get(url)
        assert isinstance(caught.value, ValueError)
    with pytest.raises(http.LocalProtocolError):
        http.get("http://127.0.0.1:1/", headers={"X": "a\nb"})


def test_an_iterable_of_ones_own_keeps_its_error(script):
    def pieces():
        yield b"x"
        raise OSError(5, "my disk")

    script.play(OK)
    with pytest.raises(OSError, match="my disk") as caught:
        http.post(script.url(), content=pieces())
    assert type(caught.value) is OSError


# requests


def test_build_and_send(script):
    script.play(OK, OK)
    with http.Client(base_url=script.url("/api"), headers={"X-A": "1"}, params={"k": 1}) as client:
        request = client.build_request("POST", "things?to=http://x", json={"a": 1}, headers={"X-B": "2"})
        assert isinstance(request.url, http.URL)
        assert (request.method, request.url.path, request.url.params["k"]) == ("POST", "/api/things", "1")
        assert (request.content, request.headers["content-type"]) == (b'{"a":1}', "application/json")
        request.headers["X-C"] = "3"
        response = client.send(request)
        assert response.request.url == request.url
        with_stream = client.send(http.Request("GET", script.url("/s"), params={"q": True}), stream=True)
        with with_stream:
            assert with_stream.read() == b"ok"
    head = script.requests[0].lower()
    assert all(line in head for line in (b"\r\nx-a: 1\r\n", b"\r\nx-b: 2\r\n", b"\r\nx-c: 3\r\n"))
    assert script.requests[1].startswith(b"GET /s?q=true HTTP/1.1\r\n")


def test_settings_are_assigned_as_plain_values(script):
    script.play(*[OK] * 2)
    with http.Client() as client:
        client.headers = {"X-A": "1"}
        client.cookies = {"c": "d"}
        client.timeout = 5
        client.base_url = script.url("/base/")
        client.event_hooks = {"response": [http.Response.raise_for_status]}
        client.get("x")
        assert client.timeout == http.Timeout(5)
    assert script.requests[0].startswith(b"GET /base/x HTTP/1.1\r\n")
    assert b"Cookie: c=d\r\n" in script.requests[0]


def test_a_jar_of_ones_own(script):
    script.play(OK)
    script.play(OK, OK)
    jar = http.Cookies({"everywhere": "1"})
    jar.set("there", "2", domain="there.example")
    connect_to = {("there.example", 80): ("127.0.0.1", script.port)}
    with http.Client(cookies=jar, connect_to=connect_to) as client:
        client.get(script.url())
        client.get("http://there.example/")
        client.cookies = {"only": "3"}
        client.get("http://there.example/")
        assert dict(client.cookies) == {"only": "3"}
    assert dict(jar) == {"everywhere": "1", "there": "2"}
    lines = [request.partition(b"\r\nCookie: ")[2].partition(b"\r\n")[0] for request in script.requests]
    assert lines == [b"everywhere=1", b"everywhere=1; there=2", b"only=3"]


def test_a_method_may_be_spelled_small(script):
    script.play(OK, OK)
    with http.Client() as client:
        client.request("get", script.url())
        client.request("post", script.url(), content=b"x")
    assert [request.split(b" ")[0] for request in script.requests] == [b"GET", b"POST"]


def test_urls_and_queries():
    url = http.URL("https://user:pass@EXAMPLE.org:8443/a%20b?x=1&x=2&y=#frag")
    assert (url.scheme, url.host, url.port, url.path, url.fragment) == ("https", "example.org", 8443, "/a b", "frag")
    assert (url.username, url.password, url.query, url.raw_path) == (
        "user",
        "pass",
        b"x=1&x=2&y=",
        b"/a%20b?x=1&x=2&y=",
    )
    assert "pass" not in repr(url)
    assert str(url.join("/c?d")) == "https://user:pass@EXAMPLE.org:8443/c?d"
    assert url.params.get_list("x") == ["1", "2"]
    assert http.URL("http://h/?a=1").copy_merge_params({"b": None}) == "http://h/?a=1&b="
    assert http.URL("http://h/p").copy_with(scheme="https", port=81, path="/q r") == "https://h:81/q%20r"
    assert http.URL("http://h/", params={"a": [1, 2], "b": True}) == "http://h/?a=1&a=2&b=true"
    assert http.URL("http://h:80/").port is None
    params = http.QueryParams("a=1&b=2")
    assert params.set("a", 3).add("b", 4).multi_items() == [("b", "2"), ("a", "3"), ("b", "4")]
    assert dict(params.merge({"b": 5})) == {"a": "1", "b": "5"}
    assert "c" not in params
    assert params == http.QueryParams({"b": "2", "a": "1"})


# responses


def test_a_response_has_the_usual_names(script):
    script.play(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=latin-1\r\nContent-Length: 1\r\n\r\n\xe4")
    response = http.get(script.url("/p?q=1"))
    assert (response.status_code, response.reason_phrase, response.http_version) == (200, "OK", "HTTP/1.1")
    assert response.status_code == http.codes.OK
    assert (response.text, response.charset_encoding, response.encoding) == ("\u00e4", "latin-1", "windows-1252")
    assert response.elapsed.total_seconds() == response.elapsed > 0
    assert (response.url.path, response.url.params["q"], response.request.url) == ("/p", "1", response.url)
    assert response.is_success
    assert response.is_closed
    assert response.is_stream_consumed


def test_a_default_encoding(script):
    reply = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\n\xe4"
    script.play(reply, reply)
    with http.Client(default_encoding=lambda content: "cp1251" if content else "utf-8") as client:
        assert client.get(script.url()).text == "\u0434"


def test_a_body_is_read_once(script):
    script.play(*[OK] * 3)
    with http.Client() as client:
        with client.stream("GET", script.url()) as response:
            with pytest.raises(http.ResponseNotRead):
                _ = response.text
            assert list(response.iter_bytes()) == [b"ok"]
            assert response.num_bytes_downloaded == 2
            with pytest.raises(http.StreamConsumed):
                list(response.iter_bytes())
        with client.stream("GET", script.url()) as response:
            pass
        with pytest.raises(http.StreamClosed):
            response.read()


# credentials


class Token(http.Auth):
    """Fetches a token when it is turned away, and keeps it."""

    requires_response_body = True

    def __init__(self, url: str) -> None:
        self.url, self.token = url, "old"

    def auth_flow(self, request):
        request.headers["Authorization"] = f"Bearer {self.token}"
        response = yield request
        if response.status_code == 401:
            given = yield http.Request("POST", self.url, content=b"grant")
            self.token = given.text
            request.headers["Authorization"] = f"Bearer {self.token}"
            yield request


@pytest.mark.parametrize("awaited", [False, True])
def test_a_flow_of_ones_own(script, awaited):
    no = b"HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno"
    script.play(no, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew", OK, OK)
    auth = Token(script.url("/token"))

    async def twice():
        async with http.AsyncClient(auth=auth) as client:
            return [await client.post(script.url("/a"), content=b"body"), await client.get(script.url("/b"))]

    if awaited:
        first, second = asyncio.run(twice())
    else:
        with http.Client(auth=auth) as client:
            first, second = client.post(script.url("/a"), content=b"body"), client.get(script.url("/b"))
    assert [response.status for response in first.history] == [401, 200]
    assert (first.content, second.history) == (b"ok", [])
    tokens = [b"old", None, b"new", b"new"]
    for request, token in zip(script.requests, tokens, strict=True):
        assert (b"\r\nAuthorization: Bearer %s\r\n" % token in request) if token else b"Authorization" not in request
    assert script.requests[2].endswith(b"\r\n\r\nbody")
    assert script.connections == 1


def test_a_function_may_be_the_flow(script):
    def sign(request: http.Request) -> http.Request:
        request.headers["X-Signature"] = str(len(request.content or b""))
        return request

    other = type(script)()
    try:
        script.play(b"HTTP/1.1 307 X\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % other.url().encode())
        other.play(OK)
        http.post(script.url(), content=b"12345", auth=sign, follow_redirects=True)
        assert b"\r\nX-Signature: 5\r\n" in script.requests[0]
        assert b"X-Signature" not in other.requests[0]
    finally:
        other.close()


def test_a_flow_may_want_the_body(script):
    class Hashed(http.Auth):
        requires_request_body = True

        def auth_flow(self, request):
            request.headers["X-Length"] = str(len(request.content))
            yield request

    async def pieces():
        yield b"abc"
        yield b"de"

    script.play(OK)
    script.play(OK)
    http.post(script.url(), content=iter([b"abc", b"de"]), auth=Hashed())
    asyncio.run(http.apost(script.url(), content=pieces(), auth=Hashed()))
    for request in script.requests:
        assert b"\r\nX-Length: 5\r\n" in request
        assert request.endswith(b"\r\n\r\nabcde")


# smaller things


def test_a_request_s_params_take_the_place_of_the_client_s(script):
    script.play(OK, OK)
    with http.Client(params={"k": "1", "own": "x"}) as client:
        client.get(script.url(), params={"k": "2"})
        client.get(script.url(), params="own=y&own=z")
    lines = [request.split(b" ")[1] for request in script.requests]
    assert lines == [b"/?own=x&k=2", b"/?k=1&own=y&own=z"]


def test_the_base_url_alone_ends_in_a_slash(script):
    script.play(OK)
    with http.Client(base_url=script.url("/api")) as client:
        client.get("")
    assert script.requests[0].startswith(b"GET /api/ ")


def test_a_client_that_was_closed_stays_closed():
    client = http.Client()
    client.close()
    with pytest.raises(RuntimeError, match="closed"), client:
        pass

    async def again():
        client = http.AsyncClient()
        await client.aclose()
        async with client:
            pass

    with pytest.raises(RuntimeError, match="closed"):
        asyncio.run(again())


def test_hooks_that_are_never_called_are_refused():
    with pytest.raises(ValueError, match="'requests'"):
        http.Client(event_hooks={"requests": [print]})


def test_names_for_except_clauses():
    for name, parent in (("CloseError", http.NetworkError), ("RequestNotRead", http.StreamError)):
        assert issubclass(getattr(http, name), parent)
    assert issubclass(http.CookieConflict, Exception)
    assert http.Timeout(3, read=1).as_dict() == {"connect": None, "read": 1.0, "write": None, "pool": None}


class Nothing(http.Auth):
    def auth_flow(self, request):
        if request is None:
            yield


@pytest.mark.parametrize(("auth", "told"), [(lambda _: None, "gave None"), (Nothing(), "Nothing.auth_flow")])
def test_credentials_that_give_no_request_say_so(script, auth, told):
    with pytest.raises(TypeError, match=told):
        http.get(script.url(), auth=auth)

    async def ask():
        async with http.AsyncClient() as client:
            await client.get(script.url(), auth=auth)

    with pytest.raises(TypeError, match=told):
        asyncio.run(ask())


def test_connect_to_knows_hosts_as_urls_do(script):
    script.play(OK)
    script.play(OK)
    places = {("API.Example", 80): ("127.0.0.1", script.port), ("::01", 80): ("127.0.0.1", script.port)}
    with http.Client(connect_to=places) as client:
        assert client.get("http://Api.EXAMPLE/").text == "ok"
        assert client.get("http://[::1]/").text == "ok"
    with pytest.raises(ValueError, match="connect_to"):
        http.Client(connect_to={("a b", 80): ("127.0.0.1", 1)})


def test_a_unix_socket_that_is_not_there(tmp_path):
    with pytest.raises(http.ConnectError):
        http.get("http://h/", uds=tmp_path / "none")


@pytest.mark.parametrize(
    "asked",
    ["Mon, 01 Jan 2026 00:00:00 +99999999999999999999", "99999999999999999999999 Jan 2020 1:1:1 GMT", "9" * 5000],
)
def test_a_retry_after_that_is_no_time_waits_as_without(script, asked):
    script.play(b"HTTP/1.1 503 X\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n" % asked.encode(), OK)
    retries = http.Retry(1, backoff=0.001, max_wait=0.001)
    with http.Client(retries=retries) as client:
        assert client.get(script.url()).text == "ok"


# redirections by hand


def moved(status, to):
    lines = f"HTTP/1.1 {status} Moved\r\nLocation: {to}\r\nSet-Cookie: c=1; Path=/\r\nContent-Length: 0\r\n\r\n"
    return lines.encode()


def names(request):
    return {line.partition(b":")[0].lower() for line in request.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]}


@pytest.mark.parametrize(
    ("method", "status", "then", "body"),
    [
        ("GET", 302, "GET", b""),
        ("POST", 301, "GET", b""),
        ("POST", 302, "GET", b""),
        ("PUT", 303, "GET", b""),
        ("HEAD", 303, "HEAD", b""),
        ("POST", 307, "POST", b"body"),
        ("PUT", 308, "PUT", b"body"),
    ],
)
def test_a_redirection_by_hand_is_the_one_that_is_followed(script, method, status, then, body):
    content = b"" if method in ("GET", "HEAD") else b"body"
    replies = [moved(status, "../x?y#z"), OK]
    script.play(*replies)
    script.play(*replies)
    with http.Client(headers={"X-Mine": "1"}, auth=("u", "p")) as client:
        response = client.request(method, script.url("/a/b"), content=content or None, follow_redirects=False)
        request = response.next_request
        assert (request.method, request.url) == (then, script.url("/x?y#z"))
        last = client.send(request)
        assert (last.status, last.next_request) == (200, None)
    with http.Client(headers={"X-Mine": "1"}, auth=("u", "p")) as client:
        client.request(method, script.url("/a/b"), content=content or None, follow_redirects=True)
    by_hand, followed = script.requests[1], script.requests[3]
    assert by_hand.partition(b"\r\n")[0] == followed.partition(b"\r\n")[0]
    assert names(by_hand) == names(followed) >= {b"cookie", b"x-mine", b"authorization"}
    assert by_hand.endswith(b"\r\n\r\n" + body)


def test_a_redirection_by_hand_takes_nothing_elsewhere(script):
    script.play(moved(302, "http://localhost:1/"))
    told = {"Authorization": "secret", "Cookie": "own=1", "X-Mine": "1", "Accept-Language": "de"}
    request = http.get(script.url(), headers=told, follow_redirects=False).next_request
    assert request.url == "http://localhost:1/"
    assert set(request.headers) == {"accept", "accept-encoding", "accept-language", "user-agent"}


@pytest.mark.parametrize("to", ["http://[::1", "ftp://127.0.0.1/", "http://"])
def test_a_redirection_by_hand_to_nowhere_is_said(script, to):
    script.play(moved(302, to))
    with http.Client() as client:
        response = client.send(client.build_request("GET", script.url()), stream=True)
        with response, pytest.raises(http.RemoteProtocolError, match="Location"):
            _ = response.next_request
        with pytest.raises(http.RemoteProtocolError, match="Location"):
            _ = response.next_request


def test_pieces_that_are_gone_are_not_sent_again_by_hand(script):
    script.play(moved(307, "/x"))
    with http.Client() as client:
        request = client.post(script.url(), content=iter([b"body"]), follow_redirects=False).next_request
        with pytest.raises(http.StreamConsumed):
            client.send(request)


# bodies


@pytest.mark.parametrize("body", [{"content": "text"}, {"content": b"text"}, {"data": {}}, {"data": "text"}])
def test_only_a_form_and_json_have_a_type_of_their_own(script, body):
    script.play(OK)
    http.post(script.url(), **body)
    assert b"content-type" not in names(script.requests[0])


def test_what_was_downloaded_is_what_the_length_counts(script):
    packed = gzip.compress(b"a" * 1000)
    reply = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed
    script.play(*[reply] * 3)
    with http.Client() as client:
        response = client.get(script.url())
        assert (len(response.content), response.num_bytes_downloaded) == (1000, len(packed))
        for pieces in (http.Response.iter_bytes, http.Response.iter_raw):
            with client.stream("GET", script.url()) as response:
                assert response.num_bytes_downloaded == 0 or response.num_bytes_downloaded <= len(packed)
                assert list(pieces(response))
                assert response.num_bytes_downloaded == len(packed)


def test_the_usual_encoding_has_its_usual_name(script):
    script.play(OK)
    assert http.get(script.url()).encoding == "utf-8"
