"""Serving: how a connection ends, on threads, asyncio and uvloop alike."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct

import pytest

from eyesocket import _native, framing
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


def blamed(caplog):
    """The records of a handler's error."""
    return [record for record in caplog.records if "the handler failed" in record.getMessage()]


class NotAnException(BaseException):
    pass


@pytest.mark.parametrize("error", [RuntimeError, asyncio.CancelledError, NotAnException, ConnectionResetError])
def test_whatever_a_handler_raises_is_logged_and_ends_that_connection_alone(way, error, caplog):
    def fail(frame, peer):
        if frame == b"bad":
            raise error("as told")
        return frame

    with way.serving(fail, CODEC) as running, contextlib.ExitStack() as stack:
        good, bad = (stack.enter_context(framing.connect(running.address, CODEC)) for _ in range(2))
        bad.send(b"bad")
        with pytest.raises(EOFError):
            bad.recv(30)
        good.send(b"good")
        assert good.recv(30) == b"good"
        assert [name_of(bad) in record.getMessage() for record in blamed(caplog)] == [True]
        assert blamed(caplog)[0].exc_info[0] is error


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_what_ends_a_program_ends_a_loop_and_on_threads_the_connection(way, error, caplog):
    def leave(frame, peer):
        if frame == b"leave":
            raise error
        return frame

    with way.serving(leave, CODEC) as running:
        with framing.connect(running.address, CODEC) as client, framing.connect(running.address, CODEC) as other:
            client.send(b"leave")
            with pytest.raises((EOFError, ConnectionResetError)):
                client.recv(30)
            if way.threads:
                other.send(b"on")
                assert other.recv(30) == b"on"
        if not way.threads:
            running.thread.join(30)
            assert isinstance(running.ended_by, error)
    assert len(blamed(caplog)) == 1


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("awaits", [False, True])
def test_in_a_thread_no_handler_ends_the_server(error, awaits, caplog):
    def leave(frame, peer):
        if frame == b"leave":
            raise error
        return frame

    async def leave_async(frame, peer):
        return leave(frame, peer)

    with framing.serve_in_thread(leave_async if awaits else leave, LOCAL, CODEC) as address:
        for _ in range(2):
            with framing.connect(address, CODEC) as client:
                client.send_many([b"on", b"leave"])
                assert client.recv(30) == b"on"
                with pytest.raises(EOFError):
                    client.recv(30)
    assert len(blamed(caplog)) == 2


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 9, 11, 14, 1000])
def test_what_was_answered_before_an_error_is_the_same_for_every_cut(way, cut):
    def fail(frame, peer):
        if frame == b"bad":
            raise RuntimeError("as told")
        return frame

    wire = b"".join(CODEC.encode(frame) for frame in [b"a", b"bcd", b"bad", b"never"])
    with way.serving(fail, CODEC) as running, framing.connect(running.address, CODEC) as client:
        for at in range(0, len(wire), cut):
            client.socket.sendall(wire[at : at + cut])
        assert list(client) == [b"a", b"bcd"]


def test_answers_that_the_peer_has_not_taken_yet_outlive_an_error(way):
    """Far more than a socket holds, and bytes that nobody reads behind them: to close at once would be a reset."""
    large = b"x" * 100_000

    def fail(frame, peer):
        if frame == b"bad":
            raise RuntimeError("as told")
        return large

    with way.serving(fail, CODEC) as running, framing.connect(running.address, CODEC) as client:
        client.send_many([b"good"] * 40 + [b"bad"] + [b"never"] * 1000)
        assert list(client) == [large] * 40


def test_answers_before_garbage_are_the_same_for_every_cut(way, caplog):
    wire = Lines(10).encode(b"first") + b"x" * 20 + b"\n"
    for cut in (1, 5, 6, 7, 1000):
        with way.serving(echo, Lines(10)) as running, framing.connect(running.address, Lines(10)) as client:
            for at in range(0, len(wire), cut):
                client.socket.sendall(wire[at : at + cut])
            assert list(client) == [b"first"], cut
    assert sum("exceeds the limit" in record.getMessage() for record in caplog.records) == 5


def test_a_value_that_cannot_be_read_ends_the_connection_also_behind_others(way):
    codec = framing.Typed(Lines(), lambda number: str(number).encode(), int)
    with (
        way.serving(lambda number, peer: number + 1, codec) as running,
        framing.connect(running.address, codec) as client,
    ):
        client.socket.sendall(b"1\nnonsense\n3\n")
        assert list(client) == [2]


