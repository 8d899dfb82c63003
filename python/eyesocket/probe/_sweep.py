"""Sweep: very many hosts, one probe each, again where nothing came."""

from __future__ import annotations

import collections
import html
import ipaddress
import itertools
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypedDict

from eyesocket._native import SweepSession
from eyesocket.probe._bounds import opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator
    from concurrent.futures import Executor
    from typing import Unpack

__all__ = [
    "HostResult",
    "SweepIterator",
    "SweepOptions",
    "SweepResult",
    "Target",
    "aalive",
    "alive",
    "asweep",
    "sweep",
    "sweep_iter",
]

Target: TypeAlias = str | ipaddress.IPv4Address | ipaddress.IPv6Address | ipaddress.IPv4Network | ipaddress.IPv6Network
"""An address, a network ("10.0.0.0/16"), a range ("10.0.0.1-10.0.0.9"), a name."""

ROWS = 50
"""More hosts than this are not listed in a notebook."""

PATIENCE = 0.01
"""So many seconds a sweep reads targets, before it looks for results again."""

_ADDRESSES = (ipaddress.IPv4Address, ipaddress.IPv6Address)
_NETWORKS = (ipaddress.IPv4Network, ipaddress.IPv6Network)


class SweepOptions(TypedDict, total=False):
    """The keyword arguments of `sweep`, `sweep_iter` and `alive`."""

    rate: float | None
    """Probes a second (5000); None: as fast as answers are taken in."""
    retries: int
    """How often a silent host is asked again (1)."""
    timeout: float
    """Seconds that each probe waits (1.0)."""
    window: int
    """How many probes may wait at a time (8192), at most 32768."""
    size: int
    """Bytes of payload (16), from 8 to 1400."""
    family: int | None
    """For names: 4, 6, or whichever the first address is of."""
    ttl: int | None
    tos: int | None
    dont_fragment: bool | None
    source: str | ipaddress.IPv4Address | ipaddress.IPv6Address | None
    interface: str | None
    mark: int | None
    receive_buffer: int | None
    """Bytes of receive buffer (SO_RCVBUF); the system's default has room for some 250 answers."""
    privileged: bool | None
    """A raw socket, a datagram socket, or whichever is allowed."""


class HostResult(NamedTuple):
    """What came of one host."""

    number: int
    """Its place in the input, from 0."""
    host: str
    """As it was asked for; of a network, the address."""
    address: str | None
    """None: the name is not known."""
    reason: str
    """One of "reply"; "wrong source" (an answer, from another address); "error" (by ICMP); "silent"; "unknown" (nothing
    came, but this machine lost answers for lack of room); "refused" (by this machine, e.g. no route); "unresolved"."""
    rtt: float | None
    """Seconds."""
    ttl: int | None
    """The TTL or hop limit of the answer."""
    source: str | None
    """Who answered, or who reports the error."""
    error: str | None
    """What the RFCs call the error, the text of the errno, or what the resolver says."""
    icmp: tuple[int, int] | None
    """Type and code of an ICMP error."""
    tries: int
    """How many probes it took."""
    vantage: str | None
    """From where it was asked, if a sweep was split: host name and network namespace."""

    @property
    def alive(self) -> bool:
        """Whether it answered."""
        return self.reason == "reply"

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain values."""
        return self._asdict()

    def __str__(self) -> str:
        """Give a line like fping's."""
        if self.alive:
            return f"{self.host} is alive ({(self.rtt or 0) * 1000:.3f} ms)"
        by = f" (from {self.source})" if self.source is not None else ""
        return f"{self.host}: {self.error or self.reason}{by}"


