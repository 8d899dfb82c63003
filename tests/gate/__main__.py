"""The gate: everything that has to hold before a change is done. `make test` runs it.

Lives here: the order of the steps, each a command of a well-known tool, and the summary. What a step checks lives with
that step's tool. Needs nothing but Python 3.11 and cargo: the environments are made below build/, the native module is
built once and the one wheel is tested on every interpreter from 3.11 to 3.14 that is on this machine.

usage: python tests/gate [--list] [STEP ...]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOP = Path(__file__).resolve().parents[2]
BUILD = TOP / "build"
WHEELS = BUILD / "wheels"
ALLOWLIST = TOP / "tests" / "gate" / "stubtest-allowlist.txt"
MINORS = range(11, 15)


class StepError(Exception):
    """A step did not hold; the text says which command."""


def run(*words: str | Path, **environment: str) -> None:
    """Run a command from the top of the checkout with its output shown."""
    command = [str(word) for word in words]
    sys.stdout.write(f"$ {' '.join(command)}\n")
    sys.stdout.flush()
    status = subprocess.run(command, cwd=TOP, check=False, env={**os.environ, **environment}).returncode
    if status:
        raise StepError(f"{' '.join(command)}: exit status {status}")


# Environments ----------------------------------------------------------------------------------------------------


def interpreters() -> dict[int, Path]:
    """Find CPython 3.11 to 3.14 on this machine: minor version to path, the running one first among equals."""
    found: dict[int, Path] = {}
    candidates = [Path(sys.executable)]
    for minor in MINORS:
        if path := shutil.which(f"python3.{minor}"):
            candidates.append(Path(path))
        roots = {Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser(), Path("~/.pyenv").expanduser()}
        for root in roots:
            candidates += sorted(root.glob(f"versions/3.{minor}.*/bin/python3.{minor}"), reverse=True)
    for path in candidates:
        probe = "import sys; print(sys.implementation.name, *sys.version_info[:2], sys.base_prefix)"
        answer = subprocess.run([path, "-c", probe], capture_output=True, text=True, check=False)
        match answer.stdout.split(maxsplit=3):
            case ["cpython", "3", minor_text, _] if int(minor_text) in MINORS:
                found.setdefault(int(minor_text), path)
            case _:  # a shim without its interpreter, PyPy, or too old: not one of ours
                continue
    return dict(sorted(found.items()))


def environment(name: str, python: Path, *groups: str) -> Path:
    """Make the virtual environment build/NAME with these dependency groups; give its bin folder.

    A stamp of what was asked for makes the second time free.
    """
    home = BUILD / name
    declared = tomllib.loads((TOP / "pyproject.toml").read_text())["dependency-groups"]
    wanted = hashlib.sha256(repr([str(python), groups, [declared[group] for group in groups]]).encode()).hexdigest()
    stamp = home / "stamp"
    if not (stamp.exists() and stamp.read_text() == wanted):
        shutil.rmtree(home, ignore_errors=True)
        try:
            run(python, "-m", "venv", home)
        except StepError as failure:
            message = (
                f"{failure}\n{python} cannot make environments; on Debian and Ubuntu: apt-get install python3-venv"
            )
            raise StepError(message) from None
        pip = [home / "bin" / "python", "-m", "pip", "install", "--quiet"]
        run(*pip, "--upgrade", "pip>=25.1")
        run(*pip, *(word for group in groups for word in ("--group", group)))
        stamp.write_text(wanted)
    return home / "bin"


def tools() -> Path:
    """Give the environment of the development tools: maturin, ruff, mypy."""
    return environment("tools", Path(sys.executable), "build", "lint")


def wheel() -> Path:
    """Give the wheel that the step `wheel` built."""
    wheels = sorted(WHEELS.glob("eyesocket-*.whl"))
    if len(wheels) != 1:
        raise StepError(f"{len(wheels)} wheels in {WHEELS}; the step `wheel` makes the one")
    return wheels[0]


def installed(name: str, python: Path, *groups: str) -> Path:
    """Make an environment as `environment` does, with the wheel in it."""
    binaries = environment(name, python, *groups)
    run(binaries / "python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--force-reinstall", wheel())
    return binaries


# Steps -----------------------------------------------------------------------------------------------------------


def step_format() -> None:
    """Formatting, Rust and Python."""
    run("cargo", "fmt", "--check")
    run(tools() / "ruff", "format", "--check", ".")


def step_lint() -> None:
    """Clippy with warnings denied, with and without Python; ruff."""
    run("cargo", "clippy", "--quiet", "--locked", "--all-targets", "--", "-D", "warnings")
    run("cargo", "clippy", "--quiet", "--locked", "--all-targets", "--features", "python", "--", "-D", "warnings")
    run(tools() / "ruff", "check", ".")


def step_rust() -> None:
    """Rust's tests; the core has no Python in its dependency tree."""
    words = ["cargo", "tree", "--locked", "-e", "normal", "-i", "pyo3"]
    tree = subprocess.run(words, cwd=TOP, capture_output=True, text=True, check=False)
    if tree.returncode == 0 and tree.stdout.strip():
        raise StepError(f"the core depends on Python without the feature:\n{tree.stdout}")
    run("cargo", "test", "--quiet", "--locked")


