"""What stands between: a proxy, and what proves to it who asks."""

from __future__ import annotations

from eyesocket.http._auth import AuthTypes, chosen_auth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from eyesocket._native import HttpAuth

__all__ = ["Proxy", "ProxyTypes", "way"]


class Proxy:
    """A proxy: `[http|https|socks5|socks5h]://[user:password@]host[:port]`, for `proxy=`.

    `auth` is (user, password), `DigestAuth`, `BasicAuth` or `BearerAuth`, for this proxy alone; it or the URL has them.
    A user and a password are sent as Basic at once, and proved by Digest (RFC 7616) from the first 407 on that asks for
    it; `DigestAuth` waits for that, so the password is never sent. SOCKS takes (user, password).

    Raises: TypeError for other credentials; the client that takes it, ValueError for a URL that is no proxy's or holds
    credentials beside these.
    """

    __slots__ = ("_native", "url")

    url: str
    """Where it is, credentials and all; the `repr` hides them."""

    def __init__(self, url: str, *, auth: AuthTypes = None) -> None:
        self.url = url
        self._native, flow = chosen_auth(auth)
        if flow is not None:
            message = "proxy: auth is (user, password), DigestAuth, BasicAuth or BearerAuth; no other flow"
            raise TypeError(message)

    def __repr__(self) -> str:
        scheme, mark, rest = self.url.rpartition("://")
        credentials, at, host = rest.rpartition("@")
        told = ", auth=..." if self._native is not None or credentials or at else ""
        return f"Proxy({scheme + mark + host!r}{told})"


ProxyTypes = Proxy | str | None


def way(proxy: ProxyTypes) -> tuple[str | None, HttpAuth | None]:
    """Give a proxy's URL and its credentials beside that."""
    if proxy is None or isinstance(proxy, str):
        return proxy, None
    if isinstance(proxy, Proxy):
        return proxy.url, proxy._native
    message = f"proxy: {type(proxy).__name__} is neither a URL nor a Proxy"
    raise TypeError(message)
