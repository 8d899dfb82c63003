"""`ss` against sockets of the test itself, and against the system's own ss(8)."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import time

import pytest

from eyesocket import ss, table, tcp

HAS_IPV6 = socket.has_ipv6 and "lo" in [name for _, name in socket.if_nameindex()]


@pytest.fixture
def pair():
    """A listener, and both ends of one connection to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        with client, server:
            yield listener, client, server


def port(sock: socket.socket) -> int:
    return sock.getsockname()[1]


def inode(sock: socket.socket) -> int:
    return os.fstat(sock.fileno()).st_ino


def test_a_connection_has_two_rows_and_its_listener_one(pair):
    listener, client, server = pair
    rows = ss(f"state established sport = :{port(listener)}", tcp=True)
    assert [row.inode for row in rows] == [inode(server)]
    (row,) = ss(f"sport = :{port(client)} dport = :{port(listener)}")
    assert (row.protocol, row.ip_version, row.state) == ("tcp", 4, tcp.State.ESTABLISHED)
    assert (row.local, row.peer) == (client.getsockname(), client.getpeername())
    assert (row.inode, row.uid) == (inode(client), os.getuid())
    (row,) = ss(f"sport = :{port(listener)}", listening=True)
    assert (row.state, row.local, row.peer) == (tcp.State.LISTEN, listener.getsockname(), ("0.0.0.0", 0))


def test_queues_are_bytes_not_read_and_connections_not_accepted(pair):
    listener, client, server = pair
    client.sendall(b"x" * 1000)
    server.recv(1, socket.MSG_PEEK)
    (row,) = ss(f"state established sport = :{port(listener)}")
    assert row.recv_q == 1000
    with socket.create_server(("127.0.0.1", 0), backlog=7) as other, socket.create_connection(other.getsockname()):
        (row,) = ss(f"state listening sport = :{port(other)}")
        assert (row.recv_q, row.send_q) == (1, 7)


def test_who_closes_first_is_in_time_wait_with_a_timer(pair):
    listener, client, server = pair
    local = client.getsockname()
    client.close()
    assert server.recv(1) == b""
    server.close()
    (row,) = ss(f"state time-wait sport = :{local[1]} and dport = :{port(listener)}")
    assert (row.state, row.local, row.peer) == (tcp.State.TIME_WAIT, local, listener.getsockname())
    assert (row.timer.name, row.timer.retransmits) == ("timewait", 0)
    assert 50 < row.timer.expires_s <= 60
    assert repr(row.timer).startswith("timer:(timewait,")
    assert len(ss(f"exclude time-wait sport = :{local[1]}")) == 0


def test_a_keepalive_timer(pair):
    _, client, _ = pair
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 300)
    (row,) = ss(f"sport = :{port(client)}")
    assert row.timer.name == "keepalive"
    assert 290 < row.timer.expires_s <= 300


@pytest.mark.skipif(not HAS_IPV6, reason="this machine has no IPv6 on loopback")
def test_ipv6_and_ipv4_inside_it():
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        (row,) = ss(f"sport = :{port(listener)}", listening=True)
        assert (row.ip_version, row.v6_only, row.local) == (6, False, ("::", port(listener), 0, 0))
        with socket.create_connection(("127.0.0.1", port(listener))) as client:
            (row,) = ss(f"sport = :{port(listener)} dst 127.0.0.1", ipv6=True)
            assert row.peer == ("::ffff:127.0.0.1", port(client), 0, 0)
            assert len(ss(f"sport = :{port(listener)}", ipv4=True)) == 0
            assert [row.ip_version for row in ss(f"sport = :{port(client)}")] == [4]


def test_udp_sockets_with_and_without_a_peer():
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
    ):
        one.bind(("127.0.0.1", 0))
        two.connect(one.getsockname())
        (row,) = ss(f"sport = :{port(one)}", udp=True, listening=True)
        assert (row.protocol, row.state, row.peer) == ("udp", tcp.State.CLOSED, ("0.0.0.0", 0))
        (row,) = ss(f"sport = :{port(two)}", udp=True)
        assert (row.state, row.peer) == (tcp.State.ESTABLISHED, one.getsockname())
        assert "udp" not in {row.protocol for row in ss(f"sport = :{port(two)}", tcp=True, all=True)}


def test_the_interface_a_socket_is_bound_to():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
        except PermissionError:
            pytest.skip("SO_BINDTODEVICE needs CAP_NET_RAW on this kernel")
        sock.bind(("127.0.0.1", 0))
        rows = ss(f"sport = :{port(sock)}", udp=True, all=True)
        assert rows[0].interface == "lo"
        assert f"127.0.0.1%lo:{port(sock)}" in repr(rows)


