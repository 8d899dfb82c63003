"""`eyesocket trace HOST`, with the letters of traceroute(8)."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from typing import TYPE_CHECKING, Any

from eyesocket import __version__
from eyesocket._command import explain
from eyesocket.probe import path_mtu, traceroute_iter

if TYPE_CHECKING:
    from eyesocket.probe import Trace, TraceAnswer, TraceIterator

HELP = "find the routers on the way to a host"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = "Exit status: 0 the trace was made, 1 no size got through (--path-mtu), 2 it could not be made."
    parser.add_argument("host")
    parser.add_argument(
        "length", nargs="?", type=int, metavar="PACKETLEN", help="bytes of the whole packet, instead of --size"
    )
    method = parser.add_mutually_exclusive_group()
    for letter, name in [("-I", "icmp"), ("-T", "tcp"), ("-U", "udp")]:
        method.add_argument(
            letter, f"--{name}", dest="method", action="store_const", const=name, help=f"by {name.upper()}"
        )
    method.add_argument(
        "-M", "--module", dest="method", choices=["icmp", "tcp", "udp"], help="by the method of that name"
    )
    parser.add_argument("-p", "--port", type=int, help="UDP: 33434; TCP: 80")
    parser.add_argument("-f", "--first", type=int, default=1, help="the first TTL")
    parser.add_argument("-m", "--max-hops", type=int, default=30)
    parser.add_argument("-q", "--queries", type=int, help="probes a hop (3)")
    parser.add_argument(
        "-w",
        "--wait",
        type=wait,
        default=1.0,
        metavar="MAX[,HERE,NEAR]",
        help="seconds to wait for each answer; HERE and NEAR, which would shorten it, may only be 0",
    )
    parser.add_argument("-V", "--version", action="version", version=f"eyesocket {__version__}")
    parser.add_argument("-z", "--sendwait", type=float, default=0.0, help="seconds from one probe to the next")
    parser.add_argument("-N", "--sim-queries", type=int, default=16, help="probes on their way at a time")
    parser.add_argument("-s", "--source", help="our own address")
    parser.add_argument("-i", "--interface")
    parser.add_argument("-t", "--tos", type=lambda text: int(text, 0))
    parser.add_argument("-F", "--dont-fragment", action="store_true", default=None)
    parser.add_argument("-e", "--extensions", action="store_true", help="accepted for traceroute's sake: MPLS is shown")
    parser.add_argument(
        "-n", "--numeric", action="store_true", help="accepted for traceroute's sake: no name is looked up"
    )
    parser.add_argument("-4", dest="family", action="store_const", const=4, help="IPv4 only")
    parser.add_argument("-6", dest="family", action="store_const", const=6, help="IPv6 only")
    parser.add_argument("--size", type=int, default=32, help="bytes of payload")
    parser.add_argument("--mtu", action="store_true", help="follow the path's MTU down")
    parser.add_argument("--path-mtu", action="store_true", help="find the path's MTU alone")
    parser.add_argument("--multipath", action="store_true", help="find all addresses of each hop (95 %%)")
    parser.add_argument(
        "--classic", action="store_true", help="each probe a flow of its own, as before Paris traceroute"
    )
    parser.add_argument("--live", action="store_true", help="again and again, repainted, until Ctrl-C")
    parser.add_argument("-c", "--count", type=int, help="so many rounds of --live")
    parser.add_argument("--json", action="store_true", help="the result as one JSON object")


def wait(text: str) -> float:
    """Read the words of -w: traceroute's are three numbers, or the first alone, which means 0 for the others."""
    try:
        times = [float(word) for word in text.replace("/", ",").split(",")]
    except ValueError:
        times = []
    if not 1 <= len(times) <= 3 or not all(0 <= time < math.inf for time in times):
        message = f"{text!r} is neither MAX nor MAX,HERE,NEAR; give seconds, 0 or more"
        raise argparse.ArgumentTypeError(message)
    if any(times[1:]):
        message = f"{text!r}: HERE and NEAR are not taken, each probe is waited for as long; give {times[0]:g} alone"
        raise argparse.ArgumentTypeError(message)
    return times[0]


def size(options: argparse.Namespace) -> int:
    """Give the bytes of payload."""
    if options.length is None:
        return int(options.size)
    # A name of unknown family is taken for IPv4's, as traceroute does.
    headers = 48 if options.family == 6 or ":" in options.host else 28
    return max(2, int(options.length) - headers)


def arguments(options: argparse.Namespace) -> dict[str, Any]:
    """Give the keyword arguments of `traceroute_iter`."""
    return {
        "method": options.method or "udp",
        "port": options.port,
        "paris": not options.classic,
        "multipath": options.multipath,
        "first_hop": options.first,
        "max_hops": options.max_hops,
        "probes": 3 if options.queries is None else options.queries,
        "timeout": options.wait,
        "interval": options.sendwait,
        "window": options.sim_queries,
        "size": size(options),
        "follow_mtu": options.mtu,
        "dont_fragment": options.dont_fragment,
        "family": options.family,
        "tos": options.tos,
        "source": options.source,
        "interface": options.interface,
    }


