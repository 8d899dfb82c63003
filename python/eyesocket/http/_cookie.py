"""A cookie as the jar has it."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Cookie"]


class Cookie(NamedTuple):
    """A cookie in the jar."""

    name: str
    value: str
    domain: str
    """The host it belongs to, or the domain whose hosts all get it."""
    host_only: bool
    """Whether only `domain` itself gets it."""
    path: str
    secure: bool
    """Whether it is sent over TLS only."""
    http_only: bool
    expires: int | None
    """When it ends, in seconds since 1970; None: with the session."""

    def __repr__(self) -> str:
        where = f"{'' if self.host_only else '.'}{self.domain}{self.path}"
        return f"Cookie({self.name!r}, value=..., for {where!r})"

    def to_dict(self) -> dict[str, object]:
        """Give its parts by name."""
        return self._asdict()
