"""Ping on the loopback."""

from __future__ import annotations

import argparse
import asyncio
import base64
import dataclasses
import json
import pickle
import re
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Literal

import pytest

import eyesocket
from eyesocket import probe
from eyesocket._command import main
from eyesocket._command import ping as ping_command
from eyesocket.probe import Refused, Reply, Silence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eyesocket.probe import PingEvent


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_the_loopback_answers(host: str, privileged: bool) -> None:
    before = time.perf_counter()
    result = eyesocket.ping(host, 3, interval=0.01, privileged=privileged)
    took = time.perf_counter() - before
    assert (result.sent, result.received, result.lost, result.loss) == (3, 3, 0, 0.0)
    assert result.privileged is privileged
    assert [reply.sequence for reply in result.replies] == [1, 2, 3]
    assert all(reply.flags == () and reply.size == 64 and reply.ttl == 64 for reply in result.replies)
    assert result.address in {"127.0.0.1", "::1"}
    assert {reply.source for reply in result.replies} == {result.address}
    assert all(0 < rtt < took for rtt in result.rtts)
    assert result.min == min(result.rtts)
    assert result.max == max(result.rtts)
    assert result.min <= result.median <= result.p90 <= result.p99 <= result.max
    assert result


@pytest.mark.usefixtures("icmp")
def test_awaiting_gives_the_same() -> None:
    async def together() -> list[probe.PingResult]:
        return await asyncio.gather(*(probe.aping("127.0.0.1", 2, interval=0.01) for _ in range(20)))

    results = asyncio.run(together())
    assert [(result.sent, result.received, result.duplicates) for result in results] == [(2, 2, 0)] * 20


@pytest.mark.usefixtures("icmp")
def test_iterating_both_ways() -> None:
    pinging = probe.ping_iter("127.0.0.1", interval=0)
    first = next(pinging)
    assert isinstance(first, probe.Reply)
    assert pinging.address == "127.0.0.1"

    async def rest() -> int:
        async for event in pinging:
            if event.sequence == 5:
                return event.sequence
        return 0

    assert asyncio.run(rest()) == 5
    assert pinging.result().received == 5


