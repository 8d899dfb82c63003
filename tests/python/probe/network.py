"""Networks of the tests' own making: a chain of five namespaces with routers between the ends.

Each link i joins PREFIXi and PREFIX(i+1): 10.77.i.1 and .2, fd77:i::1 and ::2. What rate limits would spoil is off.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

SETTINGS = (
    "net.ipv4.ip_forward=1",
    "net.ipv6.conf.all.forwarding=1",
    "net.ipv6.conf.default.accept_dad=0",
    "net.ipv6.conf.all.accept_dad=0",
    "net.ipv4.icmp_ratelimit=0",
    "net.ipv6.icmp.ratelimit=0",
    "net.ipv4.icmp_msgs_per_sec=100000",
    "net.ipv4.icmp_msgs_burst=10000",
    "net.ipv4.icmp_errors_use_inbound_ifaddr=1",
    "net.ipv4.ping_group_range=0 2147483647",
)
LENGTH = 5
_user: list[bool] = []
_names = (f"es{os.getpid()}x{number}n" for number in itertools.count())


def run(*command: str) -> str:
    """Run a command and give what it says."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


class Namespaces:
    """Namespaces that are gone when the test is."""

    def __init__(self) -> None:
        self.prefix = next(_names)
        self.made: list[str] = []

    def add(self, name: str) -> str:
        """Make a namespace with its loopback up."""
        full = f"{self.prefix}{name}"
        run("ip", "netns", "add", full)
        self.made.append(full)
        run("ip", "-n", full, "link", "set", "lo", "up")
        run("ip", "netns", "exec", full, "sysctl", "-qw", *SETTINGS)
        return full

    def close(self) -> None:
        """Take all of them away."""
        for name in self.made:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)

    def ip(self, name: str, *words: str) -> str:
        """Run ip(8) in a namespace."""
        return run("ip", "-n", f"{self.prefix}{name}", *words)

    def execute(self, name: str, *command: str, user: bool = False, check: bool = True) -> str:
        """Run a command in a namespace, perhaps as an ordinary user, and give what it says."""
        words = ["ip", "netns", "exec", f"{self.prefix}{name}"]
        if user:
            words += ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"]
            words += ["--inh-caps=-all"]
        done = subprocess.run([*words, *command], capture_output=True, text=True, timeout=120, check=False)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def runs_as_user(self, name: str) -> bool:
        """Whether an ordinary user can run Python with this package; found out once."""
        if not _user:
            code = "import eyesocket; print(1)"
            _user.append(self.execute(name, sys.executable, "-c", code, user=True, check=False) == "1\n")
        return _user[0]

    def python(self, name: str, code: str, *arguments: str, user: bool = False) -> str:
        """Run Python in a namespace."""
        if user and not self.runs_as_user(name):
            pytest.skip(f"an ordinary user cannot run {sys.executable} with this package")
        return self.execute(name, sys.executable, "-c", code, *arguments, user=user)


class Chain(Namespaces):
    """Five namespaces in a row; `1` is where the tests are, `5` the far end."""

    def __init__(self) -> None:
        super().__init__()
        for number in range(1, LENGTH + 1):
            self.add(str(number))
        for near in range(1, LENGTH):
            far = near + 1
            left, right = f"{self.prefix}{near}", f"{self.prefix}{far}"
            run("ip", "link", "add", "right", "netns", left, "type", "veth", "peer", "name", "left", "netns", right)
            for side, device, last in [(near, "right", 1), (far, "left", 2)]:
                self.ip(str(side), "addr", "add", f"10.77.{near}.{last}/24", "dev", device)
                self.ip(str(side), "addr", "add", f"fd77:{near}::{last}/64", "dev", device, "nodad")
                self.ip(str(side), "link", "set", device, "up")
        for number in range(1, LENGTH):
            self.ip(str(number), "route", "add", "default", "via", f"10.77.{number}.2")
            self.ip(str(number), "-6", "route", "add", "default", "via", f"fd77:{number}::2")
        for number in range(3, LENGTH + 1):
            for link in range(1, number - 1):
                self.ip(str(number), "route", "add", f"10.77.{link}.0/24", "via", f"10.77.{number - 1}.1")
                self.ip(str(number), "-6", "route", "add", f"fd77:{link}::/64", "via", f"fd77:{number - 1}::1")
        # The first packets wait for neighbours to be found.
        for link, family in itertools.product(range(1, LENGTH), (4, 6)):
            self.execute("1", "ping", "-qc1", "-i0.2", "-w10", self.address(link, family))

    @staticmethod
    def address(link: int, family: int) -> str:
        """Give the far address of a link."""
        return f"10.77.{link}.2" if family == 4 else f"fd77:{link}::2"

    @classmethod
    def hops(cls, family: int) -> list[str]:
        """Give the way from 1 to 5."""
        return [cls.address(link, family) for link in range(1, LENGTH)]


def need(tools: Sequence[str]) -> None:
    """Skip where namespaces cannot be made or a tool is missing."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    missing = [tool for tool in ("ip", "setpriv", "sysctl", "ping", *tools) if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    name = next(_names)
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        pytest.skip("network namespaces are not allowed here")
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
