"""The engine's first user, receiving exactly so many bytes, against the loops that people write."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benches.harness import Missing, Subjects, comparison, pinned
from eyesocket import _native

TITLE = "The engine: receiving exactly so many bytes"

FLOOD = "import os\nwhile True: os.write(1, bytes(262144))"
ECHO = "import os\nwhile data := os.read(0, 65536): os.write(0, data)"


@contextmanager
def child(program: str, descriptor: int) -> Iterator[socket.socket]:
    """Give a socket whose other end is `descriptor` of a child process."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        end = theirs.fileno()
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=end if descriptor == 0 else subprocess.DEVNULL,
            stdout=end if descriptor == 1 else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        theirs.close()
        try:
            yield ours
        finally:
            process.kill()
            process.wait()


def loop(sock: socket.socket, wanted: int) -> bytes:
    """Receive as most programs do."""
    pieces = []
    while wanted:
        piece = sock.recv(wanted)
        if not piece:
            raise EOFError
        pieces.append(piece)
        wanted -= len(piece)
    return b"".join(pieces)


def loop_into(sock: socket.socket, wanted: int) -> bytes:
    """Receive as careful programs do."""
    buffer = bytearray(wanted)
    with memoryview(buffer) as view:
        filled = 0
        while filled < wanted:
            count = sock.recv_into(view[filled:])
            if not count:
                raise EOFError
            filled += count
    return bytes(buffer)


def blocking(wanted: int) -> Iterator[Subjects]:
    """Receive `wanted` bytes from a flood, with each way."""
    with child(FLOOD, 1) as sock:
        number = sock.fileno()
        yield {
            "eyesocket": lambda: discard(_native.recv_exactly(number, wanted)),
            "recv loop": lambda: discard(loop(sock, wanted)),
            "recv_into loop": lambda: discard(loop_into(sock, wanted)),
            "recv MSG_WAITALL": lambda: discard(sock.recv(wanted, socket.MSG_WAITALL)),
        }


def discard(data: bytes) -> None:
    """Take what a subject received, so that the harness times it."""
    if not data:
        raise EOFError


@comparison("4 bytes that are there already")
def small() -> Iterator[Subjects]:
    """Read a length prefix: all of it is overhead."""
    yield from blocking(4)


@comparison("64 KiB, as they come")
def medium() -> Iterator[Subjects]:
    """Read a frame."""
    yield from blocking(64 << 10)


@comparison("4 MiB, as they come")
def large() -> Iterator[Subjects]:
    """Read a body."""
    yield from blocking(4 << 20)


def awaiting(factory: Callable[[], asyncio.AbstractEventLoop]) -> Iterator[Subjects]:
    """Send 100 bytes and await their echo, 50 times, on one loop."""
    with (
        pinned(),
        child(ECHO, 0) as first,
        child(ECHO, 0) as second,
        child(ECHO, 0) as third,
        asyncio.Runner(loop_factory=factory) as runner,
    ):
        for sock in (first, second, third):
            sock.settimeout(0)
        reader, writer = runner.run(streams(second))

        async def engine() -> None:
            for _ in range(50):
                first.send(bytes(100))
                await _native.recv_exactly_async(first.fileno(), 100)

        async def stream() -> None:
            for _ in range(50):
                writer.write(bytes(100))
                await reader.readexactly(100)

        async def sock_recv() -> None:
            event_loop = asyncio.get_running_loop()
            for _ in range(50):
                third.send(bytes(100))
                wanted = 100
                while wanted:
                    wanted -= len(await event_loop.sock_recv(third, wanted))

        yield {
            "eyesocket": lambda: runner.run(engine()),
            "StreamReader.readexactly": lambda: runner.run(stream()),
            "loop.sock_recv": lambda: runner.run(sock_recv()),
        }
        writer.close()


async def streams(sock: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Wrap a connected socket."""
    return await asyncio.open_connection(sock=sock)


@comparison("asyncio: 50 echoes of 100 bytes")
def on_asyncio() -> Iterator[Subjects]:
    """Await on the standard library's loop."""
    yield from awaiting(asyncio.new_event_loop)


@comparison("uvloop: 50 echoes of 100 bytes")
def on_uvloop() -> Iterator[Subjects]:
    """Await on uvloop."""
    try:
        import uvloop
    except ImportError:
        yield {"eyesocket": Missing("uvloop is not installed for this interpreter")}
        return
    yield from awaiting(uvloop.new_event_loop)
