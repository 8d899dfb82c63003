"""Probing against iputils, fping and icmplib: how far the times are off, what a sweep costs, what a flood does.

The times are held against a packet tap: a pair of namespaces is made, a packet socket on our end of it stamps each
request as it leaves and each reply as it comes, and a tool's figure less the tap's is its error. The flood is of
foreign echo replies, and the hosts are 20 ms away: the responder of the tests, behind a TUN device. Needs root; what
cannot be had is left out by name.
"""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benches.harness import Missing, Subjects, comparison, package, program

TITLE = "Probing: ping and sweep"

ROOT = Path(__file__).resolve().parent.parent
COUNT = 50
"""Probes a measurement."""
HOSTS = 65_534
"""Hosts of 127.0.0.0/16."""
SLICE = 2046
"""Hosts of a slower peer."""


def rooted() -> Missing | None:
    """Say that we may not do this, if so."""
    return None if os.geteuid() == 0 else Missing("needs root")


# How far a tool's times are from the tap's.


def tap(ready: threading.Event, stop: threading.Event, stamps: dict[tuple[int, int, int], float]) -> None:
    """Record when each echo request and reply passed: (type, identifier, sequence) to seconds."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3)) as packets:
        packets.bind(("near", 0))
        packets.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
        packets.settimeout(0.05)
        ready.set()
        while not stop.is_set():
            try:
                data, control, _, _ = packets.recvmsg(2048, 256)
            except TimeoutError:
                continue
            if len(data) < 28 or data[0] >> 4 != 4 or data[9] != 1:
                continue
            seconds, nanos = struct.unpack("qq", control[0][2][:16])
            kind, identifier, sequence = data[20], *struct.unpack("!HH", data[24:28])
            stamps[kind, identifier, sequence] = seconds + nanos / 1e9


def eyesocket_times(*, kernel_stamps: bool = True) -> dict[int, float]:
    """Ping with ours."""
    from eyesocket.probe import ping

    result = ping("10.66.0.2", COUNT, interval=0.005, kernel_stamps=kernel_stamps)
    return {reply.sequence: reply.rtt for reply in result.replies}


def iputils_times() -> dict[int, float]:
    """Ping with ping(8)."""
    told = subprocess.run(
        ["ping", "-n", "-i", "0.005", "-c", str(COUNT), "10.66.0.2"], capture_output=True, text=True, check=True
    ).stdout
    return {int(n): float(ms) / 1e3 for n, ms in re.findall(r"icmp_seq=(\d+) .*time=([\d.]+) ms", told)}


def fping_times() -> dict[int, float]:
    """Ping with fping(8)."""
    words = ["fping", "-q", "-p", "5", "-i", "1", "-C", str(COUNT), "10.66.0.2"]
    told = subprocess.run(words, capture_output=True, text=True, check=False).stderr
    times = told.split(":")[-1].split()
    return {n: float(ms) / 1e3 for n, ms in enumerate(times) if ms != "-"}


def icmplib_times() -> dict[int, float]:
    """Ping with icmplib."""
    from icmplib import ping

    return {n: ms / 1e3 for n, ms in enumerate(ping("10.66.0.2", COUNT, interval=0.005, timeout=1).rtts, 0)}


TOOLS: dict[str, Callable[[], dict[int, float]]] = {
    "eyesocket": eyesocket_times,
    "eyesocket, own clock": lambda: eyesocket_times(kernel_stamps=False),
    "iputils": iputils_times,
    "fping": fping_times,
    "icmplib": icmplib_times,
}


def errors(tool: str) -> list[float]:
    """Give a tool's errors in seconds, probe by probe; runs in the namespace."""
    stamps: dict[tuple[int, int, int], float] = {}
    ready, stop = threading.Event(), threading.Event()
    tapping = threading.Thread(target=tap, args=(ready, stop, stamps))
    tapping.start()
    ready.wait()
    subprocess.run(["ping", "-qc1", "10.66.0.2"], stdout=subprocess.DEVNULL, check=True)
    stop.wait(0.1)
    before = {key[1] for key in stamps}
    times = TOOLS[tool]()
    stop.wait(0.1)
    stop.set()
    tapping.join()
    wire = sorted(
        (sequence, stamps[0, identifier, sequence] - sent)
        for (kind, identifier, sequence), sent in stamps.items()
        if kind == 8 and identifier not in before and (0, identifier, sequence) in stamps
    )
    # Tools count from 0 or 1; the order is the same.
    if len(wire) != len(times):
        return []
    return [told - seen for (_, seen), (_, told) in zip(wire, sorted(times.items()), strict=True)]


