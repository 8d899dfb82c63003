"""The safety of heads, bodies and requests, line by line; the names in brackets are the peers' lessons."""

from __future__ import annotations

import gzip
import socket
import zlib

import pytest

from eyesocket import errors, http

BAD_TEXT = ["a\rb", "a\nb", "a\r\nX: 1", "a\0b", "a\x7fb", "a\x01b"]


@pytest.mark.parametrize("text", BAD_TEXT)
def test_nothing_breaks_out_of_a_request(text):  # CVE-2020-26137
    url = "http://127.0.0.1:1/"
    for attempt in (
        lambda: http.request(text, url),
        lambda: http.get(url + text),
        lambda: http.get(url, headers={text: "v"}),
        lambda: http.get(url, headers={"X": text}),
        lambda: http.get(url, cookies={"a": text}),
        lambda: http.get(url, auth=http.BearerAuth(text)),
        lambda: http.post(url, files={"f": ("name", b"x", text)}),
    ):
        with pytest.raises(ValueError, match=r"url|header|method|argument|cookie"):
            attempt()


@pytest.mark.parametrize("method", ["", "GE T", "G\u00e9T", "GET/"])
def test_a_method_is_a_token(method):
    with pytest.raises(ValueError, match="token"):
        http.request(method, "http://127.0.0.1:1/")


@pytest.mark.parametrize("name", ["", "a b", "a:", "\u00e9", "a("])
def test_a_name_is_a_token(name):
    with pytest.raises(ValueError, match="token"):
        http.get("http://127.0.0.1:1/", headers={name: "v"})


