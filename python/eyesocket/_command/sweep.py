"""`eyesocket sweep TARGET ...`, with the letters of fping(8)."""

from __future__ import annotations

import argparse
import collections
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from eyesocket._command import explain
from eyesocket.probe import sweep_iter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from eyesocket.probe import HostResult

HELP = "which of these hosts are there"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = (
        "Exit status: 0 all hosts answered, 1 some did not, 2 some names are not known, 3 the words are wrong, "
        "4 the sweep could not be made, 130 Ctrl-C."
    )
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help="address, network, range or name; none: standard input"
    )
    parser.add_argument("-f", "--file", help="read targets from a file, - for standard input")
    parser.add_argument(
        "-g", "--generate", action="store_true", help="two addresses are a range (a network is one anyway)"
    )
    parser.add_argument(
        "-c", "--count", type=int, help="so many rounds, each host asked once a round; figures at the end"
    )
    parser.add_argument("-C", "--vcount", type=int, help="as -c, with all times at the end")
    parser.add_argument("-p", "--period", type=float, default=1000.0, help="milliseconds from one round to the next")
    show = parser.add_mutually_exclusive_group()
    show.add_argument("-a", "--alive", action="store_true", help="only the hosts that answer")
    show.add_argument("-u", "--unreachable", action="store_true", help="only the hosts that do not")
    show.add_argument("-q", "--quiet", action="store_true", help="nothing before the end")
    show.add_argument("--json", action="store_true", help="one JSON object a line, as they come")
    parser.add_argument(
        "-e", "--elapsed", action="store_true", help="accepted for fping's sake: times are shown anyway"
    )
    parser.add_argument("-A", "--addresses", action="store_true", help="show addresses in place of names")
    parser.add_argument(
        "-n", "--numeric", action="store_true", help="accepted for fping's sake: no address is looked up"
    )
    parser.add_argument("-s", "--stats", action="store_true", help="figures at the end, on standard error")
    parser.add_argument("-r", "--retry", type=int, default=1, help="how often a silent host is asked again")
    parser.add_argument("-t", "--timeout", type=float, default=1000.0, help="milliseconds to wait for an answer")
    parser.add_argument("-i", "--interval", type=float, help="milliseconds from one probe to the next; 0: no pause")
    parser.add_argument("-b", "--size", type=int, default=16, help="bytes of payload")
    parser.add_argument("-H", "--ttl", type=int)
    parser.add_argument("-O", "--tos", type=lambda text: int(text, 0))
    parser.add_argument("-M", "--dont-fragment", action="store_true", default=None)
    parser.add_argument("-k", "--mark", type=lambda text: int(text, 0), help="the firewall mark")
    parser.add_argument("-S", "--source")
    parser.add_argument("-I", "--interface")
    parser.add_argument("-4", dest="family", action="store_const", const=4, help="IPv4 only")
    parser.add_argument("-6", dest="family", action="store_const", const=6, help="IPv6 only")


