"""Serving: every client is answered, silent ones hold nobody up, and errors end one connection alone."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
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


def echo_batch(frames, peer):
    return frames


async def echo_batch_async(frames, peer):
    return frames


HANDLERS = {
    "echo": (echo, False),
    "async": (echo_async, False),
    "batch": (echo_batch, True),
    "async batch": (echo_batch_async, True),
}


@pytest.fixture(params=HANDLERS, ids=str)
def handler(request):
    return HANDLERS[request.param]


def test_64_clients_at_once_are_all_answered(handler):
    function, per_batch = handler
    with contextlib.ExitStack() as stack:
        address = stack.enter_context(framing.serve_in_thread(function, LOCAL, CODEC, per_batch=per_batch))
        clients = [stack.enter_context(framing.connect(address, CODEC)) for _ in range(64)]
        for number, client in enumerate(clients):
            client.send_many([b"%d" % number, b"", b"x" * 10_000])
        for number, client in reversed(list(enumerate(clients))):
            assert [client.recv(30) for _ in range(3)] == [b"%d" % number, b"", b"x" * 10_000]


def test_on_a_loop_it_is_the_same(handler, run):
    function, per_batch = handler

    async def talk(address, number):
        async with await framing.connect_async(address, CODEC) as client:
            await client.send_many_async([b"%d" % number, b"x" * 100_000])
            assert await client.recv_async() == b"%d" % number
            assert await client.recv_async() == b"x" * 100_000

    async def main():
        async with framing.serve(function, LOCAL, CODEC, per_batch=per_batch) as server:
            await asyncio.gather(*(talk(server.address, number) for number in range(64)))
            assert server.accepted == 64
        assert server.connections == 0

    run(main())


@pytest.mark.parametrize("function", [echo, echo_async])
def test_silent_and_slow_clients_hold_nobody_up(function, fill):
    with framing.serve_in_thread(function, LOCAL, CODEC) as address, contextlib.ExitStack() as stack:
        for _ in range(20):
            silent = stack.enter_context(socket.create_connection(address))
            silent.sendall(b"\0\0")
        deaf = stack.enter_context(framing.connect(address, CODEC))
        fill(deaf)
        with framing.connect(address, CODEC) as client:
            client.send(b"hello")
            assert client.recv(30) == b"hello"


@pytest.mark.parametrize("on_loop", [False, True])
def test_a_handlers_error_is_logged_with_the_peer_and_ends_that_connection_alone(on_loop, caplog):
    def fail(frame, peer):
        if frame == b"bad":
            raise RuntimeError("as told")
        return frame

    async def fail_async(frame, peer):
        return fail(frame, peer)

    with contextlib.ExitStack() as stack:
        address = stack.enter_context(framing.serve_in_thread(fail_async if on_loop else fail, LOCAL, CODEC))
        good, bad = (stack.enter_context(framing.connect(address, CODEC)) for _ in range(2))
        bad_name = "{}:{}".format(*bad.socket.getsockname())
        bad.send(b"bad")
        with pytest.raises((EOFError, ConnectionResetError)):
            bad.recv(30)
        good.send(b"good")
        assert good.recv(30) == b"good"
    records = [record for record in caplog.records if record.exc_info]
    assert [bad_name in record.getMessage() for record in records] == [True]


@pytest.mark.parametrize("function", [echo, echo_async])
@pytest.mark.parametrize("wire", [struct.pack(">I", 1 << 30), b"\0\0\0\1a" + struct.pack(">I", 1 << 30)])
def test_a_frame_over_the_limit_ends_that_connection_behind_the_answers(function, wire, caplog):
    with framing.serve_in_thread(function, LOCAL, CODEC) as address, framing.connect(address, CODEC) as client:
        client.socket.sendall(wire)
        assert list(client) == [b"a"][: len(wire) // 6]
    assert any("exceeds the limit" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("function", [echo, echo_async])
def test_an_end_in_mid_frame_is_told(function, caplog):
    with framing.serve_in_thread(function, LOCAL, CODEC) as address, framing.connect(address, CODEC) as client:
        client.socket.sendall(b"\0\0\0\1a\0\0")
        client.socket.shutdown(socket.SHUT_WR)
        assert list(client) == [b"a"]
    assert any("closed" in record.getMessage() for record in caplog.records)


def test_no_more_than_the_limit_are_open_at_once(run):
    async def main():
        async with framing.serve(echo, LOCAL, CODEC, limit=2) as server:
            first = [await framing.connect_async(server.address, CODEC) for _ in range(2)]
            for client in first:
                await client.send_async(b"a")
                assert await client.recv_async() == b"a"
            async with await framing.connect_async(server.address, CODEC) as third:
                await third.send_async(b"b")
                with pytest.raises(TimeoutError):
                    await third.recv_async(0.05)
                first.pop().close()
                assert await third.recv_async(30) == b"b"
            assert server.accepted == 3
            first.pop().close()

    run(main())


def test_no_limit_serves_nobody():
    with pytest.raises(ValueError, match="limit"):
        framing.serve(echo, LOCAL, CODEC, limit=0)


def test_stopping_finishes_what_is_under_way_or_drops_it(run):
    async def main(grace):
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def slow(frame, peer):
            begun.set()
            await go_on.wait()
            return frame

        server = framing.serve(slow, LOCAL, CODEC)
        async with await framing.connect_async(server.address, CODEC) as client:
            await client.send_async(b"a")
            await begun.wait()
            stopping = asyncio.ensure_future(server.stop(grace))
            if grace:
                go_on.set()
            try:
                return await client.recv_async(30)
            except (EOFError, ConnectionResetError):
                return None
            finally:
                await stopping
                with pytest.raises(ConnectionRefusedError):
                    await framing.connect_async(server.address, CODEC)

    assert run(main(30.0)) == b"a"
    assert run(main(0.0)) is None


def test_threads_finish_what_is_under_way_too():
    begun, go_on = threading.Event(), threading.Event()

    def slow(frame, peer):
        begun.set()
        go_on.wait(30)
        return frame

    with framing.serve_in_thread(slow, LOCAL, CODEC, grace=30) as address:
        client = framing.connect(address, CODEC)
        client.send(b"a")
        begun.wait(30)
        threading.Timer(0.05, go_on.set).start()
    with client:
        assert client.recv(30) == b"a"
        with pytest.raises(EOFError):
            client.recv(30)


def test_awaiting_the_server_serves_until_cancelled(run):
    async def main():
        server = framing.serve(echo, LOCAL, CODEC)

        async def serve():
            await server

        serving = asyncio.ensure_future(serve())
        async with await framing.connect_async(server.address, CODEC) as client:
            await client.send_async(b"a")
            assert await client.recv_async() == b"a"
            serving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await serving
            with pytest.raises((EOFError, ConnectionResetError)):
                await client.recv_async(30)

    run(main())


def test_a_path_is_served_and_taken_away_again(tmp_path):
    path = tmp_path / "sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    # Nobody listens there any more: the path may be taken over.
    with framing.serve_in_thread(echo, path, Lines()) as address:
        assert address == str(path)
        with framing.connect(path, Lines()) as client:
            client.send(b"hello")
            assert client.recv(30) == b"hello"
        with pytest.raises(OSError, match="in use"), framing.serve_in_thread(echo, path, Lines()):
            pass
    assert not path.exists()
    path.write_text("not a socket")
    with pytest.raises(OSError, match="in use"), framing.serve_in_thread(echo, path, Lines()):
        pass
    assert path.read_text() == "not a socket"


def test_400_clients_are_all_served(run):
    async def talk(address, number):
        async with await framing.connect_async(address, CODEC) as client:
            await client.send_async(b"%d" % number)
            return await client.recv_async() == b"%d" % number

    async def main():
        async with framing.serve(echo, LOCAL, CODEC, limit=2000) as server:
            answered = await asyncio.gather(*(talk(server.address, number) for number in range(400)))
            assert sum(answered) == 400

    run(main())


def test_answers_go_out_when_they_are_written(way, monkeypatch):
    """Without Nagle's delay: it would hold a second answer back until the peer has acknowledged the first."""
    accepted, accept = [], socket.socket.accept

    def watched(listener):
        sock, name = accept(listener)
        accepted.append(sock.dup())
        return sock, name

    monkeypatch.setattr(socket.socket, "accept", watched)
    with way.serving(echo, CODEC) as running, framing.connect(running.address, CODEC) as client:
        client.send(b"x")
        assert client.recv(30) == b"x"
    for sock in accepted:
        with sock:
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    assert accepted


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="tasks begin eagerly from Python 3.12 on")
@pytest.mark.parametrize("name", ["async", "async batch", "at once"])
def test_tasks_that_begin_eagerly_answer_on_and_on(name):
    async def at_once(frame, peer):
        return frame

    function, per_batch = {**HANDLERS, "at once": (at_once, False)}[name]

    async def work():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        async with framing.serve(function, LOCAL, CODEC, per_batch=per_batch) as server:
            chat = await framing.connect_async(server.address, CODEC)
            async with chat:
                for number in range(5):
                    await chat.send_async(b"%d" % number)
                    assert await chat.recv_async(30) == b"%d" % number

    # Not uvloop: it calls the factory with words that no factory of 3.12 and 3.13 takes.
    asyncio.run(work())
