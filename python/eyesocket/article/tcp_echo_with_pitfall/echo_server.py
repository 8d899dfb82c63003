"""TCP echo server on port 5600: `python -m eyesocket.article.tcp_echo_with_pitfall.echo_server`."""

from __future__ import annotations

from itertools import count

from eyesocket import socket
from eyesocket.article import _script

# The length is known only because the server imports the client: two programs that are not one need a rule for it on
# the wire, which is what eyesocket.framing is.
from eyesocket.article.tcp_echo_with_pitfall.echo_client import MESSAGE
from eyesocket.article.tcp_echo_with_pitfall.safe_socket import safe_recv, safe_send

__all__ = ["handler", "main"]


def handler(client_sock: socket.socket, addr: tuple[str, int]) -> None:
    """Send back one message of the known length, and close."""
    with client_sock:
        print("new client from %s:%s" % addr[:2])
        msg = safe_recv(client_sock, len(MESSAGE))
        safe_send(client_sock, msg)
    print("client[%s:%s] socket closed" % addr[:2])


def main() -> None:
    """Serve."""
    given = _script.options(__doc__ or "", 5600, server=True)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(_script.address(given))
        sock.listen(5)
        _script.announce(given.announce, sock.getsockname())
        for _ in range(given.count) if given.count is not None else count():
            client_sock, addr = sock.accept()
            try:
                handler(client_sock, addr)
            except (RuntimeError, OSError) as error:
                # One client that hangs up early must not end the server.
                print("client[%s:%s] lost: %s" % (*addr[:2], error))


if __name__ == "__main__":
    _script.run(main)
