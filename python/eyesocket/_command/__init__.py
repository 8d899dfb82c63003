"""The command line: `eyesocket SUBCOMMAND ...`.

A subcommand is a module of this package with `configure(parser)` and `run(options) -> int` (the exit status), and
`parse(parser, words)` where argparse alone cannot read its words. It is imported when it is asked for, so that
`eyesocket ping` does not pay for the rest. What goes wrong becomes one line on standard error, never a traceback.

Exit statuses: 0 it worked; 1 it did not (no reply, refused, a chapter that failed); 2 the words of the command were
wrong; 130 Ctrl-C; 141 the reader of our output went away.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import TYPE_CHECKING, NoReturn, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

SUBCOMMANDS: dict[str, str] = {
    "tour": "the article on sockets, run for real, chapter by chapter",
    "echo": "an echo server and its client, over TCP, UDP or a UNIX-domain path",
    "get": "fetch a URL",
    "ping": "is a host there, and how far: ICMP echo",
    "sweep": "which of these hosts are there",
    "trace": "find the routers on the way to a host",
    "run": "run a Python program with our sockets in place of the interpreter's",
    "ss": "list the sockets of this machine, with filters",
}
"""Name of the subcommand: its line in `eyesocket --help`."""


class Subcommand(Protocol):
    """What a module of this package offers."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""

    def run(self, options: argparse.Namespace) -> int:
        """Do it, and give the exit status."""


class Parser(argparse.ArgumentParser):
    """argparse, with one line for an error."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the words, and how to learn the right ones."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


class Untaken(argparse.Action):
    """An option of the peer's that we do not take: its help is what to say to whoever gives it."""

    def __call__(self, parser: argparse.ArgumentParser, *_given: object) -> NoReturn:
        """Refuse it by name."""
        parser.error(f"{'/'.join(self.option_strings)}: {self.help}")


def explain(error: BaseException) -> str:
    """One line for a person: what went wrong, where, and what to try."""
    from eyesocket._explain import one_line

    return one_line(error)


def usage() -> str:
    """Give the text of `eyesocket --help`."""
    width = max(map(len, SUBCOMMANDS), default=0)
    lines = [f"  {name:<{width}}  {text}" for name, text in SUBCOMMANDS.items()]
    return "\n".join(
        [
            "usage: eyesocket SUBCOMMAND ...",
            "",
            "Sockets you can see.",
            "",
            *lines,
            "",
            "eyesocket SUBCOMMAND --help says more; eyesocket --version says which.",
            "",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; `arguments` default to the process's own. Gives the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in {"-h", "--help", "help"}:
        sys.stdout.write(usage())
        return 0 if words else 2
    if words[0] in {"-V", "--version"}:
        from eyesocket import __version__

        sys.stdout.write(f"eyesocket {__version__}\n")
        return 0
    name = words[0]
    if name not in SUBCOMMANDS:
        sys.stderr.write(f"eyesocket: there is no subcommand {name!r} (see eyesocket --help)\n")
        return 2
    module = cast("Subcommand", importlib.import_module(f"{__name__}.{name}"))
    parser = Parser(prog=f"eyesocket {name}", description=SUBCOMMANDS[name])
    module.configure(parser)
    try:
        parse = getattr(module, "parse", Parser.parse_args)
        options = parse(parser, words[1:])
        status = module.run(options)
        sys.stdout.flush()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader went away; the interpreter's own flush at exit would complain once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (OSError, ValueError) as error:
        sys.stderr.write(f"eyesocket {name}: {explain(error)}\n")
        return 1
    return status
