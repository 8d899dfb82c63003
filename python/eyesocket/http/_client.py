"""Clients: connections, cookies and settings that outlive a request."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Self

from eyesocket._native import HttpClient, HttpPlan, __version__
from eyesocket.http._auth import AuthTypes, native_auth
from eyesocket.http._cookies import Cookies
from eyesocket.http._headers import Headers, HeaderTypes, encoded
from eyesocket.http._request import Body, Request, encode_body, with_params
from eyesocket.http._response import Response
from eyesocket.http._retry import Retry
from eyesocket.http._settings import Limits, Timeout, TimeoutTypes
from eyesocket.http._trust import identity, trust

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence
    from os import PathLike
    from types import TracebackType

    from eyesocket._native import HttpAuth, HttpResponse

__all__ = ["AsyncClient", "AsyncStream", "Client", "Prepared", "Stream"]

_MOST_CONTENT = 1 << 30
_WIRE = 64 * 1024
_DEFAULT: Any = object()
_OWN_FIELDS = [
    (b"Accept", b"*/*"),
    (b"Accept-Encoding", b"gzip, deflate, br, zstd"),
    (b"User-Agent", f"eyesocket/{__version__}".encode()),
]
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY")


class _Base:
    """What both clients share: settings, and what a request's arguments mean."""

    _plan: HttpPlan | None

    def __init__(
        self,
        *,
        auth: AuthTypes = None,
        params: Any = None,
        headers: HeaderTypes | None = None,
        cookies: Mapping[str, str] | None = None,
        verify: bool | str | PathLike[str] | ssl.SSLContext = True,
        cert: str | tuple[str, str] | None = None,
        trust_env: bool = True,
        proxy: str | None = None,
        timeout: TimeoutTypes = _DEFAULT,
        follow_redirects: bool = False,
        max_redirects: int = 20,
        allow_insecure_redirects: bool = False,
        limits: Limits | None = None,
        event_hooks: Mapping[str, Sequence[Callable[..., Any]]] | None = None,
        base_url: str = "",
        uds: str | PathLike[str] | None = None,
        connect_to: Mapping[tuple[str, int], tuple[str, int]] | None = None,
        retries: Retry | int = 0,
        max_size: int = _MOST_CONTENT,
        wire_limit: int = _WIRE,
        lf_only_heads: bool = True,
    ) -> None:
        limits = limits or Limits()
        authorities, policy = trust(verify)
        environment = {name: os.environ[name] for name in _PROXY_VARIABLES if name in os.environ} if trust_env else None
        self._native = HttpClient(
            authorities,
            identity(cert),
            limits.max_connections,
            limits.max_keepalive_connections,
            limits.keepalive_expiry,
            proxy,
            environment,
            None if connect_to is None else dict(connect_to),
            None if uds is None else os.fspath(uds),
            lf_only_heads,
            policy,
        )
        self.auth = auth
        self.params = params
        self.headers = Headers(headers)
        self.cookies = Cookies(self._native, dict(cookies or {}))
        self.timeout = Timeout() if timeout is _DEFAULT else Timeout(timeout)
        self.follow_redirects = follow_redirects
        self.max_redirects = max_redirects
        self.allow_insecure_redirects = allow_insecure_redirects
        self.event_hooks: dict[str, list[Callable[..., Any]]] = {
            "request": list((event_hooks or {}).get("request", ())),
            "response": list((event_hooks or {}).get("response", ())),
        }
        self.base_url = base_url
        self.retries = Retry(retries) if isinstance(retries, int) else retries
        self.max_size = max_size
        self.wire_limit = wire_limit
        self.is_closed = False
        self._planned = 0

    def _url(self, url: str) -> str:
        if self.base_url and "://" not in url:
            return f"{self.base_url.rstrip('/')}/{url.lstrip('/')}" if url else self.base_url
        return url

    def _fields(
        self, headers: HeaderTypes | None, cookies: Mapping[str, str] | None, body: Body
    ) -> list[tuple[bytes, bytes]]:
        own = self.headers._fields
        fields = list(own)
        given = {name.lower() for name, _ in own}
        if headers is not None:
            more = Headers(headers)._fields
            names = {name.lower() for name, _ in more}
            fields = [field for field in fields if field[0].lower() not in names] + more
            given |= names
        pairs = {**self.cookies._own, **(cookies or {})}
        if pairs and b"cookie" not in given:
            text = "; ".join(f"{name}={value}" for name, value in pairs.items())
            fields.append((b"Cookie", encoded(text)))
        if body.content_type is not None and b"content-type" not in given:
            fields.append((b"Content-Type", body.content_type.encode()))
        return [field for field in _OWN_FIELDS if field[0].lower() not in given] + fields

    def _prepare(
        self,
        method: str,
        url: str,
        *,
        content: Any = None,
        data: Any = None,
        files: Any = None,
        json: Any = None,
        params: Any = None,
        headers: HeaderTypes | None = None,
        cookies: Mapping[str, str] | None = None,
        auth: AuthTypes = _DEFAULT,
        follow_redirects: bool | None = None,
        timeout: TimeoutTypes = _DEFAULT,
        stream: bool = False,
        decode: bool = True,
    ) -> Prepared:
        self._check_open()
        url = self._url(url)
        for query in (self.params, params):
            if query:
                url = with_params(url, query)
        body = encode_body(content, data, files, json)
        fields = self._fields(headers, cookies, body)
        limit = self.timeout if timeout is _DEFAULT else Timeout(timeout)
        options = (
            stream,
            self.follow_redirects if follow_redirects is None else follow_redirects,
            self.max_redirects,
            self.allow_insecure_redirects,
            decode,
            self.max_size,
            self.wire_limit,
        )
        credentials = native_auth(self.auth if auth is _DEFAULT else auth)
        return Prepared(method, url, fields, body, limit._tuple(), credentials, options)

    def _check_open(self) -> None:
        if self.is_closed:
            message = "this client is closed; make a new one"
            raise RuntimeError(message)

    def __setattr__(self, name: str, value: object) -> None:
        # Any setting may be part of the plan.
        object.__setattr__(self, "_plan", None)
        object.__setattr__(self, name, value)

    def _plain(self) -> HttpPlan | None:
        """Give the plan of a request without options, None if settings ask for more; made anew after a change."""
        hooks = self.event_hooks
        if hooks["request"] or hooks["response"]:
            return None
        plan = self._plan
        changes = self.headers._changes + self.cookies._changes
        if plan is not None and changes == self._planned:
            return plan
        self._check_open()
        if self.params or self.base_url or self.retries.total:
            return None
        plan = self._prepare("GET", "").plan()
        self._planned = changes
        object.__setattr__(self, "_plan", plan)
        return plan

    @property
    def connections(self) -> tuple[int, int]:
        """How many connections are open, and how many of them are idle."""
        return self._native.connections()


