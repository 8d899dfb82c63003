"""One peer of a server on a loop: a protocol of asyncio's, whose transport moves the bytes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from eyesocket import _native
from eyesocket.framing._serving._server import LINGER, LOG, blame, explained, lost, tired

if TYPE_CHECKING:
    from collections.abc import Callable

    from eyesocket.framing._serving._loop import LoopServer

    _Answers = bytes | tuple[bytes] | tuple[bytes, BaseException | None, bool, Any]

__all__ = ["BufferedConnection", "Connection"]

_HELD_BATCHES = 4
"""So many batches of an `async` handler's connection may wait before the peer has to."""
_NOTHING: deque[list[Any]] = deque()
"""Waits for a plain handler, for which nothing does: one for all."""
_TURN = 0.005
"""After so many seconds on one peer's messages the others have their turn."""


class Connection(asyncio.Protocol):
    """One peer of a loop's server.

    It reads, and answers in order, until `finish` (answer what came, then close), `drop` (close now), or the peer goes.
    A plain handler is called as bytes come, an `async` one by a task that lives as long as something waits for it.
    """

    # Thousands of them lie idle.
    __slots__ = (
        "begun",
        "data_received",
        "decoder",
        "ending",
        "gone",
        "lingering",
        "mark",
        "messages",
        "opening",
        "over",
        "owing",
        "peer",
        "reading",
        "respond_last",
        "responder",
        "server",
        "since",
        "sock",
        "task",
        "transport",
        "waiting",
        "whole",
        "writable",
        "write",
    )

    def __init__(self, server: LoopServer, sock: socket.socket, peer: str) -> None:
        settings = server._settings
        self.server = server
        self.peer = peer
        self.transport: asyncio.Transport | None = None
        self.opening: asyncio.Task[None] | None = None
        self.sock: socket.socket | None = sock
        self.write: Callable[[bytes], None] = _ignore
        self.waiting: deque[list[Any]] = deque() if server._awaits else _NOTHING
        self.task: asyncio.Task[None] | None = None
        self.begun = False
        self.writable: asyncio.Event | None = None
        self.lingering: asyncio.TimerHandle | None = None
        self.reading = True
        # No further frame is handled.
        self.ending = False
        # Messages that came have to wait: for the peer to take answers, or for the others' turn.
        self.owing = False
        # All that came is answered, so the stream may say that it ends here.
        self.whole = True
        # The peer's stream has ended.
        self.over = False
        self.gone = False
        # What was done for the peer when it was last looked at, and since when it is the same.
        self.mark = (0, 0)
        self.since = server._loop.time()
        self.messages = 0
        self.decoder: _native.Decoder | None = None
        self.responder: _native.Responder | None = None
        self.respond_last: Callable[[], _Answers]
        # The transport calls what answers, with nothing in between.
        self.data_received: Callable[[bytes], object]  # type: ignore[assignment]
        if server._awaits:
            self.decoder = settings.codec.decoder()
            self.data_received, self.respond_last = self.hold, self.hold_last
        else:
            responder = _native.Responder(settings.codec, settings.handler, peer, settings.per_batch, server._room)
            self.responder = responder
            self.data_received, self.respond_last = responder.received, responder.eof

    # From the transport ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not an instance on uvloop, but one in all its methods.
        self.transport = cast("asyncio.Transport", transport)
        self.sock = None
        self.write = self.transport.write
        if self.ending:
            self.close()
        elif self.responder is not None:
            self.responder.connect(self.write, self)

    def eof_received(self) -> bool:
        self.over = True
        answers = self.respond_last()
        if type(answers) is not bytes:
            self.settle(answers)
        self.finish()
        # TLS as the loops do it has no half of a connection.
        return (self.task is not None or self.owing) and self.server._settings.context is None

    def pause_writing(self) -> None:
        self.writable = asyncio.Event()
        self.adjust()

    def resume_writing(self) -> None:
        if self.writable is not None:
            self.writable.set()
            self.writable = None
        self.adjust()
        self.owe()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.gone:
            return
        if exc is not None:
            lost(self.peer, exc)
        self.gone = True
        self.end()
        self.write = _ignore
        self.waiting.clear()
        self.owing = False
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

    def settle(self, answers: _Answers) -> None:
        """Send the last answers for now, and see why they are the last."""
        if len(answers) == 1:
            self.owing = True
            self.write(answers[0])  # type: ignore[arg-type]  # not of bytes, which are no tuple
            self.adjust()
            self.owe()
            return
        out, error, handlers, reply = cast("tuple[bytes, BaseException | None, bool, Any]", answers)
        if out:
            self.write(out)
        if error is None:
            self.finish()
        elif handlers:
            self.blame(explained(error, reply, per_batch=self.server._settings.per_batch))
        else:
            self.fail(error)

    def owe(self) -> None:
        """Go on with what has to wait in the loop's next turn, if the peer takes answers."""
        if self.owing and self.writable is None:
            self.server._loop.call_soon(self.go_on)

    def go_on(self) -> None:
        """Answer what had to wait."""
        if not self.owing or self.writable is not None:
            return
        self.owing = False
        answers = cast("_native.Responder", self.responder).rest()
        if type(answers) is not bytes:
            self.settle(answers)
        elif answers:
            self.write(answers)
        if self.owing:
            return
        if self.ending:
            self.finish()
        else:
            self.adjust()

    def hold(self, data: bytes) -> None:
        """Let an `async` handler have the frames in their turn."""
        if not self.ending:
            self.hold_all(cast("_native.Decoder", self.decoder).feed, data)

    def hold_last(self) -> bytes:
        """Do the same with the end of the stream."""
        return self.hold_all(cast("_native.Decoder", self.decoder).eof)

    def hold_all(self, more: Callable[..., list[Any]], *data: bytes) -> bytes:
        decoder = cast("_native.Decoder", self.decoder)
        try:
            while frames := more(*data):
                self.waiting.append(frames)
                self.messages += 1
                # An error behind these frames is told by the next call.
                more, data = decoder.feed, (b"",)
        except Exception as error:
            self.begin()
            self.fail(error)
            return b""
        self.begin()
        if decoder.at_end:
            self.finish()
        return b""

    def begin(self) -> None:
        """See to it that somebody works on what waits."""
        if self.waiting and self.task is None:
            self.begun = False
            task = self.server._loop.create_task(self.work())
            # A factory of eager tasks may have run it to its end, or so far that it waits.
            if not task.done():
                self.task = task
        self.adjust()

    async def work(self) -> None:
        """Answer what waits, in its order."""
        self.task, self.begun, reply = asyncio.current_task(), True, None
        settings = self.server._settings
        handler, encode, per_batch = settings.handler, settings.codec.encode, settings.per_batch
        clock = self.server._loop.time
        began = clock()
        try:
            while self.waiting:
                frames = self.waiting.popleft()
                self.adjust()
                for item in [frames] if per_batch else frames:
                    reply = await handler(item, self.peer)
                    if per_batch:
                        for one in reply or ():
                            self.send(encode(one))
                    elif reply is not None:
                        self.send(encode(reply))
                    if self.writable is not None:
                        await self.writable.wait()
                        began = clock()
                    elif clock() - began >= _TURN:
                        await asyncio.sleep(0)
                        began = clock()
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
            self.blame(explained(error, reply, per_batch=per_batch))
        finally:
            self.task = None
            if self.gone:
                self.server._gone(self)
            elif self.ending:
                self.close()

    def send(self, out: bytes) -> None:
        """Write an answer that took its time, if there is still somebody to take it."""
        if self.transport is not None and not self.transport.is_closing():
            self.write(out)

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
        self.owing = False
        self.whole = False
        self.finish()

    def fail(self, error: BaseException) -> None:
        """Log what the peer did, and end the connection behind the answers it is owed."""
        lost(self.peer, error)
        self.whole = False
        self.finish()

    def finish(self) -> None:
        """Handle what has come, and no more; then close."""
        if not self.ending:
            self.end()
            self.adjust()
        if self.task is None and not self.owing:
            self.close()

    def end(self) -> None:
        """From now on what comes is read so that the peer may finish sending, and dropped."""
        self.ending = True
        self.respond_last = _drop_last
        if self.responder is not None:
            self.responder.disconnect()

    def close(self) -> None:
        """Say that this is all, and close once the peer had the time to take it."""
        transport = self.transport
        if transport is None or self.lingering is not None or transport.is_closing():
            return
        if self.whole and (end := self.server._settings.codec.end()):
            transport.write(end)
        if self.over or self.server._stopping or not transport.can_write_eof():
            transport.close()
            if self.server._settings.context is None:
                return
            # The end of TLS is said on both sides; not every peer says it.
        else:
            transport.write_eof()
        self.lingering = self.server._loop.call_later(LINGER, self.linger)
        self.adjust()

    def linger(self) -> None:
        """Wait no longer, but for a peer that has not taken all yet."""
        transport = self.transport
        if transport is not None and not self.gone:
            if transport.get_write_buffer_size():
                self.lingering = self.server._loop.call_later(LINGER, self.linger)
            else:
                transport.abort()

    def age(self, now: float, most: float) -> None:
        """Look whether the peer completes messages or takes answers; after `most` seconds of neither, end it."""
        transport = self.transport
        if transport is None or self.gone:
            # It is being opened, which has a time of its own.
            self.since = now
            return
        unsent = transport.get_write_buffer_size()
        mark = (self.messages if self.responder is None else self.responder.messages, unsent)
        handled = self.task is not None and self.writable is None
        if handled or mark != self.mark:
            self.mark, self.since = mark, now
        elif now - self.since >= most and (unsent or not self.ending):
            tired(self.peer, most)
            self.whole = False
            # Whatever it is still to say is waited for no longer.
            self.over = True
            if unsent:
                self.drop()
            else:
                self.finish()

    def drop(self) -> None:
        """Close now."""
        self.end()
        self.waiting.clear()
        self.owing = False
        if self.transport is not None:
            self.transport.abort()
        elif self.sock is not None:
            # What has begun goes on to its end, which is near: to cancel it would leave a transport to nobody.
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)

    def adjust(self) -> None:
        """Read while there is room for what comes, and while it is to be dropped."""
        wanted = self.lingering is not None or (
            not self.ending and self.writable is None and not self.owing and len(self.waiting) < _HELD_BATCHES
        )
        if wanted != self.reading and self.transport is not None and not self.transport.is_closing():
            self.reading = wanted
            if wanted:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()


class BufferedConnection(Connection, asyncio.BufferedProtocol):
    """One that is read into the server's memory.

    Else asyncio's own loops make an object of 256 KiB for each read, whose memory comes from the system and goes back:
    a short message costs less than that.
    """

    # The transport calls what reads and answers, with nothing in between.
    __slots__ = ("buffer_updated", "get_buffer")

    def __init__(self, server: LoopServer, sock: socket.socket, peer: str) -> None:
        super().__init__(server, sock, peer)
        room = cast("_native.ReadRoom", server._room)
        self.get_buffer: Callable[[int], memoryview] = room  # type: ignore[assignment]
        self.buffer_updated: Callable[[int], object]  # type: ignore[assignment]
        self.buffer_updated = self.hold_room if self.responder is None else self.responder.updated

    def hold_room(self, count: int) -> None:
        """Let an `async` handler have the frames that were read into the room."""
        self.hold(bytes(cast("_native.ReadRoom", self.server._room)(-1)[:count]))


def _ignore(_data: bytes) -> None:
    """Stand for the writing of a transport that is not there."""


def _drop_last() -> bytes:
    """Answer nothing."""
    return b""


def _raise(error: BaseException) -> None:
    raise error
