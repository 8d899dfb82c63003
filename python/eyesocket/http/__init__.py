"""An HTTP/1.1 user agent on our own sockets, with the wire in sight.

The names are httpx's, so a switch is one import: `get`, `post`, ... and `request` for single requests, `Client` to keep
connections, `AsyncClient` and `aget`, `arequest`, ... to await the same. What they have that others lack: a total
deadline that holds, `Response.timings` and `Response.wire`.

Sources: RFC 9110 (semantics), RFC 9112 (HTTP/1.1).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from eyesocket.errors import ProtocolError
from eyesocket.http._auth import Auth, BasicAuth, BearerAuth, DigestAuth, NetRCAuth
from eyesocket.http._client import AsyncClient, Client
from eyesocket.http._cookies import Cookie, Cookies
from eyesocket.http._functions import (
    adelete,
    aget,
    ahead,
    aoptions,
    apatch,
    apost,
    aput,
    arequest,
    astream,
    delete,
    get,
    head,
    options,
    patch,
    post,
    put,
    request,
    stream,
)
from eyesocket.http._headers import Headers
from eyesocket.http._request import Request
from eyesocket.http._response import HTTPStatusError, Interim, Response, ServerSentEvent, Timings
from eyesocket.http._retry import Retry
from eyesocket.http._settings import Limits, Timeout
from eyesocket.http._wire import Piece, Wire

if TYPE_CHECKING:
    from eyesocket.http._download import adownload as adownload
    from eyesocket.http._download import download as download
    from eyesocket.http._har import har as har

__all__ = [
    "AsyncClient",
    "Auth",
    "BasicAuth",
    "BearerAuth",
    "Client",
    "Cookie",
    "Cookies",
    "DigestAuth",
    "HTTPStatusError",
    "Headers",
    "Interim",
    "Limits",
    "NetRCAuth",
    "Piece",
    "Request",
    "Response",
    "Retry",
    "ServerSentEvent",
    "Timeout",
    "Timings",
    "Wire",
    "adelete",
    "adownload",
    "aget",
    "ahead",
    "aoptions",
    "apatch",
    "apost",
    "aput",
    "arequest",
    "astream",
    "delete",
    "download",
    "get",
    "har",
    "head",
    "options",
    "patch",
    "post",
    "put",
    "request",
    "stream",
]

_LATER = {"adownload": "_download", "download": "_download", "har": "_har"}
"""Names that few programs use, and the modules they are fetched from when they are asked for."""

# The classes that people know from httpx, for `except`: what is really raised is as in `eyesocket.errors`.
TimeoutException = TimeoutError
ConnectTimeout = ReadTimeout = WriteTimeout = PoolTimeout = TimeoutError
HTTPError = TransportError = RequestError = OSError
ConnectError = NetworkError = ReadError = WriteError = OSError
InvalidURL = UnsupportedProtocol = LocalProtocolError = ValueError
RemoteProtocolError = TooManyRedirects = ProxyError = DecodingError = ProtocolError


def __getattr__(name: str) -> object:
    if name in _LATER:
        value: object = getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
        globals()[name] = value
        return value
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
