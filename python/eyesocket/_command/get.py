"""`eyesocket get URL`: fetch it, save it, go on where it was left, or look at what went over the wire.

Exit statuses: those of every subcommand, and 22 if the server answered 400 or above and --fail was given. Without it
such an answer is one like any other (0), but is never saved to a file (1).

Letters do what curl's do. Where they differ on purpose: `-k`, what a failed answer does to a file, `-C -` by a part
beside the file, and words that curl ignores (a field without a colon, a file that is not there), which are wrong here.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eyesocket.http import Response

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options; the letters are curl's."""
    parser.epilog = (
        "Exit status: 0 there is an answer; 1 there is none (not resolved, refused, timed out, cut off, TLS not "
        "believed), or -o or -O saved nothing; 2 wrong words, a URL or header that cannot be sent among them; 22 the "
        "server answered 400 or above, with --fail; "
        "130 Ctrl-C; 141 the reader of our output went away."
    )
    add = parser.add_argument
    add("url", help="what to fetch; http:// is assumed")
    add(
        "-X",
        "--request",
        metavar="METHOD",
        help="the method (default GET, POST with -d, HEAD with -I); with -L the method after a redirection, too",
    )
    add(
        "-H",
        "--header",
        action="append",
        default=[],
        metavar="NAME: VALUE",
        help="a header field; again for more; 'NAME:' leaves one of ours out, 'NAME;' sends it empty, @FILE reads some",
    )
    add(
        "-d",
        "--data",
        action=_Data,
        default=[],
        metavar="DATA",
        help="a body; @FILE reads one (@- standard input), line ends taken out; several are joined by &",
    )
    add(
        "--data-binary",
        action=_Data,
        dest="data",
        metavar="DATA",
        help="the same, a file as it is",
    )
    add("-u", "--user", metavar="USER:PASSWORD", help="credentials for the site; without :PASSWORD it is asked for")
    add("--digest", action="store_true", help="prove them by Digest")
    add("-i", "--include", action="store_true", help="print the response head too")
    add("-I", "--head", action="store_true", help="ask for the head alone")
    add("-o", "--output", metavar="FILE", help="save to FILE, which appears when it is whole; - is standard output")
    add("-O", "--remote-name", action="store_true", help="save under the last part of the URL's path")
    add(
        "-C",
        "--continue-at",
        metavar="OFFSET",
        type=_offset,
        help="- : go on with what an interrupted -o or -O left; a number: only what is behind so many bytes",
    )
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
        "-w",
        "--write-out",
        metavar="FORMAT",
        help="print after the body; %%{http_code}, %%{time_total}, %%header{NAME}, ... as curl's; @FILE reads it",
    )
    add("--cacert", metavar="FILE", help="believe the authorities in this PEM file only")
    add("-k", action="store_true", dest="careless", help="refused: say --insecure")
    add("--insecure", action="store_true", help="believe every certificate: whoever is between can read and change all")
    add("--waterfall", action="store_true", help="show when what happened, on standard error")
    add("--json", action="store_true", help="print status, headers and timings as JSON, not the body")
    add("--har", metavar="FILE", help="write an HTTP archive of it")
    add("-s", "--silent", action="store_true", help="no progress bar")
    add("-S", "--show-error", action="store_true", help="as ever: errors are told with -s too")


class _Data(argparse.Action):
    """Keeps the order of all kinds of data: what it is, and whether line ends are taken out of a file."""

    def __call__(self, _parser: object, options: argparse.Namespace, value: Any, option: str | None = None) -> None:
        options.data = [*options.data, (value, option != "--data-binary")]


def _offset(text: str) -> int | None:
    """Give None for `-`."""
    if text != "-" and not (text.isascii() and text.isdecimal()):
        message = f"{text!r} is neither - nor a number of bytes"
        raise argparse.ArgumentTypeError(message)
    return -1 if text == "-" else int(text)


def run(options: argparse.Namespace) -> int:
    """Fetch and show."""
    try:
        return _run(options)
    except ValueError as error:
        from eyesocket._explain import one_line

        # What the peer does wrong is an OSError alone.
        sys.stderr.write(f"eyesocket get: {one_line(error)}\n")
        return 2


def _run(options: argparse.Namespace) -> int:
    from eyesocket import http

    if options.careless and not options.insecure:
        message = "-k is not taken: believing every certificate has to be spelled out, --insecure"
        raise ValueError(message)
    if options.head and options.data:
        message = "-I asks for a head, -d sends a body; leave one out"
        raise ValueError(message)
    url = options.url if "://" in options.url else f"http://{options.url}"
    verify = False if options.insecure else options.cacert or True
    named = bool(options.request)
    with http.Client(verify=verify, proxy=options.proxy, keep_method=named) as client:
        if named:
            # As it is written: methods are case-sensitive (RFC 9110 section 9.1).
            client.event_hooks = {"request": [lambda request: setattr(request, "method", options.request)]}
        target = _output(options, url)
        try:
            if target is None or options.head or (target.exists() and not target.is_file()):
                return _tell(_print(client, url, target, options), options=options)
            if options.continue_at not in {None, -1}:
                return _tell(_behind(client, url, target, options), options=options)
            return _tell(*_save(client, url, target, options), options=options)
        except http.WriteError as error:
            _nothing(options, url, error)
            # A peer that went away is no reader of our output that did.
            raise ConnectionError(*error.args) from error
        except http.TransportError as error:
            if not isinstance(error, ValueError):
                _nothing(options, url, error)
            raise


