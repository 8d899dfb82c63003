"""Datagrams in one piece: what the kernel joined stays as it is, what it is to cut is sent from where it lies."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading

import pytest

from eyesocket import framing
from eyesocket.errors import ProtocolError
from eyesocket.framing import DatagramBatch, Joined


@pytest.fixture(params=["127.0.0.1", "::1"])
def udp(request):
    """Two UDP sockets and the address of the second."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as ours, socket.socket(family, socket.SOCK_DGRAM) as theirs:
        for sock in (ours, theirs):
            sock.bind((request.param, 0))
        yield ours, theirs, theirs.getsockname()


def pattern(length):
    return bytes(number * 7 % 251 for number in range(length))


def cut(data, size):
    return [data[at : at + size] for at in range(0, len(data), size)] or [b""]


SHAPES = [
    (60_000, 1200),
    (60_001, 1200),
    (64 * 700, 700),
    (1200, 1200),
    (1199, 1200),
    (5, 1),
    (0, 9),
    (40_000, 30_000),
    (150_000, 50_000),
]


@pytest.mark.parametrize("gso", [True, False])
@pytest.mark.parametrize(("length", "size"), SHAPES)
def test_a_plain_socket_sees_each_datagram(udp, length, size, gso):
    ours, theirs, address = udp
    theirs.settimeout(30)
    data = pattern(length)
    DatagramBatch(ours, gso=gso).send_segments(data, size, address)
    assert [theirs.recvfrom(65535) for _ in cut(data, size)] == [(one, ours.getsockname()) for one in cut(data, size)]


@pytest.mark.parametrize("gro", [True, False])
@pytest.mark.parametrize(("length", "size"), SHAPES)
def test_what_came_joined_is_what_was_sent(udp, length, size, gro):
    ours, theirs, address = udp
    batch = DatagramBatch(theirs, gro=gro, size=65535)
    data = pattern(length)
    DatagramBatch(ours).send_segments(data, size, address)
    came, got = [], []
    while len(got) < len(cut(data, size)):
        for one in batch.recv_joined(30):
            assert isinstance(one, Joined)
            assert one.address == ours.getsockname()
            assert list(one) == cut(one.data, one.size)
            assert len(one) == len(list(one))
            assert one[len(one) - 1] == list(one)[-1] == one[-1]
            came.append(one)
            got += one
    assert got == cut(data, size)
    assert b"".join(one.data for one in came) == data
    if not gro:
        assert [len(one) for one in came] == [1] * len(got)


def test_loopback_keeps_segments_joined(udp):
    ours, theirs, address = udp
    batch = DatagramBatch(theirs, gro=True)
    data = pattern(60_000)
    DatagramBatch(ours).send_segments(data, 1200, address)
    (joined,) = batch.recv_joined(30)
    assert (joined.data, joined.size, len(joined)) == (data, 1200, 50)


def test_what_one_face_sends_the_other_receives(udp):
    ours, theirs, address = udp
    batch = DatagramBatch(theirs, gro=True)
    data = pattern(10_000)
    DatagramBatch(ours).send_segments(data, 1000, address)
    assert batch.recv(30) == [(one, ours.getsockname()) for one in cut(data, 1000)]
    DatagramBatch(ours).send([(one, address) for one in cut(data, 1000)])
    assert [(one.data, one.size) for one in batch.recv_joined(30)] == [(data, 1000)]


def test_what_came_can_be_sent_on(udp):
    ours, theirs, address = udp
    there, back = DatagramBatch(theirs, gro=True), DatagramBatch(ours, gro=True)
    for data in (pattern(5000), pattern(3), b""):
        back.send_segments(data, 900, address)
        (joined,) = there.recv_joined(30)
        there.send_segments(joined.data, joined.size, joined.address)
        (returned,) = back.recv_joined(30)
        assert (returned.data, returned.size) == (joined.data, joined.size)


