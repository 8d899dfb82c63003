"""What a ping amounts to."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from eyesocket.probe import _plot
from eyesocket.probe._events import Reply

if TYPE_CHECKING:
    from eyesocket.probe._events import PingEvent

__all__ = ["PingResult"]


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class PingResult:
    """A finished ping. Times are seconds; those of no replies are None."""

    host: str
    """What was asked for."""
    address: str
    """What was pinged."""
    events: tuple[PingEvent, ...]
    """Everything that came, in order."""
    sent: int
    """Probes that were due: those that went out, and those that this machine would not send."""
    received: int
    """Probes answered in time."""
    duplicates: int
    """Further answers to an answered probe. As ping(8), a ping ends with its last answer; `linger` waits for more."""
    late: int
    """Probes answered after their time."""
    errors: int
    """Error reports, and probes that this machine would not send."""
    min: float | None
    mean: float | None
    median: float | None
    p90: float | None
    p99: float | None
    max: float | None
    mdev: float | None
    """The standard deviation, which ping calls mdev."""
    jitter: float | None
    """The mean difference between one round-trip time and the next."""
    clock: str
    """What the times were measured by: "kernel", "user", or "mixed"."""
    privileged: bool
    """Whether the socket was raw."""

    @property
    def lost(self) -> int:
        """Probes that were not answered in time."""
        return self.sent - self.received

    @property
    def loss(self) -> float:
        """The share of probes not answered in time, from 0 to 1."""
        return self.lost / self.sent if self.sent else 0.0

    @property
    def replies(self) -> tuple[Reply, ...]:
        """The answers among the events."""
        return tuple(event for event in self.events if isinstance(event, Reply))

    @property
    def rtts(self) -> tuple[float, ...]:
        """The round-trip times in seconds of the probes answered in time."""
        return tuple(reply.rtt for reply in self.replies if not (reply.duplicate or reply.late))

    def __bool__(self) -> bool:
        """Whether the host answered at all."""
        return self.received > 0

    def __repr__(self) -> str:
        times = ""
        if self.min is not None and self.mean is not None and self.max is not None:
            figures = "/".join(f"{time * 1000:.3f}" for time in (self.min, self.mean, self.max))
            times = f", rtt min/mean/max {figures} ms"
        odd = "".join(
            f", {count} {name}"
            for name, count in [("duplicates", self.duplicates), ("late", self.late), ("errors", self.errors)]
            if count
        )
        loss = f"{self.loss * 100:.3g} % loss"
        return f"PingResult({self.host}: {self.sent} sent, {self.received} received{odd}, {loss}{times})"

    def __str__(self) -> str:
        """Give the last lines of ping."""
        odd = "".join(
            f", {'+' if name != 'late' else ''}{count} {name}"
            for name, count in [("duplicates", self.duplicates), ("late", self.late), ("errors", self.errors)]
            if count
        )
        lines = [
            f"--- {self.host} ping statistics ---",
            f"{self.sent} packets transmitted, {self.received} received{odd}, {self.loss * 100:.3g}% packet loss",
        ]
        if self.min is not None and self.mean is not None and self.max is not None and self.mdev is not None:
            figures = "/".join(f"{time * 1000:.3f}" for time in (self.min, self.mean, self.max, self.mdev))
            lines.append(f"rtt min/avg/max/mdev = {figures} ms ({self.clock} clock)")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Give the figures as plain values; `events` as a list of dictionaries."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {**fields, "lost": self.lost, "loss": self.loss, "events": self.to_dicts()}

    def to_dicts(self) -> list[dict[str, Any]]:
        """Give one dictionary an event: rows for pandas or polars."""
        return [event.to_dict() for event in self.events]

    def prometheus(self) -> str:
        """Give the figures in Prometheus's text format, labelled with host and address."""
        labels = ",".join(
            f'{name}="{_escape(value)}"' for name, value in [("host", self.host), ("address", self.address)]
        )
        counters = ("sent", "received", "duplicates", "late", "errors")
        lines = []
        for name in counters:
            metric = f"eyesocket_ping_{name}"
            lines += [f"# TYPE {metric} gauge", f"{metric}{{{labels}}} {getattr(self, name)}"]
        lines += ["# TYPE eyesocket_ping_loss_ratio gauge", f"eyesocket_ping_loss_ratio{{{labels}}} {self.loss!r}"]
        if self.min is not None:
            lines.append("# TYPE eyesocket_ping_rtt_seconds gauge")
            for name in ("min", "mean", "median", "p90", "p99", "max", "mdev", "jitter"):
                value = getattr(self, name)
                lines.append(f'eyesocket_ping_rtt_seconds{{{labels},statistic="{name}"}} {value!r}')
        return "\n".join(lines) + "\n"

    def _repr_mimebundle_(self, **_options: object) -> dict[str, str]:
        svg = _plot.svg(self)
        return {"text/plain": repr(self), "text/html": _plot.html(self, svg), "image/svg+xml": svg}


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
