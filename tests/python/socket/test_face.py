"""The Python half over our native one, called wrongly and rightly; and the socket as an object: as the stock module."""

import _socket as stock_native
import copy
import gc
import inspect
import io
import itertools
import operator
import os
import pickle
import re
import socket as stock
import subprocess
import sys
import warnings
import weakref

import pytest

from eyesocket import _standard
from eyesocket import socket as ours

ours_native = _standard.native


def plain(value):
    """Give what a program can see of a value, without numbers that the kernel chose."""
    if isinstance(value, stock_native.socket | ours_native.socket):
        seen = (int(value.family), int(value.type), value.proto, value.gettimeout(), value.fileno() >= 0)
        value.close()
        return seen
    if isinstance(value, tuple | list):
        return [type(value).__name__, *map(plain, value)]
    if isinstance(value, io.IOBase):
        seen = (type(value).__name__, getattr(value, "mode", None))
        value.close()
        return seen
    return words(repr(value))


def words(text):
    text = re.sub(r"0x[0-9a-f]+", "0x", text)
    text = re.sub(r"fd=\d+", "fd=", text)
    text = re.sub(r"\b(3[2-9]\d{3}|[45]\d{4}|60\d{3})\b", "PORT", text)
    return text.replace("eyesocket.socket", "socket").replace("_socket.", "socket.")


def told(call, module):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return plain(call(module))
        except BaseException as error:
            inner = [type(each).__name__ for each in (error.__cause__, error.__context__)]
            return type(error).__name__, words(str(error)), getattr(error, "errno", None), inner


def differences(calls, theirs, mine):
    found = []
    for label, call in calls:
        expected, given = told(call, theirs), told(call, mine)
        if expected != given:
            found.append(f"{label}: stock {expected}, ours {given}")
    return found


def keyed(**choices):
    """Give keyword arguments: none, and each alone with each of its values."""
    yield {}
    for name, values in choices.items():
        for value in values:
            yield {name: value}


def test_create_server():
    addresses = [
        ("127.0.0.1", 0),
        ("::1", 0),
        ("", 0),
        ("127.0.0.1", -1),
        ("127.0.0.1", 70000),
        ("x\0", 0),
        None,
        "/no/such/path",
    ]
    addresses += [("192.0.2.1", 0), ("127.0.0.1",), ("127.0.0.1", "x"), ("::1", 0, 0, 0), (1, 2)]
    options = keyed(
        family=[stock.AF_INET, stock.AF_INET6, stock.AF_UNIX, 99, "x", None],
        backlog=[None, 0, 5, -1, "x", 2**31],
        reuse_port=[True, 1],
        dualstack_ipv6=[True],
        nonsense=[1],
    )
    calls = [
        (f"{address} {named}", lambda m, a=address, n=named: m.create_server(a, **n))
        for address, named in itertools.product(
            addresses, [*options, {"family": stock.AF_INET6, "dualstack_ipv6": True}]
        )
    ]
    assert differences(calls, stock, ours) == []


def test_create_connection():
    addresses = [("127.0.0.1", 1), ("::1", 1), ("127.0.0.1", -1), ("127.0.0.1", 2**31), ("a\0", 1), ("127.0.0.1", "x")]
    addresses += [
        ("127.0.0.1",),
        None,
        "/no/such/path",
        (None, 1),
        ("", 1),
        (1, 1),
        ("x.." * 3, 1),
        ("127.0.0.1", 1, 0),
    ]
    options = keyed(
        timeout=[None, 0, 0.5, -1, "x", float("nan"), 2**70],
        source_address=[None, ("127.0.0.1", 0), ("192.0.2.1", 0), ("::1", 0), 5],
        all_errors=[True],
        nonsense=[1],
    )
    calls = [
        (f"{address} {named}", lambda m, a=address, n=named: m.create_connection(a, **n))
        for address, named in itertools.product(addresses, options)
    ]

    def without_ours(found):
        # Its one option more, which stock's words for an unknown one cannot know.
        return [line for line in found if "nonsense" not in line]

    assert without_ours(differences(calls, stock, ours)) == []


