"""Every function and method, called wrongly: the exception's type, errno and words are the stock module's."""

import _socket as stock
import array
import decimal
import enum
import fractions
import functools
import itertools
import socket as standard
import sys
import warnings

import pytest

from eyesocket import _standard

ours = _standard.native


class Index:
    """Has `__index__`."""

    def __index__(self):
        return 5


class Broken:
    """Raises from every protocol that a C function may use."""

    def __index__(self):
        raise ZeroDivisionError("index")

    def __bool__(self):
        raise ZeroDivisionError("bool")

    def __iter__(self):
        raise ZeroDivisionError("iter")

    def __fspath__(self):
        raise ZeroDivisionError("fspath")

    def __len__(self):
        raise ZeroDivisionError("len")


class Again:
    """Can be iterated over, every time."""

    def __iter__(self):
        return iter([b"x"])


class Int(int):
    pass


class Str(str):
    __slots__ = ()


class Tuple(tuple):
    __slots__ = ()


class Colour(enum.IntEnum):
    RED = 1


VALUES = [
    None,
    True,
    0,
    1,
    -1,
    7,
    2**15,
    2**16 - 1,
    2**16,
    2**31 - 1,
    2**31,
    -(2**31),
    -(2**31) - 1,
    2**32,
    2**63 - 1,
    2**63,
    -(2**63) - 1,
    2**64,
    2**80,
    0.0,
    1.5,
    -0.5,
    float("nan"),
    float("inf"),
    -float("inf"),
    1e300,
    1e-12,
    9.3e9,
    decimal.Decimal(1),
    fractions.Fraction(1, 2),
    1j,
    "",
    "text",
    "a\0b",
    "\udc80",
    "\ud800",
    "b\xfcro",
    "x" * 70,
    ".",
    "a..b",
    "\u3002",
    "127.0.0.1",
    "127.1",
    "::1",
    b"",
    b"bytes",
    b"a\0b",
    b"\xff" * 4,
    b"\xff" * 16,
    bytearray(b"array"),
    bytearray(b""),
    memoryview(b"view"),
    memoryview(b"12345678")[::2],
    array.array("i", [1, 2]),
    (),
    (1,),
    ("a",),
    ("127.0.0.1", 1, 2),
    [],
    [b"x"],
    [1],
    {},
    set(),
    Again(),
    object(),
    object,
    Index(),
    Broken(),
    Int(5),
    Str("127.0.0.1"),
    Colour.RED,
    lambda: None,
    ...,
    sys,
]
"""What may be passed by mistake."""

PORTS = [
    0,
    80,
    -1,
    65535,
    65536,
    2**31,
    2**63,
    2**80,
    -(2**70),
    1.5,
    "80",
    None,
    b"80",
    True,
    Index(),
    Broken(),
    Int(5),
]

HOSTS = [
    "",
    "127.0.0.1",
    "<broadcast>",
    "255.255.255.255",
    "0.0.0.0",
    "::1",
    "::",
    "fe80::1%lo",
    "::ffff:1.2.3.4",
    "01.2.3.4",
    "127.1",
    "0x7f.1",
    "a\0b",
    "\udc80",
    "b\xfcro\0",
    "\xff" * 70,
    "a" * 64 + ".\xfc",
    b"127.0.0.1",
    b"a\0b",
    b"",
    bytearray(b"127.0.0.1"),
    bytearray(b""),
    memoryview(b"127.0.0.1"),
    None,
    1,
    1.5,
    Str("127.0.0.1"),
    Broken(),
]

ADDRESSES = [
    *VALUES,
    *itertools.product(HOSTS, PORTS[:6]),
    *(("127.0.0.1", port) for port in PORTS),
    *(("::1", port, flow) for port in PORTS for flow in (0, 0xFFFFF, 0x100000, -1, 2**32, "x", None)),
    *(("::1", 1, 0, scope) for scope in (0, 1, -1, 2**32, "x", None)),
    ("::1", 1, 0, 0, 0),
    Tuple(("127.0.0.1", 1)),
    ["127.0.0.1", 1],
    "/" * 107,
    "/" * 108,
    "/" * 109,
    b"\0" + b"x" * 107,
    b"\0" + b"x" * 108,
    "\0abstract",
    "/no/such/folder/socket",
    "/no/such/folder\0b",
    ("lo", 0),
    ("lo", 65536),
    ("lo", -1),
    ("lo", 2**40),
    ("lo", 0, 1, 2, b"123456"),
    ("lo", 0, 1, 2, b"123456789"),
    ("lo", 0, 1, 2, "text"),
    ("lo", 0, 2**40),
    ("no-such-interface", 0),
    ("x" * 40, 0),
    ("lo\0", 0),
    ("aead", "gcm(aes)"),
    ("hash", "sha1", 0, 0),
    ("hash", "sha1", 2**17, -1),
    ("x" * 14, "y"),
    ("x", "y" * 64),
    ("hash", 1),
    (0, 0),
    (-1, 0),
    (2**32, 0),
    (1, 2, 3),
    (1, 2, 3, 4),
    (1, 2, 3, 4, 5),
    (9, 2, 3, 4),
]


