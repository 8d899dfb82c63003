"""After fork(2) a connection belongs to the process that opened it, and every process gets its own answers."""

from __future__ import annotations

import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

# The program under test: both processes ask for a path of their own, and it comes back as the content.
ASKING = """
import asyncio, os, sys
from eyesocket import http

url, authority, face = sys.argv[1:]
verify = authority or True

def ask(client, who):
    return [client.get(f"{url}/{who}/{n}").text for n in range(40)]

async def ask_awaited(client, who):
    return [(await client.get(f"{url}/{who}/{n}")).text for n in range(40)]

def run(client, who):
    got = asyncio.run(ask_awaited(client, who)) if face == "awaited" else ask(client, who)
    assert got == [f"/{who}/{n}" for n in range(40)], got

client = (http.AsyncClient if face == "awaited" else http.Client)(verify=verify, timeout=20)
run(client, "before")
child = os.fork()
run(client, "parent" if child else "child")
if child:
    assert os.waitpid(child, 0)[1] == 0
    # The child is gone, and has said nothing on our connection.
    run(client, "after")
else:
    os._exit(0)
"""

READING = """
import os, sys
from eyesocket import http

with http.Client(verify=sys.argv[2] or True, timeout=20) as client:
    with client.stream("GET", sys.argv[1] + "/large") as response:
        pieces = response.iter_raw(1000)
        got = next(pieces)
        child = os.fork()
        if not child:
            try:
                # What had come before may still be given.
                b"".join(pieces)
            except ValueError as error:
                assert "process" in str(error), error
            else:
                os._exit(3)
            response.close()
            client.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert got + b"".join(pieces) == b"L" * 3_000_000
    assert client.get(sys.argv[1] + "/then").text == "/then"
"""


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        content = b"L" * 3_000_000 if self.path == "/large" else self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words):
        """Be silent."""


@pytest.fixture(params=["http", "https"])
def serving(request, authority):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    trusted = ""
    if request.param == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.issue())
        server.socket = context.wrap_socket(server.socket, server_side=True)
        trusted = str(authority.file)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"{request.param}://127.0.0.1:{server.server_port}", trusted
    server.shutdown()
    thread.join()
    server.server_close()


def program(text, *words):
    ended = subprocess.run(
        [sys.executable, "-c", text, *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("face", ["blocking", "awaited"])
def test_parent_and_child_get_their_own_answers(serving, face):
    program(ASKING, *serving, face)


def test_a_child_leaves_the_body_that_its_parent_reads_alone(serving):
    program(READING, *serving)
