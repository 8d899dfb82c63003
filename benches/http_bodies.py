"""HTTP against a small C server on loopback: large bodies in time, CPU and memory; deadlines; import."""

from __future__ import annotations

import ctypes
import http.client
import io
import mmap
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

from benches.harness import Missing, Subjects, comparison, package
from benches.http_server import check, optional, peer

TITLE = "HTTP: large bodies, memory, deadlines"

BIG = 256 << 20
PIECE = 256 << 10


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
                library.drain(plain.fileno(), (ctypes.c_char * BIG).from_buffer(memory), ctypes.c_size_t(0))

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

        def with_pycurl(pycurl: Any) -> Callable[[], None]:
            handle = pycurl.Curl()
            handle.setopt(pycurl.URL, url)
            stack.callback(handle.close)

            def run() -> None:
                body = io.BytesIO()
                handle.setopt(pycurl.WRITEDATA, body)
                handle.perform()
                if body.tell() != BIG:
                    raise EOFError

            return run

        def with_pyreqwest(_: Any) -> Callable[[], None]:
            from pyreqwest.client import SyncClientBuilder

            theirs = SyncClientBuilder().build()
            return lambda: check(theirs.get(url).build().send().bytes(), BIG)

        yield {
            "eyesocket": (lambda: check(client.get(url).content, BIG)) if floor else away,
            **({"C loop": in_c} if floor else {}),
            "curl": curl if shutil.which("curl") else Missing("not installed"),
            "pycurl": optional("pycurl", with_pycurl),
            "pyreqwest": optional("pyreqwest", with_pyreqwest),
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


def streamed() -> Iterator[Subjects]:
    """GET 256 MiB and let go of each piece."""
    from eyesocket import http as ours

    with ExitStack() as stack:
        port, library = stack.enter_context(peer())
        url = f"http://127.0.0.1:{port}/big"
        client = stack.enter_context(ours.Client(trust_env=False))
        plain = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        standard = http.client.HTTPConnection("127.0.0.1", port)
        stack.callback(standard.close)
        buffer = ctypes.create_string_buffer(PIECE)

        def whole(pieces: Iterable[bytes]) -> None:
            if sum(map(len, pieces)) != BIG:
                raise EOFError

        def eyesocket() -> None:
            with client.stream("GET", url) as response:
                whole(response.iter_raw())

        def in_c() -> None:
            library.drain(plain.fileno(), buffer, ctypes.c_size_t(PIECE))

        def stdlib() -> None:
            standard.request("GET", "/big")
            response = standard.getresponse()
            whole(iter(partial(response.read, PIECE), b""))

        def curl() -> None:
            subprocess.run(["curl", "-s", "-o", "/dev/null", url], check=True)

        def with_pycurl(pycurl: Any) -> Callable[[], None]:
            handle = pycurl.Curl()
            handle.setopt(pycurl.URL, url)
            stack.callback(handle.close)

            def run() -> None:
                sizes: list[int] = []
                handle.setopt(pycurl.WRITEFUNCTION, lambda piece: sizes.append(len(piece)))
                handle.perform()
                if sum(sizes) != BIG:
                    raise EOFError

            return run

        def with_requests(requests: Any) -> Callable[[], None]:
            session = stack.enter_context(requests.Session())
            return lambda: whole(session.get(url, stream=True).iter_content(PIECE))

        yield {
            "eyesocket": eyesocket,
            "C loop": in_c,
            "curl": curl if shutil.which("curl") else Missing("not installed"),
            "pycurl": optional("pycurl", with_pycurl),
            "http.client": stdlib,
            "requests": optional("requests", with_requests),
        }


@comparison("GET of 256 MiB, streamed away", targets={"C loop": 0.85})
def pieces() -> Iterator[Subjects]:
    """Measure a body with Content-Length that nobody keeps."""
    yield from streamed()


def processor(run: Callable[[], None]) -> Callable[[], float]:
    """Make of a subject that fetches BIG bytes one that tells its seconds of CPU, children's included, a GB."""

    def used() -> float:
        mine, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return mine.ru_utime + mine.ru_stime + others.ru_utime + others.ru_stime

    def told() -> float:
        before = used()
        run()
        return (used() - before) / (BIG / 1e9)

    return told


def efforts(of: Iterator[Subjects]) -> Iterator[Subjects]:
    """Make of subjects in seconds such in CPU-seconds a GB; the limit is what is to be reached."""
    for subjects in of:
        told: dict[str, Any] = {
            name: subject if isinstance(subject, Missing) else processor(subject)  # type: ignore[arg-type]
            for name, subject in subjects.items()
        }
        ours = told.pop("eyesocket")
        yield {"eyesocket": ours, "limit": lambda: 0.16, **told}


@comparison("CPU of the GET of 256 MiB into memory", unit="s/GB", targets={"limit": 1.0})
def effort() -> Iterator[Subjects]:
    """Measure what a byte costs, with the memory that keeps it."""
    yield from efforts(large("/big", floor=True))


@comparison("CPU of the GET of 256 MiB, streamed away", unit="s/GB", targets={"limit": 1.0})
def effort_streamed() -> Iterator[Subjects]:
    """Measure what a byte costs on its way."""
    yield from efforts(streamed())


PRELUDE = """
def high():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
"""


def more_memory(setup: str, work: str, less: int = 0) -> Callable[[], float]:
    """Run `work` in a fresh interpreter: by how many MB beyond `less` bytes the peak of its memory rises.

    The kernel counts pages, so three runs say it all; the rounds are told their median.
    """
    script = f"{PRELUDE}{setup}\nbefore = high()\n{work}\nprint(high() - before)"

    @cache
    def measured() -> float:
        runs = [
            int(subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout)
            for _ in range(3)
        ]
        # A ratio needs something to stand on: a page.
        return max((statistics.median(runs) * 1024 - less) / 1e6, 0.004)

    return measured


def of_package(name: str, subject: Callable[[], float]) -> Callable[[], float] | Missing:
    """Give the subject, or why it is not there."""
    return package(name) or subject


def beside(target: str) -> Iterator[Subjects]:
    """Measure what stands beside `.content`; small requests have been made before."""
    with peer() as (port, _):
        small, big = f"http://127.0.0.1:{port}/small", f"http://127.0.0.1:{port}{target}"

        def client(opened: str, field: str = "content") -> Callable[[], float]:
            setup = f"{opened}\nassert len(c.get({small!r}).{field}) == 100"
            return more_memory(setup, f"body = c.get({big!r}).{field}\nassert len(body) == {BIG}", BIG)

        plain = (
            f"import http.client\nc = http.client.HTTPConnection('127.0.0.1', {port})\n"
            "c.request('GET', '/small'); c.getresponse().read()"
        )
        yield {
            "eyesocket": client("from eyesocket import http\nc = http.Client(trust_env=False)"),
            "limit": lambda: 4.0,
            "http.client": more_memory(plain, f"c.request('GET', {target!r}); body = c.getresponse().read()", BIG),
            "httpr": of_package("httpr", client("import httpr\nc = httpr.Client()")),
            "primp": of_package("primp", client("import primp\nc = primp.Client()")),
            "httpx": of_package("httpx", client("import httpx\nc = httpx.Client(trust_env=False)")),
            "requests": of_package("requests", client("import requests\nc = requests.Session()")),
        }


@comparison("memory beyond the content, GET of 256 MiB", unit="MB", targets={"limit": 1.0})
def memory_of_content() -> Iterator[Subjects]:
    """Measure it where the length is known beforehand."""
    yield from beside("/big")


@comparison("memory beyond the content, GET of 256 MiB in chunks of 1 KiB", unit="MB", targets={"limit": 1.0})
def memory_of_chunks() -> Iterator[Subjects]:
    """Measure it where nothing tells the length."""
    yield from beside("/chunks")


@comparison("memory, 1 GiB to a file", unit="MB", targets={"limit": 1.0})
def memory_of_download() -> Iterator[Subjects]:
    """Measure what a download holds in memory."""
    with peer() as (port, _), tempfile.TemporaryDirectory() as folder:
        gig, small, file = f"http://127.0.0.1:{port}/gig", f"http://127.0.0.1:{port}/small", str(Path(folder) / "f")
        pieces = f"\n    with open({file!r}, 'wb') as file:\n        for piece in "
        yield {
            "eyesocket": more_memory(
                f"from eyesocket import http\nhttp.download({small!r}, {file!r})", f"http.download({gig!r}, {file!r})"
            ),
            "limit": lambda: 2.0,
            "httpx": of_package(
                "httpx",
                more_memory(
                    f"import httpx\nhttpx.get({small!r}, trust_env=False)",
                    f"with httpx.stream('GET', {gig!r}) as r:{pieces}r.iter_bytes(): file.write(piece)",
                ),
            ),
            "requests": of_package(
                "requests",
                more_memory(
                    f"import requests\nrequests.get({small!r})",
                    f"with requests.get({gig!r}, stream=True) as r:{pieces}r.iter_content(65536): file.write(piece)",
                ),
            ),
        }


@comparison("a byte every 10 ms, 0.2 s in all: how late the end is", targets={"limit": 1.0})
def overshoot() -> Iterator[Subjects]:
    """Measure whether a deadline holds; the drip goes on for a second."""
    from eyesocket import http as ours

    most = 0.2
    with peer() as (port, _):
        url = f"http://127.0.0.1:{port}/drip"

        def late(get: Callable[[], object]) -> Callable[[], float]:
            def told() -> float:
                began = time.perf_counter()
                with suppress(Exception):
                    get()
                return time.perf_counter() - began - most

            return told

        def with_pycurl(pycurl: Any) -> Callable[[], float]:
            def get() -> None:
                handle = pycurl.Curl()
                handle.setopt(pycurl.URL, url)
                handle.setopt(pycurl.TIMEOUT_MS, int(most * 1000))
                handle.setopt(pycurl.WRITEDATA, io.BytesIO())
                handle.perform()

            return late(get)

        yield {
            "eyesocket": late(lambda: ours.get(url, timeout=most, trust_env=False)),
            "limit": lambda: 0.05,
            "pycurl": optional("pycurl", with_pycurl),
            "httpr": optional("httpr", lambda m: late(lambda: m.Client(timeout=most).get(url))),
            "httpx": optional("httpx", lambda m: late(lambda: m.get(url, timeout=most, trust_env=False))),
            "requests": optional("requests", lambda m: late(lambda: m.get(url, timeout=most))),
        }


def fresh(line: str) -> Callable[[], float]:
    """Give the seconds by which a line makes a new interpreter's run longer."""

    def begun(line: str) -> float:
        before = time.perf_counter()
        subprocess.run([sys.executable, "-c", line], check=True)
        return time.perf_counter() - before

    return lambda: max(begun(line) - begun("pass"), 1e-4)


@comparison("import, beyond a fresh interpreter's start", targets={"limit": 1.0})
def importing() -> Iterator[Subjects]:
    """Measure what the first line of a program costs."""
    yield {
        "eyesocket": fresh("import eyesocket.http"),
        "limit": lambda: 0.010,
        "http.client": fresh("import http.client"),
        **{
            name: optional(name, lambda m: fresh(f"import {m.__name__}"))
            for name in ("httpr", "pycurl", "aiohttp", "httpx", "requests")
        },
    }


@comparison("import and a client, beyond a fresh interpreter's start", targets={"limit": 1.0})
def beginning() -> Iterator[Subjects]:
    """Measure what a program's first lines cost: ours loads its parts when they are first named."""
    yield {
        "eyesocket": fresh("from eyesocket import http; http.Client()"),
        "limit": lambda: 0.010,
        "http.client": fresh("import http.client; http.client.HTTPConnection('127.0.0.1')"),
        "httpx": optional("httpx", lambda _: fresh("import httpx; httpx.Client()")),
        "requests": optional("requests", lambda _: fresh("import requests; requests.Session()")),
    }
