"""Serving where no loop runs: a thread for each connection, at most `limit` at once."""

from __future__ import annotations

import contextlib
import math
import select
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from eyesocket.framing._serving._server import (
    FATAL,
    HANDSHAKE,
    LINGER,
    LOG,
    NO_RESOURCES,
    Server,
    Settings,
    blame,
    explained,
    lost,
    patient,
    tired,
)
from eyesocket.framing._sockets import peer_name

if TYPE_CHECKING:
    import ssl

__all__ = ["ThreadServer"]

_READ = 65536
"""What one receive asks for, in bytes."""

_TURN = 0.005
"""After so many seconds at one peer's frames the other threads come first."""

_LONGEST = 24 * 86400.0
"""What poll(2) counts in milliseconds, and more than any lock or socket is asked to wait at once, in seconds."""

_PAUSE = 50e-6
"""For so many seconds: as long as a thread that was woken takes to run."""


class _Connection:
    """One peer of a server on threads; `talk` is what its thread does."""

    def __init__(self, server: ThreadServer, sock: socket.socket, peer: str) -> None:
        self.server = server
        self.sock = sock
        self.secured: ssl.SSLSocket | None = None
        """The same, under TLS."""
        self.peer = peer
        self.thread = threading.Thread(target=self.talk, daemon=True, name=f"eyesocket {peer}")
        self.begun = False
        """Its thread is at work."""
        self.hushed = False
        """What has come is all that will be answered."""
        self.handling = False
        """The handler has it; nobody can end that from outside."""
        self.dropped = False
        self.over = False
        """The peer's stream has ended."""
        self.until = math.inf
        """When the peer has been waited for long enough."""

    def talk(self) -> None:
        if not self.server._claim(self):
            self.sock.close()
            return
        try:
            self.secure()
            try:
                self.converse()
            except TimeoutError as error:
                if error.errno is not None:
                    # Of the network: the peer no longer answers TCP.
                    raise
                tired(self.peer, self.server._settings.idle_timeout)
                # Whatever it is still to say is waited for no longer.
                self.over = True
        except Exception as error:
            if not self.server._stopping:
                lost(self.peer, error)
        finally:
            self.farewell()
            if not self.over:
                self.linger()
            self.sock.close()
            self.server._gone(self)

    def secure(self) -> None:
        """Agree on TLS, if told to."""
        context, sock = self.server._settings.context, self.sock
        if context is None:
            sock.settimeout(None)
            return
        sock.settimeout(HANDSHAKE)
        self.sock = self.secured = secured = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        secured.do_handshake()
        secured.settimeout(None)

    def converse(self) -> None:
        """Answer frame by frame, in order."""
        codec, per_batch = self.server._settings.codec, self.server._settings.per_batch
        decoder = codec.decoder()
        self.awake()
        while not decoder.at_end:
            data = self.receive()
            self.over = not data
            frames = decoder.feed(data) if data else decoder.eof()
            began = time.monotonic()
            while frames:
                for item in [frames] if per_batch else frames:
                    if not self.answer(item, per_batch=per_batch):
                        return
                    if time.monotonic() - began >= _TURN:
                        # A send lets go of the interpreter too briefly for a waiting thread to wake up, and restarts
                        # its wait: without a pause it may not run before these frames are through.
                        time.sleep(_PAUSE)
                        began = time.monotonic()
                # An error behind these frames is told by the next call.
                frames = decoder.feed(b"")
                self.awake()
        if end := codec.end():
            self.send(end)

    def awake(self) -> None:
        """From now on the peer is waited for."""
        idle = self.server._settings.idle_timeout
        self.until = math.inf if idle is None else time.monotonic() + idle

    def receive(self) -> bytes:
        """Receive what is there; `TimeoutError` where that comes too late."""
        while True:
            try:
                return self.receive_within(min(self.until - time.monotonic(), _LONGEST))
            except TimeoutError as error:
                # With a number it is of the network; without one, and too early, there is more time than can be said.
                if error.errno is not None or time.monotonic() >= self.until:
                    raise

    def receive_within(self, left: float) -> bytes:
        if self.server._settings.idle_timeout is not None:
            if left <= 0:
                raise TimeoutError
            self.sock.settimeout(left)
        if self.secured is not None and not self.secured.pending():
            waiting = select.poll()
            waiting.register(self.sock, select.POLLIN)
            if not waiting.poll(left * 1000):
                raise TimeoutError
            # TLS would take an end of ours for the peer's, and tell it of an error.
            if self.hushed and not socket.socket.recv(self.sock, 1, socket.MSG_PEEK):
                return b""
        return self.sock.recv(_READ)

    def send(self, out: bytes) -> None:
        """Send all of it; `TimeoutError` where the peer takes nothing of it for too long."""
        idle = self.server._settings.idle_timeout
        if idle is None:
            self.sock.sendall(out)
            return
        self.sock.settimeout(min(idle, _LONGEST))
        left = memoryview(out)
        while left:
            left = left[self.sock.send(left[:_READ]) :]

    def answer(self, item: Any, *, per_batch: bool) -> bool:
        """Call the handler and send what it gives; whether it did well."""
        out, reply, failure = [], None, None
        settings = self.server._settings
        self.handling = True
        if self.dropped:
            return False
        try:
            reply = settings.handler(item, self.peer)
            if per_batch:
                for one in reply or ():
                    out.append(settings.codec.encode(one))  # noqa: PERF401 - those before one that fails go out
            elif reply is not None:
                out.append(settings.codec.encode(reply))
        except BaseException as error:
            # No thread but the main one ends a program: whatever it is, it ends this connection.
            failure = explained(error, reply, per_batch=per_batch)
            blame(self.peer, failure)
        self.handling = False
        if out:
            self.send(b"".join(out))
        return failure is None

    def farewell(self) -> None:
        """Say that this is all, where TLS has a word for it (RFC 8446 section 6.1)."""
        if self.secured is not None:
            # The peer's own farewell is not waited for here.
            with contextlib.suppress(OSError, ValueError):
                self.secured.settimeout(0)
                self.secured.unwrap()

    def linger(self) -> None:
        """Let the peer take the last answers and finish sending."""
        # Of the class below TLS: what comes is not looked at, and the end is TCP's.
        sock, until = self.sock, time.monotonic() + LINGER
        with contextlib.suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_WR)
            while (left := until - time.monotonic()) > 0 and not self.server._stopping:
                sock.settimeout(left)
                if not socket.socket.recv(sock, _READ):
                    return

    def hush(self) -> None:
        """Let it end behind the answer that it is at: it reads the end of the stream."""
        self.hushed = True
        self._shut(socket.SHUT_RD)

    def drop(self) -> None:
        """End it now: whoever waits for the peer wakes up."""
        self.dropped = True
        self._shut(socket.SHUT_RDWR)

    def _shut(self, how: int) -> None:
        # Of the class below TLS, whose own goes on in clear.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.sock, how)


