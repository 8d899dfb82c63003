"""Serving while clients vanish, reset, half-close, send garbage or a single byte: the others do not notice."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import random
import socket
import ssl
import struct
import threading
from pathlib import Path

import pytest

import eyesocket.article
from eyesocket import framing
from eyesocket.framing import LengthPrefixed, Lines

CODEC = LengthPrefixed(4, max_frame=100_000)
CERTIFICATES = Path(eyesocket.article.__file__).parent / "certificates"


def echo(frame, peer):
    return frame


def reset(sock):
    # To close without lingering is a reset (socket(7)).
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def attack(address, number):
    """One rude client; which of the ways is its number's."""
    with socket.create_connection(address) as sock, contextlib.suppress(ConnectionError):
        sock.settimeout(30)
        match number % 8:
            case 0:  # vanishes
                reset(sock)
            case 1:  # in the middle of a length
                sock.sendall(b"\0\0")
                reset(sock)
            case 2:  # in the middle of a frame
                sock.sendall(CODEC.encode(b"x" * 1000)[:500])
            case 3:  # asks much, and takes nothing
                sock.sendall(CODEC.encode(b"x" * 90_000) * 3)
                reset(sock)
            case 4:  # garbage
                sock.sendall(random.Random(number).randbytes(5000))
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65536):
                    pass
            case 5:  # half-closes behind a request, and takes the answer
                sock.sendall(CODEC.encode(b"half"))
                sock.shutdown(socket.SHUT_WR)
                assert sock.recv(8, socket.MSG_WAITALL) == CODEC.encode(b"half")
                assert sock.recv(1) == b""
            case 6:  # a length of 4 GiB
                sock.sendall(b"\xff" * 4)
                assert sock.recv(1) == b""
            case 7:  # shuts both ways, then goes on
                sock.shutdown(socket.SHUT_RDWR)
                with contextlib.suppress(OSError):
                    sock.sendall(b"x")


def test_rude_clients_disturb_nobody(way):
    failures = []

    def rude(first):
        try:
            for number in range(first, first + 80):
                attack(running.address, number)
        except BaseException as error:
            failures.append(error)

    with way.serving(echo, CODEC) as running, contextlib.ExitStack() as stack:
        holders = [stack.enter_context(socket.create_connection(running.address)) for _ in range(20)]
        for holder in holders:
            holder.sendall(b"\0")
        polite = stack.enter_context(framing.connect(running.address, CODEC))
        threads = [threading.Thread(target=rude, args=(1000 * n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        number = 0
        while number < 200 or any(thread.is_alive() for thread in threads):
            polite.send_many([b"%d" % number, b"x" * 20_000])
            assert polite.recv(30) == b"%d" % number
            assert polite.recv(30) == b"x" * 20_000
            number += 1
        assert failures == []
        for holder in holders:
            # The rest of the one byte's frame, at last.
            holder.sendall(b"\0\0\1x")
            assert holder.recv(5, socket.MSG_WAITALL) == b"\0\0\0\1x"
            holder.close()
        polite.close()
        running.stop(30.0)
        running.thread.join(30)
        assert running.server.connections == 0
        assert running.ended_by is None


def test_nothing_of_a_connection_is_left_behind(way):
    def descriptors():
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir()))

    with way.serving(echo, CODEC) as running:
        with framing.connect(running.address, CODEC) as client:
            client.send(b"a")
            client.recv(30)
        before = descriptors()
        for number in range(64):
            attack(running.address, number)
        with framing.connect(running.address, CODEC) as client:
            client.send(b"a")
            client.recv(30)
        # The last of them may linger for a second.
        running.stop(30.0)
        running.thread.join(30)
    assert descriptors() <= before


def test_a_blocking_handler_on_threads_holds_up_its_own_peer_alone():
    on = threading.Event()

    def handler(frame, peer):
        if frame == b"block":
            on.wait(30)
        return frame

    with (
        framing.serve_in_thread(handler, ("127.0.0.1", 0), CODEC, grace=30) as address,
        framing.connect(address, CODEC) as blocked,
        framing.connect(address, CODEC) as other,
    ):
        blocked.send(b"block")
        for _ in range(10):
            other.send(b"on")
            assert other.recv(30) == b"on"
        on.set()
        assert blocked.recv(30) == b"block"


class Heard(logging.Handler):
    """Sets an event when these words are logged."""

    def __init__(self, words):
        super().__init__()
        self.words, self.event = words, threading.Event()

    def emit(self, record):
        if self.words in record.getMessage():
            self.event.set()


@pytest.fixture
def want():
    """Is set when a server has too few descriptors."""
    heard, log = Heard("cannot accept"), logging.getLogger("eyesocket.framing")
    log.addHandler(heard)
    yield heard.event
    log.removeHandler(heard)


def test_for_want_of_descriptors_the_server_waits_and_goes_on(way, want):
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with way.serving(echo, CODEC) as running, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.socket()) for _ in range(30)]
        # What is collected later would give descriptors back.
        gc.collect()
        free = os.dup(0)
        os.close(free)
        # The server shares this process: so many more descriptors, and no more.
        resource.setrlimit(resource.RLIMIT_NOFILE, (free + 5, before[1]))
        try:
            for client in clients:
                client.settimeout(30)
                client.connect(running.address)
                client.sendall(CODEC.encode(b"a"))
            assert want.wait(30), "the server found descriptors enough"
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for client in clients:
            assert client.recv(5, socket.MSG_WAITALL) == CODEC.encode(b"a")


