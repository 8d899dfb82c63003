"""What cannot be probed, and how that is said: by all functions alike, and by the command with an exit status of 2."""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import ipaddress
import socket
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from eyesocket import probe
from eyesocket._command import main

Runner = Callable[..., subprocess.CompletedProcess[str]]

FUNCTIONS: dict[str, Callable[..., object]] = {
    "ping": probe.ping,
    "ping by tcp": lambda host, **options: probe.ping(host, method="tcp", port=9, **options),
    "ping by udp": lambda host, **options: probe.ping(host, method="udp", port=9, **options),
    "ping_iter": lambda host, **options: next(probe.ping_iter(host, **options)),
    "aping": lambda host, **options: asyncio.run(probe.aping(host, **options)),
    "traceroute": probe.traceroute,
    "traceroute by icmp": lambda host, **options: probe.traceroute(host, method="icmp", **options),
    "traceroute by tcp": lambda host, **options: probe.traceroute(host, method="tcp", **options),
    "traceroute_iter": lambda host, **options: next(probe.traceroute_iter(host, **options)),
    "atraceroute": lambda host, **options: asyncio.run(probe.atraceroute(host, **options)),
    "path_mtu": probe.path_mtu,
    "path_mtu by udp": lambda host, **options: probe.path_mtu(host, method="udp", **options),
    "apath_mtu": lambda host, **options: asyncio.run(probe.apath_mtu(host, **options)),
}
each = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())
pytestmark = pytest.mark.usefixtures("icmp")


@each
def test_a_name_that_does_not_resolve(function: Callable[..., object], unknown_name: str) -> None:
    with pytest.raises(socket.gaierror) as raised:
        function(unknown_name)
    assert isinstance(raised.value, OSError)


@each
@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", 6), ("::1", 4)])
def test_a_family_that_does_not_match(function: Callable[..., object], host: str, family: int) -> None:
    with pytest.raises(socket.gaierror):
        function(host, family=family)


@each
def test_a_source_of_the_other_family(function: Callable[..., object]) -> None:
    with pytest.raises((ValueError, socket.gaierror), match=r"."):
        function("127.0.0.1", source="::1")


@each
def test_a_source_that_is_not_ours(function: Callable[..., object]) -> None:
    with pytest.raises(OSError, match=r".") as raised:
        # 192.0.2.0/24 is for documentation (RFC 5737); nothing is sent.
        function("127.0.0.1", source="192.0.2.77")
    assert raised.value.errno == errno.EADDRNOTAVAIL


@each
@pytest.mark.parametrize("host", ["", "\0", "x" * 70 + ".invalid"])
def test_what_is_not_a_host(function: Callable[..., object], host: str) -> None:
    with pytest.raises((ValueError, socket.gaierror), match=r"."):
        function(host)


@each
@pytest.mark.parametrize(
    ("options", "word"), [({"ttl": 300}, "ttl"), ({"tos": 256}, "tos"), ({"timeout": -1}, "timeout")]
)
def test_options_out_of_range(function: Callable[..., object], options: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=f"^{word}: .*give "):
        function("127.0.0.1", **options)


@each
def test_an_interface_that_is_not_there(function: Callable[..., object]) -> None:
    with pytest.raises(OSError, match="No such device"):
        function("127.0.0.1", interface="nosuchif0")


def test_sizes_beyond_a_packet() -> None:
    with pytest.raises(ValueError, match="65508 bytes do not fit into an IPv4 packet; at most 65507"):
        probe.ping("127.0.0.1", 1, size=65_508)
    with pytest.raises(ValueError, match=r"65528 bytes do not fit .* 65527"):
        probe.ping("::1", 1, size=65_528)
    assert probe.ping("127.0.0.1", 1, size=65_507).received == 1
    assert probe.ping("::1", 1, size=65_527).received == 1
    with pytest.raises(ValueError, match="size"):
        probe.traceroute("127.0.0.1", size=65_508)


@pytest.mark.parametrize("targets", [[], (), iter([])])
def test_no_targets(targets: Any) -> None:
    for function in (probe.sweep, probe.alive):
        with pytest.raises(ValueError, match="targets: there are none"):
            function(targets)


