"""Sockets you can see.

A module is imported, and a name of daily use fetched from its module, when it is first asked for: `import eyesocket`
costs next to nothing.
"""

from __future__ import annotations

import sys

from eyesocket._native import __version__

# Type checkers take this name for true; importing it from `typing` would cost most of the import.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from eyesocket import errors as errors
    from eyesocket import framing as framing
    from eyesocket import http as http
    from eyesocket import probe as probe
    from eyesocket import socket as socket
    from eyesocket import table as table
    from eyesocket import tcp as tcp
    from eyesocket.probe import ping as ping
    from eyesocket.probe import sweep as sweep
    from eyesocket.probe import traceroute as traceroute
    from eyesocket.table import ss as ss

__all__ = [
    "__version__",
    "errors",
    "framing",
    "http",
    "ping",
    "probe",
    "socket",
    "ss",
    "sweep",
    "table",
    "tcp",
    "traceroute",
]

_MODULES = frozenset({"errors", "framing", "http", "probe", "socket", "table", "tcp"})
"""The public modules."""

_HOMES: dict[str, str] = {
    "ping": "eyesocket.probe",
    "sweep": "eyesocket.probe",
    "traceroute": "eyesocket.probe",
    "ss": "eyesocket.table",
}
"""A name of daily use: the module that it lives in."""


def _imported(name: str) -> object:
    # What importlib.import_module does; importing importlib would cost a tenth of this import.
    __import__(name)
    return sys.modules[name]


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return _imported(f"{__name__}.{name}")
    if name in _HOMES:
        value: object = getattr(_imported(_HOMES[name]), name)
        globals()[name] = value
        return value
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


def __dir__() -> list[str]:
    return sorted(__all__)