@pytest.mark.parametrize(
    ("answer", "told"), [("text", "bytes-like"), (7, "bytes-like"), (b"x" * 11, "max_frame"), ([b"a"], "bytes-like")]
)
def test_a_wrong_answer_is_the_handlers_error_behind_the_right_ones(way, answer, told, caplog):
    codec = LengthPrefixed(4, max_frame=10)

    def handler(frame, peer):
        return answer if frame == b"2" else frame

    with way.serving(handler, codec) as running, framing.connect(running.address, codec) as client:
        client.send_many([b"1", b"2", b"3"])
        assert list(client) == [b"1"]
    assert told in str(blamed(caplog)[0].exc_info[1])


def test_with_per_batch_a_wrong_answer_says_what_is_wanted(way, caplog):
    with (
        way.serving(lambda frames, peer: frames[0], CODEC, per_batch=True) as running,
        framing.connect(running.address, CODEC) as client,
    ):
        client.send(b"1")
        assert list(client) == []
    assert "a list of frames, not bytes" in str(blamed(caplog)[0].exc_info[1])


def test_a_handler_that_forgot_to_be_async_is_told(way, caplog):
    async def later(frame):
        return frame

    def forgetful(frame, peer):
        return later(frame)

    with way.serving(forgetful, CODEC) as running, framing.connect(running.address, CODEC) as client:
        client.send(b"1")
        assert list(client) == []
    assert "async def" in str(blamed(caplog)[0].exc_info[1])


def test_the_end_that_a_format_has_is_said_and_heard(way):
    codec = framing.HTTPChunked()
    with way.serving(echo, codec) as running, framing.connect(running.address, codec) as client:
        client.send(b"one")
        client.send_end()
        client.socket.sendall(b"what nobody reads" * 1000)
        assert list(client) == [b"one"]


def test_a_half_closed_peer_gets_its_answers(way):
    with way.serving(echo, CODEC) as running, framing.connect(running.address, CODEC) as client:
        client.send_many([b"%d" % number for number in range(100)])
        client.socket.shutdown(socket.SHUT_WR)
        assert list(client) == [b"%d" % number for number in range(100)]


def test_a_handler_that_is_cancelled_from_outside_is_told(run, caplog):
    async def main():
        begun = asyncio.Event()
        tasks = []

        async def slow(frame, peer):
            tasks.append(asyncio.current_task())
            begun.set()
            await asyncio.Event().wait()

        async with (
            framing.serve(slow, LOCAL, CODEC) as server,
            await framing.connect_async(server.address, CODEC) as client,
        ):
            await client.send_async(b"a")
            await begun.wait()
            tasks[0].cancel()
            with pytest.raises(EOFError):
                await client.recv_async(30)
            return name_of(client)

    name = run(main())
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING] == [
        f"the handler was cancelled on a message of {name}"
    ]


def test_a_client_that_vanishes_cancels_its_handler(run, caplog):
    async def main():
        begun, cancelled = asyncio.Event(), asyncio.Event()

        async def slow(frame, peer):
            begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise

        async with framing.serve(slow, LOCAL, CODEC) as server:
            with socket.create_connection(server.address) as client:
                client.sendall(CODEC.encode(b"a"))
                await begun.wait()
                # To close without lingering is a reset (socket(7)).
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await asyncio.wait_for(cancelled.wait(), 30)

    run(main())
    assert not blamed(caplog)


def test_bad_settings_are_refused_before_anything_listens(tmp_path):
    for words, error, told in [
        ({"handler": None}, TypeError, "handler"),
        ({"codec": "lines"}, TypeError, "codec"),
        ({"limit": 0}, ValueError, "limit"),
        ({"grace": -1.0}, ValueError, "grace"),
        ({"grace": float("nan")}, ValueError, "grace"),
        ({"address": str(tmp_path / "sock"), "reuse_port": True}, ValueError, "reuse_port"),
    ]:
        words = {"handler": echo, "address": LOCAL, "codec": CODEC, **words}
        with pytest.raises(error, match=told):
            framing.serve(**words)
        with pytest.raises(error, match=told), framing.serve_in_thread(**words):
            pass


def test_who_closes_in_the_handler_still_hears_of_its_error():
    """What a call gives at last is settled, though the connection was given up while the handler ran."""
    settled, written = [], []

    class Owner:
        def settle(self, answers):
            settled.append(answers)

    def handler(frame, peer):
        responder.disconnect()
        if frame == b"bad":
            raise ValueError(frame)
        return frame

    responder = _native.Responder(CODEC, handler, "a peer", False)
    responder.connect(written.append, Owner())
    responder.received(CODEC.encode_many([b"good", b"bad"]))
    ((out, error, handlers, _),) = settled
    assert (out, str(error), handlers) == (CODEC.encode(b"good"), "b'bad'", True)
    responder.received(CODEC.encode(b"more"))
    assert (len(settled), written) == (1, [])
    responder = _native.Responder(CODEC, handler, "a peer", False)
    responder.connect(written.append, Owner())
    responder.received(CODEC.encode(b"good"))
    assert written == [CODEC.encode(b"good")]
