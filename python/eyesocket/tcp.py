"""TCP's state machine (RFC 9293): the state of a live socket, and the table of transitions."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast, final

from eyesocket import _native

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["TRANSITIONS", "State", "StateDiagram", "Transition", "diagram", "state"]


class HasFileno(Protocol):
    """A socket of this package, of the standard library, or anything with a descriptor."""

    def fileno(self) -> int:
        """Give the descriptor."""


class _Shown:
    """What shows a state in a notebook; a base, as the body of an Enum of Python 3.11 may not have such a name."""

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Give the state graph with this state lit, and the name as plain text."""
        drawn = StateDiagram([(cast("State", self), None)])
        return {**drawn._repr_mimebundle_(include, exclude), "text/plain": repr(self)}


class State(_Shown, enum.Enum):
    """A state of a TCP connection (RFC 9293, section 3.3.2). `str()` and `value` are the RFC's spelling."""

    CLOSED = "CLOSED"
    LISTEN = "LISTEN"
    SYN_SENT = "SYN-SENT"
    SYN_RECEIVED = "SYN-RECEIVED"
    ESTABLISHED = "ESTABLISHED"
    FIN_WAIT_1 = "FIN-WAIT-1"
    FIN_WAIT_2 = "FIN-WAIT-2"
    CLOSE_WAIT = "CLOSE-WAIT"
    CLOSING = "CLOSING"
    LAST_ACK = "LAST-ACK"
    TIME_WAIT = "TIME-WAIT"

    def __str__(self) -> str:
        return self.value

    def __repr__(self) -> str:
        return f"<State {self.name}>"


class Transition(NamedTuple):
    """A row of the table: in `source`, `event` does `action` and leads to `target`."""

    source: State
    event: str
    opened: str | None
    """The row holds only after an "active" or a "passive" open; None: after any."""
    action: str
    target: State
    drawn: bool
    """Whether it is an arrow of RFC 9293, figure 5 (with its note 2); resets and aborts are left out there."""


TRANSITIONS: tuple[Transition, ...] = tuple(
    Transition(State(source), event, opened, action, State(target), drawn)
    for source, event, opened, action, target, drawn in _native.tcp_transitions()
)
"""Every transition of RFC 9293, figure 5, its notes, and sections 3.10.5 and 3.10.7."""


def state(sock: HasFileno | int) -> State:
    """Give the state of a TCP socket, or of a descriptor, as the kernel says it (`TCP_INFO`, tcp(7)).

    Raises `ValueError` for a socket of another protocol, `OSError` for what is not an open socket.
    """
    return _native.tcp_state(sock if isinstance(sock, int) else sock.fileno())


@final
class StateDiagram:
    """TCP's state graph with some states lit; shows itself in a notebook, `str()` is its text drawing."""

    __slots__ = ("_drawing", "lit")

    lit: tuple[tuple[State, str | None], ...]
    """The lit states, each with its label or None."""

    def __init__(self, lit: Iterable[tuple[State, str | None]] = ()) -> None:
        self.lit = tuple(lit)
        self._drawing = _native.StateDrawing([(state.value, label) for state, label in self.lit])

    def mermaid(self) -> str:
        """Give it in Mermaid's language (`stateDiagram-v2`)."""
        return self._drawing.mermaid()

    def svg(self) -> str:
        """Give it as an SVG element; the boxes are always at the same place."""
        return self._drawing.svg()

    def __str__(self) -> str:
        return self._drawing.text()

    def __repr__(self) -> str:
        return f"<StateDiagram {self._drawing.summary()}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Give all forms; the notebook takes the richest that it knows and may show."""
        del include, exclude
        return {"text/vnd.mermaid": self.mermaid(), "image/svg+xml": self.svg(), "text/plain": str(self)}


def diagram(*lit: State | HasFileno, **labelled: State | HasFileno) -> StateDiagram:
    """Draw the state graph with the states of some sockets lit; a keyword is the label of its socket.

        >>> tcp.diagram(client=c, server=s)  # doctest: +SKIP
        <StateDiagram TCP states: ESTABLISHED (client, server)>

    A socket is asked once, now; a `State` is taken as it is. Raises what `state` raises.
    """
    pairs = [*((None, which) for which in lit), *labelled.items()]
    return StateDiagram((which if isinstance(which, State) else state(which), label) for label, which in pairs)
