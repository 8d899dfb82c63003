"""What a request gave."""

from __future__ import annotations

from eyesocket._native import HttpEvents, HttpTextPieces, http_text
from eyesocket._native import HttpUpgraded as TLSConnection
from eyesocket.http._errors import HTTPStatusError, ResponseNotRead, StreamClosed, StreamConsumed, raise_translated
from eyesocket.http._headers import Headers
from eyesocket.http._pieces import MODEST, PIECE, Lines, Sized
from eyesocket.http._request import EMPTY, Body, Request
from eyesocket.http._url import URL

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import TracebackType
    from typing import Any, NoReturn

    from eyesocket._native import HttpResponse
    from eyesocket.http._parts import Elapsed, Interim, ServerSentEvent, Timings
    from eyesocket.http._wire import Wire

__all__ = ["Response", "TLSConnection"]

_READING, _INTERRUPTED = "read", "read in part"
"""What `read` says of itself: it is alone, and goes on where it was interrupted."""


class Response:
    """A response: status, headers, content, and how it came about.

    A streamed one has its body still to be read: by `iter_bytes()`, `iter_raw()`, `iter_text()`, `iter_lines()`,
    `iter_sse()` or `read()`; by the same with an `a` in front in a coroutine.
    """

    # Here and not in __init__: most responses never set them.
    _content: bytes | None = None
    _headers: Headers | None = None
    _history: list[Response] | None = None
    _request_content: bytes | None = None
    _extensions: dict[str, Any] | None = None
    _closed = False
    # What has begun to iterate over the unread body.
    _reader: object = None
    # What `read` had when it was interrupted.
    _held: bytes = b""
    # Bytes of content that were handed over, piece by piece.
    _came = 0
    default_encoding: str | Callable[[bytes], str] = ""
    encoding_given: str | None = None

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
    def content(self) -> bytes:
        """The content, content codings undone."""
        content = self._native.content
        if content is None and (content := self._content) is None:
            if self._native.unread:
                message = "the body is still unread: call read() (or await aread()) first"
                raise ResponseNotRead(message)
            if self._closed:
                message = "the response was closed with its body unread: call read() before"
                raise StreamClosed(message)
            message = "the body was read piece by piece and is not kept: read() in place of an iterator keeps it"
            raise StreamConsumed(message)
        return content

    @property
    def _kept(self) -> bytes | None:
        content = self._native.content
        return self._content if content is None else content

    @property
    def encoding(self) -> str:
        """The name of the text's encoding: what was set here, else byte order mark, charset parameter, `utf-8`."""
        return self._text((self._kept or b"")[:4])[0].lower()

    @encoding.setter
    def encoding(self, label: str) -> None:
        self.encoding_given = label

    @property
    def charset_encoding(self) -> str | None:
        """The charset that Content-Type names, None if it names none."""
        for parameter in self.headers.get("content-type", "").split(";")[1:]:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "charset":
                return value.strip(" '\"") or None
        return None

    @property
    def text(self) -> str:
        """The content as text; what cannot be decoded is U+FFFD."""
        return self._text(self.content)[1]

    def _text(self, content: bytes) -> tuple[str, str]:
        return http_text(content, *self._charsets(content))

    def _text_pieces(self) -> HttpTextPieces:
        """As `_text`, for content that comes in pieces."""
        return HttpTextPieces(*self._charsets(self._kept or b""))

    def _charsets(self, content: bytes) -> tuple[str | None, str | None, str | None]:
        default = self.default_encoding
        fallback = default(content) if callable(default) else default
        return self._native.header("content-type"), fallback or None, self.encoding_given

    def json(self, **options: Any) -> Any:
        """Give the content as JSON; `options` are those of `json.loads`."""
        from json import loads

        return loads(self.content, **options)

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

    def read(self) -> bytes:
        """Read what is unread of the body, and give the content; more than the client's `max_size` is refused."""
        if self._content is None and self._native.unread:
            if self._reader not in {None, _INTERRUPTED}:
                raise _consumed()
            self._reader = _READING
            try:
                content = self._native.read_rest()
            except BaseException as error:
                self._held, self._reader = _keep(error, self._held), _INTERRUPTED
                if isinstance(error, OSError):
                    self._raise(error)
                raise
            self._content = self._held + content if self._held else content
            self._came += len(self._content)
        return self.content

    async def aread(self) -> bytes:
        """Read what is unread of the body, and give the content; more than the client's `max_size` is refused."""
        if self._content is None and self._native.unread:
            if self._reader not in {None, _INTERRUPTED}:
                raise _consumed()
            self._reader = _READING
            try:
                content: bytes = await self._native.read_rest_async()
            except BaseException as error:
                self._held, self._reader = _keep(error, self._held), _INTERRUPTED
                if isinstance(error, OSError):
                    self._raise(error)
                raise
            self._content = self._held + content if self._held else content
            self._came += len(self._content)
        return self.content

    def _raise(self, error: OSError) -> NoReturn:
        if self._closed:
            closed = StreamClosed("the response was closed while its body was being read")
            closed.partial = getattr(error, "partial", b"")
            raise closed from error
        raise_translated(error, self.request)

    def _claim(self, size: int | None = None, kind: str = "") -> None:
        """Begin to iterate over the unread body, if nothing else has begun that would take some along.

        Iterators of one `kind`, without a size, hold nothing back, and may be several; any other is the only one.
        """
        # A size that is none takes nothing.
        Sized(size)
        if size is not None:
            kind = ""
        if self._native.unread:
            if self._reader is not None and (not kind or self._reader != kind):
                raise _consumed()
            self._reader = kind

    def _pieces(self, size: int | None, *, raw: bool, at_once: int = PIECE) -> Iterator[bytes]:
        sized = Sized(size, at_once)
        if not self._native.unread:
            content = self._loaded(raw=raw)
            yield from (*(sized.feed(content) if content else ()), *sized.end())
            return
        # Large pieces come whole from where they are received to.
        read = self._native.read if sized.small else self._native.read_exactly
        try:
            while piece := read(sized.at_once, raw):
                self._came += len(piece)
                yield from sized.feed(piece)
        except BaseException as error:
            _keep(error, sized.rest)
            if isinstance(error, OSError):
                self._raise(error)
            raise
        yield from sized.end()

    async def _apieces(self, size: int | None, *, raw: bool, at_once: int = PIECE) -> AsyncIterator[bytes]:
        if not self._native.unread:
            for piece in self._pieces(size, raw=raw):
                yield piece
            return
        sized = Sized(size, at_once)
        read = self._native.read_async if sized.small else self._native.read_exactly_async
        try:
            while piece := await read(sized.at_once, raw):
                self._came += len(piece)
                for cut in sized.feed(piece):
                    yield cut
        except BaseException as error:
            _keep(error, sized.rest)
            if isinstance(error, OSError):
                self._raise(error)
            raise
        for cut in sized.end():
            yield cut

    def _loaded(self, *, raw: bool) -> bytes:
        content = self.content
        if raw and content and self._native.header("content-encoding"):
            message = "the content is kept as it is without its codings: iterate over a stream to have them"
            raise StreamConsumed(message)
        return content

    def _texts(self, size: int | None) -> Iterator[str]:
        decoder = self._text_pieces()
        for piece in self._pieces(size, raw=False):
            if text := decoder.feed(piece):
                yield text
        if text := decoder.feed(b"", last=True):
            yield text

    async def _atexts(self, size: int | None) -> AsyncIterator[str]:
        decoder = self._text_pieces()
        async for piece in self._apieces(size, raw=False):
            if text := decoder.feed(piece):
                yield text
        if text := decoder.feed(b"", last=True):
            yield text

    def _complete(self, reader: Any, piece: Any) -> Any:
        """Give what is complete with a piece."""
        try:
            return reader.feed(piece)
        except OSError as error:
            self._raise(error)

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """Give the content as it comes, or in pieces of `chunk_size` bytes; content codings undone."""
        self._claim(chunk_size, "bytes")
        yield from self._pieces(chunk_size, raw=False)

    def iter_raw(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """Give the content as it comes, content codings left on."""
        self._claim(chunk_size, "raw")
        yield from self._pieces(chunk_size, raw=True)

    def _modestly(self) -> Iterator[bytes]:
        """Do as `iter_bytes`, in little memory."""
        self._claim(None, "bytes")
        yield from self._pieces(None, raw=False, at_once=MODEST)

    async def _amodestly(self) -> AsyncIterator[bytes]:
        self._claim(None, "bytes")
        async for piece in self._apieces(None, raw=False, at_once=MODEST):
            yield piece

    def iter_text(self, chunk_size: int | None = None) -> Iterator[str]:
        """Give the content as text, as it comes, or of `chunk_size` bytes at a time."""
        self._claim(chunk_size)
        yield from self._texts(chunk_size)

    def iter_lines(self) -> Iterator[str]:
        """Give the content's lines, their ends taken off; one longer than the client's `max_size` is refused.

        If the body is cut, the beginning of a line is in the error's `partial`, as UTF-8.
        """
        self._claim()
        lines = Lines(self._native.most_content)
        try:
            for text in self._texts(None):
                yield from self._complete(lines, text)
        except BaseException as error:
            _keep(error, lines.rest)
            raise
        yield from lines.end()

    def iter_sse(self) -> Iterator[ServerSentEvent]:
        """Give the events of a `text/event-stream` as they come."""
        from eyesocket.http._parts import ServerSentEvent

        self._claim()
        parser = HttpEvents()
        for piece in self._pieces(None, raw=False):
            for event in self._complete(parser, piece):
                yield ServerSentEvent(*event)

    async def aiter_bytes(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """Give the content as it comes, or in pieces of `chunk_size` bytes; content codings undone."""
        self._claim(chunk_size, "bytes")
        async for piece in self._apieces(chunk_size, raw=False):
            yield piece

    async def aiter_raw(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """Give the content as it comes, content codings left on."""
        self._claim(chunk_size, "raw")
        async for piece in self._apieces(chunk_size, raw=True):
            yield piece

    async def aiter_text(self, chunk_size: int | None = None) -> AsyncIterator[str]:
        """Give the content as text, as it comes, or of `chunk_size` bytes at a time."""
        self._claim(chunk_size)
        async for text in self._atexts(chunk_size):
            yield text

    async def aiter_lines(self) -> AsyncIterator[str]:
        """Give the content's lines, their ends taken off; one longer than the client's `max_size` is refused.

        If the body is cut, the beginning of a line is in the error's `partial`, as UTF-8.
        """
        self._claim()
        lines = Lines(self._native.most_content)
        try:
            async for text in self._atexts(None):
                for line in self._complete(lines, text):
                    yield line
        except BaseException as error:
            _keep(error, lines.rest)
            raise
        for line in lines.end():
            yield line

    async def aiter_sse(self) -> AsyncIterator[ServerSentEvent]:
        """Give the events of a `text/event-stream` as they come."""
        from eyesocket.http._parts import ServerSentEvent

        self._claim()
        parser = HttpEvents()
        async for piece in self._apieces(None, raw=False):
            for event in self._complete(parser, piece):
                yield ServerSentEvent(*event)

    def close(self) -> None:
        """Give up what is unread of the body."""
        self._closed = self._closed or self._native.unread
        self._native.close()

    async def aclose(self) -> None:
        """Give up what is unread of the body."""
        self.close()

    @property
    def is_closed(self) -> bool:
        """Whether nothing more will be read from the connection."""
        return not self._native.unread

    @property
    def is_stream_consumed(self) -> bool:
        """Whether the body has been read, or an iterator has begun to."""
        return self._reader is not None or not (self._native.unread or self._closed)

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


def _keep(error: Any, before: bytes) -> bytes:
    """Put what had come `before` in front of what the error keeps; give both."""
    partial: bytes | None = getattr(error, "partial", None)
    if partial is None:
        return before
    if before:
        error.partial = partial = before + partial
    return partial


def _consumed() -> StreamConsumed:
    return StreamConsumed("the body is being read by another iterator or read(): go on with that one, or ask again")