def _nothing(options: argparse.Namespace, url: str, error: OSError) -> None:
    """Print what -w asks for though there is no response."""
    if options.write_out:
        from eyesocket._command._write_out import variables, write_out
        from eyesocket._explain import one_line

        write_out(options.write_out, variables(None, url=url, status=1, error=one_line(error)), None)
        sys.stdout.flush()


def _output(options: argparse.Namespace, url: str) -> Path | None:
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


def _method(options: argparse.Namespace) -> str:
    return str(options.request or ("HEAD" if options.head else "POST" if options.data else "GET"))


def _arguments(options: argparse.Namespace) -> dict[str, Any]:
    from eyesocket import http

    fields = _fields(options.header)
    arguments: dict[str, Any] = {"headers": fields, "follow_redirects": options.location}
    if options.data:
        arguments["content"] = b"&".join(_data(data, strip=strip) for data, strip in options.data)
        if not any(name.lower() == "content-type" for name, _ in fields):
            fields.append(("Content-Type", "application/x-www-form-urlencoded"))
    if options.continue_at not in {None, -1}:
        fields.append(("Range", f"bytes={options.continue_at}-"))
    if options.user is not None:
        user, colon, password = options.user.partition(":")
        if not colon:
            from getpass import getpass

            try:
                password = getpass(f"Password of {user}: ")
            except EOFError:
                message = f"-u: nobody is there to say the password of {user}; use -u USER:PASSWORD"
                raise ValueError(message) from None
        arguments["auth"] = http.DigestAuth(user, password) if options.digest else (user, password)
    patience = {"connect": 30, "read": 30, "write": 30}
    arguments["timeout"] = http.Timeout(options.max_time, **patience)
    return arguments


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


def _data(given: str, *, strip: bool = False) -> bytes:
    if not given.startswith("@"):
        return given.encode()
    content = sys.stdin.buffer.read() if given == "@-" else Path(given[1:]).read_bytes()
    return content.translate(None, b"\r\n\0") if strip else content


def _save(client: Any, url: str, target: Path, options: argparse.Namespace) -> tuple[Response, bool]:
    from eyesocket import http

    bar = sys.stderr.isatty() and not options.silent
    try:
        response = http.download(
            url,
            target,
            method=_method(options),
            resume=options.continue_at == -1,
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


def _behind(client: Any, url: str, target: Path, options: argparse.Namespace) -> Response:
    """Append what is behind an offset, if that is what comes."""
    with client.stream(_method(options), url, **_arguments(options)) as response:
        _expect_rest(response, options.continue_at)
        with target.open("ab") as out:
            for piece in response.iter_bytes():
                out.write(piece)
        given: Response = response
        return given


def _expect_rest(response: Response, offset: int) -> None:
    span = response.headers.get("content-range", "")
    if response.status != 206 or not span.startswith(f"bytes {offset}-"):
        message = f"-C: the server does not go on at byte {offset}: {response.status} {response.reason_phrase} {span}"
        raise OSError(message.rstrip())


def _print(client: Any, url: str, target: Path | None, options: argparse.Namespace) -> Response:
    """Fetch to standard output, or what else takes a stream, as it comes."""
    with client.stream(_method(options), url, **_arguments(options)) as response, _stream(target) as out:
        given: Response = response
        if options.continue_at not in {None, -1}:
            _expect_rest(response, options.continue_at)
        if options.json or options.har or (options.fail and given.is_error):
            given.read()
        if options.json:
            return given
        if options.include or options.head:
            for one in (*given.history, given):
                for interim in one.informational:
                    out.write(_head(one, interim))
                out.write(_head(one))
        if not options.head and not (options.fail and given.is_error):
            for piece in given.iter_bytes():
                out.write(piece)
                out.flush()
            if options.include:
                out.write(b"".join(name + b": " + value + b"\r\n" for name, value in given.trailers.raw))
        out.flush()
        return given


def _stream(target: Path | None) -> Any:
    from contextlib import nullcontext

    return nullcontext(sys.stdout.buffer) if target is None else target.open("wb")


def _head(response: Response, interim: Any = None) -> bytes:
    one = response if interim is None else interim
    reason = response.reason_phrase if interim is None else interim.reason
    status = f"{response.http_version} {one.status} {reason}".rstrip().encode("latin-1")
    lines = [name + b": " + value for name, value in one.headers.raw]
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
    status, failed = 0, f"{response.status} {response.reason_phrase}".rstrip()
    if options.fail and response.is_error:
        status = 22
    elif saved is False:
        status = 1
    if options.write_out:
        from eyesocket._command._write_out import variables, write_out

        place = str(_output(options, options.url) or "") if saved is not False else ""
        error = failed if status else ""
        write_out(
            options.write_out,
            variables(response, url=options.url, status=status, error=error, saved=place),
            response,
        )
    if status:
        sys.stderr.write(f"eyesocket get: {'nothing saved: ' if saved is False else ''}{failed}\n")
    return status