def step_wheel() -> None:
    """The one wheel, built once."""
    shutil.rmtree(WHEELS, ignore_errors=True)
    run(tools() / "maturin", "build", "--quiet", "--locked", "--profile", "dev", "--out", WHEELS)


def step_types() -> None:
    """Mypy strict; the stubs against the real module."""
    binaries = installed("types", Path(sys.executable), "test", "lint")
    run(binaries / "mypy")
    run(binaries / "stubtest", "eyesocket", "--mypy-config-file", "pyproject.toml", "--allowlist", ALLOWLIST)


def python_tests(minor: int, python: Path) -> Callable[[], None]:
    """Give the step that runs the Python tests on one interpreter."""

    def step() -> None:
        run(installed(f"python3.{minor}", python, "test") / "python", "-m", "pytest", "-q", PYTHONDONTWRITEBYTECODE="1")

    step.__doc__ = f"Python's tests on CPython 3.{minor} ({python})."
    return step


def steps() -> dict[str, Callable[[], None]]:
    """All steps in order."""
    table: dict[str, Callable[[], None]] = {
        "format": step_format,
        "lint": step_lint,
        "rust": step_rust,
        "wheel": step_wheel,
        "types": step_types,
    }
    for minor, python in interpreters().items():
        table[f"python3.{minor}"] = python_tests(minor, python)
    return table


# Running ---------------------------------------------------------------------------------------------------------


@dataclass
class Report:
    """What happened to each step."""

    rows: list[tuple[str, str, float]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """Give the summary, a line a step."""
        for name, outcome, seconds in self.rows:
            yield f"{outcome:<7} {name:<12} {seconds:7.1f} s"
        for failure in self.failures:
            yield f"  {failure}"


def main() -> int:
    """Run the steps that were named, or all."""
    table = steps()
    parser = argparse.ArgumentParser(prog="gate", description="Everything that has to hold before a change is done.")
    parser.add_argument("--list", action="store_true", help="name the steps and what they check")
    parser.add_argument("steps", nargs="*", metavar="STEP", help="only these (a later step may need an earlier one)")
    options = parser.parse_args()
    if unknown := [name for name in options.steps if name not in table]:
        parser.error(f"no such step: {', '.join(unknown)}; --list names them")
    if options.list:
        for name, step in table.items():
            text = re.sub(r"\s+", " ", step.__doc__ or "")
            sys.stdout.write(f"{name:<12} {text}\n")
        return 0
    BUILD.mkdir(exist_ok=True)
    report = Report()
    for name in options.steps or table:
        sys.stdout.write(f"\n== {name}: {(table[name].__doc__ or '').strip()}\n")
        sys.stdout.flush()
        began = time.monotonic()
        try:
            table[name]()
        except (StepError, OSError) as failure:
            report.failures.append(f"{name}: {failure}")
            report.rows.append((name, "FAILED", time.monotonic() - began))
        else:
            report.rows.append((name, "held", time.monotonic() - began))
    sys.stdout.write("\n== summary\n" + "\n".join(report.lines()) + "\n")
    return 1 if report.failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
