"""Datagrams in batches: the same as one at a time, by fewer calls."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import socket
import subprocess
import sys
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
    batch, got, ended = DatagramBatch(theirs, count=3), [], []
    wanted = {b"%04d" % number * 200 for number in range(300)}
    changed = threading.Condition()

    def receive():
        end = False
        while not end:
            batched = batch.recv(30)
            end = any(payload == b"end" for payload, _ in batched)
            with changed:
                got.extend(received for received in batched if received[0] != b"end")
                ended.extend([threading.current_thread()] * end)
                changed.notify_all()

    threads = [threading.Thread(target=receive) for _ in range(4)]
    for thread in threads:
        thread.start()
    with changed:
        for count, payload in enumerate(sorted(wanted)):
            ours.sendto(payload, address)
            assert changed.wait_for(lambda count=count: len(got) + 50 >= count, 30)
        for count in range(len(threads)):
            ours.sendto(b"end", address)
            assert changed.wait_for(lambda count=count: len(ended) > count, 30)
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
        with pytest.raises(ValueError, match=r"^(count|size): .*give 1 to"):
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


def other_at(number):
    """A socket of somebody else's whose descriptor has this number now."""
    made = []
    while True:
        made.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        if made[-1].fileno() == number:
            break
    other = made.pop()
    for sock in made:
        sock.close()
    other.bind(("127.0.0.1", 0))
    return other


def test_a_number_that_is_anothers_now_is_left_alone():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    batch = DatagramBatch(sock)
    number = sock.fileno()
    sock.close()
    with other_at(number) as other, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"not for the batch", other.getsockname())
        for act in (lambda: batch.recv(30), lambda: batch.send([(b"x", other.getsockname())])):
            with pytest.raises(OSError, match="Bad file descriptor") as caught:
                act()
            assert caught.value.errno == errno.EBADF
        other.settimeout(30)
        assert other.recv(100) == b"not for the batch"


BEYOND_THE_PATH = """
import socket
from eyesocket.framing import DatagramBatch

for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    with socket.socket(family, socket.SOCK_DGRAM) as there, socket.socket(family, socket.SOCK_DGRAM) as here:
        there.bind((host, 0))
        there.settimeout(30)
        payloads = [bytes([number]) * size for number, size in enumerate([1200] * 3 + [2000] * 3 + [8000] * 2)]
        DatagramBatch(here).send([(payload, there.getsockname()) for payload in payloads])
        assert [there.recv(65535) for _ in payloads] == payloads
"""


def test_datagrams_longer_than_the_path_takes_are_sent_as_sendto_does():
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("a path of 1500 bytes is made in a namespace, which needs unshare and ip")
    user = [] if os.geteuid() == 0 else ["-r"]
    words = ["unshare", *user, "-n", "sh", "-c", 'ip link set lo mtu 1500 up && exec "$@"', "sh"]
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may make no namespace")
    ended = subprocess.run(
        [*words, sys.executable, "-c", BEYOND_THE_PATH], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    "made",
    [
        lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM),
        lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET),
        lambda: (socket.socket(), socket.socket()),
    ],
)
def test_sockets_that_are_not_udps_are_refused_by_name(made):
    ours, theirs = made()
    with ours, theirs, pytest.raises(ValueError, match=r"AF_INET or AF_INET6 and SOCK_DGRAM"):
        DatagramBatch(ours)


def test_wrong_words_are_refused_by_name(udp):
    ours, _, address = udp
    for words in ({"count": -1}, {"size": -1}, {"count": 0}, {"size": 1 << 20}):
        with pytest.raises(ValueError, match=next(iter(words))):
            DatagramBatch(ours, **words)
    batch = DatagramBatch(ours)
    for wrong, kind, said in [
        ((address[0], 70_000), ValueError, "port: 70000"),
        ((address[0], -1), ValueError, "port: -1"),
        ((address[0], "80"), TypeError, r"address: \(host, port\)"),
        ("somewhere", TypeError, r"address: \(host, port\)"),
        (("localhost", 80), ValueError, "is a name"),
        (("::1", 80, 1 << 30, 0), ValueError, "flowinfo: 1073741824"),
    ]:
        with pytest.raises(kind, match=said):
            batch.send([(b"x", wrong)])


@pytest.mark.parametrize("name", ["recv", "recv_joined"])
def test_the_sockets_own_timeout_holds_unless_one_is_given(name):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        for own, given, kind in (
            (0, None, BlockingIOError),
            (0, 0.01, TimeoutError),
            (0.01, None, TimeoutError),
            (None, 0.01, TimeoutError),
        ):
            sock.settimeout(own)
            batch = DatagramBatch(sock)
            with pytest.raises(kind):
                getattr(batch, name)(**({} if given is None else {"timeout": given}))
        sock.settimeout(0)
        batch = DatagramBatch(sock)
        batch.send([(b"there", sock.getsockname())])
        batch.send_segments(b"twice", 3, sock.getsockname())
        came = batch.recv()
        while len(came) < 3:
            came += batch.recv(timeout=30)
        assert [data for data, _ in came] == [b"there", b"twi", b"ce"]

        async def awaited():
            receiving = asyncio.ensure_future(getattr(batch, name + "_async")())
            await asyncio.sleep(0)
            await batch.send_async([(b"awaited", sock.getsockname())])
            return await receiving

        assert len(asyncio.run(awaited())) == 1


@pytest.mark.parametrize("timeout", [True, "x", object()])
@pytest.mark.parametrize("name", ["recv", "recv_joined"])
def test_a_timeout_that_is_none_is_refused_by_name(name, timeout):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, pytest.raises(TypeError, match=r"^timeout: "):
        getattr(DatagramBatch(sock), name)(timeout=timeout)
