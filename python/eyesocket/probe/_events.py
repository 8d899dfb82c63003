"""What comes back from a probe: a reply, an error report, a refusal of this machine, or nothing."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeAlias

__all__ = ["ErrorReply", "Label", "PingEvent", "Refused", "Reply", "Silence"]


@dataclasses.dataclass(frozen=True, slots=True)
class Label:
    """An entry of the MPLS label stack that a probe carried (RFC 4950)."""

    label: int
    """20 bits."""
    traffic_class: int
    """3 bits, once called experimental."""
    bottom: bool
    """Whether it is the bottom of the stack."""
    ttl: int


class Event:
    """What every event has."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Give the event as plain values, with its kind in `event`."""
        fields: dict[str, Any] = dataclasses.asdict(self)  # type: ignore[call-overload]
        return {"event": _KINDS[type(self)], **fields}


@dataclasses.dataclass(frozen=True, slots=True)
class Reply(Event):
    """The host answered."""

    sequence: int
    """Which probe, counted from 1."""
    rtt: float
    """Seconds from the probe's departure to this answer's arrival."""
    source: str
    """Who answered."""
    ttl: int | None
    """The TTL or hop limit that the answer arrived with."""
    size: int
    """Bytes of the ICMP message or datagram; 0 for a TCP handshake."""
    manner: str
    """How: "echo reply", "datagram", "accepted" (TCP), "refused" (TCP: a reset, so somebody is there)."""
    clock: str
    """What `rtt` was measured by: "kernel" (its stamps on both packets) or "user" (our own reading at the
    departure, and at the arrival where the kernel has no stamp)."""
    duplicate: bool = False
    """The probe had been answered before."""
    late: bool = False
    """The probe's time was over."""
    out_of_order: bool = False
    """A later probe had been answered before."""
    truncated: bool = False
    """It repeats less than was sent."""
    wrong_source: bool = False
    """It came from another address than the probe went to."""
    corrupted_at: int | None = None
    """The offset in the payload of the first byte that is not as it was sent."""
    checksum_ok: bool = True
    """Whether its ICMP checksum is right (only raw IPv4 sockets see wrong ones)."""

    @property
    def flags(self) -> tuple[str, ...]:
        """What is odd: duplicate, late, out of order, truncated, wrong source, corrupted, bad checksum."""
        odd = {
            "duplicate": self.duplicate,
            "late": self.late,
            "out of order": self.out_of_order,
            "truncated": self.truncated,
            "wrong source": self.wrong_source,
            "corrupted": self.corrupted_at is not None,
            "bad checksum": not self.checksum_ok,
        }
        return tuple(name for name, true in odd.items() if true)

    def __str__(self) -> str:
        ttl = "" if self.ttl is None else f" ttl={self.ttl}"
        how = f"{self.size} bytes" if self.size else self.manner
        odd = "".join(
            f" ({f'corrupted at byte {self.corrupted_at}' if flag == 'corrupted' else flag})" for flag in self.flags
        )
        return f"{how} from {self.source}: seq={self.sequence}{ttl} time={self.rtt * 1000:.3f} ms{odd}"


@dataclasses.dataclass(frozen=True, slots=True)
class ErrorReply(Event):
    """A router, or the host itself, reports an error about a probe by ICMP."""

    sequence: int
    """Which probe, counted from 1."""
    rtt: float
    """Seconds from the probe's departure to the report's arrival."""
    source: str
    """Who reports."""
    clock: str
    """What `rtt` was measured by: "kernel" or "user"."""
    version: int
    """4: `type` and `code` are ICMP's; 6: ICMPv6's."""
    type: int
    code: int
    name: str
    """What the RFCs call the type and code."""
    mtu: int | None = None
    """The MTU of the link that the probe did not fit (fragmentation needed, packet too big)."""
    gateway: str | None = None
    """Redirect: the better gateway."""
    pointer: int | None = None
    """Parameter problem: the offset of the offending byte."""
    labels: tuple[Label, ...] = ()
    """The MPLS label stack that the probe carried."""

    def __str__(self) -> str:
        more = [f"mtu={self.mtu}"] if self.mtu is not None else []
        more += [f"gateway={self.gateway}"] if self.gateway is not None else []
        more += [f"pointer={self.pointer}"] if self.pointer is not None else []
        more += [f"MPLS label={label.label} ttl={label.ttl}" for label in self.labels]
        tail = f" ({', '.join(more)})" if more else ""
        return f"From {self.source}: seq={self.sequence} {self.name}{tail}"


@dataclasses.dataclass(frozen=True, slots=True)
class Refused(Event):
    """The machine we are on would not send the probe."""

    sequence: int
    """Which probe, counted from 1."""
    errno: int
    reason: str
    """The errno's text."""
    mtu: int | None = None
    """Message too long: what would have fitted."""

    def __str__(self) -> str:
        mtu = "" if self.mtu is None else f", mtu={self.mtu}"
        return f"local error: seq={self.sequence} {self.reason}{mtu}"


@dataclasses.dataclass(frozen=True, slots=True)
class Silence(Event):
    """No answer came in time."""

    sequence: int
    """Which probe, counted from 1."""

    def __str__(self) -> str:
        return f"no answer: seq={self.sequence}"


PingEvent: TypeAlias = Reply | ErrorReply | Refused | Silence
"""What `ping_iter` yields."""

_KINDS: dict[type, str] = {Reply: "reply", ErrorReply: "error", Refused: "refused", Silence: "silence"}


def ping_event(native: tuple[str, int, Any]) -> PingEvent:
    """Make the event of a native tuple."""
    kind, sequence, fields = native
    if kind == "reply":
        (rtt, clock, source, manner, ttl, size), flags, content = fields
        return Reply(sequence, rtt, source, ttl, size, manner, clock, *flags, *content)
    if kind == "error":
        rtt, clock, source, report = fields
        version, number, code, name, mtu, gateway, pointer, stack = report
        about = (version, number, code, name, mtu, gateway, pointer)
        return ErrorReply(sequence, rtt, source, clock, *about, labels(stack))
    if kind == "refused":
        return Refused(sequence, *fields)
    return Silence(sequence)


def labels(native: list[tuple[int, int, bool, int]]) -> tuple[Label, ...]:
    """Make the labels of native tuples."""
    return tuple(Label(*label) for label in native)
