"""WebSocket over our own sockets: HTTP carries the handshake, then hands its connection over, wsproto does the frames.

Run it: `python examples/websocket.py` starts an echo server on loopback, says something and prints what came back.
`connect("https://...")` speaks the same over TLS. Needs `pip install wsproto`. RFC 6455.
"""

from __future__ import annotations

import threading
from contextlib import closing
from typing import Any, Self

from wsproto import WSConnection
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Message, Ping, Request, TextMessage
from wsproto.utilities import generate_accept_token, generate_nonce

from eyesocket import http, socket


class WebSocket:
    """A connection that sends and receives whole messages, text or bytes. Use it with `with`."""

    def __init__(self, connection: Any, frames: Connection) -> None:
        self.connection, self.frames = connection, frames
        self.pieces: list[Any] = []

    def send(self, message: str | bytes) -> None:
        """Send one message."""
        event: Message[Any] = TextMessage(message) if isinstance(message, str) else BytesMessage(message)
        self.connection.sendall(self.frames.send(event))

    def receive(self) -> str | bytes | None:
        """Give the next message; None when the peer has closed."""
        while True:
            for event in self.frames.events():
                if isinstance(event, Message):
                    self.pieces.append(event.data)
                    if event.message_finished:
                        whole: str | bytes = type(event.data)().join(self.pieces)
                        self.pieces = []
                        return whole
                elif isinstance(event, Ping):
                    self.connection.sendall(self.frames.send(event.response()))
                elif isinstance(event, CloseConnection):
                    if self.frames.state is ConnectionState.REMOTE_CLOSING:
                        self.connection.sendall(self.frames.send(event.response()))
                    return None
            data = self.connection.recv(65536)
            self.frames.receive_data(data or None)

    def close(self) -> None:
        """Say goodbye, hear the peer's, close."""
        with self.connection:
            if self.frames.state is ConnectionState.OPEN:
                self.connection.sendall(self.frames.send(CloseConnection(code=1000)))
                while self.receive() is not None:
                    pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connect(url: str, **options: Any) -> WebSocket:
    """Open a WebSocket to an http or https URL; options as of `http.stream`."""
    key = generate_nonce()
    asked = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    asked["Sec-WebSocket-Key"] = key.decode()
    with http.stream("GET", url, headers=asked, **options) as response:
        if response.status != 101:
            raise ConnectionError(f"no WebSocket there: {response!r}")
        if response.headers.get("sec-websocket-accept") != generate_accept_token(key).decode():
            raise ConnectionError("the server's Sec-WebSocket-Accept does not answer our key")
        connection, unread = response.upgrade()
    # The server may have sent frames together with its 101: nothing of them is lost.
    return WebSocket(connection, Connection(ConnectionType.CLIENT, trailing_data=unread))


def echo(connection: Any) -> None:
    """Serve one client: greet it, then send every message back."""
    server = WSConnection(ConnectionType.SERVER)
    with closing(connection):
        while data := connection.recv(65536):
            server.receive_data(data)
            for event in server.events():
                if isinstance(event, Request):
                    hello = server.send(AcceptConnection()) + server.send(TextMessage("hello"))
                    connection.sendall(hello)
                elif isinstance(event, TextMessage):
                    connection.sendall(server.send(TextMessage(event.data, message_finished=event.message_finished)))
                elif isinstance(event, BytesMessage):
                    connection.sendall(server.send(BytesMessage(event.data, message_finished=event.message_finished)))
                elif isinstance(event, (Ping, CloseConnection)):
                    connection.sendall(server.send(event.response()))


def main() -> None:
    """Talk to an echo server of our own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=lambda: echo(listener.accept()[0]), daemon=True)
        serving.start()
        with connect(f"http://127.0.0.1:{listener.getsockname()[1]}/") as chat:
            print(chat.receive())
            chat.send("hello socket world")
            print(chat.receive())
        serving.join(5)


if __name__ == "__main__":
    main()