@pytest.mark.usefixtures("icmp")
def test_64_pingers_at_once_in_one_process() -> None:
    results: list[probe.PingResult] = []
    threads = [
        threading.Thread(target=lambda: results.append(probe.ping("127.0.0.1", 20, interval=0.001))) for _ in range(64)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 64
    assert {(r.sent, r.received, r.duplicates, r.errors) for r in results} == {(20, 20, 0, 0)}


@pytest.mark.usefixtures("icmp")
def test_sizes_and_patterns() -> None:
    for size in (0, 1, 8, 1472, 20_000, 65_507):
        result = probe.ping("127.0.0.1", 1, size=size, pattern=b"\xde\xad\xbe\xef")
        assert [(reply.size, reply.flags) for reply in result.replies] == [(8 + size, ())], size


@pytest.mark.usefixtures("icmp")
def test_a_result_shows_itself() -> None:
    result = probe.ping("127.0.0.1", 2, interval=0)
    assert repr(result).startswith("PingResult(127.0.0.1: 2 sent, 2 received, 0 % loss, rtt min/mean/max 0.")
    assert "2 packets transmitted, 2 received, 0% packet loss\nrtt min/avg/max/mdev = " in str(result)
    bundle = result._repr_mimebundle_()
    assert bundle["text/plain"] == repr(result)
    assert bundle["image/svg+xml"].count("<circle") == 2
    assert "seq=2" in bundle["text/html"]
    # As an image: a notebook that is not trusted strips SVG elements out of HTML.
    assert "<svg" not in bundle["text/html"]
    assert base64.b64encode(bundle["image/svg+xml"].encode()).decode() in bundle["text/html"]
    assert pickle.loads(pickle.dumps(result)) == result
    assert json.loads(json.dumps(result.to_dict()))["received"] == 2
    assert [row["event"] for row in result.to_dicts()] == ["reply", "reply"]
    assert 'eyesocket_ping_sent{host="127.0.0.1",address="127.0.0.1"} 2' in result.prometheus()


def test_labels_from_the_network_are_escaped() -> None:
    reply = probe.Reply(1, 0.1, "<script>", 64, 64, "echo reply", "user")
    result = probe.PingResult("<b>" * 500, "", (reply,), 1, 1, 0, 0, 0, *([0.1] * 8), clock="user", privileged=False)
    bundle = result._repr_mimebundle_()
    for shown in (bundle["text/html"], bundle["image/svg+xml"]):
        assert "<script>" not in shown
        assert "<b>" not in shown
    assert len(bundle["text/html"]) < 20_000


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"ttl": 300}, "ttl"),
        ({"ttl": 0}, "ttl"),
        ({"tos": -1}, "tos"),
        ({"size": 65_528}, "size"),
        ({"size": 65_508}, "size"),
        ({"interval": -1}, "interval"),
        ({"timeout": float("nan")}, "timeout"),
        ({"family": 5}, "family"),
        ({"source": "here"}, "source"),
        ({"count": 0}, "count"),
        ({"method": "smoke"}, "method"),
        ({"port": 80}, "port"),
    ],
)
@pytest.mark.usefixtures("icmp")
def test_bad_options_say_what_would_do(options: dict, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        probe.ping("127.0.0.1", **options)


@pytest.mark.usefixtures("icmp")
def test_bad_hosts_and_interfaces() -> None:
    with pytest.raises(socket.gaierror):
        probe.ping("127.0.0.1", 1, family=6)
    with pytest.raises(ValueError, match="host"):
        probe.ping("", 1)
    with pytest.raises(OSError, match="No such device"):
        probe.ping("127.0.0.1", 1, interface="nosuchif0")
    with pytest.raises(socket.gaierror):
        probe.ping("::1", 1, source="127.0.0.1")
    with pytest.raises(TypeError, match="tttl"):
        probe.ping("127.0.0.1", 1, tttl=4)


@pytest.mark.usefixtures("icmp")
def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ping", "-c", "2", "-i", "0.01", "127.0.0.1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "PING 127.0.0.1 (127.0.0.1) 56 bytes of data."
    assert lines[1].startswith("64 bytes from 127.0.0.1: seq=1 ttl=64 time=")
    assert lines[3:6] == ["", "--- 127.0.0.1 ping statistics ---", "2 packets transmitted, 2 received, 0% packet loss"]
    assert main(["ping", "-c", "1", "--json", "::1"]) == 0
    assert json.loads(capsys.readouterr().out)["address"] == "::1"
    assert main(["ping", "-c", "1", "-t", "300", "127.0.0.1"]) == 2
    assert main(["ping", "-c", "9", "-w", "0.2", "-i", "0.15", "127.0.0.1"]) == 1
    assert capsys.readouterr().err == "eyesocket ping: ttl: 300 is out of range; give 1 to 255\n"
    assert main(["ping"]) == 2
    capsys.readouterr()
    assert main(["ping", "-A", "-D", "-c1", "127.0.0.1"]) == 0
    assert re.match(r"\[\d+\.\d{6}\] 64 bytes from", capsys.readouterr().out.splitlines()[1])
    assert main(["ping", "-f", "-c20", "127.0.0.1"]) == 0
    assert capsys.readouterr().out.splitlines()[1:3] == ["", "--- 127.0.0.1 ping statistics ---"]


@pytest.mark.usefixtures("icmp")
def test_ctrl_c_ends_the_command_with_its_summary() -> None:
    import signal

    process = subprocess.Popen(
        [sys.executable, "-m", "eyesocket", "ping", "-i", "60", "127.0.0.1"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    while "seq=1" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert "1 packets transmitted, 1 received" in out
    assert process.returncode == 0


def test_by_tcp() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = probe.ping("127.0.0.1", 3, method="tcp", port=port, interval=0.01)
    assert [reply.manner for reply in result.replies] == ["accepted"] * 3
    assert all(0 < rtt < 1 for rtt in result.rtts)
    refused = probe.ping("127.0.0.1", 2, method="tcp", port=port, interval=0.01)
    assert [reply.manner for reply in refused.replies] == ["refused"] * 2


def test_by_udp() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as echo:
        echo.bind(("::1", 0))
        echo.settimeout(20)
        port = echo.getsockname()[1]

        def answer() -> None:
            for _ in range(3):
                data, sender = echo.recvfrom(2048)
                echo.sendto(data, sender)

        answering = threading.Thread(target=answer)
        answering.start()
        result = probe.ping("::1", 3, method="udp", port=port, interval=0.01, size=100)
        answering.join()
    assert [(reply.manner, reply.size, reply.flags) for reply in result.replies] == [("datagram", 100, ())] * 3
    # Nobody listens any more: the port unreachable of the host itself is an answer.
    refused = probe.ping("::1", 2, method="udp", port=port, interval=0.01)
    assert [reply.manner for reply in refused.replies] == ["refused"] * 2


@pytest.mark.parametrize("method", ["tcp", "udp"])
def test_a_port_is_needed(method: Literal["tcp", "udp"]) -> None:
    with pytest.raises(ValueError, match="port"):
        probe.ping("127.0.0.1", method=method)


def test_awaiting_tcp() -> None:
    async def main() -> probe.PingResult:
        return await probe.aping("127.0.0.1", 2, method="tcp", port=9, interval=0.01)

    assert [reply.manner for reply in asyncio.run(main()).replies] == ["refused"] * 2


def test_the_command_by_tcp(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert main(["ping", "-c1", "-T", str(listener.getsockname()[1]), "127.0.0.1"]) == 0
    assert "accepted from 127.0.0.1: seq=1 time=" in capsys.readouterr().out


def test_with_a_deadline_the_count_is_one_of_answers(capsys: pytest.CaptureFixture[str]) -> None:
    """ping(8): it goes on beyond the count until so many are answered, an error comes, or the time is over."""

    def events(*kinds: str) -> Iterator[PingEvent]:
        for number, kind in enumerate(kinds, 1):
            if kind == "silence":
                yield Silence(number)
            elif kind == "refused":
                yield Refused(number, 101, "Network is unreachable")
            else:
                reply = Reply(number, 0.001, "127.0.0.1", 64, 64, "echo reply", "kernel")
                yield dataclasses.replace(reply, duplicate=kind == "duplicate")

    parser = argparse.ArgumentParser()
    ping_command.configure(parser)
    both = parser.parse_args(["-c2", "-w9", "h"])
    seen = list(ping_command.enough(events("silence", "reply", "duplicate", "silence", "reply", "reply"), both))
    assert [event.sequence for event in seen] == [1, 2, 3, 4, 5]
    assert len(list(ping_command.enough(events("silence", "refused", "reply"), both))) == 2
    alone = parser.parse_args(["-c2", "h"])
    assert len(list(ping_command.enough(events("reply", "reply", "reply"), alone))) == 3
    assert main(["ping", "-c2", "-w5", "-i0.01", "127.0.0.1"]) == 0
    assert "2 packets transmitted, 2 received" in capsys.readouterr().out


def test_ping_says_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["ping", "-V"], ["sweep", "-v"], ["trace", "-V"]):
        assert main(words) == 0
        assert capsys.readouterr().out == f"eyesocket {eyesocket.__version__}\n"