class SweepResult:
    """A finished sweep: a sequence of `HostResult`, in the order of the input."""

    __slots__ = ("dropped", "hosts", "privileged")

    hosts: tuple[HostResult, ...]
    dropped: int
    """Answers that this machine lost for lack of room; the hosts were asked again."""
    privileged: bool
    """Whether the sockets were raw."""

    def __init__(self, hosts: Iterable[HostResult], dropped: int = 0, *, privileged: bool = False) -> None:
        self.hosts = tuple(sorted(hosts))
        self.dropped = dropped
        self.privileged = privileged

    def __iter__(self) -> Iterator[HostResult]:
        return iter(self.hosts)

    def __len__(self) -> int:
        return len(self.hosts)

    def __getitem__(self, place: int) -> HostResult:
        return self.hosts[place]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SweepResult) and self.hosts == other.hosts

    def __hash__(self) -> int:
        return hash(self.hosts)

    @property
    def reasons(self) -> dict[str, int]:
        """How many hosts there are of each reason."""
        return dict(collections.Counter(host.reason for host in self.hosts).most_common())

    @property
    def alive(self) -> list[str]:
        """The hosts that answered."""
        return [host.host for host in self.hosts if host.alive]

    def __repr__(self) -> str:
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.reasons.items()) or "none"
        return f"SweepResult({len(self.hosts)} hosts: {reasons})"

    def to_dict(self) -> dict[str, Any]:
        """Give the figures as plain values, and `hosts` as a list of dictionaries."""
        return {
            "reasons": self.reasons,
            "dropped": self.dropped,
            "privileged": self.privileged,
            "hosts": self.to_dicts(),
        }

    def to_dicts(self) -> list[dict[str, Any]]:
        """Give one dictionary a host: rows for pandas or polars."""
        return [host.to_dict() for host in self.hosts]

    def _repr_mimebundle_(self, **_options: object) -> dict[str, str]:
        rows = "".join(
            f"<tr><td>{html.escape(host.host[:200])}</td><td>{host.reason}</td>"
            f"<td>{'' if host.rtt is None else f'{host.rtt * 1000:.3f} ms'}</td>"
            f"<td>{html.escape((host.error or '')[:200])}</td></tr>"
            for host in self.hosts[:ROWS]
        )
        more = len(self.hosts) - ROWS
        note = f"<tr><td>and {more} more</td></tr>" if more > 0 else ""
        head = "<tr><th>host</th><th>reason</th><th>rtt</th><th>error</th></tr>"
        text = repr(self)
        return {"text/plain": text, "text/html": f"<p>{text}</p><table>{head}{rows}{note}</table>"}


def _asked(options: SweepOptions) -> dict[str, Any]:
    return {"rate": 5000.0, **options}


def _each(targets: Target | Iterable[Target]) -> Iterator[Target]:
    """One target is a list of one; a network is a target, not its addresses."""
    single = (str, bytes, *_ADDRESSES, *_NETWORKS)
    return iter([targets]) if isinstance(targets, single) else iter(targets)


def _text(target: Target) -> str:
    """Give the words of a target; an interface ("10.0.0.1/24" of `ipaddress`) stands for its address."""
    if isinstance(target, str):
        return target
    if isinstance(target, (ipaddress.IPv4Interface, ipaddress.IPv6Interface)):
        return str(target.ip)
    if isinstance(target, (*_ADDRESSES, *_NETWORKS)):
        return str(target)
    message = f"targets: {target!r} is none; give a string, or an address or network of ipaddress"
    raise TypeError(message)


class SweepIterator:
    """A sweep under way: iterate it with `for` or `async for`, results come as they come.

    `targets` is read as the sweep goes on, so it may be without end.
    """

    def __init__(self, targets: Target | Iterable[Target], **options: Unpack[SweepOptions]) -> None:
        self._session = opened(SweepSession, **_asked(options))
        self._targets = _each(targets)
        self._ready: collections.deque[HostResult] = collections.deque()
        self._over = False
        self._feed(1)

    def _feed(self, most: int = 512) -> None:
        # A source that takes its time does not keep back the results that have come.
        until = time.monotonic() + PATIENCE
        for target in itertools.islice(self._targets, most):
            self._session.push(_text(target))
            most -= 1
            if time.monotonic() > until:
                return
        if most:
            self._session.finish()

    def _take(self, batch: tuple[list[tuple[Any, ...]], bool, bool]) -> None:
        results, hungry, self._over = batch
        make, new = tuple.__new__, HostResult
        self._ready.extend([make(new, result) for result in results])
        if hungry and not self._over:
            self._feed()

    def __iter__(self) -> Iterator[HostResult]:
        return self

    def __next__(self) -> HostResult:
        while not self._ready:
            if self._over:
                raise StopIteration
            self._take(self._session.next())
        return self._ready.popleft()

    def __aiter__(self) -> AsyncIterator[HostResult]:
        return self

    async def __anext__(self) -> HostResult:
        while not self._ready:
            if self._over:
                raise StopAsyncIteration
            self._take(await self._session.next_async())
        return self._ready.popleft()

    @property
    def dropped(self) -> int:
        """Answers that this machine lost for lack of room so far."""
        return self._session.dropped

    @property
    def privileged(self) -> bool:
        """Whether the sockets are raw."""
        return bool(self._session.raw)