@contextmanager
def pair() -> Iterator[str]:
    """Make two namespaces that see each other, and name ours."""
    near, far = f"eb{os.getpid()}n", f"eb{os.getpid()}f"

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True)

    try:
        for name in (near, far):
            ip("netns", "add", name)
        ip("link", "add", "near", "netns", near, "type", "veth", "peer", "name", "far", "netns", far)
        for name, device, address in [(near, "near", "10.66.0.1/24"), (far, "far", "10.66.0.2/24")]:
            ip("-n", name, "addr", "add", address, "dev", device)
            ip("-n", name, "link", "set", device, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield near
    finally:
        for name in (near, far):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def quantile(namespace: str, tool: str, q: float) -> float:
    """Run a tool in the namespace and give a quantile of its errors in microseconds."""
    code = f"import json; from benches.probe import errors; print(json.dumps(errors({tool!r})))"
    for _ in range(3):
        words = ["ip", "netns", "exec", namespace, sys.executable, "-c", code]
        told = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT).stdout
        found = sorted(json.loads(told))
        if found:
            # Below the wire is an error too.
            value: float = found[min(len(found) - 1, int(q * len(found)))]
            return max(abs(value) * 1e6, 0.01)
    message = f"{tool}: its figures are not those of the probes on the wire"
    raise RuntimeError(message)


def off(q: float) -> Iterator[Subjects]:
    """Compare a quantile of the errors of all tools."""
    if missing := rooted():
        yield {"eyesocket": missing}
        return
    with pair() as namespace:

        def subject(tool: str) -> Callable[[], float]:
            return lambda: quantile(namespace, tool, q)

        absent = {"iputils": program("ping"), "fping": program("fping"), "icmplib": package("icmplib")}
        yield {tool: gone if isinstance(gone := absent.get(tool), Missing) else subject(tool) for tool in TOOLS}


@comparison("error of the round-trip time, median", unit="µs", at_most={"eyesocket": 5.0, "eyesocket, own clock": 35.0})
def median_error() -> Iterator[Subjects]:
    """Compare the medians."""
    yield from off(0.5)


@comparison("error of the round-trip time, 95 of 100", unit="µs", at_most={"eyesocket": 25.0})
def tail_error() -> Iterator[Subjects]:
    """Compare the 95th percentiles."""
    yield from off(0.95)


# What a sweep costs.


def spent(words: list[str]) -> tuple[float, float]:
    """Run a command; give its CPU seconds and its largest size in MB."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


OURS = """
from eyesocket.probe import sweep
found = sweep("127.0.0.0/16", rate=None)
assert found.reasons == {"reply": 65534}, found.reasons
"""
ICMPLIB = """
from icmplib import multiping
hosts = [f"127.0.{n // 250}.{n % 250 + 1}" for n in range(2046)]
assert all(host.is_alive for host in multiping(hosts, count=1, timeout=2))
"""


def sweeps() -> dict[str, tuple[list[str], int] | Missing]:
    """Give each tool's command and how many hosts it asks."""
    fping = program("fping")
    return {
        "eyesocket": ([sys.executable, "-c", OURS], HOSTS),
        "fping": fping
        if isinstance(fping, Missing)
        else ([str(fping), "-q", "-i", "0.01", "-r", "0", "-g", "127.0.0.1", "127.0.255.254"], HOSTS),
        "icmplib": package("icmplib") or ([sys.executable, "-c", ICMPLIB], SLICE),
    }


def costs(which: int) -> Iterator[Subjects]:
    """Compare CPU (0) or memory (1)."""
    if missing := rooted():
        yield {"eyesocket": missing}
        return

    def subject(words: list[str], hosts: int) -> Callable[[], float]:
        if which:
            return lambda: spent(words)[1]
        return lambda: spent(words)[0] / hosts * 1e6

    yield {name: told if isinstance(told, Missing) else subject(*told) for name, told in sweeps().items()}


@comparison(
    "65 534 loopback hosts (icmplib: 2046), CPU a probe",
    unit="µs",
    targets={"fping": 1.7, "icmplib": 11.0},
    at_most={"eyesocket": 10.0},
)
def processor() -> Iterator[Subjects]:
    """Compare the processor time, the interpreter's start included."""
    yield from costs(0)


@comparison("the same, memory", unit="MB", at_most={"eyesocket": 40.0})
def memory() -> Iterator[Subjects]:
    """Compare the largest resident size."""
    yield from costs(1)


# What a flood of foreign answers does.

RATE = 100_000
"""Foreign replies a second."""
PINGERS = 64
EACH = 20
"""Probes a pinger."""

