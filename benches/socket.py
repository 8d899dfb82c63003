"""Each call of the socket module: the interpreter's own, and ours; and what only ours has against a loop of theirs."""

from __future__ import annotations

import socket as stock
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import ModuleType
from typing import Any

from benches.harness import Missing, Subject, Subjects, pinned
from benches.harness import comparison as declared
from benches.limits import Limits, limits
from eyesocket import socket as ours

TITLE = "The socket module, call by call"

comparison = partial(declared, steady=True)

REPEAT = range(100)
"""So many calls a turn: the loop around them then weighs little."""

MODULES: dict[str, ModuleType] = {"eyesocket": ours, "stock": stock}

LOOPBACK = ("127.0.0.1", 0)


@contextmanager
def each(make: Callable[[Any, ExitStack], Callable[[], None]]) -> Iterator[Subjects]:
    """Give a subject of each module, on one core; what `make` opens on the stack is closed in the end."""
    with pinned(), ExitStack() as stack:
        yield {name: make(module, stack) for name, module in MODULES.items()}


def stream_pair(module: Any, stack: ExitStack) -> tuple[Any, Any]:
    """Give both ends of a connection over the loopback interface."""
    with module.create_server(LOOPBACK) as server:
        client = stack.enter_context(module.create_connection(server.getsockname()))
        accepted = stack.enter_context(server.accept()[0])
    for end in (client, accepted):
        end.setsockopt(stock.IPPROTO_TCP, stock.TCP_NODELAY, 1)
    return client, accepted


def there_and_back(size: int, room: int, timeout: float | None) -> Iterator[Subjects]:
    """Send some bytes through a pair and receive them."""

    def make(module: Any, stack: ExitStack) -> Callable[[], None]:
        left, right = (stack.enter_context(end) for end in module.socketpair())
        for end in (left, right):
            end.settimeout(timeout)
        send, recv, data = left.send, right.recv, bytes(size)

        def subject() -> None:
            for _ in REPEAT:
                send(data)
                recv(room)

        return subject

    with each(make) as subjects:
        yield subjects


@comparison("send + recv of 1 byte, a pair, 100 times", targets={"stock": 1.0})
def one_byte() -> Iterator[Subjects]:
    """Send a byte to and fro, with the same two calls in a loop of C beside it."""
    floor = limits()
    with pinned(), ExitStack() as stack:
        pair = [stack.enter_context(end).fileno() for end in stock.socketpair()]
        in_c = (
            floor if isinstance(floor, Missing) else partial(floor.send_recv, *pair, size=1, room=1, times=len(REPEAT))
        )
        for subjects in there_and_back(1, 1, None):
            yield {**subjects, "C loop": in_c}


@comparison("what the binding adds to send + recv of 1 byte (over C), 100 times", targets={"stock": 1.67})
def binding() -> Iterator[Subjects]:
    """Take the time above the loop of C that runs right after; to reach: at most 60 % of what stock's binding adds."""
    floor = limits()
    if isinstance(floor, Missing):
        yield {"eyesocket": floor, "stock": floor}
        return
    with pinned(), ExitStack() as stack:
        pair = [stack.enter_context(end).fileno() for end in stock.socketpair()]

        def above(subject: Subject | Missing) -> Subject | Missing:
            if isinstance(subject, Missing):
                return subject

            def measured() -> float:
                began = time.thread_time()
                subject()
                between = time.thread_time()
                floor.send_recv(*pair, size=1, room=1, times=len(REPEAT))
                return (between - began) - (time.thread_time() - between)

            return measured

        for subjects in there_and_back(1, 1, None):
            yield {name: above(subject) for name, subject in subjects.items() if not isinstance(subject, Missing)}


@comparison("the same with a timeout", targets={"stock": 1.7})
def one_byte_timeout() -> Iterator[Subjects]:
    """Stock polls before each call."""
    yield from there_and_back(1, 1, 10.0)


@comparison("send + recv(65536) of 1 byte, 100 times", targets={"stock": 1.15})
def large_room() -> Iterator[Subjects]:
    """Make a large room for a small message."""
    yield from there_and_back(1, 65536, None)


@comparison("send + recv of 4 KiB, 100 times", targets={"stock": 0.97})
def page() -> Iterator[Subjects]:
    """Move a page."""
    yield from there_and_back(4096, 4096, None)


@comparison("send + recv of 64 KiB, 100 times", targets={"stock": 0.97})
def block() -> Iterator[Subjects]:
    """Move a block: mostly the kernel's copying."""
    yield from there_and_back(65536, 65536, None)


@comparison("send + recv of 1 byte over TCP, 100 times", targets={"stock": 0.97})
def tcp() -> Iterator[Subjects]:
    """Go through the loopback interface."""

    def make(module: Any, stack: ExitStack) -> Callable[[], None]:
        left, right = stream_pair(module, stack)
        send, recv = left.send, right.recv

        def subject() -> None:
            for _ in REPEAT:
                send(b"x")
                recv(1)

        return subject

    with each(make) as subjects:
        yield subjects


