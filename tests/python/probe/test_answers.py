"""Every way in which a host or a router can answer, classified, on both kinds of socket and as an ordinary user."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import network
import pytest
from responder import BEHAVIOURS

PING = """
import json, sys
from eyesocket.probe import ping
print(json.dumps(ping(sys.argv[1], **json.loads(sys.argv[2])).to_dict()))
"""
SWEEP = """
import json, sys
from eyesocket.probe import sweep
found = sweep(json.loads(sys.argv[1]), **json.loads(sys.argv[2]))
print(json.dumps(found.to_dict()))
"""


@pytest.fixture(scope="module")
def place() -> Iterator[network.Namespaces]:
    """Give a namespace `a` with the responder behind its device."""
    network.need([])
    if not Path("/dev/net/tun").exists():
        pytest.skip("needs /dev/net/tun")
    made = network.Namespaces()
    name = made.add("a")
    script = Path(__file__).with_name("responder.py")
    answering = subprocess.Popen(
        ["ip", "netns", "exec", name, sys.executable, str(script), "tun0"], stdout=subprocess.PIPE, text=True
    )
    assert answering.stdout is not None
    if answering.stdout.readline() != "ready\n":
        made.close()
        pytest.skip("TUN devices are not allowed here")
    yield made
    answering.kill()
    answering.communicate()
    made.close()


@pytest.fixture(params=["raw", "datagram", "ordinary user"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def address(behaviour: str, family: int) -> str:
    last = BEHAVIOURS[behaviour]
    return f"10.88.0.{last}" if family == 4 else f"fd88::{last:x}"


def ping(place: network.Namespaces, kind: str, host: str, **options: object) -> dict[str, Any]:
    asked = {"count": 2, "interval": 0.01, "timeout": 0.2, **options}
    if kind != "ordinary user":
        asked["privileged"] = kind == "raw"
    result = json.loads(place.python("a", PING, host, json.dumps(asked), user=kind == "ordinary user"))
    assert result["privileged"] is (kind == "raw")
    return result


def flags(result: dict[str, Any]) -> list[list[str]]:
    odd = ("duplicate", "late", "out_of_order", "truncated", "wrong_source")
    return [
        [flag for flag in odd if event[flag]]
        + ([] if event["corrupted_at"] is None else [f"corrupted at {event['corrupted_at']}"])
        + ([] if event["checksum_ok"] else ["bad checksum"])
        for event in result["events"]
        if event["event"] == "reply"
    ]


@pytest.mark.parametrize("family", [4, 6])
def test_a_right_answer(place: network.Namespaces, kind: str, family: int) -> None:
    result = ping(place, kind, address("right", family), ttl=9, tos=0x10, size=100, dont_fragment=True)
    assert flags(result) == [[], []]
    assert {event["size"] for event in result["events"]} == {108}
    assert {event["ttl"] for event in result["events"]} == {64}
    assert result["clock"] == "kernel"
    assert (result["sent"], result["received"], result["lost"]) == (2, 2, 0)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize(
    ("behaviour", "wanted"),
    [
        ("duplicate", [[], ["duplicate"], [], ["duplicate"]]),
        ("reordered", [[], ["out_of_order"]]),
        ("corrupt byte 20", [["corrupted at 20"]] * 2),
        ("truncated", [["truncated"]] * 2),
        ("wrong source", [["wrong_source"]] * 2),
    ],
)
def test_odd_answers(
    place: network.Namespaces, kind: str, family: int, behaviour: str, wanted: list[list[str]]
) -> None:
    # The last duplicate comes after the last answer.
    linger = 0.1 if behaviour == "duplicate" else 0.0
    result = ping(place, kind, address(behaviour, family), interval=0.03, linger=linger)
    assert flags(result) == wanted
    assert result["duplicates"] == sum("duplicate" in flagged for flagged in wanted)


@pytest.mark.parametrize("family", [4, 6])
def test_delay_and_loss(place: network.Namespaces, kind: str, family: int) -> None:
    delayed = ping(place, kind, address("delayed", family))
    assert all(0.02 <= event["rtt"] < 0.2 for event in delayed["events"])
    lossy = ping(place, kind, address("every second lost", family), count=10)
    assert (lossy["sent"], lossy["received"], lossy["loss"]) == (10, 5, 0.5)
    assert [e["sequence"] for e in lossy["events"] if e["event"] == "silence"] == [1, 3, 5, 7, 9]


@pytest.mark.parametrize("family", [4, 6])
def test_late_is_not_silent(place: network.Namespaces, kind: str, family: int) -> None:
    result = ping(place, kind, address("late", family), count=2, interval=0.5)
    assert flags(result) == [["late"]]
    assert (result["received"], result["late"]) == (0, 1)
    assert [event["event"] for event in result["events"]] == ["silence", "reply", "silence"]


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("behaviour", ["silent", "wrong identifier"])
def test_nothing_for_us(place: network.Namespaces, kind: str, family: int, behaviour: str) -> None:
    result = ping(place, kind, address(behaviour, family), timeout=0.05)
    assert [event["event"] for event in result["events"]] == ["silence", "silence"]


def test_a_bad_checksum_is_seen_by_raw_sockets_and_dropped_for_others(place: network.Namespaces, kind: str) -> None:
    result = ping(place, kind, address("bad checksum", 4), timeout=0.05)
    assert flags(result) == ([["bad checksum"]] * 2 if kind == "raw" else [])


ERRORS = [
    ("net unreachable", (3, 0, "net unreachable"), (1, 0, "no route to destination")),
    ("host unreachable", (3, 1, "host unreachable"), (1, 3, "address unreachable")),
    ("port unreachable", (3, 3, "port unreachable"), (1, 4, "port unreachable")),
    (
        "prohibited",
        (3, 13, "communication administratively prohibited"),
        (1, 1, "communication with destination administratively prohibited"),
    ),
    ("too big", (3, 4, "fragmentation needed and DF set"), (2, 0, "packet too big")),
    ("time exceeded", (11, 0, "time to live exceeded in transit"), (3, 0, "hop limit exceeded in transit")),
    (
        "parameter problem",
        (12, 0, "pointer indicates the error"),
        (4, 0, "erroneous header field encountered"),
    ),
    ("short quotation", (3, 1, "host unreachable"), (1, 3, "address unreachable")),
    ("labels", (11, 0, "time to live exceeded in transit"), (3, 0, "hop limit exceeded in transit")),
]


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize(("behaviour", "v4", "v6"), ERRORS, ids=[row[0] for row in ERRORS])
def test_errors(
    place: network.Namespaces,
    kind: str,
    family: int,
    behaviour: str,
    v4: tuple[int, int, str],
    v6: tuple[int, int, str],
) -> None:
    size = 1400 if behaviour == "too big" else 56
    result = ping(place, kind, address(behaviour, family), count=1, size=size)
    assert [event["event"] for event in result["events"]] == ["error"]
    event = result["events"][0]
    assert (event["type"], event["code"], event["name"]) == (v4 if family == 4 else v6)
    assert event["source"] == ("10.88.200.1" if family == 4 else "fd88::c8:1")
    assert event["version"] == family
    assert event["mtu"] == (1300 if behaviour == "too big" else None)
    assert event["pointer"] == (6 if behaviour == "parameter problem" else None)
    stack = [(label["label"], label["traffic_class"], label["bottom"], label["ttl"]) for label in event["labels"]]
    assert stack == ([(12345, 5, False, 1), (99, 0, True, 7)] if behaviour == "labels" else [])
    assert (result["received"], result["errors"]) == (0, 1)
    place.ip("a", f"-{family}", "route", "flush", "cache")


def test_advice_does_not_end_a_probe(place: network.Namespaces) -> None:
    result = ping(place, "raw", address("redirect", 4), count=1)
    assert [event["event"] for event in result["events"]] == ["error", "reply"]
    assert result["events"][0]["gateway"] == "10.88.9.9"
    result = ping(place, "raw", address("source quench", 4), count=1)
    assert [event["event"] for event in result["events"]] == ["error", "reply"]
    assert result["events"][0]["name"] == "source quench"


def test_no_route_and_no_right(place: network.Namespaces) -> None:
    code = """
