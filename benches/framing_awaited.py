"""Frames awaited on asyncio and uvloop, there already or later: CPU time, a frame or a round trip."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator
from contextlib import ExitStack

from benches.framing import awaited, child, flood, loops, streams
from benches.harness import Missing, Subject, Subjects, comparison, pinned
from eyesocket import framing

TITLE = "Framing, awaited: CPU time a frame"

ECHO = """
import socket, sys
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
while data := sock.recv(65536): sock.sendall(data)
"""


def await_ours(stack: ExitStack, loop: asyncio.AbstractEventLoop, frames: int, *, many: bool) -> Subject:
    """Receive awaited."""
    chat = framing.wrap(flood(stack, 64), framing.LengthPrefixed(4))

    async def one() -> None:
        for _ in range(frames):
            await chat.recv_async()

    async def several() -> None:
        left = frames
        while left > 0:
            left -= len(await chat.recv_many_async())

    stack.callback(loop.close)
    stack.callback(chat.close)
    return awaited(frames, loop, several if many else one)


def await_64(kind: str) -> Iterator[Subjects]:
    """Receive small frames on a loop."""
    frames = 20_000
    make = loops().get(kind)
    if make is None:
        yield {"await recv_many_async": Missing(f"{kind} is not installed")}
        return
    with ExitStack() as stack:
        yield {
            "await recv_many_async": await_ours(stack, make(), frames, many=True),
            "await recv_async": await_ours(stack, make(), frames, many=False),
            "readexactly twice": streams(stack, 64, frames, make()),
        }


@comparison("64 B awaited on asyncio", at_most={"await recv_many_async": 70e-9, "await recv_async": 250e-9})
def await_asyncio() -> Iterator[Subjects]:
    """Receive small frames on the standard library's loop."""
    yield from await_64("asyncio")


@comparison("64 B awaited on uvloop", at_most={"await recv_many_async": 70e-9, "await recv_async": 250e-9})
def await_uvloop() -> Iterator[Subjects]:
    """Receive small frames on uvloop."""
    yield from await_64("uvloop")


def asked_by_us(stack: ExitStack, loop: asyncio.AbstractEventLoop, trips: int) -> Subject:
    """Send a frame and await the answer, which is not there yet."""
    chat = framing.wrap(stack.enter_context(child(ECHO)), framing.LengthPrefixed(4))

    async def work() -> None:
        frame = bytes(64)
        for _ in range(trips):
            await chat.send_async(frame)
            await chat.recv_async()

    stack.callback(loop.close)
    stack.callback(chat.close)
    return awaited(trips, loop, work)


def asked_by_streams(stack: ExitStack, loop: asyncio.AbstractEventLoop, trips: int) -> Subject:
    """Do the same by asyncio's streams."""
    sock = stack.enter_context(child(ECHO))
    stack.callback(loop.close)
    sock.settimeout(0)
    reader, writer = loop.run_until_complete(asyncio.open_connection(sock=sock))
    stack.callback(lambda: loop.run_until_complete(asyncio.sleep(0)))
    stack.callback(writer.transport.abort)

    async def work() -> None:
        frame = bytes(64)
        for _ in range(trips):
            writer.write(struct.pack(">I", len(frame)) + frame)
            await writer.drain()
            await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))

    return awaited(trips, loop, work)


class Asking(asyncio.Protocol):
    """What an expert writes by hand: a future for the next frame."""

    def __init__(self) -> None:
        self.held = b""
        self.frame: asyncio.Future[bytes] | None = None

    def data_received(self, data: bytes) -> None:
        """Find the frame."""
        held = self.held + data
        end = 4 + int.from_bytes(held[:4], "big")
        if len(held) >= end and self.frame is not None:
            self.frame.set_result(held[4:end])
            held, self.frame = held[end:], None
        self.held = held


def asked_by_hand(stack: ExitStack, loop: asyncio.AbstractEventLoop, trips: int) -> Subject:
    """Do the same by a protocol written for it."""
    sock = stack.enter_context(child(ECHO))
    stack.callback(loop.close)
    sock.settimeout(0)
    transport, asking = loop.run_until_complete(loop.create_connection(Asking, sock=sock))
    stack.callback(lambda: loop.run_until_complete(asyncio.sleep(0)))
    stack.callback(transport.abort)

    async def work() -> None:
        frame = bytes(64)
        for _ in range(trips):
            asking.frame = loop.create_future()
            transport.write(struct.pack(">I", len(frame)) + frame)
            await asking.frame

    return awaited(trips, loop, work)


def asked(kind: str) -> Iterator[Subjects]:
    """Await answers that come later: each receive waits on the loop."""
    trips = 1_000
    make = loops().get(kind)
    if make is None:
        yield {"send_async, recv_async": Missing(f"{kind} is not installed")}
        return
    with ExitStack() as stack, pinned():
        yield {
            "send_async, recv_async": asked_by_us(stack, make(), trips),
            "asyncio streams": asked_by_streams(stack, make(), trips),
            "a protocol by hand": asked_by_hand(stack, make(), trips),
        }


@comparison("64 B asked and awaited on asyncio", targets={"asyncio streams": 1.0})
def asked_asyncio() -> Iterator[Subjects]:
    """Ask and wait on the standard library's loop."""
    yield from asked("asyncio")


@comparison("64 B asked and awaited on uvloop", targets={"asyncio streams": 1.0})
def asked_uvloop() -> Iterator[Subjects]:
    """Ask and wait on uvloop."""
    yield from asked("uvloop")
