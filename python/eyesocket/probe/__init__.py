"""Is it there, how far is it, and what does the way look like: ping and its kin.

`ping` for one host, `traceroute` for the way to it, `path_mtu` for what fits through; the same words with `a` to await
them, with `_iter` to see each answer as it comes. ICMP needs either raw sockets
(CAP_NET_RAW) or datagram ICMP sockets (Linux's ping_group_range); both give the same results. UDP and TCP need
no rights.
"""

from __future__ import annotations

from eyesocket.probe._events import ErrorReply, Label, PingEvent, Refused, Reply, Silence
from eyesocket.probe._ping import PingIterator, PingOptions, aping, ping, ping_iter
from eyesocket.probe._result import PingResult
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
    "Trace",
    "TraceAnswer",
    "TraceIterator",
    "TraceOptions",
    "apath_mtu",
    "aping",
    "atraceroute",
    "path_mtu",
    "ping",
    "ping_iter",
    "traceroute",
    "traceroute_iter",
]