def parse(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    """Read the words; what is wrong with them has fping's exit status."""
    try:
        return parser.parse_args(words)
    except SystemExit as ended:
        raise SystemExit(3 if ended.code == 2 else ended.code) from None


def targets(options: argparse.Namespace) -> Iterator[str]:
    """Give the targets of the command line, or of a file."""
    if options.generate and len(options.targets) == 2 and "/" not in "".join(options.targets):
        yield "-".join(options.targets)
        return
    yield from options.targets
    if options.file is None and options.targets:
        return
    if options.file in {None, "-"}:
        yield from filter(None, map(str.strip, sys.stdin))
        return
    with open(options.file, encoding="utf-8") as lines:  # noqa: PTH123 - a name that may be anything open() takes
        yield from (line.strip() for line in lines if line.strip() and not line.startswith("#"))


def arguments(options: argparse.Namespace) -> dict[str, Any]:
    """Give the keyword arguments of `sweep_iter`."""
    rate = {"rate": 1000.0 / options.interval if options.interval else None} if options.interval is not None else {}
    return {
        **rate,
        "retries": options.retry if options.rounds is None else 0,
        "timeout": options.timeout / 1000.0,
        "size": options.size,
        "ttl": options.ttl,
        "tos": options.tos,
        "dont_fragment": options.dont_fragment,
        "mark": options.mark,
        "source": options.source,
        "interface": options.interface,
        "family": options.family,
    }


class Table:
    """What came of each host, over all rounds, as fping -c tells it."""

    def __init__(self) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        self.times: dict[str, list[float | None]] = {}

    def add(self, name: str, host: HostResult) -> None:
        """Count a result."""
        self.counts[host.reason] += 1
        self.times.setdefault(name, []).append(host.rtt if host.alive else None)

    def figures(self, *, each: bool) -> str:
        """Give a line a host: its figures, or each of its times."""
        lines = []
        for name, times in self.times.items():
            if each:
                lines.append(f"{name} : {' '.join('-' if t is None else f'{t * 1000:.3f}' for t in times)}\n")
                continue
            known = [t * 1000 for t in times if t is not None]
            line = f"{name} : xmt/rcv/%loss = {len(times)}/{len(known)}/{100 * (1 - len(known) / len(times)):.0f}%"
            if known:
                line += f", min/avg/max = {min(known):.3f}/{sum(known) / len(known):.3f}/{max(known):.3f}"
            lines.append(f"{line}\n")
        return "".join(lines)


def show(name: str, host: HostResult, options: argparse.Namespace, place: int) -> str:
    """Give what is printed of a result as it comes."""
    if options.json:
        return json.dumps(host.to_dict()) + "\n"
    if options.quiet:
        return ""
    if options.alive or options.unreachable:
        return f"{name}\n" if host.alive is options.alive else ""
    if options.rounds is not None:
        what = f"{(host.rtt or 0) * 1000:.3f} ms" if host.alive else host.error or host.reason
        return f"{name} : [{place}], {what}\n"
    return f"{host._replace(host=name)}\n"


def sweeps(options: argparse.Namespace, table: Table) -> int:
    """Sweep, once or in rounds; give how many answers were lost here."""
    dropped = 0
    hosts: Iterable[str] = targets(options)
    if options.rounds is not None:
        # They are asked again: all have to be known.
        hosts = list(hosts)
    for place in range(1 if options.rounds is None else options.rounds):
        began = time.monotonic()
        sweeping = sweep_iter(hosts, **arguments(options))
        for host in sweeping:
            name = host.address or host.host if options.addresses else host.host
            table.add(name, host)
            if line := show(name, host, options, place):
                sys.stdout.write(line)
                # Whoever reads a pipe sees results as they come.
                sys.stdout.flush()
        dropped += sweeping.dropped
        if options.rounds is not None and place + 1 < options.rounds:
            time.sleep(max(0.0, began + options.period / 1000.0 - time.monotonic()))
    return dropped


def run(options: argparse.Namespace) -> int:
    """Sweep, and give fping's exit status."""
    options.rounds = options.count if options.vcount is None else options.vcount
    table, dropped, interrupted = Table(), 0, False
    try:
        dropped = sweeps(options, table)
    except KeyboardInterrupt:
        interrupted = True
    except BrokenPipeError:
        raise
    except ValueError as error:
        sys.stderr.write(f"eyesocket sweep: {explain(error)}\n")
        return 3
    except OSError as error:
        sys.stderr.write(f"eyesocket sweep: {explain(error)}\n")
        return 4
    counts = table.counts
    if not (counts or interrupted):
        sys.stderr.write("eyesocket sweep: there are no targets; give addresses, networks or names\n")
        return 3
    if options.rounds is not None and not options.json:
        sys.stderr.write("\n" * (not options.quiet) + table.figures(each=options.vcount is not None))
    if options.stats:
        reasons = ", ".join(f"{count} {reason}" for reason, count in counts.items())
        sys.stderr.write(f"{sum(counts.values())} hosts: {reasons}; {dropped} answers lost here\n")
    if interrupted:
        return 130
    if "unresolved" in counts:
        return 2
    # In rounds a host is there if it answered once.
    return 0 if all(any(t is not None for t in times) for times in table.times.values()) else 1
