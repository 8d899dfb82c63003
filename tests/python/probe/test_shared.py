"""Many pingers of one process share a raw socket: threads, loops, a fork, and those that come and go."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from eyesocket import probe

try:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
except PermissionError:
    pytest.skip("raw sockets need CAP_NET_RAW", allow_module_level=True)


def raw_sockets(family: int) -> int:
    """How many raw sockets of the family this process has (its descriptors beside the kernel's table)."""
    table = Path(f"/proc/self/net/raw{'6' if family == 6 else ''}").read_text().splitlines()[1:]
    inodes = {line.split()[9] for line in table}
    mine = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            mine.add(str(descriptor.readlink()))
        except FileNotFoundError:
            continue
    return sum(f"socket:[{inode}]" in mine for inode in inodes)


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", 4), ("::1", 6)])
def test_one_raw_socket_for_64_pingers(host: str, family: int) -> None:
    before = raw_sockets(family)
    pingers = [probe.ping_iter(host, interval=0.001, privileged=True, ttl=1 + n) for n in range(64)]
    assert [type(next(pinger)).__name__ for pinger in pingers] == ["Reply"] * 64
    assert raw_sockets(family) == before + 1
    other = probe.ping_iter(host, interval=0.001, privileged=True, tos=4)
    next(other)
    assert raw_sockets(family) == before + 2, "another option of the socket is another socket"
    del other
    assert raw_sockets(family) == before + 1
    for _ in range(20):
        assert [type(next(pinger)).__name__ for pinger in pingers] == ["Reply"] * 64
    del pingers
    assert raw_sockets(family) == before


def test_more_than_one_socket_has_room_for() -> None:
    before = raw_sockets(4)
    pingers = [probe.ping_iter("127.0.0.1", interval=0.001, privileged=True) for _ in range(250)]
    for _ in range(2):
        assert {type(next(pinger)).__name__ for pinger in pingers} == {"Reply"}
    assert raw_sockets(4) == before + 3


def test_threads_that_come_and_go() -> None:
    results: list[probe.PingResult] = []

    def work(number: int) -> None:
        for round_ in range(5):
            count = 1 + (number + round_) % 7
            results.append(probe.ping("127.0.0.1", count, interval=0.001 * (number % 3), privileged=True, timeout=20))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 160
    assert all(result.received == result.sent for result in results)
    assert not any(reply.flags for result in results for reply in result.replies)


def test_loops_in_several_threads() -> None:
    counts: list[list[int]] = []

    async def some() -> list[int]:
        results = await asyncio.gather(
            *(probe.aping("127.0.0.1", 5, interval=0.002 * n, privileged=True, timeout=20) for n in range(10))
        )
        return [result.received for result in results]

    threads = [threading.Thread(target=lambda: counts.append(asyncio.run(some()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [[5] * 10] * 4


def test_a_pinger_that_is_put_away_does_not_hold_the_others_up() -> None:
    idle = probe.ping_iter("127.0.0.1", interval=0.001, privileged=True)
    next(idle)
    began = time.monotonic()
    assert probe.ping("127.0.0.1", 200, interval=0, privileged=True).received == 200
    # If each answer waited for the idle one's lease, a quarter of a second, it would be 50.
    assert time.monotonic() - began < 30
    assert type(next(idle)).__name__ == "Reply"


def closed_port() -> int:
    """Give a UDP port of the loopback that nobody listens at: it answers by errors."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.parametrize("kind", ["raw", "udp", "tcp"])
def test_a_forked_child_has_a_socket_of_its_own(kind: str) -> None:
    options: probe.PingOptions = {"interval": 0.001, "timeout": 5}
    if kind in {"udp", "tcp"}:
        options |= {"method": "udp" if kind == "udp" else "tcp", "port": closed_port()}
    else:
        options["privileged"] = True
    pinger, kept = (probe.ping_iter("127.0.0.1", **options) for _ in range(2))
    next(pinger), next(kept)
    child = os.fork()
    if child == 0:
        try:
            # One goes on, one begins, one is dropped: none of it may disturb the parent's.
            went_on = [type(next(pinger)).__name__ for _ in range(50)]
            began = probe.ping("127.0.0.1", 50, **options)
            del kept
            good = went_on == ["Reply"] * 50 and began.received == 50 and not began.duplicates
            os._exit(0 if good else 1)
        except BaseException:
            os._exit(2)
    events = [next(kept) for _ in range(100)] + [next(pinger) for _ in range(100)]
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert {type(event).__name__ for event in events} == {"Reply"}
    assert not any(event.flags for event in events)
    assert pinger.result().duplicates == kept.result().duplicates == 0