def outcome(call, of):
    """Give what a program could see of a call."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            value = call(of)
        except BaseException as error:
            return type(error), error.args, getattr(error, "errno", None), str(error)
    if type(value).__name__ == "socket":
        value.close()
        return "a socket"
    return type(value), value


def pair_of(family, kind, protocol=0):
    """Two sockets of the same kind, stock and ours, or a skip where this system has none."""
    try:
        return stock.socket(family, kind, protocol), ours.socket(family, kind, protocol)
    except OSError as error:
        pytest.skip(f"no socket of family {family}: {error}")


REWORDED = ("timestamp too large to convert to C _PyTime_t", "timestamp out of range for platform time_t")
"""What an early release of 3.11 said, and what later ones say."""


def differences(calls, theirs, mine):
    """Compare each `(label, call)` on both."""
    found = []
    for label, call in calls:
        expected, given = outcome(call, theirs), outcome(call, mine)
        if expected != given and repr(expected).replace(*REWORDED) != repr(given):
            found.append(f"{label}: stock {expected!r}, ours {given!r}")
    return found


FUNCTIONS = [name for name in dir(stock) if type(getattr(stock, name)).__name__ == "builtin_function_or_method"]
DANGEROUS = {"close", "dup", "sethostname", "setdefaulttimeout", "gethostbyaddr", "if_nameindex"}
"""Not with arbitrary numbers: they would hit this process's own descriptors, or ask a name server."""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_argument_and_too_many(name):
    calls = [
        (f"{name}{arguments}", lambda module, a=arguments: getattr(module, name)(*a))
        for arguments in ((None,) * 9, ("x",) * 9)
    ]
    if name not in {"getdefaulttimeout", "gethostname", "if_nameindex", "socketpair"}:
        calls.append((name, lambda module: getattr(module, name)()))
    calls.append((f"{name}(bad=1)", lambda module: getattr(module, name)(bad=1)))
    assert differences(calls, stock, ours) == []


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - DANGEROUS))
def test_functions_with_one_odd_value(name):
    # Names of hosts would be looked up.
    values = [
        v
        for v in VALUES
        if not (name.startswith("gethostby") and v in ("text", "x" * 70, b"bytes", bytearray(b"array")))
    ]

    def called(module, value):
        result = getattr(module, name)(value)
        if name == "socketpair":
            result = [(end.close(), type(end).__name__) for end in result]
        return result

    calls = [(f"{name}({value!r})", lambda module, v=value: called(module, v)) for value in values]
    assert differences(calls, stock, ours) == []


@pytest.mark.parametrize(
    "name", ["getnameinfo", "getservbyname", "getservbyport", "inet_ntop", "inet_pton", "socketpair", "CMSG_LEN"]
)
def test_functions_with_two_odd_values(name):
    odd = [None, 0, 2, 10, 16, 80, -1, 70000, 2**40, "tcp", "http", "a\0", b"1234", b"\0" * 16, ("127.0.0.1", 80), 1.5]
    calls = [
        (f"{name}{arguments!r}", lambda module, a=arguments: getattr(module, name)(*a))
        for arguments in itertools.product(odd, odd)
        # A pair is made of these.
        if name != "socketpair" or arguments[0] not in (1, 2)
    ]

    def close(value):
        for end in value if isinstance(value, tuple) else ():
            if type(end).__name__ == "socket":
                end.close()
        return None if isinstance(value, tuple) and value and type(value[0]).__name__ == "socket" else value

    wrapped = [(label, lambda module, c=call: close(c(module))) for label, call in calls]
    assert differences(wrapped, stock, ours) == []