import errno, json
from eyesocket.probe import ping
for options in ({}, {"mark": 1}):
    try:
        ping("203.0.113.1" if not options else "10.88.0.1", 1, **options)
    except OSError as error:
        print(type(error).__name__, errno.errorcode[error.errno], error.address)
"""
    told = place.python("a", code, user=True).splitlines()
    assert told == ["OSError ENETUNREACH 203.0.113.1", "PermissionError EPERM 10.88.0.1"]


FORK = """
import json, os, sys, warnings
from eyesocket.probe import ping_iter
warnings.simplefilter("ignore")
pinger = ping_iter(sys.argv[1], interval=0.005, timeout=10, **json.loads(sys.argv[2]))
next(pinger)
child = os.fork()
events = [next(pinger) for _ in range(60)]
# What went out before the fork has its answer at the parent.
due = [event.sequence for event in events if child or event.sequence > 10]
good = len(due) == len(set(due)) > 40 and not any(type(event).__name__ != "Reply" or event.flags for event in events)
if not child:
    os._exit(not good)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), good)
"""


@pytest.mark.parametrize("family", [4, 6])
def test_a_forked_child_leaves_its_parents_answers_alone(place: network.Namespaces, kind: str, family: int) -> None:
    """With answers on their way at the fork, and after it."""
    options = {} if kind == "ordinary user" else {"privileged": kind == "raw"}
    words = [address("delayed", family), json.dumps(options)]
    assert place.python("a", FORK, *words, user=kind == "ordinary user") == "0 True\n"


FORKED_SWEEP = """
import json, os, sys, warnings
from eyesocket.probe import sweep_iter
warnings.simplefilter("ignore")
asked = [sys.argv[1]] * 60
hosts = sweep_iter(asked, rate=500, retries=0, timeout=1, **json.loads(sys.argv[2]))
first = next(hosts)
child = os.fork()
told = [host.reason for host in (first, *hosts)]
# What went out before the fork has its answer at the parent: the child asks again.
good = told == ["reply"] * 60
if not child:
    os._exit(not good)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), good)