def repeated(name: str, setup: Callable[[Any, ExitStack], Callable[[], object]]) -> Any:
    """Declare a comparison of one call, 100 times."""

    def make(module: Any, stack: ExitStack) -> Callable[[], None]:
        call = setup(module, stack)

        def subject() -> None:
            for _ in REPEAT:
                call()

        return subject

    def prepare() -> Iterator[Subjects]:
        with each(make) as subjects:
            yield subjects

    return comparison(f"{name}, 100 times", targets={"stock": 0.97})(prepare)


def accepting(module: Any, stack: ExitStack) -> Callable[[], object]:
    """Connect and accept."""
    server = stack.enter_context(module.create_server(LOOPBACK, backlog=64))
    address = server.getsockname()

    def call() -> None:
        client = module.socket()
        client.connect(address)
        accepted, _ = server.accept()
        # The side that closes first keeps the port; not the client.
        accepted.setsockopt(stock.SOL_SOCKET, stock.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        accepted.close()
        client.close()

    return call


def datagrams(module: Any, stack: ExitStack) -> tuple[Any, Any]:
    """Give two sockets of UDP; the second is bound."""
    receiver = stack.enter_context(module.socket(stock.AF_INET, stock.SOCK_DGRAM))
    receiver.bind(LOOPBACK)
    sender = stack.enter_context(module.socket(stock.AF_INET, stock.SOCK_DGRAM))
    return sender, receiver


def sendto_recvfrom(module: Any, stack: ExitStack) -> Callable[[], object]:
    """Send a datagram to an address, receive it with the sender's."""
    sender, receiver = datagrams(module, stack)
    address = receiver.getsockname()

    def call() -> None:
        sender.sendto(b"x", address)
        receiver.recvfrom(2048)

    return call


def messages(module: Any, stack: ExitStack) -> Callable[[], object]:
    """Send and receive in two parts."""
    left, right = (stack.enter_context(end) for end in module.socketpair())
    parts = [b"head", b"body"]

    def call() -> None:
        left.sendmsg(parts)
        right.recvmsg(8)

    return call


def filling(module: Any, stack: ExitStack) -> Callable[[], object]:
    """Send all and receive into a buffer."""
    left, right = (stack.enter_context(end) for end in module.socketpair())
    room = bytearray(64)
    data = bytes(64)

    def call() -> None:
        left.sendall(data)
        right.recv_into(room)

    return call


def tcp_socket(module: Any, stack: ExitStack) -> Any:
    """Give a bound socket."""
    made = stack.enter_context(module.socket())
    made.bind(LOOPBACK)
    return made


def creating(module: Any, _stack: ExitStack) -> Callable[[], object]:
    """Make and close a socket."""
    return lambda: module.socket().close()


def pairing(module: Any, _stack: ExitStack) -> Callable[[], object]:
    """Make and close a pair."""

    def call() -> None:
        for end in module.socketpair():
            end.close()

    return call


def setting(module: Any, stack: ExitStack) -> Callable[[], object]:
    """Set an option."""
    made = tcp_socket(module, stack)
    return lambda: made.setsockopt(stock.SOL_SOCKET, stock.SO_KEEPALIVE, 1)


def getting(module: Any, stack: ExitStack) -> Callable[[], object]:
    """Get an option."""
    made = tcp_socket(module, stack)
    return lambda: made.getsockopt(stock.SOL_SOCKET, stock.SO_KEEPALIVE)


def getting_bytes(module: Any, stack: ExitStack) -> Callable[[], object]:
    """Get an option as bytes."""
    made = tcp_socket(module, stack)
    return lambda: made.getsockopt(stock.SOL_SOCKET, stock.SO_KEEPALIVE, 4)


def duplicate(module: Any, stack: ExitStack) -> Callable[[], object]:
    """Duplicate a socket and close the copy."""
    made = tcp_socket(module, stack)
    return lambda: made.dup().close()


def detaching(module: Any) -> None:
    """Hand a descriptor from one socket to another."""
    module.socket(fileno=module.socket().detach()).close()


def naming(module: Any, stack: ExitStack) -> Callable[[], object]:
    """Ask for the local address."""
    return tcp_socket(module, stack).getsockname  # type: ignore[no-any-return]


def timing(module: Any, stack: ExitStack) -> Callable[[], object]:
    """Set a timeout."""
    made = tcp_socket(module, stack)
    return lambda: made.settimeout(1.5)


def resolving(module: Any, _stack: ExitStack) -> Callable[[], object]:
    """Look up an address that is one already."""
    return lambda: module.getaddrinfo("127.0.0.1", 80, 0, 1)


BATCH = 32
"""Datagrams in a batch; figures of batches are a datagram."""


def timed(call: Callable[[], object], count: int) -> float:
    """Give the seconds of a call, a datagram."""
    began = time.thread_time()
    call()
    return (time.thread_time() - began) / count


@contextmanager
def flows(stack: ExitStack) -> Iterator[dict[str, tuple[Any, Any]]]:
    """Give a sender connected to its receiver, for ours, stock and the loop of C."""
    made = {name: datagrams(module, stack) for name, module in (*MODULES.items(), ("C", stock))}
    for sender, receiver in made.values():
        sender.connect(receiver.getsockname())
    with pinned():
        yield made


@comparison(f"{BATCH} datagrams of 64 bytes, sent and received, a datagram", targets={"C loop": 0.69})
def batches() -> Iterator[Subjects]:
    """Send and receive all at once, or each by itself; most of it is the kernel's."""
    floor = limits()
    with ExitStack() as stack, flows(stack) as made:
        messages = [bytes(64)] * BATCH

        def batch() -> None:
            sender, receiver = made["eyesocket"]
            sender.sendmmsg(messages)
            came = 0
            while came < BATCH:
                came += len(receiver.recvmmsg(BATCH, 2048))

        def one_by_one() -> None:
            sender, receiver = made["stock"]
            for message in messages:
                sender.send(message)
            for _ in messages:
                receiver.recvfrom(2048)

        def in_c() -> None:
            assert isinstance(floor, Limits)
            sender, receiver = made["C"]
            floor.send_batch(sender.fileno(), count=BATCH, size=64)
            floor.recv_batch(receiver.fileno(), count=BATCH, size=2048)

        yield {
            "eyesocket": lambda: timed(batch, BATCH),
            "stock": lambda: timed(one_by_one, BATCH),
            "C loop": floor if isinstance(floor, Missing) else lambda: timed(in_c, BATCH),
        }


@comparison(f"{BATCH} datagrams of 64 bytes, recvmmsg alone, a datagram", targets={"stock": 1.6, "C loop": 0.69})
def receiving() -> Iterator[Subjects]:
    """Receive what is there already, at once or each by itself; to reach: 800 ns where a loop of C takes 547."""
    floor = limits()
    with ExitStack() as stack, flows(stack) as made:
        messages = [bytes(64)] * BATCH

        def filled(name: str) -> Any:
            sender, receiver = made[name]
            for message in messages:
                sender.send(message)
            return receiver

        def batch() -> float:
            receiver = filled("eyesocket")
            return timed(lambda: receiver.recvmmsg(BATCH, 2048), BATCH)

        def one_by_one() -> float:
            receiver = filled("stock")
            return timed(lambda: [receiver.recvfrom(2048) for _ in messages], BATCH)

        def in_c() -> float:
            assert isinstance(floor, Limits)
            receiver = filled("C")
            return timed(partial(floor.recv_batch, receiver.fileno(), count=BATCH, size=2048), BATCH)

        yield {
            "eyesocket": batch,
            "stock": one_by_one,
            "C loop": floor if isinstance(floor, Missing) else in_c,
        }


@comparison("64 KB of UDP in segments of 1000 bytes, sent to a receiver with GRO, a segment", targets={"stock": 5})
def segments() -> Iterator[Subjects]:
    """Let the kernel cut (GSO), against a send for each; the receiver's buffer is full, so only sending is measured."""
    floor = limits()
    with ExitStack() as stack, flows(stack) as made:
        for _, receiver in made.values():
            receiver.setsockopt(stock.IPPROTO_UDP, 104, 1)
        data = bytes(64000)
        pieces = [data[start : start + 1000] for start in range(0, len(data), 1000)]

        def one_by_one() -> None:
            sender, _ = made["stock"]
            for piece in pieces:
                sender.send(piece)

        def in_c() -> None:
            assert isinstance(floor, Limits)
            floor.send_segments(made["C"][0].fileno(), data, 1000)

        yield {
            "eyesocket": lambda: timed(partial(made["eyesocket"][0].send_segments, data, 1000), len(pieces)),
            "stock": lambda: timed(one_by_one, len(pieces)),
            "C loop": floor if isinstance(floor, Missing) else lambda: timed(in_c, len(pieces)),
        }


def function(call: Callable[[Any], object]) -> Callable[[Any, ExitStack], Callable[[], object]]:
    """Call something of the module that needs no socket of the comparison's own."""
    return lambda module, _stack: partial(call, module)


connect_accept = repeated("connect + accept + close", accepting)
udp = repeated("sendto + recvfrom of 1 byte, UDP", sendto_recvfrom)
sendmsg = repeated("sendmsg + recvmsg of two parts", messages)
sendall = repeated("sendall + recv_into of 64 bytes", filling)
creation = repeated("socket() + close()", creating)
socketpair = repeated("socketpair() + close()", pairing)
setsockopt = repeated("setsockopt", setting)
getsockopt = repeated("getsockopt", getting)
getsockname = repeated("getsockname", naming)
settimeout = repeated("settimeout", timing)
getsockopt_bytes = repeated("getsockopt of 4 bytes", getting_bytes)
duplicating = repeated("dup + close", duplicate)
adopting = repeated("detach + socket(fileno=…) + close", function(detaching))
gethostname = repeated("gethostname", function(lambda module: module.gethostname()))
inet_ntop = repeated("inet_ntop, IPv6", function(lambda module: module.inet_ntop(stock.AF_INET6, bytes(16))))
getnameinfo = repeated("getnameinfo of numbers", function(lambda module: module.getnameinfo(("127.0.0.1", 80), 3)))
getaddrinfo = repeated("getaddrinfo of numbers", resolving)
