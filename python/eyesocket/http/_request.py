"""What is asked for: the arguments of a request made into what is sent."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any, NamedTuple

from eyesocket.http._headers import Headers

__all__ = ["Request", "encode_body", "with_params"]


class Request:
    """A request as the caller made it; hooks and HAR records see this."""

    __slots__ = ("content", "headers", "method", "url")

    def __init__(self, method: str, url: str, headers: Headers, content: bytes | None = None) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.content = content

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.url}>"


class Body(NamedTuple):
    """What is sent: bytes, or pieces of a known or unknown length in all."""

    content: bytes | None = None
    pieces: Any = None
    length: int | None = None
    content_type: str | None = None


_EMPTY = Body()


def with_params(url: str, params: Any) -> str:
    """Give `url` with `params` added to its query; each may be a mapping, pairs, or text."""
    from urllib.parse import urlencode

    query = params if isinstance(params, str) else urlencode(params, doseq=True)
    if not query:
        return url
    front, hash_, fragment = url.partition("#")
    return f"{front}{'&' if '?' in front else '?'}{query}{hash_}{fragment}"


def encode_body(content: Any, data: Any, files: Any, json: Any) -> Body:
    """Give what is sent for the arguments of a request."""
    if content is None and data is None and files is None and json is None:
        return _EMPTY
    if content is not None:
        return _content(content)
    if json is not None:
        from json import dumps

        text = dumps(json, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return Body(text.encode(), content_type="application/json")
    if files:
        return _multipart(data or {}, files)
    if isinstance(data, (str, bytes)) or not isinstance(data, (Mapping, list, tuple, type(None))):
        return _content(data)
    from urllib.parse import urlencode

    return Body(urlencode(data or {}, doseq=True).encode(), content_type="application/x-www-form-urlencoded")


def _content(content: Any) -> Body:
    if isinstance(content, bytes):
        return Body(content)
    if isinstance(content, str):
        return Body(content.encode(), content_type="text/plain; charset=utf-8")
    if isinstance(content, (bytearray, memoryview)):
        return Body(bytes(content))
    if hasattr(content, "read"):
        return Body(pieces=_file_pieces(content), length=_file_length(content))
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


def _file_pieces(file: Any) -> Iterable[bytes]:
    while piece := file.read(256 * 1024):
        yield piece


def _multipart(data: Any, files: Any) -> Body:
    import secrets

    from eyesocket._native import http_multipart

    parts: list[tuple[str, str | None, str | None, bytes]] = []
    for name, value in data.items() if isinstance(data, Mapping) else data:
        values = value if isinstance(value, (list, tuple)) else [value]
        parts += [(name, None, None, one if isinstance(one, bytes) else str(one).encode()) for one in values]
    for name, given in files.items() if isinstance(files, Mapping) else files:
        filename, file, content_type = (
            (*given, None, None)[:3] if isinstance(given, tuple) else (_filename(given), given, None)
        )
        if isinstance(file, str):
            file = file.encode()
        elif hasattr(file, "read"):
            file = file.read()
        if content_type is None and filename is not None:
            import mimetypes

            content_type = mimetypes.guess_type(filename)[0] or "application/octet-stream"
        parts.append((name, filename, content_type, bytes(file)))
    boundary = secrets.token_hex(16)
    return Body(http_multipart(parts, boundary), content_type=f"multipart/form-data; boundary={boundary}")


def _filename(file: Any) -> str:
    name = getattr(file, "name", None)
    return name.rpartition("/")[2] if isinstance(name, str) else "upload"
