"""`explain(exception)`: what happened to a socket, and what on this machine settles it.

The one place for the words, which the command line takes its hints from. The table says what an errno means to a
socket; `_evidence` looks at this machine.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket as standard
from pathlib import Path
from typing import NamedTuple

from eyesocket._evidence import evidence

__all__ = ["explain", "one_line"]


class Meaning(NamedTuple):
    """What has happened, in sentences; and in one clause what to try, where there is something."""

    happened: str
    advice: str = ""


MEANINGS = {
    errno.ECONNREFUSED: Meaning(
        "The host answered at once that nobody listens there: no program has a listening socket on that "
        "address and port (or a firewall answers in its place). Start the server first, or correct the "
        "address or the port.",
        "nobody listens there; start the server first, `eyesocket ss -lan` shows who listens",
    ),
    errno.EADDRINUSE: Meaning(
        "Another socket on this machine has this address and port, or still has it: after a connection was "
        "closed from this side its address stays in TIME-WAIT for a minute. A TCP server sets SO_REUSEADDR "
        "before bind() to come back at once; two listeners on one port need SO_REUSEPORT in both.",
        "another socket has it; `eyesocket ss -lan` shows which, or choose another",
    ),
    errno.EPIPE: Meaning(
        "This side sent on a connection that is closed for sending: the peer had closed it or reset it, and "
        "an earlier call could have said so. Nothing of this send arrived. Treat an empty recv() as the end "
        "of the conversation.",
        "the peer has closed; it reads no more",
    ),
    errno.ECONNRESET: Meaning(
        "The peer dropped the connection with a RST: its program ended or closed the socket while bytes from "
        "here were unread, or its machine restarted and no longer knows the connection. What was not "
        "acknowledged is lost.",
        "the peer dropped the connection; its own log says why",
    ),
    errno.ETIMEDOUT: Meaning(
        "No answer came for so long that the kernel gave up: the host is down, the network between loses "
        "packets, or a firewall drops them without a word.",
        "no answer; the host may be down, or a firewall in between silent",
    ),
    errno.EACCES: Meaning(
        "This process may not do that: ports below net.ipv4.ip_unprivileged_port_start (1024 unless changed) "
        "and sending to a broadcast address (SO_BROADCAST) need a right or an option; a UNIX socket needs "
        "write permission on its path.",
    ),
    errno.EPERM: Meaning(
        "This process lacks the right: raw and packet sockets need CAP_NET_RAW (`sudo setcap cap_net_raw+ep` "
        "on the interpreter, or root), or a firewall of this machine refused the packet.",
    ),
    errno.EADDRNOTAVAIL: Meaning(
        "That address is none of this machine's, or every port of the range for outgoing connections "
        "(net.ipv4.ip_local_port_range) to that place is taken, most of them in TIME-WAIT.",
        "that is no address of this machine; `ip address` shows its addresses",
    ),
    errno.EHOSTUNREACH: Meaning(
        "There is a network for that address, but the host does not answer on it, or a router or firewall "
        "says that it cannot be reached.",
        "no way to that host; check the address and the network between",
    ),
    errno.ENETUNREACH: Meaning(
        "This machine has no route to that network; `ip route` shows those that it has.",
        "no route to that network; check the address and `ip route`",
    ),
    errno.EMSGSIZE: Meaning(
        "The datagram is larger than the protocol or the path allows: 65507 bytes are the most over IPv4.",
    ),
    errno.EAGAIN: Meaning(
        "The call would have had to wait, and the socket is set not to wait.",
    ),
    errno.ENOTCONN: Meaning(
        "The socket has no connection: connect() was not called, has failed, or the connection is gone.",
    ),
    errno.EMFILE: Meaning(
        "This process has as many open files as it may (`ulimit -n`); sockets that are not closed count too.",
    ),
    errno.ENOENT: Meaning(
        "A UNIX socket is found by its path, and there is nothing at that path: the server has not been "
        "started, or has removed its socket, or uses another path.",
        "no socket has that path; start the server first",
    ),
    errno.EINPROGRESS: Meaning(
        "The connection is being made, and the socket is set not to wait for it: when it becomes writable, "
        "SO_ERROR says how it ended.",
    ),
    errno.EISCONN: Meaning(
        "The socket is connected already; a new connection needs a new socket.",
    ),
    errno.ECONNABORTED: Meaning(
        "The connection was given up on this side before it could be used.",
    ),
}
"""By errno."""

TIMED_OUT = Meaning(
    "The time that this program allows ran out (settimeout) before the other side answered. The connection may still "
    "be alive, and bytes may still come: whoever goes on has to know where in the conversation it is."
)
UNKNOWN_NAME = Meaning(
    "The name could not be turned into addresses: it is spelled wrongly, has no address of the family that was asked "
    "for, or the name servers do not answer. /etc/hosts and /etc/resolv.conf say who is asked.",
    "check the spelling; `getent hosts NAME` asks the system",
)
UNKNOWN_SERVICE = Meaning(
    "The port is given by a name that no service has; /etc/services lists those that this machine knows.",
    "give the port as a number",
)
LONG_PATH = Meaning(
    "A UNIX socket's path has room for 107 bytes and the NUL behind them; this one is longer.",
    "at most 107 bytes (unix(7)); choose a shorter path",
)
CLASSES: dict[type[OSError], int] = {
    BrokenPipeError: errno.EPIPE,
    ConnectionAbortedError: errno.ECONNABORTED,
    ConnectionRefusedError: errno.ECONNREFUSED,
    ConnectionResetError: errno.ECONNRESET,
    BlockingIOError: errno.EAGAIN,
}
"""What an exception that was raised without an errno is about."""
MOST = 10
"""So many exceptions of a group are explained."""


def explain(exception: BaseException) -> str:
    """Say in one paragraph what the exception means, and what on this machine would settle it.

    For the errors of sockets: refused, in use, broken pipe, reset, timed out, permission, unknown name and their kin;
    each of a group of exceptions (`create_connection(..., all_errors=True)`), and the one behind an exception of a
    library. Looks who listens on the port in question and which process that is, as far as this user may see it.
    """
    said = f"{type(exception).__name__}: {exception}".rstrip(": ")
    if isinstance(exception, BaseExceptionGroup):
        parts = [f"({n}) {explain(one)}" for n, one in enumerate(exception.exceptions[:MOST], 1)]
        left = len(exception.exceptions) - MOST
        return " ".join([f"{said}:", *parts, *([f"And {left} more."] if left > 0 else [])])
    meaning, code = meaning_of(exception)
    if meaning is None:
        behind = reason(exception)
        return said if behind is None else f"{said}. Behind it: {explain(behind)}"
    return " ".join([f"{said}.", meaning.happened, *(evidence(code, exception) if code else ())])


def reason(exception: BaseException) -> BaseException | None:
    """Give the error of a socket that another exception was raised from, or carries as its reason."""
    for behind in (exception.__cause__, getattr(exception, "reason", None)):
        if isinstance(behind, OSError | BaseExceptionGroup) and behind is not exception:
            return behind
    return None


def meaning_of(exception: BaseException) -> tuple[Meaning | None, int]:
    """Find what the table has on an exception, and the errno that it was found by."""
    if not isinstance(exception, OSError):
        return None, 0
    code = exception.errno
    if isinstance(exception, standard.gaierror | standard.herror):
        return (UNKNOWN_SERVICE if code == standard.EAI_SERVICE else UNKNOWN_NAME), 0
    if "AF_UNIX path too long" in str(exception):
        return LONG_PATH, 0
    if code is None:
        code = next((number for cls, number in CLASSES.items() if isinstance(exception, cls)), None)
        if code is None:
            return (TIMED_OUT if isinstance(exception, TimeoutError) else None), 0
    elif not (exception.strerror or "").startswith(os.strerror(code)):
        # Another count than the kernel's (ssl, zlib), or words that say themselves what to do.
        return None, 0
    if code == errno.ENOENT and exception.filename is not None:
        return None, 0
    return MEANINGS.get(code), code


def one_line(exception: BaseException) -> str:
    """Say in one line what went wrong, where, and what to try."""
    text = str(exception) or type(exception).__name__
    if isinstance(exception, OSError) and exception.strerror:
        text = exception.strerror
        address = getattr(exception, "address", None) or exception.filename
        if address and str(address) not in text:
            text = f"{address}: {text}"
    elif isinstance(exception, TimeoutError) and (notes := getattr(exception, "__notes__", None)):
        text = f"{notes[0]}: {text}"
    hint = advice(exception)
    return " ".join(f"{text} ({hint})".split() if hint else text.split())


def advice(exception: BaseException) -> str:
    """Say what to try, or nothing."""
    meaning, code = meaning_of(exception)
    if code == errno.EACCES:
        first = "1024"
        with contextlib.suppress(OSError):
            first = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text().strip()
        return (
            f"to bind a port below {first} needs CAP_NET_BIND_SERVICE; a connect is forbidden by a firewall or a route"
        )
    return meaning.advice if meaning else ""
