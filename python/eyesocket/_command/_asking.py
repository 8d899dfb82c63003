"""What `eyesocket get` asks for: its words made into a request, and into the client that sends it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Callable

    from eyesocket.http import Proxy

__all__ = ["DataAction", "address", "arguments", "method", "settings", "target"]

_AGAIN = (408, 429, 500, 502, 503, 504)
"""Statuses that may be of the moment, as curl's `--retry` has them."""


class DataAction(argparse.Action):
    """Keeps the order of all kinds of data: what it is, and by which word."""

    def __call__(self, _parser: object, options: argparse.Namespace, value: Any, option: str | None = None) -> None:
        options.data = [*options.data, (value, option or "")]


def address(options: argparse.Namespace) -> str:
    """Give the URL: http if it does not say, data in its query with `-G`, a file's name behind it with `-T`."""
    url: str = options.url if "://" in options.url else f"http://{options.url}"
    front, hash_, fragment = url.partition("#")
    if options.get and options.data:
        front += f"{'&' if '?' in front else '?'}{_joined(options).decode('latin-1')}"
    path = front.partition("://")[2].partition("?")[0]
    if options.upload_file not in {None, "-", "."} and "?" not in front and (path.endswith("/") or "/" not in path):
        front += ("" if path.endswith("/") else "/") + quote(Path(options.upload_file).name)
    return front + hash_ + fragment


def target(url: str, options: argparse.Namespace) -> Path | None:
    """Give the file to save to; None is standard output."""
    if options.output:
        return None if options.output == "-" else Path(options.output)
    if not options.remote_name:
        return None
    from urllib.parse import urlsplit

    from eyesocket._native import http_shown

    name = urlsplit(url).path.rpartition("/")[2]
    if name in {"", ".", ".."} or "\0" in name:
        message = f"-O: {http_shown(url)} names no file; use -o FILE"
        raise ValueError(message)
    return Path(name)


def method(options: argparse.Namespace) -> str:
    """Give what the words make of it, if nothing says otherwise."""
    if options.request:
        return str(options.request)
    if options.upload_file is not None:
        return "PUT"
    if options.head:
        return "HEAD"
    return "POST" if options.form or (options.data and not options.get) else "GET"


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """Give what the words say of the client."""
    from eyesocket import http

    found: dict[str, Any] = {
        "verify": False if options.insecure else options.cacert or True,
        "proxy": _proxy(options),
        "keep_method": bool(options.request),
        "uds": options.unix_socket,
        "connect_to": dict([*map(_connect_to, options.connect_to), *map(_resolve, options.resolve)]) or None,
    }
    if options.max_redirs is not None:
        found["max_redirects"] = options.max_redirs
    if options.retry:
        found["retries"] = http.Retry(options.retry, methods=[method(options)], statuses=_AGAIN, backoff=1.0)
    return found


def arguments(options: argparse.Namespace) -> dict[str, Any]:
    """Give what the words say of the request."""
    from eyesocket import http

    fields = _fields(options.header)
    given: dict[str, Any] = {"headers": fields, "follow_redirects": options.location}
    for word, name in ((options.user_agent, "User-Agent"), (options.referer, "Referer"), (_cookies(options), "Cookie")):
        if word is not None and not any(had.lower() == name.lower() for had, _ in fields):
            fields.append((name, word or None))
    if options.form:
        given["files"] = [_part(words) for words in options.form]
    elif options.upload_file is not None:
        given["content"] = _uploaded(options)
    elif options.data and not options.get:
        given["content"] = _joined(options)
        if not any(name.lower() == "content-type" for name, _ in fields):
            fields.append(("Content-Type", "application/x-www-form-urlencoded"))
    if options.continue_at not in {None, -1}:
        fields.append(("Range", f"bytes={options.continue_at}-"))
    elif options.range:
        fields.append(("Range", f"bytes={options.range}"))
    if options.range or options.continue_at not in {None, -1}:
        # Offsets count the bytes as they are.
        given["decode"] = False
        if not any(name.lower() == "accept-encoding" for name, _ in fields):
            fields.append(("Accept-Encoding", "identity"))
    if options.user is not None:
        given["auth"] = _credentials("-u", options.user, digest=options.digest)
    given["timeout"] = http.Timeout(options.max_time, connect=options.connect_timeout, read=30, write=30)
    return given


def _credentials(option: str, words: str, *, digest: bool) -> Any:
    from eyesocket import http

    user, colon, password = words.partition(":")
    if not colon:
        from getpass import getpass

        try:
            password = getpass(f"Password of {user}: ")
        except EOFError:
            message = f"{option}: nobody is there to say the password of {user}; use {option} USER:PASSWORD"
            raise ValueError(message) from None
    return http.DigestAuth(user, password) if digest else (user, password)


