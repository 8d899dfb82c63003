"""The exceptions by their names in httpx, each also what Python users catch already.

What the engine raises (`ConnectionRefusedError`, `TimeoutError`, `eyesocket.errors.TruncatedError`, ...) leaves a
client as a subclass of that very class and of one of these, with the same attributes: both ways of catching it work.
"""

from __future__ import annotations

from eyesocket import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from eyesocket.http._request import Request
    from eyesocket.http._response import Response

__all__ = [
    "CloseError",
    "ConnectError",
    "ConnectTimeout",
    "CookieConflict",
    "DecodingError",
    "HTTPError",
    "HTTPStatusError",
    "InvalidURL",
    "LocalProtocolError",
    "NetworkError",
    "PoolTimeout",
    "ProtocolError",
    "ProxyError",
    "ReadError",
    "ReadTimeout",
    "RemoteProtocolError",
    "RequestError",
    "RequestNotRead",
    "ResponseNotRead",
    "StreamClosed",
    "StreamConsumed",
    "StreamError",
    "TimeoutException",
    "TooManyRedirects",
    "TransportError",
    "UnsupportedProtocol",
    "WriteError",
    "WriteTimeout",
    "raise_translated",
    "translated",
]


class HTTPError(Exception):
    """Base of what a request can end with."""

    _request: Request | None = None

    @property
    def request(self) -> Request:
        """What was asked for."""
        if self._request is None:
            message = "this error knows no request"
            raise RuntimeError(message)
        return self._request

    @request.setter
    def request(self, request: Request) -> None:
        self._request = request


class HTTPStatusError(HTTPError, OSError):
    """The response's status says that the request failed; see `response`."""

    def __init__(self, message: str, *, request: Request | None = None, response: Response) -> None:
        super().__init__(message)
        self._request = response.request if request is None else request
        self.response = response


class RequestError(HTTPError, OSError):
    """There is no response: see the subclasses."""


class TransportError(RequestError):
    """The connection, or what was said on it, failed."""


class TimeoutException(TransportError, TimeoutError):  # noqa: N818 - httpx's name
    """A limit of `Timeout` was reached; the total may end any phase."""


class ConnectTimeout(TimeoutException):
    """While the name was looked up, the connection made or TLS agreed on."""


class ReadTimeout(TimeoutException):
    """While waiting for the peer's bytes."""


class WriteTimeout(TimeoutException):
    """While the peer took none of ours."""


class PoolTimeout(TimeoutException):
    """While all connections of the client were in use."""


class NetworkError(TransportError):
    """The network, or the kernel, refused."""


class ConnectError(NetworkError):
    """No connection: name not found, refused, unreachable, TLS not agreed on."""


class ReadError(NetworkError):
    """Receiving failed."""


class WriteError(NetworkError):
    """Sending failed."""


class ProtocolError(TransportError):
    """HTTP was broken, by the peer or by us."""


class LocalProtocolError(ProtocolError, ValueError):
    """What was asked for cannot be sent."""


class RemoteProtocolError(ProtocolError):
    """The peer's bytes break HTTP, or end in the middle; `partial` has what had come of the content."""


class ProxyError(TransportError):
    """The proxy refused, or does not speak its protocol."""


class UnsupportedProtocol(TransportError, ValueError):  # noqa: N818 - httpx's name
    """The URL's scheme is neither http nor https."""


class DecodingError(RequestError):
    """The content is not in the coding it says."""


class TooManyRedirects(RequestError):  # noqa: N818 - httpx's name
    """One redirection after the other."""


class InvalidURL(ValueError):  # noqa: N818 - httpx's name
    """The URL cannot be asked for."""


class StreamError(RuntimeError):
    """A body was used in a way that it cannot be."""


class CloseError(NetworkError):
    """Closing a connection failed. Never raised: such a failure loses nothing; httpx has the name."""


class CookieConflict(Exception):  # noqa: N818 - httpx's name
    """Several cookies have the name. Never raised: `Cookies.get` gives the newest; httpx has the name."""


class RequestNotRead(StreamError):  # noqa: N818 - httpx's name
    """A request in pieces has not been read. Never raised: its `content` is None until then; httpx has the name."""