# TLS -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def contexts():
    """Of a server, and of a client that trusts it."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(CERTIFICATES / "server.pem")
    client = ssl.create_default_context(cafile=CERTIFICATES / "authority.pem")
    client.check_hostname = False
    return server, client


def secured(contexts, address):
    sock = socket.create_connection(address)
    sock.settimeout(30)
    return framing.wrap(contexts[1].wrap_socket(sock), CODEC)


def test_over_tls_it_is_the_same(way, contexts):
    with way.serving(echo, CODEC, context=contexts[0]) as running, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(secured(contexts, running.address)) for _ in range(8)]
        for number, client in enumerate(clients):
            client.send_many([b"%d" % number, b"x" * 100_000])
        for number, client in reversed(list(enumerate(clients))):
            assert client.recv(30) == b"%d" % number
            assert client.recv(30) == b"x" * 100_000


def test_over_tls_answers_before_an_error_go_out_and_silent_ones_do_not_matter(way, contexts, caplog):
    def fail(frame, peer):
        if frame == b"bad":
            raise RuntimeError("as told")
        return frame

    with way.serving(fail, CODEC, context=contexts[0]) as running, contextlib.ExitStack() as stack:
        # Never says hello, or says nonsense: neither holds up a handshake of others.
        stack.enter_context(socket.create_connection(running.address))
        stack.enter_context(socket.create_connection(running.address)).sendall(b"GET / HTTP/1.1\r\n\r\n")
        client = stack.enter_context(secured(contexts, running.address))
        client.send_many([b"1", b"2", b"bad", b"never"])
        assert [client.recv(30), client.recv(30)] == [b"1", b"2"]
        with pytest.raises((EOFError, ConnectionError)):
            client.recv(30)
        other = stack.enter_context(secured(contexts, running.address))
        other.send(b"3")
        assert other.recv(30) == b"3"
        running.stop(0.0)
        running.thread.join(30)
        assert running.server.connections == 0
    assert sum("the handler failed" in record.getMessage() for record in caplog.records) == 1


def test_over_tls_stop_finishes_what_is_under_way(slow_way, contexts):
    begun, on = threading.Event(), threading.Event()

    def slow(frame, peer):
        begun.set()
        on.wait(30)
        return frame

    async def slow_async(frame, peer):
        import asyncio

        begun.set()
        await asyncio.get_running_loop().run_in_executor(None, on.wait, 30)
        return frame

    handler = slow_async if slow_way.awaits else slow
    with (
        slow_way.serving(handler, CODEC, context=contexts[0]) as running,
        secured(contexts, running.address) as client,
    ):
        client.send(b"a")
        assert begun.wait(30)
        stopping = threading.Thread(target=running.stop, args=(30.0,))
        stopping.start()
        on.set()
        assert client.recv(30) == b"a"
        with pytest.raises((EOFError, ConnectionError)):
            client.recv(30)
        # Else the server gives it a while to take what may be on its way.
        client.close()
        stopping.join(30)
        assert not stopping.is_alive()


def test_lines_of_one_byte_at_a_time_from_many(way):
    with way.serving(lambda line, peer: line[::-1], Lines()) as running, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(running.address)) for _ in range(16)]
        for byte in b"hello\n":
            for client in clients:
                client.sendall(bytes([byte]))
        for client in clients:
            assert client.recv(6, socket.MSG_WAITALL) == b"olleh\n"


@pytest.mark.parametrize("last", ["stop", b"bad", b"x" * 200])
def test_over_tls_the_end_is_said_whatever_it_is_for(way, contexts, last, caplog):
    def answer(frame, peer):
        if frame == b"bad":
            raise RuntimeError("as told")
        return frame

    with (
        way.serving(answer, Lines(100), context=contexts[0]) as running,
        socket.create_connection(running.address, timeout=30) as plain,
        # An end that TLS does not say is an error to this client.
        contexts[1].wrap_socket(plain, suppress_ragged_eofs=False) as client,
    ):
        client.sendall(b"good\n")
        assert client.recv(100) == b"good\n"
        if last == "stop":
            stopping = threading.Thread(target=running.stop, args=(30.0,))
            stopping.start()
        else:
            client.sendall(last + b"\n")
        assert client.recv(100) == b""
        client.close()
        if last == "stop":
            stopping.join(30)