"""


def test_a_forked_child_sweeps_on_by_itself(place: network.Namespaces, kind: str) -> None:
    options = {} if kind == "ordinary user" else {"privileged": kind == "raw"}
    words = [address("delayed", 6), json.dumps(options)]
    assert place.python("a", FORKED_SWEEP, *words, user=kind == "ordinary user") == "0 True\n"


@pytest.mark.parametrize(
    "options",
    [{}, {"interface": "gone0"}, {"privileged": False}, {"interface": "gone0", "privileged": False}],
    ids=["routed", "bound", "routed datagram", "bound datagram"],
)
def test_an_interface_that_goes_in_mid_run(place: network.Namespaces, options: dict[str, object]) -> None:
    place.ip("a", "link", "add", "gone0", "type", "veth", "peer", "name", "gone1")
    place.ip("a", "link", "set", "gone1", "up")
    place.ip("a", "addr", "add", "10.90.0.1/24", "dev", "gone0")
    place.ip("a", "link", "set", "gone0", "up")
    code = """
import json, subprocess, sys
from eyesocket.probe import ping_iter
for event in ping_iter("10.90.0.2", 3, interval=0.05, timeout=0.04, **json.loads(sys.argv[1])):
    print(event.sequence, type(event).__name__, getattr(event, "reason", ""))
    if event.sequence == 1:
        subprocess.run(["ip", "link", "del", "gone0"], check=True)
"""
    told = place.python("a", code, json.dumps(options)).splitlines()
    reason = "No such device" if "interface" in options else "Network is unreachable"
    assert told == ["1 Silence ", f"2 Refused {reason}", f"3 Refused {reason}"]


def test_a_sweep_whose_interface_goes_in_mid_run(place: network.Namespaces) -> None:
    place.ip("a", "link", "add", "gone2", "type", "veth", "peer", "name", "gone3")
    place.ip("a", "link", "set", "gone3", "up")
    place.ip("a", "addr", "add", "10.91.0.1/24", "dev", "gone2")
    place.ip("a", "link", "set", "gone2", "up")
    code = """
