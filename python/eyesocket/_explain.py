"""`explain(exception)`: what happened to a socket, and what on this machine settles it.

The words are a table; the evidence is read from the kernel's own socket table and from /proc, and is left out where it
cannot be had.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eyesocket.table import SocketRow

__all__ = ["explain"]

WORDS = {
    errno.ECONNREFUSED: (
        "The host answered at once that nobody listens there: no program has a listening socket on that address "
        "and port (or a firewall answers in its place). Start the server first, or correct the address or the "
        "port."
    ),
    errno.EADDRINUSE: (
        "Another socket on this machine has this address and port, or still has it: after a connection was closed"
        " from this side its address stays in TIME-WAIT for a minute. A TCP server sets SO_REUSEADDR before "
        "bind() to come back at once; two listeners on one port need SO_REUSEPORT in both."
    ),
    errno.EPIPE: (
        "This side sent on a connection that is closed for sending: the peer had closed it or reset it, and an "
        "earlier call could have said so. Nothing of this send arrived. Treat an empty recv() as the end of the "
        "conversation."
    ),
    errno.ECONNRESET: (
        "The peer dropped the connection with a RST: its program ended or closed the socket while bytes from here"
        " were unread, or its machine restarted and no longer knows the connection. What was not acknowledged is "
        "lost."
    ),
    errno.ETIMEDOUT: (
        "No answer came for so long that the kernel gave up: the host is down, the network between loses packets,"
        " or a firewall drops them without a word."
    ),
    errno.EACCES: (
        "This process may not do that: ports below net.ipv4.ip_unprivileged_port_start (1024 unless changed) and "
        "sending to a broadcast address (SO_BROADCAST) need a right or an option; a UNIX socket needs write "
        "permission on its path."
    ),
    errno.EPERM: (
        "This process lacks the right: raw and packet sockets need CAP_NET_RAW (`sudo setcap cap_net_raw+ep` on "
        "the interpreter, or root), or a firewall of this machine refused the packet."
    ),
    errno.EADDRNOTAVAIL: (
        "That address is none of this machine's, or every port of the range for outgoing connections "
        "(net.ipv4.ip_local_port_range) to that place is taken, most of them in TIME-WAIT."
    ),
    errno.EHOSTUNREACH: (
        "There is a network for that address, but the host does not answer on it, or a router or firewall says "
        "that it cannot be reached."
    ),
    errno.ENETUNREACH: ("This machine has no route to that network; `ip route` shows those that it has."),
    errno.EMSGSIZE: (
        "The datagram is larger than the protocol or the path allows: 65507 bytes are the most over IPv4."
    ),
    errno.EAGAIN: ("The call would have had to wait, and the socket is set not to wait."),
    errno.ENOTCONN: ("The socket has no connection: connect() was not called, has failed, or the connection is gone."),
    errno.EMFILE: (
        "This process has as many open files as it may (`ulimit -n`); sockets that are not closed count too."
    ),
}
"""What happened, and what to do, by errno."""

TIMED_OUT = (
    "The time that this program allows ran out (settimeout) before the other side answered. The connection may still "
    "be alive, and bytes may still come: whoever goes on has to know where in the conversation it is."
)


def explain(exception: BaseException) -> str:
    """Say in one paragraph what the exception means, and what on this machine would settle it.

    For the errors of sockets: refused, in use, broken pipe, reset, timed out, permission and their kin. Looks who
    listens on the port in question and which process that is, as far as this user may see it.
    """
    code = getattr(exception, "errno", None)
    if isinstance(exception, TimeoutError) and code is None:
        words = TIMED_OUT
    elif isinstance(exception, OSError) and code in WORDS:
        words = WORDS[code]
    else:
        return f"{type(exception).__name__}: {exception}"
    return " ".join([f"{type(exception).__name__}: {exception}.", words, *evidence(code, exception)])


def evidence(code: int | None, exception: BaseException) -> Iterator[str]:
    """Look at this machine."""
    # create_server raises a second exception in place of the one that has the address.
    address = getattr(exception, "address", None) or getattr(exception.__context__, "address", None)
    look = LOOKS.get(code) if code is not None else None
    if look is None or not isinstance(address, str):
        return
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        return
    try:
        yield look(host.strip("[]"), int(port))
    except (OSError, ValueError):
        return


def rows(words: str) -> list[SocketRow]:
    """Give the sockets that a filter selects."""
    from eyesocket.table import ss

    return list(ss(words, tcp=True))


def who_listens(host: str, port: int) -> str:
    """For a refused connection: whether anybody listens, there or elsewhere."""
    there = rows(f"state listening sport = :{port}")
    if there:
        return f"On this machine {told(there)} listens on port {port}, but not on {host} (or with a full queue)."
    listening = sorted({row.local[1] for row in rows("state listening")})
    if not listening:
        return "On this machine nothing listens on any TCP port."
    shown = ", ".join(map(str, listening[:10])) + (", ..." if len(listening) > 10 else "")
    return f"On this machine nothing listens on port {port}; there are listeners on {shown}."


def who_holds(_host: str, port: int) -> str:
    """For an address in use: by whom."""
    holders = rows(f"state all sport = :{port}")
    listeners = [row for row in holders if row.state.name == "LISTEN"]
    if listeners:
        return f"The port is held by {told(listeners)}, which listens on it."
    if holders:
        states = ", ".join(sorted({str(row.state) for row in holders}))
        return f"{len(holders)} socket(s) of this machine have the port, in state {states}; nobody listens on it."
    return "No TCP socket of this machine has the port now; a socket that is bound without listening does not show."


def told(found: list[SocketRow]) -> str:
    """Name the processes behind sockets, or say that they cannot be seen."""
    names = sorted({name for row in found for name in processes(row.inode)})
    return " and ".join(names) or "a process that this user cannot see"


def processes(inode: int) -> Iterator[str]:
    """Find who holds a socket, by its inode, among the processes that this user may look into."""
    wanted = f"socket:[{inode}]"
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(entry.readlink()) == wanted for entry in (process / "fd").iterdir()):
                name = (process / "comm").read_text().strip()
                yield f"{name} (process {process.name})"
        except OSError:
            continue


LOOKS: dict[int, Callable[[str, int], str]] = {
    errno.ECONNREFUSED: who_listens,
    errno.EADDRINUSE: who_holds,
}
"""What to look for, by errno."""
