"""Serving frames: CPU time of a server process, a request, against a Protocol written by hand on the same loop.

Each server runs in a process of its own, so that no lock and no loop is shared; what counts is the time of its process
by clock_getcpuclockid(3). The one who asks is this process, or for many connections a process of its own too.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast

from benches.harness import Missing, Subject, Subjects, comparison
from eyesocket import framing

TITLE = "Serving frames: CPU time of the server, a request"

TOP = Path(__file__).resolve().parent.parent
CODEC = framing.LengthPrefixed(4)
BY_HAND = {"Protocol by hand": 0.91}
"""At most 10 % more."""
MANY = 10_000


# The servers ---------------------------------------------------------------------------------------------------------


class ByHand(asyncio.Protocol):
    """An echo of frames as a careful program writes it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)
        self.held = b""

    def data_received(self, data: bytes) -> None:
        """Cut frames and send them back."""
        held = self.held + data if self.held else data
        at, replies = 0, []
        while len(held) >= at + 4:
            end = at + 4 + int.from_bytes(held[at : at + 4], "big")
            if end > len(held):
                break
            frame = held[at + 4 : end]
            replies.append(len(frame).to_bytes(4, "big") + frame)
            at = end
        self.held = held[at:]
        if replies:
            self.transport.write(b"".join(replies))


async def echo_async(frame: bytes, _peer: str) -> bytes:
    """Answer, awaited."""
    return frame


