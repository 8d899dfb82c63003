"""Serving frames: a handler for each message, on the running asyncio (or uvloop) loop, or on threads where none runs.

Lives here: listening, the limit of connections, the end. What a frame is, is native; when a loop serves, its transports
move the bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import inspect
import logging
import os
import socket
import stat
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any, Self, cast

from eyesocket.errors import EyesocketError
from eyesocket.framing._sockets import FramedSocket, peer_name, wrap

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from eyesocket import _native
    from eyesocket.framing._sockets import Address

    _Handler = Callable[[Any, str], Any]

__all__ = ["LoopServer", "Server", "ThreadServer", "serve", "serve_in_thread"]

_LOG = logging.getLogger("eyesocket.framing")
_HELD_BATCHES = 4
"""So many batches of an `async` handler's connection may wait before the peer has to."""
_NO_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Server(ABC):
    """What `serve` gives: the address it listens at, what it has done, and how to end it."""

    def __init__(
        self,
        handler: _Handler,
        listener: socket.socket,
        codec: _native.Codec,
        limit: int,
        *,
        per_batch: bool,
    ) -> None:
        if limit < 1:
            message = f"limit: {limit} connections would serve nobody"
            raise ValueError(message)
        self._handler = handler
        self._listener = listener
        self._codec = codec
        self._limit = limit
        self._per_batch = per_batch
        self.address: Any = listener.getsockname()
        """Where it listens, as `getsockname` says it."""
        self.accepted = 0
        """Connections that were accepted."""

    @property
    @abstractmethod
    def connections(self) -> int:
        """How many connections there are now."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self.address}: {self.connections} connections, {self.accepted} accepted>"

    def _close_listener(self) -> None:
        """Stop listening; a path that is ours is taken away."""
        # Wakes a thread in accept.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if isinstance(self.address, str) and self.address and not self.address.startswith("\0"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.address)  # noqa: PTH108


def _replies(answer: Any, *, per_batch: bool) -> Any:
    """Give the frames of a handler's answer: none for None."""
    if answer is None:
        return ()
    return answer if per_batch else (answer,)


def _lost(peer: str, error: BaseException) -> None:
    """Log what ended a connection; who hangs up is no news."""
    level = (
        logging.DEBUG
        if isinstance(error, ConnectionError) and not isinstance(error, EyesocketError)
        else logging.WARNING
    )
    _LOG.log(level, "connection of %s ended: %s", peer, error)


# On a loop ---------------------------------------------------------------------------------------------------------


