"""URLs and their queries as values, by their names in httpx."""

from __future__ import annotations

from _collections_abc import Iterable, Iterator, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
    from urllib.parse import SplitResult

__all__ = ["URL", "QueryParamTypes", "QueryParams", "text_of"]


def text_of(value: object) -> str:
    """Give a value of a query or a form as text: true and false in lower case, None as nothing."""
    if value is True:
        return "true"
    if value is False:
        return "false"
    return "" if value is None else str(value)


def _sayable(text: str) -> str:
    """Give text without surrogates, which no bytes can carry."""
    return text.encode("utf-8", "backslashreplace").decode()


class QueryParams(Mapping[str, str]):
    """A query: names with one or more values, in their order. It does not change; `set`, `add`, `merge` give others."""

    __slots__ = ("_pairs",)

    def __init__(self, *given: QueryParamTypes | None, **more: object) -> None:
        value: Any = given[0] if given else more
        if value is None:
            self._pairs: list[tuple[str, str]] = []
        elif isinstance(value, (str, bytes)):
            from urllib.parse import parse_qsl

            text = value.decode("ascii") if isinstance(value, bytes) else value
            self._pairs = parse_qsl(text.removeprefix("?"), keep_blank_values=True)
        elif isinstance(value, QueryParams):
            self._pairs = list(value._pairs)
        else:
            self._pairs = [
                (str(name), text_of(one))
                for name, values in (value.items() if isinstance(value, Mapping) else value)
                for one in (values if isinstance(values, (list, tuple)) else [values])
            ]

    @classmethod
    def _of(cls, pairs: list[tuple[str, str]]) -> QueryParams:
        made = cls.__new__(cls)
        made._pairs = pairs
        return made

    def multi_items(self) -> list[tuple[str, str]]:
        """Names and values, one pair a value."""
        return list(self._pairs)

    def get_list(self, key: str) -> list[str]:
        """Give all values of `key`."""
        return [value for name, value in self._pairs if name == key]

    def set(self, key: str, value: object = None) -> QueryParams:
        """Give these with `value` as the only one of `key`."""
        return self.remove(key).add(key, value)

    def add(self, key: str, value: object = None) -> QueryParams:
        """Give these with one more value of `key`."""
        return self._of([*self._pairs, (key, text_of(value))])

    def remove(self, key: str) -> QueryParams:
        """Give these without `key`."""
        return self._of([pair for pair in self._pairs if pair[0] != key])

    def merge(self, params: QueryParamTypes | None = None) -> QueryParams:
        """Give these with the names in `params` set to what they have there."""
        other = QueryParams(params)
        return self._of([pair for pair in self._pairs if pair[0] not in other] + other._pairs)

    def __getitem__(self, key: str) -> str:
        for name, value in self._pairs:
            if name == key:
                return value
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for name, _ in self._pairs))

    def __len__(self) -> int:
        return len({name for name, _ in self._pairs})

    def __bool__(self) -> bool:
        return bool(self._pairs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, QueryParams) and sorted(self._pairs) == sorted(other._pairs)

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        from urllib.parse import urlencode

        return urlencode(self._pairs)

    def __repr__(self) -> str:
        from eyesocket._native import http_shown

        return f"QueryParams({http_shown(str(self), form=True)!r})"


QueryParamTypes = QueryParams | str | bytes | Mapping[str, object] | Iterable[tuple[str, object]] | tuple[object, ...]


