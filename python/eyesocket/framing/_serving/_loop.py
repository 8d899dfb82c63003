"""Serving on a running loop of asyncio or uvloop: accepting, the limit, the end."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from eyesocket import _native
from eyesocket.framing._serving._connection import BufferedConnection, Connection
from eyesocket.framing._serving._server import (
    FATAL,
    HANDSHAKE,
    LOG,
    NO_RESOURCES,
    Server,
    Settings,
    awaits,
    lost,
    patient,
)
from eyesocket.framing._sockets import peer_name

if TYPE_CHECKING:
    import socket
    from collections.abc import Generator

__all__ = ["LoopServer"]

_ACCEPTS = 64
"""So many connections are accepted before the others have their turn."""
_ROOM = 256 * 1024
"""What is read at once where the reading is ours to say, as asyncio's transports do."""
_LOOKS = 8
"""So often within the idle timeout each connection is looked at."""


class LoopServer(Server):
    """A server on the running loop.

    `await server` serves until `stop` or a cancellation, `async with` as long as the block lasts. Where neither is used
    it serves as long as the loop runs.
    """

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        super().__init__(settings, listener)
        listener.settimeout(0)
        self._loop = asyncio.get_running_loop()
        self._awaits = awaits(settings.handler)
        self._open: set[Connection] = set()
        # Others, uvloop for one, read into memory of their own.
        own = isinstance(self._loop, asyncio.SelectorEventLoop)
        self._room = _native.ReadRoom(memoryview(bytearray(_ROOM))) if own else None
        self._make: type[Connection] = BufferedConnection if own else Connection
        self._stopping = False
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._failure: OSError | None = None
        self._until: asyncio.TimerHandle | None = None
        self._watching = False
        self._watch()
        self._aging: asyncio.TimerHandle | None = None
        if settings.idle_timeout is not None:
            self._age(settings.idle_timeout)

    @property
    def connections(self) -> int:
        """How many connections there are now."""
        return len(self._open)

    # Accepting ---------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Wait for connections if there is room for one."""
        if not self._watching and not self._stopping and len(self._open) < self._settings.limit:
            self._loop.add_reader(self._listener, self._accept)
            self._watching = True

    def _unwatch(self) -> None:
        if self._watching:
            self._loop.remove_reader(self._listener)
            self._watching = False

    def _accept(self) -> None:
        for _ in range(_ACCEPTS):
            if len(self._open) >= self._settings.limit:
                self._unwatch()
                return
            try:
                sock, name = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in FATAL:
                    self._failure = error
                    self._end(0.0)
                    return
                if error.errno not in NO_RESOURCES:
                    continue
                LOG.warning("cannot accept at %s: %s", self.address, error)
                self._unwatch()
                self._loop.call_later(0.1, self._watch)
                return
            self.accepted += 1
            connection = self._make(self, sock, peer_name(name) or "an unnamed peer")
            self._open.add(connection)
            connection.opening = opening = self._loop.create_task(self._begin(connection, sock))
            # Not by the task itself: one that is cancelled before its first step does nothing at all.
            opening.add_done_callback(partial(self._begun, connection, sock))

    async def _begin(self, connection: Connection, sock: socket.socket) -> None:
        context = self._settings.context
        patience = {} if context is None else {"ssl_handshake_timeout": HANDSHAKE}
        try:
            await self._loop.connect_accepted_socket(lambda: connection, sock, ssl=context, **patience)
        except Exception as error:
            lost(connection.peer, error)

    def _begun(self, connection: Connection, sock: socket.socket, opening: asyncio.Task[None]) -> None:
        connection.opening = connection.sock = None
        if connection.transport is None:
            sock.close()
            self._gone(connection)
        elif opening.cancelled():
            # uvloop closes the transport of an opening that was cancelled, and tells nobody.
            connection.connection_lost(None)

    def _gone(self, connection: Connection) -> None:
        self._open.discard(connection)
        if self._stopping:
            self._check_ended()
        else:
            self._watch()

    def _age(self, most: float) -> None:
        """Look at all connections, now and then: a timer for each would cost what most never need."""
        now = self._loop.time()
        for connection in list(self._open):
            connection.age(now, most)
        self._aging = self._loop.call_later(most / _LOOKS, self._age, most)

    # The end -----------------------------------------------------------------------------------------------------

    def _end(self, grace: float) -> None:
        """Begin to end, or end sooner or later than was said before."""
        if not self._stopping:
            self._stopping = True
            self._unwatch()
            self._close_listener()
            for connection in list(self._open):
                connection.finish()
        if self._until is not None:
            self._until.cancel()
        if grace > 0:
            self._until = self._loop.call_later(grace, self._drop)
        else:
            self._drop()
        self._check_ended()

    def _drop(self) -> None:
        for connection in list(self._open):
            connection.drop()

    def _check_ended(self) -> None:
        if self._open or self._ended.done():
            return
        if self._until is not None:
            self._until.cancel()
        if self._aging is not None:
            self._aging.cancel()
        if self._failure is not None:
            self._ended.set_exception(self._failure)
        else:
            self._ended.set_result(None)

    async def stop(self, grace: float | None = None) -> None:
        """Accept no more; give what is under way `grace` seconds to be answered, then drop it, and return.

        None is the `grace` of `serve`. May be called again, with another grace. A handler that calls it is not waited
        for: it begins the end and returns at once. From another thread: `asyncio.run_coroutine_threadsafe`.
        """
        task = asyncio.current_task()
        own = any(connection.task is task for connection in self._open)
        self._end(self._settings.grace if grace is None else patient(grace))
        if not own:
            with contextlib.suppress(OSError):
                await asyncio.shield(self._ended)

    async def _until_ended(self) -> None:
        await asyncio.shield(self._ended)

    async def _serve(self) -> None:
        try:
            await asyncio.shield(self._ended)
        finally:
            await self.stop()

    def __await__(self) -> Generator[Any, None, None]:
        return self._serve().__await__()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()
