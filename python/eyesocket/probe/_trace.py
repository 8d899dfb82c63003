"""Traceroute and the path's MTU."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from eyesocket._native import PathMtuSession, TraceSession
from eyesocket.probe import _mtu, _path
from eyesocket.probe._bounds import named, opened
from eyesocket.probe._events import Label, labels

if TYPE_CHECKING:
    import ipaddress
    from collections.abc import AsyncIterator, Iterator
    from typing import Unpack

__all__ = [
    "Hop",
    "PathMtu",
    "PathMtuOptions",
    "PathMtuStep",
    "Trace",
    "TraceAnswer",
    "TraceIterator",
    "TraceOptions",
    "apath_mtu",
    "atraceroute",
    "path_mtu",
    "traceroute",
    "traceroute_iter",
]


class SocketOptions(TypedDict, total=False):
    """How to send."""

    family: int | None
    """4, 6, or whichever the name's first address is of."""
    tos: int | None
    """TOS or traffic class, 0 to 255."""
    source: str | ipaddress.IPv4Address | ipaddress.IPv6Address | None
    """Our own address."""
    interface: str | None
    """The network interface to send through."""
    mark: int | None
    """The firewall mark (`SO_MARK`, needs CAP_NET_ADMIN)."""
    privileged: bool | None
    """Raw sockets (True), the kernel's error queue (False), or raw where allowed. Without raw sockets ICMP needs
    a datagram ICMP socket; UDP and TCP need no rights."""
    kernel_stamps: bool
    """Measure by the kernel's stamps where there are some (True)."""


class TraceOptions(SocketOptions, total=False):
    """The keyword arguments of `traceroute`, `atraceroute` and `traceroute_iter`."""

    method: Literal["udp", "icmp", "tcp"]
    """What the probes are ("udp")."""
    port: int | None
    """For UDP (33434) and TCP (80)."""
    paris: bool
    """All probes look alike to load balancers, and so take one path (True)."""
    multipath: bool
    """Ask each hop by as many flows as make it 95 % sure that all its addresses were seen."""
    first_hop: int
    max_hops: int
    """The first and the last TTL (1, 30)."""
    probes: int
    """Probes a hop (3)."""
    timeout: float
    """Seconds that each probe waits (1.0)."""
    interval: float
    """Seconds from one probe to the next, at least (0)."""
    window: int
    """How many probes may be on their way (16)."""
    size: int
    """Bytes of payload (32)."""
    follow_mtu: bool
    """Send probes as large as the first link carries, not to be fragmented, and shrink them with the path."""
    dont_fragment: bool | None
    """Whether routers may fragment."""


