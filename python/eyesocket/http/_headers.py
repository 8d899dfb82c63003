"""Header fields as a mapping that does not mind the case of names and keeps every line."""

from __future__ import annotations

from _collections_abc import Iterable, Iterator, Mapping, MutableMapping

__all__ = ["HeaderTypes", "Headers", "encoded", "given_fields"]


def encoded(text: object) -> bytes:
    """Text as a head can carry it: Latin-1 where that suffices, else UTF-8."""
    if isinstance(text, bytes):
        return text
    if not isinstance(text, str):
        message = f"a header is str or bytes, not {type(text).__name__}"
        raise TypeError(message)
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        pass
    try:
        return text.encode()
    except UnicodeEncodeError:
        from eyesocket.http._errors import LocalProtocolError

        message = f"header: {text[:100]!r} holds a lone surrogate, which no bytes stand for; give bytes"
        raise LocalProtocolError(message) from None


def given_fields(headers: HeaderTypes) -> tuple[list[tuple[bytes, bytes]], set[bytes]]:
    """Give the fields of a request's `headers`, and all names in it: None for a value leaves a field of ours out."""
    if isinstance(headers, Headers):
        fields = headers._fields
        return fields, {name.lower() for name, _ in fields}
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    without = {encoded(name).lower() for name, value in pairs if value is None}
    if needed := without & {b"host", b"content-length"}:
        from eyesocket.http._errors import LocalProtocolError

        name = min(needed).decode().title()
        message = f"header: a request cannot do without {name}; give it a value or leave it to us"
        raise LocalProtocolError(message)
    fields = [(encoded(name), encoded(value)) for name, value in pairs if value is not None]
    return fields, {name.lower() for name, _ in fields} | without


class Headers(MutableMapping[str, str]):
    """Header fields: a mapping from names, in any case, to values; several lines of one name are joined by commas.

    `get_list(name)` gives the lines apart, `multi_items()` all lines in their order, `raw` their bytes.
    """

    __slots__ = ("_changes", "_fields")

    def __init__(self, headers: HeaderTypes | None = None) -> None:
        self._changes = 0
        if headers is None:
            self._fields: list[tuple[bytes, bytes]] = []
        elif isinstance(headers, Headers):
            self._fields = list(headers._fields)
        else:
            items = headers.items() if isinstance(headers, Mapping) else headers
            self._fields = [(encoded(name), encoded(value)) for name, value in items]

    @classmethod
    def _of(cls, fields: list[tuple[bytes, bytes]]) -> Headers:
        made = cls.__new__(cls)
        made._fields = fields
        made._changes = 0
        return made

    @property
    def raw(self) -> list[tuple[bytes, bytes]]:
        """Names and values as bytes, one pair a line."""
        return list(self._fields)

    def multi_items(self) -> list[tuple[str, str]]:
        """Names (in lower case) and values, one pair a line."""
        return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in self._fields]

    def get_list(self, key: str, split_commas: bool = False) -> list[str]:  # noqa: FBT001, FBT002 - as in httpx
        """Give the values of all lines named `key`; with `split_commas`, their members."""
        wanted = encoded(key).lower()
        values = [value.decode("latin-1") for name, value in self._fields if name.lower() == wanted]
        if not split_commas:
            return values
        return [member.strip() for value in values for member in value.split(",")]

    def __getitem__(self, key: str) -> str:
        values = self.get_list(key)
        if not values:
            raise KeyError(key)
        return ", ".join(values)

    def __setitem__(self, key: str, value: str) -> None:
        self._changes += 1
        wanted = encoded(key).lower()
        places = [at for at, (name, _) in enumerate(self._fields) if name.lower() == wanted]
        for at in reversed(places[1:]):
            del self._fields[at]
        if places:
            self._fields[places[0]] = (encoded(key), encoded(value))
        else:
            self._fields.append((encoded(key), encoded(value)))

    def __delitem__(self, key: str) -> None:
        self._changes += 1
        wanted = encoded(key).lower()
        kept = [(name, value) for name, value in self._fields if name.lower() != wanted]
        if len(kept) == len(self._fields):
            raise KeyError(key)
        self._fields = kept

    def add(self, key: str, value: str) -> None:
        """Add a line, whatever there is already."""
        self._changes += 1
        self._fields.append((encoded(key), encoded(value)))

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and bool(self.get_list(key))

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name.decode("latin-1").lower() for name, _ in self._fields))

    def __len__(self) -> int:
        return len({name.lower() for name, _ in self._fields})

    def _shown(self) -> list[tuple[str, str]]:
        """Names and values as they may be shown."""
        from eyesocket._native import http_secret_field, http_shown

        return [
            (name, "[secure]" if http_secret_field(name) else http_shown(value)) for name, value in self.multi_items()
        ]

    def copy(self) -> Headers:
        """Give an independent copy."""
        return Headers(self)

    def to_dict(self) -> dict[str, str]:
        """Give a plain dict, names in lower case."""
        return dict(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Headers, Mapping)):
            return NotImplemented
        return sorted(self.multi_items()) == sorted(Headers(other).multi_items())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = self._shown()
        if len({name for name, _ in shown}) == len(shown):
            return f"Headers({dict(shown)!r})"
        return f"Headers({shown!r})"


HeaderTypes = (
    Headers
    | Mapping[str, str | None]
    | Mapping[bytes, bytes]
    | Iterable[tuple[str, str | None]]
    | Iterable[tuple[bytes, bytes]]
)
