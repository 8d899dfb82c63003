"""`eyesocket get URL`: fetch it, save it, go on where it was left, or look at what went over the wire.

Exit statuses: those of every subcommand, and 22 if the server answered 400 or above and --fail was given. Without it
such an answer is one like any other (0), but is never saved to a file (1).

Letters do what curl's do. Where they differ on purpose: `-k`, what a failed answer does to a file, `-C -` by a part
beside the file, and words that curl ignores (a field without a colon, a file that is not there), which are wrong here.
"""

from __future__ import annotations

import argparse
import errno
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eyesocket._command._asking import DataAction, address, arguments, method, settings, target

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
    add("-A", "--user-agent", metavar="NAME", help="who asks; nothing leaves the field out")
    add("-e", "--referer", metavar="URL", help="where the URL was found")
    add("-b", "--cookie", action="append", metavar="NAME=VALUE", help="cookies; again for more")
    add(
        "-d",
        "--data",
        action=DataAction,
        default=[],
        metavar="DATA",
        help="a body; @FILE reads one (@- standard input), line ends taken out; several are joined by &",
    )
    for word, told in (
        ("--data-raw", "the same, @ is an @"),
        ("--data-binary", "the same, a file as it is"),
        ("--data-urlencode", "the same, encoded: CONTENT, NAME=CONTENT, @FILE or NAME@FILE"),
    ):
        add(word, action=DataAction, dest="data", metavar="DATA", help=told)
    add("-G", "--get", action="store_true", help="data go into the URL's query")
    add(
        "-F",
        "--form",
        action="append",
        metavar="NAME=CONTENT",
        help="a part of a form; NAME=@FILE sends a file, NAME=<FILE what it holds; ;type=TYPE and ;filename=NAME",
    )
    add(
        "-T",
        "--upload-file",
        metavar="FILE",
        help="PUT a file, - standard input; its name goes behind a URL ending in /",
    )
    add("-r", "--range", metavar="RANGE", help="only these bytes: 0-99, 100-, -100")
    add("-u", "--user", metavar="USER:PASSWORD", help="credentials for the site; without :PASSWORD it is asked for")
    add("--digest", action="store_true", help="prove them by Digest")
    add("--basic", action="store_true", help="as ever: send them as Basic")
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
    add(
        "--max-redirs", type=_redirections, metavar="COUNT", help="so many of them at most (default 20; -1: any number)"
    )
    add("-x", "--proxy", metavar="PROXY", help="http://, https://, socks5:// or socks5h:// [USER:PASSWORD@]HOST[:PORT]")
    add("-U", "--proxy-user", metavar="USER:PASSWORD", help="credentials for the proxy")
    add("--proxy-digest", action="store_true", help="prove them by Digest")
    add("--connect-to", action="append", default=[], metavar="HOST:PORT:TO:PORT", help="connect to another place")
    add("--resolve", action="append", default=[], metavar="HOST:PORT:ADDRESS", help="the address of a host")
    add("--unix-socket", metavar="PATH", help="connect to this UNIX socket")
    add(
        "--retry",
        type=_number,
        metavar="COUNT",
        help="try again after failures that may pass: no answer, 408, 429, 5xx",
    )
    add(
        "--connect-timeout",
        type=_seconds,
        default=30,
        metavar="SECONDS",
        help="for name, connection and TLS (default 30; 0: no limit)",
    )
    add(
        "-m",
        "--max-time",
        type=_seconds,
        metavar="SECONDS",
        help="total deadline (default and 0: none: 30 s without a byte end it)",
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
    add("--compressed", action="store_true", help="as ever: codings are asked for and undone, but not with -o")
    add("-s", "--silent", action="store_true", help="no progress bar")
    add("-S", "--show-error", action="store_true", help="as ever: errors are told with -s too")


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal():
        message = f"{text!r} is no number of times"
        raise argparse.ArgumentTypeError(message)
    return min(int(text), 2**31)


def _redirections(text: str) -> int:
    return 2**31 if text == "-1" else _number(text)


def _seconds(text: str) -> float | None:
    """Give a time to wait; 0 is as long as it takes, as it is for curl."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        message = f"{text!r} is no number of seconds"
        raise argparse.ArgumentTypeError(message)
    return seconds or None


def _offset(text: str) -> int | None:
    """Give None for `-`."""
    if text != "-" and not (text.isascii() and text.isdecimal()):
        message = f"{text!r} is neither - nor a number of bytes"
        raise argparse.ArgumentTypeError(message)
    return -1 if text == "-" else int(text)


def run(options: argparse.Namespace) -> int:
    """Fetch and show."""
    from contextlib import ExitStack

    try:
        with ExitStack() as options.opened:
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
    bodies = [bool(options.data) and not options.get, bool(options.form), options.upload_file is not None, options.head]
    if sum(bodies) > 1:
        message = "-I asks for a head; -d, -F and -T send a body each; leave all but one out"
        raise ValueError(message)
    url = address(options)
    with http.Client(**settings(options)) as client:
        if options.request:
            # As it is written: methods are case-sensitive (RFC 9110 section 9.1).
            client.event_hooks = {"request": [lambda request: setattr(request, "method", options.request)]}
        to = target(url, options)
        try:
            if to is None or options.head or options.range or (to.exists() and not to.is_file()):
                return _tell(_print(client, url, to, options), options=options)
            if options.continue_at not in {None, -1}:
                return _tell(_behind(client, url, to, options), options=options)
            return _tell(*_save(client, url, to, options), options=options)
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


def _save(client: Any, url: str, target: Path, options: argparse.Namespace) -> tuple[Response, bool]:
    from eyesocket import http

    bar = sys.stderr.isatty() and not options.silent
    try:
        response = http.download(
            url,
            target,
            method=method(options),
            resume=options.continue_at == -1,
            progress=_progress if bar else None,
            client=client,
            **arguments(options),
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
    with client.stream(method(options), url, **arguments(options)) as response:
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
    with client.stream(method(options), url, **arguments(options)) as response, _stream(target) as out:
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

    if target is None and sys.stdout is None:
        message = "standard output is closed"
        raise OSError(errno.EBADF, message)
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

        place = str(target(options.url, options) or "") if saved is not False else ""
        error = failed if status else ""
        write_out(
            options.write_out,
            variables(response, url=options.url, status=status, error=error, saved=place),
            response,
        )
    if status:
        sys.stderr.write(f"eyesocket get: {'nothing saved: ' if saved is False else ''}{failed}\n")
    return status
