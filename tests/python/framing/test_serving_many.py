"""Very many connections, and several processes at one port: real processes, so that nothing is shared."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from eyesocket import framing

CODEC = framing.LengthPrefixed(4)
TOP = Path(__file__).parents[3]

SERVER = """
import asyncio, resource, sys
from eyesocket import framing
kind, many = sys.argv[1], int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (many + 100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
if kind == "uvloop":
    import uvloop as loops
else:
    import asyncio as loops
async def main():
    async with framing.serve(lambda frame, peer: frame, ("127.0.0.1", 0), framing.LengthPrefixed(4), limit=many) as s:
        print(s.address[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        print(s.accepted, s.connections, flush=True)
with asyncio.Runner(loop_factory=loops.new_event_loop) as runner:
    runner.run(main())
"""

CLIENTS = """
import resource, socket, struct, sys
port, many = int(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (many + 100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
# Several addresses of this host: one alone may not have ports enough.
socks = [socket.create_connection(("127.0.0.1", port), 60, ("127.0.0.%d" % (2 + n % 8), 0)) for n in range(many)]
for n, sock in enumerate(socks):
    # Reset at the end: thousands of ports in TIME-WAIT would be in the way of what runs next.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.sendall(b"\\0\\0\\0\\4" + n.to_bytes(4, "big"))
# The last ones first, and all are open.
got = [sock.recv(8, socket.MSG_WAITALL) for sock in reversed(socks)][::-1]
print(sum(frame == b"\\0\\0\\0\\4" + n.to_bytes(4, "big") for n, frame in enumerate(got)), flush=True)
sys.stdin.readline()
"""


@contextlib.contextmanager
def program(*words):
    command = [sys.executable, *map(str, words)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, start_new_session=True, **pipes) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                # The processes that it started, too.
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("many", [2_000, 10_000])
@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_all_connections_are_served_at_once(kind, many):
    if kind == "uvloop":
        pytest.importorskip("uvloop", reason="uvloop is not installed for this interpreter")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < many + 100:
        pytest.skip(f"{many} connections need {many + 100} open files; the hard limit is {hard} (ulimit -Hn)")
    with program("-c", SERVER, kind, many) as server:
        port = server.stdout.readline().strip()
        with program("-c", CLIENTS, port, many) as clients:
            assert clients.stdout.readline() == f"{many}\n"
            server.stdin.write("\n")
            server.stdin.flush()
            assert server.stdout.readline() == f"{many} {many}\n"
        assert server.wait(60) == 0


def test_several_processes_share_a_port():
    """The recipe of the examples, as it stands there."""
    with program(TOP / "examples" / "several_processes.py", "--port", "0", "--processes", "3") as recipe:
        port = int(recipe.stdout.readline().rpartition(":")[2])
        pids = Counter()
        # Which process gets a connection is the kernel's hash of its ports; of 100 none goes empty-handed.
        for _ in range(100):
            with framing.connect(("127.0.0.1", port), framing.Lines()) as client:
                client.send(b"hello")
                pid, _, message = client.recv(30).partition(b" ")
                assert message == b"hello"
                pids[pid] += 1
        assert len(pids) == 3
        recipe.send_signal(signal.SIGINT)
        assert recipe.wait(60) == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_the_page_shows_what_the_example_measures():
    """The article's loop on stock sockets and ours, each with 64 clients that connect at once and stay."""
    example = TOP / "examples" / "one_client_at_a_time.py"
    told = subprocess.run([sys.executable, example], capture_output=True, text=True, timeout=60, check=True).stdout
    assert told == "the article's loop: 1 of 64 clients answered\nframing.serve: 64 of 64 clients answered\n"
    page = (TOP / "docs" / "pitfalls" / "one_client_at_a_time.md").read_text()
    assert f"```text\n{told}```" in page
