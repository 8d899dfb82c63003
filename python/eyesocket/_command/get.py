"""`eyesocket get URL`: fetch it, save it, go on where it was left, or look at what went over the wire.

Exit statuses beyond the command's own: 22 the server answered 400 or above and --fail was given.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from eyesocket.http import Response

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options; the letters are curl's."""
    add = parser.add_argument
    add("url", help="what to fetch; http:// is assumed")
    add("-X", "--request", metavar="METHOD", help="the method (default GET, POST with -d, HEAD with -I)")
    add("-H", "--header", action="append", default=[], metavar="NAME: VALUE", help="a header field; again for more")
    add(
        "-d",
        "--data",
        action="append",
        default=[],
        metavar="DATA",
        help="a body; @FILE reads one; several are joined by &",
    )
    add("-u", "--user", metavar="USER:PASSWORD", help="credentials for the site")
    add("--digest", action="store_true", help="prove them by Digest")
    add("-i", "--include", action="store_true", help="print the response head too")
    add("-I", "--head", action="store_true", help="ask for the head alone")
    add("-o", "--output", metavar="FILE", help="save to FILE, which appears when it is whole")
    add("-O", "--remote-name", action="store_true", help="save under the last part of the URL's path")
    add("-C", "--continue-at", metavar="-", choices=["-"], help="- : go on with what an interrupted -o or -O left")
    add("-L", "--location", action="store_true", help="follow redirections")
    add("-x", "--proxy", metavar="PROXY", help="http://, https://, socks5:// or socks5h:// [USER:PASSWORD@]HOST[:PORT]")
    add("-m", "--max-time", type=float, metavar="SECONDS", help="total deadline (default 30, none when saving)")
    add("-f", "--fail", action="store_true", help="status 22 and no body if the server answers 400 or above")
    add("-v", "--verbose", action="store_true", help="show the wire on standard error")
    add(
        "-w", "--write-out", metavar="FORMAT", help="print after the body; %%{http_code}, %%{time_total}, ... as curl's"
    )
    add("--cacert", metavar="FILE", help="believe the authorities in this PEM file only")
    add("-k", action="store_true", dest="careless", help="refused: say --insecure")
    add("--insecure", action="store_true", help="believe every certificate: whoever is between can read and change all")
    add("--waterfall", action="store_true", help="show when what happened, on standard error")
    add("--json", action="store_true", help="print status, headers and timings as JSON, not the body")
    add("--har", metavar="FILE", help="write an HTTP archive of it")
    add("-s", "--silent", action="store_true", help="no progress bar")


def run(options: argparse.Namespace) -> int:
    """Fetch and show."""
    from eyesocket import http

    if options.careless and not options.insecure:
        message = "-k is not taken: believing every certificate has to be spelled out, --insecure"
        raise ValueError(message)
    url = options.url if "://" in options.url else f"http://{options.url}"
    with http.Client(verify=False if options.insecure else options.cacert or True, proxy=options.proxy) as client:
        target = _output(options, url)
        if target is not None:
            response = _save(client, url, target, options)
        else:
            response = client.request(*_request(options, url), **_arguments(options))
        return _show(response, options, saved=target is not None)


def _output(options: argparse.Namespace, url: str) -> Path | None:
    if options.output:
        return Path(options.output)
    if not options.remote_name:
        return None
    from urllib.parse import unquote, urlsplit

    name = unquote(urlsplit(url).path).rpartition("/")[2]
    if name in {"", ".", ".."} or "\0" in name:
        message = f"-O: {url} names no file; use -o FILE"
        raise ValueError(message)
    return Path(name)


def _request(options: argparse.Namespace, url: str) -> tuple[str, str]:
    return options.request or ("HEAD" if options.head else "POST" if options.data else "GET"), url