def test_a_joined_one_tells_what_it_is(udp):
    ours, theirs, address = udp
    batch, sender = DatagramBatch(theirs, gro=True), DatagramBatch(ours)
    sender.send_segments(b"abcde", 2, address)
    (one,) = batch.recv_joined(30)
    assert repr(one) == f"<Joined 3 datagrams of 2 bytes, 5 in all, from {ours.getsockname()!r}>"
    assert one.to_dict() == {"data": b"abcde", "size": 2, "address": ours.getsockname()}
    sender.send_segments(b"abcde", 2, address)
    (again,) = batch.recv_joined(30)
    assert again == one
    assert hash(again) == hash(one)
    sender.send_segments(b"abcde", 3, address)
    (other,) = batch.recv_joined(30)
    assert other != one
    assert one != b"abcde"
    for outside in (3, -4):
        with pytest.raises(IndexError, match="3 datagrams"):
            one[outside]
    assert one[-3] == b"ab"
    with pytest.raises(AttributeError):
        one.size = 3
    ours.sendto(b"abcde", address)
    assert repr(batch.recv_joined(30)) == f"[<Joined 1 datagram of 5 bytes, from {ours.getsockname()!r}>]"


def test_more_come_at_once_the_more_there_are(udp):
    ours, theirs, address = udp
    batch = DatagramBatch(theirs, count=16)
    payloads = [b"%03d" % number for number in range(60)]
    for payload in payloads:
        ours.sendto(payload, address)
    got, sizes = [], []
    while len(got) < len(payloads):
        came = batch.recv_joined(30)
        sizes.append(len(came))
        got += [one.data for one in came]
    assert got == payloads
    assert max(sizes) == 16
    assert sizes[0] < 16


def test_what_came_stays_when_more_comes(udp):
    ours, theirs, address = udp
    batch, sender = DatagramBatch(theirs, gro=True), DatagramBatch(ours)
    kept = []
    for number in range(40):
        sender.send_segments(b"%c" % number * (3000 + number * 500), 1000, address)
        kept += batch.recv_joined(30)
    assert [one.data for one in kept] == [b"%c" % number * (3000 + number * 500) for number in range(40)]


def test_one_that_does_not_fit_takes_no_other_along(udp):
    ours, theirs, address = udp
    batch = DatagramBatch(theirs, size=50)
    for payload in (b"first", b"x" * 100, b"last"):
        ours.sendto(payload, address)
    assert [one.data for one in batch.recv_joined(30)] == [b"first", b"last"]
    with pytest.raises(ProtocolError, match="50 bytes"):
        batch.recv_joined(30)
    ours.sendto(b"y" * 51, address)
    with pytest.raises(ProtocolError, match="50 bytes"):
        batch.recv_joined(30)
    with pytest.raises(TimeoutError):
        batch.recv_joined(0.01)


def test_behind_one_that_does_not_fit_the_sender_is_named(udp):
    ours, theirs, address = udp
    with socket.socket(ours.family, socket.SOCK_DGRAM) as other:
        other.bind((ours.getsockname()[0], 0))
        names = {"ours": ours.getsockname(), "other": other.getsockname()}
        for receive in ("recv", "recv_joined"):
            ours.sendto(b"a", address)
            other.sendto(b"x" * 100, address)
            other.sendto(b"b", address)
            other.sendto(b"c", address)
            ours.sendto(b"d", address)
            batch = DatagramBatch(theirs, size=50)
            came = []
            while len(came) < 4:
                if receive == "recv":
                    came += batch.recv(30)
                else:
                    try:
                        came += [(one.data, one.address) for one in batch.recv_joined(30)]
                    except ProtocolError:
                        assert len(came) >= 1
            wanted = [(b"a", "ours"), (b"b", "other"), (b"c", "other"), (b"d", "ours")]
            assert came == [(data, names[name]) for data, name in wanted]


def test_awaiting_gives_the_same(udp, run):
    ours, theirs, address = udp
    batch = DatagramBatch(theirs, gro=True)

    async def main():
        receiving = asyncio.ensure_future(wait_for_them())
        await asyncio.sleep(0)
        await DatagramBatch(ours).send_segments_async(b"abcde", 2, address)
        return await receiving

    async def wait_for_them():
        return await batch.recv_joined_async(30)

    (joined,) = run(main())
    assert (list(joined), joined.address) == ([b"ab", b"cd", b"e"], ours.getsockname())


