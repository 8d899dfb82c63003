"""Is it there, how far is it, and what does the way look like: ping and its kin.

`ping` for one host, `sweep` for very many, `traceroute` for the way to it, `path_mtu` for what fits through; the same
words with `a` to await them, with `_iter` to see each answer as it comes. ICMP needs either raw sockets (CAP_NET_RAW)
or datagram ICMP sockets (Linux's ping_group_range); both give the same results. UDP and TCP need no rights.

`PingEvent` is what `ping_iter` yields: a `Reply`, an `ErrorReply`, a `Refused` or a `Silence`. `Target` is what a sweep
can be pointed at: an address, a network, a range ("10.0.0.1-10.0.0.9"), a name.
"""

from __future__ import annotations

from eyesocket.probe._events import ErrorReply, Label, PingEvent, Refused, Reply, Silence
from eyesocket.probe._ping import PingIterator, PingOptions, aping, ping, ping_iter
from eyesocket.probe._result import PingResult
from eyesocket.probe._sweep import (
    HostResult,
    SweepIterator,
    SweepOptions,
    SweepResult,
    Target,
    aalive,
    alive,
    asweep,
    sweep,
    sweep_iter,
)
from eyesocket.probe._trace import (
    Hop,
    PathMtu,
    PathMtuOptions,
    PathMtuStep,
    Trace,
    TraceAnswer,
    TraceIterator,
    TraceOptions,
    apath_mtu,
    atraceroute,
    path_mtu,
    traceroute,
    traceroute_iter,
)

__all__ = [
    "ErrorReply",
    "Hop",
    "HostResult",
    "Label",
    "PathMtu",
    "PathMtuOptions",
    "PathMtuStep",
    "PingEvent",
    "PingIterator",
    "PingOptions",
    "PingResult",
    "Refused",
    "Reply",
    "Silence",
    "SweepIterator",
    "SweepOptions",
    "SweepResult",
    "Target",
    "Trace",
    "TraceAnswer",
    "TraceIterator",
    "TraceOptions",
    "aalive",
    "alive",
    "apath_mtu",
    "aping",
    "asweep",
    "atraceroute",
    "path_mtu",
    "ping",
    "ping_iter",
    "sweep",
    "sweep_iter",
    "traceroute",
    "traceroute_iter",
]
