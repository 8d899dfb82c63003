"""Redirections: what is asked next, and what does not go along to whom."""

from __future__ import annotations

import pytest

from eyesocket import errors, http

SECRET = {
    "Authorization": "Bearer secret",
    "Cookie": "secret=1",
    "Proxy-Authorization": "Basic secret",
    "X-Api-Key": "secret",
    "Accept-Language": "de",
}


def to(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: 4\r\n\r\nmove".encode()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def fields(request: bytes) -> dict[str, str]:
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return dict(line.lower().split(": ", 1) for line in lines)


@pytest.mark.parametrize(
    ("status", "method", "follows", "body"),
    [
        (301, "POST", "GET", b""),
        (302, "POST", "GET", b""),
        (303, "POST", "GET", b""),
        (303, "PUT", "GET", b""),
        (303, "HEAD", "HEAD", b""),
        (302, "PUT", "PUT", b"abc"),
        (307, "POST", "POST", b"abc"),
        (308, "POST", "POST", b"abc"),
    ],
)
def test_methods(script, status, method, follows, body):
    script.play(to("/b?c#d", status), OK if method != "HEAD" else b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
    content = None if method == "HEAD" else b"abc"
    if method == "HEAD":
        script.plays[0][0] = b"HTTP/1.1 303 X\r\nLocation: /b?c\r\n\r\n"
    response = http.request(method, script.url("/a"), content=content, follow_redirects=True)
    assert script.requests[1].startswith(f"{follows} /b?c HTTP/1.1\r\n".encode())
    assert script.requests[1].partition(b"\r\n\r\n")[2] == body
    assert ("content-length" in fields(script.requests[1])) == bool(body)
    assert [old.status for old in response.history] == [status]
    assert script.connections == 1


def test_not_followed_unless_asked(script):
    response = http.get(script.play(to("/b")))
    assert (response.status, response.content, response.history) == (302, b"move", [])
    assert response.has_redirect_location


def test_a_loop_ends(script):
    script.play(*[to("/")] * 10)
    with pytest.raises(errors.ProtocolError, match="more than 3 in a row"):
        http.get(script.url(), follow_redirects=True, max_redirects=3)
    assert len(script.requests) == 4


def test_secrets_stay_with_their_origin(script):
    script.play(to(f"http://localhost:{script.port}/b"))
    script.play(OK)
    http.get(script.url(), headers=SECRET, follow_redirects=True)
    first, second = map(fields, script.requests)
    assert {name.lower() for name in SECRET} <= set(first)
    assert second.keys() & {name.lower() for name in SECRET} == {"accept-language"}
    assert second["host"] == f"localhost:{script.port}"
    assert b"secret" not in script.requests[1]


def test_a_port_is_another_origin(script):
    other = type(script)()
    try:
        script.play(to(other.url("/b")))
        other.play(OK)
        http.get(script.url(), headers=SECRET, auth=("user", "secret"), follow_redirects=True)
        assert b"secret" not in other.requests[0]
    finally:
        other.close()


def test_secrets_go_along_within_an_origin(script):
    script.play(to("/b"), OK)
    http.get(script.url(), headers={"X-Api-Key": "k"}, auth=("user", "pass"), follow_redirects=True)
    assert fields(script.requests[1])["x-api-key"] == "k"
    assert fields(script.requests[1])["authorization"] == "basic dxnlcjpwyxnz"


@pytest.mark.parametrize(
    "location", ["ftp://x/", "http://", "http://x:99999/", "http://a\tb/", "javascript:1", "http://1.2.3.4.5/"]
)
def test_bad_locations(script, location):
    with pytest.raises(errors.ProtocolError, match="Location"):
        http.get(script.play(to(location)), follow_redirects=True)


def test_an_empty_location_leads_nowhere(script):
    assert http.get(script.play(to("")), follow_redirects=True).status == 302


def test_relative_references(script):
    script.play(to("../c?d"), to("?e"), to(f"//127.0.0.1:{script.port}/f"), OK)
    response = http.get(script.url("/a/b/x"), follow_redirects=True)
    targets = [request.split(b" ")[1] for request in script.requests]
    assert targets == [b"/a/b/x", b"/a/c?d", b"/a/c?e", b"/f"]
    assert response.url.endswith("/f")


def test_pieces_cannot_be_sent_twice(script):
    script.play(to("/b", 307))
    with pytest.raises(errors.ProtocolError, match="second time"):
        http.post(script.url(), content=iter([b"abc"]), follow_redirects=True)


def test_credentials_of_a_url_are_never_shown(script):
    script.play(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    response = http.get(f"http://user:secret@127.0.0.1:{script.port}/")
    assert fields(script.requests[0])["authorization"] == "basic dxnlcjpzzwnyzxq="
    with pytest.raises(http.HTTPStatusError) as caught:
        response.raise_for_status()
    for text in (str(caught.value), repr(response), str(response.to_dict()), repr(response.headers)):
        assert "secret" not in text
    assert b"dXNlcjpzZWNyZXQ" not in response.wire.sent
    assert b"dXNlcjpzZWNyZXQ" in response.wire.raw_sent


def test_bytes_of_a_location_go_back_as_they_came(script):
    script.play(b"HTTP/1.1 302 X\r\nLocation: /h\xe9/\xc3\xa9?\xff\r\nContent-Length: 0\r\n\r\n")
    script.play(b"HTTP/1.1 302 X\r\nLocation: /h\xc3\xa9\r\nContent-Length: 0\r\n\r\n")
    script.play(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    http.get(script.url(), follow_redirects=True)
    lines = [request.split(b" ")[1] for request in script.requests]
    assert lines[1:] == [b"/h%E9/%C3%A9?%FF", b"/h%C3%A9"]
