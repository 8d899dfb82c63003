"""What a request gave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from eyesocket.http._headers import Headers
from eyesocket.http._wire import Wire

if TYPE_CHECKING:
    from eyesocket._native import HttpResponse

__all__ = ["HTTPStatusError", "Interim", "Response", "Timings"]


class HTTPStatusError(OSError):
    """The response's status says that the request failed; see `response`."""

    def __init__(self, message: str, *, response: Response) -> None:
        super().__init__(message)
        self.response = response
        self.request = response


class Timings(NamedTuple):
    """When what was reached, in seconds since the request began; None where it did not happen."""

    dns: float | None
    """The name was resolved."""
    connect: float | None
    """The socket was connected."""
    tls: float | None
    """TLS was agreed on."""
    sent: float | None
    """The last byte of the request was with the kernel."""
    first_byte: float | None
    """The first byte of the answer was here."""
    done: float | None
    """The last byte was."""
    reused: bool
    """Whether the connection had carried a request before."""

    def to_dict(self) -> dict[str, float | bool | None]:
        """Give the timings by name."""
        return self._asdict()


class Interim(NamedTuple):
    """A response with status 1xx, before the final one (RFC 9110 section 15.2)."""

    status: int
    reason: str
    headers: Headers


class Response:
    """A response: status, headers, content, and how it came about."""

    def __init__(self, native: HttpResponse) -> None:
        self._native = native

    @property
    def status_code(self) -> int:
        """The status, 100 to 599."""
        return self._native.status

    @property
    def status(self) -> int:
        """The status, 100 to 599."""
        return self._native.status

    @property
    def reason_phrase(self) -> str:
        """The reason as it came, such as `OK`."""
        return self._native.reason

    @property
    def http_version(self) -> str:
        """`HTTP/1.1` or `HTTP/1.0`."""
        return self._native.version

    @property
    def url(self) -> str:
        """What was asked for."""
        return self._native.url

    @property
    def headers(self) -> Headers:
        """The header fields."""
        found: Headers | None = self.__dict__.get("_headers")
        if found is None:
            found = self.__dict__["_headers"] = Headers._of(self._native.headers)
        return found

    @property
    def trailers(self) -> Headers:
        """The fields behind a chunked body."""
        return Headers._of(self._native.trailers)

    @property
    def informational(self) -> list[Interim]:
        """The interim responses (1xx) before this one."""
        return [Interim(status, reason, Headers._of(fields)) for status, reason, fields in self._native.informational]

    @property
    def early_hints(self) -> list[Headers]:
        """The fields of each 103 (Early Hints) response, RFC 8297."""
        return [interim.headers for interim in self.informational if interim.status == 103]

    @property
    def content(self) -> bytes:
        """The content."""
        return self._native.content

    @property
    def text(self) -> str:
        """The content as text."""
        return self.content.decode("utf-8", "replace")

    def json(self, **options: Any) -> Any:
        """Give the content as JSON; `options` are those of `json.loads`."""
        import json

        return json.loads(self.content, **options)

    @property
    def peer(self) -> str:
        """Whom the connection led to."""
        return self._native.peer

    @property
    def timings(self) -> Timings:
        """When what was reached."""
        return Timings(*self._native.timings)

    @property
    def elapsed(self) -> float:
        """Seconds from the start of the request to the end of the body, or to the head while the body is unread."""
        timings = self.timings
        return timings.done or timings.first_byte or 0.0

    @property
    def wire(self) -> Wire:
        """The bytes both ways."""
        return Wire(*self._native.wire)

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def is_error(self) -> bool:
        """Whether the status is 4xx or 5xx."""
        return self.status >= 400

    def raise_for_status(self) -> Response:
        """Give this response itself, or raise `HTTPStatusError` unless its status is 2xx."""
        if self.is_success:
            return self
        message = f"{self.status} {self.reason_phrase}".rstrip() + f" for {self._native.shown_url}"
        raise HTTPStatusError(message, response=self)

    def to_dict(self) -> dict[str, Any]:
        """Give what is known as plain values, the content left out."""
        return {
            "method": self._native.method,
            "url": self._native.shown_url,
            "status": self.status,
            "reason": self.reason_phrase,
            "http_version": self.http_version,
            "headers": self.headers.multi_items(),
            "trailers": self.trailers.multi_items(),
            "length": len(self.content),
            "peer": self.peer,
            "timings": self.timings.to_dict(),
        }

    def __repr__(self) -> str:
        status = f"{self.status} {self.reason_phrase}".rstrip()
        return f"<Response {status}, {len(self.content)} bytes, {self.elapsed * 1000:.1f} ms>"