class Prepared:
    """A request, ready to be sent; hooks may change its headers."""

    __slots__ = ("auth", "body", "fields", "limit", "method", "options", "url")

    def __init__(
        self,
        method: str,
        url: str,
        fields: list[tuple[bytes, bytes]],
        body: Body,
        limit: tuple[float | None, float | None, float | None, float | None, float | None],
        auth: HttpAuth | None,
        options: tuple[bool, bool, int, bool, bool, int, int],
    ) -> None:
        self.method = method
        self.url = url
        self.fields = fields
        self.body = body
        self.limit = limit
        self.auth = auth
        self.options = options

    def request(self) -> Request:
        """Give the request as hooks see it."""
        return Request(self.method, self.url, Headers._of(list(self.fields)), self.body.content)

    def plan(self) -> HttpPlan:
        """Give what the native client takes."""
        return HttpPlan(self.fields, self.limit, self.auth, self.options)

    def take(self, request: Request) -> None:
        """Take over what hooks have made of the request."""
        self.method, self.url, self.fields = request.method, request.url, request.headers.raw


class Stream:
    """A request whose response is given when its head is there, and closed at the end of the `with`."""

    def __init__(
        self, client: Client, method: str, url: str, options: dict[str, Any], *, own_client: bool = False
    ) -> None:
        self._client, self._method, self._url, self._options = client, method, url, options
        self._own_client = own_client
        self._response: Response | None = None

    def __enter__(self) -> Response:
        self._response = self._client.request(self._method, self._url, stream=True, **self._options)
        return self._response

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._response is not None:
            self._response.close()
        if self._own_client:
            self._client.close()


