"""What was really said: the bytes of an exchange both ways, with times."""

from __future__ import annotations

from typing import NamedTuple

from eyesocket._native import http_shown_request, http_shown_response

__all__ = ["Piece", "Wire"]


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
    Content-Length or each chunk delimits them; `total_sent`, `total_received`, `total_content`: how many bytes there
    were in all, whatever the limit.
    """

    __slots__ = ("_received", "_sent", "content", "pieces", "total_content", "total_received", "total_sent")

    def __init__(
        self,
        sent: bytes,
        received: bytes,
        pieces: list[tuple[float, bool, int]],
        content: list[tuple[int, int]],
        total_sent: int,
        total_received: int,
        total_content: int,
    ) -> None:
        self._sent = sent
        self._received = received
        self.pieces = [Piece(*piece) for piece in pieces]
        self.content = content
        self.total_sent = total_sent
        self.total_received = total_received
        self.total_content = total_content

    @property
    def heads(self) -> list[tuple[int, int]]:
        """The spans of `received` that are heads with their empty line, those of interim responses (1xx) first."""
        import re

        found: list[tuple[int, int]] = []
        at, first = 0, self.content[0][0] if self.content else len(self._received)
        # A line may end in LF alone.
        while end := re.compile(rb"HTTP/[^\n]*+\n(?:\r?[^\r\n][^\n]*+\n)*+\r?\n").match(self._received, at, first):
            found.append(end.span())
            at = end.end()
        return found

    @property
    def sent(self) -> bytes:
        """What we sent, secrets (credentials, cookies, tokens in a query, a form or JSON) as stars; see `raw_sent`."""
        return http_shown_request(self._sent)

    @property
    def raw_sent(self) -> bytes:
        """What we sent, secrets and all."""
        return self._sent

    @property
    def received(self) -> bytes:
        """What came, cookies and other secrets as stars; content is looked through if it is JSON or a form.

        `raw_received` has them. Content with a coding, and of other types, stays as it is.
        """
        return http_shown_response(self._received, self.content)

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
            "total_content": self.total_content,
        }

    def __repr__(self) -> str:
        return f"<Wire {self.total_sent} bytes sent, {self.total_received} bytes received>"
