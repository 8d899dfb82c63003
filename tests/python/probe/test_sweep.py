"""Sweeps of the loopback, and of networks split over several workers."""

from __future__ import annotations

import asyncio
import concurrent.futures
import io
import ipaddress
import itertools
import json
import pickle
import shutil
import socket
import subprocess
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest

import eyesocket
from eyesocket import probe
from eyesocket._command import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import network

pytestmark = pytest.mark.usefixtures("icmp")


def test_a_network_of_thousands() -> None:
    found = eyesocket.sweep("127.0.0.0/20", rate=None)
    assert found.reasons == {"reply": 4094}
    assert [host.host for host in found][:2] == ["127.0.0.1", "127.0.0.2"]
    assert found[-1].address == "127.0.15.254"
    assert all(host.rtt is not None and 0 <= host.rtt < 1 and host.source == host.address for host in found)
    assert repr(found) == "SweepResult(4094 hosts: 4094 reply)"


def test_targets_of_all_kinds_in_their_order() -> None:
    targets = [
        "127.0.0.9",
        ipaddress.ip_address("::1"),
        ipaddress.ip_network("127.0.1.0/30"),
        "localhost",
        "127.0.2.1-127.0.2.2",
    ]
    found = probe.sweep(targets, family=4)
    assert [host.host for host in found] == [
        "127.0.0.9",
        "::1",
        "127.0.1.1",
        "127.0.1.2",
        "localhost",
        "127.0.2.1",
        "127.0.2.2",
    ]
    assert found[4].address == "127.0.0.1"
    assert {host.reason for host in found} == {"reply"}


def test_one_bad_name_does_not_spoil_the_rest() -> None:
    # A label of more than 63 bytes: refused without asking any server.
    bad = "x" * 70 + ".invalid"
    found = probe.sweep(["127.0.0.1", bad, "127.0.0.2"])
    assert [host.reason for host in found] == ["reply", "unresolved", "reply"]
    assert found[1].error
    assert found.alive == ["127.0.0.1", "127.0.0.2"]


def test_targets_without_end() -> None:
    endless = (f"127.0.0.{number % 250 + 1}" for number in itertools.count())
    sweeping = probe.sweep_iter(endless, rate=None)
    assert [next(sweeping).reason for _ in range(3000)] == ["reply"] * 3000


def test_awaiting_gives_the_same() -> None:
    async def both() -> tuple[probe.SweepResult, list[str]]:
        return await asyncio.gather(probe.asweep("127.0.0.0/24"), probe.aalive(["127.0.0.1", "::1"]))

    found, living = asyncio.run(both())
    assert found.reasons == {"reply": 254}
    assert living == ["127.0.0.1", "::1"]


@pytest.mark.parametrize("targets", [[], "", "fd00::/64", "10.0.0.0/33", "::/0", ["127.0.0.1", "127.0.0.9-127.0.0.1"]])
def test_what_cannot_be_swept(targets: object) -> None:
    with pytest.raises(ValueError, match="target"):
        probe.sweep(targets)


@pytest.mark.parametrize(
    "options", [{"rate": 0}, {"rate": float("inf")}, {"retries": 300}, {"timeout": -1}, {"size": 9000}]
)
def test_bad_options(options: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        probe.sweep("127.0.0.1", **options)


def test_a_result_shows_itself_and_travels() -> None:
    found = probe.sweep(["127.0.0.1", "127.0.0.2"])
    assert pickle.loads(pickle.dumps(found)) == found
    assert json.loads(json.dumps(found.to_dict()))["reasons"] == {"reply": 2}
    assert "127.0.0.2" in found._repr_mimebundle_()["text/html"]
    assert str(found[0]).startswith("127.0.0.1 is alive (0.")


def test_an_executor_shares_the_work() -> None:
    with concurrent.futures.ThreadPoolExecutor(3) as executor:
        found = probe.sweep(["127.0.0.0/28", "127.0.1.1"], executor=executor)
    assert found.reasons == {"reply": 15}
    assert sorted(host.host for host in found) == sorted([f"127.0.0.{n}" for n in range(1, 15)] + ["127.0.1.1"])
    assert all(host.vantage and "net:[" in host.vantage for host in found)


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "127.0.0.1", "127.0.0.2"]) == 0
    assert sorted(line.split(" (")[0] for line in capsys.readouterr().out.splitlines()) == [
        "127.0.0.1 is alive",
        "127.0.0.2 is alive",
    ]
    assert main(["sweep", "-a", "127.0.0.0/30"]) == 0
    assert capsys.readouterr().out.splitlines() == ["127.0.0.1", "127.0.0.2"]
    assert main(["sweep", "--json", "127.0.0.1"]) == 0
    assert json.loads(capsys.readouterr().out)["reason"] == "reply"
    assert main(["sweep", "127.0.0.1", "y" * 70 + ".invalid"]) == 2
    assert main(["sweep", "10.0.0.0/99"]) == 3


