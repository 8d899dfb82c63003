"""What is asked for: the arguments of a request made into what is sent."""

from __future__ import annotations

from _collections_abc import AsyncIterable, Iterable, Mapping

from eyesocket.http._headers import Headers
from eyesocket.http._url import URL, QueryParams, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from eyesocket.http._headers import HeaderTypes

__all__ = ["Body", "Request", "cookie_text", "encode_body", "with_params", "without"]


class Request:
    """A request, ready to be sent by `Client.send`; hooks and custom credentials see and may change it.

    `extensions` is a dict for whoever needs to keep something from the request's hook to the response's.
    """

    __slots__ = ("_body", "_timeout", "extensions", "headers", "method", "url")

    method: str
    url: URL
    headers: Headers
    extensions: dict[str, Any]

    def __init__(
        self,
        method: str,
        url: str,
        *,
        params: Any = None,
        headers: HeaderTypes | None = None,
        cookies: Mapping[str, str] | None = None,
        content: Any = None,
        data: Any = None,
        files: Any = None,
        json: Any = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        self.method = method.upper()
        self.url = URL(with_params(url, params) if params else url)
        self.headers = Headers(headers)
        self.extensions = dict(extensions or {})
        self._body = encode_body(content, data, files, json, self.headers.get("content-type"))
        self._timeout: Any = None
        if cookies and "cookie" not in self.headers:
            self.headers["Cookie"] = cookie_text(cookies)
        if self._body.content_type is not None and "content-type" not in self.headers:
            self.headers["Content-Type"] = self._body.content_type

    @classmethod
    def _of(
        cls,
        method: str,
        url: str,
        fields: list[tuple[bytes, bytes]],
        body: Body,
        extensions: dict[str, Any] | None = None,
        timeout: Any = None,
    ) -> Request:
        made = cls.__new__(cls)
        made.method, made.url, made.headers = method, URL(url), Headers._of(fields)
        made.extensions = {} if extensions is None else extensions
        made._body, made._timeout = body, timeout
        return made

    @property
    def content(self) -> bytes | None:
        """The body; None where it is sent in pieces, or there is none."""
        return self._body.content

    def read(self) -> bytes:
        """Give the body; one in pieces is collected, and then sent as a whole."""
        if self._body.pieces is not None:
            self._body = Body(b"".join(self._body.begin()))
        return self._body.content or b""

    async def aread(self) -> bytes:
        """Give the body; one in pieces is collected, and then sent as a whole."""
        if hasattr(self._body.pieces, "__aiter__"):
            self._body = Body(b"".join([piece async for piece in self._body.begin()]))
        return self.read()

    def __repr__(self) -> str:
        return f"<Request({self.method!r}, {self.url!r})>"


class Body:
    """What is sent: bytes, or pieces of a known or unknown length in all.

    `rewinds`: whether the pieces can be had a second time, as those of a list or a file can, and a generator's cannot.
    """

    __slots__ = ("begun", "content", "content_type", "length", "pieces", "rewinds")

    def __init__(
        self,
        content: bytes | None = None,
        pieces: Any = None,
        length: int | None = None,
        content_type: str | None = None,
    ) -> None:
        self.content, self.pieces, self.length, self.content_type = content, pieces, length, content_type
        self.begun = False
        # What iterates gives itself for an iterator, and is gone through once.
        self.rewinds = pieces is not None and not (hasattr(pieces, "__next__") or hasattr(pieces, "__anext__"))

    def begin(self) -> Any:
        """Give an iterator, or an asynchronous one, from the first piece on."""
        if self.begun and not self.rewinds:
            from eyesocket.http._errors import StreamConsumed

            message = "content: its pieces were sent already; give bytes, a file that can seek, or a list of them"
            raise StreamConsumed(message)
        self.begun = True
        return aiter(self.pieces) if hasattr(self.pieces, "__aiter__") else iter(self.pieces)


EMPTY = Body()


def cookie_text(cookies: Mapping[str, str]) -> str:
    """Give the value of a Cookie field."""
    from eyesocket._native import http_check_cookie
    from eyesocket.http._errors import LocalProtocolError, translated

    for name, value in cookies.items():
        try:
            http_check_cookie(name, str(value))
        except UnicodeEncodeError as error:
            message = f"cookie: the character {error.object[error.start]!r} cannot be encoded"
            raise LocalProtocolError(message) from None
        except ValueError as error:
            raise translated(error) from None
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def without(params: QueryParams, others: Any) -> QueryParams:
    """Give `params` but those whose names are among `others`."""
    if not params or not others:
        return params
    names = QueryParams(others).keys()
    return QueryParams([pair for pair in params.multi_items() if pair[0] not in names])


def with_params(url: str, params: Any) -> str:
    """Give `url` with `params` added to its query; each may be a mapping, pairs, or text."""
    try:
        query = params if isinstance(params, str) else str(QueryParams(params))
    except UnicodeEncodeError as error:
        from eyesocket.http._errors import InvalidURL

        message = f"url: params: the character {error.object[error.start]!r} cannot be encoded; give bytes"
        raise InvalidURL(message) from None
    if not query:
        return url
    front, hash_, fragment = url.partition("#")
    return f"{front}{'&' if '?' in front else '?'}{query}{hash_}{fragment}"


def encode_body(content: Any, data: Any, files: Any, json: Any, content_type: str | None = None) -> Body:
    """Give what is sent for the arguments of a request; `content_type` is the field's value, if it is given."""
    if content is None and data is None and files is None and json is None:
        return EMPTY
    if content is not None:
        return _content(content)
    if json is not None:
        from json import dumps

        text = dumps(json, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return Body(text.encode(), content_type="application/json")
    if files:
        return _multipart(data or {}, files, content_type)
    if isinstance(data, (str, bytes)) or not isinstance(data, (Mapping, list, tuple, type(None))):
        return _content(data)
    if not data:
        return Body(b"")
    form = str(QueryParams(data))
    return Body(form.encode(), content_type="application/x-www-form-urlencoded")


def _content(content: Any) -> Body:
    if isinstance(content, bytes):
        return Body(content)
    if isinstance(content, str):
        return Body(content.encode())
    if isinstance(content, (bytearray, memoryview)):
        return Body(bytes(content))
    if hasattr(content, "read"):
        length = _file_length(content)
        return Body(pieces=_read(content, None) if length is None else _File(content, length), length=length)
    if isinstance(content, (Iterable, AsyncIterable)):
        return Body(pieces=content)
    message = f"content: {type(content).__name__} is neither bytes, str, a binary file nor an iterable of bytes"
    raise TypeError(message)


def _file_length(file: Any) -> int | None:
    try:
        at = file.tell()
        end = file.seek(0, 2)
        file.seek(at)
    except (OSError, AttributeError):
        return None
    return int(end - at)


class _File:
    """What a file held behind its position when it was given, though it grows."""

    def __init__(self, file: Any, length: int) -> None:
        self.file, self.at, self.length = file, file.tell(), length

    def __iter__(self) -> Iterator[bytes]:
        self.file.seek(self.at)
        return _read(self.file, self.length)


def _read(file: Any, length: int | None) -> Iterator[bytes]:
    while piece := file.read(256 * 1024 if length is None else min(length, 256 * 1024)):
        yield piece
        if length is not None:
            length -= len(piece)


def _multipart(data: Any, files: Any, content_type: str | None) -> Body:
    import secrets

    from eyesocket._native import http_multipart
    from eyesocket.http._errors import LocalProtocolError, translated

    parts: list[tuple[str, str | None, str | None, list[tuple[bytes, bytes]], bytes]] = []
    for name, value in data.items() if isinstance(data, Mapping) else data:
        values = value if isinstance(value, (list, tuple)) else [value]
        parts += [(name, None, None, [], one if isinstance(one, bytes) else text_of(one).encode()) for one in values]
    for name, given in files.items() if isinstance(files, Mapping) else files:
        filename, file, kind, fields = (
            (*given, None, None, None)[:4] if isinstance(given, tuple) else (_filename(given), given, None, None)
        )
        if isinstance(file, str):
            file = file.encode()
        elif hasattr(file, "read"):
            file = file.read()
        more = Headers(fields)
        # Said in the field, it is said: a part has one type.
        kind = more.pop("content-type", None) or kind
        if kind is None and filename is not None:
            import mimetypes

            kind = mimetypes.guess_type(filename)[0] or "application/octet-stream"
        parts.append((name, filename, kind, more._fields, bytes(file)))
    boundary = secrets.token_hex(16) if content_type is None else _boundary(content_type)
    try:
        body = http_multipart(parts, boundary)
    except UnicodeEncodeError as error:
        message = f"files: the character {error.object[error.start]!r} cannot be encoded; give bytes"
        raise LocalProtocolError(message) from None
    except ValueError as error:
        raise translated(error) from None
    return Body(body, content_type=f"multipart/form-data; boundary={boundary}")


def _boundary(content_type: str) -> str:
    """Give the boundary that a Content-Type of the caller's own names."""
    from email.message import Message

    from eyesocket.http._errors import LocalProtocolError

    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_boundary()
    if boundary is None:
        text = f"header: Content-Type {content_type!r} names no boundary of its parts; leave it out, it is added"
        raise LocalProtocolError(text)
    return boundary


def _filename(file: Any) -> str:
    name = getattr(file, "name", None)
    return name.rpartition("/")[2] if isinstance(name, str) else "upload"
