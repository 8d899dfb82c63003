"""Given up anywhere, a receive or a send loses nothing: by a timeout or a cancellation, at every byte."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import socket
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eyesocket import framing
from eyesocket import socket as our_socket
from eyesocket.framing import COBS, Delimited, LengthPrefixed, Lines, Netstring, Varint

SIZE = 50_000

CODECS = [
    LengthPrefixed(4),
    LengthPrefixed(3, "little"),
    Lines(),
    Delimited(b"\r\n--"),
    Varint(),
    Netstring(),
    COBS(),
]


def tcp(module):
    with module.create_server(("127.0.0.1", 0)) as listener:
        client = module.create_connection(listener.getsockname())
        return client, listener.accept()[0]


@pytest.fixture(scope="module", params=["socketpair", "TCP", "our TCP", "TLS"])
def connection(request):
    """One connection for all examples: each leaves it empty."""
    match request.param:
        case "socketpair":
            pair = socket.socketpair()
        case "TCP":
            pair = tcp(socket)
        case "our TCP":
            pair = tcp(our_socket)
        case "TLS":
            client, server = request.getfixturevalue("contexts")
            plain, accepted = tcp(socket), []
            accepting = threading.Thread(target=lambda: accepted.append(server.wrap_socket(plain[1], server_side=True)))
            accepting.start()
            pair = client.wrap_socket(plain[0], server_hostname="localhost"), None
            accepting.join()
            pair = pair[0], accepted[0]
    with pair[0], pair[1]:
        yield pair


@pytest.fixture(scope="module")
def loop():
    with asyncio.Runner() as runner:
        yield runner


async def cancelled(awaitable, got):
    """Wait for `awaitable` for a turn or two of the loop, then cancel."""

    async def work():
        got.append(await awaitable)

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


ENTRIES = {
    "recv": lambda chat, _: [chat.recv(timeout=0)],
    "recv_many": lambda chat, _: chat.recv_many(timeout=0),
    "recv of one": lambda chat, _: chat.recv_many(most=1, timeout=0),
    "recv_into": lambda chat, _: [into(lambda room: chat.recv_into(room, timeout=0))],
    "await recv_into": lambda chat, loop: [
        into(lambda room: loop.run(awaited(functools.partial(chat.recv_into_async, room), 0)))
    ],
    "cancel recv_into": lambda chat, loop: cancelled_into(chat, loop),
    "await recv": lambda chat, loop: [loop.run(awaited(chat.recv_async, 0))],
    "await recv_many": lambda chat, loop: loop.run(awaited(chat.recv_many_async, 0)),
    "cancel recv": lambda chat, loop: given_up(chat.recv_async(), loop),
    "cancel recv_many": lambda chat, loop: [f for frames in given_up(chat.recv_many_async(), loop) for f in frames],
    "cancel async for": lambda chat, loop: given_up(chat.__anext__(), loop),
}


def into(receive):
    room = bytearray(SIZE)
    length = receive(room)
    return bytes(room[:length])


def cancelled_into(chat, loop):
    room = bytearray(SIZE)
    return [bytes(room[:length]) for length in given_up(chat.recv_into_async(room), loop)]


async def awaited(call, timeout):
    return await call(timeout=timeout)


def given_up(awaitable, loop):
    got = []
    loop.run(cancelled(awaitable, got))
    return got


small = st.binary(max_size=300).map(lambda data: data.translate(None, b"\r\n-"))
# Long enough for memory of their own, and for the kernel to write straight into a caller's.
long = st.integers(4_000, SIZE).map(lambda size: (b"%d" % size * SIZE)[:size])
frames_of = st.lists(small | long, min_size=1, max_size=6)


@given(
    codec=st.sampled_from(CODECS),
    frames=frames_of,
    cuts=st.lists(st.integers(0, 2000) | st.integers(0, 6 * SIZE), max_size=12),
    entries=st.lists(st.sampled_from(sorted(ENTRIES)), min_size=1, max_size=12),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_receive_given_up_at_any_byte_by_any_call_loses_nothing(connection, loop, codec, frames, cuts, entries):
    ours, theirs = connection
    chat = framing.wrap(ours, codec)
    stream = codec.encode_many(frames)
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    got = []
    for index, (start, end) in enumerate(itertools.pairwise(places)):
        theirs.sendall(stream[start:end])
        with contextlib.suppress(TimeoutError):
            got += ENTRIES[entries[index % len(entries)]](chat, loop)
    while len(got) < len(frames):
        got.append(chat.recv(timeout=30))
    assert got == frames
    assert chat.detach()[1] == b""


SENDS = {
    "send": lambda chat, frames, _: [chat.send(frame, timeout=0) for frame in frames],
    "send_many": lambda chat, frames, _: chat.send_many(frames, timeout=0),
    "await send_many": lambda chat, frames, loop: loop.run(awaited_send(chat, frames)),
    "cancel send_many": lambda chat, frames, loop: loop.run(cancelled_send(chat, frames)),
}


async def awaited_send(chat, frames):
    await chat.send_many_async(frames, timeout=0)


async def cancelled_send(chat, frames):
    outcome = []

    async def work():
        try:
            await chat.send_many_async(frames)
        except asyncio.CancelledError as error:
            outcome.append(error)
            raise

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    if outcome:
        raise outcome[0]


@given(
    frames=st.lists(st.integers(0, 200_000), min_size=1, max_size=40),
    batches=st.lists(st.tuples(st.sampled_from(sorted(SENDS)), st.integers(1, 10)), min_size=1, max_size=8),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_send_given_up_anywhere_says_what_went_and_tears_no_frame(connection, loop, frames, batches):
    ours, theirs = connection
    codec = LengthPrefixed(4)
    chat, other = framing.wrap(ours, codec), framing.wrap(theirs, codec)
    content = [index.to_bytes(2, "big") * (size // 2 + 1) for index, size in enumerate(frames)]
    at, promised = 0, []
    for act, count in batches:
        batch = content[at : at + count]
        at += count
        for part in [[frame] for frame in batch] if act == "send" else [batch]:
            promised += attempt(chat, lambda act=act, part=part: SENDS[act](chat, part, loop), part)
    got = []
    reading = threading.Thread(target=lambda: got.extend(iter(lambda: other.recv(timeout=30), b"end")))
    reading.start()
    chat.send(b"end", timeout=30)
    reading.join(60)
    assert chat.unsent == 0
    for frame, sure in promised:
        if got and got[0] == frame:
            got.pop(0)
        else:
            assert not sure
    assert not got
    chat.detach()
    other.detach()


def attempt(chat, act, batch):
    """Send; give the frames that arrive now or later, and whether that is sure."""
    before = chat.unsent
    try:
        act()
    except (TimeoutError, asyncio.CancelledError) as error:
        # Of what is unsent, what is not from before completes the frame that had begun.
        total, sure = error.sent + chat.unsent, error.sent > 0 or not before
        whole = []
        for frame in batch:
            if total < len(frame) + 4:
                break
            total -= len(frame) + 4
            whole.append((frame, sure))
        assert total == 0 or not sure
        return whole
    return [(frame, True) for frame in batch]
