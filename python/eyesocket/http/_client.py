"""Clients: connections, cookies and settings that outlive a request."""

from __future__ import annotations

from eyesocket.http._base import USE_CLIENT_DEFAULT, Base, Prepared
from eyesocket.http._errors import raise_translated
from eyesocket.http._request import EMPTY, Request
from eyesocket.http._response import Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

    from eyesocket._native import HttpPlan, HttpResponse
    from eyesocket.http._auth import AuthTypes

__all__ = ["AsyncClient", "AsyncStream", "Client", "Stream"]


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


class Client(Base):
    """A user agent that keeps its connections; safe for threads. Use it with `with`, or `close()` it.

    For every request: `auth`, `params`, `headers`, `cookies`, `timeout` (seconds in all, or a `Timeout`),
    `follow_redirects`, `max_redirects`, `allow_insecure_redirects` (from https to http),
    `keep_method` (redirections never ask with GET instead; the body goes all the same), `base_url`, `event_hooks`
    (lists of functions by `request`, `response`, `error`), `retries` (how often, or a `Retry`), `max_size` (bytes of
    content taken into memory), `default_encoding` (of text that names none), `wire_limit` (bytes each way kept for
    `Response.wire`).

    For its connections: `limits`, `verify` (True: this platform's authorities; a PEM file; an `ssl.SSLContext`,
    honoured as far as it can be read; False: nobody is verified), `cert` (PEM with chain and key, or both apart),
    `proxy` (http, https, socks5 or socks5h URL, or a `Proxy`), `trust_env` (proxies by environment), `uds` (a UNIX
    socket's path), `connect_to` ((host, port) to go to instead, by (host, port)), `lf_only_heads` (whether heads whose
    lines all end in LF alone are read).

    Raises: ValueError for settings that cannot be used.
    """

    def _exchange(self, prepared: Prepared) -> Response:
        """Send one request; what comes of it is the response, redirections and known credentials included."""
        request = prepared.request
        body = request._body
        try:
            plan = prepared.plan()
            if body.pieces is None:
                response = Response(self._native.request(request.method, request.url, body.content, plan), body.content)
            else:
                response = Response(self._upload(request, plan))
        except (OSError, ValueError) as error:
            raise_translated(error, request)
        return self._dress(response, request)

    def _upload(self, request: Request, plan: HttpPlan) -> HttpResponse:
        body = request._body
        if not hasattr(body.pieces, "__iter__"):
            message = "content: pieces that are awaited need an AsyncClient"
            raise TypeError(message)
        pieces = body.begin()
        upload = self._native.start(request.method, request.url, body.length, plan, body.rewinds)
        answer: HttpResponse | None
        try:
            while (answer := upload.run()) is None:
                if upload.anew():
                    pieces = body.begin()
                piece = next(pieces, None)
                if piece is None:
                    upload.feed_end()
                else:
                    upload.feed(piece)
        except BaseException:
            upload.abandon()
            raise
        return answer

    def _once(self, prepared: Prepared) -> Response:
        """Send a request, and what its credentials' flow makes of it."""
        if prepared.flow is None:
            return self._exchange(prepared)
        flow = prepared.flow.sync_auth_flow(prepared.request)
        before: list[Response] = []
        try:
            request = next(flow)
            while True:
                response = self._exchange(prepared.of(request))
                try:
                    request = flow.send(response)
                except StopIteration:
                    return response.after(before)
                except BaseException:
                    response.close()
                    raise
                response.read()
                before += [*response.history, response]
        finally:
            flow.close()

    def request(self, method: str, url: str, **options: Any) -> Response:
        """Send a request and wait for its response.

        `content` (bytes, str, a binary file, an iterable of bytes), `data` (a form), `files` (multipart), `json`;
        `params` (added to the query), `headers` (None for a value leaves out what goes out by itself), `cookies`,
        `auth`, `follow_redirects`, `timeout` (seconds in all, or a `Timeout`), `decode` (False leaves content codings
        on), `extensions` (yours, kept for hooks).

        Raises: `OSError` and its kin (refused, unreachable, name not found), `TimeoutError`, `TruncatedError`,
        `ProtocolError`, `TLSError`, `TooLargeError` of `eyesocket.errors`; `ValueError` for what cannot be sent.
        """
        if not options and (plan := self._plain()) is not None:
            try:
                return Response(self._native.request(method.upper(), url, None, plan))
            except (OSError, ValueError) as error:
                raise_translated(error, Request._of(method, url, [], EMPTY))
        request, sending = self._split(method, url, options)
        return self.send(request, **sending)

    def send(
        self,
        request: Request,
        *,
        stream: bool = False,
        auth: AuthTypes = USE_CLIENT_DEFAULT,
        follow_redirects: bool | None = None,
        decode: bool = True,
    ) -> Response:
        """Send a request of `build_request` and wait for its response; with `stream`, for its head."""
        hooks = self._hooks
        for hook in hooks["request"]:
            hook(request)
        prepared = self._settle(request, auth=auth, follow_redirects=follow_redirects, stream=stream, decode=decode)
        prepared.start()
        try:
            response = self.retries.run(self._once, prepared) if self.retries.total else self._once(prepared)
        except BaseException as error:
            for hook in hooks["error"]:
                hook(request, error)
            raise
        try:
            for hook in hooks["response"]:
                hook(response)
        except BaseException:
            # Nobody gets it, to close it.
            response.close()
            raise
        return response

    def stream(self, method: str, url: str, **options: Any) -> Stream:
        """Send a request and give the response when its head is there: `with client.stream("GET", url) as response`."""
        return Stream(self, method, url, options)

    def get(self, url: str, **options: Any) -> Response:
        """Send a GET request."""
        if not options and (plan := self._plain()) is not None:
            try:
                return Response(self._native.request("GET", url, None, plan))
            except (OSError, ValueError) as error:
                raise_translated(error, Request._of("GET", url, [], EMPTY))
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
        self._check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient(Base):
    """What `Client` is, to be awaited, on asyncio or uvloop. Use it with `async with`, or `await aclose()` it.

    Settings are those of `Client`; event hooks are coroutine functions.
    """

    async def _exchange(self, prepared: Prepared) -> Response:
        """Send one request; what comes of it is the response, redirections and known credentials included."""
        request = prepared.request
        body = request._body
        try:
            plan = prepared.plan()
            if body.pieces is None:
                native = await self._native.request_async(request.method, request.url, body.content, plan)
                response = Response(native, body.content)
            else:
                response = Response(await self._upload(request, plan))
        except (OSError, ValueError) as error:
            raise_translated(error, request)
        return self._dress(response, request)

    async def _upload(self, request: Request, plan: HttpPlan) -> HttpResponse:
        body = request._body
        later, pieces = hasattr(body.pieces, "__aiter__"), body.begin()
        upload = self._native.start(request.method, request.url, body.length, plan, body.rewinds)
        answer: HttpResponse | None
        try:
            while (answer := await upload.run_async()) is None:
                if upload.anew():
                    pieces = body.begin()
                piece = await anext(pieces, None) if later else next(pieces, None)
                if piece is None:
                    upload.feed_end()
                else:
                    upload.feed(piece)
        except BaseException:
            upload.abandon()
            raise
        return answer  # type: ignore[no-any-return]  # an awaitable of the stub gives anything

    async def _once(self, prepared: Prepared) -> Response:
        """Send a request, and what its credentials' flow makes of it."""
        if prepared.flow is None:
            return await self._exchange(prepared)
        flow = prepared.flow.async_auth_flow(prepared.request)
        before: list[Response] = []
        try:
            request = await anext(flow)
            while True:
                response = await self._exchange(prepared.of(request))
                try:
                    request = await flow.asend(response)
                except StopAsyncIteration:
                    return response.after(before)
                except BaseException:
                    response.close()
                    raise
                await response.aread()
                before += [*response.history, response]
        finally:
            await flow.aclose()

    async def request(self, method: str, url: str, **options: Any) -> Response:
        """Send a request and await its response; options and errors as of `Client.request`."""
        if not options and (plan := self._plain()) is not None:
            try:
                return Response(await self._native.request_async(method.upper(), url, None, plan))
            except (OSError, ValueError) as error:
                raise_translated(error, Request._of(method, url, [], EMPTY))
        request, sending = self._split(method, url, options)
        return await self.send(request, **sending)

    async def send(
        self,
        request: Request,
        *,
        stream: bool = False,
        auth: AuthTypes = USE_CLIENT_DEFAULT,
        follow_redirects: bool | None = None,
        decode: bool = True,
    ) -> Response:
        """Send a request of `build_request` and await its response; with `stream`, its head."""
        hooks = self._hooks
        for hook in hooks["request"]:
            await hook(request)
        prepared = self._settle(request, auth=auth, follow_redirects=follow_redirects, stream=stream, decode=decode)
        prepared.start()
        try:
            response = await (
                self.retries.run_async(self._once, prepared) if self.retries.total else self._once(prepared)
            )
        except BaseException as error:
            for hook in hooks["error"]:
                await hook(request, error)
            raise
        try:
            for hook in hooks["response"]:
                await hook(response)
        except BaseException:
            # Nobody gets it, to close it.
            response.close()
            raise
        return response

    def stream(self, method: str, url: str, **options: Any) -> AsyncStream:
        """Send a request and give the response when its head is there; use it with `async with`."""
        return AsyncStream(self, method, url, options)

    async def get(self, url: str, **options: Any) -> Response:
        """Send a GET request."""
        if not options and (plan := self._plain()) is not None:
            try:
                return Response(await self._native.request_async("GET", url, None, plan))
            except (OSError, ValueError) as error:
                raise_translated(error, Request._of("GET", url, [], EMPTY))
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
        self._check_open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
