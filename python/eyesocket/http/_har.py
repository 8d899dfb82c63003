"""Responses as an HTTP Archive (HAR 1.2), which browsers' tools and others read."""

from __future__ import annotations

import datetime
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from eyesocket._native import __version__, http_shown, http_shown_body, http_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eyesocket.http._headers import Headers
    from eyesocket.http._response import Response

__all__ = ["har"]

_PICTURES = ("image/", "audio/", "video/", "font/", "application/octet-stream", "application/zip", "application/gzip")
"""Types whose bytes are no text, whatever they look like."""


def _fields(headers: Headers, *, secrets: bool) -> list[dict[str, str]]:
    items = headers.multi_items() if secrets else headers._shown()
    return [{"name": name, "value": value} for name, value in items]


def _query(url: str) -> list[dict[str, str]]:
    from urllib.parse import parse_qsl

    pairs = parse_qsl(url.partition("#")[0].partition("?")[2], keep_blank_values=True)
    return [{"name": name, "value": value} for name, value in pairs]


def _as_text(content: bytes, kind: str, *, secrets: bool) -> dict[str, str]:
    """Give content as text if it is text, else as what can be undone."""
    from base64 import b64encode

    if not secrets:
        content = http_shown_body(content, kind)
    if not kind.lower().startswith(_PICTURES):
        text = http_text(content, kind or None)[1]
        if "\ufffd" not in text and "\0" not in text:
            return {"text": text}
    return {"text": b64encode(content).decode(), "encoding": "base64"}


def _sent_cookies(headers: Headers) -> list[dict[str, str]]:
    pairs = (pair.partition("=") for field in headers.get_list("cookie") for pair in field.split(";"))
    return [{"name": name.strip(), "value": value.strip()} for name, _, value in pairs if name.strip()]


def _set_cookies(headers: Headers) -> list[dict[str, Any]]:
    found = []
    for field in headers.get_list("set-cookie"):
        pair, *attributes = field.split(";")
        name, _, value = pair.partition("=")
        cookie: dict[str, Any] = {"name": name.strip(), "value": value.strip()}
        for attribute in attributes:
            key, _, told = (part.strip() for part in attribute.partition("="))
            match key.lower():
                case "path" | "domain":
                    cookie[key.lower()] = told
                case "expires":
                    with suppress(ValueError, OverflowError, TypeError, IndexError):
                        cookie["expires"] = parsedate_to_datetime(told).isoformat()
                case "httponly":
                    cookie["httpOnly"] = True
                case "secure":
                    cookie["secure"] = True
        found.append(cookie)
    return found


def _milliseconds(begin: float | None, end: float | None) -> float:
    return -1.0 if end is None else max(0.0, (end - (begin or 0.0)) * 1000)


def _entry(response: Response, *, secrets: bool) -> dict[str, Any]:
    timings, wire, request = response.timings, response.wire, response.request
    url = response._native.url if secrets else response._native.shown_url
    location = response.headers.get("location", "")
    connected = timings.tls or timings.connect
    began = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=response._native.age)
    body, kept = request.content, response._kept
    kind, sent_kind = response.headers.get("content-type", ""), request.headers.get("content-type", "")
    heads = wire.heads
    head = wire.raw_sent.find(b"\r\n\r\n")
    sent = head + 4 if head >= 0 else -1
    return {
        "startedDateTime": began.isoformat(timespec="milliseconds"),
        "time": response.elapsed * 1000,
        "request": {
            "method": request.method,
            "url": url,
            "httpVersion": "HTTP/1.1",
            "cookies": _sent_cookies(request.headers) if secrets else [],
            "headers": _fields(request.headers, secrets=secrets),
            "queryString": _query(url),
            "headersSize": sent,
            "bodySize": len(body) if body is not None else wire.total_sent - sent if sent >= 0 else -1,
            **({"postData": {"mimeType": sent_kind, **_as_text(body, sent_kind, secrets=secrets)}} if body else {}),
        },
        "response": {
            "status": response.status,
            "statusText": response.reason_phrase,
            "httpVersion": response.http_version,
            "cookies": _set_cookies(response.headers) if secrets else [],
            "headers": _fields(response.headers, secrets=secrets),
            "content": {
                "size": response._came if kept is None else len(kept),
                "mimeType": kind,
                # A body that was streamed is not here any more.
                **({} if kept is None else _as_text(kept, kind, secrets=secrets)),
            },
            "redirectURL": location if secrets else http_shown(location),
            "headersSize": heads[-1][1] - heads[-1][0] if heads else -1,
            "bodySize": wire.total_content,
        },
        "cache": {},
        "timings": {
            "dns": _milliseconds(0.0, timings.dns),
            "connect": _milliseconds(timings.dns, timings.connect),
            "ssl": _milliseconds(timings.connect, timings.tls),
            "send": max(0.0, _milliseconds(connected, timings.sent)),
            "wait": max(0.0, _milliseconds(timings.sent, timings.first_byte)),
            "receive": max(0.0, _milliseconds(timings.first_byte, timings.done)),
        },
        "serverIPAddress": response.peer.rpartition(":")[0].strip("[]"),
    }


def har(responses: Iterable[Response], *, secrets: bool = False) -> dict[str, Any]:
    """Give the archive of responses and the redirections before them, ready for `json.dump`.

    The values of credentials and cookies, and of tokens in queries, forms and JSON, are left out unless `secrets` is
    true; what other bodies hold is there. Streamed responses must have been read.
    """
    every = [one for response in responses for one in (*response.history, response)]
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "eyesocket", "version": __version__},
            "entries": [_entry(response, secrets=secrets) for response in every],
        }
    }
