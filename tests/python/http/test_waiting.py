"""Waiting for answers: in recv(2) itself, as the blocking driver does on plain sockets, and many at once."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import struct
import threading

import pytest

from eyesocket import http

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def asleep(thread: threading.Thread) -> None:
    """Return when `thread` waits in the kernel for bytes of a TCP socket."""
    while True:
        with open(f"/proc/self/task/{thread.native_id}/stat") as state:  # noqa: PTH123
            if state.read().rpartition(")")[2].split()[0] == "S":
                return


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_a_reset_under_who_waits_keeps_its_errno(script):
    script.play(OK, reset)
    with http.Client() as client:
        client.get(script.url())
        with pytest.raises(ConnectionResetError) as caught:
            client.post(script.url(), content=b"once")
    assert caught.value.errno == errno.ECONNRESET
    assert len(script.requests) == 2


def test_a_reset_under_who_waits_is_tried_once_more(script):
    script.play(OK, reset)
    script.play(OK)
    with http.Client() as client:
        client.get(script.url())
        assert client.get(script.url()).content == b"ok"
    assert script.connections == 2


def test_an_answer_in_pieces(script):
    def piecewise(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(OK)):
            asleep(threading.main_thread())
            connection.sendall(OK[at : at + 1])

    script.play(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK, piecewise, OK)
    with http.Client() as client:
        for _ in range(3):
            response = client.get(script.url())
            assert response.content == b"ok"
            assert response.wire.received.endswith(OK)
            timings = response.timings
            assert timings.sent <= timings.first_byte <= timings.done
        assert client.connections == (1, 1)


def test_signals_run_their_handlers_and_may_end_it(script):
    seen = []

    def handler(number, frame):
        seen.append(number)
        if len(seen) == 2:
            raise InterruptedError(errno.EINTR, "enough")

    def signals(connection: socket.socket) -> None:
        for count in (1, 2):
            while len(seen) < count:
                asleep(threading.main_thread())
                if len(seen) < count:
                    signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
                    while len(seen) < count:
                        pass

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        script.play(OK, signals)
        with http.Client() as client:
            client.get(script.url())
            with pytest.raises(InterruptedError, match="enough"):
                client.get(script.url())
            assert client.connections == (0, 0)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert len(seen) == 2


def test_who_never_answers_is_left_at_the_deadline(script):
    gone = threading.Event()
    script.play(OK, lambda connection: (connection.recv(1), gone.set()))
    with http.Client(timeout=0.55) as client:
        client.get(script.url())
        with pytest.raises(TimeoutError):
            client.get(script.url())
        assert gone.wait(5)


def test_a_socket_that_is_handed_over_is_as_it_was(script):
    def switch(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 101 Switching\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n")
        connection.recv(1)

    script.play(OK, switch)
    with http.Client() as client:
        client.get(script.url())
        with client.stream("GET", script.url(), headers={"Connection": "upgrade", "Upgrade": "echo"}) as response:
            sock, _ = response.upgrade()
        with sock:
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16) == bytes(16)
            assert sock.gettimeout() is None
            assert sock.getblocking()
    assert script.connections == 1


def test_a_burst_keeps_its_connections_for_the_next(script):
    together = threading.Barrier(32)

    def reply(connection: socket.socket) -> None:
        together.wait(30)
        connection.sendall(OK)

    for _ in range(32):
        script.play(reply, reply)

    async def main():
        async with http.AsyncClient() as client:
            for _ in range(2):
                await asyncio.gather(*(client.get(script.url()) for _ in range(32)))
                assert client.connections == (32, 32)

    asyncio.run(main())
    assert script.connections == 32


class StoppedError(Exception):
    """What the handler of a signal raises."""


@pytest.fixture
def stopping():
    """SIGALRM raises `StoppedError`."""

    def stop(*_):
        raise StoppedError

    before = signal.signal(signal.SIGALRM, stop)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_signal_before_the_first_sleep_is_heard(stopping, scheme):
    """It ends no system call; the wait behind it must not be sat out."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/"
        for turn in range(12):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0001 + turn * 0.0002)
                http.get(url, timeout=60)
            except StoppedError:
                continue
            pytest.fail("it was answered")
