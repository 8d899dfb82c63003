"""Serving one who asks for much at once: what it is owed waits for it, in order, and the others have their turns."""

from __future__ import annotations

import socket
import subprocess
import sys
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


# Of a process of its own: a thread beside a busy server waits for the interpreter, whatever the server does.
CLIENT = """
import socket, sys

address = "127.0.0.1", int(sys.argv[1])
frame = lambda body: len(body).to_bytes(4, "big") + body
with socket.create_connection(address, 30) as greedy, socket.create_connection(address, 30) as other:
    greedy.sendall(frame(b"much") * 4000)
    answers = greedy.recv(8)
    other.sendall(frame(b"little"))
    assert other.recv(10) == frame(b"little")
    answers += greedy.recv(65536)
    print(len(answers) // 8)
"""


def test_one_who_asks_for_much_does_not_keep_the_others_waiting(way):
    def slow(frame, peer):
        until = time.perf_counter() + 0.001
        while time.perf_counter() < until:
            pass
        return frame

    with way.serving(slow, CODEC, grace=0) as running:
        client = [sys.executable, "-c", CLIENT, str(running.address[1])]
        done = subprocess.run(client, capture_output=True, text=True, timeout=60, check=False)
        assert not done.stderr
        # All 4000 lie in one read, four seconds of work; how far they are by now is the scheduler's choice.
        assert int(done.stdout) < 1000
