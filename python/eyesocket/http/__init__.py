"""An HTTP/1.1 user agent on our own sockets, with the wire in sight.

The names are httpx's, so a switch is one import: `get`, `post`, ... and `request` for single requests, `Client` to keep
connections, `AsyncClient` and `aget`, `arequest`, ... to await the same. What they have that others lack: a total
deadline that holds, `Response.timings` and `Response.wire`.

Sources: RFC 9110 (semantics), RFC 9112 (HTTP/1.1).
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from http import HTTPStatus as codes  # noqa: F401, N813

    from eyesocket.http._auth import Auth as Auth
    from eyesocket.http._auth import BasicAuth as BasicAuth
    from eyesocket.http._auth import BearerAuth as BearerAuth
    from eyesocket.http._auth import DigestAuth as DigestAuth
    from eyesocket.http._auth import FunctionAuth as FunctionAuth
    from eyesocket.http._auth import NetRCAuth as NetRCAuth
    from eyesocket.http._base import USE_CLIENT_DEFAULT as USE_CLIENT_DEFAULT
    from eyesocket.http._client import AsyncClient as AsyncClient
    from eyesocket.http._client import Client as Client
    from eyesocket.http._cookie import Cookie as Cookie
    from eyesocket.http._cookies import Cookies as Cookies
    from eyesocket.http._download import adownload as adownload
    from eyesocket.http._download import download as download
    from eyesocket.http._errors import CloseError as CloseError
    from eyesocket.http._errors import ConnectError as ConnectError
    from eyesocket.http._errors import ConnectTimeout as ConnectTimeout
    from eyesocket.http._errors import CookieConflict as CookieConflict
    from eyesocket.http._errors import DecodingError as DecodingError
    from eyesocket.http._errors import HTTPError as HTTPError
    from eyesocket.http._errors import HTTPStatusError as HTTPStatusError
    from eyesocket.http._errors import InvalidURL as InvalidURL
    from eyesocket.http._errors import LocalProtocolError as LocalProtocolError
    from eyesocket.http._errors import NetworkError as NetworkError
    from eyesocket.http._errors import PoolTimeout as PoolTimeout
    from eyesocket.http._errors import ProtocolError as ProtocolError
    from eyesocket.http._errors import ProxyError as ProxyError
    from eyesocket.http._errors import ReadError as ReadError
    from eyesocket.http._errors import ReadTimeout as ReadTimeout
    from eyesocket.http._errors import RemoteProtocolError as RemoteProtocolError
    from eyesocket.http._errors import RequestError as RequestError
    from eyesocket.http._errors import RequestNotRead as RequestNotRead
    from eyesocket.http._errors import ResponseNotRead as ResponseNotRead
    from eyesocket.http._errors import StreamClosed as StreamClosed
    from eyesocket.http._errors import StreamConsumed as StreamConsumed
    from eyesocket.http._errors import StreamError as StreamError
    from eyesocket.http._errors import TimeoutException as TimeoutException
    from eyesocket.http._errors import TooManyRedirects as TooManyRedirects
    from eyesocket.http._errors import TransportError as TransportError
    from eyesocket.http._errors import UnsupportedProtocol as UnsupportedProtocol
    from eyesocket.http._errors import WriteError as WriteError
    from eyesocket.http._errors import WriteTimeout as WriteTimeout
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
    from eyesocket.http._parts import Interim as Interim
    from eyesocket.http._parts import ServerSentEvent as ServerSentEvent
    from eyesocket.http._parts import Timings as Timings
    from eyesocket.http._proxy import Proxy as Proxy
    from eyesocket.http._request import Request as Request
    from eyesocket.http._response import Response as Response
    from eyesocket.http._response import TLSConnection as TLSConnection
    from eyesocket.http._retry import Retry as Retry
    from eyesocket.http._settings import Limits as Limits
    from eyesocket.http._settings import Timeout as Timeout
    from eyesocket.http._url import URL as URL
    from eyesocket.http._url import QueryParams as QueryParams
    from eyesocket.http._wire import Piece as Piece
    from eyesocket.http._wire import Wire as Wire

__all__ = [
    "URL",
    "USE_CLIENT_DEFAULT",
    "AsyncClient",
    "Auth",
    "BasicAuth",
    "BearerAuth",
    "Client",
    "CloseError",
    "ConnectError",
    "ConnectTimeout",
    "Cookie",
    "CookieConflict",
    "Cookies",
    "DecodingError",
    "DigestAuth",
    "FunctionAuth",
    "HTTPError",
    "HTTPStatusError",
    "Headers",
    "Interim",
    "InvalidURL",
    "Limits",
    "LocalProtocolError",
    "NetRCAuth",
    "NetworkError",
    "Piece",
    "PoolTimeout",
    "ProtocolError",
    "Proxy",
    "ProxyError",
    "QueryParams",
    "ReadError",
    "ReadTimeout",
    "RemoteProtocolError",
    "Request",
    "RequestError",
    "RequestNotRead",
    "Response",
    "ResponseNotRead",
    "Retry",
    "ServerSentEvent",
    "StreamClosed",
    "StreamConsumed",
    "StreamError",
    "TLSConnection",
    "Timeout",
    "TimeoutException",
    "Timings",
    "TooManyRedirects",
    "TransportError",
    "UnsupportedProtocol",
    "Wire",
    "WriteError",
    "WriteTimeout",
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
    "CloseError": "_errors",
    "ConnectError": "_errors",
    "ConnectTimeout": "_errors",
    "Cookie": "_cookie",
    "Cookies": "_cookies",
    "CookieConflict": "_errors",
    "DecodingError": "_errors",
    "DigestAuth": "_auth",
    "FunctionAuth": "_auth",
    "HTTPError": "_errors",
    "HTTPStatusError": "_errors",
    "Headers": "_headers",
    "Interim": "_parts",
    "InvalidURL": "_errors",
    "Limits": "_settings",
    "LocalProtocolError": "_errors",
    "NetRCAuth": "_auth",
    "NetworkError": "_errors",
    "Piece": "_wire",
    "PoolTimeout": "_errors",
    "ProtocolError": "_errors",
    "Proxy": "_proxy",
    "ProxyError": "_errors",
    "QueryParams": "_url",
    "ReadError": "_errors",
    "ReadTimeout": "_errors",
    "RemoteProtocolError": "_errors",
    "Request": "_request",
    "RequestError": "_errors",
    "Response": "_response",
    "RequestNotRead": "_errors",
    "ResponseNotRead": "_errors",
    "Retry": "_retry",
    "ServerSentEvent": "_parts",
    "StreamClosed": "_errors",
    "StreamConsumed": "_errors",
    "StreamError": "_errors",
    "TLSConnection": "_response",
    "Timeout": "_settings",
    "TimeoutException": "_errors",
    "Timings": "_parts",
    "TooManyRedirects": "_errors",
    "TransportError": "_errors",
    "URL": "_url",
    "USE_CLIENT_DEFAULT": "_base",
    "UnsupportedProtocol": "_errors",
    "Wire": "_wire",
    "WriteError": "_errors",
    "WriteTimeout": "_errors",
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


def __getattr__(name: str) -> object:
    if name == "codes":
        module, attribute = "http", "HTTPStatus"
    elif name in _HOMES:
        module, attribute = f"{__name__}.{_HOMES[name]}", name
    else:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    __import__(module)
    value: object = getattr(sys.modules[module], attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
