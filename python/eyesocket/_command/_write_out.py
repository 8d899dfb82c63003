"""What `-w` of `eyesocket get` prints: curl's variables, filled from a response, or from there being none.

The variables, escapes and what becomes of unknown ones are those of curl's manual page.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eyesocket.http import Response

__all__ = ["variables", "write_out"]

_ITEM = re.compile(r"%(?:%|header\{(?P<header>[^}]*)\}|\{(?P<name>[^}]*)\})|\\(?P<escape>.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def variables(
    response: Response | None, *, url: str, status: int, error: str = "", saved: str = ""
) -> dict[str, str | int | float]:
    """Give the values by their names in curl; zeros where there is no response."""
    every = [] if response is None else [*response.history, response]
    timings = None if response is None else response.timings

    def seconds(name: str) -> float:
        return getattr(timings, name, None) or 0.0

    code = 0 if response is None else response.status
    host, _, port = ("" if response is None else response.peer).rpartition(":")
    came = 0 if response is None else response.num_bytes_downloaded
    sent = 0 if response is None else len(response.request.content or b"")
    total = 0.0 if response is None else response.elapsed
    last = url if response is None else response._native.plain_url
    location = "" if response is None or not response.has_redirect_location else response.headers["location"]
    return {
        "content_type": "" if response is None else response.headers.get("content-type", ""),
        "errormsg": error,
        "exitcode": status,
        "filename_effective": saved,
        "http_code": f"{code:03}",
        "http_connect": "000",
        "http_version": "0" if response is None else response.http_version.removeprefix("HTTP/"),
        "method": "" if response is None else response.request.method,
        "num_connects": sum(not one.timings.reused for one in every),
        "num_headers": 0 if response is None else len(response.headers.raw),
        "num_redirects": sum(one.has_redirect_location for one in every[:-1]),
        "redirect_url": str(response.url.join(location)) if response is not None and location else "",
        "remote_ip": host.strip("[]"),
        "remote_port": port or "0",
        "response_code": f"{code:03}",
        "scheme": last.partition("://")[0].upper() if response is not None else "",
        "size_download": came,
        "size_header": sum(len(head) for one in every for head in _heads(one)),
        "size_request": sum(one.wire.total_sent for one in every),
        "size_upload": sent,
        "speed_download": int(came / total) if total else 0,
        "speed_upload": int(sent / total) if total else 0,
        "ssl_verify_result": 0,
        "time_appconnect": f"{seconds('tls'):.6f}",
        "time_connect": f"{seconds('connect'):.6f}",
        "time_namelookup": f"{seconds('dns'):.6f}",
        "time_pretransfer": f"{seconds('tls') or seconds('connect'):.6f}",
        "time_redirect": f"{sum(one.elapsed for one in every[:-1]):.6f}",
        "time_starttransfer": f"{seconds('first_byte'):.6f}",
        "time_total": f"{total:.6f}",
        "url": url,
        "url_effective": last,
        "urlnum": 0,
    }


def _heads(response: Response) -> list[bytes]:
    """Give the heads as they came, in the one form that lines have."""
    every = [(one.status, one.reason, one.headers) for one in response.informational]
    every.append((response.status, response.reason_phrase, response.headers))
    return [
        f"{response.http_version} {status} {reason}\r\n".encode("latin-1", "replace")
        + b"".join(name + b": " + value + b"\r\n" for name, value in headers.raw)
        + b"\r\n"
        for status, reason, headers in every
    ]


def write_out(template: str, values: dict[str, str | int | float], response: Response | None) -> None:
    """Print `template` (`@FILE` reads one, `@-` standard input) with its variables filled in."""
    if template.startswith("@"):
        text = sys.stdin.read() if template == "@-" else Path(template[1:]).read_text("utf-8")
        template = text.replace("\r", "").replace("\n", "")
    stream, at = sys.stdout, 0
    for item in _ITEM.finditer(template):
        stream.write(template[at : item.start()])
        at = item.end()
        name = item["name"]
        if item["escape"] is not None:
            stream.write(_ESCAPES.get(item["escape"], item[0]))
        elif name in {"stderr", "stdout"}:
            stream = sys.stderr if name == "stderr" else sys.stdout
        elif item["header"] is not None:
            stream.write("" if response is None else ", ".join(response.headers.get_list(item["header"])))
        elif name is None:
            stream.write("%")
        elif name == "json":
            stream.write(json.dumps(values))
        elif name == "header_json":
            lines = [] if response is None else response.headers
            stream.write(json.dumps({one: response.headers.get_list(one) for one in lines} if response else {}))
        elif name in values:
            stream.write(str(values[name]))
        else:
            sys.stderr.write(f"eyesocket get: unknown --write-out variable: {name!r}\n")
    stream.write(template[at:])
