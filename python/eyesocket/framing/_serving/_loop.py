"""Serving on a running loop of asyncio or uvloop: a connection is a protocol of it, its transport moves the bytes."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any, Self, cast

from eyesocket.framing._serving._server import (
    FATAL,
    HANDSHAKE,
    LINGER,
    LOG,
    NO_RESOURCES,
    Server,
    Settings,
    awaits,
    blame,
    explained,
    lost,
    no_delay,
    replies,
)
from eyesocket.framing._sockets import peer_name

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Generator

__all__ = ["LoopServer"]

_HELD_BATCHES = 4
"""So many batches of an `async` handler's connection may wait before the peer has to."""
_ACCEPTS = 64
"""So many connections are accepted before the others have their turn."""


class _Connection(asyncio.Protocol):
    """One peer of a loop's server.

    It reads, and answers in order, until `finish` (answer what came, then close), `drop` (close now), or the peer goes.
    """

    def __init__(self, server: LoopServer, peer: str) -> None:
        settings = server._settings
        self.server = server
        self.peer = peer
        self.decoder = settings.codec.decoder()
        self.feed = self.decoder.feed
        self.encode = settings.codec.encode
        self.handler = settings.handler
        self.per_batch = settings.per_batch
        self.awaits = server._awaits
        self.transport: asyncio.Transport | None = None
        self.opening: asyncio.Task[None] | None = None
        self.waiting: deque[list[Any]] = deque()
        self.task: asyncio.Task[None] | None = None
        self.begun = False
        self.writable: asyncio.Event | None = None
        self.lingering: asyncio.TimerHandle | None = None
        self.unwritten = 0
        self.reading = True
        self.ending = False
        """No further frame is handled."""
        self.whole = True
        """All that came is answered, so the stream may say that it ends here."""
        self.over = False
        """The peer's stream has ended."""
        self.gone = False

    # From the transport ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not an instance on uvloop, but one in all its methods.
        self.transport = cast("asyncio.Transport", transport)
        if self.ending:
            self.close()

    def data_received(self, data: bytes) -> None:
        # What comes after the end is read so that the peer may finish sending, and dropped.
        if not self.ending:
            self.receive(self.feed, data)

    def eof_received(self) -> bool:
        self.over = True
        if not self.ending:
            self.receive(self.decoder.eof)
            self.finish()
        # TLS as the loops do it has no half of a connection.
        return self.task is not None and self.server._settings.context is None

    def pause_writing(self) -> None:
        self.writable = asyncio.Event()
        self.adjust()

    def resume_writing(self) -> None:
        if self.writable is not None:
            self.writable.set()
            self.writable = None
        self.adjust()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            lost(self.peer, exc)
        self.gone = self.ending = True
        self.waiting.clear()
        if self.writable is not None:
            self.writable.set()
        if self.lingering is not None:
            self.lingering.cancel()
        if self.task is not None:
            self.task.cancel()
        if self.task is None or not self.begun:
            # A task that is cancelled before its first step never says that it is over.
            self.server._gone(self)

    # Frames ------------------------------------------------------------------------------------------------------

    def receive(self, more: Callable[..., list[Any]], *data: bytes) -> None:
        """Handle the frames that `more` gives, and those behind them; an error of the stream ends it."""
        try:
            frames = more(*data)
        except Exception as error:
            self.fail(error)
            return
        while frames:
            if self.awaits:
                self.hold(frames)
            else:
                self.answer(frames)
            if self.ending:
                return
            try:
                # An error behind these frames is told by the next call.
                frames = self.feed(b"")
            except Exception as error:
                self.fail(error)
                return
        if self.decoder.at_end and not self.ending:
            self.finish()

    def answer(self, frames: list[Any]) -> None:
        """Call a plain handler; where it fails, what it has answered goes out, however the frames came."""
        out: list[bytes] = []
        handler, encode, peer, reply = self.handler, self.encode, self.peer, None
        try:
            if self.per_batch:
                reply = handler(frames, peer)
                for one in replies(reply):
                    out.append(encode(one))  # noqa: PERF401 - those before one that fails go out
            else:
                for frame in frames:
                    reply = handler(frame, peer)
                    if reply is not None:
                        out.append(encode(reply))
        except BaseException as error:
            self.write(out)
            self.blame(explained(error, reply))
        else:
            self.write(out)

    def write(self, out: list[bytes]) -> None:
        if out and self.transport is not None and not self.transport.is_closing():
            self.transport.write(b"".join(out))

    def hold(self, frames: list[Any]) -> None:
        """Let an `async` handler have them in their turn."""
        self.waiting.append(frames)
        if self.task is None:
            self.begun = False
            self.task = self.server._loop.create_task(self.work())
        self.adjust()

    async def work(self) -> None:
        """Answer what waits, in its order."""
        self.begun, reply = True, None
        try:
            while self.waiting:
                frames = self.waiting.popleft()
                self.adjust()
                for item in [frames] if self.per_batch else frames:
                    reply = await self.handler(item, self.peer)
                    if self.per_batch:
                        for one in replies(reply):
                            self.write([self.encode(one)])
                    elif reply is not None:
                        self.write([self.encode(reply)])
                    if self.writable is not None:
                        await self.writable.wait()
        except asyncio.CancelledError as error:
            if self.gone:
                raise
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                # Somebody ends the loop's tasks, this one with them.
                LOG.warning("the handler was cancelled on a message of %s", self.peer)
                self.stop_handling()
                raise
            self.blame(error)
        except BaseException as error:
            self.blame(explained(error, reply))
        finally:
            self.task = None
            if self.gone:
                self.server._gone(self)
            elif self.ending:
                self.close()

    # The end -----------------------------------------------------------------------------------------------------

    def blame(self, error: BaseException) -> None:
        """Log the handler's error, and end this connection alone; what ends a program goes on to the loop."""
        blame(self.peer, error)
        self.stop_handling()
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            # From a callback of its own: uvloop takes what a protocol raises for the connection's.
            self.server._loop.call_soon(_raise, error)

    def stop_handling(self) -> None:
        self.waiting.clear()
        self.whole = False
        self.finish()

    def fail(self, error: Exception) -> None:
        """Log what the peer did, and end the connection behind the answers it is owed."""
        lost(self.peer, error)
        self.whole = False
        self.finish()

    def finish(self) -> None:
        """Handle what has come, and no more; then close."""
        if not self.ending:
            self.ending = True
            self.adjust()
        if self.task is None:
            self.close()

    def close(self) -> None:
        """Say that this is all, and close once the peer had the time to take it."""
        transport = self.transport
        if transport is None or self.lingering is not None or transport.is_closing():
            return
        if self.whole and (end := self.server._settings.codec.end()):
            transport.write(end)
        if self.over or self.server._stopping or not transport.can_write_eof():
            transport.close()
            return
        transport.write_eof()
        self.unwritten = transport.get_write_buffer_size()
        self.lingering = self.server._loop.call_later(LINGER, self.linger)
        self.adjust()

    def linger(self) -> None:
        """Go on while the peer takes what is left for it."""
        transport = self.transport
        if transport is None:
            return
        before, self.unwritten = self.unwritten, transport.get_write_buffer_size()
        if self.unwritten < before:
            self.lingering = self.server._loop.call_later(LINGER, self.linger)
        else:
            transport.abort()

    def drop(self) -> None:
        """Close now."""
        self.ending = True
        self.waiting.clear()
        if self.transport is not None:
            self.transport.abort()
        elif self.opening is not None:
            self.opening.cancel()

    def adjust(self) -> None:
        """Read while there is room for what comes, and while it is to be dropped."""
        wanted = self.lingering is not None or (
            not self.ending and self.writable is None and len(self.waiting) < _HELD_BATCHES
        )
        if wanted != self.reading and self.transport is not None and not self.transport.is_closing():
            self.reading = wanted
            if wanted:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()


def _raise(error: BaseException) -> None:
    raise error


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
        self._open: set[_Connection] = set()
        self._stopping = False
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._failure: OSError | None = None
        self._until: asyncio.TimerHandle | None = None
        self._watching = False
        self._watch()

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
            connection = _Connection(self, peer_name(name) or "an unnamed peer")
            self._open.add(connection)
            connection.opening = self._loop.create_task(self._begin(connection, sock))

    async def _begin(self, connection: _Connection, sock: socket.socket) -> None:
        no_delay(sock)
        context = self._settings.context
        patience = {} if context is None else {"ssl_handshake_timeout": HANDSHAKE}
        try:
            await self._loop.connect_accepted_socket(lambda: connection, sock, ssl=context, **patience)
        except Exception as error:
            lost(connection.peer, error)
        finally:
            connection.opening = None
            if connection.transport is None:
                sock.close()
                self._gone(connection)

    def _gone(self, connection: _Connection) -> None:
        self._open.discard(connection)
        if self._stopping:
            self._check_ended()
        else:
            self._watch()

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
        self._end(self._settings.grace if grace is None else grace)
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
