from __future__ import annotations

import asyncio
import contextlib
import inspect
import socket
import ssl
import subprocess
import threading
from concurrent.futures import CancelledError, Future

import pytest

from eyesocket import framing


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def fill():
    """Sends to a peer that answers and is not heard, until it takes no more: it cannot write, and stops reading."""

    def fill(chat):
        while True:
            before = chat.unsent
            try:
                chat.send(b"x" * 100_000, timeout=0.05)
            except TimeoutError:
                if chat.unsent == before:
                    return

    return fill


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    """Runs a coroutine on either loop."""
    factory = asyncio.new_event_loop
    if request.param == "uvloop":
        factory = pytest.importorskip("uvloop", reason="uvloop is not installed for this interpreter").new_event_loop

    def run(coroutine):
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(asyncio.wait_for(coroutine, 60))

    return run


# The ways to serve that a test goes through: threads, and a plain or an `async` handler on either loop.

WAYS = ["threads", "asyncio", "asyncio async", "uvloop", "uvloop async"]


class Way:
    def __init__(self, name):
        self.name = name
        self.threads = name == "threads"
        self.awaits = name.endswith("async")
        if name.startswith("uvloop"):
            uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed for this interpreter")
            self.factory = uvloop.new_event_loop
        else:
            self.factory = asyncio.new_event_loop

    def handler(self, function):
        """The same handler, to be awaited where this way does."""
        if not self.awaits or inspect.iscoroutinefunction(function):
            return function

        async def handler(frame, peer):
            await asyncio.sleep(0)
            return function(frame, peer)

        return handler

    def gate(self):
        return Gate(self)

    @contextlib.contextmanager
    def serving(self, function, codec, address=("127.0.0.1", 0), **options):
        """Serve in the background, in the way of a program that has nothing else to do; gives a `Background`."""
        begun = Future()
        running = Background(begun)
        handler = self.handler(function)

        def on_threads():
            running.end(lambda: framing.serve(handler, address, codec, started=begun.set_result, **options))

        def on_loop():
            async def main():
                running.loop = asyncio.get_running_loop()
                await framing.serve(handler, address, codec, started=begun.set_result, **options)

            with asyncio.Runner(loop_factory=self.factory) as runner:
                running.end(lambda: runner.run(main()))

        thread = threading.Thread(target=on_threads if self.threads else on_loop, daemon=True)
        thread.start()
        running.thread = thread
        running.server = begun.result(30)
        try:
            yield running
        finally:
            running.stop()
            thread.join(30)
            assert not thread.is_alive()


class Signal:
    """An event that any thread sets, and that threads and tasks of any loop wait for."""

    def __init__(self):
        self.happened = threading.Event()
        self.lock = threading.Lock()
        self.tasks = set()

    def set(self):
        with self.lock:
            self.happened.set()
            # A task that waits is there until its loop has ended it, so the loop is open.
            for loop, woken in self.tasks:
                loop.call_soon_threadsafe(woken.set)

    def wait(self):
        return self.happened.wait(30)

    async def awaited(self):
        here = asyncio.get_running_loop(), asyncio.Event()
        with self.lock:
            if self.happened.is_set():
                return
            self.tasks.add(here)
        try:
            await here[1].wait()
        finally:
            with self.lock:
                self.tasks.discard(here)


class Gate:
    """A handler that begins, and waits to be let on."""

    def __init__(self, way):
        self.way = way
        self.begun, self.on, self.ended = threading.Event(), Signal(), threading.Event()

    def handler(self):
        if not self.way.awaits:

            def handler(frame, peer):
                self.begun.set()
                assert self.on.wait()
                return frame
        else:

            async def handler(frame, peer):
                self.begun.set()
                try:
                    await self.on.awaited()
                    return frame
                finally:
                    self.ended.set()

        return handler


class Background:
    def __init__(self, begun):
        self.begun = begun
        self.loop = self.server = self.thread = None
        self.ended_by = None

    @property
    def address(self):
        return self.server.address

    def end(self, serve):
        try:
            serve()
        except BaseException as error:
            self.ended_by = error
            if not self.begun.done():
                self.begun.set_exception(error)

    def stop(self, grace=None):
        """From this thread, whatever the way."""
        if self.loop is None:
            self.server.stop(grace)
            return
        stopping = self.server.stop(grace)
        try:
            stopped = asyncio.run_coroutine_threadsafe(stopping, self.loop)
        except RuntimeError:
            stopping.close()
            return
        while self.thread.is_alive() and not stopped.done():
            with contextlib.suppress(TimeoutError, CancelledError):
                stopped.result(0.01)
        stopping.close()
        if stopped.done() and not stopped.cancelled():
            stopped.result()


@pytest.fixture(params=WAYS)
def way(request):
    return Way(request.param)


@pytest.fixture(params=["threads", "asyncio async", "uvloop async"])
def slow_way(request):
    """The ways in which a handler may take its time."""
    return Way(request.param)


@pytest.fixture(scope="module")
def contexts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    made = subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
            ),
            *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
        ],
        capture_output=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    client = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    return client, server


@contextlib.contextmanager
def handshaken(contexts, pair):
    client, server = contexts
    accepted = []
    accepting = threading.Thread(target=lambda: accepted.append(server.wrap_socket(pair[1], server_side=True)))
    accepting.start()
    with client.wrap_socket(pair[0], server_hostname="localhost") as ours:
        accepting.join()
        with accepted[0] as theirs:
            yield ours, theirs


@pytest.fixture
def encrypted(contexts, pair):
    with handshaken(contexts, pair) as both:
        yield both


@pytest.fixture
def encrypted_tcp(contexts):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        with near, listener.accept()[0] as far, handshaken(contexts, (near, far)) as both:
            yield both
