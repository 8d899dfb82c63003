"""`eyesocket get URL`: fetch it, save it, go on where it was left, or look at what went over the wire.

Exit statuses: those of every subcommand, and 22 if the server answered 400 or above and --fail was given. Without it
such an answer is one like any other (0), but is never saved to a file (1).
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
    parser.epilog = (
        "Exit status: 0 there is an answer; 1 there is none (not resolved, refused, timed out, cut off, TLS not "
        "believed), or -o or -O saved nothing; 2 wrong words; 22 the server answered 400 or above, with --fail; "
        "130 Ctrl-C; 141 the reader of our output went away."
    )
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
        help="a body; @FILE reads one (@- standard input), line ends taken out; several are joined by &",
    )
    add(
        "--data-binary",
        action="append",
        default=[],
        dest="exact",
        metavar="DATA",
        help="the same, a file as it is",
    )
    add("-u", "--user", metavar="USER:PASSWORD", help="credentials for the site; without :PASSWORD it is asked for")
    add("--digest", action="store_true", help="prove them by Digest")
    add("-i", "--include", action="store_true", help="print the response head too")
    add("-I", "--head", action="store_true", help="ask for the head alone")
    add("-o", "--output", metavar="FILE", help="save to FILE, which appears when it is whole; - is standard output")
    add("-O", "--remote-name", action="store_true", help="save under the last part of the URL's path")
    add("-C", "--continue-at", metavar="-", choices=["-"], help="- : go on with what an interrupted -o or -O left")
    add("-L", "--location", action="store_true", help="follow redirections")
    add("-x", "--proxy", metavar="PROXY", help="http://, https://, socks5:// or socks5h:// [USER:PASSWORD@]HOST[:PORT]")
    add(
        "-m",
        "--max-time",
        type=float,
        metavar="SECONDS",
        help="total deadline (default none: 30 s without a byte end it)",
    )
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
    add("-S", "--show-error", action="store_true", help="as ever: errors are told with -s too")


def run(options: argparse.Namespace) -> int:
    """Fetch and show."""
    from eyesocket import http

    if options.careless and not options.insecure:
        message = "-k is not taken: believing every certificate has to be spelled out, --insecure"
        raise ValueError(message)
    url = options.url if "://" in options.url else f"http://{options.url}"
    verify = False if options.insecure else options.cacert or True
    with http.Client(verify=verify, proxy=options.proxy) as client:
        target = _output(options, url)
        try:
            if target is not None:
                return _tell(*_save(client, url, target, options), options=options)
            return _tell(_print(client, url, options), options=options)
        except http.WriteError as error:
            # A peer that went away is no reader of our output that did.
            raise ConnectionError(*error.args) from error


def _output(options: argparse.Namespace, url: str) -> Path | None:
    if options.output:
        return None if options.output == "-" else Path(options.output)
    if not options.remote_name:
        return None
    from urllib.parse import unquote, urlsplit

    name = unquote(urlsplit(url).path).rpartition("/")[2]
    if name in {"", ".", ".."} or "\0" in name:
        message = f"-O: {url} names no file; use -o FILE"
        raise ValueError(message)
    return Path(name)


def _method(options: argparse.Namespace) -> str:
    posts = options.data or options.exact
    return str(options.request or ("HEAD" if options.head else "POST" if posts else "GET"))


def _arguments(options: argparse.Namespace) -> dict[str, Any]:
    from eyesocket import http

    fields = http.Headers()
    for line in options.header:
        name, colon, value = line.partition(":")
        if colon and not value.strip():
            message = f"-H: {line!r} says nothing; {name.strip() + ';'!r} sends an empty field"
            raise ValueError(message)
        if not colon and not line.endswith(";"):
            message = f"-H: {line!r} has no colon"
            raise ValueError(message)
        fields.add(name.strip() if colon else line[:-1].strip(), value.strip())
    arguments: dict[str, Any] = {"headers": fields, "follow_redirects": options.location}
    if options.data or options.exact:
        pieces = [_data(data, strip=True) for data in options.data] + [_data(data) for data in options.exact]
        arguments["content"] = b"&".join(pieces)
        if "content-type" not in fields:
            fields.add("Content-Type", "application/x-www-form-urlencoded")
    if options.user is not None:
        user, colon, password = options.user.partition(":")
        if not colon:
            from getpass import getpass

            password = getpass(f"Password of {user}: ")
        arguments["auth"] = http.DigestAuth(user, password) if options.digest else (user, password)
    patience = {"connect": 30, "read": 30, "write": 30}
    arguments["timeout"] = http.Timeout(options.max_time, **patience)
    return arguments


def _data(given: str, *, strip: bool = False) -> bytes:
    if not given.startswith("@"):
        return given.encode()
    content = sys.stdin.buffer.read() if given == "@-" else Path(given[1:]).read_bytes()
    return content.translate(None, b"\r\n\0") if strip else content


def _save(client: Any, url: str, target: Path, options: argparse.Namespace) -> tuple[Response, bool]:
    from eyesocket import http

    if options.head:
        message = "-o and -O save a body, and -I asks for none; leave one out"
        raise ValueError(message)
    bar = sys.stderr.isatty() and not options.silent
    try:
        response = http.download(
            url,
            target,
            method=_method(options),
            resume=options.continue_at == "-",
            progress=_progress if bar else None,
            client=client,
            **_arguments(options),
        )
    except http.HTTPStatusError as error:
        return error.response, False
    else:
        return response, True
    finally:
        if bar:
            sys.stderr.write("\n")


def _print(client: Any, url: str, options: argparse.Namespace) -> Response:
    """Fetch to standard output, as it comes."""
    out = sys.stdout.buffer
    with client.stream(_method(options), url, **_arguments(options)) as response:
        given: Response = response
        if options.json or options.har or (options.fail and given.is_error):
            given.read()
        if options.json or (options.fail and given.is_error):
            return given
        if options.include or options.head:
            for one in (*given.history, given):
                out.write(_head(one))
        for piece in given.iter_bytes():
            out.write(piece)
            out.flush()
        out.flush()
        return given


def _head(response: Response) -> bytes:
    status = f"{response.http_version} {response.status} {response.reason_phrase}".rstrip().encode("latin-1")
    lines = [name + b": " + value for name, value in response.headers.raw]
    return b"\r\n".join([status, *lines, b"", b""])


def _progress(have: int, total: int | None) -> None:
    text = f"{have / 1e6:.1f} MB"
    if total:
        filled = min(30, have * 30 // total)
        text = f"[{'#' * filled}{' ' * (30 - filled)}] {have * 100 // total} % of {total / 1e6:.1f} MB"
    sys.stderr.write(f"\r{text}")


def _tell(response: Response, saved: bool | None = None, *, options: argparse.Namespace) -> int:  # noqa: FBT001
    """Say what is asked for beside the body, and give the exit status."""
    from eyesocket.http._show import waterfall_text, wire_text

    if options.verbose:
        for one in (*response.history, response):
            sys.stderr.write(f"* {one.peer}\n{wire_text(one.wire)}\n")
    if options.waterfall:
        sys.stderr.write(waterfall_text(response.timings) + "\n")
    if options.har:
        from eyesocket.http import har

        Path(options.har).write_text(json.dumps(har([response])), "utf-8")
    if options.json:
        sys.stdout.write(json.dumps(response.to_dict()) + "\n")
    elif saved is not None and options.include:
        sys.stdout.write(_head(response).decode("latin-1"))
    if options.write_out:
        sys.stdout.write(_written(response, options.write_out))
    if saved is False:
        sys.stderr.write(f"eyesocket get: nothing saved: {response.status} {response.reason_phrase}\n")
        return 22 if options.fail and response.is_error else 1
    if options.fail and response.is_error:
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
        "size_download": str(response.num_bytes_downloaded or len(response._kept or b"")),
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