def test_the_command_in_rounds_and_by_range(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["sweep", "-g", "127.0.0.1", "127.0.0.3", "-a"]) == 0
    assert capsys.readouterr().out.splitlines() == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    bad = "y" * 70 + ".invalid"
    assert main(["sweep", "-c2", "-p", "1", "-t", "500", "127.0.0.1", bad]) == 2
    told = capsys.readouterr()
    assert [line.split(", ")[0] for line in told.out.splitlines() if line.startswith("127")] == [
        "127.0.0.1 : [0]",
        "127.0.0.1 : [1]",
    ]
    assert "127.0.0.1 : xmt/rcv/%loss = 2/2/0%, min/avg/max = 0." in told.err
    assert f"{bad} : xmt/rcv/%loss = 2/0/100%\n" in told.err
    assert main(["sweep", "-C3", "-p", "1", "-q", "127.0.0.1"]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.split(" : ")[1].split()) == 3
    assert main(["sweep", "--nonsense"]) == 3
    monkeypatch.setattr("sys.stdin", io.StringIO("127.0.0.7\n\n127.0.0.8\n"))
    assert main(["sweep", "-a"]) == 0
    assert capsys.readouterr().out.splitlines() == ["127.0.0.7", "127.0.0.8"]


def test_loss_by_our_own_receive_buffer_is_not_the_hosts_silence() -> None:
    # The least that the kernel gives has room for a few answers; a burst is more.
    found = probe.sweep("127.0.0.0/24", rate=None, timeout=0.02, retries=0, receive_buffer=1)
    assert found.dropped > 0
    assert found.reasons == {"reply": 254}


@pytest.mark.parametrize("user", [False, True], ids=["root", "ordinary user"])
@pytest.mark.parametrize("way", ["there", "back"])
@pytest.mark.parametrize("family", [4, 6])
def test_losses_are_those_that_the_firewall_counts(chain: network.Chain, family: int, way: str, user: bool) -> None:
    if shutil.which("nft") is None:
        pytest.skip("needs nft")
    ip, icmp = ("ip", "icmp") if family == 4 else ("ip6", "icmpv6")
    end = "daddr" if way == "there" else "saddr"
    kind = "echo-request" if way == "there" else "echo-reply"
    rules = f"""table inet t {{
      chain c {{ type filter hook forward priority 0
        {ip} {end} {chain.address(4, family)} {icmp} type {kind} numgen inc mod 4 0 counter drop
      }}
    }}"""
    chain.execute("2", "nft", rules)
    code = """
import json, sys
from eyesocket.probe import ping
result = ping(sys.argv[1], 40, interval=0.002, timeout=0.3)
print(json.dumps([result.sent, result.lost]))
"""
    try:
        sent, lost = json.loads(chain.python("1", code, chain.address(4, family), user=user))
        counted = json.loads(chain.execute("2", "nft", "-j", "list", "table", "inet", "t"))
    finally:
        chain.execute("2", "nft", "delete", "table", "inet", "t")
    counters = [
        expression["counter"]["packets"]
        for entry in counted["nftables"]
        if "rule" in entry
        for expression in entry["rule"]["expr"]
        if "counter" in expression
    ]
    assert sent == 40
    assert [lost] == counters == [10]


def test_shared_work_keeps_the_order_of_the_input() -> None:
    targets = [f"127.0.0.{last}" for last in range(1, 8)] + ["127.1.0.0/29", "127.2.0.1"]
    with concurrent.futures.ThreadPoolExecutor(3) as executor:
        found = probe.sweep(targets, executor=executor)
    plain = probe.sweep(targets)
    assert [(host.number, host.host) for host in found] == [(host.number, host.host) for host in plain]


def test_a_source_that_takes_its_time_keeps_no_result_back() -> None:
    """Each target but the first is given once the one before has been answered."""
    answered: list[str] = []

    def targets() -> Iterator[str]:
        for last in range(1, 6):
            yield f"127.0.0.{last}"
            until = time.monotonic() + 0.05
            while time.monotonic() < until:
                pass
            assert len(answered) >= last - 2

    for host in probe.sweep_iter(targets()):
        answered.append(host.host)  # noqa: PERF401 - the source looks at it meanwhile
    assert len(answered) == 5