class ThreadServer(Server):
    """A server with a thread for each connection, at most `limit` at once."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        super().__init__(settings, listener)
        listener.settimeout(None)
        # A signal handler that stops us may come while this very thread has the lock.
        self._changed = threading.Condition(threading.RLock())
        self._open: set[_Connection] = set()
        self._stopping = False
        self._until = 0.0

    @property
    def connections(self) -> int:
        """How many connections there are now."""
        return len(self._open)

    def run(self) -> None:
        """Serve until `stop` is called, or Ctrl-C comes."""
        try:
            while self._room():
                try:
                    sock, name = self._listener.accept()
                except OSError as error:
                    if self._stopping:
                        return
                    if error.errno in FATAL:
                        raise
                    if error.errno in NO_RESOURCES:
                        self._rest(error)
                    continue
                self._begin(sock, peer_name(name) or "an unnamed peer")
        finally:
            if not self._stopping:
                self._end(self._settings.grace)
            self._drain()

    def _room(self) -> bool:
        """Wait until there is room for one more; false at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or len(self._open) < self._settings.limit)
        return not self._stopping

    def _rest(self, error: BaseException) -> None:
        """Wait a little for somebody to give back what there is not enough of."""
        LOG.warning("cannot accept at %s: %s", self.address, error)
        with self._changed:
            self._changed.wait_for(lambda: self._stopping, 0.1)

    def _begin(self, sock: socket.socket, peer: str) -> None:
        self.accepted += 1
        connection = _Connection(self, sock, peer)
        try:
            with self._changed:
                self._open.add(connection)
            connection.thread.start()
        except RuntimeError as error:
            # No more threads.
            self._give_up(connection)
            self._rest(error)
        except BaseException:
            # Ctrl-C, before the thread began or after.
            self._give_up(connection)
            raise

    def _claim(self, connection: _Connection) -> bool:
        """Say that a connection's thread is at work; whether it may be."""
        with self._changed:
            connection.begun = not self._stopping and connection in self._open
            if not connection.begun:
                self._open.discard(connection)
                self._changed.notify_all()
            return connection.begun

    def _give_up(self, connection: _Connection) -> None:
        """Close a connection whose thread did not begin."""
        with self._changed:
            if connection.begun:
                return
            self._open.discard(connection)
            self._changed.notify_all()
        connection.sock.close()

    def _gone(self, connection: _Connection) -> None:
        with self._changed:
            self._open.discard(connection)
            self._changed.notify_all()

    # The end -----------------------------------------------------------------------------------------------------

    def stop(self, grace: float | None = None) -> None:
        """Accept no more; give what is under way `grace` seconds to be answered, then drop it, and return.

        None is the `grace` of `serve`. From any thread, any number of times. A handler that calls it is not waited for:
        it begins the end and returns at once. A handler that is at work cannot be ended by force: its connection is
        closed, and its thread goes on until it returns.
        """
        self._end(self._settings.grace if grace is None else patient(grace))
        if not self._is_handler():
            self._drain()

    def _is_handler(self) -> bool:
        current = threading.current_thread()
        with self._changed:
            return any(connection.thread is current for connection in self._open)

    def _end(self, grace: float) -> None:
        with self._changed:
            first, self._stopping = not self._stopping, True
            self._until = time.monotonic() + grace
            under_way = self._under_way()
            self._changed.notify_all()
        if first:
            self._close_listener()
            for connection in under_way:
                connection.hush()

    def _drain(self) -> None:
        """Wait for the connections that end by themselves, drop the others."""
        with self._changed:
            while self._under_way() and (left := self._until - time.monotonic()) > 0:
                self._changed.wait(min(left, _LONGEST))
            late = self._under_way()
        for connection in late:
            connection.drop()
        with self._changed:
            self._changed.wait_for(lambda: all(connection.handling for connection in self._under_way()))

    def _under_way(self) -> list[_Connection]:
        return [connection for connection in self._open if connection.begun]
