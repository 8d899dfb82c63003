"""Text that cannot be sent is refused by name before a connection is made, as what it is."""

from __future__ import annotations

import asyncio
import traceback

import pytest

from eyesocket import http

SURROGATE = "\udcff"


def both(method, url, **options):
    """What a request ends with, both ways."""

    async def awaited():
        async with http.AsyncClient() as client:
            await client.request(method, url, **options)

    ends = []
    for attempt in (lambda: http.request(method, url, **options), lambda: asyncio.run(awaited())):
        with pytest.raises(ValueError, match=r"url|header|method|files|argument|boundary|cookie|user") as caught:
            attempt()
        ends.append(caught.value)
        # Whatever shows it can.
        "".join(traceback.format_exception(caught.value)).encode("utf-8")
        repr(caught.value).encode()
    assert type(ends[0]) is type(ends[1])
    return ends[0]


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("http://127.0.0.1:1/{}", {}),
        ("http://127.0.0.1:1/?a={}", {}),
        ("http://{}/", {}),
        ("{}://h/", {}),
        ("http://127.0.0.1:1/", {"params": {"a": SURROGATE}}),
        ("http://127.0.0.1:1/", {"params": {SURROGATE: "a"}}),
        ("http://127.0.0.1:1/", {"params": "a=" + SURROGATE}),
    ],
)
def test_surrogates_in_a_url(url, options):
    assert isinstance(both("GET", url.format(SURROGATE), **options), http.InvalidURL)


def test_surrogates_in_a_url_of_a_client():
    for client in (http.Client(base_url=f"http://h/{SURROGATE}/"), http.Client(params={"a": SURROGATE})):
        with pytest.raises(http.InvalidURL):
            client.get("http://127.0.0.1:1/" if client.params else "x")
    with pytest.raises(http.InvalidURL), http.stream("GET", f"http://h/{SURROGATE}"):
        pass
    with pytest.raises(http.InvalidURL):
        http.download(f"http://h/{SURROGATE}", "/nowhere")


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"X": SURROGATE}},
        {"headers": {SURROGATE: "x"}},
        {"cookies": {"a": SURROGATE}},
        {"files": {"a": (SURROGATE, b"x")}},
        {"files": {SURROGATE: b"x"}},
        {"files": {"a": ("name", b"x", SURROGATE)}},
    ],
)
def test_surrogates_elsewhere(options):
    assert isinstance(both("POST", "http://127.0.0.1:1/", **options), http.LocalProtocolError)


def test_surrogates_in_a_method():
    assert isinstance(both(SURROGATE, "http://127.0.0.1:1/"), http.LocalProtocolError)


@pytest.mark.parametrize("text", ["a/b\r\nX: 1", "a/b\n", "a\0b", "a\x7f"])
def test_what_a_part_says_of_itself(text):
    for files in (
        {"f": ("name", b"x", text)},
        {"f": ("name", b"x", "a/b", {"X": text})},
        {"f": ("name", b"x", "a/b", {"X" + text: "1"})},
    ):
        assert isinstance(both("POST", "http://127.0.0.1:1/", files=files), http.LocalProtocolError)


def test_a_content_type_of_ones_own_for_parts(script):
    script.play(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    kind = "multipart/form-data; boundary=mine"
    http.post(script.url(), files={"f": b"x"}, headers={"content-type": kind})
    assert script.requests[0].endswith(b"\r\n\r\nx\r\n--mine--\r\n")
    assert script.requests[0].lower().count(b"content-type: multipart/form-data; boundary=mine\r\n") == 1
    for wrong in ("multipart/form-data", "multipart/form-data; boundary=a@b", "text/plain"):
        options = {"files": {"f": b"x"}, "headers": {"Content-Type": wrong}}
        assert isinstance(both("POST", "http://127.0.0.1:1/", **options), http.LocalProtocolError)


@pytest.mark.parametrize("value", [1, None, object()])
def test_what_is_no_text(value):
    with pytest.raises(TypeError, match="header"):
        http.Headers({"X": value})
    if value is not None:
        with pytest.raises(TypeError, match="header"):
            http.get("http://127.0.0.1:1/", headers={"X": value})


def test_fields_of_ours_that_are_left_out(script):
    script.play(*[b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"] * 2)
    with http.Client(headers={"X-Client": "1", "X-Other": "2"}) as client:
        given = {"accept": None, "User-Agent": None, "ACCEPT-ENCODING": None, "Content-Type": None, "x-client": None}
        client.post(script.url(), json={}, headers=given)
        client.get(script.url(), headers=list(given.items()))
    first, second = (request.partition(b"\r\n\r\n")[0].split(b"\r\n")[2:] for request in script.requests)
    assert (first, second) == ([b"X-Other: 2", b"Content-Length: 2"], [b"X-Other: 2"])


@pytest.mark.parametrize("name", ["Host", "content-length"])
def test_fields_that_cannot_be_left_out(name):
    error = both("GET", "http://127.0.0.1:1/", headers={name: None})
    assert isinstance(error, http.LocalProtocolError)


def test_cookies_that_would_be_two():
    for cookies in ({"a": "b; c=d"}, {"a": "b\r\nX: 1"}, {"a=b": "c"}, {"a;b": "c"}, {"a\0": "c"}):
        assert isinstance(both("GET", "http://127.0.0.1:1/", cookies=cookies), http.LocalProtocolError)
        with pytest.raises(http.LocalProtocolError, match="cookie"):
            http.Request("GET", "http://127.0.0.1:1/", cookies=cookies)


@pytest.mark.parametrize("host", ["a b", "a/b", "a@b", "a,b", "a\tb", "b\u00fccher", "a?b", "a\\b"])
def test_hosts_that_servers_read_differently(host):
    assert isinstance(both("GET", "http://127.0.0.1:1/", headers={"Host": host}), http.LocalProtocolError)


def test_users_that_cannot_be_said():
    for make in (
        lambda: http.BasicAuth("a\r\nb", "p"),
        lambda: http.BasicAuth("a", "p\0"),
        lambda: http.BasicAuth("a:b", "p"),
        lambda: http.DigestAuth("a\r\nX: 1", "p"),
        lambda: http.DigestAuth("a\0", "p"),
        lambda: http.BearerAuth("a\r\nX: 1"),
    ):
        with pytest.raises(http.LocalProtocolError) as caught:
            make()
        assert isinstance(caught.value, ValueError)
    assert isinstance(both("GET", "http://127.0.0.1:1/", auth=("a:b", "secret")), http.LocalProtocolError)


def test_digest_says_what_it_was_told(script):
    """Quotes and backslashes stay within their strings, a tab in a realm comes back."""
    challenge = b'Digest realm="a\\"\tb\\\\", nonce="n\\"", opaque="o\\"", qop="auth"'
    script.play(
        b"HTTP/1.1 401 X\r\nWWW-Authenticate: %s\r\nContent-Length: 0\r\n\r\n" % challenge,
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    )
    http.get(script.url(), auth=http.DigestAuth('u"\\', "p:\r\n"))
    said = script.requests[1].partition(b"\r\nAuthorization: Digest ")[2].partition(b"\r\n")[0]
    assert b'username="u\\"\\\\", realm="a\\"\tb\\\\", nonce="n\\"", ' in said
    assert b'opaque="o\\""' in said
