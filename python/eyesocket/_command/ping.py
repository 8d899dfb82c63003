"""`eyesocket ping HOST`, with the letters of ping(8)."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from eyesocket import __version__
from eyesocket._command import Untaken, explain
from eyesocket.probe import ErrorReply, Refused, Reply, Silence, ping_iter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from eyesocket.probe import PingEvent, PingIterator

HELP = "send ICMP echo requests to a host and show what comes back"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = (
        "Exit status: 0 the host answered, 1 it did not (or less than -c asks for by -w), 2 it could not be asked. "
        "With both, -c counts answers: probes go on until so many came, an error did, or -w is over."
    )
    parser.add_argument("host")
    parser.add_argument("-c", "--count", type=int, help="stop after so many probes (default: Ctrl-C)")
    parser.add_argument("-i", "--interval", type=float, default=1.0, help="seconds between probes; 0: adaptive")
    parser.add_argument("-A", "--adaptive", action="store_true", help="the next when the last is answered, as -i 0")
    parser.add_argument("-f", "--flood", action="store_true", help="as -A; prints a dot for each that is lost, no more")
    parser.add_argument("-W", "--timeout", type=float, default=1.0, help="seconds to wait for each answer")
    parser.add_argument("-w", "--deadline", type=float, help="stop after so many seconds")
    parser.add_argument("--linger", type=float, default=0.0, help="seconds to listen on after the last answer")
    parser.add_argument("-s", "--size", type=int, default=56, help="bytes of payload")
    parser.add_argument("-t", "--ttl", type=int)
    parser.add_argument("-Q", "--tos", type=lambda text: int(text, 0))
    parser.add_argument("-M", "--pmtudisc", choices=["do", "dont", "want"], default="want", help="don't fragment")
    parser.add_argument("-p", "--pattern", type=bytes.fromhex, help="hexadecimal digits that the payload repeats")
    parser.add_argument("-I", "--interface", help="the interface, or our own address")
    parser.add_argument("-m", "--mark", type=lambda text: int(text, 0))
    parser.add_argument("-4", dest="family", action="store_const", const=4, help="IPv4 only")
    parser.add_argument("-6", dest="family", action="store_const", const=6, help="IPv6 only")
    parser.add_argument(
        "-D", "--timestamps", action="store_true", help="print the time (Unix seconds) before each line"
    )
    parser.add_argument("-a", "--audible", action="store_true", help="ring the bell at each answer")
    for letter, reason in [
        ("-O", "what is not answered is reported anyway"),
        ("-b", "broadcast addresses are allowed anyway"),
        ("-v", "errors are shown anyway"),
    ]:
        parser.add_argument(letter, action="store_true", help=f"accepted for ping's sake: {reason}")
    parser.add_argument(
        "-l", "--preload", action=Untaken, help="not taken: no probes are sent at once; -i 0 sends without a pause"
    )
    parser.add_argument("-V", "--version", action="version", version=f"eyesocket {__version__}")
    parser.add_argument("-q", "--quiet", action="store_true", help="only the summary")
    parser.add_argument(
        "-n", "--numeric", action="store_true", help="accepted for ping's sake: nothing is looked up anyway"
    )
    method = parser.add_mutually_exclusive_group()
    method.add_argument("-T", "--tcp", type=int, metavar="PORT", help="by TCP handshakes with this port")
    method.add_argument("-U", "--udp", type=int, metavar="PORT", help="by UDP datagrams to this port")
    socket = parser.add_mutually_exclusive_group()
    socket.add_argument("--privileged", action="store_const", const=True, help="a raw socket, or none")
    socket.add_argument(
        "--unprivileged", dest="privileged", action="store_const", const=False, help="a datagram socket"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="the result as one JSON object")
    form.add_argument("--prometheus", action="store_true", help="the figures in Prometheus's text format")


def arguments(options: argparse.Namespace) -> dict[str, Any]:
    """Give the keyword arguments of `ping_iter`."""
    source, interface = None, options.interface
    if interface is not None and (":" in interface or interface.replace(".", "").isdigit()):
        source, interface = interface, None
    method = "icmp" if options.tcp is options.udp is None else "udp" if options.tcp is None else "tcp"
    return {
        "method": method,
        "port": options.udp if options.tcp is None else options.tcp,
        "interval": 0.0 if options.adaptive or options.flood else options.interval,
        "timeout": options.timeout,
        "deadline": options.deadline,
        "linger": options.linger,
        "size": options.size,
        "ttl": options.ttl,
        "tos": options.tos,
        "dont_fragment": {"do": True, "dont": False, "want": None}[options.pmtudisc],
        "pattern": options.pattern,
        "source": source,
        "interface": interface,
        "mark": options.mark,
        "family": options.family,
        "privileged": options.privileged,
    }


def show(pinging: PingIterator, options: argparse.Namespace) -> None:
    """Print each event as it comes."""
    silent = options.json or options.prometheus
    first = not silent
    for event in enough(pinging, options):
        if first:
            first = False
            sys.stdout.write(f"PING {options.host} ({pinging.address}) {options.size} bytes of data.\n")
        if silent or options.quiet:
            continue
        if options.flood:
            sys.stdout.write("." if isinstance(event, Silence) else "")
        else:
            stamp = f"[{time.time():.6f}] " if options.timestamps else ""
            bell = "\a" if options.audible and isinstance(event, Reply) else ""
            sys.stdout.write(f"{stamp}{event}{bell}\n")
        sys.stdout.flush()


def enough(events: Iterable[PingEvent], options: argparse.Namespace) -> Iterator[PingEvent]:
    """Give the events; where there is a deadline too, up to so many answers as asked for, or an error."""
    answers = 0
    for event in events:
        yield event
        answers += isinstance(event, Reply) and not event.duplicate
        ends = options.deadline is not None and options.count is not None
        if ends and (answers >= options.count or isinstance(event, (ErrorReply, Refused))):
            return


def run(options: argparse.Namespace) -> int:
    """Ping, and give ping's exit status."""
    try:
        # With a deadline, ping's count is one of answers.
        sends = options.count if options.deadline is None or (options.count or 0) < 1 else None
        pinging = ping_iter(options.host, sends, **arguments(options))
        try:
            show(pinging, options)
        except KeyboardInterrupt:
            if not (options.json or options.prometheus):
                sys.stdout.write("\n")
        result = pinging.result()
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        sys.stderr.write(f"eyesocket ping: {explain(error)}\n")
        return 2
    if options.json:
        sys.stdout.write(json.dumps(result.to_dict()) + "\n")
    elif options.prometheus:
        sys.stdout.write(result.prometheus())
    else:
        sys.stdout.write(f"\n{result}\n")
    # As ping does where there is both a count and a deadline.
    short = options.deadline is not None and options.count is not None and result.received < options.count
    return 0 if result and not short else 1