def test_pairs_and_descriptors():
    odd = [None, 0, 1, 2, 5, 99, -1, "x", 2**31]
    calls = [(f"socketpair{a}", lambda m, a=a: m.socketpair(*a)) for a in itertools.product(odd, odd)]
    calls += [
        (f"fromfd{a}", lambda m, a=a: m.fromfd(*a))
        for a in itertools.product([-1, 9999, 2**31, 2**63, "x", None, 1.5], [1, 2, "x"], [1, "x"])
    ]
    calls += [
        (f"fromfd of a pair {kind}", lambda m, k=kind: m.fromfd(m.socketpair()[0].fileno(), *k))
        for kind in ((1, 1), (1, 2), (2, 1, 6), (-1, -1, -1), (1,), (1, 1, 0, 0))
    ]
    assert differences(calls, stock, ours) == []


def test_descriptors_sent_and_received():
    def exchange(module, sent, received, **named):
        left, right = module.socketpair()
        with left, right:
            left.setblocking(False)
            right.setblocking(False)
            count = module.send_fds(left, *sent, **named)
            data, numbers, flags, address = module.recv_fds(right, *received)
            for number in numbers:
                os.close(number)
            return count, data, len(numbers), flags, address

    buffers = [[b"x"], [], b"x", None, [1]]
    numbers = [[0], [], [-1], ["x"], None, [2**40], [9999], (0, 1), [0] * 300]
    calls = [
        (f"send_fds {pair}", lambda m, p=pair: exchange(m, p, (10, 5))) for pair in itertools.product(buffers, numbers)
    ]
    calls += [
        (f"recv_fds {pair}", lambda m, p=pair: exchange(m, ([b"hello"], [0, 1]), p))
        for pair in itertools.product([0, 1, 10, -1, "x", None], [0, 1, 5, -1, "x", 2**31])
    ]
    calls += [
        (f"{named}", lambda m, n=named: exchange(m, ([b"x"], [0]), (9, 9), **n))
        for named in keyed(flags=[0, 0x40, -1, "x"], address=[None, "p", ("x", 1)])
    ]
    assert differences(calls, stock, ours) == []


def test_makefile():
    def made(module, *arguments, **named):
        left, right = module.socketpair()
        with left, right:
            return left.makefile(*arguments, **named)

    modes = ["r", "w", "rw", "wr", "rb", "wb", "rwb", "b", "", "x", "rt", "rr", "a", None, 1, b"r"]
    calls = [
        (f"{a}", lambda m, a=a: made(m, *a)) for a in itertools.product(modes, [None, 0, 1, -1, -2, 4096, "x", 1.5])
    ]
    calls += [
        (f"{mode} {named}", lambda m, mode=mode, n=named: made(m, mode, **n))
        for mode in ("r", "rb")
        for named in keyed(
            encoding=["latin-1", "nope", 1], errors=["strict", "nope", 1], newline=["", "\n", "x", 1], nonsense=[1]
        )
    ]
    assert differences(calls, stock, ours) == []


def test_a_file_over_a_socket():
    operations = "read readline write close readinto seek tell fileno readable writable seekable truncate flush detach"

    def used(module, mode, buffering, timeout, names):
        left, right = module.socketpair()
        seen = []
        with left, right:
            right.send(b"line one\nline two")
            left.settimeout(timeout)
            with left.makefile(mode, buffering) as file:
                arguments = {"write": ["x" if "b" not in mode else b"x"], "readinto": [bytearray(4)], "seek": [0]}
                for name in names:
                    value = told(lambda _, n=name: getattr(file, n)(*arguments.get(n, [])), module)
                    seen.append("a number" if name == "fileno" and isinstance(value, str) else value)
                    if name == "detach":
                        break
        return seen

    calls = [
        (f"{mode} {buffering} {timeout} {names}", lambda m, a=(mode, buffering, timeout, names): used(m, *a))
        for mode, buffering in (("r", None), ("w", None), ("rw", None), ("rb", None), ("rb", 0), ("wb", 0), ("rwb", 0))
        for timeout in (0, 0.001)
        for names in itertools.product(["read", "write"], operations.split())
    ]
    assert differences(calls, stock, ours) == []


