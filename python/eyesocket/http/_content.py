"""The content of a response: kept, or to be read piece by piece."""

from __future__ import annotations

from eyesocket._native import HttpEvents, HttpTextPieces, http_text
from eyesocket.http._errors import ResponseNotRead, StreamClosed, StreamConsumed, raise_translated
from eyesocket.http._pieces import MODEST, PIECE, Lines, Sized

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from typing import Any, NoReturn

    from eyesocket._native import HttpResponse
    from eyesocket.http._headers import Headers
    from eyesocket.http._parts import ServerSentEvent
    from eyesocket.http._request import Request

__all__ = ["Content"]

_READING, _INTERRUPTED = "read", "read in part"
"""What `read` says of itself: it is alone, and goes on where it was interrupted."""


class Content:
    """What is behind a response's head, and who is reading it."""

    # Here and not in __init__: most responses never set them.
    _content: bytes | None = None
    _closed = False
    # What has begun to iterate over the unread body.
    _reader: object = None
    # What `read` had when it was interrupted.
    _held: bytes = b""
    # Bytes of content that were handed over, piece by piece.
    _came = 0
    default_encoding: str | Callable[[bytes], str] = ""
    encoding_given: str | None = None

    _native: HttpResponse

    @property
    def headers(self) -> Headers:
        """The header fields, which the response has."""
        raise NotImplementedError

    @property
    def request(self) -> Request:
        """The request, which the response has."""
        raise NotImplementedError

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