def test_an_await_that_is_cancelled_loses_nothing(udp, run):
    ours, theirs, address = udp
    batch = DatagramBatch(theirs)

    async def main():
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await batch.recv_joined_async(0.001)
            task = asyncio.ensure_future(wait_for_them())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        ours.sendto(b"here", address)
        return await batch.recv_joined_async(30)

    async def wait_for_them():
        return await batch.recv_joined_async()

    assert [one.data for one in run(main())] == [b"here"]


def test_a_signal_ends_a_wait(udp):
    batch = DatagramBatch(udp[1])
    timer = threading.Timer(0.05, signal.pthread_kill, [threading.get_ident(), signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        batch.recv_joined(30)
    timer.join()
    udp[0].sendto(b"later", udp[2])
    assert [one.data for one in batch.recv_joined(30)] == [b"later"]


def test_threads_may_receive_at_once(udp):
    ours, theirs, address = udp
    batch, got, ended = DatagramBatch(theirs, count=3, gro=True), [], []
    wanted = {b"%04d" % number * 300 for number in range(200)}
    changed = threading.Condition()

    def receive():
        end = False
        while not end:
            came = [payload for joined in batch.recv_joined(30) for payload in joined]
            end = b"end" in came
            with changed:
                got.extend(payload for payload in came if payload != b"end")
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
    assert set(got) == wanted


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_whatever_holds_bytes_can_be_sent(udp, kind):
    ours, theirs, address = udp
    ours.connect(address)
    DatagramBatch(ours).send_segments(kind(b"abcde"), 3)
    theirs.settimeout(30)
    assert [theirs.recv(9), theirs.recv(9)] == [b"abc", b"de"]


def test_a_failed_send_says_how_many_went(udp):
    ours, _, address = udp
    with pytest.raises(OSError, match="too long") as caught:
        DatagramBatch(ours).send_segments(bytes(70_000), 70_000, address)
    assert caught.value.sent == 0
    ours.close()
    batch = DatagramBatch(socket.socket(type=socket.SOCK_DGRAM))
    with batch.socket, pytest.raises(OSError, match="Destination address required") as caught:
        batch.send_segments(b"abc", 1)
    assert caught.value.sent == 0


def test_wrong_words_are_refused_by_name(udp):
    ours, _, address = udp
    batch = DatagramBatch(ours)
    for words, kind, said in [
        ((b"x", 0, address), ValueError, "size"),
        ((b"x", -1, address), ValueError, "size: -1"),
        ((b"x", "1", address), TypeError, "size: a whole number"),
        (("x", 1, address), TypeError, "data is bytes-like"),
        ((b"x", 1, "somewhere"), TypeError, r"address: \(host, port\)"),
        ((b"x", 1, ("localhost", 1)), ValueError, "is a name"),
        ((b"x", 1, address, -1), ValueError, "timeout"),
    ]:
        with pytest.raises(kind, match=said):
            batch.send_segments(*words)
        with pytest.raises(kind, match=said):
            batch.send_segments_async(*words)


def test_a_closed_socket_is_told(udp):
    ours, theirs, address = udp
    sender, receiver = DatagramBatch(ours), DatagramBatch(theirs)
    ours.close()
    theirs.close()
    for act in (lambda: sender.send_segments(b"x", 1, address), receiver.recv_joined):
        with pytest.raises(OSError, match="Bad file descriptor"):
            act()


BEYOND_THE_PATH = """
import socket
from eyesocket.framing import DatagramBatch

for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    with socket.socket(family, socket.SOCK_DGRAM) as there, socket.socket(family, socket.SOCK_DGRAM) as here:
        there.bind((host, 0))
        there.settimeout(30)
        for size in (1200, 2000, 8000):
            data = bytes(number % 251 for number in range(20_000))
            DatagramBatch(here).send_segments(data, size, there.getsockname())
            wanted = [data[at : at + size] for at in range(0, len(data), size)]
            assert [there.recv(65535) for _ in wanted] == wanted
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


def test_the_package_names_it():
    assert framing.Joined is Joined
    with pytest.raises(TypeError):
        Joined()
