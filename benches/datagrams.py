"""Datagrams in batches: CPU time a datagram, against one call for each and against the same calls in loops of C.

Only the side that is named is measured; what fills or empties the other is not.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

from benches.harness import Missing, Subject, Subjects, comparison, pinned
from benches.limits import Limits, limits
from eyesocket import framing

TITLE = "Datagrams in batches: CPU time a datagram"

IN_C = "loop of C"
UDP_GRO = 104
"""Of <linux/udp.h>."""


def pair(stack: ExitStack) -> tuple[socket.socket, socket.socket]:
    """Give a UDP socket that is connected to the other."""
    sender, receiver = (stack.enter_context(socket.socket(type=socket.SOCK_DGRAM)) for _ in range(2))
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    receiver.bind(("127.0.0.1", 0))
    receiver.settimeout(5)
    sender.connect(receiver.getsockname())
    return sender, receiver


def timed(count: int, before: Callable[[], object], work: Callable[[], object], after: Callable[[], object]) -> Subject:
    """Give what `work` costs a datagram, without what goes before and after it."""

    def subject() -> float:
        before()
        began = time.thread_time()
        work()
        elapsed = time.thread_time() - began
        after()
        return elapsed / count

    return subject


def nothing() -> None:
    """Prepare nothing."""


def receive_all(batch: framing.DatagramBatch, count: int) -> Callable[[], None]:
    """Receive so many datagrams in batches."""

    def work() -> None:
        left = count
        while left > 0:
            left -= len(batch.recv(5))

    return work


def emptied(receiver: socket.socket, count: int) -> Callable[[], None]:
    """Receive so many datagrams, as the kernel joined them."""
    return receive_all(framing.DatagramBatch(receiver, count=8, gro=True), count)


def receive_each(receiver: socket.socket, count: int) -> Callable[[], None]:
    """Receive so many datagrams, one after the other."""

    def work() -> None:
        for _ in range(count):
            receiver.recvfrom(2048)

    return work


def floor(make: Callable[[Limits], Subject]) -> Subject | Missing:
    """Give the subject in C, or why it is not there."""
    found = limits()
    return found if isinstance(found, Missing) else make(found)


def receiving(size: int) -> Iterator[Subjects]:
    """Receive 64 datagrams that are there."""
    count = 64
    with ExitStack() as stack, pinned():

        def filled() -> tuple[Callable[[], object], socket.socket]:
            sender, receiver = pair(stack)
            send = framing.DatagramBatch(sender, gso=False).send
            return partial(send, [(bytes(size), None)] * count), receiver

        fill, receiver = filled()
        fill_plain, plain = filled()
        fill_c, in_c = filled()
        yield {
            "DatagramBatch.recv": timed(count, fill, receive_all(framing.DatagramBatch(receiver), count), nothing),
            "recvfrom": timed(count, fill_plain, receive_each(plain, count), nothing),
            IN_C: floor(
                lambda c: timed(count, fill_c, lambda: c.recv_batch(in_c.fileno(), count=count, size=2048), nothing)
            ),
        }


@comparison("receive 64 datagrams of 64 B (within 1.25 of C)", targets={"recvfrom": 1.4, IN_C: 0.8})
def receive_64() -> Iterator[Subjects]:
    """Receive small ones."""
    yield from receiving(64)


@comparison("receive 64 datagrams of 1200 B", targets={"recvfrom": 1.4, IN_C: 0.8})
def receive_1200() -> Iterator[Subjects]:
    """Receive those that fill a packet."""
    yield from receiving(1200)


@comparison("receive 50 datagrams of 1200 B joined by GRO (10 times recvfrom)", targets={"recvfrom": 10.0})
def receive_joined() -> Iterator[Subjects]:
    """Receive what the kernel joined; in C the joined ones are not even taken apart."""
    count, size = 50, 1200
    with ExitStack() as stack, pinned():

        def filled() -> tuple[Callable[[], object], socket.socket]:
            sender, receiver = pair(stack)
            return partial(framing.DatagramBatch(sender).send, [(bytes(size), None)] * count), receiver

        fill, receiver = filled()
        fill_plain, plain = filled()
        fill_c, in_c = filled()
        in_c.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
        joined = framing.DatagramBatch(receiver, count=8, gro=True)
        yield {
            "DatagramBatch.recv": timed(count, fill, receive_all(joined, count), nothing),
            "recvfrom": timed(count, fill_plain, receive_each(plain, count), nothing),
            IN_C: floor(
                lambda c: timed(
                    count, fill_c, lambda: c.recv_joined(in_c.fileno(), count=8, total=count * size), nothing
                )
            ),
        }


@comparison("receive them in one piece, by recv_joined (10 times recvfrom)", targets={"recvfrom": 10.0})
def receive_one_piece() -> Iterator[Subjects]:
    """Receive what the kernel joined as it is, as C does."""
    count, size = 50, 1200
    with ExitStack() as stack, pinned():

        def filled() -> tuple[Callable[[], object], socket.socket]:
            sender, receiver = pair(stack)
            return partial(framing.DatagramBatch(sender).send_segments, bytes(size * count), size), receiver

        fill, receiver = filled()
        fill_plain, plain = filled()
        fill_c, in_c = filled()
        in_c.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
        batch = framing.DatagramBatch(receiver, count=8, gro=True)

        def joined() -> None:
            left = count
            while left > 0:
                left -= sum(len(one) for one in batch.recv_joined(5))

        yield {
            "DatagramBatch.recv_joined": timed(count, fill, joined, nothing),
            "recvfrom": timed(count, fill_plain, receive_each(plain, count), nothing),
            IN_C: floor(
                lambda c: timed(
                    count, fill_c, lambda: c.recv_joined(in_c.fileno(), count=8, total=count * size), nothing
                )
            ),
        }


@comparison("send 50 datagrams of 1200 B by GSO (within 5 % of C)", targets={IN_C: 0.95})
def send_joined() -> Iterator[Subjects]:
    """Send what the kernel cuts; in C they lie in one piece already."""
    count, size = 50, 1200
    with ExitStack() as stack, pinned():
        sender, receiver = pair(stack)
        other, plain = pair(stack)
        third, last = pair(stack)
        fourth, end = pair(stack)
        ours = [(bytes(size - 1) + bytes([number]), None) for number in range(count)]
        payload, address = bytes(size), plain.getsockname()
        send = framing.DatagramBatch(sender).send
        for sock in (receiver, plain, last, end):
            sock.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)

        def each() -> None:
            for _ in range(count):
                other.sendto(payload, address)

        whole = bytes(size * count)
        yield {
            "DatagramBatch.send": timed(count, nothing, lambda: send(ours), emptied(receiver, count)),
            "sendto": timed(count, nothing, each, emptied(plain, count)),
            IN_C: floor(
                lambda c: timed(
                    count, nothing, lambda: c.send_segments(third.fileno(), whole, size), emptied(last, count)
                )
            ),
            f"{IN_C}, from 50 places": floor(
                lambda c: timed(
                    count,
                    nothing,
                    lambda: c.send_pieces(fourth.fileno(), count=count, segment=size),
                    emptied(end, count),
                )
            ),
        }


@comparison("send them from one piece, by send_segments (within 5 % of C)", targets={IN_C: 0.95})
def send_one_piece() -> Iterator[Subjects]:
    """Send what lies in one piece, as in C."""
    count, size = 50, 1200
    with ExitStack() as stack, pinned():
        sender, receiver = pair(stack)
        other, plain = pair(stack)
        third, last = pair(stack)
        whole, payload, address = bytes(size * count), bytes(size), plain.getsockname()
        send = framing.DatagramBatch(sender).send_segments
        for sock in (receiver, plain, last):
            sock.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)

        def each() -> None:
            for _ in range(count):
                other.sendto(payload, address)

        yield {
            "DatagramBatch.send_segments": timed(count, nothing, lambda: send(whole, size), emptied(receiver, count)),
            "sendto": timed(count, nothing, each, emptied(plain, count)),
            IN_C: floor(
                lambda c: timed(
                    count, nothing, lambda: c.send_segments(third.fileno(), whole, size), emptied(last, count)
                )
            ),
        }


@comparison("send 64 datagrams of 64 B")
def send_64() -> Iterator[Subjects]:
    """Send small ones, each by itself for the kernel."""
    count, size = 64, 64
    with ExitStack() as stack, pinned():
        sender, receiver = pair(stack)
        other, plain = pair(stack)
        third, last = pair(stack)
        ours, payload, address = [(bytes(size), None)] * count, bytes(size), plain.getsockname()
        send = framing.DatagramBatch(sender, gso=False).send

        def each() -> None:
            for _ in range(count):
                other.sendto(payload, address)

        def empty(receiver: socket.socket) -> Callable[[], None]:
            return receive_all(framing.DatagramBatch(receiver), count)

        yield {
            "DatagramBatch.send": timed(count, nothing, lambda: send(ours), empty(receiver)),
            "sendto": timed(count, nothing, each, empty(plain)),
            IN_C: floor(
                lambda c: timed(
                    count, nothing, lambda: c.send_batch(third.fileno(), count=count, size=size), empty(last)
                )
            ),
        }
