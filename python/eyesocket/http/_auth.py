"""Who asks: credentials as requests and clients take them."""

from __future__ import annotations

from _collections_abc import Callable

from eyesocket._native import HttpAuth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from os import PathLike
    from typing import Any

    from eyesocket.http._request import Request
    from eyesocket.http._response import Response

__all__ = [
    "Auth",
    "AuthTypes",
    "BasicAuth",
    "BearerAuth",
    "DigestAuth",
    "FunctionAuth",
    "NetRCAuth",
    "chosen_auth",
]


def _first(flow: Generator[Request, Response, None], auth: Auth) -> Request:
    asked = next(flow, None) if hasattr(flow, "send") else None
    if asked is None:
        message = f"{type(auth).__name__}.auth_flow has yielded no request; it is to yield the one that it was given"
        raise TypeError(message)
    return asked


class Auth:
    """Credentials of your own making: write `auth_flow`, a generator.

    It is given the request, yields it with what proves who asks, and is sent the response; then it yields the next
    request (a token to be fetched, the same once more) or returns, which makes that response the answer. The requests
    in between take the client's connections, cookies and redirections, not its hooks and retries. Fields that it sets
    stay with their origin: a redirection elsewhere goes without.
    """

    requires_request_body = False
    """Whether a body in pieces is collected before the flow begins."""
    requires_response_body = False
    """Whether a response is read before the flow is sent it."""

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Yield requests, be sent their responses; this one yields its request and no other."""
        yield request

    def sync_auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Do the flow of a `Client`; override it where waiting has to be done in another way than by `await`."""
        if self.requires_request_body:
            request.read()
        flow = self.auth_flow(request)
        asked = _first(flow, self)
        while True:
            response = yield asked
            if self.requires_response_body:
                response.read()
            try:
                asked = flow.send(response)
            except StopIteration:
                return

    async def async_auth_flow(self, request: Request) -> AsyncGenerator[Request, Response]:
        """Do the flow of an `AsyncClient`."""
        if self.requires_request_body:
            await request.aread()
        flow = self.auth_flow(request)
        asked = _first(flow, self)
        while True:
            response = yield asked
            if self.requires_response_body:
                await response.aread()
            try:
                asked = flow.send(response)
            except StopIteration:
                return

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class FunctionAuth(Auth):
    """A function that is given the request and gives it back with what proves who asks."""

    def __init__(self, function: Callable[[Request], Request]) -> None:
        self._function = function

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Yield what the function makes of the request."""
        asked: Request | None = self._function(request)
        if asked is None:
            message = "auth: the function gave None; it is to give the request that it was given"
            raise TypeError(message)
        yield asked


class _Known(Auth):
    """Credentials whose flow the native client does itself, for the origin that they are given for."""

    __slots__ = ("_native",)
    _native: HttpAuth


def _made(make: Callable[..., HttpAuth], *words: Any) -> HttpAuth:
    """Make credentials; those that cannot be sent are refused as what they are."""
    try:
        return make(*words)
    except ValueError as error:
        from eyesocket.http._errors import translated

        raise translated(error) from None


class BasicAuth(_Known):
    """User and password, readable for whoever reads the request (RFC 7617)."""

    __slots__ = ()

    def __init__(self, username: str | bytes, password: str | bytes) -> None:
        self._native = _made(HttpAuth.basic, _bytes(username), _bytes(password))


class BearerAuth(_Known):
    """A token (RFC 6750)."""

    __slots__ = ()

    def __init__(self, token: str) -> None:
        self._native = _made(HttpAuth.bearer, token)


class DigestAuth(_Known):
    """User and password, proved by digests: MD5, SHA-256, SHA-512-256, their session kinds, auth-int (RFC 7616).

    SHA-512, which no RFC names, is answered too, for some servers ask for it. Keep the object between requests: it
    keeps the server's last challenge, which saves a round trip.
    """

    __slots__ = ()

    def __init__(self, username: str | bytes, password: str | bytes) -> None:
        self._native = _made(HttpAuth.digest, _bytes(username), _bytes(password))


class NetRCAuth(_Known):
    """Users and passwords by exact host, from a netrc file (`~/.netrc` if none is named); looked up at each hop."""

    __slots__ = ()

    def __init__(self, file: str | PathLike[str] | None = None) -> None:
        import netrc

        known = netrc.netrc(None if file is None else str(file)).hosts
        self._native = _made(
            HttpAuth.by_host,
            [
                (host, login.encode(), password.encode())
                for host, (login, _, password) in known.items()
                if host != "default"
            ],
        )


AuthTypes = Auth | tuple[str | bytes, str | bytes] | Callable[..., object] | None


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def chosen_auth(auth: AuthTypes) -> tuple[HttpAuth | None, Auth | None]:
    """Give what the native client takes for `auth`, and the flow that is to be done here."""
    if auth is None:
        return None, None
    if isinstance(auth, _Known):
        return auth._native, None
    if isinstance(auth, Auth):
        return None, auth
    if isinstance(auth, tuple) and len(auth) == 2:
        return BasicAuth(*auth)._native, None
    if callable(auth):
        return None, FunctionAuth(auth)  # type: ignore[arg-type]  # what it gives is seen when it is sent
    message = f"auth: {type(auth).__name__} is neither (user, password), an Auth such as DigestAuth, nor a function"
    raise TypeError(message)
