"""What a response shows of itself: archives, waterfalls, escaped bytes."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree

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
