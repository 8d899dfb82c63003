"""`http_ua` and `https_ua` as real processes, on loopback."""

from __future__ import annotations

import re
import subprocess
import sys


def run(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", f"eyesocket.article.{name}", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


HEAD = (
    "HTTP/1.1 200 OK\nServer: eyesocket.article\nContent-Type: text/html\n"
    "Content-Length: 81\nConnection: Keep-Alive\n\n"
)
PAGE = '<html>\n<meta http-equiv="refresh" content="0;url=http://baidu.invalid/">\n</html>\n'


def test_http_ua():
    done = run("http_ua")
    assert (done.returncode, done.stderr) == (0, "")
    by_hand, ours = done.stdout.split("-" * 20 + "eyesocket.http" + "-" * 20 + "\n")
    assert by_hand == f"connected to 127.0.0.1\n{'-' * 20}received{'-' * 20}\n{HEAD}{PAGE}\n"
    expected = (
        r"<Response 200 OK, 81 bytes, \d+\.\d ms>\n"
        r"connected to 127\.0\.0\.1\n"
        r"one recv of a long reply: (\d+) bytes; the wire had (\d+)\n"
        r"<Response 200 OK, 19600 bytes, \d+\.\d ms>, 20 chunks\n"
    )
    found = re.fullmatch(expected, ours)
    assert found, ours
    assert int(found[1]) <= 4096 < int(found[2])


def test_https_ua():
    done = run("https_ua")
    assert (done.returncode, done.stderr) == (0, "")
    by_hand, ours = done.stdout.split("-" * 20 + "eyesocket.http" + "-" * 20 + "\n")
    assert by_hand == f"connected to 127.0.0.1\n{'-' * 20}received{'-' * 20}\n{HEAD}{PAGE}\n"
    headers = "server: eyesocket.article\ncontent-type: text/html\ncontent-length: 81\nconnection: Keep-Alive\n"
    assert re.fullmatch(r"<Response 200 OK, 81 bytes, \d+\.\d ms>\n" + re.escape(headers + "\n" + PAGE + "\n"), ours)


def test_a_host_that_refuses():
    done = run("http_ua", "--host", "127.0.0.1", "--port", "1")
    assert done.returncode == 1
    assert "Connection refused" in done.stderr
    assert "Traceback" not in done.stderr
