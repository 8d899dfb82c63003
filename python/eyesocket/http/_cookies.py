"""The cookies of a client."""

from __future__ import annotations

from _collections_abc import Iterable, Iterator, Mapping, MutableMapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike

    from eyesocket._native import HttpClient
    from eyesocket.http._cookie import Cookie

__all__ = ["Cookies"]


def _text(value: bytes) -> str:
    # Bytes that are no text come back as they were.
    return value.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


class Cookies(MutableMapping[str, str]):
    """A client's cookies by name.

    Those set here without a domain go with every request that the client is asked for, but not along a redirection to
    another origin; those of servers follow RFC 6265bis.
    """

    def __init__(self, cookies: Mapping[str, str] | Iterable[tuple[str, str]] | None = None) -> None:
        """Make a jar of its own, with `cookies` for every request; `Client.cookies` is the jar of that client."""
        from eyesocket._native import HttpClient

        self._native = HttpClient()
        self._own: dict[str, str] = {}
        self._changes = 0
        if isinstance(cookies, Cookies):
            self._take(cookies)
        elif cookies is not None:
            self._own.update(cookies)

    @classmethod
    def _of(cls, native: HttpClient) -> Cookies:
        made = cls.__new__(cls)
        made._native, made._own, made._changes = native, {}, 0
        return made

    def _take(self, cookies: Cookies) -> None:
        """Put all of `cookies` in, each with its domain."""
        self._changes += 1
        self._own.update(cookies._own)
        for cookie in cookies.jar:
            self._put(cookie)

    def _put(self, cookie: Cookie) -> None:
        self._native.put_cookie((_bytes(cookie.name), _bytes(cookie.value), *cookie[2:]))

    def replace(self, cookies: Mapping[str, str] | None) -> None:
        """Have these cookies in place of all others."""
        given = Cookies(cookies)
        self.clear()
        self._take(given)

    @property
    def jar(self) -> list[Cookie]:
        """The cookies that belong to a domain."""
        from eyesocket.http._cookie import Cookie

        return [Cookie(_text(parts[0]), _text(parts[1]), *parts[2:]) for parts in self._native.cookies()]

    def set(self, name: str, value: str, domain: str = "", path: str = "/") -> None:
        """Put a cookie in: for a domain and what is below it, or (without a domain) for every request.

        A cookie of a public suffix (`co.uk`) goes to that host alone.
        """
        self._changes += 1
        if not domain:
            self._own[name] = value
            return
        from eyesocket.http._cookie import Cookie

        whole = {"host_only": False, "secure": False, "http_only": False, "expires": None}
        self._put(Cookie(name, value, domain.lstrip("."), path=path, **whole))  # type: ignore[arg-type]

    def get(  # type: ignore[override]
        self, name: str, default: str | None = None, domain: str | None = None, path: str | None = None
    ) -> str | None:
        """Give the value of the cookie `name`, of that domain and path if they are given."""
        for cookie in reversed(self.jar):
            if cookie.name == name and domain in (None, cookie.domain) and path in (None, cookie.path):
                return cookie.value
        return self._own.get(name, default) if domain is None and path is None else default

    def delete(self, name: str, domain: str | None = None, path: str | None = None) -> None:
        """Remove the cookies `name`, of that domain and path if they are given."""
        self._changes += 1
        self._native.remove_cookies(_bytes(name), domain, path)
        if domain is None and path is None:
            self._own.pop(name, None)

    def clear(self, domain: str | None = None, path: str | None = None) -> None:
        """Remove all cookies, or those of a domain and path."""
        self._changes += 1
        self._native.remove_cookies(None, domain, path)
        if domain is None and path is None:
            self._own.clear()

    def save(self, path: str | PathLike[str]) -> None:
        """Write all cookies to a file (JSON, readable for its owner only), which is whole at any time.

        What is there and is no file (a device, a pipe), or lies where nothing can take its place, is written to.
        """
        from eyesocket.http._jar_file import save

        cookies: list[dict[str, object]] = [{"name": name, "value": value} for name, value in self._own.items()]
        save(path, cookies + [cookie.to_dict() for cookie in self.jar])

    def load(self, path: str | PathLike[str]) -> None:
        """Put the cookies of a file that `save` wrote in.

        Raises: `ValueError` for a file that holds something else.
        """
        from eyesocket.http._cookie import Cookie
        from eyesocket.http._jar_file import load

        for parts in load(path):
            if len(parts) == 2:
                self.set(parts["name"], parts["value"])
            else:
                self._put(Cookie(**parts))

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __setitem__(self, name: str, value: str) -> None:
        self.set(name, value)

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise KeyError(name)
        self.delete(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._own, *(cookie.name for cookie in self.jar)]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __repr__(self) -> str:
        return f"<Cookies: {', '.join(self) or 'none'}>"