class URL(str):
    """A URL: a `str` whose parts have names. Comparing and printing are those of the text.

    `repr` hides passwords, and tokens in its query.
    """

    __slots__ = ()

    def __new__(cls, url: str = "", *, params: QueryParamTypes | None = None, **parts: object) -> URL:
        made = super().__new__(cls, url)
        if params is not None:
            made = made.copy_with(params=params)
        return made.copy_with(**parts) if parts else made

    @property
    def _split(self) -> SplitResult:
        from urllib.parse import urlsplit

        return urlsplit(str(self))

    @property
    def scheme(self) -> str:
        """Such as `https`."""
        return self._split.scheme

    @property
    def userinfo(self) -> bytes:
        """User and password as they stand in the URL."""
        return self._split.netloc.rpartition("@")[0].encode()

    @property
    def username(self) -> str:
        """The user, decoded."""
        from urllib.parse import unquote

        return unquote(self._split.username or "")

    @property
    def password(self) -> str:
        """The password, decoded."""
        from urllib.parse import unquote

        return unquote(self._split.password or "")

    @property
    def host(self) -> str:
        """The host, an IPv6 address without its brackets."""
        return self._split.hostname or ""

    @property
    def port(self) -> int | None:
        """The port, None where it is the scheme's own."""
        port = self._split.port
        return None if port == {"http": 80, "https": 443}.get(self.scheme) else port

    @property
    def netloc(self) -> bytes:
        """Host and port."""
        return self._split.netloc.rpartition("@")[2].encode()

    @property
    def path(self) -> str:
        """The path, decoded."""
        from urllib.parse import unquote

        return unquote(self._split.path or "/")

    @property
    def query(self) -> bytes:
        """The query as it stands in the URL."""
        return self._split.query.encode()

    @property
    def params(self) -> QueryParams:
        """The query by names."""
        return QueryParams(self._split.query)

    @property
    def raw_path(self) -> bytes:
        """Path and query as a request line has them."""
        split = self._split
        return ((split.path or "/") + (f"?{split.query}" if split.query else "")).encode()

    @property
    def fragment(self) -> str:
        """What follows `#`, decoded."""
        from urllib.parse import unquote

        return unquote(self._split.fragment)

    @property
    def is_absolute_url(self) -> bool:
        """Whether it names scheme and host."""
        return bool(self._split.scheme and self._split.netloc)

    @property
    def is_relative_url(self) -> bool:
        """Whether it does not."""
        return not self.is_absolute_url

    def join(self, url: str) -> URL:  # type: ignore[override]
        """Give `url`, relative to this one (RFC 3986 section 5)."""
        from urllib.parse import urljoin

        return URL(urljoin(str(self), str(url)))

    def copy_with(self, **parts: Any) -> URL:
        """Give this URL with other parts: scheme, username, password, host, port, path, query, params, fragment."""
        from urllib.parse import quote

        known = {"scheme", "username", "password", "host", "port", "path", "query", "params", "fragment", "raw_path"}
        if unknown := parts.keys() - known:
            message = f"a URL has no part {min(unknown)!r}; it has {', '.join(sorted(known))}"
            raise TypeError(message)
        split = self._split
        if "raw_path" in parts:
            path, mark, query = parts.pop("raw_path").decode().partition("?")
            split = split._replace(path=path, query=query if mark else "")
        if {"username", "password", "host", "port"} & parts.keys():
            host = parts.get("host", self.host)
            netloc = f"[{host}]" if ":" in host else host
            port = parts.get("port", split.port)
            netloc += f":{port}" if port is not None else ""
            user, password = parts.get("username", self.username), parts.get("password", self.password)
            if user or password:
                secret = f":{quote(password, safe='')}" if password else ""
                netloc = f"{quote(user, safe='')}{secret}@{netloc}"
            split = split._replace(netloc=netloc)
        if "params" in parts:
            split = split._replace(query=str(QueryParams(parts["params"])))
        if "query" in parts:
            query = parts["query"] or b""
            split = split._replace(query=query.decode() if isinstance(query, bytes) else query)
        if "path" in parts:
            split = split._replace(path=quote(parts["path"], safe="/:@!$&'()*+,;=~%"))
        if "fragment" in parts:
            split = split._replace(fragment=quote(parts["fragment"], safe="/?:@!$&'()*+,;=~%"))
        return URL(split._replace(scheme=parts.get("scheme", split.scheme)).geturl())

    def copy_set_param(self, key: str, value: object = None) -> URL:
        """Give this URL with `value` as the only one of `key` in its query."""
        return self.copy_with(params=self.params.set(key, value))

    def copy_add_param(self, key: str, value: object = None) -> URL:
        """Give this URL with one more value of `key` in its query."""
        return self.copy_with(params=self.params.add(key, value))

    def copy_remove_param(self, key: str) -> URL:
        """Give this URL without `key` in its query."""
        return self.copy_with(params=self.params.remove(key))

    def copy_merge_params(self, params: QueryParamTypes) -> URL:
        """Give this URL with the names in `params` set to what they have there."""
        return self.copy_with(params=self.params.merge(params))

    @property
    def shown(self) -> str:
        """The text for logs and people: passwords, and tokens in its query and fragment, hidden."""
        from eyesocket._native import http_shown

        return http_shown(_sayable(self))

    def __repr__(self) -> str:
        return f"URL({self.shown!r})"

    def __str__(self) -> str:
        return str.__str__(self)
