"""`eyesocket run`: a Python program, unmodified, with this package's sockets under its module `socket`.

The program runs in an interpreter of its own that finds our `_socket` first, by PYTHONPATH; so every Python process
that it starts does the same.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from pathlib import Path
from typing import NoReturn

__all__ = ["configure", "injection_folder", "run"]


def injection_folder() -> Path:
    """Give the folder that puts our `_socket` in place when it is first on PYTHONPATH."""
    return Path(__file__).resolve().parent.parent / "_inject"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.usage = "eyesocket run (SCRIPT | -m MODULE | -c CODE) [ARGUMENT ...]\n       eyesocket run --print-path"
    parser.epilog = (
        "Python processes that the program starts run in the same way, unless they are told to ignore PYTHONPATH "
        "(python -E, python -I). In all of them _socket.__eyesocket__ is our version."
    )
    parser.set_defaults(wrong=parser.error)
    parser.add_argument("--print-path", action="store_true", help="print the folder to put on PYTHONPATH instead")
    words = argparse.REMAINDER
    parser.add_argument("-m", dest="module", nargs=words, metavar="MODULE", help="run a module, as python -m does")
    parser.add_argument("-c", dest="code", nargs=words, metavar="CODE", help="run the code, as python -c does")
    parser.add_argument("script", nargs=words, metavar="SCRIPT", help="run a file, or - for standard input")


def run(options: argparse.Namespace) -> int:
    """Become the program, or say where our `_socket` is."""
    if not options.print_path:
        become(program_of(options))
    sys.stdout.write(f"{injection_folder()}\n")
    return 0


def program_of(options: argparse.Namespace) -> list[str]:
    """Give the interpreter's arguments that start the program."""
    if options.module is not None:
        given, program = options.module, ["-m", *options.module]
    elif options.code is not None:
        given, program = options.code, ["-c", *options.code]
    else:
        given = program = options.script
    if not given:
        options.wrong("name a program: a SCRIPT, -m MODULE or -c CODE")
    return program


def become(program: list[str]) -> NoReturn:
    """Replace this process by an interpreter that runs `program`, with the options that this one was given."""
    if "_socket" in sys.builtin_module_names and sys.flags.no_site:
        message = "this interpreter has _socket built in, and ignores site (-S), by which ours would come before it"
        raise ValueError(message)
    if sys.flags.ignore_environment:
        message = "this interpreter ignores PYTHONPATH (-E or -I), by which the program would find our sockets"
        raise ValueError(message)
    ours = str(injection_folder())
    path = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry and entry != ours]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([ours, *path])}
    given = itertools.takewhile(lambda word: word not in ("-m", sys.argv[0]), sys.orig_argv[1:])
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, *given, *program], environment)  # noqa: S606
