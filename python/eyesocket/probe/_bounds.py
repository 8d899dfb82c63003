"""What a session takes for a host and for numbers; what the native side could not say of the others is said here."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["named", "opened"]

_Session = TypeVar("_Session")

_MOST = {
    "count": 2**32 - 1,
    "mark": 2**32 - 1,
    "port": 65535,
    "probes": 65535,
    "receive_buffer": 2**31 - 1,
    "size": 65507,
    "tries": 255,
    "window": 32768,
}


def named(host: object) -> str:
    """Give the words of a host: a string as it is, an address of `ipaddress` as text."""
    if isinstance(host, (str, ipaddress.IPv4Address, ipaddress.IPv6Address)):
        return str(host)
    message = f"host: {host!r} is none; give a string, or an address of ipaddress"
    raise TypeError(message)


def opened(kind: Callable[..., _Session], *arguments: object, **options: Any) -> _Session:
    """Make a session; `ValueError` names the number that does not fit."""
    try:
        return kind(*arguments, **options)
    except OverflowError as error:
        for name, value in options.items():
            if isinstance(value, int) and not 0 <= value <= _MOST.get(name, 2**63 - 1):
                most = _MOST.get(name, 2**63 - 1)
                message = f"{name}: {value} is out of range; give 0 to {most}"
                raise ValueError(message) from None
        message = f"an option is out of range: {error}"
        raise ValueError(message) from None
