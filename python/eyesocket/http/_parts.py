"""What a response tells beside its head and content: times, interim responses, events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from eyesocket.http._headers import Headers

__all__ = ["Elapsed", "Interim", "ServerSentEvent", "Timings"]


class Timings(NamedTuple):
    """When what was reached, in seconds since the request began; None where it did not happen."""

    dns: float | None
    """The name was resolved."""
    connect: float | None
    """The socket was connected."""
    tls: float | None
    """TLS was agreed on."""
    sent: float | None
    """The last byte of the request was with the kernel."""
    first_byte: float | None
    """The first byte of the answer was here."""
    done: float | None
    """The last byte was."""
    reused: bool
    """Whether the connection had carried a request before."""

    def to_dict(self) -> dict[str, float | bool | None]:
        """Give the timings by name."""
        return self._asdict()


class Elapsed(float):
    """Seconds; `total_seconds()` gives them to code that expects a timedelta."""

    __slots__ = ()

    def total_seconds(self) -> float:
        """Give the seconds."""
        return float(self)


class Interim(NamedTuple):
    """A response with status 1xx, before the final one (RFC 9110 section 15.2)."""

    status: int
    reason: str
    headers: Headers


class ServerSentEvent(NamedTuple):
    """An event of a `text/event-stream`."""

    event: str
    data: str
    id: str
    retry: int | None
    """Milliseconds to wait before connecting again, if the server said so."""

    def json(self) -> Any:
        """Give the data as JSON."""
        from json import loads

        return loads(self.data)
