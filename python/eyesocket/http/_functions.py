"""Single requests: each makes a client, uses it once and closes it."""

from __future__ import annotations

from eyesocket.http._client import AsyncClient, AsyncStream, Client, Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from eyesocket.http._response import Response

__all__ = [
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

_CLIENT = (
    "allow_insecure_redirects",
    "cert",
    "connect_to",
    "default_encoding",
    "event_hooks",
    "keep_method",
    "limits",
    "lf_only_heads",
    "max_redirects",
    "max_size",
    "proxy",
    "retries",
    "trust_env",
    "uds",
    "verify",
    "wire_limit",
)


def _split(options: dict[str, Any]) -> dict[str, Any]:
    """Take out of `options` what belongs to the client."""
    return {name: options.pop(name) for name in _CLIENT if name in options}


def request(method: str, url: str, **options: Any) -> Response:
    """Send a request and wait for its response; options as of `Client` and `Client.request`."""
    with Client(**_split(options)) as client:
        return client.request(method, url, **options)


def stream(method: str, url: str, **options: Any) -> Stream:
    """Send a request and give the response when its head is there: `with http.stream("GET", url) as response`."""
    return Stream(Client(**_split(options)), method, url, options, own_client=True)


def astream(method: str, url: str, **options: Any) -> AsyncStream:
    """Send a request and give the response when its head is there; use it with `async with`."""
    return AsyncStream(AsyncClient(**_split(options)), method, url, options, own_client=True)


async def arequest(method: str, url: str, **options: Any) -> Response:
    """Send a request and await its response; options as of `AsyncClient` and `AsyncClient.request`."""
    async with AsyncClient(**_split(options)) as client:
        return await client.request(method, url, **options)


def get(url: str, **options: Any) -> Response:
    """Send a GET request and wait for its response."""
    return request("GET", url, **options)


async def aget(url: str, **options: Any) -> Response:
    """Send a GET request and await its response."""
    return await arequest("GET", url, **options)


def options(url: str, **options: Any) -> Response:
    """Send an OPTIONS request and wait for its response."""
    return request("OPTIONS", url, **options)


async def aoptions(url: str, **options: Any) -> Response:
    """Send an OPTIONS request and await its response."""
    return await arequest("OPTIONS", url, **options)


def head(url: str, **options: Any) -> Response:
    """Send a HEAD request and wait for its response."""
    return request("HEAD", url, **options)


async def ahead(url: str, **options: Any) -> Response:
    """Send a HEAD request and await its response."""
    return await arequest("HEAD", url, **options)


def delete(url: str, **options: Any) -> Response:
    """Send a DELETE request and wait for its response."""
    return request("DELETE", url, **options)


async def adelete(url: str, **options: Any) -> Response:
    """Send a DELETE request and await its response."""
    return await arequest("DELETE", url, **options)


def post(url: str, **options: Any) -> Response:
    """Send a POST request and wait for its response."""
    return request("POST", url, **options)


async def apost(url: str, **options: Any) -> Response:
    """Send a POST request and await its response."""
    return await arequest("POST", url, **options)


def put(url: str, **options: Any) -> Response:
    """Send a PUT request and wait for its response."""
    return request("PUT", url, **options)


async def aput(url: str, **options: Any) -> Response:
    """Send a PUT request and await its response."""
    return await arequest("PUT", url, **options)


def patch(url: str, **options: Any) -> Response:
    """Send a PATCH request and wait for its response."""
    return request("PATCH", url, **options)


async def apatch(url: str, **options: Any) -> Response:
    """Send a PATCH request and await its response."""
    return await arequest("PATCH", url, **options)
