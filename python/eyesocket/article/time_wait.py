"""Who closes first holds TIME_WAIT: `python -m eyesocket.article.time_wait`.

A connection is closed in both orders, and the kernel is asked who waits (the article's `ss -o state time-wait -n`).
Then a server that had closed first comes back on its port, without SO_REUSEADDR and with it (socket(7)). The article
calls the option fit for tests only; on Linux every TCP server sets it: two listeners on one port it does not allow.
"""

from __future__ import annotations

import argparse

from eyesocket import socket, ss
from eyesocket.article import _script

__all__ = ["close_in_order", "main"]


def close_in_order(first: str, host: str, port: int) -> tuple[tuple[str, int], tuple[str, int]]:
    """Connect to a server on (host, port), and let `first` ("client" or "server") close first.

    Gives the addresses of the client and of the server.
    """
    with socket.create_server((host, port)) as listener:
        server_address = listener.getsockname()
        client = socket.create_connection(server_address)
        server, client_address = listener.accept()
    ends = [client, server] if first == "client" else [server, client]
    with ends[0], ends[1]:
        ends[0].close()
        # The FIN of the one must have come before the other closes: otherwise both have closed first (CLOSING).
        ends[1].recv(1)
    return client_address, server_address


def come_back(address: tuple[str, int], *, reuse: bool) -> None:
    """Try to bind and listen on `address` again, and print how that went."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        if reuse:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(address)
            sock.listen(5)
        except OSError as error:
            print(f"SO_REUSEADDR={int(reuse)}: {error}")
        else:
            print("SO_REUSEADDR={}: listening on {}:{} again".format(int(reuse), *sock.getsockname()))


def main() -> None:
    """Show both orders, and the way back."""
    parser = argparse.ArgumentParser(description="Who closes first holds TIME_WAIT.")
    parser.add_argument("--host", default="127.0.0.1", help="an IPv4 address of this machine (default: loopback)")
    parser.add_argument("--port", type=int, default=0, help="the server's port (default: one that is free)")
    given = parser.parse_args()
    port = given.port
    for first in ("client", "server"):
        client, server = close_in_order(first, given.host, port)
        print("{} closed first; client {}:{}, server {}:{}".format(first, *client, *server))
        port = server[1]
        for name, own, peer in (("client", client, server), ("server", server, client)):
            rows = ss(f"state time-wait src {own[0]}:{own[1]} dst {peer[0]}:{peer[1]}", tcp=True)
            for row in rows:
                print(f"  the {name} waits: {row.state} {row.timer}")
            if not rows:
                print(f"  the {name} is through")
    for reuse in (False, True):
        come_back(server, reuse=reuse)


if __name__ == "__main__":
    _script.run(main)
