"""The gate: everything that has to hold before a change is done. `make test` runs it.

Lives here: the order of the steps, each a command of a well-known tool, and the summary. What a step checks lives with
that step's tool, the environments it runs in are made by environments.py. Needs nothing but Python 3.11 and cargo: the
native module is built once and the one wheel is tested on every interpreter from 3.11 to 3.14 that is on this machine.

usage: python tests/gate [--list] [STEP ...]
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from environments import BUILD, TOP, StepError, environment, installed, interpreters, maturin, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WHEELS = BUILD / "wheels"
ALLOWLIST = TOP / "tests" / "gate" / "stubtest-allowlist.txt"
PYTHON = Path(sys.executable)


def ruff() -> Path:
    """Give ruff."""
    return environment("lint", PYTHON, "lint") / "ruff"


def wheel() -> Path:
    """Give the wheel that the step `wheel` built."""
    wheels = sorted(WHEELS.glob("eyesocket-*.whl"))
    if len(wheels) != 1:
        raise StepError(f"{len(wheels)} wheels in {WHEELS}; the step `wheel` makes the one")
    return wheels[0]


# Steps -----------------------------------------------------------------------------------------------------------


def step_format() -> None:
    """Formatting, Rust and Python."""
    run("cargo", "fmt", "--check")
    run(ruff(), "format", "--check", ".")


def step_lint() -> None:
    """Clippy with warnings denied, with and without Python; ruff."""
    run("cargo", "clippy", "--quiet", "--locked", "--all-targets", "--", "-D", "warnings")
    run("cargo", "clippy", "--quiet", "--locked", "--all-targets", "--features", "python", "--", "-D", "warnings")
    run(ruff(), "check", ".")


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
    run(maturin(PYTHON), "build", "--quiet", "--locked", "--profile", "dev", "--out", WHEELS)


def step_types() -> None:
    """Mypy strict; the stubs against the real module."""
    binaries = installed("types", PYTHON, wheel(), "test", "lint")
    run(binaries / "mypy")
    run(binaries / "mypy", "benches")
    run(binaries / "stubtest", "eyesocket", "--mypy-config-file", "pyproject.toml", "--allowlist", ALLOWLIST)


def step_docs() -> None:
    """The documentation builds, warnings are errors; its pictures are fresh."""
    binaries = installed("docs", PYTHON, wheel(), "docs")
    run(binaries / "python", "docs/pictures.py", "--check")
    run(binaries / "python", "-m", "sphinx", "-q", "-W", "--keep-going", "-d", "build/doctrees", "docs", "build/html")


def step_notebooks() -> None:
    """Every notebook runs to its end."""
    binaries = installed("notebooks", PYTHON, wheel(), "notebooks")
    notebooks = sorted((TOP / "examples" / "notebooks").glob("*.py"))
    if not notebooks:
        raise StepError("no notebook in examples/notebooks")
    for notebook in notebooks:
        output = BUILD / "run-notebooks" / notebook.with_suffix(".ipynb").name
        output.parent.mkdir(exist_ok=True)
        # nbclient finds its kernel by the environment of this very Python.
        path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
        run(binaries / "jupytext", "--quiet", "--to", "ipynb", "--execute", "--output", output, notebook, PATH=path)


def step_fuzz() -> None:
    """The fuzz targets compile, and hold on a fixed stream of bytes."""
    words = ("--locked", "--package", "eyesocket-fuzz", "--no-default-features")
    run("cargo", "clippy", "--quiet", *words, "--all-targets", "--", "-D", "warnings")
    run("cargo", "test", "--quiet", *words)


def python_tests(minor: int, python: Path) -> Callable[[], None]:
    """Give the step that runs the Python tests on one interpreter."""

    def step() -> None:
        binaries = installed(f"python3.{minor}", python, wheel(), "test")
        run(binaries / "python", "-m", "pytest", "-q", PYTHONDONTWRITEBYTECODE="1")

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
    table |= {"docs": step_docs, "notebooks": step_notebooks, "fuzz": step_fuzz}
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
