"""`eyesocket sweep TARGET ...`, with the letters of fping(8)."""

from __future__ import annotations

import argparse
import collections
import ipaddress
import itertools
import json
import math
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

from eyesocket import __version__
from eyesocket._command import Untaken, explain
from eyesocket.probe import sweep_iter

ENDLESS = sys.maxsize
"""Rounds until Ctrl-C."""

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
    parser.add_argument("-l", "--loop", action="store_true", help="rounds without end, until Ctrl-C; then as -c")
    parser.add_argument("-p", "--period", type=float, default=1000.0, help="milliseconds from one round to the next")
    show = parser.add_mutually_exclusive_group()
    show.add_argument("-a", "--alive", action="store_true", help="only the hosts that answer")
    show.add_argument("-u", "--unreachable", action="store_true", help="only the hosts that do not")
    show.add_argument("-q", "--quiet", action="store_true", help="nothing before the end")
    show.add_argument(
        "-Q", "--squiet", type=float, metavar="SECONDS", help="as -q, with the figures of the rounds since, so often"
    )
    show.add_argument(
        "-x", "--reachable", type=int, metavar="N", help="only whether at least N hosts answer; exit status 0 or 1"
    )
    show.add_argument("--json", action="store_true", help="one JSON object a line, as they come")
    parser.add_argument(
        "-e", "--elapsed", action="store_true", help="accepted for fping's sake: times are shown anyway"
    )
    parser.add_argument("-A", "--addresses", action="store_true", help="show addresses in place of names")
    parser.add_argument("-n", "--name", action="store_true", help="show names in place of addresses")
    parser.add_argument("-d", "--rdns", action="store_true", help="as -n, of hosts that were given by a name too")
    parser.add_argument("-m", "--all", action="store_true", help="all addresses of a name, each a host; with -A")
    parser.add_argument("-D", "--timestamp", action="store_true", help="print the time (Unix seconds) before each line")
    parser.add_argument("-o", "--outage", action="store_true", help="in rounds: losses times the period, at the end")
    parser.add_argument("-v", "--version", action="version", version=f"eyesocket {__version__}")
    parser.add_argument("-s", "--stats", action="store_true", help="figures at the end, on standard error")
    parser.add_argument("-r", "--retry", type=int, default=1, help="how often a silent host is asked again")
    parser.add_argument("-t", "--timeout", type=float, default=1000.0, help="milliseconds to wait for an answer")
    for letter, name, reason in [
        ("-B", "--backoff", "each try waits for -t"),
        ("-N", "--netdata", "--json is for machines"),
        ("-R", "--random", "the payload is zeros after the probe's number"),
    ]:
        parser.add_argument(
            letter, name, nargs=None if letter == "-B" else 0, action=Untaken, help=f"not taken: {reason}"
        )
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
        yield from first_words(sys.stdin)
        return
    with open(options.file, encoding="utf-8") as lines:  # noqa: PTH123 - a name that may be anything open() takes
        yield from first_words(lines)


def first_words(lines: Iterable[str]) -> Iterator[str]:
    """Give the first word of each line that has one and is no comment, as fping reads its files."""
    for line in lines:
        words = line.split(maxsplit=1)
        if words and not words[0].startswith("#"):
            yield words[0]


def addresses(target: str, options: argparse.Namespace) -> list[str]:
    """Give all addresses of a name; anything else, and a name that is not known, as it is."""
    try:
        ipaddress.ip_address(target.partition("-")[0].partition("/")[0])
    except ValueError:
        family = {4: socket.AF_INET, 6: socket.AF_INET6, None: socket.AF_UNSPEC}[options.family]
        try:
            found = socket.getaddrinfo(target, None, family, socket.SOCK_RAW)
        except OSError:
            return [target]
        return list(dict.fromkeys(str(place[4][0]) for place in found))
    return [target]


def named(host: HostResult, options: argparse.Namespace) -> str:
    """Give what a host is shown by."""
    if host.address is not None and (options.rdns or (options.name and host.host == host.address)):
        try:
            return socket.gethostbyaddr(host.address)[0]
        except OSError:
            return host.address
    return host.address or host.host if options.addresses else host.host


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


class Figures:
    """What came of one host; its times in milliseconds only where they are asked for, for rounds may have no end."""

    __slots__ = ("least", "most", "received", "sent", "times", "total")

    def __init__(self) -> None:
        self.sent = self.received = 0
        self.least, self.most, self.total = math.inf, 0.0, 0.0
        self.times: list[float | None] = []

    def add(self, rtt: float | None, *, keep: bool) -> None:
        """Count a round: a time in seconds, or none."""
        took = None if rtt is None else rtt * 1000
        self.sent += 1
        if took is not None:
            self.received += 1
            self.least, self.most, self.total = min(self.least, took), max(self.most, took), self.total + took
        if keep:
            self.times.append(took)


