"""What this machine knows about a socket error: read from the kernel's own tables and /proc, never changed.

What cannot be had is left out: a user who may not look is told so, and no error comes from here.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eyesocket.table import SocketRow

__all__ = ["evidence"]


def evidence(code: int, exception: BaseException) -> Iterator[str]:
    """Give sentences about the address that the exception names."""
    # create_server raises a second exception in place of the one that has the address.
    address = getattr(exception, "address", None) or getattr(exception.__context__, "address", None)
    if not isinstance(address, str):
        return
    host, _, port = address.rpartition(":")
    try:
        if host and port.isdigit():
            look = LOOKS.get(code)
            if look is not None:
                yield look(host.strip("[]"), int(port))
        elif not address.startswith("@"):
            yield from about_path(code, Path(address))
    except (OSError, ValueError):
        return


def about_path(code: int, path: Path) -> Iterator[str]:
    """For a UNIX socket's path: what is there."""
    if code == errno.ENOENT:
        there = path.absolute().parent.is_dir()
        yield f"The folder {path.parent} is there." if there else f"There is no folder {path.parent}."
    elif path.exists() and not path.is_socket():
        yield f"{path} is there, and is no socket."
    elif path.exists() and code == errno.ECONNREFUSED:
        yield f"{path} is a socket that nobody listens on: a program that has ended left it there."
    elif path.exists() and code == errno.EADDRINUSE:
        yield f"{path} is there: a program uses it, or one that has ended left it, and it has to be removed first."


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
