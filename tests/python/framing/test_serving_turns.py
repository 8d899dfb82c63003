"""Serving one who asks for much at once: what it is owed waits for it, in order, and the others have their turns."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from eyesocket import framing
from eyesocket.framing import LengthPrefixed

CODEC = LengthPrefixed(4, max_frame=100_000)


def asked(address, requests, *, end=False):
    """Send them all from a thread of their own; nothing is received."""
    sock = socket.create_connection(address, timeout=60)

    def send():
        sock.sendall(CODEC.encode_many(requests))
        if end:
            sock.shutdown(socket.SHUT_WR)

    sending = threading.Thread(target=send)
    sending.start()
    return sock, sending


@pytest.mark.parametrize("end", [False, True])
def test_what_a_deaf_client_is_owed_waits_for_it(way, end):
    calls = []

    def answer(frame, peer):
        calls.append(frame)
        return frame + bytes(16_000)

    count = 20_000
    with way.serving(answer, CODEC) as running:
        requests = [number.to_bytes(4, "big") for number in range(count)]
        sock, sending = asked(running.address, requests, end=end)
        with sock, framing.connect(running.address, CODEC) as other:
            for _ in range(200):
                other.send(b"another")
                assert other.recv(timeout=30)[:7] == b"another"
            # All answers together would be 320 MB; what fits into the socket's buffers and ours is a part of that.
            assert len(calls) < 2000
            chat = framing.wrap(sock, CODEC)
            for request in requests:
                assert chat.recv(timeout=30)[:4] == request
            sending.join()
            if end:
                with pytest.raises(EOFError):
                    chat.recv(timeout=30)


def test_stopping_answers_what_had_to_wait(slow_way):
    handled = []

    def answer(frame, peer):
        handled.append(frame)
        return frame * 4000

    with slow_way.serving(answer, CODEC, grace=30) as running:
        requests = [b"%04d" % number for number in range(3000)]
        sock, sending = asked(running.address, requests, end=True)
        with sock:
            chat = framing.wrap(sock, CODEC)
            got = [chat.recv(timeout=30)]
            sending.join()
            stopping = threading.Thread(target=running.stop)
            stopping.start()
            got += chat
            stopping.join(30)
    # All that had come when the end began, in order, and nothing else.
    assert got == [frame * 4000 for frame in requests[: len(got)]]
    assert len(got) == len(handled)


def test_one_who_asks_for_much_does_not_keep_the_others_waiting(way):
    handled, begun = [], threading.Event()

    def slow(frame, peer):
        begun.set()
        until = time.perf_counter() + 0.001
        while time.perf_counter() < until:
            pass
        handled.append(frame)
        return frame

    with way.serving(slow, CODEC) as running:
        sock, sending = asked(running.address, [b"much"] * 4000)
        with sock, framing.connect(running.address, CODEC) as other:
            assert begun.wait(30)
            other.send(b"little")
            assert other.recv(timeout=30) == b"little"
            # All 4000 lie in one read; how far they are by now is the scheduler's choice.
            assert len(handled) < 4000
            sending.join()
