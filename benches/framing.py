"""Frames over loopback TCP and from memory, against the loops that people write: CPU time of the receiver, a frame."""

from __future__ import annotations

import asyncio
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager

from benches.harness import Subject, Subjects, comparison
from benches.tokio_peer import receiver
from eyesocket import framing

TITLE = "Framing: CPU time a frame"

FLOOD = """
import socket, sys
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
prefix, ending, size = sys.argv[2:5]
frame = (int(size).to_bytes(4, "big") if prefix == "4" else b"") + bytes([120]) * int(size) + ending.encode()
data = frame * max(1, 262144 // len(frame))
try:
    while True: sock.sendall(data)
except OSError:
    pass
"""
DRAIN = """
import socket, sys
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
room = bytearray(1 << 20)
while sock.recv_into(room): pass
"""


@contextmanager
def child(program: str, *words: str) -> Iterator[socket.socket]:
    """Give a connection whose other end is a child that runs `program`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        process = subprocess.Popen([sys.executable, "-c", program, port, *words], stderr=subprocess.DEVNULL)
        sock, _ = listener.accept()
    try:
        with sock:
            yield sock
    finally:
        process.kill()
        process.wait()


def flood(stack: ExitStack, size: int, *, lines: bool = False) -> socket.socket:
    """Give a connection on which frames of `size` bytes come without end."""
    return stack.enter_context(child(FLOOD, "" if lines else "4", "\n" if lines else "", str(size)))


def flood_port(size: int) -> Callable[[ExitStack, int], None]:
    """Send such frames to a port, as a child that ends with the stack."""

    def start(stack: ExitStack, port: int) -> None:
        command = [sys.executable, "-c", FLOOD, str(port), "4", "", str(size)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        stack.callback(process.wait)
        stack.callback(process.kill)

    return start


def counted(frames: int, work: Callable[[], None]) -> Subject:
    """Give what `work` costs a frame, in CPU seconds of this thread."""

    def subject() -> float:
        began = time.thread_time()
        work()
        return (time.thread_time() - began) / frames

    return subject


def ours_many(sock: socket.socket, frames: int, codec: framing.Codec) -> Callable[[], None]:
    """Receive in batches."""
    recv_many = framing.wrap(sock, codec).recv_many

    def work() -> None:
        left = frames
        while left > 0:
            left -= len(recv_many())

    return work


def ours_one(sock: socket.socket, frames: int, codec: framing.Codec) -> Callable[[], None]:
    """Receive one at a time."""
    recv = framing.wrap(sock, codec).recv

    def work() -> None:
        for _ in range(frames):
            recv()

    return work


def naive(sock: socket.socket, frames: int) -> Callable[[], None]:
    """Receive as most programs do, in two loops."""

    def exactly(wanted: int) -> bytes:
        pieces = []
        while wanted:
            piece = sock.recv(wanted)
            if not piece:
                raise EOFError
            pieces.append(piece)
            wanted -= len(piece)
        return b"".join(pieces)

    def work() -> None:
        for _ in range(frames):
            exactly(struct.unpack(">I", exactly(4))[0])

    return work


def into(sock: socket.socket, frames: int) -> Callable[[], None]:
    """Receive large frames as careful programs do: into memory of their size."""

    def fill(view: memoryview) -> None:
        filled = 0
        while filled < len(view):
            count = sock.recv_into(view[filled:])
            if not count:
                raise EOFError
            filled += count

    def work() -> None:
        prefix = bytearray(4)
        for _ in range(frames):
            fill(memoryview(prefix))
            frame = bytearray(int.from_bytes(prefix, "big"))
            fill(memoryview(frame))

    return work


def bare(sock: socket.socket, size: int, frames: int) -> Callable[[], None]:
    """Receive the bytes and look at none: what the kernel alone costs, for whoever reads 64 KiB at a time."""
    room = memoryview(bytearray(64 * 1024))

    def work() -> None:
        left = frames * (4 + size)
        while left:
            left -= sock.recv_into(room[:left])

    return work


def makefile(sock: socket.socket, frames: int) -> Callable[[], None]:
    """Receive through a buffered file."""
    read = sock.makefile("rb").read

    def work() -> None:
        for _ in range(frames):
            read(struct.unpack(">I", read(4))[0])

    return work


def loops() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Name the loops there are."""
    found: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    try:
        import uvloop
    except ImportError:
        return found
    return {**found, "uvloop": uvloop.new_event_loop}