class AsyncStream:
    """The same, to be awaited."""

    def __init__(
        self, client: AsyncClient, method: str, url: str, options: dict[str, Any], *, own_client: bool = False
    ) -> None:
        self._client, self._method, self._url, self._options = client, method, url, options
        self._own_client = own_client
        self._response: Response | None = None

    async def __aenter__(self) -> Response:
        self._response = await self._client.request(self._method, self._url, stream=True, **self._options)
        return self._response

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._response is not None:
            self._response.close()
        if self._own_client:
            await self._client.aclose()


class Client(_Base):
    """A user agent that keeps its connections; safe for threads. Use it with `with`, or `close()` it."""

    def _send(self, prepared: Prepared) -> Response:
        if prepared.body.pieces is None:
            content = prepared.body.content
            native = self._native.request(prepared.method, prepared.url, content, prepared.plan())
            return Response(native, prepared.body.content)
        upload = self._native.start(prepared.method, prepared.url, prepared.body.length, prepared.plan())
        pieces = iter(prepared.body.pieces)
        answer: HttpResponse | None
        while (answer := upload.run()) is None:
            piece = next(pieces, None)
            if piece is None:
                upload.feed_end()
            else:
                upload.feed(piece)
        return Response(answer)

    def request(self, method: str, url: str, **options: Any) -> Response:
        """Send a request and wait for its response.

        `content` (bytes, str, a binary file, an iterable of bytes), `data` (a form), `files` (multipart), `json`;
        `params` (added to the query), `headers`, `cookies`, `auth`, `follow_redirects`, `timeout` (seconds in all, or a
        `Timeout`), `decode` (False leaves content codings on).

        Raises: `OSError` and its kin (refused, unreachable, name not found), `TimeoutError`, `TruncatedError`,
        `ProtocolError`, `TLSError`, `TooLargeError` of `eyesocket.errors`; `ValueError` for what cannot be sent.
        """
        if not options and (plan := self._plain()) is not None:
            return Response(self._native.request(method, url, None, plan))
        prepared = self._prepare(method, url, **options)
        hooks = self.event_hooks
        if hooks["request"]:
            request = prepared.request()
            for hook in hooks["request"]:
                hook(request)
            prepared.take(request)
        response = self.retries.run(self._send, prepared) if self.retries.total else self._send(prepared)
        for hook in hooks["response"]:
            hook(response)
        return response

    def stream(self, method: str, url: str, **options: Any) -> Stream:
        """Send a request and give the response when its head is there: `with client.stream("GET", url) as response`."""
        return Stream(self, method, url, options)

    def get(self, url: str, **options: Any) -> Response:
        """Send a GET request."""
        if not options and (plan := self._plain()) is not None:
            return Response(self._native.request("GET", url, None, plan))
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

    async def _send(self, prepared: Prepared) -> Response:
        if prepared.body.pieces is None:
            content = prepared.body.content
            native = await self._native.request_async(prepared.method, prepared.url, content, prepared.plan())
            return Response(native, prepared.body.content)
        upload = self._native.start(prepared.method, prepared.url, prepared.body.length, prepared.plan())
        given = prepared.body.pieces
        later = given.__aiter__() if hasattr(given, "__aiter__") else None
        now = None if later is not None else iter(given)
        answer: HttpResponse | None
        while (answer := await upload.run_async()) is None:
            piece = await anext(later, None) if later is not None else next(now, None)  # type: ignore[arg-type]
            if piece is None:
                upload.feed_end()
            else:
                upload.feed(piece)
        return Response(answer)

    async def request(self, method: str, url: str, **options: Any) -> Response:
        """Send a request and await its response; options and errors as of `Client.request`."""
        if not options and (plan := self._plain()) is not None:
            return Response(await self._native.request_async(method, url, None, plan))
        prepared = self._prepare(method, url, **options)
        hooks = self.event_hooks
        if hooks["request"]:
            request = prepared.request()
            for hook in hooks["request"]:
                await hook(request)
            prepared.take(request)
        response = await (self.retries.run_async(self._send, prepared) if self.retries.total else self._send(prepared))
        for hook in hooks["response"]:
            await hook(response)
        return response

    def stream(self, method: str, url: str, **options: Any) -> AsyncStream:
        """Send a request and give the response when its head is there; use it with `async with`."""
        return AsyncStream(self, method, url, options)

    async def get(self, url: str, **options: Any) -> Response:
        """Send a GET request."""
        if not options and (plan := self._plain()) is not None:
            return Response(await self._native.request_async("GET", url, None, plan))
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
