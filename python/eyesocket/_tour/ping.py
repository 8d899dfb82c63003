"""ICMP echo, and what it leads to: many hosts, the way to one, what fits through."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import eyesocket
from eyesocket import socket
from eyesocket.article.ping import checksum, create_packet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eyesocket._tour.stage import Stage

TITLE = "ping: neither TCP nor UDP, but ICMP"


def tell(stage: Stage) -> None:
    """Ping loopback, v4 and v6."""
    packet = create_packet(0x1234)
    stage.show(f"type {packet[0]}, code {packet[1]}, checksum {packet[2]:02x}{packet[3]:02x}, id {packet[4:6].hex()}")
    stage.check(checksum(packet) == 0, "an echo request with its checksum in place sums up to zero (RFC 1071)")
    try:
        result = eyesocket.ping("127.0.0.1", count=3, interval=0.05)
    except PermissionError as refused:
        stage.skip(str(refused))
    stage.show(result)
    stage.check(result.received == 3, "three requests, three replies from 127.0.0.1")
    stage.check(all(0 < rtt < 1 for rtt in result.rtts), "each round-trip time is above zero and below a second")
    if socket.has_ipv6:
        try:
            result = eyesocket.ping("::1", count=1)
        except OSError as refused:
            stage.aside(f"no IPv6 here: {refused}")
        else:
            stage.show(result)
            stage.check(result.received == 1, "the same for IPv6")
    many(stage)
    with router() as near:
        if near is None:
            stage.aside("A router between namespaces needs root and the tools ip, unshare and nsenter; so a short way.")
            way(stage)
        else:
            far_way(stage, near)


def many(stage: Stage) -> None:
    """Sweep a network of the loopback."""
    stage.say("A sweep asks very many hosts, each once and the silent ones again, and says of each why.")
    found = eyesocket.sweep("127.0.0.0/24", rate=None)
    stage.show(found)
    stage.show(found[0])
    stage.check(found.reasons == {"reply": 254}, "254 hosts of 127.0.0.0/24, 254 replies, over one socket")


def way(stage: Stage) -> None:
    """Trace the loopback."""
    trace = eyesocket.traceroute("127.0.0.1")
    stage.show(trace)
    stage.check(trace.reached and len(trace) == 1, "from us to us it is one hop")


FAR = """
from eyesocket.probe import path_mtu, traceroute
trace = traceroute("10.99.2.2")
print(trace)
assert [hop.addresses for hop in trace.hops] == [("10.99.1.2",), ("10.99.2.2",)], trace
found = path_mtu("10.99.2.2")
print(found, *found.steps, sep="\\n  ")
assert found.mtu == 1400, found
"""


def far_way(stage: Stage, near: int) -> None:
    """Trace a host behind a router, whose second link is narrower than the first."""
    stage.say(
        """A host behind a router, each in a network namespace of its own. Probes leave with a time to live of 1, 2, 3,
        and who lets one die says so: that is traceroute. The second link carries 1400 bytes, and the router says that
        too."""
    )
    words = ["nsenter", "-t", str(near), "-n", sys.executable, "-c", FAR]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    stage.show(done.stdout or done.stderr)
    stage.check(done.returncode == 0, "the router is the first hop, the host the second, and 1400 bytes get through")


@contextmanager
def router() -> Iterator[int | None]:
    """Make three namespaces in a row, 10.99.1.1 - 10.99.1.2 10.99.2.1 - 10.99.2.2; none if we may not."""
    tools = [shutil.which(name) for name in ("ip", "unshare", "nsenter")]
    if os.geteuid() != 0 or None in tools:
        yield None
        return
    with ExitStack() as held:
        try:
            near: int | None = build(held)
        except (OSError, subprocess.CalledProcessError):
            near = None
        yield near


def build(held: ExitStack) -> int:
    """Make them, to be gone when `held` is closed; give the process that is in the first."""
    near, between, far = (keeper(held) for _ in range(3))

    def ip(process: int, *words: str) -> None:
        inside = ["nsenter", "-t", str(process), "-n", "ip", *words]
        subprocess.run(inside, check=True, capture_output=True)

    for left, right, net, mtu in [(near, between, 1, 1500), (between, far, 2, 1400)]:
        names = (f"link{net}", f"back{net}")
        peer = ["type", "veth", "peer", "name", names[1], "netns", str(right)]
        ip(left, "link", "add", names[0], "mtu", str(mtu), *peer)
        ip(right, "link", "set", names[1], "mtu", str(mtu))
        for process, name, last in [(left, names[0], 1), (right, names[1], 2)]:
            ip(process, "addr", "add", f"10.99.{net}.{last}/24", "dev", name)
            ip(process, "link", "set", name, "up")
    ip(near, "route", "add", "default", "via", "10.99.1.2")
    ip(far, "route", "add", "default", "via", "10.99.2.1")
    forward = ["nsenter", "-t", str(between), "-n", "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]
    subprocess.run(forward, check=True, capture_output=True)
    return near


def keeper(held: ExitStack) -> int:
    """Start a process that keeps a network namespace, and wait until it does."""
    process = held.enter_context(subprocess.Popen(["unshare", "--net", "sleep", "600"]))
    held.callback(process.kill)
    own = Path("/proc/self/ns/net").readlink()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{process.pid}/ns/net").readlink() == own:
        if process.poll() is not None or time.monotonic() > deadline:
            message = "no network namespace"
            raise TimeoutError(message)
        time.sleep(0.005)
    return process.pid