def test_a_table_is_an_immutable_sequence(pair):
    listener, _, _ = pair
    rows = ss(f"exclude time-wait dport = :{port(listener)} or sport = :{port(listener)}", all=True)
    assert len(rows) == 3
    assert rows[:2] == table.SocketTable([rows[0], rows[1]])
    assert rows[0] in rows
    assert rows.index(rows[2]) == 2
    assert len({*rows, *ss(f"exclude time-wait dport = :{port(listener)} or sport = :{port(listener)}", all=True)}) == 3
    with pytest.raises(AttributeError):
        rows[0].uid = 1  # type: ignore[misc]


def test_dicts_are_flat_and_json(pair):
    _, client, _ = pair
    (row,) = json.loads(json.dumps(ss(f"sport = :{port(client)}").to_dicts()))
    host, number = client.getpeername()
    assert (row["state"], row["peer_address"], row["peer_port"]) == ("ESTABLISHED", host, number)
    assert not any(isinstance(value, (dict, list)) for value in row.values())


def test_a_long_table_shows_its_beginning(pair):
    _, client, _ = pair
    (row,) = ss(f"sport = :{port(client)}")
    rows = table.SocketTable([row] * 1000)
    assert repr(rows).startswith("SocketTable(1000 rows)\ntcp  ESTAB  ")
    assert repr(rows).endswith("\n… and 940 more")
    assert rows._repr_html_().count("<tr>") == 61
    assert "… and 940 more" in rows._repr_html_()
    assert rows.text(header=False).count("\n") == 1000


def test_awaiting_gives_the_same(pair):
    _, client, _ = pair
    words = f"sport = :{port(client)}"
    assert asyncio.run(table.ss_async(words)) == ss(words)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("state sleeping", "not a state"),
        ("sport = :ssh", "give its number"),
        ("dst example.org", "not resolved"),
        ("dev lo", "not known here"),
        ("time-wait", "not a word of the filter language"),
    ],
)
def test_a_wrong_filter_says_what_is_wrong(words, says):
    with pytest.raises(ValueError, match=says):
        ss(words)


SS = shutil.which("ss")
needs_ss = pytest.mark.skipif(SS is None, reason="ss(8) of iproute2 is not installed")


def columns(text: str) -> list[list[str]]:
    """Lines as words; a timer's remaining time, which differs from call to call, left out."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    return sorted(
        [",".join([w.split(",")[0], w.split(",")[-1]]) if w.startswith("timer:") else w for w in line] for line in lines
    )


@needs_ss
@pytest.mark.parametrize(
    "words",
    ["", "state established", "state all", "exclude listening", "state time-wait", "exclude big", "state synchronized"],
)
@pytest.mark.parametrize("options", ["-tun", "-tn", "-tna4", "-tnl", "-unlo", "-tnao", "-uan6"])
def test_the_same_lines_as_ss(pair, words, options):
    """Every socket of the test is in both listings or in neither, in the same words."""
    listener, client, server = pair
    server.close()
    client.recv(1)
    deadline = time.monotonic() + 10
    while ss(f"state fin-wait-1 sport = :{port(listener)}"):  # the acknowledgment of its FIN may be delayed
        assert time.monotonic() < deadline
    with socket.create_connection(listener.getsockname()) as other, listener.accept()[0]:
        ports = [f"sport = :{port(sock)} or dport = :{port(sock)}" for sock in (listener, client, other)]
        condition = " ( " + " or ".join(ports) + " )"
        theirs = subprocess.run([SS, options, *(words + condition).split()], capture_output=True, text=True, check=True)
        command = [sys.executable, "-m", "eyesocket", "ss", *[f"-{c}" for c in options.strip("-")], words + condition]
        ours = subprocess.run(command, capture_output=True, text=True, check=True)
    expected = theirs.stdout.replace("Address:PortProcess", "Address:Port").replace("Port Process", "Port")
    assert columns(ours.stdout) == columns(expected)


def test_the_command_prints_json_and_one_line_for_an_error(pair):
    _, client, _ = pair
    command = [sys.executable, "-m", "eyesocket", "ss"]
    ours = subprocess.run([*command, "--json", "-t", f"sport = :{port(client)}"], capture_output=True, text=True)
    assert [row["local_port"] for row in json.loads(ours.stdout)] == [port(client)]
    wrong = subprocess.run([*command, "state", "sleeping"], capture_output=True, text=True)
    assert wrong.returncode == 1
    assert wrong.stdout == ""
    assert wrong.stderr.startswith('eyesocket ss: filter: "sleeping" is not a state')
    assert wrong.stderr.count("\n") == 1
