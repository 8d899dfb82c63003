"""HTTP against a small C server on loopback: requests a second, large bodies, chunks, awaiting."""

from __future__ import annotations

import asyncio
import ctypes
import http.client
import importlib
import mmap
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from benches.harness import Missing, Subjects, comparison, package, pinned

TITLE = "HTTP: a user agent against the peers"

SOURCE = Path(__file__).with_name("http_peer.c")
BIG = 256 << 20


@contextmanager
def peer() -> Iterator[tuple[int, ctypes.CDLL]]:
    """Compile and start the server; gives its port and the client in C."""
    compiler = shutil.which("cc")
    if compiler is None:
        message = "benches/http.py needs a C compiler (cc)"
        raise SystemExit(message)
    with tempfile.TemporaryDirectory() as folder:
        server, library = Path(folder) / "http_peer", Path(folder) / "http_peer.so"
        common = [compiler, "-O2", "-D_GNU_SOURCE", "-pthread", str(SOURCE)]
        subprocess.run([*common, "-o", str(server)], check=True)
        subprocess.run([*common, "-shared", "-fPIC", "-o", str(library)], check=True)
        process = subprocess.Popen([str(server)], stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline()), ctypes.CDLL(str(library))
        finally:
            process.kill()
            process.wait()


def optional(name: str, make: Callable[[Any], Callable[[], float | None]]) -> Any:
    """Give the subject that `make` makes of a package, or why it is not there."""
    missing = package(name)
    return missing or make(importlib.import_module(name))


def check(content: Any, length: int) -> None:
    """See that a subject did its work."""
    if len(content) != length:
        message = f"{len(content)} bytes in place of {length}"
        raise AssertionError(message)


def requests_a_second(stack: ExitStack, port: int, library: ctypes.CDLL) -> Iterator[Subjects]:
    """GET 100 bytes again and again on one kept connection, 50 to a turn."""
    from eyesocket import http as ours

    url, turns = f"http://127.0.0.1:{port}/small", range(50)
    client = stack.enter_context(ours.Client(trust_env=False))
    plain = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
    standard = http.client.HTTPConnection("127.0.0.1", port)
    stack.callback(standard.close)
    number = plain.fileno()

    def eyesocket() -> None:
        for _ in turns:
            check(client.get(url).content, 100)

    def in_c() -> None:
        for _ in turns:
            library.get(number)

    def stdlib() -> None:
        for _ in turns:
            standard.request("GET", "/small")
            check(standard.getresponse().read(), 100)

    def with_pycurl(pycurl: Any) -> Callable[[], None]:
        import io

        handle = pycurl.Curl()
        handle.setopt(pycurl.URL, url)
        stack.callback(handle.close)

        def run() -> None:
            for _ in turns:
                body = io.BytesIO()
                handle.setopt(pycurl.WRITEDATA, body)
                handle.perform()
                check(body.getvalue(), 100)

        return run

    def with_client(get: Callable[[str], Any], content: str = "content") -> Callable[[], None]:
        def run() -> None:
            for _ in turns:
                check(getattr(get(url), content), 100)

        return run

    yield {
        "eyesocket": eyesocket,
        "C loop": in_c,
        "pycurl": optional("pycurl", with_pycurl),
        "http.client": stdlib,
        "urllib3": optional("urllib3", lambda m: with_client(partial(m.PoolManager().request, "GET"), "data")),
        "httpx": optional("httpx", lambda m: with_client(stack.enter_context(m.Client(trust_env=False)).get)),
        "requests": optional("requests", lambda m: with_client(stack.enter_context(m.Session()).get)),
    }


TARGETS = {"C loop": 0.70, "pycurl": 1.3, "urllib3": 10.0, "requests": 25.0}


@comparison("GET of 100 bytes, kept alive, client and server on one CPU", targets=TARGETS)
def small_pinned() -> Iterator[Subjects]:
    """Measure what a request costs."""
    with ExitStack() as stack:
        stack.enter_context(pinned())
        port, library = stack.enter_context(peer())
        yield from requests_a_second(stack, port, library)


@comparison("GET of 100 bytes, kept alive, not pinned", targets={"C loop": 0.75})
def small() -> Iterator[Subjects]:
    """Measure what a request takes when the scheduler decides."""
    with ExitStack() as stack:
        port, library = stack.enter_context(peer())
        yield from requests_a_second(stack, port, library)


