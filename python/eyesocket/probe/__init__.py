"""Is it there, how far is it, and what does the way look like: ping and its kin.

`ping` for one host, `aping` to await it, `ping_iter` to see each answer as it comes. Needs either raw sockets
(CAP_NET_RAW) or datagram ICMP sockets (Linux's ping_group_range); both give the same results.
"""

from __future__ import annotations

from eyesocket.probe._events import ErrorReply, Label, PingEvent, Refused, Reply, Silence
from eyesocket.probe._ping import PingIterator, PingOptions, aping, ping, ping_iter
from eyesocket.probe._result import PingResult

__all__ = [
    "ErrorReply",
    "Label",
    "PingEvent",
    "PingIterator",
    "PingOptions",
    "PingResult",
    "Refused",
    "Reply",
    "Silence",
    "aping",
    "ping",
    "ping_iter",
]