class PathMtuOptions(SocketOptions, total=False):
    """The keyword arguments of `path_mtu` and `apath_mtu`."""

    method: Literal["icmp", "udp"]
    """What the probes are ("icmp")."""
    port: int | None
    """For UDP (33434)."""
    timeout: float
    """Seconds that each probe waits (1.0)."""
    tries: int
    """How many probes of one size may be lost before it is taken not to fit (2)."""
    ttl: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class TraceAnswer:
    """What came of one probe."""

    ttl: int
    """The TTL or hop limit that the probe left with."""
    query: int
    """Which of the probes with this TTL, from 0."""
    flow: int
    """Which flow it belonged to."""
    size: int
    """Bytes of payload that it carried."""
    outcome: str
    """ "reached" (the target answered), "error" (somebody reports one), "silence", "refused" (by this machine)."""
    name: str
    """How the target answered, what the RFCs call the error, or the text of the errno."""
    source: str | None
    """Who answered."""
    rtt: float | None
    """Seconds."""
    clock: str | None
    """What `rtt` was measured by: "kernel" or "user"."""
    reply_ttl: int | None = None
    """The TTL that the answer came with, where seen."""
    quoted_ttl: int | None = None
    """The TTL that the probe had left when it was quoted; 1 as a rule (raw sockets only)."""
    type: int | None = None
    code: int | None = None
    """The ICMP error's numbers."""
    mtu: int | None = None
    """What the next link carries, where the answer says so."""
    gateway: str | None = None
    pointer: int | None = None
    labels: tuple[Label, ...] = ()
    """The MPLS label stack that the probe carried when its TTL ran out."""
    errno: int | None = None
    """Why this machine would not send."""

    @property
    def is_time_exceeded(self) -> bool:
        """Whether a router on the way answered because the TTL ran out."""
        return self.outcome == "error" and (self.type, self.code) in {(11, 0), (3, 0)} and "transit" in self.name

    def to_dict(self) -> dict[str, Any]:
        """Give the answer as plain values."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True, slots=True)
class Hop:
    """All that is known of one distance."""

    ttl: int
    answers: tuple[TraceAnswer, ...]
    """What came of each probe, in the order of the probes."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Who answered, each once, in the order of the probes."""
        return tuple(dict.fromkeys(answer.source for answer in self.answers if answer.source is not None))

    @property
    def rtts(self) -> tuple[float, ...]:
        """The round-trip times in seconds."""
        return tuple(answer.rtt for answer in self.answers if answer.rtt is not None)

    @property
    def loss(self) -> float:
        """The share of probes without an answer, from 0 to 1."""
        silent = sum(answer.outcome == "silence" for answer in self.answers)
        return silent / len(self.answers) if self.answers else 0.0

    @property
    def mtu(self) -> int | None:
        """What the link behind this hop carries, if an answer says so."""
        return min((answer.mtu for answer in self.answers if answer.mtu is not None), default=None)

    @property
    def labels(self) -> tuple[Label, ...]:
        """The MPLS label stack of the first answer that has one."""
        return next((answer.labels for answer in self.answers if answer.labels), ())

    def __str__(self) -> str:
        """Give a line of traceroute."""
        words, last = [f"{self.ttl:2} "], None
        for answer in self.answers:
            if answer.source is None:
                words.append("*" if answer.outcome == "silence" else f"{answer.name}")
                continue
            if answer.source != last:
                words.append(answer.source)
                words.extend(f"<MPLS:L={label.label},E={label.traffic_class},T={label.ttl}>" for label in answer.labels)
                last = answer.source
            words.append(f"{(answer.rtt or 0) * 1000:.3f} ms")
            if answer.mtu is not None:
                words.append(f"F={answer.mtu}")
            elif answer.outcome == "error" and not answer.is_time_exceeded:
                words.append(f"({answer.name})")
        return " ".join(words)


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Trace:
    """A finished traceroute."""

    host: str
    """What was asked for."""
    address: str
    """What was traced."""
    method: str
    """ "udp", "icmp" or "tcp"."""
    hops: tuple[Hop, ...]
    """From the first distance to the target, or as far as was asked."""
    privileged: bool
    """Whether the socket was raw."""

    @property
    def reached(self) -> bool:
        """Whether the target answered."""
        return any(answer.outcome == "reached" for hop in self.hops for answer in hop.answers)

    @property
    def mtu(self) -> int | None:
        """The least MTU that was reported on the way; None if none was."""
        return min((hop.mtu for hop in self.hops if hop.mtu is not None), default=None)

    @property
    def links(self) -> tuple[tuple[str, str], ...]:
        """Which address follows which, by the probes of one flow: the edges of the path's graph."""
        found: dict[tuple[str, str], None] = {}
        for near, far in zip(self.hops, self.hops[1:], strict=False):
            ends = {answer.flow: answer.source for answer in far.answers if answer.source is not None}
            for answer in near.answers:
                if answer.source is not None and (end := ends.get(answer.flow)) is not None:
                    found[answer.source, end] = None
        return tuple(found)

    def __len__(self) -> int:
        return len(self.hops)

    def __bool__(self) -> bool:
        """Whether the target answered."""
        return self.reached

    def __repr__(self) -> str:
        end = "reached" if self.reached else "not reached"
        mtu = "" if self.mtu is None else f", mtu {self.mtu}"
        return f"Trace({self.host}: {len(self.hops)} hops by {self.method}, {end}{mtu})"

    def __str__(self) -> str:
        """Give traceroute's text."""
        head = f"traceroute to {self.host} ({self.address}), {self.method}"
        return "\n".join([head, *map(str, self.hops)])

    def to_dict(self) -> dict[str, Any]:
        """Give the path as plain values."""
        return {
            "host": self.host,
            "address": self.address,
            "method": self.method,
            "reached": self.reached,
            "mtu": self.mtu,
            "privileged": self.privileged,
            "hops": [{"ttl": hop.ttl, "answers": [answer.to_dict() for answer in hop.answers]} for hop in self.hops],
            "links": [list(link) for link in self.links],
        }

    def to_dicts(self) -> list[dict[str, Any]]:
        """Give one dictionary a probe: rows for pandas or polars."""
        return [answer.to_dict() for hop in self.hops for answer in hop.answers]

    def _repr_mimebundle_(self, **_options: object) -> dict[str, str]:
        return {
            "text/plain": str(self),
            "text/html": _path.html(self),
            "text/vnd.mermaid": _path.mermaid(self),
            "image/svg+xml": _path.svg(self),
        }


