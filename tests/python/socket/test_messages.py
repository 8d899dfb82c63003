"""Whole messages and parts of them, on both modules, in the same words."""

import socket as stock

import pytest

from eyesocket import socket as ours


@pytest.mark.parametrize("kind", [stock.SOCK_DGRAM, stock.SOCK_SEQPACKET])
@pytest.mark.parametrize("room", [1, 5, 600, 3000, 70000])
@pytest.mark.parametrize("length", [5, 5000, 150000])
def test_the_length_of_a_message_that_has_no_room(kind, room, length):
    """MSG_TRUNC gives the message's length; what the kernel did not write is zeros, not what memory held before."""

    def told(module):
        left, right = module.socketpair(module.AF_UNIX, kind)
        with left, right:
            left.setsockopt(module.SOL_SOCKET, module.SO_SNDBUF, 1 << 20)
            left.send(b"x" * length)
            flags = module.MSG_PEEK | module.MSG_TRUNC
            buffer = bytearray(room)
            return (
                [right.recv(room, flags), right.recvfrom(room, flags)[0], right.recvmsg(room, 0, flags)[0]],
                [
                    right.recv_into(buffer, 0, flags),
                    right.recvfrom_into(buffer, 0, flags),
                    right.recvmsg_into([buffer], 0, flags)[0],
                ],
                buffer,
            )

    (expected, *rest), (given, *ours_rest) = told(stock), told(ours)
    assert ours_rest == rest
    assert [len(data) for data in given] == [len(data) for data in expected]
    written = min(room, length)
    assert {data[:written] for data in given} == {b"x" * written}
    assert all(not data[written:].strip(b"\0") for data in given)


@pytest.mark.parametrize("timeout", [None, 0, 5])
def test_a_connection_that_begins_with_data(timeout):
    def told(module):
        with module.socket() as closed, module.socket() as client:
            closed.bind(("127.0.0.1", 0))
            client.settimeout(timeout)
            try:
                client.sendto(b"x", module.MSG_FASTOPEN, closed.getsockname())
            except OSError as error:
                return type(error), error.errno
            return None

    assert told(ours) == told(stock)


def test_bytes_that_the_kernel_throws_away_are_zeros():
    """On TCP, MSG_TRUNC throws bytes away and counts them all the same; nothing that came before may show (tcp(7))."""
    with (
        ours.create_server(("127.0.0.1", 0)) as server,
        ours.create_connection(server.getsockname()) as client,
        server.accept()[0] as peer,
    ):
        peer.settimeout(5)
        for receive in (
            lambda: peer.recv(5000, ours.MSG_TRUNC),
            lambda: peer.recvfrom(5000, ours.MSG_TRUNC)[0],
            lambda: peer.recvmsg(5000, 0, ours.MSG_TRUNC)[0],
            lambda: peer.recvmmsg(1, 5000, ours.MSG_TRUNC)[0].data,
        ):
            client.sendall(b"secret")
            assert peer.recv(5000) == b"secret"
            client.sendall(b"thrown")
            assert receive() == bytes(6)
