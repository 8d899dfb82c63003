"""What both clients share: settings, and what a request's arguments mean."""

from __future__ import annotations

import os
import time

from eyesocket._native import HttpClient, HttpPlan, __version__
from eyesocket.http._auth import AuthTypes, chosen_auth
from eyesocket.http._cookies import Cookies
from eyesocket.http._headers import Headers, HeaderTypes, encoded, given_fields
from eyesocket.http._proxy import ProxyTypes, way
from eyesocket.http._request import EMPTY, Body, Request, cookie_text, encode_body, with_params, without
from eyesocket.http._retry import Retry
from eyesocket.http._settings import Limits, Timeout, TimeoutTypes, count
from eyesocket.http._trust import identity, trust
from eyesocket.http._url import URL, QueryParams

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence
    from os import PathLike
    from typing import Any

    from eyesocket._native import HttpAuth
    from eyesocket.http._auth import Auth
    from eyesocket.http._response import Response

__all__ = ["USE_CLIENT_DEFAULT", "Base", "Prepared"]

_MOST_CONTENT = 1 << 30
_WIRE = 64 * 1024
_DEFAULT: Any = object()
USE_CLIENT_DEFAULT = _DEFAULT
"""Stands for "as the client has it" where None means something else."""
_OWN_FIELDS = [
    (b"Accept", b"*/*"),
    (b"Accept-Encoding", b"gzip, deflate, br, zstd"),
    (b"User-Agent", f"eyesocket/{__version__}".encode()),
]
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY")
_HOOKS = ("request", "response", "error")
_SENDING = ("auth", "decode", "follow_redirects", "stream")


def _places(connect_to: Mapping[tuple[str, int], tuple[str, int]]) -> dict[tuple[str, int], tuple[str, int]]:
    """See that both ends of each are a host and a port."""
    for place in (place for both in connect_to.items() for place in both):
        if not (isinstance(place, tuple) and len(place) == 2 and isinstance(place[0], str)):
            message = f"connect_to: {place!r} is no (host, port)"
            raise TypeError(message)
        if not (isinstance(place[1], int) and 0 < place[1] < 65536):
            message = f"connect_to: {place[1]!r} is no port; give 1 to 65535"
            raise ValueError(message)
    return dict(connect_to)