class TraceIterator:
    """A traceroute under way: iterate it with `for` or `async for`; `result()` says what is known so far."""

    def __init__(self, host: str, **options: Unpack[TraceOptions]) -> None:
        self._host = named(host)
        self._method = options.get("method", "udp")
        self._session = opened(TraceSession, self._host, **options)
        self._answers: list[TraceAnswer] = []

    def __iter__(self) -> Iterator[TraceAnswer]:
        return self

    def __next__(self) -> TraceAnswer:
        native = self._session.next()
        if native is None:
            raise StopIteration
        return self._keep(native)

    def __aiter__(self) -> AsyncIterator[TraceAnswer]:
        return self

    async def __anext__(self) -> TraceAnswer:
        native = await self._session.next_async()
        if native is None:
            raise StopAsyncIteration
        return self._keep(native)

    def _keep(self, native: tuple[Any, ...]) -> TraceAnswer:
        answer = trace_answer(native)
        self._answers.append(answer)
        return answer

    @property
    def address(self) -> str | None:
        """The address that is traced; None until the host's name is resolved."""
        return self._session.address

    def result(self) -> Trace:
        """Say what is known so far: hops in order, none beyond the end of the path."""
        distances: dict[int, list[TraceAnswer]] = {}
        for answer in self._answers:
            distances.setdefault(answer.ttl, []).append(answer)
        ends = [answer.ttl for answer in self._answers if _ends(answer)]
        last = min(ends, default=max(distances, default=0))
        hops = tuple(
            Hop(ttl, tuple(sorted(distances[ttl], key=lambda answer: answer.query)))
            for ttl in sorted(distances)
            if ttl <= last
        )
        return Trace(self._host, self.address or "", self._method, hops, bool(self._session.raw))


def _ends(answer: TraceAnswer) -> bool:
    """Whether there is nothing behind: the target, or somebody who says that it is unreachable."""
    if answer.outcome == "error":
        passing = answer.is_time_exceeded or answer.mtu is not None or answer.gateway is not None
        return not passing and answer.name != "source quench"
    return answer.outcome != "silence"


def trace_answer(native: tuple[Any, ...]) -> TraceAnswer:
    """Make the answer of a native tuple."""
    (ttl, query, flow, size), outcome, details, source, time, reply_ttl, quoted_ttl = native
    rtt, clock = time or (None, None)
    make = functools.partial(TraceAnswer, ttl, query, flow, size, outcome)
    if outcome == "reached":
        return make(details, source, rtt, clock, reply_ttl)
    if outcome == "error":
        _version, number, code, name, mtu, gateway, pointer, stack = details
        return make(name, source, rtt, clock, reply_ttl, quoted_ttl, number, code, mtu, gateway, pointer, labels(stack))
    if outcome == "refused":
        errno, reason, mtu = details
        return make(reason, None, None, None, mtu=mtu, errno=errno)
    return make("no answer", None, None, None)


