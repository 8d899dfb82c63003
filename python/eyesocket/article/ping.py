"""The article's ping: `python -m eyesocket.article.ping [HOST ...]`, by default the loopback address.

Names, prints and order of calls are the original's; the packets, the sockets and the waiting are eyesocket's.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from eyesocket import _native, probe, socket
from eyesocket.article import _script

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["PingQuery", "checksum", "create_packet", "do_one", "multi_ping_query", "verbose_ping"]

DATA = b"Q" * 192


def checksum(source: bytes) -> int:
    """Compute the Internet checksum (RFC 1071) of `source`.

    The original added bytes one by one in the machine's order and swapped the result; this is right on any machine, and
    for an odd number of bytes.
    """
    return _native.internet_checksum(source)


def create_packet(id: int) -> bytes:  # noqa: A002 - the original's name
    """Build an ICMP echo request, sequence 1, with 192 bytes of `Q`."""
    return _native.echo_request(id & 0xFFFF, 1, DATA)


def do_one(dest_addr: str, timeout: float = 1) -> float | None:
    """Ping once: seconds, or None if there was no answer within `timeout` seconds or the name is unknown.

    The original took any packet with its id for the reply, an error report too, and chose the id at random; here a
    reply is a reply to this very packet. It needed root; `PermissionError` says what else will do.
    """
    try:
        result = probe.ping(dest_addr, 1, timeout=timeout, pattern=b"Q", size=len(DATA))
    except socket.gaierror:
        return None
    return result.rtts[0] if result else None


def verbose_ping(dest_addr: str, timeout: float = 2, count: int = 4) -> None:
    """Ping `count` times, one after the other, and print what came."""
    for _ in range(count):
        print(f"ping {dest_addr}...")
        delay = do_one(dest_addr, timeout)
        if delay is None:
            print(f"failed. (Timeout within {timeout} seconds.)")
        else:
            delay = round(delay * 1000.0, 4)
            print(f"get ping in {delay} milliseconds.")
    print()


class PingQuery:
    """One host of a `multi_ping_query`.

    The original was an asyncore dispatcher with a raw socket each and an id of its own counting; here each has a
    session of the engine, so ids cannot collide.
    """

    def __init__(self, host: str, p_id: int, timeout: float = 0.5, ignore_errors: bool = False) -> None:  # noqa: FBT001, FBT002
        self.host = host
        self.packet = create_packet(p_id)
        self.timeout = timeout
        self.ignore_errors = ignore_errors
        self._pinging = probe.ping_iter(host, 1, timeout=timeout, pattern=b"Q", size=len(DATA))
        self._delay: float | None = None

    async def run(self) -> None:
        """Ping."""
        try:
            async for event in self._pinging:
                if isinstance(event, probe.Reply):
                    self._delay = event.rtt
        except OSError:
            if not self.ignore_errors:
                raise

    def get_result(self) -> float | None:
        """Give the seconds, or None."""
        return self._delay

    def get_host(self) -> str:
        """Give the host."""
        return self.host


def multi_ping_query(
    hosts: Iterable[str],
    timeout: float = 1,
    step: int = 512,
    ignore_errors: bool = False,  # noqa: FBT001, FBT002
) -> dict[str, float | None]:
    """Ping many hosts at once, `step` at a time: seconds or None for each address; None for names that are unknown."""
    import asyncio

    async def together(queries: list[PingQuery]) -> None:
        await asyncio.gather(*(query.run() for query in queries))

    results: dict[str, float | None] = {}
    host_list = []
    for host in hosts:
        try:
            host_list.append(socket.gethostbyname(host))
        except socket.gaierror:
            results[host] = None
    # The original removed from the list that it walked over, and so skipped hosts.
    for start in range(0, len(host_list), step):
        queries = [
            PingQuery(ip, p_id, timeout, ignore_errors) for p_id, ip in enumerate(host_list[start : start + step])
        ]
        asyncio.run(together(queries))
        results.update((query.get_host(), query.get_result()) for query in queries)
    return results


def main() -> None:
    """Ping the hosts of the command line, first one after the other, then all at once."""
    parser = argparse.ArgumentParser(description="Ping hosts, first one after the other, then all at once.")
    parser.add_argument("hosts", nargs="*", default=["127.0.0.1"], metavar="HOST", help="default: %(default)s")
    hosts = parser.parse_args().hosts
    for host in hosts:
        verbose_ping(host)
    for host, delay in multi_ping_query(hosts).items():
        print(host, "=", delay)


if __name__ == "__main__":
    _script.run(main)
