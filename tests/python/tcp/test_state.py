"""The state of live sockets, driven through every state that loopback can hold still."""

from __future__ import annotations

import socket
import time

import pytest

from eyesocket import _native, tcp
from eyesocket.tcp import State


def test_the_life_of_a_connection():
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        assert tcp.state(client) is State.CLOSED
        assert tcp.state(listener) is State.LISTEN
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        with server:
            assert tcp.state(client) is tcp.state(server) is State.ESTABLISHED
            client.shutdown(socket.SHUT_WR)
            assert server.recv(1) == b""
            # The acknowledgment of the FIN may be delayed (RFC 9293, section 3.8.6.3).
            deadline = time.monotonic() + 10
            while tcp.state(client) is State.FIN_WAIT_1:
                assert time.monotonic() < deadline
            assert tcp.state(client) is State.FIN_WAIT_2
            assert tcp.state(server) is State.CLOSE_WAIT
            server.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""
            # The socket of the one who closed first is done: the kernel keeps its TIME-WAIT in a record of its own.
            assert tcp.state(client) is State.CLOSED
            assert tcp.state(server) is State.CLOSED


def test_a_descriptor_will_do():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert tcp.state(listener.fileno()) is State.LISTEN


def test_what_has_no_state():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, pytest.raises(ValueError, match="not a TCP socket"):
        tcp.state(sock)
    with socket.socket() as sock:
        pass
    with pytest.raises(OSError, match="Bad file descriptor"):
        tcp.state(sock)


def test_states_speak_as_the_rfc_and_as_python():
    assert str(State.FIN_WAIT_1) == "FIN-WAIT-1"
    assert repr(State.FIN_WAIT_1) == "<State FIN_WAIT_1>"
    assert [state.name.replace("_", "-") for state in State] == [state.value for state in State]


def test_the_states_are_those_of_the_table():
    rows = _native.tcp_transitions()
    assert {row[0] for row in rows} | {row[4] for row in rows} == {state.value for state in State}
    assert sum(row.drawn for row in tcp.TRANSITIONS) == 21


def test_the_table_says_what_close_does():
    targets = {row.source: (row.action, row.target) for row in tcp.TRANSITIONS if row.event == "CLOSE"}
    assert targets[State.ESTABLISHED] == ("snd FIN", State.FIN_WAIT_1)
    assert targets[State.CLOSE_WAIT] == ("snd FIN", State.LAST_ACK)
    assert targets[State.LISTEN] == ("delete TCB", State.CLOSED)
