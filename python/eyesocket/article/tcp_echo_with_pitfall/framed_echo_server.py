"""The echo server of port 5600 on framing: `python -m eyesocket.article.tcp_echo_with_pitfall.framed_echo_server`.

Lengths travel on the wire, so the server need not import the client. In a notebook it is one line:
`framing.serve(lambda message, peer: message, ("127.0.0.1", 5600), framing.LengthPrefixed(4))`.
"""

from __future__ import annotations

from eyesocket import framing, socket
from eyesocket.article import _script

__all__ = ["main"]


def main() -> None:
    """Serve so many clients, or for ever."""
    given = _script.options(__doc__ or "", 5600, server=True)
    if given.count is None and not given.announce:
        framing.serve(lambda message, _peer: message, _script.address(given), framing.LengthPrefixed(4))
        return
    with socket.create_server(_script.address(given)) as sock:
        _script.announce(given.announce, sock.getsockname())
        for _ in range(given.count or 1):
            with framing.wrap(sock.accept()[0], framing.LengthPrefixed(4)) as chat:
                for message in chat:
                    chat.send(message)


if __name__ == "__main__":
    _script.run(main)
