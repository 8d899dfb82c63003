"""netstat and ss as data: `python -m eyesocket.article.netstat_vs_ss [FILTER ...]`.

The article's options and what they are here: -t `ss(tcp=True)`, -u `ss(udp=True)`, -l `ss(listening=True)`; -n always,
names are not looked up; -p the inode of a row, found again under /proc/PID/fd; ss's `state` and `exclude` are words of
the filter.
"""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from eyesocket import ss
from eyesocket.article import _script
from eyesocket.table import SocketRow, SocketTable

__all__ = ["main", "owners"]


def owners() -> dict[int, str]:
    """Give `PID/NAME` of the process that holds a socket, by the socket's inode (netstat -p; others' need root)."""
    found: dict[int, str] = {}
    for process in Path("/proc").glob("[0-9]*"):
        # A process may end, or not be ours to look into.
        with contextlib.suppress(OSError):
            name = f"{process.name}/{(process / 'comm').read_text().strip()}"
            for descriptor in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    target = str(descriptor.readlink())
                    if target.startswith("socket:["):
                        found.setdefault(int(target[8:-1]), name)
    return found


def line(row: SocketRow, owner: dict[int, str]) -> str:
    """Give a line as `netstat -tunp` has it, with the timer of `ss -o`."""
    local, peer = ("{}:{}".format(*address[:2]) for address in (row.local, row.peer))
    last = f"{owner.get(row.inode, '-')} {row.timer or ''}".strip()
    return f"{row.protocol} {row.recv_q} {row.send_q} {local} {peer} {row.state} {last}"


def show(command: str, rows: SocketTable, owner: dict[int, str]) -> None:
    """Print a command of the article and our rows for it, ten at most (`| head`)."""
    print(f"$ {command}: {len(rows)}")
    for row in rows[:10]:
        print(line(row, owner))


def main() -> None:
    """Answer the article's commands, or one filter."""
    parser = argparse.ArgumentParser(description="netstat and ss as data.")
    parser.add_argument("filter", nargs="*", metavar="FILTER", help='as ss(8) reads it, e.g. "state time-wait"')
    given = " ".join(parser.parse_args().filter)
    owner = owners()
    if given:
        show(f"ss -tuno {given}", ss(given), owner)
        return
    show("netstat -tnlp, ss -tnlp", ss(tcp=True, listening=True), owner)
    show("netstat -unlp, ss -unlp", ss(udp=True, listening=True), owner)
    show("netstat -tunp, ss -tunp", ss(), owner)
    show("ss -tn exclude listening", ss("exclude listening", tcp=True), owner)
    show("ss -o state time-wait -n", ss("state time-wait"), owner)


if __name__ == "__main__":
    _script.run(main)
