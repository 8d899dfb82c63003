"""A server that says what a test tells it to, byte for byte."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest


class Script:
    """Plays one reply (or function of connection) a connection and keeps what it was told.

    A reply is bytes, sent after a whole request head (and its Content-Length) came; `None` closes at once. After the
    last reply of a connection the connection is closed, unless `stay` is set.
    """

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.requests: list[bytes] = []
        self.connections = 0
        self.plays: list[list[bytes | Callable[[socket.socket], None] | None]] = []
        self.stay = False
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def play(self, *replies: bytes | Callable[[socket.socket], None] | None) -> str:
        """Queue the replies of the next connection, and give the URL."""
        self.plays.append(list(replies))
        return self.url()

    def serve(self) -> None:
        while not self.over.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            replies = self.plays.pop(0) if self.plays else []
            threading.Thread(target=self.speak, args=(connection, replies), daemon=True).start()

    def speak(self, connection: socket.socket, replies: list[bytes | Callable[[socket.socket], None] | None]) -> None:
        with connection:
            try:
                for reply in replies:
                    request = read_request(connection)
                    if request is None:
                        return
                    self.requests.append(request)
                    if reply is None:
                        return
                    if callable(reply):
                        reply(connection)
                    else:
                        connection.sendall(reply)
                if self.stay:
                    connection.recv(1)
            except OSError:
                pass

    def close(self) -> None:
        self.over.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)


def read_request(connection: socket.socket) -> bytes | None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    chunked = b"\r\ntransfer-encoding: chunked" in head.lower()
    while (len(body) < length) or (chunked and not body.endswith(b"0\r\n\r\n")):
        piece = connection.recv(65536)
        if not piece:
            break
        body += piece
    return head + b"\r\n\r\n" + body


@pytest.fixture
def script() -> Iterator[Script]:
    made = Script()
    yield made
    made.close()
