"""Nothing that proves who asks is in any text that is made to be looked at; asked for, it is all there."""

from __future__ import annotations

import json

import pytest

from eyesocket import http

SECRET = "topsecret"
REPLY = (
    b"HTTP/1.1 103 Early Hints\r\nSet-Cookie: early=topsecret1\r\n\r\n"
    b"HTTP/1.1 302 Found\r\nSet-Cookie: sid=topsecret2; Path=/\r\nX-Csrf-Token: topsecret3\r\n"
    b"Location: /next?a=1&access_token=topsecret4#id_token=topsecret5\r\nContent-Length: 5\r\n\r\nhello"
)
LAST = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Token: topsecret6\r\n\r\n"
FIELDS = {
    "Cookie": "topsecret7=topsecret7",
    "Proxy-Authorization": "Basic topsecret8",
    "X-Api-Key": "topsecret9",
    "X-Auth-Token": "topsecret10",
    "Referer": "http://me:topsecret11@h/?sig=topsecret12",
}


@pytest.fixture
def response(script):
    script.play(REPLY, LAST)
    url = script.url("/?q=1&token=topsecret13&X-Amz-Signature=topsecret14").replace("//", "//me:topsecret15@", 1)
    with http.Client(follow_redirects=True) as client:
        return client.post(url, data={"user": "me", "password": "topsecret16"}, headers=FIELDS)


def texts(response):
    """Everything that a person may be shown, by name."""
    found = {}
    every = {
        "response": response,
        "wire": response.wire,
        "timings": response.timings,
        "request": response.request,
        "url": response.url,
        "request url": response.request.url,
        "params": response.url.params,
        "headers": response.headers,
        "request headers": response.request.headers,
        "trailers": response.trailers,
        "plain values": response.to_dict(),
    }
    for name, one in every.items():
        found[f"repr of {name}"] = repr(one)
        if hasattr(one, "_repr_mimebundle_"):
            found |= {f"{kind} of {name}": text for kind, text in one._repr_mimebundle_().items()}
    found["wire sent"] = response.wire.sent.decode()
    found["wire received"] = response.wire.received.decode()
    return found


def test_no_text_shows_a_secret(response):
    for one in (response, *response.history):
        for name, text in texts(one).items():
            assert SECRET not in text, name
        with pytest.raises(http.HTTPStatusError) as caught:
            http.Response.raise_for_status(response.history[0])
        assert SECRET not in f"{caught.value} {caught.value!r}"
    assert SECRET not in json.dumps(http.har([response]))
    # What is no secret is still there.
    shown = texts(response.history[0])
    assert "q=1&token=*****" in shown["wire sent"]
    assert "user=me&password=*****" in shown["wire sent"]
    assert "Location: /next?a=1&access_token=**********#id_token=**********\r\n" in shown["wire received"]
    assert "q=1&token=[secure]" in shown["repr of url"]
    assert "http://me:[secure]@h/?sig=[secure]" in shown["repr of request headers"]


def test_asked_for_it_is_all_there(response):
    first = response.history[0]
    assert (first.headers["x-csrf-token"], first.request.headers["x-api-key"]) == ("topsecret3", "topsecret9")
    assert (first.url.password, first.url.params["token"]) == ("topsecret15", "topsecret13")
    assert "topsecret13" in str(first.url)
    assert b"topsecret10" in first.wire.raw_sent
    assert b"topsecret2" in first.wire.raw_received
    assert len(first.wire.sent) == len(first.wire.raw_sent)
    assert len(first.wire.received) == len(first.wire.raw_received)
    archive = json.dumps(http.har([response], secrets=True))
    for number in (2, 3, 4, 9, 10, 11, 13, 14, 16):
        assert f"topsecret{number}" in archive


def test_lines_that_end_in_lf_alone_hide_too(script):
    response = http.get(script.play(b"HTTP/1.1 200 OK\nSet-Cookie: a=topsecret\nContent-Length: 2\n\nok"))
    assert response.wire.received == b"HTTP/1.1 200 OK\nSet-Cookie: ***********\nContent-Length: 2\n\nok"


def test_a_record_that_is_cut_within_a_secret(script):
    script.play(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=topsecret-and-more\r\nContent-Length: 2\r\n\r\nok")
    response = http.Client(wire_limit=40).get(script.url())
    assert response.wire.received == b"HTTP/1.1 200 OK\r\nSet-Cookie: " + b"*" * 11


@pytest.mark.parametrize(
    "url",
    [
        "http://h:99999/?token=topsecret",
        "ftp://h/?token=topsecret",
        "h/?token=topsecret",
        "me:topsecret@h/",
        "//me:topsecret@h/",
        "me:top#secret:topsecret@h/",
        "http:\\\\me:topsecret@h:99999/",
    ],
)
def test_errors_of_urls_show_none(url):
    with pytest.raises((http.InvalidURL, http.UnsupportedProtocol)) as caught:
        http.get(url)
    assert SECRET not in f"{caught.value} {caught.value!r}"


def test_errors_of_redirections_show_none(script, authority):
    script.play(b"HTTP/1.1 302 X\r\nLocation: http://h:99999/?token=topsecret\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(http.RemoteProtocolError) as caught:
        http.get(script.url(), follow_redirects=True)
    assert SECRET not in f"{caught.value} {caught.value!r}"
    for _ in range(2):
        script.play(b"HTTP/1.1 302 X\r\nLocation: /?token=topsecret\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(http.TooManyRedirects) as caught:
        http.Client(max_redirects=1, follow_redirects=True).get(script.url())
    assert SECRET not in f"{caught.value} {caught.value!r}"


def test_a_url_for_a_log():
    url = http.URL("https://me:topsecret@h/a?b=c&sig=topsecret#access_token=topsecret")
    assert url.shown == "https://me:[secure]@h/a?b=c&sig=[secure]#access_token=[secure]"


def test_a_url_with_a_surrogate_has_a_repr():
    assert repr(http.URL("http://h/\udcff?token=x")) == "URL('http://h/\\\\udcff?token=[secure]')"


def test_json_and_parts_show_none_either(script):
    """Both ways: what proves who asks, in data as in fields."""
    answer = b'{"access_token":"topsecret1"}'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(answer)
    # On one connection: a POST on one that is just being closed is not tried again.
    script.play(head + answer, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    with http.Client() as client:
        first = client.post(script.url(), json={"user": "me", "password": "topsecret2"})
        second = client.post(script.url(), data={"token": "topsecret3"}, files={"f": ("a", b"text")})
    assert first.json() == {"access_token": "topsecret1"}
    assert b'"password":"**********"' in first.wire.sent
    for response in (first, second):
        for name, text in texts(response).items():
            assert SECRET not in text, name
        assert SECRET not in json.dumps(http.har([response]))
        assert SECRET in json.dumps(http.har([response], secrets=True))
        assert SECRET.encode() in response.wire.raw_sent