def awaited(frames: int, loop: asyncio.AbstractEventLoop, work: Callable[[], Awaitable[None]]) -> Subject:
    """Give what `work` costs a frame on `loop`."""
    return counted(frames, lambda: loop.run_until_complete(work()))


def streams(stack: ExitStack, size: int, frames: int, loop: asyncio.AbstractEventLoop) -> Subject:
    """Receive by asyncio's streams, `readexactly` twice."""
    sock = flood(stack, size)
    stack.callback(loop.close)
    sock.settimeout(0)

    async def connect() -> asyncio.StreamReader:
        reader, writer = await asyncio.open_connection(sock=sock)
        stack.callback(lambda: loop.run_until_complete(asyncio.sleep(0)))
        # A writer that nobody holds closes its transport.
        stack.callback(lambda: writer.transport.abort())
        return reader

    reader = loop.run_until_complete(connect())

    async def work() -> None:
        for _ in range(frames):
            await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))

    return awaited(frames, loop, work)


def decode(size: int, frames: int) -> Iterator[Subjects]:
    """Receive frames of `size` bytes behind a length of 4."""
    codec = framing.LengthPrefixed(4, max_frame=1 << 24)
    with ExitStack() as stack:
        yield {
            "recv_many": counted(frames, ours_many(flood(stack, size), frames, codec)),
            "our recv": counted(frames, ours_one(flood(stack, size), frames, codec)),
            "naive loop": counted(frames, naive(flood(stack, size), frames)),
            "recv_into loop": counted(frames, into(flood(stack, size), frames)),
            "makefile": counted(frames, makefile(flood(stack, size), frames)),
            "asyncio streams": streams(stack, size, frames, asyncio.new_event_loop()),
            "no frames, bytes alone": counted(frames, bare(flood(stack, size), size, frames)),
            "tokio-util in Rust": receiver(stack, frames, flood_port(size)),
        }


@comparison("16 B from TCP", at_most={"recv_many": 55e-9})
def decode_16() -> Iterator[Subjects]:
    """Receive tiny frames."""
    yield from decode(16, 20_000)


@comparison("64 B from TCP", at_most={"recv_many": 75e-9, "our recv": 95e-9})
def decode_64() -> Iterator[Subjects]:
    """Receive small frames."""
    yield from decode(64, 20_000)


@comparison("1 KiB from TCP", targets={"naive loop": 6.0})
def decode_1k() -> Iterator[Subjects]:
    """Receive middling frames."""
    yield from decode(1024, 4_000)


@comparison("64 KiB from TCP", targets={"naive loop": 0.95, "recv_into loop": 0.95, "makefile": 0.95})
def decode_64k() -> Iterator[Subjects]:
    """Receive large frames."""
    yield from decode(65536, 100)


@comparison("1 MiB from TCP", targets={"naive loop": 0.95, "recv_into loop": 0.95, "makefile": 0.95})
def decode_1m() -> Iterator[Subjects]:
    """Receive very large frames."""
    yield from decode(1 << 20, 16)


def ours_into(sock: socket.socket, size: int, frames: int) -> Callable[[], None]:
    """Receive into one buffer, again and again."""
    recv_into, room = framing.wrap(sock, framing.LengthPrefixed(4, max_frame=1 << 24)).recv_into, bytearray(size)

    def work() -> None:
        for _ in range(frames):
            recv_into(room)

    return work


def loop_into(sock: socket.socket, size: int, frames: int) -> Callable[[], None]:
    """Do the same in two loops of one's own."""
    room, prefix = memoryview(bytearray(size)), memoryview(bytearray(4))

    def fill(view: memoryview) -> None:
        while view:
            count = sock.recv_into(view)
            if not count:
                raise EOFError
            view = view[count:]

    def work() -> None:
        for _ in range(frames):
            fill(prefix)
            fill(room[: int.from_bytes(prefix, "big")])

    return work


def into_a_buffer(size: int, frames: int) -> Iterator[Subjects]:
    """Receive frames of `size` bytes where the caller wants them."""
    with ExitStack() as stack:
        yield {
            "our recv_into": counted(frames, ours_into(flood(stack, size), size, frames)),
            "recv_into loop": counted(frames, loop_into(flood(stack, size), size, frames)),
            "no frames, bytes alone": counted(frames, bare(flood(stack, size), size, frames)),
        }