class Table:
    """What came of each host, over all rounds, as fping -c tells it."""

    def __init__(self, *, keep: bool = False) -> None:
        self.keep = keep
        self.counts: collections.Counter[str] = collections.Counter()
        self.hosts: dict[str, Figures] = {}

    def add(self, name: str, host: HostResult) -> None:
        """Count a result."""
        self.counts[host.reason] += 1
        if (figures := self.hosts.get(name)) is None:
            figures = self.hosts[name] = Figures()
        figures.add(host.rtt if host.alive else None, keep=self.keep)

    def figures(self, *, each: bool, period: float | None = None) -> str:
        """Give a line a host: its figures, or each of its times; with a period (ms), how long it was out."""
        lines = []
        for name, it in self.hosts.items():
            if each:
                lines.append(f"{name} : {' '.join('-' if t is None else f'{t:.3f}' for t in it.times)}\n")
                continue
            lost = it.sent - it.received
            line = f"{name} : xmt/rcv/%loss = {it.sent}/{it.received}/{100 * lost / it.sent:.0f}%"
            if period is not None:
                line += f", outage(ms) = {lost * period:.0f}"
            if it.received:
                line += f", min/avg/max = {it.least:.3f}/{it.total / it.received:.3f}/{it.most:.3f}"
            lines.append(f"{line}\n")
        return "".join(lines)


def show(name: str, host: HostResult, options: argparse.Namespace, place: int) -> str:
    """Give what is printed of a result as it comes."""
    if options.json:
        return json.dumps(host.to_dict()) + "\n"
    if options.quiet or options.squiet is not None or options.reachable is not None:
        return ""
    stamp = f"[{time.time():.5f}] " if options.timestamp else ""
    if options.alive or options.unreachable:
        return f"{stamp}{name}\n" if host.alive is options.alive else ""
    if options.rounds is not None:
        what = f"{(host.rtt or 0) * 1000:.3f} ms" if host.alive else host.error or host.reason
        return f"{stamp}{name} : [{place}], {what}\n"
    return f"{stamp}{host._replace(host=name)}\n"


def sweeps(options: argparse.Namespace, table: Table) -> int:
    """Sweep, once or in rounds; give how many answers were lost here."""
    dropped = 0
    hosts: Iterable[str] = targets(options)
    if options.all:
        hosts = itertools.chain.from_iterable(addresses(host, options) for host in hosts)
    if options.rounds is not None:
        # They are asked again: all have to be known.
        hosts = list(hosts)
    recent, told = Table(), time.monotonic()
    rounds = itertools.count() if options.rounds is ENDLESS else range(options.rounds or 1)
    for place in rounds:
        began = time.monotonic()
        sweeping = sweep_iter(hosts, **arguments(options))
        for host in sweeping:
            name = named(host, options)
            table.add(name, host)
            if options.squiet is not None:
                recent.add(name, host)
            if line := show(name, host, options, place):
                sys.stdout.write(line)
                # Whoever reads a pipe sees results as they come.
                sys.stdout.flush()
        dropped += sweeping.dropped
        if options.squiet is not None and time.monotonic() - told >= options.squiet:
            sys.stderr.write(time.strftime("[%H:%M:%S]\n") + recent.figures(each=False))
            recent, told = Table(), time.monotonic()
        if not table.counts:
            break
        if options.rounds is not None and place + 1 < options.rounds:
            time.sleep(max(0.0, began + options.period / 1000.0 - time.monotonic()))
    return dropped


def check(options: argparse.Namespace) -> None:
    """Refuse numbers that say nothing: `ValueError` gives the range."""
    if options.loop and options.rounds is not None:
        message = "loop: rounds without end (-l), or so many (-c, -C); give one of them"
        raise ValueError(message)
    for name in ("count", "vcount", "reachable"):
        value = getattr(options, name)
        if value is not None and value < 1:
            message = f"{name}: {value} is out of range; give 1 or more"
            raise ValueError(message)
    for name in ("period", "squiet"):
        value = getattr(options, name)
        if value is not None and not 0 <= value < float("inf"):
            message = f"{name}: {value} is out of range; give 0 or more"
            raise ValueError(message)


def run(options: argparse.Namespace) -> int:
    """Sweep, and give fping's exit status."""
    options.rounds = options.count if options.vcount is None else options.vcount
    table, dropped, interrupted = Table(keep=options.vcount is not None), 0, False
    try:
        check(options)
        if options.loop:
            options.rounds = ENDLESS
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
        outage = options.period if options.outage else None
        quiet = options.quiet or options.squiet is not None
        sys.stderr.write("\n" * (not quiet) + table.figures(each=options.vcount is not None, period=outage))
    if options.stats:
        reasons = ", ".join(f"{count} {reason}" for reason, count in counts.items())
        sys.stderr.write(f"{sum(counts.values())} hosts: {reasons}; {dropped} answers lost here\n")
    if interrupted:
        return 130
    if options.reachable is not None:
        alive = sum(it.received > 0 for it in table.hosts.values())
        word = "Enough" if alive >= options.reachable else "Not enough"
        sys.stdout.write(f"{word} hosts reachable (required: {options.reachable}, reachable: {alive})\n")
        return 0 if alive >= options.reachable else 1
    if "unresolved" in counts:
        return 2
    # In rounds a host is there if it answered once.
    return 0 if all(it.received for it in table.hosts.values()) else 1