import subprocess
from eyesocket.probe import sweep_iter
def targets():
    yield "10.91.0.2"
    yield "127.0.0.1"
    for _ in range(600):
        yield "127.0.0.2"
    subprocess.run(["ip", "link", "del", "gone2"], check=True)
    yield "10.91.0.3"
    yield "127.0.0.3"
for host in sweep_iter(targets(), rate=None, retries=0, timeout=0.1):
    if host.host != "127.0.0.2":
        print(host.host, host.reason, host.error)
"""
    told = place.python("a", code).splitlines()
    assert sorted(told) == [
        "10.91.0.2 silent None",
        "10.91.0.3 refused Network is unreachable",
        "127.0.0.1 reply None",
        "127.0.0.3 reply None",
    ]


WAY = """
import json, sys
from eyesocket.probe import traceroute
traced = traceroute(sys.argv[1], timeout=0.4, **json.loads(sys.argv[2]))
answers = [[a.outcome, a.name, a.source] for hop in traced.hops for a in hop.answers]
print(json.dumps([[hop.addresses for hop in traced.hops], traced.privileged, answers]))
"""


@pytest.mark.parametrize(("multipath", "silent"), [(False, 0), (False, 3), (True, 0)])
@pytest.mark.parametrize("method", ["icmp", "udp", "tcp"])
def test_a_path_that_quotes_8_bytes(
    place: network.Namespaces, kind: str, method: str, multipath: bool, silent: int
) -> None:
    options: dict[str, object] = {"method": method, "multipath": multipath}
    if kind != "ordinary user":
        options["privileged"] = kind == "raw"
    far = f"10.89.6.{silent}"
    hops, raw, answers = json.loads(place.python("a", WAY, far, json.dumps(options), user=kind == "ordinary user"))
    assert hops == [[f"10.88.200.{n}"] if n != silent else [] for n in range(1, 7)] + [[far]]
    assert raw is (kind == "raw")
    assert {outcome for outcome, _, _ in answers} == {"reached", "error"} | ({"silence"} if silent else set())
    if method == "tcp":
        assert {name for outcome, name, _ in answers if outcome == "reached"} == {"refused"}


@pytest.mark.parametrize("family", [4, 6])
def test_a_sweep_gives_each_host_its_reason(place: network.Namespaces, kind: str, family: int) -> None:
    behaviours = [
        "right",
        "silent",
        "host unreachable",
        "wrong source",
        "wrong identifier",
        "short quotation",
        "delayed",
    ]
    options: dict[str, object] = {"timeout": 0.1, "retries": 1}
    if kind != "ordinary user":
        options["privileged"] = kind == "raw"
    hosts = [address(behaviour, family) for behaviour in behaviours]
    told = place.python("a", SWEEP, json.dumps(hosts), json.dumps(options), user=kind == "ordinary user")
    found = json.loads(told)
    reasons = {host["host"]: (host["reason"], host["tries"]) for host in found["hosts"]}
    wanted = [("reply", 1), ("silent", 2), ("error", 1), ("wrong source", 1), ("silent", 2), ("error", 1), ("reply", 1)]
    assert reasons == dict(zip(hosts, wanted, strict=True))
    assert found["privileged"] is (kind == "raw")


@pytest.mark.parametrize("family", [4, 6])
def test_drops_for_a_wrong_checksum_are_not_drops_for_lack_of_room(
    place: network.Namespaces, kind: str, family: int
) -> None:
    """The kernel counts both as one (raw ICMPv6); only those for lack of room are losses of this machine's making."""
    wrong, right = BEHAVIOURS["bad checksum"], BEHAVIOURS["right"]
    form = "10.88.{:d}.{:d}" if family == 4 else "fd88::{:x}{:02x}"
    hosts = [form.format(row, how) for row in range(1, 31) for how in (wrong, wrong, right)]
    # A window that the buffer has room for, however late it is read.
    options: dict[str, object] = {"timeout": 0.5, "retries": 1, "rate": None, "window": 64}
    if kind != "ordinary user":
        options["privileged"] = kind == "raw"
    told = place.python("a", SWEEP, json.dumps(hosts), json.dumps(options), user=kind == "ordinary user")
    found = json.loads(told)
    assert found["dropped"] == 0
    reasons = {host["host"]: host["reason"] for host in found["hosts"]}
    assert {reasons[form.format(row, right)] for row in range(1, 31)} == {"reply"}
    assert {reasons[form.format(row, wrong)] for row in range(1, 31)} == {"silent"}


