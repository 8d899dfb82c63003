"""An HTTP/1.1 user agent on our own sockets, with the wire in sight.

The names are httpx's, so a switch is one import: `get`, `post`, ... and `request` for single requests, `Client` to keep
connections, `AsyncClient` and `aget`, `arequest`, ... to await the same. What they have that others lack: a total
deadline that holds, `Response.timings` and `Response.wire`.

Sources: RFC 9110 (semantics), RFC 9112 (HTTP/1.1).
"""

from __future__ import annotations

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
    "aget",
    "ahead",
    "aoptions",
    "apatch",
    "apost",
    "aput",
    "arequest",
    "astream",
    "delete",
    "get",
    "head",
    "options",
    "patch",
    "post",
    "put",
    "request",
    "stream",
]