class _Connection(asyncio.Protocol):
    """One peer of a loop's server."""

    def __init__(self, server: LoopServer) -> None:
        self.server = server
        self.feed = (decoder := server._codec.decoder()).feed
        self.decoder = decoder
        self.encode_many = server._codec.encode_many
        self.handler = server._handler
        self.per_batch = server._per_batch
        self.waiting: deque[list[Any]] = deque()
        self.task: asyncio.Task[None] | None = None
        self.writable: asyncio.Event | None = None
        self.ending = False
        self.peer = "?"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not an instance on uvloop, but one in all its methods.
        self.transport = cast("asyncio.Transport", transport)
        self.peer = peer_name(transport.get_extra_info("peername")) or "an unnamed peer"
        self.server._open.add(self)

    def data_received(self, data: bytes) -> None:
        try:
            frames = self.feed(data)
        except Exception as error:
            self.fail(error)
            return
        if frames:
            self.take(frames)
        if self.decoder.buffered and not self.ending:
            # An error behind these frames is told by the next call.
            try:
                frames = self.feed(b"")
            except Exception as error:
                self.fail(error)

    def take(self, frames: list[Any]) -> None:
        if self.server._awaits:
            self.waiting.append(frames)
            if self.task is None:
                self.task = self.server._loop.create_task(self.work())
            elif len(self.waiting) == _HELD_BATCHES:
                self.transport.pause_reading()
            return
        try:
            if self.per_batch:
                replies = self.handler(frames, self.peer) or ()
            else:
                handler, peer = self.handler, self.peer
                replies = [reply for frame in frames if (reply := handler(frame, peer)) is not None]
            if out := self.encode_many(replies):
                self.transport.write(out)
        except Exception:
            self.blame()

    async def work(self) -> None:
        """Answer what waits, in its order."""
        try:
            while self.waiting:
                frames = self.waiting.popleft()
                if len(self.waiting) == _HELD_BATCHES - 1 and not self.ending:
                    self.transport.resume_reading()
                for item in [frames] if self.per_batch else frames:
                    answer = await self.handler(item, self.peer)
                    if out := self.encode_many(_replies(answer, per_batch=self.per_batch)):
                        self.transport.write(out)
                    if self.writable is not None:
                        await self.writable.wait()
        except Exception:
            self.blame()
        finally:
            self.task = None
            if self.ending:
                self.transport.close()

    def blame(self) -> None:
        """Log the handler's error, and end this connection alone."""
        _LOG.exception("the handler failed on a message of %s", self.peer)
        self.waiting.clear()
        self.ending = True
        self.transport.abort()

    def fail(self, error: Exception) -> None:
        """Log what the peer did, and end the connection behind the answers it is owed."""
        _lost(self.peer, error)
        self.finish()

    def finish(self) -> None:
        """Read no more; close once all is answered."""
        if self.ending:
            return
        self.ending = True
        if not self.transport.is_closing():
            self.transport.pause_reading()
        if self.task is None:
            self.transport.close()

    def eof_received(self) -> bool:
        try:
            if frames := self.decoder.eof():
                self.take(frames)
        except Exception as error:
            _lost(self.peer, error)
        self.ending = True
        return self.task is not None

    def pause_writing(self) -> None:
        self.writable = asyncio.Event()
        if not self.ending:
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.writable is not None:
            self.writable.set()
            self.writable = None
        if not self.ending and len(self.waiting) < _HELD_BATCHES:
            self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            _lost(self.peer, exc)
        self.ending = True
        self.waiting.clear()
        if self.writable is not None:
            self.writable.set()
        if self.task is not None:
            self.task.cancel()
        self.server._gone(self)


class LoopServer(Server):
    """A server on the running loop: `await` it, or use it with `async with`; both end it when they are left."""

    def __init__(
        self,
        handler: _Handler,
        listener: socket.socket,
        codec: _native.Codec,
        limit: int,
        *,
        per_batch: bool,
    ) -> None:
        super().__init__(handler, listener, codec, limit, per_batch=per_batch)
        listener.settimeout(0)
        self._loop = asyncio.get_running_loop()
        self._awaits = _is_async(handler)
        self._open: set[_Connection] = set()
        self._room = asyncio.Semaphore(limit)
        self._empty = asyncio.Event()
        self._accepting = self._loop.create_task(self._accept())

    @property
    def connections(self) -> int:
        """How many connections there are now."""
        return len(self._open)

    async def _accept(self) -> None:
        while True:
            await self._room.acquire()
            try:
                sock, _ = await self._loop.sock_accept(self._listener)
            except OSError as error:
                self._room.release()
                if error.errno in _NO_RESOURCES:
                    _LOG.warning("cannot accept at %s: %s", self.address, error)
                    await asyncio.sleep(0.1)
                elif error.errno != errno.ECONNABORTED:
                    raise
                continue
            self.accepted += 1
            _no_delay(sock)
            await self._loop.connect_accepted_socket(lambda: _Connection(self), sock)

    def _gone(self, connection: _Connection) -> None:
        self._open.discard(connection)
        self._room.release()
        if not self._open:
            self._empty.set()

    async def stop(self, grace: float = 0.0) -> None:
        """Accept no more; give what is under way `grace` seconds to be answered, then drop it."""
        self._accepting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._accepting
        self._close_listener()
        for connection in list(self._open):
            connection.finish()
        if self._open and grace > 0:
            self._empty.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), grace)
        for connection in list(self._open):
            connection.transport.abort()
        while self._open:
            self._empty.clear()
            await self._empty.wait()

    async def _serve(self) -> None:
        try:
            # What ends accepting, but for a cancellation, is an error of ours.
            await asyncio.shield(self._accepting)
        finally:
            await self.stop()

    def __await__(self) -> Generator[Any, None, None]:
        return self._serve().__await__()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()


