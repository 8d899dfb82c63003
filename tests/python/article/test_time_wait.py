"""The scripts about TIME_WAIT and socket tables, as real processes."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

from eyesocket.article import netstat_vs_ss


def test_who_closes_first_waits_and_reuseaddr_lets_the_server_back(script):
    told = script("time_wait").stdout
    timer = r"timer:\(timewait,(1min|5\dsec),0\)"
    expected = (
        r"client closed first; client 127\.0\.0\.1:\d+, server (127\.0\.0\.1:\d+)\n"
        rf"  the client waits: TIME-WAIT {timer}\n"
        r"  the server is through\n"
        r"server closed first; client 127\.0\.0\.1:\d+, server \1\n"
        r"  the client is through\n"
        rf"  the server waits: TIME-WAIT {timer}\n"
        r"SO_REUSEADDR=0: \[Errno 98\] Address already in use\n"
        r"SO_REUSEADDR=1: listening on \1 again\n"
    )
    assert re.fullmatch(expected, told), told


def test_a_port_in_use_is_one_line(script):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = script("time_wait", "--port", taken.getsockname()[1], status=1)
    assert done.stdout == ""
    assert "Address already in use" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_filter_shows_the_socket_and_its_process(script):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        told = script("netstat_vs_ss", "state", "listening", "sport", "=", f":{port}").stdout
    name = Path("/proc/self/comm").read_text().strip()
    assert told == (
        f"$ ss -tuno state listening sport = :{port}: 1\n"
        f"tcp 0 128 127.0.0.1:{port} 0.0.0.0:0 LISTEN {os.getpid()}/{name}\n"
    )


def test_the_articles_commands_are_answered(script):
    told = script("netstat_vs_ss").stdout
    commands = re.findall(r"^\$ (.*): \d+$", told, re.MULTILINE)
    assert commands == [
        "netstat -tnlp, ss -tnlp",
        "netstat -unlp, ss -unlp",
        "netstat -tunp, ss -tunp",
        "ss -tn exclude listening",
        "ss -o state time-wait -n",
    ]


def test_owners_are_those_who_hold_the_descriptor():
    with socket.socket() as sock:
        inode = os.fstat(sock.fileno()).st_ino
        assert netstat_vs_ss.owners()[inode].startswith(f"{os.getpid()}/")
    assert inode not in netstat_vs_ss.owners()