def test_getaddrinfo():
    hosts = [h for h in HOSTS if h != "\xff" * 70]
    numeric = standard.AI_NUMERICHOST
    calls = [
        (f"getaddrinfo({host!r}, {port!r})", lambda m, h=host, p=port: m.getaddrinfo(h, p, 0, 1, 0, numeric))
        for host in hosts
        for port in [*PORTS, "http", "a\0", "\ud800", b"80", b"8\x000"]
    ]
    calls += [
        ("family", lambda m: m.getaddrinfo("127.0.0.1", 1, 10)),
        ("keywords", lambda m: m.getaddrinfo(host="127.0.0.1", port=1, type=1, proto=6, flags=numeric)),
        ("twice", lambda m: m.getaddrinfo("127.0.0.1", 1, host="x")),
        ("missing", lambda m: m.getaddrinfo(host="127.0.0.1")),
        ("flags", lambda m: m.getaddrinfo("127.0.0.1", 1, 0, 0, 0, 2**40)),
        ("type", lambda m: m.getaddrinfo("127.0.0.1", 1, type=77)),
        ("canonical", lambda m: m.getaddrinfo("127.0.0.1", 1, flags=standard.AI_CANONNAME)),
    ]
    assert differences(calls, stock, ours) == []


def test_getnameinfo():
    flags = standard.NI_NUMERICHOST | standard.NI_NUMERICSERV
    addresses = [
        ("127.0.0.1", 80),
        ("::1", 80),
        ("::1", 80, 0, 0),
        ("127.0.0.1", 80, 0),
        ("::1", 80, 0x100000),
        ("::1", 2**31 - 1),
        ("127.0.0.1", -1),
        ("name", 1),
        ("", 1),
        ("a\0", 1),
        (b"127.0.0.1", 1),
        (1, 1),
        ("127.0.0.1",),
        ["127.0.0.1", 1],
    ]
    calls = [
        (f"{address!r} {f}", lambda m, a=address, f=f: m.getnameinfo(a, f))
        for address in addresses
        for f in (flags, -1, 2**40, "x")
    ]
    assert differences(calls, stock, ours) == []


def test_setdefaulttimeout():
    calls = []
    for value in VALUES:

        def call(module, value=value):
            try:
                module.setdefaulttimeout(value)
                return module.getdefaulttimeout()
            finally:
                module.setdefaulttimeout(None)

        calls.append((f"{value!r}", call))
    assert differences(calls, stock, ours) == []


def test_making_a_socket():
    calls = [(f"socket({value!r})", lambda m, v=value: m.socket(v)) for value in VALUES]
    calls += [(f"socket(2, {value!r})", lambda m, v=value: m.socket(2, v)) for value in VALUES]
    calls += [(f"socket(2, 1, {value!r})", lambda m, v=value: m.socket(2, 1, v)) for value in VALUES if value != 7]
    for value in VALUES:
        # A small number may be a descriptor of this process, and closing the object would close it.
        if not isinstance(value, int) or value < 0 or value.bit_length() in (15, 16, 31):
            calls.append((f"fileno={value!r}", lambda m, v=value: m.socket(fileno=v)))
    calls += [
        ("five", lambda m: m.socket(2, 1, 0, None, 5)),
        ("bad", lambda m: m.socket(bad=1)),
        ("twice", lambda m: m.socket(2, family=2)),
        ("sub", lambda m: m.socket.__init__(1)),
        ("new", lambda m: m.socket.__new__(int)),
        ("not a method", lambda m: m.socket.recv(1, 2)),
    ]
    assert differences(calls, stock, ours) == []


METHODS = [name for name in dir(stock.socket) if callable(getattr(stock.socket, name)) and not name.startswith("__")]


@pytest.mark.parametrize("timeout", [None, 0, 0.001], ids=["blocking", "nonblocking", "timeout"])
@pytest.mark.parametrize("name", METHODS)
def test_methods_with_odd_values(name, timeout):
    if timeout is None and name in {
        "_accept",
        "recv",
        "recv_into",
        "recvfrom",
        "recvfrom_into",
        "recvmsg",
        "recvmsg_into",
    }:
        timeout = 0
    calls = [(name, lambda s: getattr(s, name)())]
    calls += [
        (f"{name}({v!r})", lambda s, v=v: getattr(s, name)(v)) for v in VALUES if v != 2**63 - 1 and v != 2**31 - 1
    ]
    calls += [(f"{name}(b'', {v!r})", lambda s, v=v: getattr(s, name)(b"", v)) for v in VALUES]
    calls += [(f"{name}(1, {v!r})", lambda s, v=v: getattr(s, name)(1, v)) for v in VALUES]
    calls += [(f"{name}(bytearray, 1, {v!r})", lambda s, v=v: getattr(s, name)(bytearray(9), 1, v)) for v in VALUES]
    calls += [(f"{name}(1, 1, {v!r})", lambda s, v=v: getattr(s, name)(1, 1, v)) for v in VALUES]
    calls += [(f"{name}([], [], 0, {v!r})", lambda s, v=v: getattr(s, name)([], [], 0, v)) for v in VALUES]
    calls += [
        (f"{name}(*9)", lambda s: getattr(s, name)(*range(9))),
        (f"{name}(bad=1)", eval(f"lambda s: s.{name}(bad=1)")),
    ]
    if name in {"close", "detach"}:
        calls = calls[1:]

    def fresh(module, call):
        # The same state for each call, whatever the one before has done.
        socket = module.socket(2, 2)
        try:
            socket.settimeout(timeout)
            return call(socket)
        finally:
            socket.close()

    wrapped = [(label, lambda m, c=call: fresh(m, c)) for label, call in calls]
    assert differences(wrapped, stock, ours) == []


