"""What tests of several topics need."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest


def pytest_configure() -> None:
    """Let Ctrl-C reach the programs that tests start: a shell makes what it puts into the background ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def in_a_namespace(*become: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Give a way to run Python with setpriv's words `become`, in a network namespace that has only a loopback."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("setpriv", "unshare", "ip"))):
        pytest.skip("giving up rights in a namespace needs root, setpriv, unshare and ip")
    loopback = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    prefix = [*loopback, "setpriv", *become, "--bounding-set=-all", "--inh-caps=-all", sys.executable]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*prefix, *arguments], capture_output=True, text=True, timeout=110, check=False)

    return run


@pytest.fixture
def nobody() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python with these arguments as an ordinary user, in a network namespace that has only a loopback."""
    run = in_a_namespace("--reuid=65534", "--regid=65534", "--clear-groups")
    if run("-c", "import eyesocket").returncode:
        pytest.skip(f"an ordinary user cannot run {sys.executable} with this package")
    return run


@pytest.fixture
def powerless() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python with these arguments and no capability; the user stays, and so may read a checkout that is root's."""
    return in_a_namespace()


@pytest.fixture
def unknown_name() -> str:
    """A host name that is longer than names can be: nobody knows it, and no name server is asked."""
    return "x." * 150 + "invalid"
