"""Serving: how a server stops, on threads, asyncio and uvloop alike, and in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal
import socket
import threading

import pytest

from eyesocket import framing
from eyesocket.framing import LengthPrefixed, Lines

LOCAL = ("127.0.0.1", 0)
CODEC = LengthPrefixed(4)


def echo(frame, peer):
    return frame


async def echo_async(frame, peer):
    await asyncio.sleep(0)
    return frame


def name_of(client):
    return "{}:{}".format(*client.socket.getsockname()[:2])


# Some of them are beyond what the system counts.
@pytest.mark.parametrize("grace", [30.0, 1e10, math.inf])
def test_stop_finishes_what_is_under_way_if_there_is_time(slow_way, grace):
    gate = slow_way.gate()
    with slow_way.serving(gate.handler(), CODEC) as running, framing.connect(running.address, CODEC) as client:
        client.send(b"a")
        assert gate.begun.wait(30)
        stopping = threading.Thread(target=running.stop, args=(grace,))
        stopping.start()
        with contextlib.suppress(ConnectionError):
            # The listener closes before what is under way ends.
            while True:
                socket.create_connection(running.address).close()
        assert stopping.is_alive()
        gate.on.set()
        assert list(client) == [b"a"]
        stopping.join(30)
        assert not stopping.is_alive()
        assert running.server.connections == 0


def test_stop_drops_what_is_under_way_if_told(slow_way):
    gate = slow_way.gate()
    with slow_way.serving(gate.handler(), CODEC) as running, framing.connect(running.address, CODEC) as client:
        client.send(b"a")
        assert gate.begun.wait(30)
        running.stop(0.0)
        with pytest.raises((EOFError, ConnectionResetError)):
            client.recv(30)
        if slow_way.awaits:
            assert gate.ended.is_set(), "the handler has come to its end before stop returns"
            assert running.server.connections == 0
        gate.on.set()


def test_a_shorter_grace_overrules_a_longer_one(slow_way):
    gate = slow_way.gate()
    with slow_way.serving(gate.handler(), CODEC) as running, framing.connect(running.address, CODEC) as client:
        client.send(b"a")
        assert gate.begun.wait(30)
        patient = threading.Thread(target=running.stop, args=(1000.0,))
        patient.start()
        with contextlib.suppress(ConnectionError):
            while True:
                socket.create_connection(running.address).close()
        running.stop(0.0)
        with pytest.raises((EOFError, ConnectionResetError)):
            client.recv(30)
        gate.on.set()
        patient.join(30)
        assert not patient.is_alive()


def test_silent_and_deaf_clients_do_not_hold_up_the_end(way, fill):
    with way.serving(echo, CODEC) as running, contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(socket.create_connection(running.address)).sendall(b"\0\0")
        deaf = stack.enter_context(framing.connect(running.address, CODEC))
        fill(deaf)
        running.stop(0.2)
        running.thread.join(30)
        assert not running.thread.is_alive()
        assert running.ended_by is None
        assert running.server.connections == 0


def test_stop_twice_and_again_after_the_end(way):
    with way.serving(echo, CODEC) as running:
        with framing.connect(running.address, CODEC) as client:
            client.send(b"a")
            assert client.recv(30) == b"a"
            several = [threading.Thread(target=running.stop) for _ in range(4)]
            for thread in several:
                thread.start()
            for thread in several:
                thread.join(30)
                assert not thread.is_alive()
            with pytest.raises((EOFError, ConnectionResetError)):
                client.recv(30)
        running.stop()
        running.thread.join(30)
        assert running.ended_by is None, "who awaits or runs a server that is stopped goes on"


def test_a_handler_may_stop_its_server_and_its_answer_goes_out(way):
    holder = []

    def stop(frame, peer):
        (running,) = holder
        if running.loop is None:
            running.server.stop(30.0)
        else:
            holder.append(running.loop.create_task(running.server.stop(30.0)))
        return b"bye"

    async def stop_awaited(frame, peer):
        await holder[0].server.stop(30.0)
        return b"bye"

    with way.serving(stop_awaited if way.awaits else stop, CODEC) as running:
        holder.append(running)
        with framing.connect(running.address, CODEC) as client, framing.connect(running.address, CODEC):
            client.send(b"end")
            assert list(client) == [b"bye"]
            running.thread.join(30)
            assert not running.thread.is_alive()
            assert running.ended_by is None


def test_awaiting_a_server_that_was_stopped_returns(run):
    async def main():
        server = framing.serve(echo, LOCAL, CODEC)

        async def wait():
            await server
            return "through"

        waiting = [asyncio.ensure_future(wait()) for _ in range(2)]
        await asyncio.sleep(0)
        await server.stop()
        await server.stop()
        assert await asyncio.gather(*waiting) == ["through", "through"]
        assert await wait() == "through"

    run(main())


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.parametrize("function", [echo, echo_async])
def test_stop_ends_at_whatever_a_connection_has_come_to(run, turns, function):
    """In the kernel's queue, accepted, opened, with a frame that nobody has begun with."""

    async def main():
        server = framing.serve(function, LOCAL, CODEC)
        with socket.create_connection(server.address) as client:
            client.sendall(CODEC.encode(b"a"))
            for _ in range(turns):
                await asyncio.sleep(0)
            await asyncio.wait_for(server.stop(), 10)
            assert server.connections == 0

    run(main())


