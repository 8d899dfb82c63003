"""Each call of the socket module: the interpreter's own, and ours; and what only ours has against a loop of theirs."""

from __future__ import annotations

import socket as stock
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

from benches.harness import Subjects, comparison, pinned
from eyesocket import socket as ours

TITLE = "The socket module, call by call"

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


@comparison("send + recv of 1 byte, a pair, 100 times", targets={"stock": 1.1})
def one_byte() -> Iterator[Subjects]:
    """All of it is overhead; the target is a binding that costs at most 60 % of stock's."""
    yield from there_and_back(1, 1, None)


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


@comparison("32 datagrams of 64 bytes: sendmmsg + recvmmsg against a loop", targets={"stock loop": 1.6})
def batches() -> Iterator[Subjects]:
    """Send and receive all at once, or each by itself."""
    with pinned(), ExitStack() as stack:
        sender, receiver = datagrams(ours, stack)
        plain_sender, plain_receiver = datagrams(stock, stack)
        for one, other in ((sender, receiver), (plain_sender, plain_receiver)):
            one.connect(other.getsockname())
        messages = [bytes(64)] * 32

        def batch() -> None:
            sender.sendmmsg(messages)
            came = 0
            while came < 32:
                came += len(receiver.recvmmsg(32, 2048))

        def one_by_one() -> None:
            for message in messages:
                plain_sender.send(message)
            for _ in messages:
                plain_receiver.recvfrom(2048)

        yield {"eyesocket": batch, "stock loop": one_by_one}


@comparison("32 datagrams of 64 bytes: recvmmsg alone", targets={"stock loop": 1.6})
def receiving() -> Iterator[Subjects]:
    """Receive what is there already, all at once or each by itself; the sending is not counted."""
    with pinned(), ExitStack() as stack:
        sender, receiver = datagrams(ours, stack)
        plain_sender, plain_receiver = datagrams(stock, stack)
        for one, other in ((sender, receiver), (plain_sender, plain_receiver)):
            one.connect(other.getsockname())
        messages = [bytes(64)] * 32

        def batch() -> float:
            sender.sendmmsg(messages)
            began = time.perf_counter()
            receiver.recvmmsg(32, 2048)
            return time.perf_counter() - began

        def one_by_one() -> float:
            for message in messages:
                plain_sender.send(message)
            began = time.perf_counter()
            for _ in messages:
                plain_receiver.recvfrom(2048)
            return time.perf_counter() - began

        yield {"eyesocket": batch, "stock loop": one_by_one}


@comparison("64 KB of UDP in segments of 1000 bytes, sent to a receiver with GRO", targets={"stock loop": 5})
def segments() -> Iterator[Subjects]:
    """Let the kernel cut (GSO), against a send for each; the receiver's buffer is full, so only sending is measured."""
    with pinned(), ExitStack() as stack:
        sender, receiver = datagrams(ours, stack)
        plain, plain_receiver = datagrams(stock, stack)
        sender.connect(receiver.getsockname())
        plain.connect(plain_receiver.getsockname())
        for end in (receiver, plain_receiver):
            end.setsockopt(stock.IPPROTO_UDP, 104, 1)
        data = bytes(64000)
        pieces = [data[start : start + 1000] for start in range(0, len(data), 1000)]

        def one_by_one() -> None:
            for piece in pieces:
                plain.send(piece)

        def cut() -> None:
            sender.send_segments(data, 1000)

        yield {"eyesocket": cut, "stock loop": one_by_one}


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
getaddrinfo = repeated("getaddrinfo of numbers", resolving)
