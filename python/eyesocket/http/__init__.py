"""An HTTP/1.1 user agent on our own sockets, with the wire in sight.

The names are httpx's, so a switch is one import: `get`, `post`, ... and `request` for single requests, `Client` to keep
connections, `AsyncClient` and `aget`, `arequest`, ... to await the same. What they have that others lack: a total
deadline that holds, `Response.timings` and `Response.wire`.

Sources: RFC 9110 (semantics), RFC 9112 (HTTP/1.1).
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from eyesocket.http._auth import Auth as Auth
    from eyesocket.http._auth import BasicAuth as BasicAuth
    from eyesocket.http._auth import BearerAuth as BearerAuth
    from eyesocket.http._auth import DigestAuth as DigestAuth
    from eyesocket.http._auth import NetRCAuth as NetRCAuth
    from eyesocket.http._client import AsyncClient as AsyncClient
    from eyesocket.http._client import Client as Client
    from eyesocket.http._cookies import Cookie as Cookie
    from eyesocket.http._cookies import Cookies as Cookies
    from eyesocket.http._download import adownload as adownload
    from eyesocket.http._download import download as download
    from eyesocket.http._functions import adelete as adelete
    from eyesocket.http._functions import aget as aget
    from eyesocket.http._functions import ahead as ahead
    from eyesocket.http._functions import aoptions as aoptions
    from eyesocket.http._functions import apatch as apatch
    from eyesocket.http._functions import apost as apost
    from eyesocket.http._functions import aput as aput
    from eyesocket.http._functions import arequest as arequest
    from eyesocket.http._functions import astream as astream
    from eyesocket.http._functions import delete as delete
    from eyesocket.http._functions import get as get
    from eyesocket.http._functions import head as head
    from eyesocket.http._functions import options as options
    from eyesocket.http._functions import patch as patch
    from eyesocket.http._functions import post as post
    from eyesocket.http._functions import put as put
    from eyesocket.http._functions import request as request
    from eyesocket.http._functions import stream as stream
    from eyesocket.http._har import har as har
    from eyesocket.http._headers import Headers as Headers
    from eyesocket.http._request import Request as Request
    from eyesocket.http._response import HTTPStatusError as HTTPStatusError
    from eyesocket.http._response import Interim as Interim
    from eyesocket.http._response import Response as Response
    from eyesocket.http._response import ServerSentEvent as ServerSentEvent
    from eyesocket.http._response import Timings as Timings
    from eyesocket.http._response import TLSConnection as TLSConnection
    from eyesocket.http._retry import Retry as Retry
    from eyesocket.http._settings import Limits as Limits
    from eyesocket.http._settings import Timeout as Timeout
    from eyesocket.http._wire import Piece as Piece
    from eyesocket.http._wire import Wire as Wire

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
    "TLSConnection",
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

_HOMES = {
    "AsyncClient": "_client",
    "Auth": "_auth",
    "BasicAuth": "_auth",
    "BearerAuth": "_auth",
    "Client": "_client",
    "Cookie": "_cookies",
    "Cookies": "_cookies",
    "DigestAuth": "_auth",
    "HTTPStatusError": "_response",
    "Headers": "_headers",
    "Interim": "_response",
    "Limits": "_settings",
    "NetRCAuth": "_auth",
    "Piece": "_wire",
    "Request": "_request",
    "Response": "_response",
    "Retry": "_retry",
    "ServerSentEvent": "_response",
    "TLSConnection": "_response",
    "Timeout": "_settings",
    "Timings": "_response",
    "Wire": "_wire",
    "adelete": "_functions",
    "adownload": "_download",
    "aget": "_functions",
    "ahead": "_functions",
    "aoptions": "_functions",
    "apatch": "_functions",
    "apost": "_functions",
    "aput": "_functions",
    "arequest": "_functions",
    "astream": "_functions",
    "delete": "_functions",
    "download": "_download",
    "get": "_functions",
    "har": "_har",
    "head": "_functions",
    "options": "_functions",
    "patch": "_functions",
    "post": "_functions",
    "put": "_functions",
    "request": "_functions",
    "stream": "_functions",
}
"""A name: the module that it lives in, imported when it is first asked for."""

_CAUGHT = {
    **dict.fromkeys(
        ("ConnectTimeout", "PoolTimeout", "ReadTimeout", "TimeoutException", "WriteTimeout"), "builtins.TimeoutError"
    ),
    **dict.fromkeys(
        (
            "ConnectError",
            "HTTPError",
            "NetworkError",
            "ReadError",
            "RequestError",
            "TransportError",
            "WriteError",
        ),
        "builtins.OSError",
    ),
    **dict.fromkeys(("InvalidURL", "LocalProtocolError", "UnsupportedProtocol"), "builtins.ValueError"),
    **dict.fromkeys(
        ("DecodingError", "ProxyError", "RemoteProtocolError", "TooManyRedirects"), "eyesocket.errors.ProtocolError"
    ),
}
"""What people catch with httpx: the class that is really raised here."""


def __getattr__(name: str) -> object:
    if name in _HOMES:
        module, attribute = f"{__name__}.{_HOMES[name]}", name
    elif name in _CAUGHT:
        module, _, attribute = _CAUGHT[name].rpartition(".")
    else:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value: object = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
