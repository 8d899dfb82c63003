"""Where a download ends up: what is no file is written to, and a link goes on pointing where it does."""

import os
import stat
import threading

import pytest

from eyesocket import http

REPLY = b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "a"\r\n\r\nwhole'


def test_a_pipe_is_written_to_and_stays(script, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    script.play(REPLY)
    http.download(script.url(), pipe)
    reader.join(30)
    assert read == [b"whole"]
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    assert [entry.name for entry in tmp_path.iterdir()] == ["pipe"]


def test_a_device_is_written_to_and_stays(script):
    """A terminal's: everybody may make one."""
    master, slave = os.openpty()
    try:
        name = os.ttyname(slave)
        script.play(REPLY)
        http.download(script.url(), name)
        assert os.read(master, 100) == b"whole"
        assert stat.S_ISCHR(os.lstat(name).st_mode)
    finally:
        os.close(master)
        os.close(slave)


def test_a_link_stays_and_its_target_is_replaced(script, tmp_path):
    target, link = tmp_path / "there" / "file", tmp_path / "link"
    target.parent.mkdir()
    target.write_bytes(b"before")
    link.symlink_to(target)
    script.play(REPLY)
    http.download(script.url(), link)
    assert link.is_symlink()
    assert target.read_bytes() == b"whole"
    assert [entry.name for entry in target.parent.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("tag", "span", "body"),
    [
        ("b", "bytes 5-9/10", b"FGHIJ"),
        ("a", "bytes 5-6/10", b"56"),
        ("a", "bytes 5-9/99", b"56789"),
        ("a", "bytes 5-9/10", b"567"),
        ("a", "bytes 4-9/10", b"456789"),
        ("a", "bytes 5-4/5", b""),
        ("a", "5-9", b"56789"),
    ],
)
def test_what_is_not_the_rest_makes_no_whole(script, tmp_path, tag, span, body):
    (tmp_path / "file.part").write_bytes(b"01234")
    (tmp_path / "file.part.tag").write_text(script.note('"a"'))
    head = (
        f'HTTP/1.1 206 Partial Content\r\nContent-Length: {len(body)}\r\nETag: "{tag}"\r\nContent-Range: {span}\r\n\r\n'
    )
    script.play(head.encode() + body)
    with pytest.raises(OSError, match=r"Content-Range|version|of 10 bytes"):
        http.download(script.url(), tmp_path / "file")
    assert not (tmp_path / "file").exists()
    assert (tmp_path / "file.part").read_bytes().startswith(b"01234")


def test_a_part_that_nobody_asked_for_is_no_file(script, tmp_path):
    script.play(b"HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\nContent-Range: bytes 0-2/100\r\n\r\nabc")
    with pytest.raises(OSError, match="Content-Range"):
        http.download(script.url(), tmp_path / "file")
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("folder", ["/dev/fd", "/proc/self/fd"])
def test_an_open_file_is_written_to_where_it_stands(script, tmp_path, folder):
    script.play(REPLY)
    with (tmp_path / "log").open("w+b") as log:
        log.write(b"first ")
        log.flush()
        http.download(script.url(), f"{folder}/{log.fileno()}")
        log.write(b" last")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"log": b"first whole last"}
