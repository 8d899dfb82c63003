"""What a request gave."""

from __future__ import annotations

from eyesocket._native import HttpUpgraded as TLSConnection
from eyesocket.http._content import Content
from eyesocket.http._errors import HTTPStatusError, raise_translated
from eyesocket.http._headers import Headers
from eyesocket.http._request import EMPTY, Body, Request
from eyesocket.http._url import URL

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from types import TracebackType
    from typing import Any

    from eyesocket._native import HttpResponse
    from eyesocket.http._parts import Elapsed, Interim, Timings
    from eyesocket.http._wire import Wire

__all__ = ["Response", "TLSConnection"]


class Response(Content):
    """A response: status, headers, content, and how it came about.

    A streamed one has its body still to be read: by `iter_bytes()`, `iter_raw()`, `iter_text()`, `iter_lines()`,
    `iter_sse()` or `read()`; by the same with an `a` in front in a coroutine.
    """

    # Here and not in __init__: most responses never set them.
    _headers: Headers | None = None
    _history: list[Response] | None = None
    _request_content: bytes | None = None
    _extensions: dict[str, Any] | None = None

    def __init__(self, native: HttpResponse, request_content: bytes | None = None) -> None:
        self._native = native
        if request_content is not None:
            self._request_content = request_content

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
    def url(self) -> URL:
        """What was asked for, after redirections."""
        return URL(self._native.url)

    @property
    def request(self) -> Request:
        """The request that this answers, with the header fields that were sent."""
        native = self._native
        fields = native.sent_headers
        # A redirection may have dropped the body, a challenge of Digest have been asked for without.
        sent = any(
            name.lower() == b"transfer-encoding" or (name.lower() == b"content-length" and value != b"0")
            for name, value in fields
        )
        body = Body(self._request_content) if sent else EMPTY
        return Request._of(native.method, native.url, fields, body, self._extensions)

    @property
    def headers(self) -> Headers:
        """The header fields."""
        if self._headers is None:
            self._headers = Headers._of(self._native.headers)
        return self._headers

    @property
    def next_request(self) -> Request | None:
        """The request that this redirection asks for, to be given to `Client.send`; None where it is none.

        What belongs to the origin that was asked stays out of it if it leads elsewhere; cookies always do, for the
        client sends its own. A body that was sent in pieces cannot be sent again. From https to http is a
        `RemoteProtocolError`.
        """
        try:
            found = self._native.next
        except OSError as error:
            raise_translated(error, self.request)
        if found is None:
            return None
        method, url, fields, keeps_body = found
        body = self.request._body if keeps_body else EMPTY
        if body is not EMPTY and body.content is None:
            body = Body(pieces=iter(()))
            body.begun = True
        return Request._of(method, url, fields, body, self._extensions)

    @property
    def num_bytes_downloaded(self) -> int:
        """How many bytes of the body have come so far, content codings on: what Content-Length counts."""
        return self._native.downloaded

    @property
    def trailers(self) -> Headers:
        """The fields behind a chunked body."""
        return Headers._of(self._native.trailers)

    @property
    def informational(self) -> list[Interim]:
        """The interim responses (1xx) before this one."""
        from eyesocket.http._parts import Interim

        return [Interim(status, reason, Headers._of(fields)) for status, reason, fields in self._native.informational]

    @property
    def early_hints(self) -> list[Headers]:
        """The fields of each 103 (Early Hints) response, RFC 8297."""
        return [interim.headers for interim in self.informational if interim.status == 103]

    @property
    def history(self) -> list[Response]:
        """The responses (redirections, challenges) that led to this one, the first one first."""
        if self._history is None:
            self._history = [Response(native, self._request_content) for native in self._native.take_history()]
        return self._history

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that this very response sets, by name; the client's jar has those that it accepted."""
        pairs = (line.partition(";")[0].partition("=") for line in self.headers.get_list("set-cookie"))
        return {name.strip(): value.strip() for name, _, value in pairs if name.strip()}

    @property
    def links(self) -> dict[str, dict[str, str]]:
        """The Link fields (RFC 8288) by relation or URL."""
        from eyesocket.http._links import links

        return links(self.headers.get_list("link"))

    @property
    def peer(self) -> str:
        """Whom the connection led to."""
        return self._native.peer

    @property
    def timings(self) -> Timings:
        """When what was reached."""
        from eyesocket.http._parts import Timings

        return Timings(*self._native.timings)

    @property
    def elapsed(self) -> Elapsed:
        """Seconds from the start of the request to the end of the body, or to the head while the body is unread."""
        from eyesocket.http._parts import Elapsed

        timings = self.timings
        return Elapsed(timings.done or timings.first_byte or 0.0)

    @property
    def wire(self) -> Wire:
        """The bytes both ways."""
        from eyesocket.http._wire import Wire

        return Wire(*self._native.wire)

    @property
    def is_informational(self) -> bool:
        """Whether the status is 1xx."""
        return self.status < 200

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def is_redirect(self) -> bool:
        """Whether the status is 3xx."""
        return 300 <= self.status < 400

    @property
    def has_redirect_location(self) -> bool:
        """Whether this is a redirection that says where to."""
        return self.status in (301, 302, 303, 307, 308) and "location" in self.headers

    @property
    def is_client_error(self) -> bool:
        """Whether the status is 4xx."""
        return 400 <= self.status < 500

    @property
    def is_server_error(self) -> bool:
        """Whether the status is 5xx."""
        return self.status >= 500

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

    def after(self, before: list[Response]) -> Response:
        """Give this response itself, with others put before its history."""
        if before:
            self._history = [*before, *self.history]
        return self

    def upgrade(self) -> tuple[socket.socket | TLSConnection, bytes]:
        """Take the connection, yours to close, and the bytes that had come already; after a 101, or a 2xx to CONNECT.

        It is the socket itself; of https it is a `TLSConnection`, which has a socket's `recv`, `sendall`, `settimeout`,
        `fileno` and `close`, and `recv_async` and `sendall_async` to be awaited. Ask for the response by `stream`.
        """
        import socket

        taken = self._native.detach()
        if taken is None:
            message = f"status {self.status} does not hand over the connection; ask by stream(), and for a 101"
            raise RuntimeError(message)
        handed, unread = taken
        if isinstance(handed, TLSConnection):
            return handed, unread
        sock = socket.socket(fileno=handed)
        sock.settimeout(None)
        return sock, unread

    def __enter__(self) -> Response:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def to_dict(self, *, secrets: bool = False) -> dict[str, Any]:
        """Give what is known as plain values, the content left out, and what is secret unless `secrets` is true."""
        return {
            "method": self._native.method,
            "url": self._native.url if secrets else self._native.shown_url,
            "status": self.status,
            "reason": self.reason_phrase,
            "http_version": self.http_version,
            "headers": self.headers.multi_items() if secrets else self.headers._shown(),
            "trailers": self.trailers.multi_items() if secrets else self.trailers._shown(),
            "length": None if self._kept is None else len(self.content),
            "peer": self.peer,
            "timings": self.timings.to_dict(),
            "history": [response.to_dict(secrets=secrets) for response in self.history],
        }

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:  # noqa: ARG002
        from eyesocket.http._show import response_bundle

        return response_bundle(self)

    def __repr__(self) -> str:
        status = f"{self.status} {self.reason_phrase}".rstrip()
        kept = self._kept
        size = f"{len(kept)} bytes" if kept is not None else "unread" if self._native.unread else "streamed"
        return f"<Response {status}, {size}, {self.elapsed * 1000:.1f} ms>"
