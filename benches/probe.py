"""Probing against iputils, fping and icmplib: how far the times are off, and what a sweep costs.

The times are held against a packet tap: a pair of namespaces is made, a packet socket on our end of it stamps each
request as it leaves and each reply as it comes, and a tool's figure less the tap's is its error. Needs root; what
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


@comparison("error of the round-trip time, median", unit="µs")
def median_error() -> Iterator[Subjects]:
    """Compare the medians."""
    yield from off(0.5)


@comparison("error of the round-trip time, 95 of 100", unit="µs")
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


@comparison("65 534 loopback hosts (icmplib: 2046), CPU a probe", unit="µs", targets={"fping": 1.7, "icmplib": 11.0})
def processor() -> Iterator[Subjects]:
    """Compare the processor time, the interpreter's start included."""
    yield from costs(0)


@comparison("the same, memory", unit="MB")
def memory() -> Iterator[Subjects]:
    """Compare the largest resident size."""
    yield from costs(1)
