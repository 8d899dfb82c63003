"""Datagrams in batches: the same as one at a time, by fewer calls."""

from __future__ import annotations

import asyncio
import socket

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