# On threads --------------------------------------------------------------------------------------------------------


class ThreadServer(Server):
    """A server with a thread for each connection, at most `limit` at once."""

    def __init__(
        self,
        handler: _Handler,
        listener: socket.socket,
        codec: _native.Codec,
        limit: int,
        *,
        per_batch: bool,
    ) -> None:
        super().__init__(handler, listener, codec, limit, per_batch=per_batch)
        self._room = threading.Semaphore(limit)
        self._lock = threading.Lock()
        self._open: dict[FramedSocket, threading.Thread] = {}
        self._stopping = False

    @property
    def connections(self) -> int:
        """How many connections there are now."""
        return len(self._open)

    def run(self) -> None:
        """Serve until `stop` is called, or Ctrl-C comes."""
        try:
            while not self._stopping:
                self._room.acquire()
                try:
                    sock, _ = self._listener.accept()
                except OSError as error:
                    self._room.release()
                    if self._stopping:
                        return
                    if error.errno in _NO_RESOURCES:
                        _LOG.warning("cannot accept at %s: %s", self.address, error)
                        time.sleep(0.1)
                    elif error.errno != errno.ECONNABORTED:
                        raise
                    continue
                self._begin(sock)
        finally:
            if not self._stopping:
                self.stop()

    def _begin(self, sock: socket.socket) -> None:
        self.accepted += 1
        _no_delay(sock)
        chat = wrap(sock, self._codec)
        thread = threading.Thread(target=self._talk, args=(chat,), daemon=True, name=f"eyesocket {chat.peer}")
        with self._lock:
            if self._stopping:
                chat.close()
                return
            self._open[chat] = thread
            thread.start()

    def _talk(self, chat: FramedSocket) -> None:
        peer = chat.peer or "an unnamed peer"
        try:
            while batch := chat.recv_many():
                for item in [batch] if self._per_batch else batch:
                    try:
                        answer = list(_replies(self._handler(item, peer), per_batch=self._per_batch))
                    except Exception:
                        _LOG.exception("the handler failed on a message of %s", peer)
                        return
                    chat.send_many(answer)
        except (OSError, ValueError, TypeError) as error:
            if not self._stopping:
                _lost(peer, error)
        finally:
            chat.close()
            with self._lock:
                self._open.pop(chat, None)
            self._room.release()

    def stop(self, grace: float = 0.0) -> None:
        """Accept no more; give what is under way `grace` seconds to be answered, then drop it."""
        with self._lock:
            self._stopping = True
            open_ = dict(self._open)
        self._close_listener()
        # Whoever waits for room in `run` finds the listener closed.
        self._room.release()
        until = time.monotonic() + grace
        for chat in open_:
            # The end of what it reads ends a connection behind the answer it is at.
            with contextlib.suppress(OSError):
                chat.socket.shutdown(socket.SHUT_RD)
        for thread in open_.values():
            if thread is not threading.current_thread():
                thread.join(max(0.0, until - time.monotonic()))
        for chat in open_:
            chat.close()


# What is called ----------------------------------------------------------------------------------------------------


def _is_async(handler: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None))  # noqa: B004


def _no_delay(sock: socket.socket) -> None:
    """Answers go out when they are written: Nagle's delay is off (TCP_NODELAY of tcp(7))."""
    if sock.family in {socket.AF_INET, socket.AF_INET6}:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _listen(address: Address, backlog: int, *, reuse_port: bool) -> socket.socket:
    if isinstance(address, tuple):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        return socket.create_server(address, family=family, backlog=backlog, reuse_port=reuse_port)
    path = os.fspath(address)
    listener = socket.socket(socket.AF_UNIX)
    try:
        try:
            listener.bind(path)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not _abandoned(path):
                raise
            os.unlink(path)  # noqa: PTH108
            listener.bind(path)
        listener.listen(backlog)
    except BaseException:
        listener.close()
        raise
    return listener


