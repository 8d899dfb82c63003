"""TCP's state machine (RFC 9293): the state of a live socket, and the table of transitions."""

from __future__ import annotations

import enum
from typing import NamedTuple, Protocol

from eyesocket import _native

__all__ = ["TRANSITIONS", "State", "Transition", "state"]


class HasFileno(Protocol):
    """A socket of this package, of the standard library, or anything with a descriptor."""

    def fileno(self) -> int:
        """Give the descriptor."""


class State(enum.Enum):
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
