"""A signal whose handler returns does not end a call that waits (PEP 475): it goes on, as the stock module's does."""

import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CALLS = """
import os, signal, sys, tempfile
if sys.argv[1] == "ours":
    from eyesocket import socket
else:
    import socket
limit = None if sys.argv[2] == "None" else float(sys.argv[2])
came, finish = [], None

def say(*words):
    os.write(1, " ".join(map(str, words)).encode() + b"\\n")

def handler(*_):
    came.append(1)
    if len(came) == 3:
        finish()
    elif len(came) < 3:
        say("again")

def pair(*kind):
    ends = socket.socketpair(*kind)
    for end in ends:
        end.settimeout(limit)
    return ends

def drain(end):
    taken = 0
    end.setblocking(False)
    try:
        while True:
            taken += len(end.recv(1 << 20))
    except BlockingIOError:
        return taken

def fill(end):
    end.setblocking(False)
    for size in (1 << 16, 1):
        try:
            while True:
                end.send(bytes(size))
        except BlockingIOError:
            pass
    end.settimeout(limit)

def receiving(call, kind=socket.SOCK_STREAM):
    left, right = pair(socket.AF_UNIX, kind)
    return [left, right], lambda: call(right), lambda: left.send(b"four")

def sending(call, kind=socket.SOCK_STREAM):
    left, right = pair(socket.AF_UNIX, kind)
    right.bind("")
    fill(left)
    return [left, right], lambda: call(left), lambda: drain(right)

def sending_much(call):
    left, right = pair()
    taken = []
    def rest():
        return call(left), sum(taken) + drain(right)
    return [left, right], rest, lambda: taken.append(drain(right))

def content(size, make, call):
    file = tempfile.TemporaryFile()
    file.write(bytes(size)), file.seek(0)
    made, work, end = make(lambda s: call(s, file))
    return [*made, file], work, end

def room(call):
    memory = bytearray(6)
    told = call(memory)
    return told, bytes(memory)

def listening(family, where):
    server = socket.socket(family)
    server.bind(where), server.listen(0), server.settimeout(limit)
    return server

def accepting():
    server = listening(socket.AF_INET, ("127.0.0.1", 0))
    client = socket.socket()
    made = [server, client]
    def work():
        accepted, address = server.accept()
        made.append(accepted)
        return accepted.gettimeout(), address == client.getsockname()
    return made, work, lambda: client.connect(server.getsockname())

def connecting(family, where, call):
    server = listening(family, where)
    where = server.getsockname()
    full = []
    # So many that no more are let in; the first that has to wait says so.
    for _ in range(4):
        waiting = socket.socket(family)
        full.append(waiting)
        waiting.setblocking(False)
        if waiting.connect_ex(where) == 11:
            break
    client = socket.socket(family)
    client.settimeout(limit)
    made = [server, client, *full]
    def work():
        told = call(client, where)
        try:
            return told, client.getpeername() == where
        except OSError as error:
            return told, error
    def let_in():
        server.setblocking(False)
        try:
            while True:
                made.append(server.accept()[0])
        except BlockingIOError:
            pass
    return made, work, let_in

def reading():
    left, right = pair()
    file = right.makefile("rb")
    return [left, right, file], lambda: file.read(4), lambda: left.send(b"four")

DGRAM = socket.SOCK_DGRAM
TCP, LOCAL = (socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_UNIX, "\\0signals of " + str(os.getpid()))
calls = {
    "recv": lambda: receiving(lambda s: s.recv(9)),
    "recv MSG_WAITALL": lambda: receiving(lambda s: s.recv(4, socket.MSG_WAITALL)),
    "recv, datagram": lambda: receiving(lambda s: s.recv(9), DGRAM),
    "recv_into": lambda: receiving(lambda s: room(s.recv_into)),
    "recvfrom": lambda: receiving(lambda s: s.recvfrom(9), DGRAM),
    "recvfrom_into": lambda: receiving(lambda s: room(s.recvfrom_into), DGRAM),
    "recvmsg": lambda: receiving(lambda s: s.recvmsg(9, 64)),
    "recvmsg_into": lambda: receiving(lambda s: room(lambda memory: s.recvmsg_into([memory], 64))),
    "makefile().read": reading,
    "send": lambda: sending(lambda s: s.send(b"x")),
    "send, datagram": lambda: sending(lambda s: s.send(b"x"), DGRAM),
    "sendto": lambda: sending(lambda s: s.sendto(b"x", s.getpeername()), DGRAM),
    "sendmsg": lambda: sending(lambda s: s.sendmsg([b"x", b"y"])),
    "sendall": lambda: sending_much(lambda s: s.sendall(bytes(300000))),
    "sendfile": lambda: content(300000, sending_much, lambda s, file: s.sendfile(file)),
    "sendfile by send": lambda: content(20000, sending, lambda s, file: s._sendfile_use_send(file)),
    "accept": accepting,
    "connect": lambda: connecting(*TCP, lambda s, where: s.connect(where)),
    "connect_ex": lambda: connecting(*TCP, lambda s, where: s.connect_ex(where)),
    "connect, local": lambda: connecting(*LOCAL, lambda s, where: s.connect(where)),
    "connect_ex, local": lambda: connecting(*LOCAL, lambda s, where: s.connect_ex(where)),
}
more = {
    "recv_exactly": lambda: receiving(lambda s: s.recv_exactly(4)),
    "recv_exactly_into": lambda: receiving(lambda s: room(lambda memory: s.recv_exactly_into(memoryview(memory)[:4]))),
    "recvmmsg": lambda: receiving(lambda s: [d.data for d in s.recvmmsg(2, 9)], DGRAM),
    "sendmmsg": lambda: sending(lambda s: s.sendmmsg([b"x"]), DGRAM),
}
if sys.argv[1] == "ours":
    calls |= more
signal.signal(signal.SIGUSR1, handler)
for name, make in calls.items():
    opened, work, finish = make()
    came.clear()
    say("begin")
    try:
        told = work()
    except Exception as error:
        told = error
    say("told", name, "=", repr(told), "after", len(came))
    for one in opened:
        one.close()
"""