async def serve(who: str) -> None:
    """Serve until this end of the standard input closes; says the port first."""
    if who == "by hand":
        server = await asyncio.get_running_loop().create_server(ByHand, "127.0.0.1", 0, backlog=4096)
        port = server.sockets[0].getsockname()[1]
    elif who == "streams":
        server = await asyncio.start_server(by_streams, "127.0.0.1", 0, backlog=4096)
        port = server.sockets[0].getsockname()[1]
    else:
        handler, per_batch = {
            "serve": (lambda frame, _peer: frame, False),
            "per_batch": (lambda frames, _peer: frames, True),
            "async": (echo_async, False),
        }[who]
        ours = framing.serve(handler, ("127.0.0.1", 0), CODEC, limit=2 * MANY, per_batch=per_batch)
        port = ours.address[1]
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def by_streams(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Echo frames by asyncio's streams, which wait for room as they should."""
    try:
        while True:
            prefix = await reader.readexactly(4)
            writer.write(prefix + await reader.readexactly(int.from_bytes(prefix, "big")))
            await writer.drain()
    except asyncio.IncompleteReadError:
        writer.close()


# Those who ask -------------------------------------------------------------------------------------------------------


def spent(pid: int) -> float:
    """Give the CPU time of a process so far, in seconds: the clock of clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | 2)


@contextmanager
def child(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Run this file as a program, in a process of its own; it ends when its standard input does."""
    command = [sys.executable, "-m", "benches.serving", *words]
    with subprocess.Popen(command, cwd=TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    """Read what a child says."""
    assert process.stdout is not None
    told = process.stdout.readline().strip()
    if not told:
        raise RuntimeError(f"{process.args!r} ended with status {process.wait()}")
    return told


def asked(stack: ExitStack, kind: str, who: str, *, together: int, clients: int) -> Subject:
    """Ask one server: `together` requests of 64 bytes at once on each of `clients` connections."""
    process = stack.enter_context(child("serve", kind, who))
    address = ("127.0.0.1", int(line(process)))
    chats = [stack.enter_context(framing.connect(address, CODEC)) for _ in range(clients)]
    frames, turns = [bytes(64)] * together, max(1, 1024 // (together * clients))

    def subject() -> float:
        began = spent(process.pid)
        for _ in range(turns):
            for chat in chats:
                chat.send_many(frames)
            for chat in reversed(chats):
                left = together
                while left:
                    left -= len(chat.recv_many(timeout=30))
        return (spent(process.pid) - began) / (turns * together * clients)

    return subject


def serving(kind: str, *, together: int = 1, clients: int = 1) -> Iterator[Subjects]:
    """Compare on one kind of loop."""
    if (missing := absent(kind)) is not None:
        yield {"serve": missing}
        return

    with ExitStack() as stack:

        def ask(who: str) -> Subject:
            return asked(stack, kind, who, together=together, clients=clients)

        subjects = {"serve": ask("serve"), "Protocol by hand": ask("by hand"), "asyncio streams": ask("streams")}
        yield {**subjects, "our async handler": ask("async"), "our per_batch": ask("per_batch")}


def absent(kind: str) -> Missing | None:
    """Say that a loop is missing, if it is."""
    if kind == "uvloop":
        try:
            import uvloop  # noqa: F401
        except ImportError:
            return Missing("uvloop is not installed")
    return None


@comparison("a request of 64 B on asyncio, one at a time", targets=BY_HAND, steady=True)
def one_asyncio() -> Iterator[Subjects]:
    """Answer single requests."""
    yield from serving("asyncio")


@comparison("a request of 64 B on uvloop, one at a time", targets=BY_HAND, steady=True)
def one_uvloop() -> Iterator[Subjects]:
    """Answer single requests."""
    yield from serving("uvloop")


@comparison("a request of 64 B on asyncio, 64 clients at once", targets=BY_HAND, steady=True)
def clients_asyncio() -> Iterator[Subjects]:
    """Answer several."""
    yield from serving("asyncio", clients=64)


@comparison("a request of 64 B on uvloop, 64 clients at once", targets=BY_HAND, steady=True)
def clients_uvloop() -> Iterator[Subjects]:
    """Answer several."""
    yield from serving("uvloop", clients=64)


@comparison("a request of 64 B on asyncio, 64 together", targets=BY_HAND, steady=True)
def together_asyncio() -> Iterator[Subjects]:
    """Answer requests that come together."""
    yield from serving("asyncio", together=64)


@comparison("a request of 64 B on uvloop, 64 together", targets=BY_HAND, steady=True)
def together_uvloop() -> Iterator[Subjects]:
    """Answer requests that come together."""
    yield from serving("uvloop", together=64)


# Many connections ----------------------------------------------------------------------------------------------------


def room(descriptors: int) -> str:
    """Raise the limit of open files as far as it is allowed; why it is not enough, or nothing."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < descriptors:
        return f"needs {descriptors} open files, the hard limit here is {hard} (ulimit -Hn)"
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, hard))
    return ""


def flock(port: int, server: int) -> None:
    """Hold so many connections, from a few loopback addresses; for each line that is read ask once on all of them.

    The server stands still until all have asked: how many requests a turn of its loop finds is no matter of chance.
    """
    if why := room(MANY + 100):
        raise SystemExit(why)
    request = CODEC.encode(b"a request")
    with ExitStack() as stack:
        socks = []
        for number in range(MANY):
            source = (f"127.0.0.{2 + number % 8}", 0)
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", port), 60, source))
            # Reset at the end: thousands of ports in TIME-WAIT would be in the way of what runs next.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            socks.append(sock)
        while True:
            served = 0
            os.kill(server, signal.SIGSTOP)
            for sock in socks:
                sock.sendall(request)
            os.kill(server, signal.SIGCONT)
            # The last one first: to wake up for each answer would cost the server, or not, as chance has it.
            for sock in reversed(socks):
                served += sock.recv(len(request), socket.MSG_WAITALL) == request
            sys.stdout.write(f"{served}\n")
            sys.stdout.flush()
            if not sys.stdin.readline():
                return


def many(kind: str) -> Iterator[Subjects]:
    """Compare while all connections are open; every one of them has to be served in every turn."""
    missing = absent(kind) or ((why := room(MANY + 100)) and Missing(why)) or None
    if missing is not None:
        yield {"serve": missing}
        return

    with ExitStack() as stack:

        def ask(who: str) -> Subject:
            server = stack.enter_context(child("serve", kind, who))
            clients = stack.enter_context(child("flock", line(server), str(server.pid)))
            check(line(clients))

            def subject() -> float:
                began = spent(server.pid)
                assert clients.stdin is not None
                clients.stdin.write("again\n")
                clients.stdin.flush()
                check(line(clients))
                return (spent(server.pid) - began) / MANY

            return subject

        def check(served: str) -> None:
            if int(served) != MANY:
                raise RuntimeError(f"{served} of {MANY} connections were served")

        yield {"serve": ask("serve"), "Protocol by hand": ask("by hand")}


@comparison("10,000 of 10,000 connections served on asyncio, a request on each", targets=BY_HAND, steady=True)
def many_asyncio() -> Iterator[Subjects]:
    """Serve them all."""
    yield from many("asyncio")


@comparison("10,000 of 10,000 connections served on uvloop, a request on each", targets=BY_HAND, steady=True)
def many_uvloop() -> Iterator[Subjects]:
    """Serve them all."""
    yield from many("uvloop")


def main(words: list[str]) -> None:
    """Be a server, or the many clients of one."""
    match words:
        case ["serve", kind, who]:
            room(MANY + 100)
            make: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
            if kind == "uvloop":
                import uvloop

                make = uvloop.new_event_loop
            with asyncio.Runner(loop_factory=make) as runner:
                runner.run(serve(who))
        case ["flock", port, server]:
            flock(int(port), int(server))


if __name__ == "__main__":
    main(sys.argv[1:])