@comparison("64 KiB from TCP into a buffer", targets={"recv_into loop": 0.95})
def into_64k() -> Iterator[Subjects]:
    """Receive large frames without an object for each."""
    yield from into_a_buffer(65536, 100)


@comparison("1 MiB from TCP into a buffer", targets={"recv_into loop": 0.95})
def into_1m() -> Iterator[Subjects]:
    """Receive very large frames so."""
    yield from into_a_buffer(1 << 20, 16)


def iterate(sock: socket.socket, frames: int) -> Callable[[], None]:
    """Receive lines from a buffered file."""
    lines = iter(sock.makefile("rb"))

    def work() -> None:
        for _ in range(frames):
            next(lines)

    return work


@comparison("lines of 64 B from TCP", targets={"makefile, iterated": 1.3})
def lines_64() -> Iterator[Subjects]:
    """Receive short lines."""
    frames = 20_000
    with ExitStack() as stack:
        yield {
            "recv_many": counted(frames, ours_many(flood(stack, 64, lines=True), frames, framing.Lines())),
            "makefile, iterated": counted(frames, iterate(flood(stack, 64, lines=True), frames)),
        }


def fed(data: bytes, frames: int, codec: framing.Codec) -> Subject:
    """Decode from memory."""

    def work() -> None:
        if len(codec.decoder().feed(data)) != frames:
            raise ValueError

    return counted(frames, work)


def by_hand(data: bytes, frames: int) -> Subject:
    """Decode from memory in Python."""

    def work() -> None:
        at, found, unpack = 0, [], struct.Struct(">I").unpack_from
        while at + 4 <= len(data):
            end = at + 4 + unpack(data, at)[0]
            if end > len(data):
                break
            found.append(data[at + 4 : end])
            at = end
        if len(found) != frames:
            raise ValueError

    return counted(frames, work)


@comparison("64 B from memory", targets={"pure Python": 8.0}, at_most={"feed": 20e-9})
def feed_64() -> Iterator[Subjects]:
    """Decode without a socket."""
    frames = 1000
    data = (b"\0\0\0\x40" + bytes(64)) * frames
    yield {"feed": fed(data, frames, framing.LengthPrefixed(4)), "pure Python": by_hand(data, frames)}


@comparison("lines of 64 KiB from memory", targets={"bytes.split": 5.0})
def feed_lines_64k() -> Iterator[Subjects]:
    """Find the ends of long lines: `bytes.split` of what has come, 64 KiB at a time."""
    data = (b"x" * 65535 + b"\n") * 4

    def split() -> None:
        held, found = b"", []
        for at in range(0, len(data), 16384):
            *whole, held = (held + data[at : at + 16384]).split(b"\n")
            found += whole
        if len(found) != 4:
            raise ValueError

    def ours() -> None:
        decoder, found = framing.Lines().decoder(), []
        for at in range(0, len(data), 16384):
            found += decoder.feed(data[at : at + 16384])
        if len(found) != 4:
            raise ValueError

    yield {"feed": counted(4, ours), "bytes.split": counted(4, split)}


@comparison("send 64 B", targets={"join of 256": 4.0}, at_most={"send_many": 25e-9})
def send_64() -> Iterator[Subjects]:
    """Send many small frames."""
    frames, frame = 16_384, bytes(64)
    batch = [frame] * frames
    with ExitStack() as stack:
        chat = framing.wrap(stack.enter_context(child(DRAIN)), framing.LengthPrefixed(4))
        alone, joined = stack.enter_context(child(DRAIN)), stack.enter_context(child(DRAIN))

        def each() -> None:
            for one in batch:
                alone.sendall(struct.pack(">I", len(one)) + one)

        def join() -> None:
            for at in range(0, frames, 256):
                pieces: list[bytes] = []
                for one in batch[at : at + 256]:
                    pieces += (struct.pack(">I", len(one)), one)
                joined.sendall(b"".join(pieces))

        yield {
            "send_many": counted(frames, lambda: chat.send_many(batch)),
            "sendall a frame": counted(frames, each),
            "join of 256": counted(frames, join),
        }