@pytest.mark.parametrize(
    "network", ["fd00::/64", ipaddress.ip_network("fd00::/64"), ["127.0.0.1", "fd00::/64"], "fd00::-fd00::1:0:0:0"]
)
def test_a_network_of_very_many_hosts(network: Any) -> None:
    with pytest.raises(ValueError, match=r"2\^(64|32)"):
        probe.sweep(network)


def test_sweeps_out_of_range() -> None:
    for options in (
        {"ttl": 300},
        {"tos": -1},
        {"size": 9000},
        {"retries": -1},
        {"timeout": float("inf")},
        {"rate": -1},
    ):
        with pytest.raises(ValueError, match=next(iter(options))):
            probe.sweep("127.0.0.1", **options)  # type: ignore[arg-type]


DENIED = """
import errno, sys
from eyesocket import probe
for function in (
    lambda: probe.ping("127.0.0.1"),
    lambda: probe.ping("::1", privileged=True),
    lambda: probe.sweep(["127.0.0.1"]),
    lambda: probe.traceroute("127.0.0.1", method="icmp"),
    lambda: probe.traceroute("127.0.0.1", method="udp", privileged=True),
    lambda: probe.traceroute("127.0.0.1", method="tcp", privileged=True),
    lambda: probe.path_mtu("127.0.0.1"),
):
    try:
        function()
    except PermissionError as error:
        assert error.errno in (errno.EPERM, errno.EACCES), error
        assert "sysctl -w net.ipv4.ping_group_range" in str(error), error
        assert "setcap cap_net_raw+ep" in str(error), error
    else:
        sys.exit("it was allowed")
assert probe.ping("127.0.0.1", 1, method="tcp", port=9)
assert probe.traceroute("127.0.0.1")
assert probe.traceroute("::1", method="tcp")
print("denied and told how")
"""


def test_without_any_right(nobody: Runner) -> None:
    done = nobody("-c", DENIED)
    assert done.stdout == "denied and told how\n", done.stderr


NO_ROUTE = """
import errno, socket
from eyesocket import probe
for host in ("203.0.113.1", "2001:db8::1"):
    for options in ({}, {"method": "tcp", "port": 9}, {"method": "udp", "port": 9}):
        try:
            probe.ping(host, 1, **options)
        except OSError as error:
            print(errno.errorcode[error.errno], end=" ")
    for method in ("udp", "icmp", "tcp"):
        for privileged in (True, False):
            try:
                probe.traceroute(host, method=method, privileged=privileged)
            except OSError as error:
                print(errno.errorcode[error.errno], end=" ")
    for method in ("udp", "icmp"):
        try:
            probe.path_mtu(host, method=method)
        except OSError as error:
            print(errno.errorcode[error.errno], end=" ")
    print([host.reason for host in probe.sweep([host, "127.0.0.1"])])
"""


def test_no_route(tmp_path: object) -> None:
    import network

    network.need([])
    place = network.Namespaces()
    try:
        place.add("a")
        told = place.python("a", NO_ROUTE).splitlines()
    finally:
        place.close()
    wanted = "ENETUNREACH " * 11 + "['refused', 'reply']"
    assert told == [wanted, wanted]


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["ping", "-c1", "NAME"], 2),
        (["ping", "-c1", "-6", "127.0.0.1"], 2),
        (["ping", "-c1", "-s", "65508", "127.0.0.1"], 2),
        (["ping", "-c0", "127.0.0.1"], 2),
        (["ping", "-c1", "-I", "nosuchif0", "127.0.0.1"], 2),
        (["trace", "NAME"], 2),
        (["trace", "-m", "300", "127.0.0.1"], 2),
        (["trace", "-f", "9", "-m", "3", "127.0.0.1"], 2),
        (["trace", "--path-mtu", "NAME"], 2),
        (["trace", "--live", "-c1", "NAME"], 2),
        (["sweep", "fd00::/64"], 3),
        (["sweep", "-f", "/nonexistent/file"], 4),
        (["sweep", "-H", "300", "127.0.0.1"], 3),
        (["sweep", "-c0", "127.0.0.1"], 3),
        (["sweep", "-C0", "127.0.0.1"], 3),
        (["sweep", "-c2", "-p=-1", "127.0.0.1"], 3),
        (["sweep", "-x0", "127.0.0.1"], 3),
        (["sweep", "-Q", "nan", "-c1", "127.0.0.1"], 3),
        (["trace", "-q0", "127.0.0.1"], 2),
        (["trace", "--live", "-q0", "-c1", "127.0.0.1"], 2),
        (["trace", "--live", "-c0", "127.0.0.1"], 2),
        (["trace", "-w", "1,2,3,4", "127.0.0.1"], 2),
        (["trace", "-w", "1,x", "127.0.0.1"], 2),
        (["trace", "-w=-1", "127.0.0.1"], 2),
        (["sweep", "-l", "-c2", "127.0.0.1"], 3),
        (["sweep", "-i=-5", "127.0.0.1"], 3),
    ],
)
def test_the_command_says_it_in_one_line(
    words: list[str], status: int, unknown_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([unknown_name if word == "NAME" else word for word in words]) == status
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"eyesocket {words[0]}: ")
    assert told.err.count("\n") == 1
    assert "Traceback" not in told.err


