"""`eyesocket tour`: the whole article on real sockets, chapter by chapter. Exit status 0 only if every chapter held."""

from __future__ import annotations

import io
import json
import os
import sys
from typing import TYPE_CHECKING

from eyesocket import _tour
from eyesocket._tour.stage import Stage

if TYPE_CHECKING:
    import argparse

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--list", action="store_true", help="name the chapters and stop")
    parser.add_argument("--json", action="store_true", help="print what came of each chapter as JSON, and no prose")
    parser.add_argument(
        "--chapter",
        action="append",
        choices=_tour.CHAPTERS,
        metavar="NAME",
        help="tell only this chapter (may be given again)",
    )


def run(options: argparse.Namespace) -> int:
    """Tell the chapters."""
    if options.list:
        for name in _tour.CHAPTERS:
            print(f"{name:<14} {_tour.title(name)}")
        return 0
    out = io.StringIO() if options.json else sys.stdout
    colour = not options.json and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    stage = Stage(out, colour=colour)
    stage.rule("The article on socket programming, run for real on this machine")
    told = list(_tour.tell(options.chapter or _tour.CHAPTERS, stage))
    failed = [chapter for chapter in told if chapter.outcome == "failed"]
    if options.json:
        print(json.dumps({"ok": not failed, "chapters": [chapter.to_dict() for chapter in told]}, indent=1))
        return 1 if failed else 0
    stage.rule("")
    stage.rule("    Summary")
    for number, chapter in enumerate(told, 1):
        counts = f"({len(chapter.claims)} claims, {chapter.seconds:.2f} s)"
        stage.outcome(chapter.outcome, f"{number:>2}  {chapter.outcome:<8} {chapter.title}  {counts}")
        if chapter.reason:
            stage.aside(chapter.reason)
    skipped = sum(chapter.outcome == "skipped" for chapter in told)
    held = len(told) - len(failed) - skipped
    claims = sum(claim.held for chapter in told for claim in chapter.claims)
    stage.rule("")
    stage.rule(f"{held} chapters held, {len(failed)} failed, {skipped} skipped; {claims} claims checked")
    return 1 if failed else 0