def test_a_form_keeps_its_fields_apart(script):
    script.play(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    http.post(script.url(), files={'a"\r\nX-Evil: 1': ('f"\r\nX-Evil: 2', b"x", "text/plain")})
    assert b"\r\nX-Evil" not in script.requests[0]


HEADS = {
    "bare CR in a value": b"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
    "bare CR as a line end": b"HTTP/1.1 200 OK\rA: b\r\r",
    "LF among CRLF": b"HTTP/1.1 200 OK\r\nA: b\nB: c\r\n\r\n",
    "CRLF among LF": b"HTTP/1.1 200 OK\nA: b\r\nB: c\n\n",
    "LF and an end in CRLF": b"HTTP/1.1 200 OK\nA: b\n\r\n",
    "folded line": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
    "folded first line": b"HTTP/1.1 200 OK\r\n A: b\r\n\r\n",
    "NUL in a value": b"HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n",
    "control character in a value": b"HTTP/1.1 200 OK\r\nA: b\x01c\r\n\r\n",
    "DEL in a value": b"HTTP/1.1 200 OK\r\nA: b\x7fc\r\n\r\n",
    "blank before the colon": b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
    "no name": b"HTTP/1.1 200 OK\r\n: b\r\n\r\n",
    "no colon": b"HTTP/1.1 200 OK\r\nAb\r\n\r\n",
    "blank in a name": b"HTTP/1.1 200 OK\r\nA b: c\r\n\r\n",
    "status 99": b"HTTP/1.1 099 OK\r\n\r\n",
    "status 600": b"HTTP/1.1 600 OK\r\n\r\n",
    "status 20": b"HTTP/1.1 20 OK\r\n\r\n",
    "status 2000": b"HTTP/1.1 2000 OK\r\n\r\n",
    "status +200": b"HTTP/1.1 +20 OK\r\n\r\n",
    "two blanks before the status": b"HTTP/1.1  200 OK\r\n\r\n",
    "HTTP/2": b"HTTP/2 200 OK\r\n\r\n",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\n\r\n",
    "http/1.1": b"http/1.1 200 OK\r\n\r\n",
    "101 unasked": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "an empty line first": b"\r\nHTTP/1.1 200 OK\r\n\r\n",
    "not HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "CL twice, different": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "CL list, different": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nabc",
    "CL signed": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nab",
    "CL negative": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nab",
    "CL hexadecimal": b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nab",
    "CL empty": b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nab",
    "CL with junk": b"HTTP/1.1 200 OK\r\nContent-Length: 2 b\r\n\r\nab",
    "CL too large": b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\nab",
    "CL bad beside TE": b"HTTP/1.1 200 OK\r\nContent-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked on two lines": b"HTTP/1.1 200 OK\r\n" + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n",
    "chunked not last": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: mystery, chunked\r\n\r\n0\r\n\r\n",
    "TE in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("case", HEADS)
def test_a_head_that_is_refused(script, case):
    with pytest.raises(errors.ProtocolError):
        http.get(script.play(HEADS[case]), timeout=5)


CHUNKS = {
    "LF after the size": b"5\nhello\r\n0\r\n\r\n",  # CVE-2025-22871
    "LF after the data": b"5\r\nhello\n0\r\n\r\n",
    "data too long": b"5\r\nhelloXX0\r\n\r\n",  # CVE-2025-43859
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "blank before": b" 5\r\nhello\r\n0\r\n\r\n",
    "blank after": b"5 \r\nhello\r\n0\r\n\r\n",
    "17 digits": b"00000000000000005\r\nhello\r\n0\r\n\r\n",
    "overflow": b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "CR in an extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "LF in an extension": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "junk for an extension": b"5 a\r\nhello\r\n0\r\n\r\n",
    "extension without a name": b"5;=a\r\nhello\r\n0\r\n\r\n",
    "an open quote": b'5;a="b\r\nhello\r\n0\r\n\r\n',
    "a long extension": b"5;a=" + b"b" * 5000 + b"\r\nhello\r\n0\r\n\r\n",
    "long extensions together": b"".join(b"1;a=" + b"b" * 3000 + b"\r\nx\r\n" for _ in range(10)) + b"0\r\n\r\n",
    "LF in trailers": b"5\r\nhello\r\n0\r\nA: b\n\n",
    "a folded trailer": b"5\r\nhello\r\n0\r\nA: b\r\n c\r\n\r\n",
    "a bad trailer": b"5\r\nhello\r\n0\r\nA b\r\n\r\n",
    "many trailers": b"5\r\nhello\r\n0\r\n" + b"A: b\r\n" * 300 + b"\r\n",
}


@pytest.mark.parametrize("case", CHUNKS)
def test_a_chunk_that_is_refused(script, case):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with pytest.raises(errors.ProtocolError):
        http.get(script.play(head + CHUNKS[case]), timeout=5)


@pytest.mark.parametrize("extension", [b";a", b";a=b", b' ; a = "b;\\"c"', b";a;b=c", b"\t;a"])
def test_extensions_that_are_allowed(script, extension):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
    body = b"0005" + extension + b"\r\nhello\r\n000" + extension + b"\r\n\r\n"
    assert http.get(script.play(head + body)).content == b"hello"


def test_both_framings_close_the_connection(script):
    script.play(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n")
    with http.Client() as client:
        assert client.get(script.url()).content == b"a"
        assert client.connections == (0, 0)


def test_equal_lengths_are_one(script):
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\ncontent-length: 2\r\n\r\nab"
    assert http.get(script.play(reply)).content == b"ab"


def test_lines_that_all_end_in_lf_are_read_once(script):
    """RFC 9112 section 2.2 allows it; the connection is not used again."""
    script.play(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nab")
    with http.Client() as client:
        assert client.get(script.url()).content == b"ab"
        assert client.connections == (0, 0)


def test_lines_that_end_in_lf_are_refused_where_the_peer_knows_better(script):
    final = b"HTTP/1.1 200 OK\nContent-Length: 2\n\nab"
    with pytest.raises(errors.ProtocolError, match="LF alone"):
        http.get(script.play(b"HTTP/1.1 103 Early Hints\r\n\r\n" + final))
    with pytest.raises(errors.ProtocolError, match="LF alone"):
        http.get(script.play(b"HTTP/1.1 103 Early Hints\n\n" + final.replace(b"\n", b"\r\n")))
    script.play(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", final)
    with http.Client() as client:
        assert client.get(script.url()).content == b"ab"
        with pytest.raises(errors.ProtocolError, match="LF alone"):
            client.get(script.url())


def test_lines_that_end_in_lf_can_be_refused_altogether(script):
    script.play(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nab")
    with pytest.raises(errors.ProtocolError, match="LF alone"):
        http.get(script.url(), lf_only_heads=False)


def test_caps_of_a_head(script):
    line = b"HTTP/1.1 200 OK\r\nA: " + b"a" * 70_000
    lines = b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 300 + b"\r\n"
    total = b"HTTP/1.1 200 OK\r\n" + (b"A: " + b"a" * 10_000 + b"\r\n") * 40
    for reply in (line, lines, total):
        with pytest.raises((errors.TooLargeError, errors.ProtocolError)):
            http.get(script.play(reply), timeout=5)


def test_endless_interim_responses(script):  # CVE-2023-38039
    with pytest.raises(errors.ProtocolError, match="1xx"):
        http.get(script.play(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100), timeout=5)


def test_interim_responses(script):
    script.play(
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    )
    response = http.get(script.url())
    assert response.content == b"ok"
    assert [interim.status for interim in response.informational] == [102, 103]
    assert response.early_hints[0]["link"] == "</a>; rel=preload"


def coded(body: bytes, coding: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (coding, len(body)) + body


def test_codings(script):
    text = b"hello " * 1000
    raw = zlib.compressobj(wbits=-15)
    for body, coding in (
        (gzip.compress(text), b"gzip"),
        (gzip.compress(text[:600]) + gzip.compress(text[600:]), b"gzip"),
        (zlib.compress(text), b"deflate"),
        (raw.compress(text) + raw.flush(), b"deflate"),
        (gzip.compress(zlib.compress(text)), b"deflate, gzip"),
        (text, b"identity"),
    ):
        response = http.get(script.play(coded(body, coding)))
        assert response.content == text
        assert http.get(script.play(coded(body, coding)), decode=False).content == body
    assert b"Accept-Encoding: gzip, deflate, br, zstd\r\n" in script.requests[0]


def test_a_bomb_stops_at_the_cap(script):  # CVE-2025-66471
    bomb = gzip.compress(gzip.compress(bytes(200_000_000), 9), 9)
    with pytest.raises(errors.TooLargeError) as caught:
        http.get(script.play(coded(bomb, b"gzip, gzip")), max_size=1_000_000)
    assert 1_000_000 < caught.value.length < 10_000_000


def test_too_many_codings(script):  # CVE-2025-66418
    with pytest.raises(errors.ProtocolError, match="codings"):
        http.get(script.play(coded(b"x", b", ".join([b"gzip"] * 6))))


def test_damaged_codings(script):
    body = gzip.compress(b"hello" * 100)
    for damaged in (body[:-1], body[:20], b"hello", body[:-8] + bytes(8)):
        with pytest.raises(errors.ProtocolError, match="gzip"):
            http.get(script.play(coded(damaged, b"gzip")))


def test_transfer_coding_gzip(script):
    body = gzip.compress(b"hello")
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
    reply = head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    assert http.get(script.play(reply)).content == b"hello"


def test_a_cookie_of_a_public_suffix_is_refused(script):  # CVE-2023-46218
    script.play(
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Domain=co.uk\r\nSet-Cookie: b=2; Domain=example.co.uk\r\n"
        b"Set-Cookie: c=3; Domain=other.example\r\nSet-Cookie: d=4; Secure\r\nSet-Cookie: __Host-e=5\r\n"
        b"Set-Cookie: f=6\r\nContent-Length: 0\r\n\r\n"
    )
    with http.Client(connect_to={("www.example.co.uk", 80): ("127.0.0.1", script.port)}) as client:
        client.get("http://www.example.co.uk/")
        assert {cookie.name: cookie.domain for cookie in client.cookies.jar} == {
            "b": "example.co.uk",
            "f": "www.example.co.uk",
        }


def test_cookies_come_back(script):
    script.play(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2; Path=/x\r\nContent-Length: 0\r\n\r\n")
    script.play(*[b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"] * 3)
    with http.Client(cookies={"own": "0"}) as client:
        for path in ("/", "/y", "/x/y"):
            client.get(script.url(path))
    sent = [request.partition(b"Cookie: ")[2].partition(b"\r\n")[0] for request in script.requests]
    assert sent == [b"own=0", b"own=0; a=1", b"own=0; b=2; a=1"]


def test_an_early_answer_is_heard(script):
    def early(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")

    script.play()
    listener = socket.create_server(("127.0.0.1", 0))
    import threading

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            early(connection)
            while connection.recv(1 << 20):
                pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        assert http.put(url, content=bytes(50_000_000)).status == 413
    thread.join(5)


def test_expect_100_continue(script):
    listener = socket.create_server(("127.0.0.1", 0))
    import threading

    seen: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            seen.append(connection.recv(10_000))
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            seen.append(connection.recv(10_000))
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        response = http.post(url, content=b"body", headers={"Expect": "100-continue"})
    thread.join(5)
    assert response.status == 200
    assert seen[0].endswith(b"\r\n\r\n")
    assert seen[1] == b"body"
    assert [interim.status for interim in response.informational] == [100]
