"""What `make tour` and `make bench` run: the wheel as users get it, in an environment of its own.

usage: python tests/gate/run.py tour|bench [WORD ...]
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from environments import TOP, StepError, installed, release_wheel


def main() -> int:
    """Run `eyesocket tour` or the benchmarks; the words that follow are theirs. Gives their exit status."""
    name, *words = sys.argv[1:]
    python = Path(sys.executable)
    try:
        wheel = release_wheel(python)
        if name == "tour":
            command = [installed("tour", python, wheel) / "eyesocket", "tour", *words]
        elif name == "bench":
            command = [installed("bench", python, wheel, "bench") / "python", "-m", "benches", *words]
        else:
            raise StepError(f"there is no {name!r}; it is tour or bench")
    except StepError as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    try:
        return subprocess.run(command, cwd=TOP, check=False).returncode
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
