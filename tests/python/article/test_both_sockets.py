"""The article's scripts on the standard library's socket and on ours, one import apart: nothing is to be seen of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import eyesocket.article

ARTICLE = Path(eyesocket.article.__file__).parent
IMPORT = re.compile(r"^( *)from eyesocket import ([\w, ]*\bsocket\b[\w, ]*)$", re.MULTILINE)
ENVIRONMENT = {**os.environ, "PYTHONWARNINGS": "error", "PYTHONUNBUFFERED": "1"}


def stock_import(line):
    """Give the standard library's module in place of ours, and leave what else the line imports."""
    indent, names = line[1], [name for name in line[2].split(", ") if name != "socket"]
    rest = [f"{indent}from eyesocket import {', '.join(names)}"] if names else []
    return "\n".join([f"{indent}import socket", *rest])


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """Two copies of the scripts, which differ in where their module `socket` is from."""
    top = tmp_path_factory.mktemp("scripts")
    changed = {}
    for which in ("ours", "stock"):
        shutil.copytree(ARTICLE, top / which / "article", ignore=shutil.ignore_patterns("__pycache__"))
        for path in (top / which).rglob("*.py"):
            text = path.read_text().replace("eyesocket.article", "article")
            if which == "stock":
                text, changed[path.name] = IMPORT.subn(stock_import, text)
            path.write_text(text)
    assert sum(changed.values()) >= 14
    assert max(changed.values()) == 1
    return top


def told(text):
    """What a program printed, without the numbers that the kernel chose and the time it took."""
    text = re.sub(r"(127\.0\.0\.1|localhost)(:|', |\[)\d+", r"\1\2PORT", text)
    text = re.sub(r"\b\d+\.\d+ ms", "TIME", text)
    return re.sub(r"(?m)^Date: .*$", "Date: TODAY", text)


def run(folder, name, *words):
    command = [sys.executable, "-m", f"article.{name}", *words]
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, told(done.stdout), told(done.stderr)


def talk(folder, server, client, *words, port):
    """Run a server and a client; give what both printed and how they ended."""
    command = [sys.executable, "-m", f"article.{server}", "--announce", *words]
    command += ["--port", "0"] if port else []
    with subprocess.Popen(
        command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            where = process.stdout.readline().removeprefix("listening on ").strip()
            answer = run(folder, client, *(["--port", where.rpartition(":")[2]] if port else ["--path", where]))
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    return answer, (process.returncode, told(out), told(err))


@pytest.mark.parametrize(
    ("server", "client", "words"),
    [
        ("simple_tcp_echo.echo_server", "simple_tcp_echo.echo_client", ["--count", "1"]),
        ("simple_udp_echo.echo_server", "simple_udp_echo.echo_client", ["--count", "1"]),
        ("tcp_echo_with_pitfall.echo_server", "tcp_echo_with_pitfall.echo_client", ["--count", "1"]),
        ("framing_assumptions.tcp_server", "framing_assumptions.tcp_client", []),
        ("framing_assumptions.udp_server", "framing_assumptions.udp_client", []),
    ],
)
def test_a_server_and_its_client(copies, server, client, words):
    ours, stock = (talk(copies / which, server, client, *words, port=True) for which in ("ours", "stock"))
    assert ours == stock
    assert ours[0][0] == ours[1][0] == 0
    assert "hello" in ours[0][1] + ours[1][1]


def test_unix_server_and_client(copies, tmp_path):
    words = ["--path", str(tmp_path / "echo"), "--count", "1"]
    ours, stock = (talk(copies / which, "uds_server", "uds_client", *words, port=False) for which in ("ours", "stock"))
    assert ours == stock == ((0, "hello unix domain socket\n", ""), (0, "new client\n", ""))


@pytest.mark.parametrize(
    ("name", "words"), [("send_buffer", ["1", "65536", str(2**30)]), ("http_ua", []), ("https_ua", [])]
)
def test_a_script_by_itself(copies, name, words):
    ours, stock = (run(copies / which, name, *words) for which in ("ours", "stock"))
    assert ours == stock
    assert ours[0] == 0, ours[2]
    assert ours[1]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("simple_tcp_echo.echo_client", ["--port", "1"]),
        ("simple_tcp_echo.echo_client", ["--port", "70000"]),
        ("simple_tcp_echo.echo_server", ["--host", "192.0.2.1"]),
        ("uds_client", ["--path", "/no/such/socket"]),
        ("uds_server", ["--path", "/" + "x" * 200]),
    ],
)
def test_what_fails_fails_alike(copies, name, words):
    ours, stock = (run(copies / which, name, *words) for which in ("ours", "stock"))
    assert ours[0] == stock[0] == 1
    # The stock module's exceptions do not know the address: ours have it besides.
    assert stock[2].strip() in ours[2] or stock[2].partition(": ")[2].strip() in ours[2]
