"""The module beside the stock one: it works, and shares what programs compare by identity."""

import socket as standard
import threading

import pytest

from eyesocket import socket


def test_it_is_our_own_type_and_their_enumerations():
    assert not issubclass(socket.socket, standard.socket)
    assert socket.AF_INET is standard.AF_INET
    assert socket.AddressFamily is standard.AddressFamily
    assert socket.gaierror is standard.gaierror
    assert socket.herror is standard.herror
    assert socket.error is OSError
    assert socket.timeout is TimeoutError


def test_a_stream_carries_bytes_both_ways():
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, address = server.accept()
        with client, accepted:
            assert address == client.getsockname()
            data = bytes(range(256)) * 4096
            sender = threading.Thread(target=client.sendall, args=(data,))
            sender.start()
            received = bytearray()
            while len(received) < len(data):
                received += accepted.recv(65536)
            sender.join()
            assert received == data


def test_no_exception_of_the_stock_module_is_touched(unknown_name):
    with pytest.raises(standard.gaierror):
        socket.getaddrinfo(unknown_name, 80)


def test_a_refused_connection_names_its_address():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
    with pytest.raises(ConnectionRefusedError) as caught:
        socket.create_connection(address)
    text = f"127.0.0.1:{address[1]}"
    assert caught.value.address == text
    assert caught.value.__notes__ == [f"connecting to {text}"]
    assert str(caught.value) == "[Errno 111] Connection refused"
