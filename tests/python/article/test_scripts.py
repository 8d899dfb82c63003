"""Each script of the article as a real process, its output compared to the letter."""

from __future__ import annotations

import ctypes
import os
import pkgutil
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import eyesocket.article
from eyesocket import framing
from eyesocket.article.tcp_echo_with_pitfall.safe_socket import safe_send


def port_of(where):
    return where.rpartition(":")[2]


def finish(process):
    """What a server printed after its announcement, once it has ended by itself."""
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    return out


@pytest.mark.parametrize("folder", ["simple_tcp_echo", "tcp_echo_with_pitfall"])
def test_tcp_echo(script, server, folder):
    with server(f"{folder}.echo_server", "--port", 0, "--count", 2) as (where, process):
        for _ in range(2):
            assert script(f"{folder}.echo_client", "--port", port_of(where)).stdout == "hello socket world\n"
        told = finish(process)
    one = r"new client from 127\.0\.0\.1:(\d+)\nclient\[127\.0\.0\.1:\1\] socket closed\n"
    two = one.replace(r"\1", r"\2")
    assert re.fullmatch(one + two, told)


def test_the_framed_echo_pair_needs_no_length_beforehand(script, server):
    with server("tcp_echo_with_pitfall.framed_echo_server", "--port", 0, "--count", 2) as (where, process):
        for _ in range(2):
            told = script("tcp_echo_with_pitfall.framed_echo_client", "--port", port_of(where)).stdout
            assert told == "hello socket world\n"
        assert finish(process) == ""


def test_the_framed_echo_in_five_lines(script):
    assert script("tcp_echo_with_pitfall.framed_echo", "--port", 0).stdout == "hello socket world\n"


def test_the_served_echo_is_not_held_up_by_a_silent_client(script, server):
    with (
        server("simple_tcp_echo.framed_echo_server", "--port", 0, "--count", 2) as (where, process),
        socket.create_connection(("127.0.0.1", int(port_of(where)))),
    ):
        for _ in range(2):
            told = script("simple_tcp_echo.echo_client", "--port", port_of(where)).stdout
            assert told == "hello socket world\n"
        assert re.fullmatch(r"(18 bytes from 127\.0\.0\.1:\d+\n){2}", finish(process))


def test_framed_tcp_keeps_two_sends_apart(script, server):
    with server("framing_assumptions.framed_tcp_server", "--port", 0) as (where, process):
        assert script("framing_assumptions.framed_tcp_client", "--port", port_of(where)).stdout == ""
        assert finish(process) == "hello\nhello\n"


def test_udp_echo(script, server):
    with server("simple_udp_echo.echo_server", "--port", 0, "--count", 1) as (where, process):
        told = script("simple_udp_echo.echo_client", "--port", port_of(where)).stdout
        assert told == f"receive data:[hello udp socket] from {where}\n"
        assert re.fullmatch(r"new client from 127\.0\.0\.1:\d+\n", finish(process))


def test_tcp_runs_two_sends_together(script, server):
    with server("framing_assumptions.tcp_server", "--port", 0) as (where, process):
        assert script("framing_assumptions.tcp_client", "--port", port_of(where)).stdout == ""
        assert finish(process) == "hellohello\n\n"


def test_udp_keeps_two_sends_apart(script, server):
    with server("framing_assumptions.udp_server", "--port", 0) as (where, process):
        assert script("framing_assumptions.udp_client", "--port", port_of(where)).stdout == ""
        assert finish(process) == "hello\nhello\n"


def test_send_buffer_is_what_the_kernel_says(script):
    with socket.socket() as probe:
        first = probe.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        lines = [f"send buffer at first: {first} bytes"]
        for asked, verdict in [(1, "raised to the minimum"), (65536, "doubled"), (2**30, "cut to the maximum")]:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, asked)
            got = probe.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
            lines.append(f"asked for {asked} bytes, got {got}: {verdict}")
    told = script("send_buffer", 1, 65536, 2**30).stdout.splitlines()
    assert [line.partition(", net.core")[0] for line in told] == lines


