"""Frames over TLS: an SSLSocket is one object, whose records are sent whole and whose calls come one at a time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import ssl
import threading

import pytest

from eyesocket import framing
from eyesocket.framing import LengthPrefixed

CODEC = LengthPrefixed(4, max_frame=1 << 23)


def test_over_tls_it_is_the_same(encrypted):
    ours, theirs = (framing.wrap(sock, LengthPrefixed(4, max_frame=1 << 23)) for sock in encrypted)
    frame = os.urandom(3_000_000)
    sender = threading.Thread(target=ours.send_many, args=([b"hello", frame, b""],))
    sender.start()
    assert [theirs.recv(30) for _ in range(3)] == [b"hello", frame, b""]
    sender.join()
    with pytest.raises(TimeoutError):
        theirs.recv(0.01)
    sock, rest = theirs.detach()
    assert (sock.gettimeout(), rest) == (None, b"")


def test_over_tls_it_is_awaited_too(encrypted, run):
    ours, theirs = (framing.wrap(sock, LengthPrefixed(4, max_frame=1 << 23)) for sock in encrypted)
    frame = os.urandom(3_000_000)

    async def main():
        async def send():
            await ours.send_many_async([b"hello", frame])

        sending = asyncio.ensure_future(send())
        assert [await theirs.recv_async(), await theirs.recv_async()] == [b"hello", frame]
        await sending

    run(main())


def collect(sock):
    """Read all frames in a thread; gives the list they come to, and the thread."""
    got = []
    reading = threading.Thread(target=lambda: got.extend(framing.wrap(sock, CODEC)))
    reading.start()
    return got, reading


def numbered(count, size):
    return [number.to_bytes(4, "big") * (size // 4) for number in range(count)]


@pytest.mark.parametrize(("count", "size"), [(20_000, 64), (6000, 1000), (4, 1 << 20), (300, 16_384), (300, 16_380)])
@pytest.mark.parametrize("following", [b"after", b"A" * 40_000, b""])
def test_a_send_that_times_out_breaks_no_record(encrypted, count, size, following):
    ours, theirs = encrypted
    chat, frames = framing.wrap(ours, CODEC), numbered(count, size)
    with pytest.raises(TimeoutError) as caught:
        chat.send_many(frames, timeout=0.05)
    whole = (caught.value.sent + chat.unsent) // (size + 4)
    assert 0 < caught.value.sent < count * (size + 4)
    assert caught.value.sent + chat.unsent == whole * (size + 4)
    got, reading = collect(theirs)
    chat.send(following, timeout=30)
    chat.close()
    reading.join(30)
    assert got == [*frames[:whole], following]


def test_a_client_that_only_sends_and_closes_loses_nothing(encrypted_tcp):
    # The server's session tickets lie unread in the client's socket: closed so, TCP would send a reset.
    ours, theirs = encrypted_tcp
    frames = numbered(12, 100_000)
    with framing.wrap(ours, CODEC) as chat:
        chat.send_many(frames, timeout=30)
    assert list(framing.wrap(theirs, CODEC)) == frames


def test_frames_one_by_one_until_the_peer_takes_no_more(encrypted):
    ours, theirs = encrypted
    chat, count, failed = framing.wrap(ours, CODEC), 0, None
    while failed is None:
        try:
            chat.send(count.to_bytes(4, "big") * 250, timeout=0.05)
            count += 1
        except TimeoutError as error:
            failed = error
    assert failed.sent == 0
    # OpenSSL has the record, so it is not withdrawn, and this is not hidden.
    assert chat.unsent == 1004
    got, reading = collect(theirs)
    chat.send(b"second", timeout=30)
    chat.close()
    reading.join(30)
    assert got == [*(number.to_bytes(4, "big") * 250 for number in range(count + 1)), b"second"]


def test_a_cancelled_send_breaks_no_record(encrypted, run):
    ours, theirs = (framing.wrap(sock, CODEC) for sock in encrypted)
    frames = numbered(5000, 1000)

    async def main():
        async def send():
            await ours.send_many_async(frames)

        task = asyncio.ensure_future(send())
        while not ours.unsent:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        left = ours.unsent
        sending = asyncio.ensure_future(after())
        got = []
        while not got or got[-1] != b"after":
            got.append(await theirs.recv_async(timeout=30))
        await sending
        return got, left, caught

    async def after():
        await ours.send_async(b"after", timeout=30)

    got, left, _ = run(main())
    assert left > 0
    assert got == [*frames[: len(got) - 1], b"after"]


@pytest.mark.parametrize("threads", [1, 2])
def test_both_directions_at_once_from_several_threads(encrypted, threads):
    chats = [framing.wrap(sock, CODEC) for sock in encrypted]
    count, errors = 400, []
    got = {chat: [] for chat in chats}

    def guarded(work, *arguments):
        try:
            work(*arguments)
        except BaseException as error:
            errors.append(error)

    def send(chat, number):
        for index in range(count):
            chat.send(bytes([number]) * (index * 37 % 5000), timeout=60)

    def receive(chat, share):
        for _ in range(share):
            got[chat].append(chat.recv(timeout=60))

    work = [(send, chat, number) for chat in chats for number in range(threads)]
    work += [(receive, chat, count) for chat in chats for _ in range(threads)]
    running = [threading.Thread(target=guarded, args=one) for one in work]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(100)
    assert not errors
    expected = sorted(bytes([number]) * (index * 37 % 5000) for number in range(threads) for index in range(count))
    for chat in chats:
        assert sorted(got[chat]) == expected


def test_a_timeout_in_mid_record_loses_nothing(encrypted):
    ours, theirs = (framing.wrap(sock, LengthPrefixed(1)) for sock in encrypted)
    below = ours.socket
    below.send(b"\5he")
    with pytest.raises(TimeoutError):
        theirs.recv(0.02)
    assert theirs.buffered == 3
    below.send(b"llo")
    assert theirs.recv(30) == b"hello"


def test_a_non_blocking_ssl_socket_does_not_wait(encrypted):
    ours, theirs = encrypted
    ours.setblocking(False)
    chat = framing.wrap(ours, LengthPrefixed(1))
    with pytest.raises(BlockingIOError):
        chat.recv()
    framing.wrap(theirs, LengthPrefixed(1)).send(b"x")
    assert chat.recv(timeout=30) == b"x"
    assert chat.detach()[0].gettimeout() == 0


class Interrupted(ssl.SSLSocket):
    """Ctrl-C comes when OpenSSL has moved the bytes and Python has not yet returned."""

    def recv(self, *size):
        came = super().recv(*size)
        signal.raise_signal(signal.SIGINT)
        return came

    def recv_into(self, *where):
        count = super().recv_into(*where)
        signal.raise_signal(signal.SIGINT)
        return count

    def send(self, piece):
        count = super().send(piece)
        signal.raise_signal(signal.SIGINT)
        return count


@pytest.fixture
def interrupting(contexts, monkeypatch):
    monkeypatch.setattr(contexts[0], "sslsocket_class", Interrupted)


@pytest.fixture
def interrupted(interrupting, encrypted):
    """A TLS connection whose near end meets Ctrl-C in every call that moves something."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield encrypted
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("size", [20_000, 100_000])
@pytest.mark.parametrize("into", [False, True])
def test_ctrl_c_within_a_receive_loses_no_record(interrupted, size, into):
    ours, theirs = interrupted
    chat, frames = framing.wrap(ours, CODEC), numbered(60, size)
    room = bytearray(size)

    def receive():
        return bytes(room[: chat.recv_into(room, timeout=30)]) if into else chat.recv(timeout=30)

    sending = threading.Thread(target=framing.wrap(theirs, CODEC).send_many, args=(frames,))
    sending.start()
    got, interruptions = [], 0
    while len(got) < len(frames):
        try:
            got.append(receive())
        except KeyboardInterrupt:
            interruptions += 1
    sending.join()
    assert got == frames
    assert interruptions > 20


