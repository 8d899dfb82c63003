"""HTTP against a small C server on loopback: requests a second, on one connection, on two threads, awaited."""

from __future__ import annotations

import asyncio
import ctypes
import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

from benches.harness import Subjects, comparison, pinned
from benches.http_server import check, optional, peer

TITLE = "HTTP: a user agent against the peers"


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

    def with_pyreqwest(_: Any) -> Callable[[], None]:
        from pyreqwest.client import SyncClientBuilder

        theirs = SyncClientBuilder().build()

        def run() -> None:
            for _ in turns:
                check(theirs.get(url).build().send().bytes(), 100)

        return run

    def with_wreq(_: Any) -> Callable[[], None]:
        import wreq.blocking

        theirs = wreq.blocking.Client()

        def run() -> None:
            for _ in turns:
                check(theirs.get(url).bytes(), 100)

        return run

    yield {
        "eyesocket": eyesocket,
        "C loop": in_c,
        "pycurl": optional("pycurl", with_pycurl),
        "httpr": optional("httpr", lambda m: with_client(m.Client().get)),
        "primp": optional("primp", lambda m: with_client(m.Client().get)),
        "pyreqwest": optional("pyreqwest", with_pyreqwest),
        "wreq": optional("wreq", with_wreq),
        "http.client": stdlib,
        "urllib3": optional("urllib3", lambda m: with_client(partial(m.PoolManager().request, "GET"), "data")),
        "httpx": optional("httpx", lambda m: with_client(stack.enter_context(m.Client(trust_env=False)).get)),
        "requests": optional("requests", lambda m: with_client(stack.enter_context(m.Session()).get)),
    }


TARGETS = {
    "C loop": 0.70,
    "pycurl": 1.3,
    "httpr": 1.3,
    "primp": 1.3,
    "pyreqwest": 1.3,
    "wreq": 1.3,
    "http.client": 1.3,
    "urllib3": 10.0,
    "requests": 25.0,
}


@comparison("GET of 100 bytes, kept alive, client and server on one CPU", targets=TARGETS)
def small_pinned() -> Iterator[Subjects]:
    """Measure what a request costs."""
    with ExitStack() as stack:
        stack.enter_context(pinned())
        port, library = stack.enter_context(peer())
        yield from requests_a_second(stack, port, library)


@comparison("GET of 100 bytes, kept alive, client and server on a CPU each", targets={"C loop": 0.75})
def small_apart() -> Iterator[Subjects]:
    """Measure what a request takes when each end has to wake the other's CPU."""
    with ExitStack() as stack:
        port, library = stack.enter_context(peer(apart=True))
        stack.enter_context(pinned())
        yield from requests_a_second(stack, port, library)


@comparison("GET of 100 bytes, kept alive, not pinned", targets={"C loop": 0.75})
def small() -> Iterator[Subjects]:
    """Measure what a request takes when the scheduler decides, for each connection by itself and for long."""
    with ExitStack() as stack:
        port, library = stack.enter_context(peer())
        yield from requests_a_second(stack, port, library)


@comparison("GET of 100 bytes, kept alive, two threads with a client each", targets={"pycurl": 1.1})
def two_threads() -> Iterator[Subjects]:
    """Measure what the interpreter lock costs: 50 requests a thread to a turn."""
    from eyesocket import http as ours

    with ExitStack() as stack:
        port, library = stack.enter_context(peer())
        url = f"http://127.0.0.1:{port}/small"

        def both(make: Callable[[], Callable[[], None]]) -> Callable[[], None]:
            one, two = make(), make()

            def half(get: Callable[[], None]) -> None:
                for _ in range(50):
                    get()

            def run() -> None:
                other = threading.Thread(target=half, args=(one,))
                other.start()
                half(two)
                other.join()

            return run

        def eyesocket() -> Callable[[], None]:
            client = stack.enter_context(ours.Client(trust_env=False))
            return lambda: check(client.get(url).content, 100)

        def in_c() -> Callable[[], None]:
            number = stack.enter_context(socket.create_connection(("127.0.0.1", port))).fileno()
            return lambda: library.get(number)

        def with_pycurl(pycurl: Any) -> Callable[[], None]:
            import io

            def make() -> Callable[[], None]:
                handle = pycurl.Curl()
                handle.setopt(pycurl.URL, url)
                stack.callback(handle.close)

                def get() -> None:
                    body = io.BytesIO()
                    handle.setopt(pycurl.WRITEDATA, body)
                    handle.perform()
                    check(body.getvalue(), 100)

                return get

            return both(make)

        def with_client(client: Callable[[], Any]) -> Callable[[], None]:
            def make() -> Callable[[], None]:
                get = client().get
                return lambda: check(get(url).content, 100)

            return both(make)

        yield {
            "eyesocket": both(eyesocket),
            "C loop": both(in_c),
            "pycurl": optional("pycurl", with_pycurl),
            "httpr": optional("httpr", lambda m: with_client(m.Client)),
            "primp": optional("primp", lambda m: with_client(m.Client)),
            "requests": optional("requests", lambda m: with_client(lambda: stack.enter_context(m.Session()))),
        }


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

        def with_wreq(wreq: Any) -> Callable[[], None]:
            theirs = wreq.Client()

            async def get() -> None:
                check(await (await theirs.get(url)).bytes(), 100)

            return turn(get)

        yield {
            "eyesocket": turn(eyesocket),
            "aiohttp": optional("aiohttp", with_aiohttp),
            "wreq": optional("wreq", with_wreq),
            "httpx": optional("httpx", with_httpx),
        }


@comparison("awaiting, one at a time, one CPU", targets={"aiohttp": 1.2, "wreq": 1.2})
def awaiting_one() -> Iterator[Subjects]:
    """Measure the asyncio driver."""
    yield from awaiting(1)


@comparison("awaiting, 32 at once, one CPU", targets={"aiohttp": 1.2, "wreq": 1.2})
def awaiting_many() -> Iterator[Subjects]:
    """Measure the asyncio driver under load."""
    yield from awaiting(32)
