"""Who asks: credentials as requests and clients take them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eyesocket._native import HttpAuth

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["Auth", "AuthTypes", "BasicAuth", "BearerAuth", "DigestAuth", "NetRCAuth", "native_auth"]


class Auth:
    """Credentials for the origin of the request that they are given with; a redirection elsewhere goes without."""

    __slots__ = ("_native",)
    _native: HttpAuth

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class BasicAuth(Auth):
    """User and password, readable for whoever reads the request (RFC 7617)."""

    __slots__ = ()

    def __init__(self, username: str | bytes, password: str | bytes) -> None:
        self._native = HttpAuth.basic(_bytes(username), _bytes(password))


class BearerAuth(Auth):
    """A token (RFC 6750)."""

    __slots__ = ()

    def __init__(self, token: str) -> None:
        self._native = HttpAuth.bearer(token)


class DigestAuth(Auth):
    """User and password, proved by digests: MD5, SHA-256, SHA-512-256, their session kinds, auth-int (RFC 7616).

    Keep the object between requests: it keeps the server's last challenge, which saves a round trip.
    """

    __slots__ = ()

    def __init__(self, username: str | bytes, password: str | bytes) -> None:
        self._native = HttpAuth.digest(_bytes(username), _bytes(password))


class NetRCAuth(Auth):
    """Users and passwords by exact host, from a netrc file (`~/.netrc` if none is named); looked up at each hop."""

    __slots__ = ()

    def __init__(self, file: str | PathLike[str] | None = None) -> None:
        import netrc

        known = netrc.netrc(None if file is None else str(file)).hosts
        self._native = HttpAuth.by_host(
            [
                (host, login.encode(), password.encode())
                for host, (login, _, password) in known.items()
                if host != "default"
            ]
        )


AuthTypes = Auth | tuple[str | bytes, str | bytes] | None


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def native_auth(auth: AuthTypes) -> HttpAuth | None:
    """Give what the native client takes for `auth`."""
    if auth is None:
        return None
    if isinstance(auth, Auth):
        return auth._native
    if isinstance(auth, tuple) and len(auth) == 2:
        return BasicAuth(*auth)._native
    message = f"auth: {type(auth).__name__} is neither (user, password) nor an Auth such as DigestAuth"
    raise TypeError(message)