def sweep(
    targets: Target | Iterable[Target],
    *,
    executor: Executor | None = None,
    parts: int | None = None,
    **options: Unpack[SweepOptions],
) -> SweepResult:
    """Ask each of `targets` once (and silent ones again), and say how it is with each.

    With an `executor` (any of `concurrent.futures`, a Dask client's `get_executor()`, ...) the targets are split into
    `parts`, one a worker by default, and `vantage` of each result says from where it was asked. `targets` is then read
    to its end before the first is asked.

    `ValueError` for no targets at all, a target that cannot be read, or a network of more than 2^32 hosts;
    `PermissionError` without the right to ICMP sockets. What goes wrong with one host is that host's `reason`.
    """
    if executor is not None:
        return _split_sweep(targets, executor, parts, options)
    sweeping = sweep_iter(targets, **options)
    hosts = list(sweeping)
    return _result(hosts, sweeping)


async def asweep(targets: Target | Iterable[Target], **options: Unpack[SweepOptions]) -> SweepResult:
    """`sweep`, to be awaited on asyncio or uvloop."""
    sweeping = sweep_iter(targets, **options)
    hosts = [host async for host in sweeping]
    return _result(hosts, sweeping)


def _result(hosts: list[HostResult], sweeping: SweepIterator) -> SweepResult:
    if not hosts:
        message = "targets: there are none; give addresses, networks or names"
        raise ValueError(message)
    return SweepResult(hosts, sweeping.dropped, privileged=sweeping.privileged)


def sweep_iter(targets: Target | Iterable[Target], **options: Unpack[SweepOptions]) -> SweepIterator:
    """Sweep, and yield each `HostResult` as it comes, with `for` or `async for`. `targets` may be without end."""
    return SweepIterator(targets, **options)


def alive(targets: Target | Iterable[Target], **options: Unpack[SweepOptions]) -> list[str]:
    """Give the hosts among `targets` that answer."""
    return sweep(targets, **options).alive


async def aalive(targets: Target | Iterable[Target], **options: Unpack[SweepOptions]) -> list[str]:
    """`alive`, to be awaited on asyncio or uvloop."""
    return (await asweep(targets, **options)).alive


def _split_sweep(
    targets: Target | Iterable[Target], executor: Executor, parts: int | None, options: SweepOptions
) -> SweepResult:
    if parts is None:
        parts = getattr(executor, "_max_workers", None) or os.cpu_count() or 1
    if parts < 1:
        message = f"parts: {parts} is out of range; give 1 or more"
        raise ValueError(message)
    pieces = [piece for target in _each(targets) for piece in _pieces(_text(target), parts)]
    # Neighbours stay together: the results one after the other are then in the order of the input.
    size = -(-len(pieces) // parts) or 1
    shares = [pieces[start : start + size] for start in range(0, len(pieces), size)]
    if not shares:
        return _result([], sweep_iter([], **options))
    hosts: list[HostResult] = []
    dropped, privileged = 0, True
    # All are under way before the first is waited for.
    asked = [executor.submit(_share, share, dict(options)) for share in shares]
    for part in [future.result() for future in asked]:
        first = len(hosts)
        hosts += [host._replace(number=first + place) for place, host in enumerate(part.hosts)]
        dropped += part.dropped
        privileged &= part.privileged
    return SweepResult(hosts, dropped, privileged=privileged)


def _share(targets: list[str], options: dict[str, Any]) -> SweepResult:
    """Sweep one worker's share, where the worker is."""
    vantage = f"{socket.gethostname()} {Path('/proc/self/ns/net').readlink()}"
    found = sweep(targets, **options)
    hosts = [host._replace(vantage=vantage) for host in found.hosts]
    return SweepResult(hosts, found.dropped, privileged=found.privileged)


def _pieces(target: str, parts: int) -> list[str]:
    """Split a network into ranges, one a part; anything else is one piece."""
    if "/" not in target:
        return [target]
    network = ipaddress.ip_network(target, strict=False)
    first, last = int(network[0]), int(network[-1])
    if network.version == 4 and network.prefixlen < 31:
        first, last = first + 1, last - 1
    kind = type(network[0])
    size = -(-(last - first + 1) // parts)
    starts = range(first, last + 1, size)
    return [f"{kind(start)}-{kind(min(start + size - 1, last))}" for start in starts]