def test_sendfile(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(range(250)) * 4)
    files = {
        "binary": lambda: path.open("rb"),
        "text": path.open,
        "raw": lambda: path.open("rb", buffering=0),
        "memory": lambda: io.BytesIO(b"q" * 100),
        "none": lambda: None,
        "object": object,
    }

    def sent(module, kind, offset, count, timeout, family):
        left, right = module.socketpair(module.AF_UNIX, family)
        file = files[kind]()
        with left, right:
            left.settimeout(timeout)
            right.setblocking(False)
            try:
                value = told(lambda _: left.sendfile(file, offset, count), module)
                return value, file.tell() if hasattr(file, "tell") else None, told(lambda _: right.recv(5000), module)
            finally:
                if hasattr(file, "close"):
                    file.close()

    calls = [
        (f"{a}", lambda m, a=a: sent(m, *a))
        for a in itertools.product(
            files,
            [0, 1, 999, 5000, -1, None, "x"],
            [None, 0, 1, 10, -1, 5000, "x", 1.5],
            [None, 0],
            [stock.SOCK_STREAM, stock.SOCK_DGRAM],
        )
    ]
    assert differences(calls, stock, ours) == []


def test_small_helpers():
    calls = [(f"getfqdn {n!r}", lambda m, n=n: m.getfqdn(n)) for n in ("localhost", "127.0.0.1", "a\0", None, 1, b"")]
    calls += [(f"_intenum {v!r}", lambda m, v=v: m._intenum_converter(v, m.AddressFamily)) for v in (2, 99, "x", None)]
    calls += [("dual", lambda m: m.has_dualstack_ipv6())]
    calls += [(f"inheritable {v!r}", lambda m, v=v: fresh(m).set_inheritable(v)) for v in (True, 0, "x", None, [])]
    assert differences(calls, stock, ours) == []


def fresh(module):
    return module.socket(2, 2)


def sub(module, **names):
    return type("Sub", (module.socket,), names)


IN_REACH = {"copy": copy, "gc": gc, "inspect": inspect, "operator": operator, "pickle": pickle, "sys": sys}
IN_REACH |= {"fresh": fresh, "sub": sub, "weakref": weakref}
OBJECT = {
    name: eval(f"lambda m: ({name}\n)", IN_REACH)
    for name in """
setattr(fresh(m), "family", 1)
setattr(fresh(m), "timeout", 1)
setattr(fresh(m), "x", 1)
setattr(fresh(m), "recv", 1)
delattr(fresh(m), "family")
delattr(fresh(m), "timeout")
fresh(m).nosuch
fresh(m).__dict__
m.socket.recv.__get__(1)
m.socket.__init__(1)
m.socket.__init__()
m.socket.__new__()
m.socket.__new__(1)
m.socket.__new__(int)
m.socket.__new__(m.socket)
m.socket.__new__(m.socket).recv(1)
m.socket.__new__(m.socket).getsockname()
m.socket.__new__(m.socket).bind(1)
m.socket.__new__(m.socket).connect(("127.0.0.1", 1))
m.socket.__new__(m.socket).sendto(b"", 1)
m.socket.__new__(m.socket).gettimeout()
m.socket.__new__(m.socket).fileno()
m.socket.__new__(m.socket).settimeout(1)
m.socket.__new__(m.socket).detach()
m.socket.__new__(m.socket, 1, 2, x=3).proto
(lambda s: (s.__init__(1, 1), int(s.family), int(s.type)))(fresh(m))
(lambda s: s.__init__(99))(fresh(m))
copy.copy(fresh(m))
copy.deepcopy(fresh(m))
pickle.dumps(fresh(m))
pickle.dumps(fresh(m), 0)
fresh(m).__reduce__()
fresh(m).__reduce_ex__(2)
fresh(m).__getstate__()
fresh(m).__sizeof__()
sys.getsizeof(fresh(m))
type(weakref.ref(fresh(m)))
hash(fresh(m)) and 1
fresh(m) == fresh(m)
fresh(m) < fresh(m)
bool(fresh(m))
len(fresh(m))
int(fresh(m))
iter(fresh(m))
fresh(m)()
fresh(m)[0]
fresh(m) + 1
operator.index(fresh(m))
sub(m)()
sub(m, __slots__=())(2, 2)
sub(m, __slots__=("a",))(2, 2)
type("S", (m.socket, int), {})
sub(m, __init__=lambda s, *a: None)(1, 2, 3)
sub(m)(x=1)
repr(m.socket)
repr(m.socket.recv)
repr(fresh(m).recv)
m.gaierror(1, "x")
str(m.gaierror(1, "x"))
m.gaierror(1, "x").errno
pickle.dumps(m.gaierror(1, "x"))
[m.gaierror.__mro__, m.herror.__mro__, m.gaierror.__module__, m.gaierror.__doc__, m.herror.__doc__]
inspect.signature(m.socket)
inspect.signature(m.socket.recv)
inspect.signature(m.close)
inspect.signature(m.htons)
[m.socket.__basicsize__, m.socket.__itemsize__, m.socket.__dictoffset__, m.socket.__weakrefoffset__]
[m.socket.__base__, m.socket.__bases__]
gc.is_tracked(fresh(m))
m.socket.recv(object(), 1)
m.socket(2, 2, 0, None)
m.socket(**{"family": 2, "fileno": None})
m.socket(family=2, **{"x": 1})
m.socket(2, 2, 0, None, None)
m.socket(2, 2, 0, None, **{"fileno": 1})
m.socket({"a": 1})
m.socket(2.0)
m.socket(True)
m.socket(fileno=True + 9998)
m.socket(fileno=2**32 - 1)
m.socket(fileno=-5)
m.socket(fileno="1")
m.socket(fileno=1.0)
m.socket(2, 2, 17, 9999)
m.socket(-1, -1, -1, 9999)
m.socket(family=-1, type=-1, proto=-1)
m.socket(2**31)
m.socket(-(2**31))
m.socket(2, 1 | 2048 | 0o2000000)
m.socket(2, 1, 17)
m.socket(16, 3, 99)
m.socket(38, 5, 7)
""".strip().splitlines()
}


