"""Ctrl-C while a call of the socket module waits: the time until the program catches KeyboardInterrupt."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benches.harness import Subjects, comparison

TITLE = "Ctrl-C: how soon a waiting call ends"

INTERRUPTED = """
import signal, sys, time
if sys.argv[1] == "eyesocket":
    from eyesocket import socket
else:
    import socket
signal.signal(signal.SIGINT, signal.default_int_handler)
left, right = socket.socketpair()
left.settimeout(60), right.settimeout(60)
server = socket.create_server(("127.0.0.1", 0), backlog=1)
server.settimeout(60)
full = socket.create_server(("127.0.0.1", 0), backlog=1)
waiting = [socket.socket() for _ in range(8)]
for made in waiting:
    made.setblocking(False)
    made.connect_ex(full.getsockname())
def connect():
    with socket.socket() as made:
        made.settimeout(60)
        made.connect(full.getsockname())
data = bytes(1 << 26)
call = dict(recv=lambda: right.recv(1), accept=server.accept, connect=connect, sendall=lambda: left.sendall(data))
while True:
    try:
        print(flush=True)
        call[sys.argv[2]]()
    except KeyboardInterrupt:
        print(time.monotonic(), flush=True)
"""


class Interrupted:
    """A process that sits in one call; Ctrl-C ends it and it begins again."""

    def __init__(self, module: str, call: str) -> None:
        command = [sys.executable, "-c", INTERRUPTED, module, call]
        self._child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Interrupted:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.communicate()

    def once(self) -> float:
        """Interrupt the call once it sleeps; give the seconds until the exception was caught."""
        assert self._child.stdout is not None
        self._child.stdout.readline()
        state = Path(f"/proc/{self._child.pid}/stat")
        while state.read_text().rpartition(")")[2].split()[0] != "S":
            pass
        began = time.monotonic()
        self._child.send_signal(signal.SIGINT)
        return float(self._child.stdout.readline()) - began


def interrupting(call: str) -> Any:
    """Declare the time from Ctrl-C to the exception."""

    def prepare() -> Iterator[Subjects]:
        with ExitStack() as stack:
            yield {name: stack.enter_context(Interrupted(name, call)).once for name in ("eyesocket", "stock")}

    told = comparison(f"Ctrl-C in {call} until KeyboardInterrupt is caught", at_most={"eyesocket": 0.05}, absolute=True)
    return told(prepare)


recv = interrupting("recv")
accept = interrupting("accept")
connect = interrupting("connect")
sendall = interrupting("sendall")
