"""Serving with `idle_timeout`: who says nothing, or too little, or takes no answer, makes room for others."""

from __future__ import annotations

import contextlib
import logging
import socket

import pytest

from eyesocket import framing
from eyesocket.framing import LengthPrefixed

CODEC = LengthPrefixed(4)
IDLE = 0.3


def echo(frame, peer):
    return frame


def ended(sock):
    sock.settimeout(30)
    return sock.recv(1) == b""


def test_a_silent_peer_makes_room_for_the_next(way, caplog):
    caplog.set_level(logging.INFO, "eyesocket.framing")
    with way.serving(echo, CODEC, limit=2, idle_timeout=IDLE) as running, contextlib.ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(running.address)) for _ in range(2)]
        silent[1].sendall(b"\0\0")
        with framing.connect(running.address, CODEC) as client:
            client.send(b"in its turn")
            assert client.recv(30) == b"in its turn"
        assert all(ended(sock) for sock in silent)
    assert sum("no message" in record.getMessage() for record in caplog.records) == 2
    assert all(record.levelno < logging.WARNING for record in caplog.records)


def test_who_goes_on_stays_however_long_others_are_silent(way):
    with (
        way.serving(echo, CODEC, idle_timeout=IDLE) as running,
        framing.connect(running.address, CODEC) as client,
        socket.create_connection(running.address) as silent,
    ):
        silent.settimeout(0.02)
        for number in range(1000):
            client.send(b"%d" % number)
            assert client.recv(30) == b"%d" % number
            with contextlib.suppress(TimeoutError):
                assert silent.recv(1) == b""
                break
        else:
            pytest.fail("the silent one is still there")
        assert number > 3
        client.send(b"last")
        assert client.recv(30) == b"last"
        assert ended(client.socket), "and is silent at last"


def test_a_byte_now_and_then_is_no_message(way):
    with way.serving(echo, CODEC, idle_timeout=IDLE) as running, socket.create_connection(running.address) as slow:
        slow.settimeout(0.02)
        wire = CODEC.encode(b"x" * 100_000)
        for number in range(1000):
            with contextlib.suppress(ConnectionError):
                slow.sendall(wire[number : number + 1])
            try:
                assert slow.recv(1) == b""
            except TimeoutError:
                continue
            except ConnectionResetError:
                # The end met a byte on its way.
                pass
            break
        else:
            pytest.fail("one byte at a time holds a connection for ever")
        assert number > 3


def test_who_takes_no_answer_is_given_up(way):
    with (
        way.serving(lambda *_: b"x" * 1_000_000, CODEC, limit=1, idle_timeout=IDLE) as running,
        framing.connect(running.address, CODEC) as deaf,
    ):
        deaf.send_many([b"a"] * 20)
        # There is room for it when the deaf one has been given up.
        with framing.connect(running.address, CODEC) as client:
            client.send(b"a")
            assert len(client.recv(30)) == 1_000_000
        answers = 0
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                deaf.recv(30)
                answers += 1
        assert answers < 20


def test_who_takes_an_answer_slowly_gets_all_of_it(way):
    codec = LengthPrefixed(4, max_frame=1 << 24)
    with (
        way.serving(lambda *_: b"x" * 8_000_000, codec, idle_timeout=IDLE) as running,
        framing.connect(running.address, codec) as slow,
        socket.create_connection(running.address) as silent,
    ):
        silent.settimeout(0.02)
        slow.send(b"a")
        wire, here = codec.encode(b"x" * 8_000_000), 0
        gone = 0
        while here < len(wire):
            here += len(slow.socket.recv(400_000, socket.MSG_WAITALL))
            if not gone:
                with contextlib.suppress(TimeoutError):
                    assert silent.recv(1) == b""
                    gone = here
        assert here == len(wire)


def test_a_message_that_is_being_handled_is_not_silence(slow_way):
    """The handler answers when a connection that was silent for as long has been ended."""
    gate = slow_way.gate()
    with (
        slow_way.serving(gate.handler(), CODEC, idle_timeout=IDLE) as running,
        framing.connect(running.address, CODEC) as client,
    ):
        client.send(b"a")
        assert gate.begun.wait(30)
        for _ in range(2):
            with socket.create_connection(running.address) as silent:
                assert ended(silent)
        gate.on.set()
        assert client.recv(30) == b"a"


def test_over_tls_too(way, contexts):
    client_side, server_side = contexts
    with (
        way.serving(echo, CODEC, idle_timeout=IDLE, context=server_side) as running,
        socket.create_connection(running.address) as plain,
        client_side.wrap_socket(plain, server_hostname="localhost") as secure,
        framing.wrap(secure, CODEC) as client,
    ):
        client.send(b"a")
        assert client.recv(30) == b"a"
        with pytest.raises((EOFError, ConnectionError)):
            client.recv(30)


def test_in_a_thread_and_with_settings_that_cannot_be():
    with (
        framing.serve_in_thread(echo, ("127.0.0.1", 0), CODEC, idle_timeout=IDLE) as address,
        socket.create_connection(address) as silent,
    ):
        assert ended(silent)
    for wrong in (0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="idle_timeout"):
            framing.serve(echo, ("127.0.0.1", 0), CODEC, idle_timeout=wrong)


@pytest.mark.parametrize("idle", [30 * 86400.0, 1e10, 1e300])
def test_patience_beyond_what_the_system_counts_is_patience(slow_way, idle, contexts):
    theirs, ours = contexts
    for context in (None, ours):
        with slow_way.serving(echo, CODEC, idle_timeout=idle, context=context) as running:
            sock = socket.create_connection(running.address)
            if context is not None:
                sock = theirs.wrap_socket(sock, server_hostname="localhost")
            with framing.wrap(sock, CODEC) as client:
                client.send(b"q")
                assert client.recv(30) == b"q"