def large(target: str, *, floor: bool) -> Iterator[Subjects]:
    """GET 256 MiB into memory."""
    from eyesocket import http as ours

    with ExitStack() as stack:
        port, library = stack.enter_context(peer())
        url = f"http://127.0.0.1:{port}{target}"
        client = stack.enter_context(ours.Client(trust_env=False))
        plain = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        standard = http.client.HTTPConnection("127.0.0.1", port)
        stack.callback(standard.close)

        def in_c() -> None:
            with mmap.mmap(-1, BIG) as memory:
                library.drain(plain.fileno(), (ctypes.c_char * BIG).from_buffer(memory))

        def stdlib() -> None:
            standard.request("GET", target)
            check(standard.getresponse().read(), BIG)

        def curl() -> None:
            subprocess.run(["curl", "-s", "-o", "/dev/null", url], check=True)

        def fetch(session: Any) -> Callable[[], None]:
            return lambda: check(session.get(url).content, BIG)

        def away() -> None:
            with client.stream("GET", url) as response:
                if sum(map(len, response.iter_raw())) != BIG:
                    raise EOFError

        yield {
            "eyesocket": (lambda: check(client.get(url).content, BIG)) if floor else away,
            **({"C loop": in_c} if floor else {}),
            "curl": curl if shutil.which("curl") else Missing("not installed"),
            "http.client": stdlib,
            "requests": optional("requests", lambda m: fetch(stack.enter_context(m.Session()))),
        }


@comparison("GET of 256 MiB into memory", targets={"C loop": 0.85})
def whole() -> Iterator[Subjects]:
    """Measure a body with Content-Length."""
    yield from large("/big", floor=True)


@comparison("GET of 256 MiB in chunks of 1 KiB, streamed away", targets={"curl": 0.8})
def chunks() -> Iterator[Subjects]:
    """Measure the chunk reader."""
    yield from large("/chunks", floor=False)


def awaiting(at_once: int) -> Iterator[Subjects]:
    """GET 100 bytes, `at_once` at a time, 64 to a turn."""
    from eyesocket import http as ours

    with ExitStack() as stack:
        stack.enter_context(pinned())
        port, _ = stack.enter_context(peer())
        runner = stack.enter_context(asyncio.Runner())
        url = f"http://127.0.0.1:{port}/small"

        def turn(get: Callable[[], Any]) -> Callable[[], None]:
            async def several() -> None:
                for _ in range(64 // at_once):
                    await get()

            async def all_of_them() -> None:
                await asyncio.gather(*(several() for _ in range(at_once)))

            return lambda: runner.run(all_of_them())

        async def open_ours() -> ours.AsyncClient:
            return ours.AsyncClient(trust_env=False)

        client = runner.run(open_ours())

        async def eyesocket() -> None:
            check((await client.get(url)).content, 100)

        def with_aiohttp(aiohttp: Any) -> Callable[[], None]:
            async def open_theirs() -> Any:
                return aiohttp.ClientSession()

            session = runner.run(open_theirs())
            stack.callback(lambda: runner.run(session.close()))

            async def get() -> None:
                async with session.get(url) as response:
                    check(await response.read(), 100)

            return turn(get)

        def with_httpx(httpx: Any) -> Callable[[], None]:
            async def open_theirs() -> Any:
                return httpx.AsyncClient(trust_env=False)

            theirs = runner.run(open_theirs())

            async def get() -> None:
                check((await theirs.get(url)).content, 100)

            return turn(get)

        yield {
            "eyesocket": turn(eyesocket),
            "aiohttp": optional("aiohttp", with_aiohttp),
            "httpx": optional("httpx", with_httpx),
        }


@comparison("awaiting, one at a time, one CPU", targets={"aiohttp": 1.2})
def awaiting_one() -> Iterator[Subjects]:
    """Measure the asyncio driver."""
    yield from awaiting(1)


@comparison("awaiting, 32 at once, one CPU", targets={"aiohttp": 1.2})
def awaiting_many() -> Iterator[Subjects]:
    """Measure the asyncio driver under load."""
    yield from awaiting(32)


@comparison("import, in a fresh interpreter")
def importing() -> Iterator[Subjects]:
    """Measure what the first line of a program costs."""

    def fresh(line: str) -> Callable[[], None]:
        def run() -> None:
            subprocess.run([sys.executable, "-c", line], check=True)

        return run

    with nullcontext():
        yield {
            "eyesocket": fresh("import eyesocket.http"),
            "nothing": fresh("pass"),
            "http.client": fresh("import http.client"),
            "requests": optional("requests", lambda _: fresh("import requests")),
        }
