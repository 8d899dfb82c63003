"""What is said about an error: in a paragraph, and in the command line's one line; both from one table."""

import errno
import os
import socket as standard
import ssl
import urllib.error

import pytest

from eyesocket import _explain, errors, socket
from eyesocket._command import explain as one_line
from eyesocket.socket import explain


def server_gone():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()


def test_explain_refused():
    with pytest.raises(ConnectionRefusedError) as caught:
        socket.create_connection(server_gone())
    told = explain(caught.value)
    assert "nobody listens" in told
    assert "On this machine nothing listens on" in told
    assert "\n" not in told


def test_explain_in_use_names_the_holder():
    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.raises(OSError, match="in use") as caught:
            socket.create_server(server.getsockname())
        told = explain(caught.value)
        assert "The port is held by " in told
        assert f"(process {__import__('os').getpid()})" in told


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "closed"),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "RST"),
        (TimeoutError("timed out"), "settimeout"),
        (TimeoutError(errno.ETIMEDOUT, "Connection timed out"), "No answer"),
        (PermissionError(errno.EACCES, "Permission denied"), "ports below"),
        (PermissionError(errno.EPERM, "Operation not permitted"), "CAP_NET_RAW"),
        (ValueError("something else"), "ValueError: something else"),
        (OSError("no number"), "OSError: no number"),
    ],
)
def test_explain(error, words):
    assert words in explain(error)


def test_every_meaning_is_a_paragraph():
    for code, meaning in _explain.MEANINGS.items():
        told = explain(OSError(code, os.strerror(code)))
        assert told.startswith(type(OSError(code, "")).__name__)
        assert meaning.happened in told
        assert "\n" not in told
        assert meaning.happened.endswith(".")


@pytest.mark.parametrize(
    ("error", "same_as"),
    [
        (BrokenPipeError(), errno.EPIPE),
        (ConnectionResetError("peer gone"), errno.ECONNRESET),
        (ConnectionRefusedError(), errno.ECONNREFUSED),
        (BlockingIOError(), errno.EAGAIN),
    ],
)
def test_errors_without_an_errno(error, same_as):
    assert _explain.MEANINGS[same_as].happened in explain(error)


def test_a_timeout_without_words():
    assert explain(TimeoutError()).startswith("TimeoutError. The time that this program allows")


def test_names(unknown_name):
    with pytest.raises(socket.gaierror) as caught:
        socket.create_connection((unknown_name, 1))
    assert "could not be turned into addresses" in explain(caught.value)
    assert "getent" in one_line(caught.value)
    assert "could not be turned" in explain(standard.herror(1, "Unknown host"))
    with pytest.raises(socket.gaierror) as caught:
        socket.getaddrinfo("127.0.0.1", "no-such-service", type=socket.SOCK_STREAM)
    assert "/etc/services" in explain(caught.value)


def test_each_of_a_group_is_explained():
    with pytest.raises(ExceptionGroup) as caught:
        socket.create_connection(server_gone(), all_errors=True)
    told = explain(caught.value)
    assert told.startswith("ExceptionGroup: create_connection failed (1 sub-exception): (1) ConnectionRefusedError: ")
    assert "On this machine nothing listens on port" in told
    many = ExceptionGroup("many", [ExceptionGroup("inner", [BrokenPipeError()]), *[ValueError("x")] * 20])
    told = explain(many)
    assert "(1) ExceptionGroup: inner (1 sub-exception): (1) BrokenPipeError. This side" in told
    assert told.endswith("And 11 more.")


def test_the_error_behind_a_librarys():
    refused = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    assert "nobody listens" in explain(urllib.error.URLError(refused))
    wrapped = RuntimeError("the service is not there")
    wrapped.__cause__ = refused
    assert explain(wrapped).startswith("RuntimeError: the service is not there. Behind it: ConnectionRefusedError: ")


@pytest.mark.parametrize(
    "error",
    [
        ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"),
        FileNotFoundError(errno.ENOENT, "No such file or directory", "/some/file"),
        errors.TruncatedError("the peer ended the stream in the middle"),
        OSError(12345, "of another system"),
    ],
)
def test_what_is_no_error_of_a_socket_keeps_its_own_words(error):
    assert explain(error) == f"{type(error).__name__}: {error}"


def test_unix_paths(tmp_path):
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as client:
        with pytest.raises(FileNotFoundError) as caught:
            client.connect(str(path))
        assert explain(caught.value).endswith(f"The folder {tmp_path} is there.")
        assert one_line(caught.value) == (
            f"{path}: No such file or directory (no socket has that path; start the server first)"
        )
        with pytest.raises(FileNotFoundError) as caught:
            client.connect(str(tmp_path / "none" / "socket"))
        assert f"There is no folder {tmp_path / 'none'}." in explain(caught.value)
        path.touch()
        with pytest.raises(ConnectionRefusedError) as caught:
            client.connect(str(path))
        assert explain(caught.value).endswith(f"{path} is there, and is no socket.")
        path.unlink()
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
        with pytest.raises(ConnectionRefusedError) as caught:
            client.connect(str(path))
        assert "a program that has ended left it there" in explain(caught.value)
        with pytest.raises(OSError, match="in use") as caught:
            client.bind(str(path))
        assert "has to be removed first" in explain(caught.value)
        with pytest.raises(OSError, match="too long") as caught:
            client.connect("x" * 200)
        assert "107 bytes" in explain(caught.value)
        assert "107 bytes" in one_line(caught.value)


def test_one_table_for_both():
    with pytest.raises(ConnectionRefusedError) as caught:
        socket.create_connection(server_gone())
    advice = _explain.MEANINGS[errno.ECONNREFUSED].advice
    assert one_line(caught.value) == f"{caught.value.address}: Connection refused ({advice})"
