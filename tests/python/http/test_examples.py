"""The recipes beside the notebooks, each run as a user would."""

from __future__ import annotations

import importlib.util
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"


def example(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("secure", [False, True])
def test_a_websocket_echoes(secure, authority):
    websocket = example("websocket")
    context = None
    if secure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.issue())
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            websocket.echo(context.wrap_socket(connection, server_side=True) if context else connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"{'https' if secure else 'http'}://localhost:{listener.getsockname()[1]}/chat"
        big = b"x" * 1_000_000
        with websocket.connect(url, verify=str(authority.file) if secure else True) as chat:
            # Sent by the server together with its 101.
            assert chat.receive() == "hello"
            chat.send("hello socket world")
            assert chat.receive() == "hello socket world"
            chat.send(big)
            got = b""
            while len(got) < len(big):
                got += chat.receive()
            assert got == big
            chat.send(b"")
            assert chat.receive() == b""
        thread.join(10)
        assert not thread.is_alive()


def test_the_websocket_example_runs():
    done = subprocess.run([sys.executable, EXAMPLES / "websocket.py"], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\nhello socket world\n", "")