def spoke(child):
    return bool(select.select([child.stdout], [], [], 0)[0])


def asleep(child):
    return Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def outcomes(module, limit):
    """What each call gives that is interrupted three times, always once it sleeps; the third handler lets it end."""
    told = {}
    command = [sys.executable, "-c", CALLS, module, str(limit)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0) as child:
        for line in child.stdout:
            kind, _, rest = line.decode().rstrip("\n").partition(" ")
            if kind == "told":
                name, _, outcome = rest.partition(" = ")
                told[name] = outcome
                continue
            end = time.monotonic() + 20
            while not asleep(child) and not spoke(child):
                assert time.monotonic() < end, f"after {told} a call does not wait"
            # One that sleeps and has said nothing since is in the call still.
            if not spoke(child):
                child.send_signal(signal.SIGUSR1)
    assert child.returncode == 0
    return told


@pytest.mark.parametrize("limit", [None, 60])
def test_every_call_goes_on_after_a_signal(limit):
    ours, stock = outcomes("ours", limit), outcomes("stock", limit)
    assert {name: ours[name] for name in stock} == stock
    # connect(2) of a UNIX socket does not go on when a signal has ended it, or does not wait: no more than stock's.
    rest = {name: outcome for name, outcome in ours.items() if "local" not in name}
    assert not {name: outcome for name, outcome in rest.items() if not outcome.endswith(" after 3")}
    assert not {name: outcome for name, outcome in rest.items() if "Error" in outcome}


DEADLINES = """
import signal, time
from eyesocket import socket
signal.signal(signal.SIGALRM, lambda *_: None)

def pair(kind):
    full, empty = socket.socketpair(socket.AF_UNIX, kind)
    full.setblocking(False)
    for size in (1 << 16, 1):
        try:
            while True:
                full.send(bytes(size))
        except BlockingIOError:
            pass
    full.settimeout(0.3)
    return full, empty

stream, datagrams = pair(socket.SOCK_STREAM), pair(socket.SOCK_DGRAM)
s, d = stream[0], datagrams[0]
server = socket.create_server(("127.0.0.1", 0), backlog=0)
waiting = [socket.socket() for _ in range(4)]
for one in waiting:
    one.setblocking(False)
    one.connect_ex(server.getsockname())
client, quiet = socket.socket(), socket.create_server(("127.0.0.1", 0))
client.settimeout(0.3), quiet.settimeout(0.3)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
for name, call in dict(
    recv=lambda: s.recv(1), recv_into=lambda: s.recv_into(bytearray(1)), recvfrom=lambda: s.recvfrom(1),
    recvfrom_into=lambda: s.recvfrom_into(bytearray(1)), recvmsg=lambda: s.recvmsg(1),
    recvmsg_into=lambda: s.recvmsg_into([bytearray(1)]), recv_exactly=lambda: s.recv_exactly(9),
    recvmmsg=lambda: d.recvmmsg(2, 2), send=lambda: s.send(b"x"), sendall=lambda: s.sendall(b"x"),
    sendmsg=lambda: s.sendmsg([b"x"]), sendmmsg=lambda: d.sendmmsg([b"x"]), accept=quiet.accept,
    connect=lambda: client.connect(server.getsockname()),
).items():
    began = time.monotonic()
    try:
        told = call()
    except TimeoutError:
        told = "too early" if time.monotonic() - began < 0.29 else "in time"
    print(name, told, flush=True)
signal.setitimer(signal.ITIMER_REAL, 0)
for one in (*stream, *datagrams, *waiting, server, client, quiet):
    one.close()
"""


def test_signals_do_not_put_a_deadline_off():
    # Put off by every signal it would never come, and the program not end.
    done = subprocess.run([sys.executable, "-c", DEADLINES], capture_output=True, text=True, timeout=60, check=True)
    told = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert len(told) == 14
    assert set(told.values()) == {"in time"}, told
