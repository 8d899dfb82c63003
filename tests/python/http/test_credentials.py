"""Who asks: Digest in all its kinds, netrc."""

from __future__ import annotations

import hashlib
import re

import pytest

from eyesocket import http


def ok(body: bytes = b"ok", *lines: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *lines, b"", body])


def field(request: bytes, name: str) -> str | None:
    found = re.search(rb"\r\n" + name.encode() + rb": ([^\r]*)\r\n", request, re.IGNORECASE)
    return found[1].decode() if found else None


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [
        (None, "md5"),
        ("MD5", "md5"),
        ("SHA-256", "sha256"),
        ("SHA-512-256", "sha512_256"),
        ("SHA-512", "sha512"),
    ],
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
        return hashlib.new(digest, text.encode()).hexdigest()

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
