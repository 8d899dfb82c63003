"""Downloads: resumed, begun anew, failed, awaited."""

from __future__ import annotations

import asyncio
import re

import pytest

from eyesocket import errors, http


def ok(body: bytes = b"ok", *lines: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *lines, b"", body])


def field(request: bytes, name: str) -> str | None:
    found = re.search(rb"\r\n" + name.encode() + rb": ([^\r]*)\r\n", request, re.IGNORECASE)
    return found[1].decode() if found else None


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
    (tmp_path / "file.part.tag").write_text(script.note('"v1"'))
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


@pytest.mark.parametrize("span", [b"Content-Range: bytes */3\r\n", b"Content-Range: bytes */99\r\n", b""])
@pytest.mark.parametrize("awaited", [False, True])
def test_what_goes_beyond_the_resource_begins_anew(script, tmp_path, span, awaited):
    """416 says that there is nothing behind what is here: the resource has changed."""
    (tmp_path / "f.part").write_bytes(b"01234")
    (tmp_path / "f.part.tag").write_text(script.note('"a"'))
    script.play(b"HTTP/1.1 416 X\r\n%sContent-Length: 0\r\n\r\n" % span)
    script.play(b'HTTP/1.1 200 OK\r\nETag: "b"\r\nContent-Length: 3\r\n\r\nnew')
    if awaited:
        asyncio.run(http.adownload(script.url(), tmp_path / "f", headers={"X": "1"}))
    else:
        http.download(script.url(), tmp_path / "f", headers={"X": "1"})
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"f": b"new"}
    assert b"\r\nRange: bytes=5-\r\n" in script.requests[0]
    assert b"ange:" not in script.requests[1]
    assert b"\r\nX: 1\r\n" in script.requests[1]


def test_a_416_to_a_whole_request_is_an_error(script, tmp_path):
    with pytest.raises(http.HTTPStatusError, match="416"):
        http.download(script.play(b"HTTP/1.1 416 X\r\nContent-Length: 0\r\n\r\n"), tmp_path / "f")
    assert list(tmp_path.iterdir()) == []
