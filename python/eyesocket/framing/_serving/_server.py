"""What a server on a loop and one on threads have in common: the listener, the limit, the words of the log."""

from __future__ import annotations

import contextlib
import errno
import inspect
import logging
import math
import operator
import os
import socket
import stat
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsFloat, SupportsIndex

from eyesocket.errors import EyesocketError
from eyesocket.framing._codecs import checked as checked_codec

if TYPE_CHECKING:
    import ssl

    from eyesocket import _native
    from eyesocket.framing._sockets import Address

__all__ = [
    "FATAL",
    "HANDSHAKE",
    "LINGER",
    "LOG",
    "NO_RESOURCES",
    "Handler",
    "Server",
    "Settings",
    "awaits",
    "blame",
    "checked",
    "explained",
    "listen",
    "lost",
    "patient",
    "tired",
]

Handler = Callable[[Any, str], Any]
"""What a handler is: of a frame (or, with `per_batch`, a list of them) and the peer's name."""
LOG = logging.getLogger("eyesocket.framing")
NO_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""No connection can be accepted for want of memory or descriptors: others have to end first."""
FATAL = frozenset({errno.EBADF, errno.EINVAL, errno.ENOTSOCK, errno.EOPNOTSUPP})
"""The listener itself is no good; any other error of accept(2) is that of one connection."""
LINGER = 1.0
"""Seconds for the peer to take the last answers and to stop sending. To close with bytes unread is a reset (RFC 2525,
section 2.17), and a reset takes answers away that are on their way."""
HANDSHAKE = 30.0
"""Seconds for the TLS handshake of a peer."""


class Settings(NamedTuple):
    """What `serve` was told."""

    handler: Handler
    codec: _native.Codec
    limit: int
    per_batch: bool
    context: ssl.SSLContext | None
    grace: float
    idle_timeout: float | None


class Server(ABC):
    """What `serve` gives: the address it listens at, what it has done, and how to end it."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        self._settings = settings
        self._listener = listener
        self._path = _identity(listener)
        self.address: Any = listener.getsockname()
        """Where it listens, as `getsockname` says it."""
        self.accepted = 0
        """Connections that were accepted."""

    @property
    @abstractmethod
    def connections(self) -> int:
        """How many connections there are now."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self.address}: {self.connections} connections, {self.accepted} accepted>"

    def _close_listener(self) -> None:
        """Stop listening; a path that is still ours is taken away."""
        if self._listener.fileno() < 0:
            return
        # Wakes a thread in accept.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        # Before the listener is closed: until then nobody can take the path for abandoned.
        if self._path is not None and self._path == _identity(self._listener):
            with contextlib.suppress(OSError):
                os.unlink(self.address)  # noqa: PTH108
        self._listener.close()


def checked(settings: Settings) -> Settings:
    """Refuse what cannot be served, before anything listens."""
    if not callable(settings.handler):
        message = f"handler: {settings.handler!r} cannot be called; it is a function of (frame, peer)"
        raise TypeError(message)
    checked_codec(settings.codec)
    if not isinstance(settings.per_batch, bool):
        message = f"per_batch: True or False, not {type(settings.per_batch).__name__}"
        raise TypeError(message)
    _secure(settings.context)
    whole("limit", settings.limit, least=1)
    patient(settings.grace)
    if settings.idle_timeout is not None:
        seconds("idle_timeout", settings.idle_timeout)
    if settings.idle_timeout is not None and not 0 < settings.idle_timeout < math.inf:
        message = f"idle_timeout: {settings.idle_timeout} is no number of seconds above 0; None ends no connection"
        raise ValueError(message)
    return settings


def _secure(context: object) -> None:
    """Refuse what no server can be secured with."""
    if context is None:
        return
    import ssl

    if not isinstance(context, ssl.SSLContext):
        message = f"context: an ssl.SSLContext or None, not {type(context).__name__}"
        raise TypeError(message)
    if context.protocol is ssl.PROTOCOL_TLS_CLIENT:
        message = "context: it is a client's; make the server's with ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)"
        raise ValueError(message)


def whole(name: str, value: object, *, least: int) -> None:
    """Refuse what is no whole number, and one below `least` or beyond a C int."""
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        message = f"{name}: a whole number expected, not {type(value).__name__}"
        raise TypeError(message)
    if not least <= operator.index(value) < 1 << 31:
        message = f"{name}: the number is out of range; give {least} to {(1 << 31) - 1}"
        raise ValueError(message)


def seconds(name: str, value: object) -> None:
    """Refuse what is no number of seconds."""
    if isinstance(value, bool) or not isinstance(value, SupportsFloat):
        message = f"{name}: seconds expected, not {type(value).__name__}"
        raise TypeError(message)


def patient(grace: float) -> float:
    """Refuse what is no time to wait, and give it."""
    seconds("grace", grace)
    if not grace >= 0:
        message = f"grace: {grace} is no time to wait; seconds, 0 drops what is under way"
        raise ValueError(message)
    return grace


def awaits(handler: Handler) -> bool:
    """Whether the handler is an `async` function, or an object whose call is one."""
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None))  # noqa: B004


def explained(error: BaseException, reply: Any, *, per_batch: bool) -> BaseException:
    """Give an error that says what to do, where a handler gave what is no answer."""
    if inspect.iscoroutine(reply):
        reply.close()
        return TypeError("the handler gave a coroutine, which nobody awaits; make the handler itself an `async def`")
    if per_batch and isinstance(reply, (bytes, bytearray, memoryview, str)):
        return TypeError(f"with per_batch the handler gives a list of frames, not {type(reply).__name__}")
    return error


def blame(peer: str, error: BaseException) -> None:
    """Log the error of a handler."""
    LOG.error("the handler failed on a message of %s", peer, exc_info=error)


def lost(peer: str, error: BaseException) -> None:
    """Log what ended a connection; who hangs up is no news."""
    hung_up = isinstance(error, ConnectionError) and not isinstance(error, EyesocketError)
    LOG.log(logging.DEBUG if hung_up else logging.WARNING, "connection of %s ended: %s", peer, error)


def tired(peer: str, seconds: float | None) -> None:
    """Log that a peer was waited for long enough."""
    LOG.info("connection of %s ended: no message, and none of an answer taken, in %s s", peer, seconds)


def listen(address: Address, backlog: int, *, reuse_port: bool) -> socket.socket:
    """Listen at `(host, port)` or at a path; a socket that a dead server left at the path is replaced."""
    whole("backlog", backlog, least=0)
    if isinstance(address, tuple):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        listener = socket.create_server(address, family=family, backlog=backlog, reuse_port=reuse_port)
        # Answers go out when they are written: connections have it from their listener, and asyncio sets it for none
        # whose protocol is not given by number.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    if reuse_port:
        message = f"reuse_port: several servers share a port, not the path {os.fspath(address)!r}"
        raise ValueError(message)
    path = os.fspath(address)
    listener = socket.socket(socket.AF_UNIX)
    try:
        try:
            listener.bind(path)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not _abandoned(path):
                raise
            os.unlink(path)  # noqa: PTH108
            listener.bind(path)
        listener.listen(backlog)
    except BaseException:
        listener.close()
        raise
    return listener


def _abandoned(path: str | bytes) -> bool:
    """Say whether nobody listens any more at the socket that a server left behind at `path`."""
    if path[:1] in ("\0", b"\0"):
        # Abstract names (unix(7)) leave with their socket.
        return False
    if not stat.S_ISSOCK(os.stat(path).st_mode):  # noqa: PTH116
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(0)
        return probe.connect_ex(path) == errno.ECONNREFUSED


def _identity(listener: socket.socket) -> tuple[int, int] | None:
    """Say which file is the listener's path now; None where it has none."""
    path = listener.getsockname()
    if not isinstance(path, str) or not path or path.startswith("\0"):
        return None
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return found.st_dev, found.st_ino
