"""`eyesocket sweep TARGET ...`, with the letters of fping(8)."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from eyesocket._command import explain
from eyesocket.probe import sweep_iter

if TYPE_CHECKING:
    from collections.abc import Iterator

HELP = "which of these hosts are there"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = (
        "Exit status: 0 all hosts answered, 1 some did not, 2 some names are not known, 3 the words are wrong, "
        "4 the sweep could not be made."
    )
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help="address, network, range or name; none: standard input"
    )
    parser.add_argument("-f", "--file", help="read targets from a file, - for standard input")
    parser.add_argument("-g", "--generate", action="store_true", help="accepted for fping's sake: networks are targets")
    show = parser.add_mutually_exclusive_group()
    show.add_argument("-a", "--alive", action="store_true", help="only the hosts that answer")
    show.add_argument("-u", "--unreachable", action="store_true", help="only the hosts that do not")
    show.add_argument("-q", "--quiet", action="store_true", help="nothing but the exit status")
    show.add_argument("--json", action="store_true", help="one JSON object a line, as they come")
    parser.add_argument(
        "-e", "--elapsed", action="store_true", help="accepted for fping's sake: times are shown anyway"
    )
    parser.add_argument("-s", "--stats", action="store_true", help="figures at the end, on standard error")
    parser.add_argument("-r", "--retry", type=int, default=1, help="how often a silent host is asked again")
    parser.add_argument("-t", "--timeout", type=float, default=1000.0, help="milliseconds to wait for an answer")
    parser.add_argument("-i", "--interval", type=float, help="milliseconds from one probe to the next; 0: no pause")
    parser.add_argument("-b", "--size", type=int, default=16, help="bytes of payload")
    parser.add_argument("-H", "--ttl", type=int)
    parser.add_argument("-O", "--tos", type=lambda text: int(text, 0))
    parser.add_argument("-S", "--source")
    parser.add_argument("-I", "--interface")
    parser.add_argument("-4", dest="family", action="store_const", const=4, help="IPv4 only")
    parser.add_argument("-6", dest="family", action="store_const", const=6, help="IPv6 only")


def targets(options: argparse.Namespace) -> Iterator[str]:
    """Give the targets of the command line, or of a file."""
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
        "retries": options.retry,
        "timeout": options.timeout / 1000.0,
        "size": options.size,
        "ttl": options.ttl,
        "tos": options.tos,
        "source": options.source,
        "interface": options.interface,
        "family": options.family,
    }


def run(options: argparse.Namespace) -> int:
    """Sweep, and give fping's exit status."""
    counts: dict[str, int] = {}
    try:
        sweeping = sweep_iter(targets(options), **arguments(options))
        for host in sweeping:
            counts[host.reason] = counts.get(host.reason, 0) + 1
            if options.json:
                sys.stdout.write(json.dumps(host.to_dict()) + "\n")
            elif options.alive or options.unreachable:
                if host.alive is options.alive:
                    sys.stdout.write(f"{host.host}\n")
            elif not options.quiet:
                sys.stdout.write(f"{host}\n")
    except BrokenPipeError:
        raise
    except ValueError as error:
        sys.stderr.write(f"eyesocket sweep: {explain(error)}\n")
        return 3
    except OSError as error:
        sys.stderr.write(f"eyesocket sweep: {explain(error)}\n")
        return 4
    if not counts:
        sys.stderr.write("eyesocket sweep: there are no targets; give addresses, networks or names\n")
        return 3
    if options.stats:
        reasons = ", ".join(f"{count} {reason}" for reason, count in counts.items())
        sys.stderr.write(f"{sum(counts.values())} hosts: {reasons}; {sweeping.dropped} answers lost here\n")
    if "unresolved" in counts:
        return 2
    return 0 if counts.keys() == {"reply"} else 1