FLOOD = """
import os, socket, struct, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
number = 0
print("ready", flush=True)
while True:
    for _ in range(256):
        number += 1
        head = struct.pack("!BBHHH", 0, 0, 0, number & 0xFFFF, number >> 4 & 0xFFFF)
        total = sum(struct.unpack("!4H", head))
        total = (total & 0xFFFF) + (total >> 16)
        sock.sendto(head[:2] + struct.pack("!H", ~total & 0xFFFF) + head[4:], ("10.88.255.1", 0))
"""
MANY = """
import asyncio, json
from eyesocket.probe import aping
async def main():
    tasks = (aping("10.88.0.3", 10, interval=0.02, timeout=2.0) for _ in range(64))
    return await asyncio.gather(*tasks)
results = asyncio.run(main())
odd = [reply.flags for result in results for reply in result.replies if reply.flags]
print(json.dumps([[result.sent, result.received, result.errors, result.duplicates] for result in results] + [odd]))
"""


def test_64_pingers_under_a_flood_of_foreign_answers(place: network.Namespaces) -> None:
    name = f"{place.prefix}a"
    flooding = subprocess.Popen(
        ["ip", "netns", "exec", name, sys.executable, "-c", FLOOD], stdout=subprocess.PIPE, text=True
    )
    try:
        assert flooding.stdout is not None
        assert flooding.stdout.readline() == "ready\n"
        *counts, odd = json.loads(place.python("a", MANY))
    finally:
        flooding.kill()
        flooding.communicate()
    # Identifiers of the flood run over all numbers, so some do meet ours; none may be taken for an answer.
    assert counts == [[10, 10, 0, 0]] * 64
    assert odd == []


AWAITED = """
import asyncio, importlib, json, sys
from eyesocket.probe import aping, atraceroute
factory = asyncio.new_event_loop if sys.argv[1] == "asyncio" else importlib.import_module("uvloop").new_event_loop

async def main():
    # A wait that an error report does not end would end with the timeout, a minute later.
    async with asyncio.timeout(30):
        delayed = await aping("10.88.0.3", 2, interval=0.01, timeout=60.0)
        barred = await aping("10.88.0.21", 2, interval=0.01, timeout=60.0)
        path = await atraceroute("10.89.6.0", method="icmp", timeout=60.0)
    kinds = [type(event).__name__ for event in delayed.events + barred.events]
    print(json.dumps([kinds, len(path.hops)]))

with asyncio.Runner(loop_factory=factory) as runner:
    runner.run(main())
"""


@pytest.mark.parametrize("user", [False, True], ids=["raw", "ordinary user"])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_error_queues_wake_every_loop(place: network.Namespaces, loop: str, user: bool) -> None:
    if loop == "uvloop":
        pytest.importorskip("uvloop", reason="needs uvloop")
    kinds, hops = json.loads(place.python("a", AWAITED, loop, user=user))
    assert kinds == ["Reply", "Reply", "ErrorReply", "ErrorReply"]
    assert hops == 7


CANCELLED = """
import asyncio
from eyesocket.probe import aping

async def main():
    silent = [asyncio.create_task(aping("10.88.0.2", 1, timeout=600.0)) for _ in range(3)]
    await asyncio.sleep(0.01)
    busy = [asyncio.create_task(aping("10.88.0.1", 200, interval=0, timeout=600.0)) for _ in range(3)]
    for task in silent:
        await asyncio.sleep(0.01)
        task.cancel()
    # If each answer waited for the lease of who had gone, a quarter of a second, it would be 50 seconds.
    async with asyncio.timeout(30):
        results = await asyncio.gather(*busy)
    ended = await asyncio.gather(*silent, return_exceptions=True)
    print([result.received for result in results], [type(error).__name__ for error in ended])

asyncio.run(main())
"""


def test_a_pinger_that_is_cancelled_lets_the_others_go_on(place: network.Namespaces) -> None:
    assert place.python("a", CANCELLED) == "[200, 200, 200] ['CancelledError', 'CancelledError', 'CancelledError']\n"