WAYS = {
    "method": "s.{name}({words})",
    "bound": "(lambda f: f({words}))(s.{name})",
    "stars": "s.{name}(*(), **dict({words}))",
    "type": "type(s).{name}(s, {words})",
    "base": "type(s).__base__.{name}(s, {words})",
    "super": "super(type(s), s).{name}({words})",
    "partial": "functools.partial(s.{name}, {words})()",
    "call": "s.{name}.__call__({words})",
    "nothing": "type(s).{name}()",
    "no socket": "type(s).{name}({words})",
    "another": "type(s).{name}(1, {words})",
}
"""How a method can be called."""


@pytest.mark.parametrize("inherited", [False, True], ids=["raw", "inherited"])
@pytest.mark.parametrize("name", METHODS)
def test_keywords_by_every_way(name, inherited):
    calls = []
    for way, text in WAYS.items():
        for words in ("x=1", "1, x=1") if way != "stars" else ("x=1",):
            for times in (1, 40):
                if inherited is False and way in ("base", "super"):
                    continue

                def call(module, text=text, words=words, times=times):
                    code = text.format(name=name, words=words)
                    made = type("socket", (module.socket,), {})() if inherited else module.socket(2, 2)
                    # The interpreter specialises what runs often; each module gets code of its own.
                    function = eval(f"lambda s: {code}", {"functools": functools})
                    try:
                        made.settimeout(0)
                        return [outcome(function, made) for _ in range(times)]
                    finally:
                        made.close()

                calls.append((f"{way} {words} {times}", call))
    assert differences(calls, stock, ours) == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_keywords_of_functions(name):
    calls = [
        (text, lambda m, t=text: eval(f"m.{name}{t}", {"m": m}))
        for text in ("(x=1)", "(*(), **{'x': 1})", ".__call__(x=1)", "(None, x=1)", "(None, None, None, None, x=1)")
    ]
    assert differences(calls, stock, ours) == []


def is_name(host):
    """Whether a name server would be asked."""
    return isinstance(host, str) and host not in HOSTS


FAMILIES = {
    "INET": (standard.AF_INET, standard.SOCK_DGRAM, 0),
    "INET6": (standard.AF_INET6, standard.SOCK_DGRAM, 0),
    "UNIX": (standard.AF_UNIX, standard.SOCK_DGRAM, 0),
    "NETLINK": (standard.AF_NETLINK, standard.SOCK_RAW, 0),
    "PACKET": (standard.AF_PACKET, standard.SOCK_DGRAM, 0),
    "ALG": (standard.AF_ALG, standard.SOCK_SEQPACKET, 0),
    "VSOCK": (standard.AF_VSOCK, standard.SOCK_STREAM, 0),
    "CAN": (standard.AF_CAN, standard.SOCK_RAW, standard.CAN_RAW),
    "ISOTP": (standard.AF_CAN, standard.SOCK_DGRAM, standard.CAN_ISOTP),
    "J1939": (standard.AF_CAN, standard.SOCK_DGRAM, standard.CAN_J1939),
    "TIPC": (standard.AF_TIPC, standard.SOCK_RDM, 0),
    "RDS": (standard.AF_RDS, standard.SOCK_SEQPACKET, 0),
    "QIPCRTR": (standard.AF_QIPCRTR, standard.SOCK_DGRAM, 0),
    "KEY": (15, standard.SOCK_RAW, 2),
}


def _stands_for(module, family, kind, protocol):
    """A socket that says it is of a family that this system may not have."""
    carrier = module.socket(standard.AF_UNIX, standard.SOCK_DGRAM)
    return module.socket(family, kind, protocol, fileno=carrier.detach())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", ["bind", "connect", "connect_ex", "sendto", "sendmsg"])
