"""Clients: connections and settings that outlive a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import urlencode

from eyesocket._native import HttpClient, http_url
from eyesocket.http._headers import Headers, HeaderTypes
from eyesocket.http._response import Response
from eyesocket.http._settings import Limits, Timeout, TimeoutTypes

if TYPE_CHECKING:
    import ssl
    from os import PathLike
    from types import TracebackType

__all__ = ["AsyncClient", "Client"]

_MOST_CONTENT = 1 << 30
_WIRE = 64 * 1024
_DEFAULT: Any = object()


def _trust(verify: object) -> bytes | list[bytes] | bool | None:
    """Give what the native client takes for `verify`."""
    if verify is True:
        return None
    if verify is False:
        return False
    if hasattr(verify, "get_ca_certs"):
        context = cast("ssl.SSLContext", verify)
        return list(context.get_ca_certs(binary_form=True))
    with open(verify, "rb") as file:  # type: ignore[call-overload]  # noqa: PTH123 - any path-like, bytes too
        pem: bytes = file.read()
    return pem


class _Base:
    """What both clients share: settings, and what a request's arguments mean."""

    def __init__(
        self,
        *,
        headers: HeaderTypes | None = None,
        params: Any = None,
        timeout: TimeoutTypes = _DEFAULT,
        verify: bool | str | PathLike[str] | ssl.SSLContext = True,
        base_url: str = "",
        limits: Limits | None = None,
        max_size: int = _MOST_CONTENT,
        wire_limit: int = _WIRE,
    ) -> None:
        limits = limits or Limits()
        self.headers = Headers(headers)
        self.params = params
        self.timeout = Timeout() if timeout is _DEFAULT else Timeout(timeout)
        self.base_url = base_url
        self.max_size = max_size
        self.wire_limit = wire_limit
        self.is_closed = False
        self._native = HttpClient(
            _trust(verify),
            None,
            limits.max_connections,
            limits.max_keepalive_connections,
            limits.keepalive_expiry,
        )

    def _arguments(
        self,
        method: str,
        url: str,
        *,
        params: Any = None,
        headers: HeaderTypes | None = None,
        content: bytes | str | None = None,
        data: Any = None,
        json: Any = None,
        timeout: TimeoutTypes = _DEFAULT,
        stream: bool = False,
    ) -> tuple[Any, ...]:
        if self.is_closed:
            message = "this client is closed; make a new one"
            raise RuntimeError(message)
        if self.base_url and "://" not in url:
            url = self.base_url.rstrip("/") + "/" + url.lstrip("/")
        query = params if params is not None else self.params
        if query:
            scheme, _, rest = url.partition("#")
            joint = "&" if "?" in scheme else "?"
            url = scheme + joint + urlencode(query, doseq=True) + (f"#{rest}" if rest else "")
        fields = Headers(self.headers)
        if headers is not None:
            fields.update(Headers(headers))
        body: bytes | None = None
        if content is not None:
            body = content.encode() if isinstance(content, str) else bytes(content)
        elif json is not None:
            from json import dumps

            body = dumps(json, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
            fields.setdefault("Content-Type", "application/json")
        elif data is not None:
            body = urlencode(data, doseq=True).encode()
            fields.setdefault("Content-Type", "application/x-www-form-urlencoded")
        for name, value in (("Accept", "*/*"), ("User-Agent", _agent())):
            fields.setdefault(name, value)
        limit = self.timeout if timeout is _DEFAULT else Timeout(timeout)
        return method, url, fields.raw, body, limit._tuple(), stream, self.max_size, self.wire_limit

    @property
    def connections(self) -> tuple[int, int]:
        """How many connections are open, and how many of them are idle."""
        return self._native.connections()


def _agent() -> str:
    from eyesocket import __version__

    return f"eyesocket/{__version__}"


class Client(_Base):
    """A user agent that keeps its connections; safe for threads. Use it with `with`, or `close()` it."""

    def request(self, method: str, url: str, **options: Any) -> Response:
        """Send a request and wait for its response."""
        return Response(self._native.request(*self._arguments(method, url, **options)))

    def get(self, url: str, **options: Any) -> Response:
        """Send a GET request."""
        return self.request("GET", url, **options)

    def head(self, url: str, **options: Any) -> Response:
        """Send a HEAD request."""
        return self.request("HEAD", url, **options)

    def options(self, url: str, **options: Any) -> Response:
        """Send an OPTIONS request."""
        return self.request("OPTIONS", url, **options)

    def delete(self, url: str, **options: Any) -> Response:
        """Send a DELETE request."""
        return self.request("DELETE", url, **options)

    def post(self, url: str, **options: Any) -> Response:
        """Send a POST request."""
        return self.request("POST", url, **options)

    def put(self, url: str, **options: Any) -> Response:
        """Send a PUT request."""
        return self.request("PUT", url, **options)

    def patch(self, url: str, **options: Any) -> Response:
        """Send a PATCH request."""
        return self.request("PATCH", url, **options)

    def close(self) -> None:
        """Close the connections; the client cannot be used any more."""
        self.is_closed = True
        self._native.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient(_Base):
    """The same to be awaited, on asyncio or uvloop. Use it with `async with`, or `await aclose()` it."""

    async def request(self, method: str, url: str, **options: Any) -> Response:
        """Send a request and await its response."""
        return Response(await self._native.request_async(*self._arguments(method, url, **options)))

    async def get(self, url: str, **options: Any) -> Response:
        """Send a GET request."""
        return await self.request("GET", url, **options)

    async def head(self, url: str, **options: Any) -> Response:
        """Send a HEAD request."""
        return await self.request("HEAD", url, **options)

    async def options(self, url: str, **options: Any) -> Response:
        """Send an OPTIONS request."""
        return await self.request("OPTIONS", url, **options)

    async def delete(self, url: str, **options: Any) -> Response:
        """Send a DELETE request."""
        return await self.request("DELETE", url, **options)

    async def post(self, url: str, **options: Any) -> Response:
        """Send a POST request."""
        return await self.request("POST", url, **options)

    async def put(self, url: str, **options: Any) -> Response:
        """Send a PUT request."""
        return await self.request("PUT", url, **options)

    async def patch(self, url: str, **options: Any) -> Response:
        """Send a PATCH request."""
        return await self.request("PATCH", url, **options)

    async def aclose(self) -> None:
        """Close the connections; the client cannot be used any more."""
        self.is_closed = True
        self._native.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()


def checked_url(url: str) -> str:
    """Give the canonical form of `url`, or raise ValueError."""
    return http_url(url)[4]