def test_ctrl_c_within_a_send_says_what_went_out(interrupted):
    ours, theirs = interrupted
    chat, frames = framing.wrap(ours, CODEC), numbered(60, 20_000)
    got, reading = collect(theirs)
    interruptions = 0
    for frame in frames:
        try:
            chat.send(frame, timeout=30)
        except KeyboardInterrupt as error:
            interruptions += 1
            # It is on its way whole, or not at all.
            if getattr(error, "sent", len(frame) + 4) + chat.unsent == 0:
                chat.send(frame, timeout=30)
            chat.flush(timeout=30)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    chat.close()
    reading.join(30)
    assert got == frames
    assert interruptions > 20


@pytest.mark.parametrize("act", [lambda chat: chat.buffered, lambda chat: chat.close()])
def test_a_signal_handler_may_use_the_socket_that_receives(interrupted, act):
    ours, theirs = interrupted
    chat = framing.wrap(ours, CODEC)
    framing.wrap(theirs, CODEC).send_many(numbered(20, 1000))
    done = []
    signal.signal(signal.SIGINT, lambda *_: done.append(act(chat)))
    # Where the handler closes, the receive ends with that.
    with contextlib.suppress(OSError):
        assert chat.recv(timeout=30) == numbered(1, 1000)[0]
    assert done
