"""64 clients connect at once and stay: how many does the article's loop answer, and how many `framing.serve`?

Each says hello as soon as it is connected, but for the second, who lets the others speak first. The loop takes one
client after the other, so it waits for the second one, and the others wait with it.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from eyesocket import framing

CLIENTS = 64
POLITE = 1
PATIENCE = 1.0
"""Seconds without an answer after which nobody expects one."""


@contextlib.contextmanager
def the_articles_loop() -> Iterator[Any]:
    """The echo server that the article prints, on the standard library's sockets, in a thread."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", 0))
        sock.listen(5)

        def handler(client_sock: socket.socket) -> None:
            msg = client_sock.recv(1024)
            client_sock.send(msg)
            client_sock.close()

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    handler(sock.accept()[0])

        thread = threading.Thread(target=serve)
        thread.start()
        yield sock.getsockname()
        sock.shutdown(socket.SHUT_RDWR)
    thread.join()


def ours() -> contextlib.AbstractContextManager[Any]:
    """The same echo by `framing.serve`: whatever came is a frame."""
    return framing.serve_in_thread(lambda message, _peer: message, ("127.0.0.1", 0), framing.Raw())


def answered(address: tuple[str, int]) -> int:
    """Connect all clients; count those that get their hello back before nothing happens any more."""
    count = 0
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
        clients = [stack.enter_context(socket.socket()) for _ in range(CLIENTS)]
        for number, client in enumerate(clients):
            # The first two stand in front, in this order.
            client.setblocking(number <= POLITE)
            client.connect_ex(address)
            client.settimeout(0)
            selector.register(client, selectors.EVENT_READ if number == POLITE else selectors.EVENT_WRITE)
        while count < CLIENTS and (ready := selector.select(PATIENCE)):
            for key, events in ready:
                client = key.fileobj
                assert isinstance(client, socket.socket)
                if events & selectors.EVENT_WRITE:
                    client.send(b"hello")
                    selector.modify(client, selectors.EVENT_READ)
                elif client.recv(1024) == b"hello":
                    count += 1
                    selector.unregister(client)
            if count == CLIENTS - 1:
                clients[POLITE].send(b"hello")
    return count


def main() -> None:
    """Ask both."""
    servers: dict[str, Callable[[], contextlib.AbstractContextManager[Any]]]
    servers = {"the article's loop": the_articles_loop, "framing.serve": ours}
    for name, server in servers.items():
        with server() as address:
            print(f"{name}: {answered(address)} of {CLIENTS} clients answered")


if __name__ == "__main__":
    main()
