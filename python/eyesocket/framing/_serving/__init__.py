"""Serving frames: a handler for each message, on the running asyncio (or uvloop) loop, or on threads where none runs.

Lives here: what is called. What a server does is in `_loop.py` and `_threads.py`; what a frame is, is native.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from eyesocket.framing._serving._loop import LoopServer
from eyesocket.framing._serving._server import Server, Settings, awaits, checked, listen, patient
from eyesocket.framing._serving._threads import ThreadServer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from types import TracebackType

    from eyesocket import _native
    from eyesocket.framing._serving._server import Handler
    from eyesocket.framing._sockets import Address

__all__ = ["LoopServer", "Server", "ServingThread", "ThreadServer", "serve", "serve_in_thread"]


def serve(
    handler: Handler,
    address: Address,
    codec: _native.Codec,
    *,
    limit: int = 1024,
    backlog: int = 4096,
    per_batch: bool = False,
    reuse_port: bool = False,
    context: ssl.SSLContext | None = None,
    grace: float = 0.0,
    idle_timeout: float | None = None,
    started: Callable[[Server], object] | None = None,
) -> Server:
    """Serve at `address`, `(host, port)` or a path: call `handler(frame, peer)` for each message, send what it gives.

    A handler that gives None sends nothing. With `per_batch` it gets a list of frames, those that came together, and
    gives a list of frames (or None). It may be an `async` function. The messages of one connection are handled in
    their order, those of several at once, and a peer that is slow or silent holds up no other. A handler that raises
    is logged (logger `eyesocket.framing`, with the peer) and ends that connection alone, behind the answers before.

    `limit`: so many connections are open at once; `backlog` more wait in the kernel (listen(2)), which keeps to
    `net.core.somaxconn`. `reuse_port`: several processes serve at one port (SO_REUSEPORT of socket(7)). `context`:
    serve over TLS (an `ssl.SSLContext` for servers). `grace`: seconds that what is under way has at the end, 0 drops
    it. `idle_timeout`: a connection is closed when for so many seconds its peer has completed no message and taken
    nothing of an answer, while none of its messages is being handled; a byte now and then is no message. It may take
    a quarter longer. None closes none, and then silent peers count towards `limit` for as long as they like.
    `started` is called with the server once it listens.

    On a running loop the server is given at once: `await` it to serve until cancelled, or use `async with`. There a
    plain handler must not block, and one that raises `SystemExit` or `KeyboardInterrupt` ends the loop, as everywhere
    on it. Where no loop runs, it serves with a thread for each connection (an `async` handler: on a loop of its own)
    until `stop`, and then returns, or until Ctrl-C, and then raises `KeyboardInterrupt`.
    """
    settings = checked(Settings(handler, codec, limit, per_batch, context, grace, idle_timeout))
    listener = listen(address, backlog, reuse_port=reuse_port)
    try:
        server: Server
        if asyncio._get_running_loop() is not None:
            server = LoopServer(settings, listener)
            if started is not None:
                started(server)
            return server
        if awaits(handler):
            return asyncio.run(_until_stopped(settings, listener, started))
        server = ThreadServer(settings, listener)
        if started is not None:
            started(server)
    except BaseException:
        listener.close()
        raise
    server.run()
    return server


async def _until_stopped(settings: Settings, listener: Any, started: Callable[[Server], object] | None) -> Server:
    server = LoopServer(settings, listener)
    if started is not None:
        started(server)
    await server
    return server


class ServingThread(contextlib.AbstractContextManager[Any]):
    """A server in the background: `with` gives its address, and leaving it stops the server.

    May be used again once it was left.
    """

    def __init__(self, settings: Settings, address: Address, backlog: int, *, reuse_port: bool) -> None:
        self._settings = settings
        self._asked = address
        self._backlog = backlog
        self._reuse_port = reuse_port
        self._server: LoopServer | ThreadServer | None = None
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<ServingThread at {self._asked!r}: not serving>" if self._server is None else repr(self._server)

    @property
    def server(self) -> Server:
        """The server, while it serves."""
        if self._server is None:
            message = "nothing is served before the `with`, nor after it"
            raise RuntimeError(message)
        return self._server

    def __enter__(self) -> Any:
        if self._server is not None:
            message = f"this serves at {self._server.address} already; call serve_in_thread again for another server"
            raise RuntimeError(message)
        listener = listen(self._asked, self._backlog, reuse_port=self._reuse_port)
        begun: Future[LoopServer | ThreadServer] = Future()
        serving = self._on_a_loop if awaits(self._settings.handler) else self._on_threads

        def work() -> None:
            try:
                serving(listener, begun)
            except BaseException as error:
                # Who waits for the beginning is told; later there is nobody but the thread's own hook.
                if begun.done():
                    raise
                begun.set_exception(error)

        thread = threading.Thread(target=work, daemon=True, name="eyesocket server")
        try:
            thread.start()
            self._server = begun.result()
        except BaseException:
            listener.close()
            raise
        self._thread = thread
        return self._server.address

    def _on_threads(self, listener: Any, begun: Future[LoopServer | ThreadServer]) -> None:
        server = ThreadServer(self._settings, listener)
        begun.set_result(server)
        server.run()

    def _on_a_loop(self, listener: Any, begun: Future[LoopServer | ThreadServer]) -> None:
        async def begin() -> LoopServer:
            return LoopServer(self._settings, listener)

        with asyncio.Runner() as runner:
            server = runner.run(begin())
            begun.set_result(server)
            while not server._ended.done():
                try:
                    runner.run(server._until_ended())
                except (KeyboardInterrupt, SystemExit):
                    # Of a handler, and logged: no thread but the main one ends a program.
                    continue

    def stop(self, grace: float | None = None) -> None:
        """Stop the server, from any thread, any number of times; `grace` in seconds, None is the one given before."""
        server, thread = self._server, self._thread
        if isinstance(server, ThreadServer):
            server.stop(grace)
        elif server is not None and thread is not None:
            grace = self._settings.grace if grace is None else patient(grace)
            # A loop that is closed has ended its server.
            with contextlib.suppress(RuntimeError):
                server._loop.call_soon_threadsafe(server._end, grace)
            if thread is not threading.current_thread():
                thread.join()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.stop()
            if self._thread is not None:
                self._thread.join()
        finally:
            self._server = self._thread = None


def serve_in_thread(
    handler: Handler,
    address: Address,
    codec: _native.Codec,
    *,
    limit: int = 1024,
    backlog: int = 4096,
    per_batch: bool = False,
    reuse_port: bool = False,
    context: ssl.SSLContext | None = None,
    grace: float = 0.0,
    idle_timeout: float | None = None,
) -> ServingThread:
    """Serve as `serve` does, in the background; for notebooks and tests.

        with serve_in_thread(lambda frame, peer: frame, ("127.0.0.1", 0), LengthPrefixed(4)) as address:
            ...

    Leaving the block stops the server, with `grace` seconds for what is under way.
    """
    settings = checked(Settings(handler, codec, limit, per_batch, context, grace, idle_timeout))
    return ServingThread(settings, address, backlog, reuse_port=reuse_port)