LINES = "# a comment\n\n127.0.0.1 and more words\n   \n  # another\n 127.0.0.2\n"


def test_lists_are_read_as_fping_reads_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = tmp_path / "hosts"
    listed.write_text(LINES)
    wanted = ["127.0.0.1", "127.0.0.2"]
    for words in (["-f", str(listed)], ["-f", "-"], []):
        monkeypatch.setattr("sys.stdin", io.StringIO(LINES))
        assert main(["sweep", "-a", *words]) == 0
        assert capsys.readouterr().out.split() == wanted
    if shutil.which("fping") is not None:
        theirs = subprocess.run(["fping", "-a", "-f", str(listed)], capture_output=True, text=True, check=False)
        assert sorted(theirs.stdout.split()) == wanted, theirs.stderr


def test_more_letters_of_fping(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostbyaddr", lambda address: (f"name-of-{address}", [], [address]))
    hosts = ["127.0.0.1", "127.0.0.2"]
    for needed, status in [(2, 0), (3, 1)]:
        assert main(["sweep", "-x", str(needed), *hosts]) == status
        word = "Not enough" if status else "Enough"
        assert capsys.readouterr().out == f"{word} hosts reachable (required: {needed}, reachable: 2)\n"
    before = time.time()
    assert main(["sweep", "-D", "-a", "127.0.0.1"]) == 0
    stamp, name = capsys.readouterr().out.split()
    assert before - 1 < float(stamp.strip("[]")) < time.time() + 1
    assert name == "127.0.0.1"
    for letter in ("-n", "-d"):
        assert main(["sweep", letter, "-a", "127.0.0.1"]) == 0
        assert capsys.readouterr().out == "name-of-127.0.0.1\n"
    assert main(["sweep", "-c2", "-p", "7", "-o", "-q", "127.0.0.1"]) == 0
    assert "2/2/0%, outage(ms) = 0, min/avg/max" in capsys.readouterr().err
    assert main(["sweep", "-c2", "-p", "7", "-o", "-q", "-t", "20", "240.0.0.1"]) == 1
    assert capsys.readouterr().err == "240.0.0.1 : xmt/rcv/%loss = 2/0/100%, outage(ms) = 14\n"
    assert main(["sweep", "-Q", "0", "-p", "1", "-c2", "127.0.0.1"]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    figures = [line.partition(" = ")[2].partition(",")[0] for line in told.err.splitlines() if "xmt" in line]
    assert figures == ["1/1/0%", "1/1/0%", "2/2/0%"]


def test_all_addresses_of_a_name(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, 0, 0, "", (address, 0)) for address in ("127.0.0.5", "127.0.0.6", "127.0.0.5")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_words: found)
    assert main(["sweep", "-A", "-m", "-a", "many.invalid", "127.0.0.8-127.0.0.9"]) == 0
    assert sorted(capsys.readouterr().out.split()) == ["127.0.0.5", "127.0.0.6", "127.0.0.8", "127.0.0.9"]


def test_a_loop_goes_on_until_ctrl_c(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = iter(range(3))

    def pause(_seconds: float) -> None:
        if next(pauses, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", pause)
    assert main(["sweep", "-l", "127.0.0.1"]) == 130
    told = capsys.readouterr()
    assert [line.split(",")[0] for line in told.out.splitlines()] == [f"127.0.0.1 : [{place}]" for place in range(4)]
    assert "xmt/rcv/%loss = 4/4/0%" in told.err


class Answered(list[probe.HostResult]):
    """A sweep of hosts that all answer after 0.25 ms."""

    dropped = 0

    def __init__(self, hosts: list[str]) -> None:
        rest = ("reply", 0.00025, 64, "127.0.0.1", None, None, 1, None)
        super().__init__(probe.HostResult(place, host, host, *rest) for place, host in enumerate(hosts))


def test_rounds_without_end_keep_no_times(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand rounds of the figures that `-l` keeps take no more memory than the first hundred."""
    sizes, told = [], iter(range(1100))

    def pause(_seconds: float) -> None:
        if next(told) % 100 == 99:
            sizes.append(tracemalloc.get_traced_memory()[0])
        if len(sizes) == 11:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", pause)
    monkeypatch.setattr("eyesocket._command.sweep.sweep_iter", lambda hosts, **_options: Answered(hosts))
    tracemalloc.start()
    try:
        assert main(["sweep", "-l", "-q", "127.0.0.1"]) == 130
    finally:
        tracemalloc.stop()
    assert "xmt/rcv/%loss = 1100/1100/0%, min/avg/max = 0.250/0.250/0.250" in capsys.readouterr().err
    assert sizes[-1] - sizes[0] < 2000