class Base:
    """What both clients share."""

    _plan: HttpPlan | None
    headers: Headers
    cookies: Cookies
    timeout: Timeout
    base_url: URL
    params: QueryParams
    _hooks: dict[str, list[Callable[..., Any]]]
    _hooked = False
    """Whether there may be hooks: somebody set some, or has the lists."""

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
        proxy: ProxyTypes = None,
        timeout: TimeoutTypes = _DEFAULT,
        follow_redirects: bool = False,
        max_redirects: int = 20,
        allow_insecure_redirects: bool = False,
        keep_method: bool = False,
        limits: Limits | None = None,
        event_hooks: Mapping[str, Sequence[Callable[..., Any]]] | None = None,
        base_url: str = "",
        uds: str | PathLike[str] | None = None,
        connect_to: Mapping[tuple[str, int], tuple[str, int]] | None = None,
        retries: Retry | int = 0,
        max_size: int = _MOST_CONTENT,
        wire_limit: int = _WIRE,
        lf_only_heads: bool = True,
        default_encoding: str | Callable[[bytes], str] = "",
    ) -> None:
        limits = limits or Limits()
        authorities, policy = trust(verify)
        proxy_url, proxy_auth = way(proxy)
        environment = {name: os.environ[name] for name in _PROXY_VARIABLES if name in os.environ} if trust_env else None
        self._native = HttpClient(
            authorities,
            identity(cert),
            limits.max_connections,
            limits.max_keepalive_connections,
            limits.keepalive_expiry,
            proxy_url,
            environment,
            None if connect_to is None else _places(connect_to),
            None if uds is None else os.fspath(uds),
            lf_only_heads,
            policy,
            proxy_auth,
        )
        self.auth = auth
        self.params = params
        self.trust_env = trust_env
        self.default_encoding = default_encoding
        self.headers = Headers(headers)
        # Asking for `__dict__`, in place of this, would make every attribute slower from then on.
        object.__setattr__(self, "cookies", Cookies._of(self._native))
        if cookies:
            self.cookies.replace(cookies)
        self.timeout = Timeout() if timeout is _DEFAULT else Timeout(timeout)
        self.follow_redirects = follow_redirects
        self.max_redirects = count("max_redirects", max_redirects, 2**32 - 1)
        self.allow_insecure_redirects = allow_insecure_redirects
        self.keep_method = keep_method
        self.event_hooks = event_hooks
        self.base_url = URL(base_url)
        self.retries = Retry(retries) if isinstance(retries, int) else retries
        self.max_size = count("max_size", max_size, 2**63 - 1)
        self.wire_limit = count("wire_limit", wire_limit, 2**63 - 1)
        self.is_closed = False
        self._planned = 0

    def _url(self, url: str) -> str:
        scheme, mark, _ = url.partition("://")
        if self.base_url and not (mark and scheme.isalpha()):
            return f"{self.base_url.rstrip('/')}/{url.lstrip('/')}"
        return url

    def _fields(
        self, headers: HeaderTypes | None, cookies: Mapping[str, str] | None, body: Body
    ) -> list[tuple[bytes, bytes]]:
        own = self.headers._fields
        fields = list(own)
        given = {name.lower() for name, _ in own}
        if headers is not None:
            more, names = given_fields(headers)
            fields = [field for field in fields if field[0].lower() not in names] + more
            given |= names
        pairs = {**self.cookies._own, **(cookies or {})}
        if pairs and b"cookie" not in given:
            fields.append((b"Cookie", encoded(cookie_text(pairs))))
        if body.content_type is not None and b"content-type" not in given:
            fields.append((b"Content-Type", body.content_type.encode()))
        return [field for field in _OWN_FIELDS if field[0].lower() not in given] + fields

    def build_request(
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
        timeout: TimeoutTypes = _DEFAULT,
        extensions: Mapping[str, Any] | None = None,
    ) -> Request:
        """Give the request for these arguments and this client's settings, to be sent by `send`."""
        url = self._url(url)
        for query in (without(self.params, params), params):
            if query:
                url = with_params(url, query)
        kind = Headers([*self.headers._fields, *given_fields(headers or {})[0]]).get("content-type") if files else None
        body = encode_body(content, data, files, json, kind)
        fields = self._fields(headers, cookies, body)
        limit = None if timeout is _DEFAULT else Timeout(timeout)
        return Request._of(method.upper(), url, fields, body, dict(extensions or {}), limit)

    def _split(self, method: str, url: str, options: dict[str, Any]) -> tuple[Request, dict[str, Any]]:
        """Give the request, and how it is to be sent."""
        self._check_open()
        sending = {name: options.pop(name) for name in _SENDING if name in options}
        return self.build_request(method, url, **options), sending

    def _settle(
        self,
        request: Request,
        *,
        auth: AuthTypes = _DEFAULT,
        follow_redirects: bool | None = None,
        stream: bool = False,
        decode: bool = True,
    ) -> Prepared:
        self._check_open()
        options = (
            stream,
            self.follow_redirects if follow_redirects in (None, _DEFAULT) else follow_redirects,
            self.max_redirects,
            (self.allow_insecure_redirects, self.keep_method),
            decode,
            self.max_size,
            self.wire_limit,
        )
        native, flow = chosen_auth(self.auth if auth is _DEFAULT else auth)
        return Prepared(request, (request._timeout or self.timeout)._tuple(), native, flow, options)

    def _check_open(self) -> None:
        if self.is_closed:
            message = "this client is closed; make a new one"
            raise RuntimeError(message)

    def __setattr__(self, name: str, value: Any) -> None:
        # Any setting may be part of the plan.
        object.__setattr__(self, "_plan", None)
        if name == "headers" and not isinstance(value, Headers):
            value = Headers(value)
        elif name == "cookies":
            self.cookies.replace(value)
            return
        elif name == "timeout":
            value = Timeout(value)
        elif name == "base_url":
            value = URL(value)
        elif name == "params":
            value = QueryParams(value)
        object.__setattr__(self, name, value)

    @property
    def event_hooks(self) -> dict[str, list[Callable[..., Any]]]:
        """The functions to be called, lists by `request`, `response`, `error`; they may be changed at any time."""
        object.__setattr__(self, "_hooked", True)
        return self._hooks

    @event_hooks.setter
    def event_hooks(self, hooks: Mapping[str, Sequence[Callable[..., Any]]] | None) -> None:
        hooks = hooks or {}
        if unknown := set(hooks) - set(_HOOKS):
            message = f"event_hooks: there is no {', '.join(map(repr, unknown))}; there are {', '.join(_HOOKS)}"
            raise ValueError(message)
        self._hooks = {kind: list(hooks.get(kind, ())) for kind in _HOOKS}
        self._hooked = any(self._hooks.values())

    def _plain(self) -> HttpPlan | None:
        """Give the plan of a request without options, None if settings ask for more; made anew after a change."""
        if self._hooked and any(self._hooks.values()):
            return None
        plan = self._plan
        changes = self.headers._changes + self.cookies._changes
        if plan is not None and changes == self._planned:
            return plan
        self._check_open()
        if self.params or self.base_url or self.retries.total or self.default_encoding:
            return None
        prepared = self._settle(Request._of("GET", "", self._fields(None, None, EMPTY), EMPTY))
        if prepared.flow is not None:
            return None
        plan = prepared.plan()
        self._planned = changes
        object.__setattr__(self, "_plan", plan)
        return plan

    def _dress(self, response: Response, request: Request) -> Response:
        """Give a response what it takes from its request and client."""
        if request.extensions:
            response._extensions = request.extensions
        if self.default_encoding:
            response.default_encoding = self.default_encoding
        return response

    @property
    def connections(self) -> tuple[int, int]:
        """How many connections are open, and how many of them are idle."""
        return self._native.connections()


class Prepared:
    """A request and how it is to be sent."""

    __slots__ = ("auth", "flow", "limit", "options", "request", "until")

    def __init__(
        self,
        request: Request,
        limit: tuple[float | None, float | None, float | None, float | None, float | None],
        auth: HttpAuth | None,
        flow: Auth | None,
        options: tuple[bool, bool, int, tuple[bool, bool], bool, int, int],
    ) -> None:
        self.request = request
        self.limit = limit
        self.auth = auth
        self.flow = flow
        self.options = options
        self.until: float | None = None

    def start(self) -> None:
        """From now on the total counts, for all that is sent on the way to the response."""
        total = self.limit[-1]
        self.until = None if total is None else time.monotonic() + total

    def left(self) -> float | None:
        """Give the seconds that are left of the total; None is without end."""
        return self.limit[-1] if self.until is None else max(0.0, self.until - time.monotonic())

    def plan(self) -> HttpPlan:
        """Give what the native client takes."""
        return HttpPlan(self.request.headers._fields, (*self.limit[:-1], self.left()), self.auth, self.options)

    def of(self, request: Request) -> Prepared:
        """Give the same for another request, its flow left out."""
        other = Prepared(request, self.limit, self.auth, None, self.options)
        other.until = self.until
        return other
