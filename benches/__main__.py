"""`python -m benches [TOPIC ...] [--rounds N] [--write]`: measure, print the tables, write them on request."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from benches import harness

HERE = Path(__file__).resolve().parent
BELOW = {"__init__", "__main__", "harness", "http_server", "limits"}
PAGE = HERE.parent / "docs" / "benchmarks.md"
BEGIN = "<!-- tables: written by `make bench WRITE=1` -->"


def topics() -> list[str]:
    """Name the topics: the files of this folder that no topic builds on."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem not in BELOW)


def keep(page: str, fresh: dict[str, str], head: str) -> str:
    """Put the fresh tables into the page; the other topics keep theirs."""
    before, _, after = page.partition(BEGIN)
    sections = {part.splitlines()[0]: f"## {part.rstrip()}\n" for part in after.split("\n## ")[1:]}
    sections |= {title: f"{table.rstrip()}\n\nMeasured on {head}.\n" for title, table in fresh.items()}
    return before + BEGIN + "\n\n" + "\n".join(sections[title] for title in sorted(sections))


def main() -> int:
    """Run the topics that were named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benches", description="Side by side with the peers.")
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help=f"of {', '.join(topics())}; all if none is named")
    parser.add_argument("--rounds", type=int, default=15, help="how many rounds (default 15)")
    parser.add_argument("--seconds", type=float, default=0.03, help="about how long a subject's turn takes")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    options = parser.parse_args()
    if unknown := set(options.topics) - set(topics()):
        parser.error(f"no such topic: {', '.join(sorted(unknown))}; there are {', '.join(topics())}")
    if options.rounds < 1 or not options.seconds > 0:
        parser.error("--rounds and --seconds must be positive")
    head = harness.machine()
    sys.stdout.write(f"{head}\n\n")
    fresh = {}
    for name in options.topics or topics():
        topic = importlib.import_module(f"benches.{name}")
        told = []
        for compared in harness.comparisons(topic):
            harness.progress(f"{name}: {compared.name} …")
            told.append((compared, *harness.run(compared, options.rounds, options.seconds)))
        fresh[topic.TITLE] = harness.report(topic.TITLE, told)
        sys.stdout.write(fresh[topic.TITLE] + "\n")
        sys.stdout.flush()
    if options.write:
        PAGE.write_text(keep(PAGE.read_text(), fresh, head))
        sys.stdout.write(f"written: {PAGE}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