def test_unix_echo(script, server, tmp_path):
    path = tmp_path / "echo"
    with server("uds_server", "--path", path, "--count", 1) as (where, process):
        assert where == str(path)
        assert script("uds_client", "--path", path).stdout == "hello unix domain socket\n"
        assert finish(process) == "new client\n"
    assert not path.exists()


def test_unix_server_comes_back_over_a_socket_left_behind(script, server, tmp_path):
    path = tmp_path / "echo"
    with server("uds_server", "--path", path):
        pass
    assert stat.S_ISSOCK(path.stat().st_mode), "killed, it leaves its socket behind"
    with server("uds_server", "--path", path, "--count", 1) as (_, process):
        script("uds_client", "--path", path)
        finish(process)


def test_unix_server_takes_no_path_away_from_others(script, server, tmp_path):
    mine = tmp_path / "file"
    mine.write_text("mine")
    assert "Address already in use" in script("uds_server", "--path", mine, status=1).stderr
    assert mine.read_text() == "mine"
    path = tmp_path / "echo"
    with server("uds_server", "--path", path):
        assert "Address already in use" in script("uds_server", "--path", path, status=1).stderr
        assert script("uds_client", "--path", path).stdout == "hello unix domain socket\n"


def test_the_framed_unix_pair_serves_beside_a_silent_client(script, server, tmp_path):
    path = tmp_path / "echo"
    with server("framed_uds_server", "--path", path):
        pass
    assert stat.S_ISSOCK(path.stat().st_mode), "killed, it leaves its socket behind"
    with (
        server("framed_uds_server", "--path", path, "--count", 4) as (where, process),
        socket.socket(socket.AF_UNIX) as silent,
    ):
        assert where == str(path)
        silent.connect(where)
        assert "Address already in use" in script("framed_uds_server", "--path", path, status=1).stderr
        for _ in range(2):
            told = script("framed_uds_client", "--path", path).stdout
            assert told == "hello unix domain socket\n100000 bytes in one message\n"
        assert finish(process) == "24 bytes\n100000 bytes\n" * 2
    assert not path.exists()


def one_line(done, *words):
    """A clear line: no traceback, and it says these words."""
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr


def test_port_in_use(script, server):
    with server("simple_tcp_echo.echo_server", "--port", 0) as (where, _):
        done = script("simple_tcp_echo.echo_server", "--port", port_of(where), status=1)
        one_line(done, "Address already in use", "eyesocket ss")


def unused(kind):
    with socket.socket(socket.AF_INET, kind) as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("simple_tcp_echo.echo_client", socket.SOCK_STREAM),
        ("simple_udp_echo.echo_client", socket.SOCK_DGRAM),
        ("tcp_echo_with_pitfall.echo_client", socket.SOCK_STREAM),
        ("framing_assumptions.tcp_client", socket.SOCK_STREAM),
    ],
)
def test_nobody_listens(script, name, kind):
    one_line(script(name, "--port", unused(kind), status=1), "Connection refused", "start the server first")


def test_nobody_listens_on_a_path(script, tmp_path):
    for name in ("uds_client", "framed_uds_client"):
        one_line(script(name, "--path", tmp_path / "none", status=1), "No such file", "start the server first")


def without_the_right_to_bind():
    """Root keeps every right over exec but those outside the bounding set (capabilities(7))."""
    pr_capbset_drop, cap_net_bind_service = 24, 10
    if ctypes.CDLL(None, use_errno=True).prctl(pr_capbset_drop, cap_net_bind_service):
        raise OSError(ctypes.get_errno(), "prctl")


def test_no_permission_for_a_low_port(script):
    start = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if start <= 1:
        pytest.skip(f"this machine lets anybody bind any port (ip_unprivileged_port_start is {start})")
    options = {} if os.getuid() else {"preexec_fn": without_the_right_to_bind}
    done = script("simple_tcp_echo.echo_server", "--port", start - 1, status=1, **options)
    one_line(done, "Permission denied", str(start))


def test_name_unknown(script, unknown_name):
    done = script("simple_tcp_echo.echo_client", "--host", unknown_name, status=1)
    one_line(done, "not known", unknown_name)


