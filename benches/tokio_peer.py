"""The peer in native Rust: tokio-util's codec on a loop of tokio, compiled once and run as a process of its own."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from benches.harness import Missing, Subject

__all__ = ["receiver"]

SOURCE = Path(__file__).with_name("tokio_peer")
BUILT = SOURCE.parents[1] / "build" / "tokio_peer"


@cache
def compiled() -> Path | Missing:
    """Compile it; say why where that fails."""
    cargo = shutil.which("cargo")
    if cargo is None:
        return Missing("cargo, Rust's package manager, is not installed")
    command = [cargo, "build", "--release", "--locked", "--quiet", "--target-dir", str(BUILT)]
    built = subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, check=False)
    if built.returncode:
        return Missing(f"tokio_peer does not compile here: {built.stderr.strip().splitlines()[-1]}")
    return BUILT / "release" / "tokio-peer"


def receiver(stack: ExitStack, frames: int, flood: Callable[[ExitStack, int], None]) -> Subject | Missing:
    """Give what it costs a frame, in CPU seconds of its process; `flood` sends to the port that it is told."""
    program = compiled()
    if isinstance(program, Missing):
        return program
    process = stack.enter_context(subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    stack.callback(process.kill)
    asked, told = process.stdin, process.stdout
    if asked is None or told is None:
        raise RuntimeError
    flood(stack, int(told.readline()))
    clock = (~process.pid << 3) | 2
    """The CPU time of that process: clock_getcpuclockid(3)."""

    def subject() -> float:
        began = time.clock_gettime(clock)
        asked.write(f"{frames}\n")
        asked.flush()
        if not told.readline():
            raise EOFError
        return (time.clock_gettime(clock) - began) / frames

    return subject