FLOOD = """
import random, socket, struct, sys, time
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
packets = []
for _ in range(4096):
    data = struct.pack("!BBHHH", 0, 0, 0, random.randrange(65536), random.randrange(65536)) + bytes(56)
    packets.append(data[:2] + struct.pack("!H", checksum(data)) + data[4:])
with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as flood:
    flood.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    flood.connect(("10.88.255.1", 0))
    print("ready", flush=True)
    began, sent = time.perf_counter(), 0
    while True:
        due = int((time.perf_counter() - began) * RATE)
        # What a pause has missed is not made up for by more than 10 ms' worth.
        began, sent = (began, sent) if due - sent < RATE // 100 else (time.perf_counter(), due := 0)
        while sent < due:
            flood.send(packets[sent & 4095])
            sent += 1
        time.sleep(0.0005)
""".replace("RATE", str(RATE))
OURS_MANY = f"""
import asyncio
from eyesocket.probe import aping
async def main():
    asked = (aping(f"10.88.{{n}}.3", {EACH}, interval=0.05, timeout=1.0) for n in range({PINGERS}))
    results = await asyncio.gather(*asked)
    assert not any(reply.flags for result in results for reply in result.replies), "a foreign reply"
    print(sum(result.lost for result in results))
asyncio.run(main())
"""
ICMPLIB_MANY = f"""
from icmplib import multiping
hosts = [f"10.88.{{n}}.3" for n in range({PINGERS})]
found = multiping(hosts, count={EACH}, interval=0.05, timeout=1.0)
print(sum(host.packets_sent - host.packets_received for host in found))
"""


def ours_many(namespace: str) -> int:
    """Ping 64 hosts at once, in one process; give how many probes were lost."""
    return int(within(namespace, sys.executable, "-c", OURS_MANY).stdout)


def icmplib_many(namespace: str) -> int:
    """Do the same with icmplib."""
    return int(within(namespace, sys.executable, "-c", ICMPLIB_MANY).stdout)


def fping_many(namespace: str) -> int:
    """Do the same with fping."""
    hosts = [f"10.88.{n}.3" for n in range(PINGERS)]
    told = within(namespace, "fping", "-q", "-p", "50", "-i", "0.1", "-t", "1000", "-c", str(EACH), *hosts).stderr
    counts = re.findall(r"xmt/rcv/%loss = (\d+)/(\d+)/", told)
    return sum(abs(int(sent) - int(received)) for sent, received in counts)


def iputils_many(namespace: str) -> int:
    """Do the same with 64 processes of ping."""
    words = ["ip", "netns", "exec", namespace, "ping", "-q", "-n", "-i", "0.05", "-W", "1", "-c", str(EACH)]
    running = [subprocess.Popen([*words, f"10.88.{n}.3"], stdout=subprocess.PIPE, text=True) for n in range(PINGERS)]
    told = [process.communicate()[0] for process in running]
    return sum(
        abs(int(a) - int(b)) for text in told for a, b in re.findall(r"(\d+) packets transmitted, (\d+) received", text)
    )


def within(namespace: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a namespace."""
    return subprocess.run(["ip", "netns", "exec", namespace, *words], capture_output=True, text=True, check=False)


@contextmanager
def flooded() -> Iterator[str]:
    """Make a namespace with the responder and the flood in it."""
    name = f"eb{os.getpid()}w"
    responder = ROOT / "tests" / "python" / "probe" / "responder.py"
    running: list[subprocess.Popen[str]] = []
    try:
        subprocess.run(["ip", "netns", "add", name], check=True)
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        for words in ([str(responder), "tun0"], ["-c", FLOOD]):
            command = ["ip", "netns", "exec", name, sys.executable, *words]
            running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            said = running[-1].stdout
            if said is None or said.readline() != "ready\n":
                message = "a TUN device, or the flood, cannot be had"
                raise RuntimeError(message)
        yield name
    finally:
        # The flood first: it needs the responder's device.
        for process in reversed(running):
            process.kill()
            process.communicate()
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@comparison(
    f"{PINGERS} pingers, 20 ms away, {RATE:,} foreign replies a second: 1 + probes of 1000 lost, or answered by others",
    unit="",
    at_most={"eyesocket": 1.0},
)
def flood() -> Iterator[Subjects]:
    """Compare what goes wrong; 1 is nothing. More answers than probes are foreign ones."""
    if missing := rooted():
        yield {"eyesocket": missing}
        return
    with flooded() as namespace:

        def subject(ask: Callable[[str], int]) -> Callable[[], float]:
            return lambda: 1 + 1000 * ask(namespace) / (PINGERS * EACH)

        yield {
            "eyesocket": subject(ours_many),
            "iputils, 64 processes": gone if isinstance(gone := program("ping"), Missing) else subject(iputils_many),
            "fping": gone if isinstance(gone := program("fping"), Missing) else subject(fping_many),
            "icmplib": package("icmplib") or subject(icmplib_many),
        }
