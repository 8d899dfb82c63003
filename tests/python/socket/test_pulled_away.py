"""A socket that is closed, forked or replaced while it is used: our module does what the stock one does.

Each scenario is a program of its own, run once over either module; what it prints must be the same.
"""

import subprocess
import sys

import pytest

PRELUDE = """
import array, errno, gc, os, select, signal, sys, threading, warnings
if sys.argv[1] == "ours":
    from eyesocket import socket, _standard
    _socket = _standard.native
else:
    import socket, _socket
warnings.simplefilter("ignore", DeprecationWarning)

def told(call, *arguments):
    try:
        value = call(*arguments)
    except Exception as error:
        value = f"{type(error).__name__} {error}"
    print(value, flush=True)

class Away(threading.Thread):
    '''A call in a thread of its own; `asleep` returns when it waits in the kernel.'''
    def __init__(self, call, *arguments):
        super().__init__(target=told, args=(call, *arguments))
        self.start()
        path = f"/proc/self/task/{self.native_id}/"
        while True:
            try:
                with open(path + "wchan") as file, open(path + "stat") as state:
                    if state.read().rpartition(")")[2].split()[0] == "S" and "futex" not in file.read():
                        with open(path + "syscall") as call:
                            if call.read().split()[0] not in ("running", "202"):
                                return
            except FileNotFoundError:
                return

a, b = socket.socketpair()
"""

