"""Responses as an HTTP Archive (HAR 1.2), which browsers' tools and others read."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from eyesocket._native import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eyesocket.http._headers import Headers
    from eyesocket.http._response import Response

__all__ = ["har"]

_SECRET = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"})


def _fields(headers: Headers, *, secrets: bool) -> list[dict[str, str]]:
    return [
        {"name": name, "value": value if secrets or name not in _SECRET else "[secure]"}
        for name, value in headers.multi_items()
    ]


def _milliseconds(begin: float | None, end: float | None) -> float:
    return -1.0 if end is None else max(0.0, (end - (begin or 0.0)) * 1000)


def _entry(response: Response, *, secrets: bool) -> dict[str, Any]:
    from urllib.parse import parse_qsl, urlsplit

    timings, wire, request = response.timings, response.wire, response.request
    url = response.to_dict()["url"]
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
            "queryString": [{"name": name, "value": value} for name, value in parse_qsl(urlsplit(url).query)],
            "headersSize": wire.sent.find(b"\r\n\r\n") + 4 or -1,
            "bodySize": len(body or b""),
            **(
                {"postData": {"mimeType": request.headers.get("content-type", ""), "text": body.decode("latin-1")}}
                if body
                else {}
            ),
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
            "redirectURL": response.headers.get("location", ""),
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

    The values of credentials and cookies are left out unless `secrets` is true. Streamed responses must have been read.
    """
    every = [one for response in responses for one in (*response.history, response)]
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "eyesocket", "version": __version__},
            "entries": [_entry(response, secrets=secrets) for response in every],
        }
    }
