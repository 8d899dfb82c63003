"""The standard library's `socket`, name for name, with a native part in Rust; and what it does not have.

`from eyesocket import socket` instead of `import socket`; everything in the standard library's documentation of
`socket` holds here. Enumerations and exceptions are the standard library's own objects.

More than there: `socket.recv_exactly`, `recv_exactly_into`, `sendmmsg`, `recvmmsg`, `send_segments`, `recv_segments`;
`create_connection(..., happy_eyeballs=True)`; `explain(exception)`. The `OSError` of a failed connect or bind has the
address in `address` and in a note, that of a failed `sendall`, `sendmsg`, `sendmmsg` or `send_segments` has in `sent`
how much had gone out.
"""

from eyesocket import _standard

_standard.fill(globals())

from eyesocket import _socket_more  # noqa: E402

for _name in _socket_more.METHODS:
    setattr(socket, _name, getattr(_socket_more, _name))  # noqa: F821

create_connection = _socket_more.connecting(socket, create_connection)  # noqa: F821
Datagram = _socket_more.Datagram
explain = _socket_more.explain
__all__ += ["Datagram", "explain"]  # noqa: F821
del _name
