"""Responses as an HTTP Archive (HAR 1.2), which browsers' tools and others read."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from eyesocket._native import __version__, http_secret_parameter, http_shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eyesocket.http._headers import Headers
    from eyesocket.http._request import Request
    from eyesocket.http._response import Response

__all__ = ["har"]


def _fields(headers: Headers, *, secrets: bool) -> list[dict[str, str]]:
    items = headers.multi_items() if secrets else headers._shown()
    return [{"name": name, "value": value} for name, value in items]


def _query(url: str, *, secrets: bool) -> list[dict[str, str]]:
    from urllib.parse import parse_qsl, urlsplit

    pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    return [
        {"name": name, "value": value if secrets or not http_secret_parameter(name) else "[secure]"}
        for name, value in pairs
    ]


def _posted(request: Request, body: bytes, *, secrets: bool) -> dict[str, str]:
    kind, text = request.headers.get("content-type", ""), body.decode("latin-1")
    form = kind.lower().startswith("application/x-www-form-urlencoded")
    return {"mimeType": kind, "text": http_shown(text, form=True) if form and not secrets else text}


def _milliseconds(begin: float | None, end: float | None) -> float:
    return -1.0 if end is None else max(0.0, (end - (begin or 0.0)) * 1000)


def _entry(response: Response, *, secrets: bool) -> dict[str, Any]:
    timings, wire, request = response.timings, response.wire, response.request
    url = response._native.url if secrets else response._native.shown_url
    location = response.headers.get("location", "")
    connected = timings.tls or timings.connect
    began = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=response.elapsed)
    body = request.content
    length = sum(end - start for start, end in wire.content)
    return {
        "startedDateTime": began.isoformat(timespec="milliseconds"),
        "time": response.elapsed * 1000,
        "request": {
            "method": request.method,
            "url": url,
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": _fields(request.headers, secrets=secrets),
            "queryString": _query(response._native.url, secrets=secrets),
            "headersSize": wire.sent.find(b"\r\n\r\n") + 4 or -1,
            "bodySize": len(body or b""),
            **({"postData": _posted(request, body, secrets=secrets)} if body else {}),
        },
        "response": {
            "status": response.status,
            "statusText": response.reason_phrase,
            "httpVersion": response.http_version,
            "cookies": [],
            "headers": _fields(response.headers, secrets=secrets),
            "content": {
                "size": length if response._kept is None else len(response._kept),
                "mimeType": response.headers.get("content-type", ""),
                # A body that was streamed is not here any more.
                **({} if response._kept is None else {"text": response.text}),
            },
            "redirectURL": location if secrets else http_shown(location),
            "headersSize": wire.received.find(b"\r\n\r\n") + 4 or -1,
            "bodySize": length,
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

    The values of credentials and cookies, and of tokens in queries and forms, are left out unless `secrets` is true;
    what other bodies hold is there. Streamed responses must have been read.
    """
    every = [one for response in responses for one in (*response.history, response)]
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "eyesocket", "version": __version__},
            "entries": [_entry(response, secrets=secrets) for response in every],
        }
    }