@pytest.mark.parametrize("name", OBJECT)
def test_the_socket_as_an_object(name):
    assert differences([(name, OBJECT[name])], stock_native, ours_native) == []
    assert differences([(name, OBJECT[name])], stock, ours) == []


AUDITED = """
import re, sys, _socket, socket
if sys.argv[2] == "ours":
    from eyesocket import _standard, socket as ours
    _socket, socket = _standard.native, ours
module = {"native": _socket, "face": socket}[sys.argv[1]]
seen = []
def hook(event, values):
    if seen is not None and event.startswith("socket"):
        seen.append(event + re.sub(r"'127.0.0.1', \\d{5}", "", re.sub(r"fd=\\d+|0x\\w+", "", repr(values))))
sys.addaudithook(hook)
s, where = module.socket(2, 2), ("127.0.0.1", 9)
for call in (
    lambda: s.bind(("127.0.0.1", 0)), lambda: s.bind(("x\\0", 1)), lambda: s.bind(1), lambda: s.connect(where),
    lambda: s.connect_ex(where), lambda: s.sendto(b"x", where), lambda: s.sendto(b"x", 0, where),
    lambda: s.sendmsg([b"x"], [], 0, where), lambda: s.sendmsg([b"x"]), lambda: s.send(b""),
    lambda: module.gethostbyname("127.0.0.1"), lambda: module.gethostbyname("b\\xfc.x\\0"),
    lambda: module.gethostbyname_ex("127.0.0.1"), lambda: module.gethostbyaddr("127.0.0.1"), module.gethostname,
    lambda: module.getservbyname("http"), lambda: module.getservbyname("http", "tcp"), lambda: module.getservbyport(80),
    lambda: module.getservbyport(80, "tcp"), lambda: module.getaddrinfo("127.0.0.1", 1),
    lambda: module.getaddrinfo(None, "http", type=1), lambda: module.getaddrinfo("b\\xfc", 1, flags=4),
    lambda: module.getnameinfo(where, 3), lambda: module.getprotobyname("tcp"), lambda: module.sethostname(5),
    lambda: module.dup(9999), lambda: module.close(9999), module.socketpair, module.if_nameindex,
    lambda: module.socket(2, 1, 6), lambda: module.socket("x"), lambda: module.socket(fileno=9999), s.detach,
):
    try:
        call()
    except Exception:
        pass
names, seen = seen, None
print("\\n".join(names).replace("eyesocket.socket", "socket"))
"""


@pytest.mark.parametrize("which", ["native", "face"])
def test_audit_events(which):
    def events(module):
        command = [sys.executable, "-W", "ignore", "-c", AUDITED, which, module]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    theirs = events("stock")
    assert events("ours") == theirs
    assert theirs.count("socket.connect") == 2
