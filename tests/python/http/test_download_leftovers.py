"""What is joined, where it is written, and who may write it: a download is whole and of one version, or it is none."""

from __future__ import annotations

import gzip
import stat
import threading

import pytest

from eyesocket import errors, http

MONDAY, TUESDAY = "Mon, 02 Nov 2026 00:00:00 GMT", "Tue, 03 Nov 2026 00:00:00 GMT"


def reply(status: str, body: bytes, *lines: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines, "", ""]).encode() + body


def interrupted(script, path, *lines):
    """Leave 10 of 20 bytes."""
    head = "\r\n".join(["HTTP/1.1 200 OK", "Content-Length: 20", *lines, "", ""]).encode()
    with pytest.raises(errors.TruncatedError):
        http.download(script.play(head + b"0123456789"), path)
    assert path.with_name("file.part").read_bytes() == b"0123456789"


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ([f"Last-Modified: {MONDAY}"], ["Content-Range: bytes 10-19/20", f"Last-Modified: {TUESDAY}"]),
        (['ETag: "a"'], ["Content-Range: bytes 10-19/20", 'ETag: "b"']),
        (['ETag: "a"'], ["Content-Range: bytes 10-29/30"]),
        (['ETag: "a"'], ["Content-Range: bytes 10-14/*"]),
    ],
)
def test_the_rest_of_another_version_is_refused(script, tmp_path, was, now):
    path = tmp_path / "file"
    interrupted(script, path, *was)
    body = b"x" * {"19": 10, "29": 20, "14": 5}[now[0].split("-")[-1][:2]]
    script.play(reply("206 Partial Content", body, *now))
    with pytest.raises(OSError, match=r"version .* begin anew"):
        http.download(script.url(), path)
    assert not path.exists()
    assert path.with_name("file.part").read_bytes() == b"0123456789"


@pytest.mark.parametrize("more", [[], ['ETag: "b"']])
def test_a_416_of_another_version_begins_anew(script, tmp_path, more):
    path = tmp_path / "file"
    interrupted(script, path, 'ETag: "a"')
    script.play(reply("416 X", b"", "Content-Range: bytes */10", *more))
    script.play(reply("200 OK", b"new"))
    http.download(script.url(), path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"file": b"new"}


def test_a_416_of_the_same_version_says_that_all_is_here(script, tmp_path):
    (tmp_path / "file.part").write_bytes(b"0123456789")
    (tmp_path / "file.part.tag").write_text(script.note('"a"', "10"))
    script.play(reply("416 X", b"", "Content-Range: bytes */10", 'ETag: "a"'))
    http.download(script.url(), tmp_path / "file")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"file": b"0123456789"}


def test_a_coding_that_nobody_asked_for_stays_on(script, tmp_path):
    """As an archive's may, whose type is told as a coding: lengths and ranges count what is sent."""
    packed, path = gzip.compress(b"0123456789" * 1000), tmp_path / "file.tgz"
    lines = ["Content-Encoding: gzip", 'ETag: "a"']
    cut = reply("200 OK", packed, *lines)[:-20]
    with pytest.raises(errors.TruncatedError):
        http.download(script.play(cut), path)
    have, size = len(packed) - 20, len(packed)
    script.play(reply("206 Partial Content", packed[-20:], f"Content-Range: bytes {have}-{size - 1}/{size}"))
    http.download(script.url(), path)
    assert path.read_bytes() == packed
    assert f"Range: bytes={have}-".encode() in script.requests[1]


def test_one_download_at_a_time_goes_to_a_path(script, tmp_path):
    path, begun, go_on = tmp_path / "file", threading.Event(), threading.Event()

    def slowly(connection):
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 4\r\nETag: "a"\r\n\r\nab')
        assert go_on.wait(20)
        connection.sendall(b"cd")

    url = script.play(slowly)
    first = threading.Thread(target=http.download, args=(url, path), kwargs={"progress": lambda *_: begun.set()})
    first.start()
    try:
        assert begun.wait(20)
        with pytest.raises(BlockingIOError, match="another download"):
            http.download(script.play(reply("200 OK", b"other")), path)
    finally:
        go_on.set()
        first.join(20)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"file": b"abcd"}
    http.download(script.url(), path)
    assert path.read_bytes() == b"other"


@pytest.mark.parametrize("name", ["file.part", "file.part.tag"])
def test_a_planted_link_is_not_followed(script, tmp_path, name):
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    (tmp_path / name).symlink_to(precious)
    with pytest.raises(FileExistsError, match="is a link"):
        http.download(script.play(reply("200 OK", b"new", 'ETag: "a"')), tmp_path / "file")
    assert precious.read_bytes() == b"precious"
    assert not (tmp_path / "file").exists()


def test_a_planted_folder_is_no_file(script, tmp_path):
    (tmp_path / "file.part").mkdir()
    with pytest.raises(OSError, match=r"file\.part"):
        http.download(script.play(reply("200 OK", b"new")), tmp_path / "file")


def test_who_may_read_the_file_does_not_change(script, tmp_path):
    path, modes = tmp_path / "file", []
    path.write_bytes(b"before")
    path.chmod(0o600)

    def look(*_):
        modes.append(stat.S_IMODE((tmp_path / "file.part").stat().st_mode))

    http.download(script.play(reply("200 OK", b"new")), path, progress=look)
    assert modes == [0o600]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["x" * 250, "\u00e9" * 125])
def test_a_long_name_leaves_room(script, tmp_path, name):
    script.play(reply("200 OK", b"0123456789", 'ETag: "a"')[:-3])
    with pytest.raises(errors.TruncatedError):
        http.download(script.url(), tmp_path / name)
    script.play(reply("206 Partial Content", b"789", "Content-Range: bytes 7-9/10"))
    http.download(script.url(), tmp_path / name)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {name: b"0123456789"}


def test_a_download_that_never_began_leaves_nothing(script, tmp_path):
    with pytest.raises(http.HTTPStatusError):
        http.download(script.play(reply("404 Not Found", b"")), tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("lines", "goes_on"),
    [
        (['ETag: "a"'], True),
        (["Last-Modified: Mon, 23 Nov 2026 10:00:00 GMT"], True),
        (['ETag: "a"', "Last-Modified: Mon, 23 Nov 2026 10:00:00 GMT"], True),
        # A weak tag vouches for no bytes, and with one a date may not (RFC 9110 section 13.1.5).
        (['ETag: W/"a"', "Last-Modified: Mon, 23 Nov 2026 10:00:00 GMT"], False),
        # Of a second that is not over (section 8.8.2.2).
        (["Last-Modified: Mon, 23 Nov 2026 10:00:00 GMT", "Date: Mon, 23 Nov 2026 10:00:00 GMT"], False),
        (["Last-Modified: Mon, 23 Nov 2026 10:00:00 GMT", "Date: Mon, 23 Nov 2026 10:00:01 GMT"], True),
        ([], False),
    ],
)
@pytest.mark.parametrize("other", [False, True])
def test_only_what_is_vouched_for_goes_on_and_of_that_resource_alone(script, tmp_path, lines, goes_on, other):
    head = "".join(f"{line}\r\n" for line in lines).encode()
    script.play(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n%s\r\n01234" % head)
    with pytest.raises(http.RemoteProtocolError):
        http.download(script.url("/one"), tmp_path / "file")
    script.play(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n%s\r\nabcdefghij" % head)
    http.download(script.url("/two" if other else "/one"), tmp_path / "file")
    assert (b"\r\nRange: bytes=5-\r\n" in script.requests[1]) is (goes_on and not other)
    assert (tmp_path / "file").read_bytes() == b"abcdefghij"
