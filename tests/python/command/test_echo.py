"""`eyesocket echo` as real processes."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest

COMMAND = [sys.executable, "-m", "eyesocket", "echo"]


def send(*words):
    return subprocess.run([*COMMAND, "send", *words], capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def serving(*words):
    command = [*COMMAND, "serve", "--json", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            yield json.loads(line)["address"], process
        finally:
            process.kill()


@pytest.mark.parametrize("way", [[], ["--udp"]])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_message_comes_back(way, host):
    with serving(*way, "--host", host, "--port", "0", "--count", "1") as (address, process):
        done = send(*way, "--host", host, "--port", str(address[1]), "grüße")
        assert (done.returncode, done.stdout, done.stderr) == (0, "grüße\n", "")
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert json.loads(out.splitlines()[-1])["bytes"] == len("grüße".encode())


def test_over_a_path_that_is_gone_afterwards(tmp_path):
    path = tmp_path / "echo"
    with serving("--unix", str(path), "--count", "1") as (address, process):
        assert address == str(path)
        assert send("--unix", str(path)).stdout == "hello socket world\n"
        process.communicate(timeout=60)
    assert not path.exists()


def test_a_silent_client_holds_up_nobody():
    with serving("--port", "0") as (address, _), socket.create_connection(tuple(address)):
        assert send("--port", str(address[1])).returncode == 0


def test_a_client_that_resets_is_told_and_the_next_is_served():
    with serving("--port", "0") as (address, process):
        with socket.create_connection(tuple(address)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            assert json.loads(process.stdout.readline())["event"] == "connected"
        assert json.loads(process.stdout.readline())["event"] == "failed"
        assert send("--port", str(address[1])).returncode == 0


def test_control_c_ends_the_server_without_a_traceback():
    with serving("--port", "0") as (_, process):
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "")


def test_a_reply_that_differs_is_exit_status_1():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [*COMMAND, "send", "--port", str(listener.getsockname()[1]), "abc"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
            peer, _ = listener.accept()
            with peer:
                assert peer.recv(3, socket.MSG_WAITALL) == b"abc"
                peer.sendall(b"ab")
            out, _ = client.communicate(timeout=60)
    assert client.returncode == 1
    assert out == "the echo differs: 2 of 3 bytes came back: ab\n"


def test_silence_is_a_timeout():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = send("--port", str(listener.getsockname()[1]), "--timeout", "0.05")
    assert done.returncode == 1
    assert "timed out" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--host", "x." * 150 + "invalid"], "not known"),
        (["--host", "a..b"], "label"),
        (["--port", "1", "--host", "127.0.0.1"], "Connection refused"),
        (["--unix", "/" + 200 * "x"], "107 bytes"),
    ],
)
def test_errors_are_one_line(words, told):
    done = send(*words)
    assert done.returncode == 1
    assert done.stderr.startswith("eyesocket echo: ")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_path_without_a_server_is_one_line(tmp_path):
    done = send("--unix", str(tmp_path / "none"))
    assert done.returncode == 1
    assert "No such file" in done.stderr
    assert done.stderr.count("\n") == 1
