"""Datagrams in batches: the same as one at a time, by fewer calls."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading

import pytest

from eyesocket.errors import ProtocolError
from eyesocket.framing import DatagramBatch


@pytest.fixture(params=["127.0.0.1", "::1"])
def udp(request):
    """Two UDP sockets and the address of the second."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as ours, socket.socket(family, socket.SOCK_DGRAM) as theirs:
        for sock in (ours, theirs):
            sock.bind((request.param, 0))
        yield ours, theirs, theirs.getsockname()


def collect(batch, count):
    got = []
    while len(got) < count:
        got += batch.recv(30)
    return got


@pytest.mark.parametrize("gso", [True, False])
@pytest.mark.parametrize("gro", [True, False])
def test_what_is_sent_arrives_with_its_sender(udp, gso, gro):
    ours, theirs, address = udp
    receiver = DatagramBatch(theirs, gro=gro)
    payloads = [b"%03d" % number for number in range(100)] + [b"a" * 1200] * 70 + [b"a" * 7, b"", b"b", b"bb"]
    sent = [(payload, address) for payload in payloads]
    for at in range(0, len(sent), 40):
        DatagramBatch(ours, gso=gso).send(sent[at : at + 40])
        got = collect(receiver, len(sent[at : at + 40]))
        assert got == [(payload, ours.getsockname()) for payload, _ in sent[at : at + 40]]


def test_a_plain_socket_sees_each_datagram(udp):
    ours, theirs, address = udp
    theirs.settimeout(30)
    DatagramBatch(ours).send([(b"abc", address), (b"def", address), (b"g", address), (b"hij", address)])
    assert [theirs.recvfrom(100) for _ in range(4)] == [
        (payload, ours.getsockname()) for payload in (b"abc", b"def", b"g", b"hij")
    ]


def test_a_connected_socket_needs_no_address(udp):
    ours, theirs, address = udp
    ours.connect(address)
    DatagramBatch(ours).send([(b"a", None), (b"b", None)])
    assert [payload for payload, _ in collect(DatagramBatch(theirs), 2)] == [b"a", b"b"]


def test_a_timeout_is_one(udp):
    with pytest.raises(TimeoutError):
        DatagramBatch(udp[1]).recv(0.01)


def test_a_datagram_that_does_not_fit_is_told(udp):
    ours, theirs, address = udp
    ours.sendto(b"x" * 100, address)
    with pytest.raises(ProtocolError, match="room"):
        DatagramBatch(theirs, size=50).recv(30)


def test_one_that_does_not_fit_takes_no_other_along(udp):
    ours, theirs, address = udp
    for payload in (b"first", b"x" * 100, b"last"):
        ours.sendto(payload, address)
    batch = DatagramBatch(theirs, size=50)
    assert [payload for payload, _ in batch.recv(30)] == [b"first", b"last"]
    with pytest.raises(ProtocolError, match="50 bytes"):
        batch.recv(30)
    with pytest.raises(TimeoutError):
        batch.recv(0.01)


def test_what_was_received_stays_when_others_are(udp):
    ours, theirs, address = udp
    batch = DatagramBatch(theirs)
    got = []
    for number in range(10):
        ours.sendto(b"%d" % number * 1000, address)
        got += batch.recv(30)
    assert [payload for payload, _ in got] == [b"%d" % number * 1000 for number in range(10)]


def test_threads_may_receive_at_once(udp):
    ours, theirs, address = udp
    batch, got = DatagramBatch(theirs, count=3), []
    wanted = {b"%04d" % number * 200 for number in range(300)}

    def receive():
        with contextlib.suppress(TimeoutError):
            while len(got) < len(wanted):
                got.extend(batch.recv(2))

    threads = [threading.Thread(target=receive) for _ in range(4)]
    for thread in threads:
        thread.start()
    for payload in sorted(wanted):
        ours.sendto(payload, address)
        while len(got) + 50 < int(payload[:4]):
            threads[0].join(0.001)
    for thread in threads:
        thread.join(30)
    assert {payload for payload, _ in got} == wanted
    assert {sender for _, sender in got} == {ours.getsockname()}


@pytest.mark.parametrize("kind", [bytearray, memoryview])
@pytest.mark.parametrize("several", [list, tuple, iter])
def test_whatever_holds_bytes_can_be_sent(udp, kind, several):
    ours, theirs, address = udp
    DatagramBatch(ours).send(several([(kind(b"abc"), address), (b"def", address), (kind(b"g"), address)]))
    assert [payload for payload, _ in collect(DatagramBatch(theirs), 3)] == [b"abc", b"def", b"g"]


def test_a_failed_send_says_how_many_went(udp):
    ours, theirs, address = udp
    with pytest.raises(OSError, match="too long") as caught:
        DatagramBatch(ours).send([(b"a", address), (b"b" * 70_000, address)])
    assert caught.value.sent == 1
    assert theirs.recv(10) == b"a"


def test_names_and_nonsense_are_refused(udp):
    batch = DatagramBatch(udp[0])
    with pytest.raises(ValueError, match="numeric"):
        batch.send([(b"a", ("localhost", 1))])
    with pytest.raises(TypeError):
        batch.send([b"a"])
    for setting in ({"count": 0}, {"count": 2000}, {"size": 0}, {"size": 1 << 20}):
        with pytest.raises(ValueError, match="count and size"):
            DatagramBatch(udp[0], **setting)


def test_awaiting_gives_the_same(udp, run):
    ours, theirs, address = udp
    batch = DatagramBatch(theirs)

    async def receive():
        return await batch.recv_async(30)

    async def main():
        receiving = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        await DatagramBatch(ours).send_async([(b"a", address)])
        return await receiving

    assert run(main()) == [(b"a", ours.getsockname())]
