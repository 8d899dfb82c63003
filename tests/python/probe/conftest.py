"""What the tests of probing need: a way to open ICMP sockets, and networks of their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
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


@pytest.fixture
def nobody() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python with these arguments as an ordinary user, in a network namespace that has only a loopback."""
    if os.geteuid() != 0 or not shutil.which("setpriv") or not shutil.which("unshare"):
        pytest.skip("becoming an ordinary user in a namespace needs root, setpriv and unshare")
    prefix = ["unshare", "--net", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"]

    if subprocess.run(
        [*prefix, sys.executable, "-c", "import eyesocket"], capture_output=True, timeout=60, check=False
    ).returncode:
        pytest.skip(f"an ordinary user cannot run {sys.executable} with this package")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*prefix, "--inh-caps=-all", sys.executable, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture(scope="module")
def chain() -> Iterator[network.Chain]:
    """Give a chain of five namespaces; what a test changes in it, it puts back."""
    network.need([])
    made = network.Chain()
    yield made
    made.close()