def _abandoned(path: str) -> bool:
    """Say whether nobody listens any more at the socket that a server left behind at `path`."""
    if not stat.S_ISSOCK(os.stat(path).st_mode):  # noqa: PTH116
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(0)
        return probe.connect_ex(path) == errno.ECONNREFUSED


def serve(
    handler: _Handler,
    address: Address,
    codec: _native.Codec,
    *,
    limit: int = 1024,
    backlog: int = 4096,
    per_batch: bool = False,
    reuse_port: bool = False,
) -> Server:
    """Serve at `address`, `(host, port)` or a path: call `handler(frame, peer)` for each message, send what it gives.

    A handler that gives None sends nothing. With `per_batch` it gets a list of frames, those that came together, and
    gives several frames (or None). It may be an `async` function. The messages of one connection are handled in their
    order; a handler that raises is logged (logger `eyesocket.framing`, with the peer) and ends that connection alone.
    No more than `limit` connections are open at once; `backlog` more wait in the kernel (listen(2)).

    On a running loop the server is given at once: `await` it to serve until cancelled, or use `async with`. There the
    handler must not block. Where no loop runs, it serves with a thread for each connection (an `async` handler: on a
    loop of its own) until Ctrl-C or `stop`, and then returns.
    """
    listener = _listen(address, backlog, reuse_port=reuse_port)
    try:
        if asyncio._get_running_loop() is not None:
            return LoopServer(handler, listener, codec, limit, per_batch=per_batch)
        if _is_async(handler):
            return asyncio.run(_until_cancelled(handler, listener, codec, limit, per_batch=per_batch))
        server = ThreadServer(handler, listener, codec, limit, per_batch=per_batch)
    except BaseException:
        listener.close()
        raise
    server.run()
    return server


async def _until_cancelled(
    handler: _Handler, listener: socket.socket, codec: _native.Codec, limit: int, *, per_batch: bool
) -> Server:
    server = LoopServer(handler, listener, codec, limit, per_batch=per_batch)
    await server
    return server


@contextlib.contextmanager
def serve_in_thread(
    handler: _Handler,
    address: Address,
    codec: _native.Codec,
    *,
    limit: int = 1024,
    backlog: int = 4096,
    per_batch: bool = False,
    grace: float = 0.0,
) -> Iterator[Any]:
    """Serve as `serve` does, in the background, and give the address; for notebooks and tests.

    Leaving the block stops the server, with `grace` seconds for what is under way.
    """
    listener = _listen(address, backlog, reuse_port=False)
    if _is_async(handler):
        with _loop_in_thread(handler, listener, codec, limit, per_batch=per_batch, grace=grace) as where:
            yield where
        return
    server = ThreadServer(handler, listener, codec, limit, per_batch=per_batch)
    thread = threading.Thread(target=server.run, daemon=True, name="eyesocket server")
    thread.start()
    try:
        yield server.address
    finally:
        server.stop(grace)
        thread.join()


@contextlib.contextmanager
def _loop_in_thread(
    handler: _Handler,
    listener: socket.socket,
    codec: _native.Codec,
    limit: int,
    *,
    per_batch: bool,
    grace: float,
) -> Iterator[Any]:
    loop = asyncio.new_event_loop()

    async def start() -> LoopServer:
        return LoopServer(handler, listener, codec, limit, per_batch=per_batch)

    thread = threading.Thread(target=loop.run_forever, daemon=True, name="eyesocket server")
    thread.start()
    try:
        server = asyncio.run_coroutine_threadsafe(start(), loop).result()
        try:
            yield server.address
        finally:
            asyncio.run_coroutine_threadsafe(server.stop(grace), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