def test_addresses_of_every_family(family, method, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calls = []
    internet = FAMILIES[family][0] in (standard.AF_INET, standard.AF_INET6, standard.AF_RDS)
    for address in ADDRESSES:
        if internet and isinstance(address, tuple) and address and is_name(address[0]):
            continue
        arguments = {"sendto": (b"", address), "sendmsg": ([], [], 0, address)}.get(method, (address,))

        def call(module, arguments=arguments):
            socket = _stands_for(module, *FAMILIES[family])
            try:
                socket.settimeout(0)
                return getattr(socket, method)(*arguments)
            finally:
                socket.close()
                for path in tmp_path.iterdir():
                    path.unlink()

        calls.append((f"{method}({address!r})", call))
    assert differences(calls, stock, ours) == []


@pytest.mark.parametrize("family", FAMILIES)
def test_the_names_of_every_family(family):
    calls = []
    for method in ("getsockname", "getpeername", "_accept", "fileno", "gettimeout", "__repr__"):

        def call(module, method=method):
            socket = _stands_for(module, *FAMILIES[family])
            try:
                socket.settimeout(0)
                value = getattr(socket, method)()
                return "a number" if method == "fileno" else str(value).split(", ", 1)[-1]
            finally:
                socket.close()

        calls.append((method, call))
    assert differences(calls, stock, ours) == []


def test_options():
    values = [*VALUES, (1,)]
    calls = [(f"set {v!r}", lambda s, v=v: s.setsockopt(1, 2, v)) for v in values]
    calls += [(f"set level {v!r}", lambda s, v=v: s.setsockopt(v, 2, 1)) for v in values]
    calls += [(f"set null {v!r}", lambda s, v=v: s.setsockopt(1, 2, None, v)) for v in values]
    calls += [(f"set bytes {v!r}", lambda s, v=v: s.setsockopt(1, 2, b"", v)) for v in values]
    calls += [(f"get {v!r}", lambda s, v=v: s.getsockopt(1, v)) for v in values if v != 27]
    calls += [(f"get length {v!r}", lambda s, v=v: s.getsockopt(1, 2, v)) for v in values]
    calls += [("get 1024", lambda s: s.getsockopt(1, 2, 1024)), ("get 1025", lambda s: s.getsockopt(1, 2, 1025))]
    theirs, mine = pair_of(standard.AF_INET, standard.SOCK_STREAM)
    try:
        assert differences(calls, theirs, mine) == []
    finally:
        theirs.close()
        mine.close()


def test_after_close():
    calls = []
    arguments = {
        "bind": (("127.0.0.1", 0),),
        "connect": (("127.0.0.1", 1),),
        "connect_ex": (("127.0.0.1", 1),),
        "getsockopt": (1, 2),
        "recv": (1,),
        "recv_into": (bytearray(1),),
        "recvfrom": (1,),
        "recvfrom_into": (bytearray(1),),
        "recvmsg": (1,),
        "recvmsg_into": ([bytearray(1)],),
        "send": (b"x",),
        "sendall": (b"x",),
        "sendmsg": ([b"x"],),
        "sendto": (b"x", ("127.0.0.1", 1)),
        "setblocking": (True,),
        "setsockopt": (1, 2, 1),
        "settimeout": (1,),
        "shutdown": (2,),
    }
    for name in METHODS:
        for timeout in (None, 0, 0.001):

            def call(module, name=name, timeout=timeout):
                socket = module.socket()
                socket.settimeout(timeout)
                socket.close()
                return getattr(socket, name)(*arguments.get(name, ()))

            calls.append((f"{name} timeout={timeout}", call))
    assert differences(calls, stock, ours) == []


@pytest.mark.parametrize("name", ["recv_into", "recvfrom_into"])
def test_keywords_of_the_calls_that_fill(name):
    calls = [
        ("keywords", lambda s: getattr(s, name)(buffer=bytearray(4), nbytes=2, flags=0)),
        ("mixed", lambda s: getattr(s, name)(bytearray(4), flags=0)),
        ("twice", lambda s: getattr(s, name)(bytearray(4), buffer=b"")),
        ("unknown", lambda s: getattr(s, name)(bytearray(4), size=1)),
        ("missing", lambda s: getattr(s, name)(nbytes=1)),
        ("read-only", lambda s: getattr(s, name)(buffer=b"abc")),
        ("negative", lambda s: getattr(s, name)(bytearray(4), -1)),
        ("large", lambda s: getattr(s, name)(bytearray(4), 5)),
        ("strided", lambda s: getattr(s, name)(memoryview(bytearray(8))[::2])),
        ("empty", lambda s: getattr(s, name)(bytearray())),
    ]
    theirs, mine = pair_of(standard.AF_INET, standard.SOCK_DGRAM)
    try:
        for socket in (theirs, mine):
            socket.settimeout(0)
        assert differences(calls, theirs, mine) == []
    finally:
        theirs.close()
        mine.close()
