"""What a response shows of itself: archives, waterfalls, escaped bytes."""

from __future__ import annotations

import base64
import datetime
import json
import re
import xml.etree.ElementTree

import pytest

from eyesocket import http


def ok(body: bytes = b"ok", *lines: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *lines, b"", body])


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


def entry(response, **options):
    (made,) = json.loads(json.dumps(http.har([response], **options)))["log"]["entries"]
    return made


def test_an_archive_tells_when_it_began(script):
    url = script.play(ok(), ok())
    with http.Client() as client:
        before = datetime.datetime.now(datetime.UTC)
        first = client.get(url)
        between = datetime.datetime.now(datetime.UTC)
        second = client.get(url)
    begins = [datetime.datetime.fromisoformat(entry(one)["startedDateTime"]) for one in (first, second)]
    # Milliseconds are told.
    near = datetime.timedelta(milliseconds=2)
    assert before - near <= begins[0] <= between + near
    assert between - near <= begins[1] <= datetime.datetime.now(datetime.UTC)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n\xff\xfe\0", "image/png"),
        (b"looks like text", "application/octet-stream"),
        (b"\xff\xfe\xfd", "text/plain; charset=utf-8"),
        ('{"n": "\u00fc"}'.encode(), "application/json"),
        ("\u00fc".encode("latin-1"), "text/plain; charset=latin-1"),
    ],
)
def test_an_archive_loses_no_byte(script, body, kind):
    script.play(ok(body, f"Content-Type: {kind}".encode()))
    made = entry(http.post(script.url(), content=body, headers={"Content-Type": kind}))
    for content in (made["request"]["postData"], made["response"]["content"]):
        assert content["mimeType"] == kind
        if content.get("encoding") == "base64":
            assert base64.b64decode(content["text"]) == body
        else:
            assert content["text"].encode("latin-1" if "latin" in kind else "utf-8") == body
    assert (made["response"]["content"].get("encoding") == "base64") is (b"\xff" in body or "octet" in kind)


def test_an_archive_counts_all_bytes(script):
    body, head = b"x" * 300_000, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunked = head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    script.play(b"HTTP/1.1 103 Early\r\nA: b\r\n\r\n" + chunked, chunked, chunked)
    with http.Client() as client:
        whole = entry(client.post(script.url(), content=iter([b"abc", b"def"])))
        with client.stream("GET", script.url()) as response:
            for _ in response.iter_bytes():
                pass
        streamed = entry(response)
    for made in (whole, streamed):
        assert made["response"]["headersSize"] == len(head)
        assert made["response"]["bodySize"] == made["response"]["content"]["size"] == len(body)
    assert "text" not in streamed["response"]["content"]
    assert (whole["request"]["bodySize"], streamed["request"]["bodySize"]) == (len(b"3\r\nabc\r\n") * 2 + 5, 0)
    script.play(ok())
    with http.Client(wire_limit=0) as client:
        made = entry(client.get(script.url()))
    assert (made["request"]["headersSize"], made["response"]["headersSize"]) == (-1, -1)
    assert made["response"]["bodySize"] == 2


def test_an_archive_has_the_cookies_if_it_may(script):
    lines = [b"Set-Cookie: a=1; Path=/; Domain=h; Secure; HttpOnly; Expires=Sun, 06 Nov 2044 08:49:37 GMT"]
    script.play(ok(b"ok", *lines))
    response = http.get(script.url(), headers={"Cookie": "q=1; r=2"})
    made = entry(response, secrets=True)
    assert made["request"]["cookies"] == [{"name": "q", "value": "1"}, {"name": "r", "value": "2"}]
    assert made["response"]["cookies"] == [
        {
            "name": "a",
            "value": "1",
            "path": "/",
            "domain": "h",
            "secure": True,
            "httpOnly": True,
            "expires": "2044-11-06T08:49:37+00:00",
        }
    ]
    made = entry(response)
    assert (made["request"]["cookies"], made["response"]["cookies"]) == ([], [])


def test_an_archive_s_query_has_no_secret_behind_a_semicolon(script):
    made = entry(http.get(script.play(ok()) + "?a=1;token=topsecret&b=2#c"))
    assert made["request"]["queryString"] == [{"name": "a", "value": "1;token=[secure]"}, {"name": "b", "value": "2"}]


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_heads_are_told_from_framing(script, end):
    interim = end.join([b"HTTP/1.1 103 E", b"A: b", b"", b""])
    head = end.join([b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", b"", b""])
    wire = http.get(script.play(interim + head + b"2\r\nHT\r\n5\r\nTP/1.\r\n0\r\n\r\n")).wire
    assert wire.heads == [(0, len(interim)), (len(interim), len(interim) + len(head))]
    marks = [line[:2] for line in wire._repr_mimebundle_()["text/plain"].splitlines() if line[0] == "<"]
    assert marks == ["< "] * 6 + ["<.", "<|", "<.", "<.", "<|", "<.", "<.", "<."]
    assert wire.total_content == 7


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