def show(tracing: TraceIterator, options: argparse.Namespace) -> None:
    """Print each hop when it, and all before it, are known."""
    # How many probes a hop takes, or what is certain of it, is known only at the end of a search for many paths.
    wanted = sys.maxsize if options.multipath or options.mtu else (3 if options.queries is None else options.queries)
    head, printed = False, 0
    for answer in tracing:
        if not head:
            sys.stdout.write(f"traceroute to {options.host} ({tracing.address}), {options.max_hops} hops max\n")
            head = True
        # A hop is complete when a later one has begun to answer and each of its probes has ended.
        hops = tracing.result().hops
        while printed < len(hops) and hops[printed].ttl < answer.ttl and len(hops[printed].answers) >= wanted:
            sys.stdout.write(f"{hops[printed]}\n")
            printed += 1
        sys.stdout.flush()
    for hop in tracing.result().hops[printed:]:
        sys.stdout.write(f"{hop}\n")


class Live:
    """The figures of a hop, in milliseconds; no answer is kept, for rounds may have no end."""

    def __init__(self) -> None:
        self.sources: dict[str, None] = {}
        self.sent = self.received = 0
        self.last, self.best, self.total = 0.0, math.inf, 0.0

    def add(self, answer: TraceAnswer) -> None:
        """Count an answer, or that there was none."""
        self.sent += 1
        if answer.source:
            self.sources[answer.source] = None
        if answer.rtt is not None:
            self.received += 1
            self.last = answer.rtt * 1000
            self.best, self.total = min(self.best, self.last), self.total + self.last


class Table:
    """The rounds of a live trace so far."""

    def __init__(self) -> None:
        self.hops: dict[int, Live] = {}

    def add(self, trace: Trace) -> None:
        """Add a round."""
        for hop in trace.hops:
            figures = self.hops.setdefault(hop.ttl, Live())
            for answer in hop.answers:
                figures.add(answer)

    def text(self, host: str, rounds: int) -> str:
        """Give the table."""
        lines = [
            f"{host}, {rounds} rounds",
            f"{'':3} {'host':40} {'loss':>6} {'sent':>5} {'last':>8} {'best':>8} {'mean':>8}",
        ]
        for ttl, hop in sorted(self.hops.items()):
            who = ", ".join(hop.sources) or "*"
            loss = 100 * (1 - hop.received / hop.sent)
            times = f"{hop.last:8.3f} {hop.best:8.3f} {hop.total / hop.received:8.3f}" if hop.received else ""
            lines.append(f"{ttl:2}. {who:40.40} {loss:5.1f}% {hop.sent:5} {times}".rstrip())
        return "\n".join(lines) + "\n"


def live(options: argparse.Namespace) -> int:
    """Trace again and again, and repaint."""
    table, rounds = Table(), 0
    asked = {**arguments(options), "probes": 1 if options.queries is None else options.queries}
    repaint = "\x1b[H\x1b[2J" if sys.stdout.isatty() else ""
    try:
        while options.count is None or rounds < options.count:
            started = time.monotonic()
            tracing = traceroute_iter(options.host, **asked)
            for _ in tracing:
                pass
            rounds += 1
            table.add(tracing.result())
            sys.stdout.write(repaint + table.text(options.host, rounds))
            sys.stdout.flush()
            if options.count is None or rounds < options.count:
                time.sleep(max(0.0, started + 1.0 - time.monotonic()))
    except KeyboardInterrupt:
        sys.stdout.write("\n")
    return 0


def run(options: argparse.Namespace) -> int:
    """Trace, and give the exit status."""
    try:
        if options.count is not None and options.count < 1:
            message = f"count: {options.count} rounds are none; give 1 or more"
            raise ValueError(message)
        if options.path_mtu:
            method = {} if options.method is None else {"method": options.method}
            found = path_mtu(options.host, family=options.family, timeout=options.wait, port=options.port, **method)
            text = json.dumps(found.to_dict()) if options.json else f"{found.host} ({found.address}): mtu {found.mtu}"
            sys.stdout.write(f"{text}\n")
            return 0 if found.mtu is not None else 1
        if options.live:
            return live(options)
        tracing = traceroute_iter(options.host, **arguments(options))
        if options.json:
            for _ in tracing:
                pass
            sys.stdout.write(json.dumps(tracing.result().to_dict()) + "\n")
        else:
            show(tracing, options)
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        sys.stderr.write(f"eyesocket trace: {explain(error)}\n")
        return 2
    return 0
