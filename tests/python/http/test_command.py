"""The command line: its letters, what it prints and saves, its exit statuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest


def ok(body: bytes = b"ok", *lines: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *lines, b"", body])


def field(request: bytes, name: str) -> str | None:
    found = re.search(rb"\r\n" + name.encode() + rb": ([^\r]*)\r\n", request, re.IGNORECASE)
    return found[1].decode() if found else None


def command(*words: str, cwd=None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "eyesocket", "get", *words], capture_output=True, timeout=30, cwd=cwd)


def test_the_commands_letters(script, tmp_path):
    script.play(ok(b"", b"X-A: b"))
    done = command("-I", script.url())
    assert done.stdout.startswith(b"HTTP/1.1 200 OK\r\n")
    assert script.requests[-1].startswith(b"HEAD ")
    script.play(ok())
    command("-X", "PUT", "-H", "X-B: c", "-d", "a=1", "-d", "b=2", "-u", "u:p", script.url())
    assert script.requests[-1].startswith(b"PUT / ")
    assert script.requests[-1].endswith(b"\r\n\r\na=1&b=2")
    assert field(script.requests[-1], "x-b") == "c"
    assert field(script.requests[-1], "authorization") == "Basic dTpw"
    script.play(b"HTTP/1.1 302 X\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n", ok(b"there"))
    done = command("-L", "-w", "\\n%{http_code} %{num_redirects}", script.url())
    assert done.stdout == b"there\n200 1"
    script.play(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")
    done = command("-f", script.url())
    assert (done.returncode, done.stdout, done.stderr) == (22, b"", b"eyesocket get: 404 Not Found\n")
    script.play(ok(b"saved"))
    done = command("-O", script.url("/a/name.txt?q"), cwd=tmp_path)
    assert (done.returncode, (tmp_path / "name.txt").read_bytes()) == (0, b"saved")
    script.play(ok(b"saved too"))
    done = command("-o", "f", "-v", "--waterfall", "--har", "h", script.url(), cwd=tmp_path)
    assert (tmp_path / "f").read_bytes() == b"saved too"
    assert b"> GET / HTTP/1.1" in done.stderr
    assert b"receive" in done.stderr
    assert json.loads((tmp_path / "h").read_text())["log"]["entries"][0]["response"]["status"] == 200
    done = command("-k", script.url())
    assert done.returncode == 2
    assert b"--insecure" in done.stderr


def test_the_commands_bodies(script, tmp_path):
    (tmp_path / "f").write_bytes(b"a\r\nb\0c\n")
    script.play(ok(), ok(), ok())
    command("-d", "@f", script.url(), cwd=tmp_path)
    script.play(ok())
    command("--data-binary", "@f", script.url(), cwd=tmp_path)
    assert [request.partition(b"\r\n\r\n")[2] for request in script.requests] == [b"abc", b"a\r\nb\0c\n"]
    done = subprocess.run(
        [sys.executable, "-m", "eyesocket", "get", "-d", "@-", "-H", "X-Empty;", script.play(ok())],
        input=b"in\n",
        capture_output=True,
        timeout=30,
    )
    assert (done.returncode, script.requests[-1][-2:]) == (0, b"in")
    assert b"\r\nX-Empty: \r\n" in script.requests[-1]


@pytest.mark.parametrize(
    "words",
    [["--retry", "-1"], ["--max-redirs", "-2"], ["-m", "-1"], ["-m", "nan"], ["--connect-timeout", "x"], ["-m", "inf"]],
)
def test_numbers_that_are_none_are_wrong_words(script, words):
    done = command(*words, script.url())
    assert done.returncode == 2
    assert b"is no number of" in done.stderr
    assert not script.requests


def test_no_limit_is_said_as_curl_says_it(script):
    script.play(b"HTTP/1.1 302 X\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n", ok(b"there"))
    done = command("-L", "--max-redirs", "-1", "-m", "0", "--connect-timeout", "0", script.url())
    assert (done.returncode, done.stdout) == (0, b"there")


def test_the_command_says_what_took_too_long(script):
    script.play(lambda connection: connection.recv(1))
    done = command("-m", "0.2", script.url())
    assert done.returncode == 1
    told = f"eyesocket get: waiting for the response of 127.0.0.1:{script.port}: timed out"
    assert done.stderr.decode().startswith(told)


def test_the_command_saves_what_any_method_gives(script, tmp_path):
    script.play(ok(b"made"))
    done = command("-X", "POST", "-d", "a", "-o", "f", "-w", "%{size_download}", script.url(), cwd=tmp_path)
    assert (done.returncode, done.stdout, (tmp_path / "f").read_bytes()) == (0, b"4", b"made")
    script.play(ok(b"x" * 100_000))
    done = command("-o", "-", "-w", "%{size_download}", script.url(), cwd=tmp_path)
    assert done.stdout == b"x" * 100_000 + b"100000"
    script.play(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
    done = command("-o", "g", script.url(), cwd=tmp_path)
    assert (done.returncode, (tmp_path / "g").exists()) == (1, False)
    script.play(b"HTTP/1.1 416 No\r\nContent-Range: bytes */9\r\nContent-Length: 0\r\n\r\n")
    done = command("-o", "g", script.url(), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, b"eyesocket get: nothing saved: 416 No\n")


def test_the_command_prints_what_came_before_the_end(script):
    moved = b"HTTP/1.1 302 X\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"
    script.play(moved, half)
    done = command("-i", "-L", script.url())
    assert (done.returncode, done.stdout) == (1, moved + half)
    assert b"after 4 of 9 bytes" in done.stderr


def test_the_command_goes_on_with_a_download(script, tmp_path):
    whole = bytes(range(256)) * 100
    head = b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\nETag: "v1"\r\n\r\n' % len(whole)
    script.play(head + whole[:10_000])
    assert command("-O", script.url("/big"), cwd=tmp_path).returncode == 1
    rest = b"bytes 10000-%d/%d" % (len(whole) - 1, len(whole))
    script.play(
        b"HTTP/1.1 206 P\r\nContent-Range: %s\r\nContent-Length: %d\r\n\r\n" % (rest, len(whole) - 10_000)
        + whole[10_000:]
    )
    done = command("-C", "-", "-O", "--waterfall", script.url("/big"), cwd=tmp_path)
    assert (done.returncode, (tmp_path / "big").read_bytes()) == (0, whole)
    assert done.stderr.splitlines()[-1].startswith(b"receive")
    # A part that is the whole file already: the server has nothing more.
    (tmp_path / "big").rename(tmp_path / "big.part")
    (tmp_path / "big.part.tag").write_text(script.note('"v1"', path="/big"))
    script.play(b"HTTP/1.1 416 No\r\nContent-Range: bytes */%d\r\nContent-Length: 0\r\n\r\n" % len(whole))
    assert command("-C", "-", "-O", script.url("/big"), cwd=tmp_path).returncode == 0
    assert (tmp_path / "big").read_bytes() == whole
