"""The kernel's sockets as data: what ss(8) and netstat(8) print.

    >>> ss("state time-wait")  # doctest: +SKIP
    SocketTable(1 row)
    tcp  TIME-WAIT  0  0  127.0.0.1:45977  127.0.0.1:3306  timer:(timewait,46sec,0)

A listing is read straight from the kernel (sock_diag(7)); it needs no right, sees the sockets of this network
namespace, and is not a snapshot: sockets come and go while the kernel walks its tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict, cast, final, overload

from eyesocket import _native
from eyesocket._native import SocketRow, SocketTimer

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["SocketRow", "SocketTable", "SocketTimer", "ss", "ss_async"]

SHOWN = 60
"""How many rows a table shows of itself; `text()` gives all."""


class Choice(TypedDict):
    """Which sockets, in the words of ss(8)'s options."""

    tcp: bool
    udp: bool
    ipv4: bool
    ipv6: bool
    listening: bool
    all: bool


@final
class SocketTable(Sequence[SocketRow]):
    """The rows of one listing; immutable, a sequence of `SocketRow`."""

    __slots__ = ("_rows",)

    def __init__(self, rows: Iterable[SocketRow]) -> None:
        self._rows = tuple(rows)

    @overload
    def __getitem__(self, index: int) -> SocketRow: ...
    @overload
    def __getitem__(self, index: slice) -> SocketTable: ...
    def __getitem__(self, index: int | slice) -> SocketRow | SocketTable:
        """Give a row, or a table of some rows."""
        if isinstance(index, slice):
            return SocketTable(self._rows[index])
        return self._rows[index]

    def __len__(self) -> int:
        """Count the rows."""
        return len(self._rows)

    def __eq__(self, other: object) -> bool:
        """Compare by rows."""
        return self._rows == other._rows if isinstance(other, SocketTable) else NotImplemented

    def __hash__(self) -> int:
        """Hash by rows."""
        return hash(self._rows)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Give a flat dict a row, ready for `json`, pandas and polars."""
        return [row.to_dict() for row in self._rows]

    def text(
        self,
        *,
        header: bool = True,
        protocol: bool = True,
        state: bool = True,
        timer: bool = True,
        extended: bool = False,
    ) -> str:
        """Give all rows in columns as ss(8) prints them, each line ended by a newline.

        `protocol` and `state` are the columns of those names, `timer` is `ss -o`, `extended` is `ss -e` (user,
        inode, cookie).
        """
        return _native.rows_text(
            list(self._rows), header=header, protocol=protocol, state=state, timer=timer, extended=extended
        )

    def __repr__(self) -> str:
        shown = self._rows[:SHOWN]
        more = len(self._rows) - len(shown)
        head = f"SocketTable({len(self._rows)} row{'' if len(self._rows) == 1 else 's'})"
        tail = [f"… and {more} more"] if more else []
        return "\n".join([head, *_native.rows_text(list(shown)).splitlines(), *tail])

    def _repr_html_(self) -> str:
        shown = self._rows[:SHOWN]
        return _native.rows_html(list(shown), len(self._rows) - len(shown))


def ss(
    filter: str = "",  # noqa: A002
    *,
    tcp: bool = False,
    udp: bool = False,
    ipv4: bool = False,
    ipv6: bool = False,
    listening: bool = False,
    all: bool = False,  # noqa: A002
) -> SocketTable:
    """List the kernel's sockets.

    `filter` is the language of ss(8): `state NAME` and `exclude NAME` first (the states of RFC 9293, or `all`,
    `connected`, `synchronized`, `bucket`, `big`), then `src|dst [=|!=] HOST[/BITS][:PORT]` and
    `sport|dport [=|!=|<|<=|>|>=] :PORT`, joined by `and`, `or`, `not` and parentheses.

    Neither `tcp` nor `udp` means both, and so with `ipv4` and `ipv6`. Where the filter names no state: `all` shows
    every one, `listening` listeners and UDP sockets without a peer, and neither the sockets that have a peer, without
    TIME-WAIT and SYN-RECEIVED.

    Raises `ValueError` that says what is wrong with the filter, and `OSError` where the kernel has no sock_diag(7).
    """
    choice = Choice(tcp=tcp, udp=udp, ipv4=ipv4, ipv6=ipv6, listening=listening, all=all)
    return SocketTable(_native.sockets(filter, choice))


async def ss_async(
    filter: str = "",  # noqa: A002
    *,
    tcp: bool = False,
    udp: bool = False,
    ipv4: bool = False,
    ipv6: bool = False,
    listening: bool = False,
    all: bool = False,  # noqa: A002
) -> SocketTable:
    """Do the same as `ss` on the running event loop."""
    choice = Choice(tcp=tcp, udp=udp, ipv4=ipv4, ipv6=ipv6, listening=listening, all=all)
    return SocketTable(cast("list[SocketRow]", await _native.sockets_async(filter, choice)))