def test_path_too_long(script, tmp_path):
    one_line(script("uds_server", "--path", tmp_path / (200 * "x"), status=1), "AF_UNIX path too long", "107")


@pytest.mark.parametrize(
    ("route", "told"),
    [(None, "Network is unreachable"), ("unreachable", "No route to host"), ("prohibit", "a firewall or a route")],
)
def test_no_way_there(route, told):
    # A namespace of its own has no route to anywhere, but for the one that is made here.
    probe = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    if probe.returncode != 0 or not shutil.which("ip"):
        pytest.skip("needs the right to make a network namespace (root), and ip")
    setup = f"ip link set lo up; ip route add {route} 192.0.2.0/24;" if route else ""
    words = ["unshare", "--net", "sh", "-c", f'{setup} exec "$@"', "sh"]
    words += [sys.executable, "-m", "eyesocket.article.simple_tcp_echo.echo_client", "--host", "192.0.2.1"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    one_line(done, told, "192.0.2.1")


def test_text_where_bytes_belong():
    ours, theirs = eyesocket.socket.socketpair()
    with ours, theirs:
        for call in (ours.send, ours.sendall, lambda text: safe_send(ours, text)):
            with pytest.raises(TypeError, match="a bytes-like object is required, not 'str'"):
                call("hello")
        with framing.wrap(ours, framing.Lines(max_frame=100)) as framed, pytest.raises(TypeError, match="bytes"):
            framed.send("hello")


def test_a_reply_cut_short_keeps_what_came():
    ours, theirs = eyesocket.socket.socketpair()
    with theirs, framing.wrap(ours, framing.LengthPrefixed(4, max_frame=100)) as framed:
        theirs.sendall(b"\0\0\0\x05hel")
        theirs.close()
        with pytest.raises(ConnectionError) as caught:
            framed.recv()
    assert caught.value.errno
    assert caught.value.partial


def test_port_out_of_range(script):
    one_line(script("simple_tcp_echo.echo_client", "--port", 65536, status=1), "0-65535")


def test_reply_cut_short(script):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        command = [sys.executable, "-m", "eyesocket.article.tcp_echo_with_pitfall.echo_client", "--port", str(port)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
            peer, _ = listener.accept()
            with peer:
                length = len("hello socket world")
                assert len(peer.recv(length, socket.MSG_WAITALL)) == length
                peer.sendall(b"hello")
            out, err = client.communicate(timeout=60)
    assert (client.returncode, out, err) == (1, "", "socket connection broken\n")


def test_one_client_that_hangs_up_does_not_end_the_server(script, server):
    with server("tcp_echo_with_pitfall.echo_server", "--port", 0, "--count", 2) as (where, process):
        with socket.create_connection(("127.0.0.1", int(port_of(where)))) as early:
            early.sendall(b"hel")
        assert script("tcp_echo_with_pitfall.echo_client", "--port", port_of(where)).stdout == "hello socket world\n"
        assert "lost: socket connection broken" in finish(process)


def test_control_c_ends_a_server_quietly(server):
    with server("simple_tcp_echo.echo_server", "--port", 0) as (_, process):
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "")


def scripts():
    for module in pkgutil.walk_packages(eyesocket.article.__path__, "eyesocket.article."):
        if not module.ispkg and not module.name.rpartition(".")[2].startswith("_"):
            yield module.name.removeprefix("eyesocket.article.")


def test_the_index_names_every_script():
    index = eyesocket.article.__doc__
    for name in scripts():
        folder, _, last = name.rpartition(".")
        assert f"`{name}`" in index or (f"`.{last}`" in index and f"`{folder}." in index), name


def test_descriptors_do_not_leak(server, script):
    # Far more clients than the server may hold open at once.
    limit = 24
    with server("simple_tcp_echo.echo_server", "--port", 0, "--count", 3 * limit) as (where, process):
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (limit, limit))
        for _ in range(3 * limit):
            with socket.create_connection(("127.0.0.1", int(port_of(where)))) as client:
                client.sendall(b"x")
                assert client.recv(1) == b"x"
        finish(process)