def _arguments(options: argparse.Namespace) -> dict[str, Any]:
    from eyesocket import http

    fields = http.Headers()
    for line in options.header:
        name, colon, value = line.partition(":")
        if not colon:
            message = f"-H: {line!r} has no colon"
            raise ValueError(message)
        fields.add(name.strip(), value.strip())
    arguments: dict[str, Any] = {"headers": fields, "follow_redirects": options.location}
    if options.data:
        pieces = [Path(data[1:]).read_bytes() if data.startswith("@") else data.encode() for data in options.data]
        arguments["content"] = b"&".join(pieces)
        if "content-type" not in fields:
            fields.add("Content-Type", "application/x-www-form-urlencoded")
    if options.user is not None:
        user, _, password = options.user.partition(":")
        arguments["auth"] = http.DigestAuth(user, password) if options.digest else (user, password)
    if options.max_time is not None:
        arguments["timeout"] = http.Timeout(options.max_time)
    return arguments


def _save(client: Any, url: str, target: Path, options: argparse.Namespace) -> Response:
    from eyesocket import http

    arguments = _arguments(options)
    if options.data or options.request or options.head:
        message = "-o and -O save what GET gives; leave out -X, -d and -I"
        raise ValueError(message)
    bar = sys.stderr.isatty() and not options.silent
    try:
        return http.download(
            url,
            target,
            resume=options.continue_at == "-",
            progress=_progress if bar else None,
            client=client,
            **arguments,
        )
    except http.HTTPStatusError as error:
        return error.response
    finally:
        if bar:
            sys.stderr.write("\n")


def _progress(have: int, total: int | None) -> None:
    text = f"{have / 1e6:.1f} MB"
    if total:
        filled = min(30, have * 30 // total)
        text = f"[{'#' * filled}{' ' * (30 - filled)}] {have * 100 // total} % of {total / 1e6:.1f} MB"
    sys.stderr.write(f"\r{text}")


def _show(response: Response, options: argparse.Namespace, *, saved: bool) -> int:
    from eyesocket.http._show import waterfall_text, wire_text

    if options.verbose:
        for one in (*response.history, response):
            sys.stderr.write(f"* {one.peer}\n{wire_text(one.wire)}\n")
    if options.waterfall:
        sys.stderr.write(waterfall_text(response.timings) + "\n")
    if options.har:
        from eyesocket.http import har

        Path(options.har).write_text(json.dumps(har([response])), "utf-8")
    failed = options.fail and response.is_error
    if options.json:
        sys.stdout.write(json.dumps(response.to_dict()) + "\n")
    elif not failed:
        out = sys.stdout.buffer
        if options.include or options.head:
            status = f"{response.http_version} {response.status} {response.reason_phrase}".rstrip()
            lines = [f"{name.decode('latin-1')}: {value.decode('latin-1')}" for name, value in response.headers.raw]
            out.write("\r\n".join([status, *lines, "", ""]).encode("latin-1"))
        if not saved:
            out.write(response.content)
        out.flush()
    if options.write_out:
        sys.stdout.write(_written(response, options.write_out))
    if saved and not response.is_success:
        sys.stderr.write(f"eyesocket get: nothing saved: {response.status} {response.reason_phrase}\n")
        return 22 if options.fail else 1
    if failed:
        sys.stderr.write(f"eyesocket get: {response.status} {response.reason_phrase}\n")
        return 22
    return 0


def _written(response: Response, template: str) -> str:
    timings = response.timings
    values = {
        "http_code": f"{response.status:03}",
        "response_code": f"{response.status:03}",
        "url_effective": response.to_dict()["url"],
        "num_redirects": str(len(response.history)),
        "size_download": str(sum(end - start for start, end in response.wire.content)),
        "content_type": response.headers.get("content-type", ""),
        "remote_ip": response.peer.rpartition(":")[0].strip("[]"),
        "remote_port": response.peer.rpartition(":")[2],
        "time_namelookup": f"{timings.dns or 0:.6f}",
        "time_connect": f"{timings.connect or 0:.6f}",
        "time_appconnect": f"{timings.tls or 0:.6f}",
        "time_pretransfer": f"{timings.sent or 0:.6f}",
        "time_starttransfer": f"{timings.first_byte or 0:.6f}",
        "time_total": f"{response.elapsed:.6f}",
    }
    text = template.replace("\\n", "\n").replace("\\t", "\t").replace("\\r", "\r")
    for name, value in values.items():
        text = text.replace(f"%{{{name}}}", value)
    return text.replace("%%", "%")
