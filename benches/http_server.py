"""What the topics of HTTP share: the server in C, the client in C, and what they check."""

from __future__ import annotations

import ctypes
import importlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benches.harness import package

__all__ = ["check", "optional", "peer"]

SOURCE = Path(__file__).with_name("http_peer.c")


@contextmanager
def peer(*, apart: bool = False) -> Iterator[tuple[int, ctypes.CDLL]]:
    """Compile and start the server; gives its port and the client in C.

    `apart`: the server keeps off the CPU that `pinned` takes.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        message = "benches/http.py needs a C compiler (cc)"
        raise SystemExit(message)
    with tempfile.TemporaryDirectory() as folder:
        server, library = Path(folder) / "http_peer", Path(folder) / "http_peer.so"
        common = [compiler, "-O2", "-D_GNU_SOURCE", "-pthread", str(SOURCE)]
        subprocess.run([*common, "-o", str(server)], check=True)
        subprocess.run([*common, "-shared", "-fPIC", "-o", str(library)], check=True)
        process = subprocess.Popen([str(server)], stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            if apart:
                os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})
            yield int(process.stdout.readline()), ctypes.CDLL(str(library))
        finally:
            process.kill()
            process.wait()


def optional(name: str, make: Callable[[Any], Callable[[], float | None]]) -> Any:
    """Give the subject that `make` makes of a package, or why it is not there."""
    missing = package(name)
    return missing or make(importlib.import_module(name))


def check(content: Any, length: int) -> None:
    """See that a subject did its work."""
    if len(content) != length:
        message = f"{len(content)} bytes in place of {length}"
        raise AssertionError(message)
