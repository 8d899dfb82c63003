"""Peers that mean harm: lengths beyond memory, lines without end, a byte now and then, a reset."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import ssl
import struct
import threading
import time

import pytest

from eyesocket import framing
from eyesocket.framing import COBS, SLIP, HTTPChunked, LengthPrefixed, Lines, Netstring, Varint

LIMIT = 100_000
PREFIXES = {
    "length": (LengthPrefixed(8, max_frame=LIMIT), struct.pack(">Q", 1 << 40)),
    "varint": (Varint(LIMIT), b"\x80\x80\x80\x80\x80\x20"),
    "netstring": (Netstring(LIMIT), b"1099511627776:"),
    "chunk": (HTTPChunked(LIMIT), b"10000000000\r\n"),
}
ENDLESS = {"line": Lines(LIMIT), "COBS": COBS(LIMIT), "SLIP": SLIP(LIMIT)}


@pytest.fixture(params=["blocking", "asyncio", "TLS", "TLS on asyncio"])
def case(request, contexts):
    """A TCP connection whose one end receives as the parameter says: give it, its peer, and how a frame is received."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        hostile = socket.create_connection(listener.getsockname())
        victim, _ = listener.accept()
    if request.param.startswith("TLS"):
        client, server = contexts
        # Tickets that the client never reads would make its close a reset.
        server.num_tickets = 0
        accepted = []
        accepting = threading.Thread(target=lambda: accepted.append(server.wrap_socket(victim, server_side=True)))
        accepting.start()
        hostile = client.wrap_socket(hostile, server_hostname="localhost")
        accepting.join()
        victim = accepted[0]

    async def awaited(chat, timeout):
        return await chat.recv_async(timeout=timeout)

    with asyncio.Runner() as loop:
        receive = (
            (lambda chat, timeout: loop.run(awaited(chat, timeout)))
            if "asyncio" in request.param
            else (lambda chat, timeout: chat.recv(timeout=timeout))
        )
        with hostile, victim:
            yield hostile, victim, receive


@contextlib.contextmanager
def little_memory(most):
    """See that resident memory grows by at most so many bytes at its highest."""
    with open("/proc/self/clear_refs", "w") as file:  # noqa: PTH123
        file.write("5")
    before = highest()
    yield
    assert highest() - before <= most


def highest():
    with open("/proc/self/status") as file:  # noqa: PTH123
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


@pytest.mark.parametrize("kind", PREFIXES)
def test_a_tebibyte_that_is_announced_takes_no_memory(case, kind):
    hostile, victim, receive = case
    codec, prefix = PREFIXES[kind]
    chat = framing.wrap(victim, codec)
    hostile.sendall(prefix + b"x" * 1000)
    with little_memory(16 << 20), pytest.raises(framing.FrameTooLarge) as caught:
        receive(chat, 30)
    assert (caught.value.length, caught.value.limit) == (1 << 40, LIMIT)
    assert caught.value.peer == "{}:{}".format(*hostile.getsockname())


@pytest.mark.parametrize("kind", ENDLESS)
def test_what_never_ends_takes_no_memory(case, kind):
    hostile, victim, receive = case
    chat = framing.wrap(victim, ENDLESS[kind])

    def pour():
        with contextlib.suppress(OSError):
            for _ in range(2000):
                hostile.sendall(b"x" * 16_384)

    pouring = threading.Thread(target=pour)
    pouring.start()
    with little_memory(16 << 20), pytest.raises(framing.FrameTooLarge):
        receive(chat, 30)
    assert chat.buffered <= LIMIT + 256 * 1024
    chat.close()
    pouring.join(30)


def test_a_byte_now_and_then_does_not_move_the_deadline(case):
    hostile, victim, receive = case
    size = 1 << 20
    chat = framing.wrap(victim, LengthPrefixed(4, max_frame=size))
    hostile.sendall(size.to_bytes(4, "big"))
    stop, sent = threading.Event(), []

    def drip():
        """Each byte when the one before it has arrived."""
        while not stop.is_set():
            if chat.buffered >= 4 + len(sent):
                hostile.sendall(b"x")
                sent.append(b"x")
            time.sleep(0)

    dripping = threading.Thread(target=drip)
    dripping.start()
    began = time.monotonic()
    try:
        with pytest.raises(TimeoutError):
            receive(chat, 0.3)
    finally:
        stop.set()
        dripping.join()
    assert time.monotonic() - began >= 0.3
    assert 2 < len(sent) < size
    assert 4 < chat.buffered <= 4 + len(sent)
    # Nothing is lost: the rest comes, and so does the frame.
    pouring = threading.Thread(target=hostile.sendall, args=[b"x" * (size - len(sent))])
    pouring.start()
    assert receive(chat, 30) == b"x" * size
    pouring.join()


def test_a_reset_in_mid_frame_says_what_came_and_from_whom(case):
    hostile, victim, receive = case
    chat = framing.wrap(victim, LengthPrefixed(4))
    hostile.sendall(b"\0\0\0\5hel")
    with pytest.raises(TimeoutError):
        receive(chat, 0.05)
    address = "{}:{}".format(*hostile.getsockname())
    hostile.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    hostile.close()
    # Some versions of SSLSocket tell a reset as an end (`suppress_ragged_eofs`); here it is one in mid-frame.
    as_end = (framing.TruncatedFrame,) if isinstance(victim, ssl.SSLSocket) else ()
    with pytest.raises((ConnectionResetError, *as_end)) as caught:
        receive(chat, 30)
    assert (caught.value.partial, caught.value.address) == (b"\0\0\0\5hel", address)


def test_an_end_in_mid_frame_says_what_came(case):
    hostile, victim, receive = case
    chat = framing.wrap(victim, LengthPrefixed(4))
    hostile.sendall(b"\0\0\0\5hel")
    hostile.close()
    with pytest.raises(framing.TruncatedFrame) as caught:
        receive(chat, 30)
    assert caught.value.partial == b"\0\0\0\5hel"


def test_a_peer_that_never_reads_ends_a_send_by_its_deadline(case):
    hostile, victim, _ = case
    chat = framing.wrap(victim, LengthPrefixed(4, max_frame=1 << 26))
    with pytest.raises(TimeoutError) as caught:
        chat.send(bytes(1 << 25), timeout=0.2)
    assert 0 < caught.value.sent < 1 << 25
    assert hostile.fileno() >= 0


def test_who_may_have_few_descriptors_still_waits(pair):
    ours, theirs = pair
    chat, outcome = framing.wrap(ours, Lines()), []
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (theirs.fileno() + 1, limits[1]))
    try:
        # A thread that has never waited has no alarm yet, and now gets none.
        thread = threading.Thread(target=lambda: outcome.append(chat.recv(timeout=30)))
        thread.start()
        theirs.sendall(b"hello\n")
        thread.join(30)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert outcome == [b"hello"]
