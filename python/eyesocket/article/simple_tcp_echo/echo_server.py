"""TCP echo server on port 5500, one client at a time: `python -m eyesocket.article.simple_tcp_echo.echo_server`."""

from __future__ import annotations

from itertools import count

from eyesocket import socket
from eyesocket.article import _script

__all__ = ["handler", "main"]


def handler(client_sock: socket.socket, addr: tuple[str, int]) -> None:
    """Send back what one recv gives, and close."""
    with client_sock:
        print("new client from %s:%s" % addr[:2])
        # One recv is not one message: a longer or slower greeting would be cut here. framing_assumptions shows it.
        msg = client_sock.recv(1024)
        # The original ignored what send returns; sendall sends the rest too.
        client_sock.sendall(msg)
    print("client[%s:%s] socket closed" % addr[:2])


def main() -> None:
    """Serve."""
    given = _script.options(__doc__ or "", 5500, server=True)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        # With SO_REUSEADDR a server can come back while its last connections are still in TIME_WAIT.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # The original bound '', every interface of the machine.
        sock.bind(_script.address(given))
        sock.listen(5)
        _script.announce(given.announce, sock.getsockname())
        for _ in range(given.count) if given.count is not None else count():
            client_sock, addr = sock.accept()
            try:
                handler(client_sock, addr)
            except OSError as error:
                # In the original one client that hangs up early ended the server for all.
                print("client[%s:%s] lost: %s" % (*addr[:2], error))


if __name__ == "__main__":
    _script.run(main)