class ResponseNotRead(StreamError):  # noqa: N818 - httpx's name
    """The content is asked for before it was read."""


class StreamConsumed(StreamError):  # noqa: N818 - httpx's name
    """The body has been read piece by piece already, and is kept nowhere."""


class StreamClosed(StreamError):  # noqa: N818 - httpx's name
    """The response was closed before its body was read, or while it was; `partial` is what had come of a piece."""

    partial: bytes = b""


_TIMEOUTS: dict[str, type[HTTPError]] = {
    "connecting to": ConnectTimeout,
    "waiting for a free connection": PoolTimeout,
    "waiting for a free connection to": PoolTimeout,
    "send": WriteTimeout,
    "receive": ReadTimeout,
    "waiting for the response of": ReadTimeout,
    "reading the body from": ReadTimeout,
}
_REFUSALS: dict[str, type[HTTPError]] = {
    "recv": ReadError,
    "send": WriteError,
    "connecting to": ConnectError,
    "connect": ConnectError,
}
_ELEMENTS: dict[str, type[HTTPError]] = {
    "redirections": TooManyRedirects,
    "proxy reply": ProxyError,
    "SOCKS reply": ProxyError,
    "content": DecodingError,
    "Content-Encoding": DecodingError,
}


def _kind(error: OSError | ValueError) -> type[Exception]:
    """Give the class of this module that `error` belongs to."""
    operation, what = getattr(error, "operation", ""), getattr(error, "what", "")
    if isinstance(error, TimeoutError):
        return _TIMEOUTS.get(operation, TimeoutException)
    if isinstance(error, ValueError):
        if what != "url":
            return LocalProtocolError if what else ValueError
        return UnsupportedProtocol if "http" in str(error).rpartition(": ")[2] else InvalidURL
    if isinstance(error, errors.TLSError) or type(error).__name__ == "gaierror":
        return ConnectError
    if operation == "proxy handshake":
        return ProxyError
    if isinstance(error, (errors.ProtocolError, errors.TruncatedError, errors.TooLargeError)):
        return _ELEMENTS.get(what, RemoteProtocolError)
    return _REFUSALS.get(operation, NetworkError)


_made: dict[tuple[type, type], type] = {}


def translated(error: OSError | ValueError, request: Request | None = None) -> Exception:
    """Give `error` as an exception of its own class and of one of these, to be raised in its place."""
    kind, own = _kind(error), type(error)
    if not hasattr(error, "operation") or issubclass(own, (HTTPError, InvalidURL)) or kind is ValueError:
        return error
    both = _made.get((kind, own))
    if both is None:
        bases = (kind, own) if not issubclass(kind, own) else (kind,)
        both = type(
            kind.__name__, bases, {"__module__": "eyesocket.http", "__reduce__": _reduced, "__doc__": kind.__doc__}
        )
        _made[kind, own] = both
    made: Any = both.__new__(both, *error.args)
    (OSError if isinstance(made, OSError) else ValueError).__init__(made, *error.args)
    made.__dict__.update(error.__dict__)
    if isinstance(made, HTTPError):
        made._request = request
    return made.with_traceback(error.__traceback__)  # type: ignore[no-any-return]


def raise_translated(error: OSError | ValueError, request: Request) -> NoReturn:
    """Raise `error` as what users of httpx and of the standard library catch."""
    if isinstance(error, UnicodeEncodeError):
        # On its way to the engine, which takes no text that bytes cannot stand for.
        kind = LocalProtocolError if error.object == request.method else InvalidURL
        what = "method" if kind is LocalProtocolError else "url"
        message = f"{what}: the character {error.object[error.start]!r} cannot be encoded; percent-encode its bytes"
        raise kind(message) from None
    named = translated(error, request)
    if named is error:
        raise error
    raise named from None


def _reduced(error: Any) -> tuple[object, ...]:
    state = {name: value for name, value in error.__dict__.items() if name != "_request"}
    own = error.__class__.__bases__[-1]
    return _again, (own, error.args, state)


def _again(own: type[Exception], args: tuple[object, ...], state: dict[str, object]) -> Exception:
    error: Any = own.__new__(own, *args)
    error.args = args
    error.__dict__.update(state)
    return translated(error)
