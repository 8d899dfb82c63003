"""What the tests of probing need: a way to open ICMP sockets, and networks of their own."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The tests are not a package: what they share is found beside them.
sys.path.insert(0, str(Path(__file__).parent))
import network


def allowed(kind: int) -> bool:
    """Whether this process may open an ICMP socket of that kind."""
    try:
        socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP).close()
    except PermissionError:
        return False
    return True


@pytest.fixture(params=["raw", "datagram"])
def privileged(request: pytest.FixtureRequest) -> bool:
    """Both kinds of socket, as far as they are allowed here."""
    raw = request.param == "raw"
    if not allowed(socket.SOCK_RAW if raw else socket.SOCK_DGRAM):
        pytest.skip("raw sockets need CAP_NET_RAW" if raw else "datagram ICMP sockets need net.ipv4.ping_group_range")
    return raw


@pytest.fixture
def icmp() -> None:
    """Some kind of ICMP socket."""
    if not (allowed(socket.SOCK_RAW) or allowed(socket.SOCK_DGRAM)):
        pytest.skip("ICMP sockets need CAP_NET_RAW or net.ipv4.ping_group_range")


@pytest.fixture(scope="module")
def chain() -> Iterator[network.Chain]:
    """Give a chain of five namespaces; what a test changes in it, it puts back."""
    network.need([])
    made = network.Chain()
    yield made
    made.close()
