"""How long, how many: the settings of clients and requests."""

from __future__ import annotations

__all__ = ["Limits", "Timeout", "TimeoutTypes", "count"]

_UNSET: object = object()
_TOTAL = 30.0


class Timeout:
    """How long a request may take, in seconds; None is no limit.

    `connect`: name, connection and TLS; `read` and `write`: without any progress; `pool`: for a free connection;
    `total`: everything together, whatever the peer drips, with redirections, credentials' flows, further attempts, the
    waits between them, and the body.
    """

    __slots__ = ("connect", "pool", "read", "total", "write")

    connect: float | None
    read: float | None
    write: float | None
    pool: float | None
    total: float | None

    def __init__(
        self,
        timeout: object = _UNSET,
        *,
        connect: object = _UNSET,
        read: object = _UNSET,
        write: object = _UNSET,
        pool: object = _UNSET,
        total: object = _UNSET,
    ) -> None:
        defaults: tuple[float | None, ...]
        if isinstance(timeout, Timeout):
            defaults = (timeout.connect, timeout.read, timeout.write, timeout.pool, timeout.total)
        elif isinstance(timeout, tuple):
            defaults = tuple(map(_seconds, timeout)) + (None,) * (5 - len(timeout))
        elif timeout is _UNSET:
            defaults = (None, None, None, None, _TOTAL)
        else:
            defaults = (None, None, None, None, _seconds(timeout))
        given = (connect, read, write, pool, total)
        names = ("connect", "read", "write", "pool", "total")
        for name, default, value in zip(names, defaults, given, strict=True):
            object.__setattr__(self, name, default if value is _UNSET else _seconds(value))

    def __setattr__(self, name: str, value: object) -> None:
        message = f"a Timeout does not change; make another, Timeout(this, {name}={value!r})"
        raise AttributeError(message)

    def _tuple(self) -> tuple[float | None, float | None, float | None, float | None, float | None]:
        return (self.connect, self.read, self.write, self.pool, self.total)

    def as_dict(self) -> dict[str, float | None]:
        """Give the four limits that httpx has, by name."""
        return {"connect": self.connect, "read": self.read, "write": self.write, "pool": self.pool}

    def to_dict(self) -> dict[str, float | None]:
        """Give the five limits by name."""
        return {"connect": self.connect, "read": self.read, "write": self.write, "pool": self.pool, "total": self.total}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Timeout) and self._tuple() == other._tuple()

    def __hash__(self) -> int:
        return hash(self._tuple())

    def __repr__(self) -> str:
        return f"Timeout({', '.join(f'{name}={value}' for name, value in self.to_dict().items())})"


TimeoutTypes = Timeout | float | None | tuple[float | None, ...]


def _seconds(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, (int, float)):
        return float(value)
    message = f"timeout: {value!r} is not a number of seconds, None or a Timeout"
    raise TypeError(message)


def count(name: str, value: object, most: int) -> int:
    """Refuse what is no number of things from 0 to `most`, and give it."""
    if isinstance(value, bool) or not isinstance(value, int):
        message = f"{name}: a whole number expected, not {type(value).__name__}"
        raise TypeError(message)
    if not 0 <= value <= most:
        message = f"{name}: {value} is not from 0 to {most}"
        raise ValueError(message)
    return value


class Limits:
    """How many connections a client may have, and how long it keeps idle ones (seconds); None is no limit."""

    __slots__ = ("keepalive_expiry", "max_connections", "max_keepalive_connections")

    def __init__(
        self,
        *,
        max_connections: int | None = 100,
        max_keepalive_connections: int | None = 100,
        keepalive_expiry: float | None = 30.0,
    ) -> None:
        self.max_connections = max_connections
        self.max_keepalive_connections = max_keepalive_connections
        self.keepalive_expiry = keepalive_expiry

    def __repr__(self) -> str:
        return (
            f"Limits(max_connections={self.max_connections}, "
            f"max_keepalive_connections={self.max_keepalive_connections}, keepalive_expiry={self.keepalive_expiry})"
        )