@pytest.mark.parametrize(
    ("words", "status", "named"),
    [
        (["ping", "-l", "3", "-c1", "127.0.0.1"], 2, "-l/--preload: not taken"),
        (["ping", "-l3", "-c1", "127.0.0.1"], 2, "-l/--preload: not taken"),
        (["sweep", "-B", "1.5", "127.0.0.1"], 3, "-B/--backoff: not taken"),
        (["sweep", "-R", "127.0.0.1"], 3, "-R/--random: not taken"),
        (["sweep", "-lNQ1", "127.0.0.1"], 3, "-N/--netdata: not taken"),
        (["trace", "-w", "1,3,10", "127.0.0.1"], 2, "HERE and NEAR are not taken"),
    ],
)
def test_what_a_tool_has_and_we_do_not_is_refused_by_name(
    words: list[str], status: int, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == status
    told = capsys.readouterr()
    assert named in told.err
    assert (told.out, told.err.count("\n")) == ("", 1)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: probe.ping("127.0.0.1", method="tcp", port=70000), "port: 70000"),
        (lambda: probe.ping("127.0.0.1", size=-1), "size: -1"),
        (lambda: probe.ping("127.0.0.1", mark=2**32), "mark: 4294967296"),
        (lambda: probe.traceroute("127.0.0.1", probes=10**6), "probes: 1000000"),
        (lambda: probe.path_mtu("127.0.0.1", tries=-1), "tries: -1"),
        (lambda: probe.sweep(["127.0.0.1"], receive_buffer=-1), "out of range"),
        (lambda: probe.sweep(["127.0.0.1"], window=0), "window: 0"),
        (lambda: probe.sweep(["127.0.0.1"], window=40_000), "window: 40000"),
        (lambda: probe.sweep(["127.0.0.1"], size=7), "size: 7"),
        (lambda: probe.path_mtu("127.0.0.1", tries=0), "tries: 0"),
        (lambda: probe.path_mtu("127.0.0.1", method="tcp"), "method: path MTU"),  # type: ignore[arg-type]
        (lambda: probe.sweep(["127.0.0.1"], executor=Nowhere(), parts=0), "parts: 0"),
    ],
)
def test_a_number_out_of_range_is_named(call: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()


class Nowhere(concurrent.futures.Executor):
    """An executor that nothing reaches."""


@pytest.mark.parametrize("target", [b"127.0.0.1", [5], [None], [b"x"]])
def test_a_target_of_another_type_is_refused(target: Any) -> None:
    with pytest.raises(TypeError, match="give a string, or an address or network"):
        probe.sweep(target)


@pytest.mark.parametrize("function", [probe.ping, probe.traceroute, probe.path_mtu])
@pytest.mark.parametrize("host", [None, b"127.0.0.1", 5])
def test_a_host_of_another_type_is_refused(function: Callable[..., object], host: Any) -> None:
    with pytest.raises(TypeError, match="give a string, or an address of ipaddress"):
        function(host)


def test_an_interface_stands_for_its_address() -> None:
    found = probe.sweep(ipaddress.ip_interface("127.0.0.1/24"))
    assert [host.host for host in found] == ["127.0.0.1"]