def _proxy(options: argparse.Namespace) -> Proxy | str | None:
    from eyesocket import http

    if options.proxy_user is None and not options.proxy_digest:
        return options.proxy  # type: ignore[no-any-return]
    if options.proxy is None or options.proxy_user is None:
        message = "-U and --proxy-digest go with -x, and with each other"
        raise ValueError(message)
    return http.Proxy(options.proxy, auth=_credentials("-U", options.proxy_user, digest=options.proxy_digest))


def _split(option: str, words: str, count: int) -> list[str]:
    """Cut at colons that are not within brackets."""
    parts, depth = [""], 0
    for character in words:
        depth += (character == "[") - (character == "]")
        if character == ":" and not depth:
            parts.append("")
        else:
            parts[-1] += character
    if len(parts) != count or not all(parts) or not all(part.isdecimal() for part in parts[1::2]):
        shape = "HOST:PORT:TO:PORT" if count == 4 else "HOST:PORT:ADDRESS"
        message = f"{option}: {words!r} is not {shape}"
        raise ValueError(message)
    return parts


def _connect_to(words: str) -> tuple[tuple[str, int], tuple[str, int]]:
    host, port, to, at = _split("--connect-to", words, 4)
    return (host, int(port)), (to.strip("[]"), int(at))


def _resolve(words: str) -> tuple[tuple[str, int], tuple[str, int]]:
    host, port, to = _split("--resolve", words, 3)
    return (host, int(port)), (to.strip("[]"), int(port))


def _cookies(options: argparse.Namespace) -> str | None:
    if not options.cookie:
        return None
    for words in options.cookie:
        if "=" not in words:
            message = f"-b: {words!r} is no NAME=VALUE; files of cookies are not read"
            raise ValueError(message)
    return "; ".join(options.cookie)


def _fields(words: list[str]) -> list[tuple[str, str | None]]:
    """Read -H: a field, one of ours to leave out (None), an empty one, or a file of fields."""
    fields: list[tuple[str, str | None]] = []
    for word in words:
        if word.startswith("@"):
            text = sys.stdin.read() if word == "@-" else Path(word[1:]).read_text("latin-1")
            fields += _fields([line for line in text.splitlines() if line.strip()])
            continue
        name, colon, value = word.partition(":")
        if not colon and not word.rstrip().endswith(";"):
            message = f"-H: {word!r} has no colon"
            raise ValueError(message)
        if not colon:
            fields.append((word.rstrip()[:-1].strip(), ""))
        else:
            fields.append((name.strip(), value.strip() or None))
    return fields


def _read(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()


def _joined(options: argparse.Namespace) -> bytes:
    return b"&".join(_DATA.get(option, _stripped)(words) for words, option in options.data)


def _stripped(words: str) -> bytes:
    return _read(words[1:]).translate(None, b"\r\n\0") if words.startswith("@") else words.encode()


def _binary(words: str) -> bytes:
    return _read(words[1:]) if words.startswith("@") else words.encode()


def _encoded(words: str) -> bytes:
    """Encode as `--data-urlencode` does: CONTENT, =CONTENT, NAME=CONTENT, @FILE, NAME@FILE."""
    ends = [at for at in (words.find("="), words.find("@")) if at >= 0]
    name, mark, content = (words[: min(ends)], words[min(ends)], words[min(ends) + 1 :]) if ends else ("", "", words)
    value = quote_plus(_read(content) if mark == "@" else content.encode(), safe="")
    return (f"{name}=" if name else "").encode() + value.encode()


_DATA: dict[str, Callable[[str], bytes]] = {
    "--data-raw": str.encode,
    "--data-binary": _binary,
    "--data-urlencode": _encoded,
}
"""What becomes of data, by its word."""


def _uploaded(options: argparse.Namespace) -> Any:
    """Give a file to be read as it is sent, standard input as it comes."""
    name = options.upload_file
    return sys.stdin.buffer if name in {"-", "."} else options.opened.enter_context(Path(name).open("rb"))


def _part(words: str) -> tuple[str, tuple[str | None, bytes, str | None]]:
    """Read -F: NAME=CONTENT, NAME=@FILE (with its name), NAME=<FILE (without); behind them ;type= and ;filename=."""
    name, mark, content = words.partition("=")
    if not mark:
        message = f"-F: {words!r} is no NAME=CONTENT"
        raise ValueError(message)
    content, *more = content.split(";") if content[:1] in {"@", "<"} or ";type=" in content else [content]
    said = dict(part.strip().partition("=")[::2] for part in more)
    if unknown := set(said) - {"type", "filename"}:
        message = f"-F: {', '.join(unknown)} is not known; type= and filename= are"
        raise ValueError(message)
    filename = said.get("filename")
    if content.startswith("@"):
        return name, (filename or Path(content[1:]).name, _read(content[1:]), said.get("type"))
    return name, (filename, _read(content[1:]) if content.startswith("<") else content.encode(), said.get("type"))
