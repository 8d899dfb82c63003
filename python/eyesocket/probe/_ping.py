"""Ping: one host, many probes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

from eyesocket._native import PingSession
from eyesocket.probe._bounds import named, opened
from eyesocket.probe._events import ping_event
from eyesocket.probe._result import PingResult

if TYPE_CHECKING:
    import ipaddress
    from collections.abc import AsyncIterator, Iterator
    from typing import Unpack

    from eyesocket.probe._events import PingEvent

FIGURES = ("min", "mean", "median", "p90", "p99", "max", "mdev", "jitter")

__all__ = ["PingIterator", "PingOptions", "aping", "ping", "ping_iter"]


class PingOptions(TypedDict, total=False):
    """The keyword arguments of `ping`, `aping` and `ping_iter`."""

    interval: float
    """Seconds from one probe to the next (1.0); 0: the next goes when the last is answered or given up."""
    timeout: float
    """Seconds that each probe waits for its answer (1.0)."""
    deadline: float | None
    """Seconds after which the whole is over, whatever is missing."""
    linger: float
    """Seconds to go on listening when each probe has had its answer or its time (0.0): a duplicate of the last answer
    comes after it."""
    size: int
    """Bytes of payload (56), at most 65507 (IPv6: 65527)."""
    ttl: int | None
    """TTL or hop limit, 1 to 255."""
    tos: int | None
    """TOS or traffic class, 0 to 255."""
    dont_fragment: bool | None
    """True: routers, and this machine, may not fragment; False: they may; None: as the system does."""
    pattern: bytes | None
    """What the payload repeats."""
    source: str | ipaddress.IPv4Address | ipaddress.IPv6Address | None
    """Our own address."""
    interface: str | None
    """The network interface to send through."""
    mark: int | None
    """The firewall mark (`SO_MARK`, needs CAP_NET_ADMIN)."""
    family: int | None
    """4, 6, or whichever the name's first address is of; socket.AF_INET and AF_INET6 will do."""
    privileged: bool | None
    """True: a raw socket; False: a datagram socket (Linux's ping_group_range); None: raw where allowed."""
    kernel_stamps: bool
    """Measure by the kernel's stamps on both packets (True), or by our own readings."""
    method: Literal["icmp", "tcp", "udp"]
    """ICMP echo, a TCP handshake, or a UDP datagram."""
    port: int | None
    """For TCP and UDP."""


class PingIterator:
    """A ping under way: iterate it with `for` or `async for`; `result()` says what it amounts to so far."""

    def __init__(self, host: str, count: int | None = None, **options: Unpack[PingOptions]) -> None:
        self._host = named(host)
        self._session = opened(PingSession, self._host, count=count, **options)
        self._events: list[PingEvent] = []

    def __iter__(self) -> Iterator[PingEvent]:
        return self

    def __next__(self) -> PingEvent:
        native = self._session.next()
        if native is None:
            raise StopIteration
        return self._keep(native)

    def __aiter__(self) -> AsyncIterator[PingEvent]:
        return self

    async def __anext__(self) -> PingEvent:
        native = await self._session.next_async()
        if native is None:
            raise StopAsyncIteration
        return self._keep(native)

    def _keep(self, native: tuple[str, int, Any]) -> PingEvent:
        event = ping_event(native)
        self._events.append(event)
        return event

    @property
    def address(self) -> str | None:
        """The address that is pinged; None until the host's name is resolved."""
        return self._session.address

    def result(self) -> PingResult:
        """Say what it amounts to so far; probes that still wait for an answer are not counted."""
        sent, received, duplicates, late, errors, waiting = self._session.counts()
        figures, kernel, raw = self._session.summary()
        times: dict[str, Any] = dict(zip(FIGURES, figures or (None,) * len(FIGURES), strict=True))
        clock = "user" if not kernel else "kernel" if kernel == received else "mixed"
        counts = (sent - waiting, received, duplicates, late, errors)
        return PingResult(
            self._host, self.address or "", tuple(self._events), *counts, **times, clock=clock, privileged=bool(raw)
        )


def ping(host: str, count: int = 4, **options: Unpack[PingOptions]) -> PingResult:
    """Send `count` probes to `host`, wait for their answers, and say what came.

    The options are those of `PingOptions`. `socket.gaierror` if the name does not resolve, `PermissionError` if no ICMP
    socket may be opened (it says which two commands would allow it), `OSError` if there is no way to the host from
    here, `ValueError` for an option out of range. What the network answers, or does not, never raises: it is in the
    result.
    """
    pinging = ping_iter(host, count, **options)
    for _ in pinging:
        pass
    return pinging.result()


async def aping(host: str, count: int = 4, **options: Unpack[PingOptions]) -> PingResult:
    """`ping`, to be awaited on asyncio or uvloop."""
    pinging = ping_iter(host, count, **options)
    async for _ in pinging:
        pass
    return pinging.result()


def ping_iter(host: str, count: int | None = None, **options: Unpack[PingOptions]) -> PingIterator:
    """Ping `host` and yield what comes as it comes: a `Reply`, an `ErrorReply`, a `Refused`, a `Silence`.

    Works with `for` and with `async for`; without `count` it never ends by itself. Options and errors as `ping`.
    """
    if count is not None and count < 1:
        message = f"count: {count} probes are none; give 1 or more (or None to ping_iter: until you stop)"
        raise ValueError(message)
    return PingIterator(host, count, **options)
