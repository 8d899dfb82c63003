"""What a chapter speaks through: prose, output of programs, and claims that are checked."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Claim", "Fell", "Skipped", "Stage"]

WAIT = 30
"""Seconds after which a script of a chapter counts as hung."""


class Fell(Exception):  # noqa: N818 - it ends a chapter; it is no error of the program
    """A claim did not hold."""


class Skipped(Exception):  # noqa: N818 - likewise
    """The chapter cannot be told on this machine; the text says why and what would help."""


@dataclass(frozen=True)
class Claim:
    """One thing that a chapter says of sockets, and whether it was so."""

    text: str
    held: bool


class Stage:
    """Prints chapters to `out`, wrapped to its width; `colour` adds the terminal's."""

    def __init__(self, out: TextIO, *, colour: bool = False, width: int | None = None) -> None:
        self._out = out
        self._colour = colour
        self._width = max(40, min(width or shutil.get_terminal_size((96, 24)).columns, 100))
        self._claims: list[Claim] = []
        encoding = getattr(out, "encoding", None) or "utf-8"
        try:
            "✓✗│─".encode(encoding)
            self._held, self._fell, self._bar, self._line = "✓", "✗", "│", "─"
        except UnicodeEncodeError:
            self._held, self._fell, self._bar, self._line = "ok", "NO", "|", "-"

    # For the tour -----------------------------------------------------------------------------------------------

    def open(self, number: int, title: str) -> None:
        """Begin a chapter."""
        self._claims = []
        self._put("")
        self._put(self._paint("1", f"{number:>2}  {title}"))
        self._put(self._paint("2", "    " + self._line * min(len(title), self._width - 4)))

    def close(self) -> tuple[Claim, ...]:
        """End a chapter; give its claims."""
        claims, self._claims = tuple(self._claims), []
        return claims

    @property
    def refuted(self) -> bool:
        """Whether the chapter's last claim did not hold."""
        return bool(self._claims) and not self._claims[-1].held

    def fall(self, reason: str) -> None:
        """Show why a chapter broke off."""
        self._put("    " + self._paint("31", f"{self._fell} {reason}"))

    def aside(self, text: str) -> None:
        """Say something about the telling itself."""
        self._wrap(text, "    ", "33")

    def rule(self, text: str) -> None:
        """Print a line that belongs to no chapter."""
        self._put(text)

    def outcome(self, outcome: str, text: str) -> None:
        """Print a line of the summary in the colour of its outcome."""
        self._put(self._paint({"held": "32", "failed": "31"}.get(outcome, "33"), text))

    # For the chapters -------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Tell something in prose."""
        self._wrap(" ".join(text.split()), "    ")

    def show(self, text: object) -> None:
        """Show output as it is, behind a bar."""
        for line in str(text).splitlines() or [""]:
            self._put("      " + self._paint("2", self._bar) + " " + _printable(line))

    def check(self, held: bool, claim: str) -> None:  # noqa: FBT001 - the condition is what is read
        """State something and whether it is so; a chapter ends at the first claim that does not hold."""
        self._claims.append(Claim(claim, held))
        mark = self._paint("32", self._held) if held else self._paint("31", self._fell)
        lines = textwrap.wrap(_printable(claim), self._width - 6 - len(self._held), break_on_hyphens=False)
        for at, line in enumerate(lines):
            self._put(f"    {mark} {line}" if at == 0 else " " * (5 + len(self._held)) + line)
        if not held:
            raise Fell(claim)

    def skip(self, reason: str) -> NoReturn:
        """Leave the chapter: this machine does not allow it."""
        raise Skipped(reason)

    def script(self, name: str, *words: str) -> str:
        """Run a script of the article to its end in a process of its own, show and give what it printed."""
        self._command(name, words)
        return self._run(name, "-m", f"eyesocket.article.{name}", *words)

    def python(self, *words: str, shown: str) -> str:
        """Run the interpreter to its end, show the command as `shown` and what it printed, and give that."""
        self._put("    " + self._paint("36", f"$ {shown}"))
        return self._run(shown, *words)

    @contextlib.contextmanager
    def server(self, name: str, *words: str) -> Iterator[Server]:
        """Run a server of the article in a process of its own, from its announcement to its end."""
        command = [sys.executable, "-u", "-m", f"eyesocket.article.{name}", "--announce", *words]
        self._command(name, words)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with process:
            try:
                assert process.stdout is not None  # noqa: S101 - it was asked for as a pipe
                line = process.stdout.readline()
                if not line.startswith("listening on "):
                    raise Fell(f"{name} does not listen: {process.communicate(timeout=WAIT)[1].strip()}")
                self.show(line.rstrip("\n"))
                yield Server(self, name, process, line.removeprefix("listening on ").rstrip("\n"))
            finally:
                process.kill()

    def _run(self, name: str, *words: str) -> str:
        command = [sys.executable, *words]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT, check=False)
        except subprocess.TimeoutExpired:
            raise Fell(f"{name} does not end ({WAIT} s)") from None
        self.show(done.stdout + done.stderr)
        if done.returncode:
            raise Fell(f"{name} ended with status {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def _command(self, name: str, words: tuple[str, ...]) -> None:
        self._put("    " + self._paint("36", f"$ python -m eyesocket.article.{' '.join([name, *words])}"))

    def _wrap(self, text: str, indent: str, colour: str = "") -> None:
        for line in textwrap.wrap(
            text, self._width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
        ):
            self._put(self._paint(colour, line))

    def _paint(self, colour: str, text: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colour and colour else text

    def _put(self, text: str) -> None:
        self._out.write(text + "\n")
        self._out.flush()


@dataclass(frozen=True)
class Server:
    """A running server of a chapter."""

    stage: Stage
    name: str
    process: subprocess.Popen[str]
    where: str
    """What it announced: `address:port`, or a path."""

    @property
    def port(self) -> str:
        """Give the port of `where`."""
        return self.where.rpartition(":")[2]

    def finish(self) -> str:
        """Wait until it ends by itself; show and give what it printed since."""
        try:
            out, err = self.process.communicate(timeout=WAIT)
        except subprocess.TimeoutExpired:
            raise Fell(f"{self.name} does not end ({WAIT} s)") from None
        self.stage.aside(f"and {self.name.rpartition('.')[2]} printed:")
        self.stage.show(out + err)
        if self.process.returncode:
            raise Fell(f"{self.name} ended with status {self.process.returncode}: {err.strip()}")
        return out


def _printable(text: str) -> str:
    """Keep what came from a socket from steering the terminal."""
    return "".join(char if char.isprintable() or char == "\t" else repr(char)[1:-1] for char in text)