def traceroute(host: str, **options: Unpack[TraceOptions]) -> Trace:
    """Find the routers on the way to `host` by probes with growing TTLs.

    Where raw sockets are allowed the probes are built here, and known by what every router quotes of them; else
    errors are read from the error queue (IP_RECVERR of ip(7)), which needs no rights for UDP and TCP, and a datagram
    ICMP socket for ICMP. Both find the same. `socket.gaierror`, `PermissionError`, `ValueError` as for `ping`; what
    the network does never raises.
    """
    tracing = traceroute_iter(host, **options)
    for _ in tracing:
        pass
    return tracing.result()


async def atraceroute(host: str, **options: Unpack[TraceOptions]) -> Trace:
    """`traceroute`, to be awaited on asyncio or uvloop."""
    tracing = traceroute_iter(host, **options)
    async for _ in tracing:
        pass
    return tracing.result()


def traceroute_iter(host: str, **options: Unpack[TraceOptions]) -> TraceIterator:
    """Trace the way to `host` and yield a `TraceAnswer` a probe as it comes, with `for` or `async for`."""
    return TraceIterator(host, **options)


@dataclasses.dataclass(frozen=True, slots=True)
class PathMtuStep:
    """What one size has shown."""

    outcome: str
    """ "fits", "too big", "silence", "unreachable", "refused" (by this machine)."""
    size: int | None
    """Bytes of the whole IP packet."""
    mtu: int | None = None
    """What would fit, by the report."""
    source: str | None = None
    """Who reports; None: this machine."""
    name: str | None = None
    """What the RFCs call the error, or the text of the errno."""

    @property
    def notes(self) -> str:
        """The outcome, and who says what."""
        more = [f"mtu {self.mtu}"] if self.mtu is not None else []
        more += [f"by {self.source}"] if self.source is not None else []
        more += [self.name] if self.name is not None else []
        return f"{self.outcome} ({', '.join(more)})" if more else self.outcome

    def __str__(self) -> str:
        return self.notes if self.size is None else f"{self.size} bytes: {self.notes}"


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class PathMtu:
    """The largest IP packet that gets through unfragmented."""

    host: str
    address: str
    mtu: int | None
    """Bytes; None: the host did not answer at all."""
    steps: tuple[PathMtuStep, ...]
    """How it was found."""

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain values."""
        return dataclasses.asdict(self)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Give one dictionary a step."""
        return [dataclasses.asdict(step) for step in self.steps]

    def _repr_mimebundle_(self, **_options: object) -> dict[str, str]:
        picture = _mtu.svg(self)
        return {
            "text/plain": str(self),
            "text/html": _mtu.html(self, picture),
            "text/vnd.mermaid": _mtu.mermaid(self),
            "image/svg+xml": picture,
        }

    def __repr__(self) -> str:
        found = "no size got through" if self.mtu is None else f"mtu {self.mtu}"
        return f"PathMtu({self.host} ({self.address}): {found}, {len(self.steps)} steps)"

    def __str__(self) -> str:
        return "\n".join([repr(self), *(f"  {step}" for step in self.steps)])


def _step(native: tuple[Any, ...]) -> PathMtuStep:
    outcome, size, mtu, source, details = native
    name = details[3] if outcome == "unreachable" else details[1] if outcome == "refused" else None
    return PathMtuStep(outcome, size, mtu, source, name)


def path_mtu(host: str, **options: Unpack[PathMtuOptions]) -> PathMtu:
    """Find the largest packet that gets to `host` unfragmented.

    Routers' reports (RFC 1191, RFC 8201) are followed; where they are filtered, sizes are tried (RFC 4821).
    """
    session = opened(PathMtuSession, named(host), **options)
    steps = tuple(_step(native) for native in iter(session.next, None))
    return PathMtu(str(host), session.address or "", session.found, steps)


async def apath_mtu(host: str, **options: Unpack[PathMtuOptions]) -> PathMtu:
    """`path_mtu`, to be awaited on asyncio or uvloop."""
    session = opened(PathMtuSession, named(host), **options)
    steps = []
    while (native := await session.next_async()) is not None:
        steps.append(_step(native))
    return PathMtu(str(host), session.address or "", session.found, tuple(steps))
