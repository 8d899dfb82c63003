"""What was really said: the bytes of an exchange both ways, with times."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Piece", "Wire"]


_SECRET = (b"authorization:", b"proxy-authorization:", b"cookie:", b"set-cookie:", b"x-api-key:")


def _redacted(data: bytes) -> bytes:
    """Overwrite the values of secret fields in the head, so that every span keeps its place."""
    head, end, rest = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    for at, line in enumerate(lines):
        name, colon, value = line.partition(b":")
        if (name + colon).lower() in _SECRET:
            scheme, space, secret = value.strip().partition(b" ")
            kept = scheme + space if secret and name.lower().endswith(b"authorization") else b""
            lines[at] = name + b": " + kept + b"*" * (len(line) - len(name) - 2 - len(kept))
    return b"\r\n".join(lines) + end + rest


class Piece(NamedTuple):
    """One piece as it was handed to, or came from, the kernel."""

    at: float
    """Seconds since the request began."""
    sent: bool
    """Whether we sent it."""
    length: int
    """Its bytes, those beyond the record's limit included."""


class Wire:
    """The bytes of one exchange, up to the client's limit a direction; of TLS, what is inside.

    `sent`, `received`: bytes; `pieces`: what went when; `content`: the spans of `received` that are content, as
    Content-Length or each chunk delimits them; `total_sent`, `total_received`: how many bytes there were in all.
    """

    __slots__ = ("_received", "_sent", "content", "pieces", "total_received", "total_sent")

    def __init__(
        self,
        sent: bytes,
        received: bytes,
        pieces: list[tuple[float, bool, int]],
        content: list[tuple[int, int]],
        total_sent: int,
        total_received: int,
    ) -> None:
        self._sent = sent
        self._received = received
        self.pieces = [Piece(*piece) for piece in pieces]
        self.content = content
        self.total_sent = total_sent
        self.total_received = total_received

    @property
    def sent(self) -> bytes:
        """What we sent, secrets (credentials, cookies) made unreadable; `raw_sent` has them."""
        return _redacted(self._sent)

    @property
    def raw_sent(self) -> bytes:
        """What we sent, secrets and all."""
        return self._sent

    @property
    def received(self) -> bytes:
        """What came, the values of cookies made unreadable; `raw_received` has them."""
        return _redacted(self._received)

    @property
    def raw_received(self) -> bytes:
        """What came, secrets and all."""
        return self._received

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:  # noqa: ARG002
        from eyesocket.http._show import wire_html, wire_text

        return {"text/plain": wire_text(self), "text/html": wire_html(self)}

    def to_dict(self) -> dict[str, object]:
        """Give the record as plain values."""
        return {
            "sent": self.sent,
            "received": self.received,
            "pieces": [piece._asdict() for piece in self.pieces],
            "content": [list(span) for span in self.content],
            "total_sent": self.total_sent,
            "total_received": self.total_received,
        }

    def __repr__(self) -> str:
        return f"<Wire {self.total_sent} bytes sent, {self.total_received} bytes received>"
