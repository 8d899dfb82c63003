"""`eyesocket ss [OPTIONS] [FILTER]`: the kernel's sockets, as ss(8) lists them."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

__all__ = ["configure", "run"]

EPILOG = """\
The filter: state NAME, exclude NAME, then src, dst, sport, dport with =, !=, <, <=, >, >=, joined by and, or, not, ( ).
NAME is established, syn-sent, syn-recv, fin-wait-1, fin-wait-2, time-wait, closed, close-wait, last-ack, listening,
closing, or all, connected, synchronized, bucket, big. Example: eyesocket ss -o state time-wait sport = :5500"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = EPILOG
    parser.usage = "%(prog)s [-h] [-t] [-u] [-4] [-6] [-l] [-a] [-n] [-o] [-e] [-H] [--json] [FILTER ...]"
    parser.add_argument("-t", "--tcp", action="store_true", help="TCP sockets (neither -t nor -u: both)")
    parser.add_argument("-u", "--udp", action="store_true", help="UDP sockets")
    parser.add_argument("-4", "--ipv4", action="store_true", help="IPv4 sockets (neither -4 nor -6: both)")
    parser.add_argument("-6", "--ipv6", action="store_true", help="IPv6 sockets")
    parser.add_argument("-l", "--listening", action="store_true", help="only listeners, and UDP sockets without a peer")
    parser.add_argument("-a", "--all", action="store_true", help="sockets in any state")
    parser.add_argument("-n", "--numeric", action="store_true", help="numbers, not names: always so here")
    parser.add_argument("-o", "--options", action="store_true", help="the running timer")
    parser.add_argument("-e", "--extended", action="store_true", help="user, inode and cookie")
    parser.add_argument("-H", "--no-header", action="store_true", help="no line of headings")
    parser.add_argument("--json", action="store_true", help="a list of objects, everything that is known")
    parser.add_argument("filter", nargs="*", metavar="FILTER", help="as words or as one quoted text")


def run(options: argparse.Namespace) -> int:
    """List, and give 0."""
    from eyesocket import _native, table

    words = " ".join(options.filter)
    choice = table.Choice(
        tcp=options.tcp,
        udp=options.udp,
        ipv4=options.ipv4,
        ipv6=options.ipv6,
        listening=options.listening,
        all=options.all,
    )
    rows = table.ss(words, **choice)
    if options.json:
        json.dump(rows.to_dicts(), sys.stdout, indent=1)
        sys.stdout.write("\n")
        return 0
    sys.stdout.write(
        rows.text(
            header=not options.no_header,
            protocol=options.tcp == options.udp,
            state=len(_native.asked_states(words, choice)) > 1,
            timer=options.options,
            extended=options.extended,
        )
    )
    return 0