def test_a_cancelled_stop_drops_nothing_and_may_be_repeated(run):
    async def main():
        begun, on = asyncio.Event(), asyncio.Event()

        async def slow(frame, peer):
            begun.set()
            await on.wait()
            return frame

        server = framing.serve(slow, LOCAL, CODEC)
        async with await framing.connect_async(server.address, CODEC) as client:
            await client.send_async(b"a")
            await begun.wait()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await server.stop(30.0)
            on.set()
            assert await client.recv_async(30) == b"a"
        await server.stop(30.0)
        assert server.connections == 0

    run(main())


def test_a_path_that_somebody_else_took_over_stays(way, tmp_path):
    path = str(tmp_path / "sock")
    with way.serving(echo, Lines(), path) as running:
        assert running.address == path
        (tmp_path / "sock").rename(tmp_path / "old")
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(path)
            other.listen()
            running.stop()
            running.thread.join(30)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)


# In the background ---------------------------------------------------------------------------------------------------


def test_in_a_thread_twice_as_a_notebook_does_on_one_port():
    serving = framing.serve_in_thread(echo, LOCAL, CODEC)
    with pytest.raises(RuntimeError, match="nothing is served"):
        serving.server  # noqa: B018
    with serving as address:
        with framing.connect(address, CODEC) as client:
            client.send(b"a")
            assert client.recv(30) == b"a"
            assert serving.server.accepted == 1
        with pytest.raises(RuntimeError, match="already"), serving:
            pass
    for _ in range(2):
        with framing.serve_in_thread(echo, address, CODEC) as again, framing.connect(again, CODEC) as client:
            assert again == address
            client.send(b"b")
            assert client.recv(30) == b"b"


@pytest.mark.parametrize("awaits", [False, True])
def test_in_a_thread_it_can_be_stopped_early_and_from_its_handler(awaits):
    def stop(frame, peer):
        serving.stop(30.0)
        return frame

    async def stop_async(frame, peer):
        serving.stop(30.0)
        return frame

    serving = framing.serve_in_thread(stop_async if awaits else stop, LOCAL, CODEC)
    with serving as address, framing.connect(address, CODEC) as client:
        client.send(b"a")
        assert list(client) == [b"a"]
        serving.stop()
        serving.stop()
        with pytest.raises(ConnectionRefusedError):
            framing.connect(address, CODEC)


def test_in_a_thread_of_a_running_loop(run):
    async def main():
        with framing.serve_in_thread(echo, LOCAL, CODEC) as address:
            async with await framing.connect_async(address, CODEC) as client:
                await client.send_async(b"a")
                assert await client.recv_async(30) == b"a"

    run(main())


def test_a_port_in_use_is_an_error_at_once():
    with (
        socket.create_server(LOCAL) as taken,
        pytest.raises(OSError, match="in use"),
        framing.serve_in_thread(echo, taken.getsockname(), CODEC),
    ):
        pass


class Unlucky(set):
    """What a server's open connections are kept in: a signal comes just when it notes one."""

    def add(self, connection):
        super().add(connection)
        signal.raise_signal(signal.SIGTERM)


@pytest.fixture
def on_sigterm():
    """on_sigterm(FUNCTION) makes it the handler."""
    before = signal.getsignal(signal.SIGTERM)
    yield lambda function: signal.signal(signal.SIGTERM, lambda *_: function())
    signal.signal(signal.SIGTERM, before)


def served_once(on_sigterm, function):
    """Serve on this thread until a signal, at the first connection, ends it; what that connection then reads."""
    read = []

    def meet():
        with socket.create_connection(servers[0].address, timeout=30) as sock, contextlib.suppress(ConnectionError):
            read.append(sock.recv(1))

    servers = []
    client = threading.Thread(target=meet)

    def started(server):
        servers.append(server)
        server._open = Unlucky()
        on_sigterm(lambda: function(server))
        client.start()

    try:
        framing.serve(echo, LOCAL, Lines(), started=started, grace=30)
    finally:
        client.join(30)
        assert not client.is_alive()
        assert read in ([], [b""])
        assert not servers[0].connections


def test_a_signal_handler_may_stop_a_server_on_threads_wherever_it_is(on_sigterm):
    served_once(on_sigterm, lambda server: server.stop())


def test_ctrl_c_before_a_connections_thread_begins_ends_the_server(on_sigterm):
    def interrupt(server):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        served_once(on_sigterm, interrupt)


def test_ctrl_c_when_a_connections_thread_has_begun_ends_the_server(on_sigterm, monkeypatch):
    def interrupt(server):
        raise KeyboardInterrupt

    def start(self, start=threading.Thread.start):
        start(self)
        if self.name.startswith("eyesocket "):
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Unlucky, "add", set.add)
    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(KeyboardInterrupt):
        served_once(on_sigterm, interrupt)
