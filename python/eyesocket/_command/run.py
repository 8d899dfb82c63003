"""`eyesocket run`: a Python program, unmodified, with this package's sockets under its module `socket`.

The program runs in an interpreter of its own that finds our `_socket` first, by PYTHONPATH; so every Python process
that it starts does the same.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["configure", "injection_folder", "parse", "run"]


def injection_folder() -> Path:
    """Give the folder that puts our `_socket` in place when it is first on PYTHONPATH."""
    return Path(__file__).resolve().parent.parent / "_inject"


FLAGS = frozenset("bBdEiIOPqsSuvx")
"""The interpreter's options without a value."""
VALUED = frozenset("WX")
"""Those with one, in the same word or the next."""
PROGRAM = frozenset("cm")
"""Those that end the options: what follows them is the program and its words."""


def pth_line() -> str:
    """Give the line that puts our `_socket` in place from a .pth file, also where the interpreter has it built in."""
    return (
        "import importlib.util as u; "
        f"s = u.spec_from_file_location('_socket', {str(injection_folder() / '_socket.py')!r}); "
        "s.loader.exec_module(u.module_from_spec(s))"
    )


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what there is; `parse` reads the words, as argparse cannot tell ours from the program's."""
    parser.usage = (
        "eyesocket run [OPTION ...] (SCRIPT | -m MODULE | -c CODE | -) [ARGUMENT ...]\n"
        "       eyesocket run --print-path | --print-pth"
    )
    parser.description = (
        "Run a Python program, unmodified, with our sockets in place of the interpreter's. Options before the "
        "program are the interpreter's own (-W error, -X dev, -u, -O ...); without a program it is read from a "
        "standard input that is no terminal."
    )
    parser.epilog = (
        "Python processes that the program starts run in the same way, unless they ignore PYTHONPATH (python -E, "
        "python -I) or get an environment without it; the line of --print-pth, in a .pth file of the environment's "
        "site-packages, is for those too. In all of them _socket.__eyesocket__ is our version."
    )
    parser.add_argument(
        "--processes", metavar="FILE", help="add a line to FILE for each interpreter that has our sockets"
    )
    parser.add_argument("--print-path", action="store_true", help="print the folder to put on PYTHONPATH instead")
    parser.add_argument("--print-pth", action="store_true", help="print the line of a .pth file instead")


def parse(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """Read the words: first ours, then the interpreter's options, then the program and what belongs to it."""
    own, rest = own_and_rest(words)
    options = parser.parse_args(own)
    options.flags, options.program = options_and_program(rest, parser.error)
    if options.print_path or options.print_pth:
        if rest or options.processes or options.print_path == options.print_pth:
            parser.error("--print-path and --print-pth go alone")
    elif not options.program and "i" not in options.flags and (sys.stdin is None or sys.stdin.isatty()):
        parser.error("name a program: a SCRIPT, -m MODULE, -c CODE, or - for standard input")
    options.words = rest
    return options


def own_and_rest(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Divide the words in front of the first that is not ours."""
    end = 0
    while end < len(words) and (words[end] == "-h" or words[end].startswith("--")):
        if words[end].startswith("--check-hash-based-pycs"):
            break
        end += 2 if words[end] == "--processes" else 1
    return list(words[:end]), list(words[end:])


def options_and_program(words: Sequence[str], wrong: Callable[[str], NoReturn]) -> tuple[set[str], list[str]]:
    """Read the interpreter's options as it does: give their letters, and the words of the program."""
    flags: set[str] = set()
    rest = deque(words)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        if rest[0] == "--check-hash-based-pycs" and len(rest) > 1:
            rest.popleft(), rest.popleft()
            continue
        if rest[0].startswith("--"):
            wrong(f"there is no option {rest[0]}; what belongs to the program goes behind it")
        letters = rest.popleft()[1:]
        for place, letter in enumerate(letters):
            attached = letters[place + 1 :]
            if letter in FLAGS:
                flags.add(letter)
            elif letter not in VALUED | PROGRAM:
                wrong(f"there is no option -{letter}; what belongs to the program goes behind it")
            elif not attached and not rest:
                wrong(f"-{letter} needs a value")
            elif letter in PROGRAM:
                return flags, [f"-{letter}", *([attached] if attached else []), *rest]
            else:
                if not attached:
                    rest.popleft()
                break
    return flags, list(rest)


def run(options: argparse.Namespace) -> int:
    """Become the program, or say where our `_socket` is."""
    if not options.print_path and not options.print_pth:
        become(options.words, options.flags, options.processes)
    sys.stdout.write(f"{pth_line() if options.print_pth else injection_folder()}\n")
    return 0


def become(words: list[str], flags: set[str], processes: str | None) -> NoReturn:
    """Replace this process by an interpreter with these words, behind the options that this one was given."""
    if "_socket" in sys.builtin_module_names and (sys.flags.no_site or "S" in flags):
        message = "this interpreter has _socket built in, and ignores site (-S), by which ours would come before it"
        raise ValueError(message)
    if sys.flags.ignore_environment or flags & {"E", "I"}:
        message = (
            "with -E or -I the interpreter ignores PYTHONPATH, by which the program would find our sockets; put the "
            "line of `eyesocket run --print-pth` into a .pth file of its site-packages instead"
        )
        raise ValueError(message)
    ours = str(injection_folder())
    path = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry and entry != ours]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([ours, *path])}
    if processes is not None:
        environment["EYESOCKET_PROCESSES"] = str(Path(processes).absolute())
    given = itertools.takewhile(lambda word: word not in ("-m", sys.argv[0]), sys.orig_argv[1:])
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, *given, *words], environment)  # noqa: S606