SCENARIOS = {
    "closed under recv, then data": """
t = Away(b.recv, 9); fd = os.dup(b.fileno()); b.close(); a.send(b"late"); t.join(); os.close(fd)
""",
    "closed under recv with a timeout, then data": """
b.settimeout(30); t = Away(b.recv, 9); fd = os.dup(b.fileno()); b.close(); a.send(b"late"); t.join(); os.close(fd)
""",
    "closed under recv with a timeout, and nothing comes": """
b.settimeout(0.3); t = Away(b.recv, 9); fd = os.dup(b.fileno()); b.close(); t.join(); os.close(fd)
""",
    "closed under recv_into with a timeout": """
b.settimeout(30); t = Away(b.recv_into, bytearray(9)); fd = os.dup(b.fileno()); b.close(); a.send(b"late"); t.join()
""",
    "closed under recvmsg with a timeout": """
b.settimeout(30); t = Away(b.recvmsg, 9); fd = os.dup(b.fileno()); b.close(); a.send(b"late"); t.join()
""",
    "closed under recvfrom with a timeout": """
b.settimeout(30); t = Away(b.recvfrom, 9); fd = os.dup(b.fileno()); b.close(); a.send(b"late"); t.join()
""",
    "detached under recv with a timeout": """
b.settimeout(30); t = Away(b.recv, 9); fd = b.detach(); a.send(b"late"); t.join(); print(b.fileno(), os.read(fd, 9))
""",
    "shut down under recv": """
t = Away(b.recv, 9); b.shutdown(socket.SHUT_RDWR); t.join()
""",
    "shut down under recv with a timeout": """
b.settimeout(30); t = Away(b.recv, 9); b.shutdown(socket.SHUT_RDWR); t.join()
""",
    "closed under sendall": """
def send():
    a.sendall(bytes(1 << 22))
t = Away(send); fd = os.dup(a.fileno()); a.close()
while len(b.recv(1 << 20)) and t.is_alive():
    if not select.select([b], [], [], 0.2)[0]:
        break
t.join()
""",
    "closed under sendall with a timeout": """
a.settimeout(30)
def send():
    a.sendall(bytes(1 << 22))
t = Away(send); fd = os.dup(a.fileno()); a.close()
while t.is_alive() and select.select([b], [], [], 0.2)[0]:
    b.recv(1 << 20)
t.join()
""",
    "the peer closed under sendall": """
t = Away(lambda: a.sendall(bytes(1 << 22))); b.close(); t.join()
""",
    "shut down under accept": """
s = socket.create_server(("127.0.0.1", 0)); t = Away(s.accept); s.shutdown(socket.SHUT_RDWR); t.join()
""",
    "closed under accept with a timeout, then a connection": """
s = socket.create_server(("127.0.0.1", 0)); where = s.getsockname(); s.settimeout(0.5); t = Away(s.accept)
fd = os.dup(s.fileno()); s.close(); c = socket.create_connection(where); t.join()
""",
    "closed under connect": """
s = socket.create_server(("127.0.0.1", 0), backlog=0); full = [socket.socket() for _ in range(4)]
for c in full:
    c.setblocking(False); c.connect_ex(s.getsockname())
c = socket.socket(); c.settimeout(0.5); t = Away(c.connect, s.getsockname()); fd = os.dup(c.fileno()); c.close()
t.join()
""",
    "another timeout under recv": """
b.settimeout(0.3); t = Away(b.recv, 9); b.settimeout(None); t.join(); print(b.gettimeout(), os.get_blocking(b.fileno()))
""",
    "not blocking any more under recv": """
t = Away(b.recv, 9); b.setblocking(False); a.send(b"late"); t.join(); told(b.recv, 9)
""",
    "a handler closes the socket": """
signal.signal(signal.SIGALRM, lambda *_: b.close())
for limit in (None, 30):
    a, b = socket.socketpair(); b.settimeout(limit)
    signal.setitimer(signal.ITIMER_REAL, 0.1); told(b.recv, 9)
""",
    "a handler closes the socket under sendall": """
signal.signal(signal.SIGALRM, lambda *_: a.close())
for limit in (None, 30):
    a, b = socket.socketpair(); a.settimeout(limit)
    signal.setitimer(signal.ITIMER_REAL, 0.1); told(lambda: a.sendall(bytes(1 << 24)))
""",
    "a handler closes the socket under accept and connect": """
for limit in (None, 0.5):
    s = socket.create_server(("127.0.0.1", 0), backlog=0); s.settimeout(limit)
    signal.signal(signal.SIGALRM, lambda *_: s.close())
    signal.setitimer(signal.ITIMER_REAL, 0.1); told(s.accept)
    s = socket.create_server(("127.0.0.1", 0), backlog=0); full = [socket.socket() for _ in range(4)]
    for c in full:
        c.setblocking(False); c.connect_ex(s.getsockname())
    c = socket.socket(); c.settimeout(limit)
    signal.signal(signal.SIGALRM, lambda *_: c.close())
    signal.setitimer(signal.ITIMER_REAL, 0.1); told(c.connect, s.getsockname())
""",
    "the descriptor closed behind our back": """
for limit in (None, 0, 1):
    a, b = socket.socketpair(); b.settimeout(limit); os.close(b.fileno())
    for call in (
        lambda: b.recv(1), lambda: b.recv_into(bytearray(1)), lambda: b.recvfrom(1), lambda: b.recvmsg(1),
        lambda: b.send(b"x"), lambda: b.sendall(b"x"), lambda: b.sendmsg([b"x"]), lambda: b.sendto(b"x", "p"),
        lambda: b.connect("p"), lambda: b.bind("p"), b.listen, b.accept, b.getsockname, b.getpeername, b.dup,
        lambda: b.getsockopt(1, 2), lambda: b.setsockopt(1, 2, 1), lambda: b.shutdown(2), lambda: b.settimeout(1),
        lambda: b.setblocking(True), b.gettimeout, lambda: b.connect_ex("p"), b.get_inheritable, b.close, b.close,
        b.fileno,
    ):
        told(call)
""",
    "the descriptor is a file now": """
fd = b.fileno(); os.close(fd); file = os.open("/dev/null", os.O_RDWR); os.dup2(file, fd)
for call in (
    lambda: b.recv(1), lambda: b.send(b"x"), lambda: b.sendall(b"x"), b.getsockname, b.accept,
    lambda: b.getsockopt(1, 2), lambda: b.shutdown(2), lambda: b.settimeout(1), lambda: b.recv(1),
    lambda: b.sendall(b""),
):
    told(call)
b.close(); told(os.fstat, fd)
""",
    "the descriptor is another socket now": """
c, d = socket.socketpair(); os.dup2(d.fileno(), b.fileno()); c.send(b"for d"); told(b.recv, 9); told(b.send, b"from b")
told(c.recv, 9)
""",
    "forgotten with a descriptor that is gone": """
import io
warnings.simplefilter("always")
os.close(b.fileno()); sys.stderr = io.StringIO(); del b; gc.collect()
text, sys.stderr = sys.stderr.getvalue(), sys.__stderr__
print(text.count("ResourceWarning"), text.count("unclosed"), text.count("rror"))
""",
    "fork with a call in another thread": """
t = Away(b.recv, 9)
child = os.fork()
if not child:
    b.close(); a.send(b"from the child"[:9]); os._exit(b.fileno() + 1)
t.join(); print(os.waitpid(child, 0)[1])
""",
    "fork, and both use the socket": """
child = os.fork()
if not child:
    a.close(); got = b.recv(9); b.sendall(got.upper()); b.close(); os._exit(0)
b.close(); a.sendall(b"shared"); print(a.recv(9), a.recv(9), os.waitpid(child, 0)[1])
""",
    "fork shares the open file's mode": """
b.settimeout(5)
child = os.fork()
if not child:
    b.setblocking(True); os._exit(0)
print(os.waitpid(child, 0)[1], b.gettimeout(), os.get_blocking(b.fileno())); a.send(b"x"); told(b.recv, 1)
""",
    "the default timeout after a fork": """
socket.setdefaulttimeout(7)
child = os.fork()
if not child:
    os._exit(int(socket.socket().gettimeout()))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
""",
    "closing numbers of more than 32 bits": """
os.dup2(os.open("/dev/null", os.O_RDWR), 200)
for number in (2**32 + 200, -2**32 + 200, 2**31, 2**63 - 1, 2**63, -1, -2**31 - 1):
    told(_socket.close, number)
for number in (2**32 + a.fileno(), 2**32 - 1, 2**63):
    try:
        os.close(_socket.dup(number)); print("a copy")
    except (OSError, OverflowError) as error:
        print(type(error).__name__, error)
try:
    made = _socket.socket(fileno=2**32 + a.detach()); print(made.fileno() >= 0); made.close()
except (OSError, OverflowError) as error:
    print(type(error).__name__, error)
""",
    "closed while a file is open on it": """
file = b.makefile("rb"); b.close(); a.send(b"line\\n"); print(file.readline(), b.fileno() >= 0); file.close()
print(b.fileno())
told(file.readline)
""",
    "the end of the interpreter with sockets open": """
import atexit
class Late:
    def __del__(self):
        told(a.send, b"x")
late = Late(); atexit.register(lambda: told(b.recv, 9)); a.send(b"before")
""",
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_as_the_stock_module(name):
    def run(which):
        words = [sys.executable, "-c", PRELUDE + SCENARIOS[name], which]
        return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)

    stock, ours = run("stock"), run("ours")
    assert (ours.returncode, ours.stdout) == (stock.returncode, stock.stdout), ours.stderr
    assert "Traceback" not in ours.stderr or "Traceback" in stock.stderr, ours.stderr
    assert stock.stdout
