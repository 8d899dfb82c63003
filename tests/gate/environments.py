"""Where the gate and the targets of the Makefile run: virtual environments below build/, made when first needed.

Each is made from dependency groups of pyproject.toml and carries a stamp of what was asked for, so that the second
time costs nothing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = TOP / "build"
MINORS = range(11, 15)


class StepError(Exception):
    """A step did not hold; the text says which command, and what to do where that is known."""


def run(*words: str | Path, **variables: str) -> None:
    """Run a command from the top of the checkout with its output shown."""
    command = [str(word) for word in words]
    sys.stdout.write(f"$ {' '.join(command)}\n")
    sys.stdout.flush()
    try:
        status = subprocess.run(command, cwd=TOP, check=False, env={**os.environ, **variables}).returncode
    except OSError as error:
        raise StepError(f"{command[0]}: {error.strerror}") from None
    if status:
        raise StepError(f"{' '.join(command)}: exit status {status}")


def answers(*words: str | Path) -> bool:
    """Whether a command is there and ends well; its output is of no interest."""
    try:
        return subprocess.run(words, cwd=TOP, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


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


def bare(home: Path, python: Path) -> None:
    """Make a virtual environment with pip in it, also where the system took ensurepip out of Python (Debian)."""
    shutil.rmtree(home, ignore_errors=True)
    if answers(python, "-c", "import ensurepip"):
        run(python, "-m", "venv", home)
    elif answers(python, "-m", "pip", "--python", python, "--version"):
        run(python, "-m", "venv", "--without-pip", home)
        run(python, "-m", "pip", "--python", home / "bin" / "python", "install", "--quiet", "pip")
    elif answers(python, "-m", "virtualenv", "--version"):
        run(python, "-m", "virtualenv", "--quiet", home)
    else:
        raise StepError(
            f"{python} cannot make virtual environments: it has neither ensurepip nor pip nor virtualenv. "
            "On Debian and Ubuntu: apt-get install python3-venv; elsewhere install pip, "
            "or name another interpreter: make PYTHON=/path/to/python3 ..."
        )
    run(home / "bin" / "python", "-m", "pip", "install", "--quiet", "--upgrade", "pip>=25.1")


def environment(name: str, python: Path, *groups: str) -> Path:
    """Make the virtual environment build/NAME with these dependency groups; give its bin folder."""
    home = BUILD / name
    declared = tomllib.loads((TOP / "pyproject.toml").read_text())["dependency-groups"]
    wanted = digest(str(home), str(python), *(repr([group, declared[group]]) for group in groups))
    stamp = home / "stamp"
    if not (stamp.exists() and stamp.read_text() == wanted):
        BUILD.mkdir(exist_ok=True)
        bare(home, python)
        if groups:
            words = [word for group in groups for word in ("--group", group)]
            run(home / "bin" / "python", "-m", "pip", "install", "--quiet", *words)
        stamp.write_text(wanted)
    return home / "bin"


def maturin(python: Path) -> Path:
    """Give maturin, which builds the wheel."""
    return environment("maturin", python, "build") / "maturin"


def installed(name: str, python: Path, wheel: Path, *groups: str) -> Path:
    """Make an environment as `environment` does, with the wheel in it; give its bin folder."""
    binaries = environment(name, python, *groups)
    stamp = BUILD / name / "stamp-wheel"
    wanted = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if not (stamp.exists() and stamp.read_text() == wanted):
        run(
            binaries / "python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--no-index",
            "--force-reinstall",
            wheel,
        )
        stamp.write_text(wanted)
    return binaries


def release_wheel(python: Path) -> Path:
    """Build the wheel as users get it, unless the sources are those of the last time."""
    folder = BUILD / "release"
    stamp = folder / "stamp"
    files = [TOP / name for name in ("Cargo.toml", "Cargo.lock", "pyproject.toml", "README.md", "LICENSE")]
    for tree in ("src", "python"):
        files += sorted(p for p in (TOP / tree).rglob("*") if p.is_file() and p.suffix not in {".pyc", ".so"})
    wanted = digest(*(f"{file.relative_to(TOP)} {hashlib.sha256(file.read_bytes()).hexdigest()}" for file in files))
    wheels = sorted(folder.glob("eyesocket-*.whl"))
    if not (len(wheels) == 1 and stamp.exists() and stamp.read_text() == wanted):
        shutil.rmtree(folder, ignore_errors=True)
        run(maturin(python), "build", "--quiet", "--locked", "--release", "--out", folder)
        wheels = sorted(folder.glob("eyesocket-*.whl"))
        stamp.write_text(wanted)
    return wheels[0]


def digest(*texts: str) -> str:
    """Give one hash of these texts, in this order."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
