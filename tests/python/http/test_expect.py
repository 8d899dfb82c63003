"""A peer that does not meet `Expect: 100-continue` is asked again without (RFC 9110 section 10.1.1)."""

from __future__ import annotations

import socket
import threading

import pytest

from eyesocket import http

EXPECTING = {"Expect": "100-continue"}
FAILED = b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def strict():
    """A server that fails every expectation; gives its URL and the requests it heard, a head without its body first."""
    heard = []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                head = b""
                while not head.endswith(b"\r\n\r\n") and (byte := connection.recv(1)):
                    head += byte
                if b"expect:" in head.lower():
                    heard.append(head)
                    connection.sendall(FAILED)
                    # Nothing else may come on this connection.
                    heard.append(connection.recv(1))
                else:
                    heard.append(head + connection.recv(100))
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", heard
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def test_417_is_asked_again_without_expect(strict):
    url, heard = strict
    response = http.post(url, content=b"body", headers=EXPECTING)
    assert (response.status, response.content, [before.status for before in response.history]) == (200, b"ok", [417])
    assert heard[1] == b""
    assert heard[2].endswith(b"\r\n\r\nbody")


def test_a_body_in_pieces_is_not_asked_for_twice(strict):
    url, _ = strict
    assert http.post(url, content=iter([b"bo", b"dy"]), headers=EXPECTING).status == 417


def test_417_without_an_expectation_is_an_answer(script):
    assert http.post(script.play(FAILED), content=b"body").status == 417
