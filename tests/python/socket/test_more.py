"""What the standard library's socket does not have."""

import contextlib
import errno
import subprocess
import sys
import threading
import time

import pytest

from eyesocket import errors, socket


@pytest.fixture
def pair():
    ends = socket.socketpair()
    yield ends
    for end in ends:
        end.close()


@pytest.fixture
def datagrams():
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        sender.connect(receiver.getsockname())
        yield sender, receiver


def test_recv_exactly_waits_for_all_of_it(pair):
    left, right = pair
    sender = threading.Thread(target=lambda: [left.sendall(b"abc") for _ in range(1000)])
    sender.start()
    assert right.recv_exactly(3000) == b"abc" * 1000
    sender.join()


def test_recv_exactly_into(pair):
    left, right = pair
    buffer = bytearray(10)
    left.sendall(b"0123456789")
    assert right.recv_exactly_into(buffer, timeout=5) is None
    assert buffer == b"0123456789"


@pytest.mark.parametrize("into", [False, True])
def test_what_came_before_the_end_is_not_lost(pair, into):
    left, right = pair
    left.sendall(b"half")
    left.close()
    with pytest.raises(errors.TruncatedError) as caught:
        right.recv_exactly_into(bytearray(8)) if into else right.recv_exactly(8)
    assert caught.value.partial == b"half"
    assert isinstance(caught.value, EOFError)


@pytest.mark.parametrize("into", [False, True])
def test_one_deadline_for_the_whole(pair, into):
    left, right = pair
    stop = threading.Event()

    def trickle():
        while not stop.wait(0.02):
            left.send(b"x")

    sender = threading.Thread(target=trickle)
    sender.start()
    try:
        began = time.monotonic()
        with pytest.raises(TimeoutError) as caught:
            right.recv_exactly_into(bytearray(10**6), timeout=0.2) if into else right.recv_exactly(10**6, timeout=0.2)
        assert 0.15 < time.monotonic() - began < 5
        assert set(caught.value.partial) == {ord("x")}
    finally:
        stop.set()
        sender.join()


def test_the_timeout_is_the_sockets_own(pair):
    _, right = pair
    right.settimeout(0.01)
    for call in (lambda: right.recv_exactly(1), lambda: right.recv_exactly_into(bytearray(1))):
        with pytest.raises(TimeoutError):
            call()
    with pytest.raises(ValueError, match="timeout"):
        right.recv_exactly_into(bytearray(1), timeout=-1)


@pytest.mark.parametrize("into", [False, True])
@pytest.mark.parametrize("how", ["socket", "argument"])
def test_nothing_to_wait_for(pair, into, how):
    left, right = pair
    left.sendall(b"half")
    if how == "socket":
        right.setblocking(False)
    limit = {} if how == "socket" else {"timeout": 0}
    with pytest.raises(BlockingIOError) as caught:
        right.recv_exactly_into(bytearray(8), **limit) if into else right.recv_exactly(8, **limit)
    assert caught.value.errno == errno.EAGAIN
    assert caught.value.partial == b"half"
    left.sendall(b"all of it")
    assert right.recv_exactly(9, **limit) == b"all of it"


BAD = {
    "recv_exactly(-1)": (ValueError, "bufsize: -1 is negative"),
    "recv_exactly('x')": (TypeError, "bufsize: a whole number expected, not str"),
    "recv_exactly(1.5)": (TypeError, "bufsize: a whole number expected, not float"),
    "recv_exactly(2**70)": (OverflowError, "bufsize: "),
    "recv_exactly(1, timeout=-1)": (ValueError, "timeout: -1"),
    "recvmmsg(-1, 1)": (ValueError, "count: -1 is negative"),
    "recvmmsg(1, -1)": (ValueError, "bufsize: -1 is negative"),
    "recvmmsg('x', 1)": (TypeError, "count: "),
    "recvmmsg(1, 'x')": (TypeError, "bufsize: "),
    "recvmmsg(2**70, 1)": (OverflowError, "count: "),
    "recvmmsg(1, 1, 2**40)": (OverflowError, "flags: "),
    "sendmmsg([b'x'], 2**40)": (OverflowError, "flags: "),
    "send_segments(b'x', -1)": (ValueError, "size: -1 is negative"),
    "send_segments(b'x', 'x')": (TypeError, "size: "),
    "send_segments(b'x', 1, None, 2**40)": (OverflowError, "flags: "),
    "recv_segments(-1)": (ValueError, "bufsize: -1 is negative"),
    "recv_segments('x')": (TypeError, "bufsize: "),
}


@pytest.mark.parametrize("call", BAD)
def test_bad_arguments_in_our_words(pair, call):
    kind, words = BAD[call]
    with pytest.raises(kind) as caught:
        eval(f"s.{call}", {"s": pair[0]})
    assert str(caught.value).startswith(words)
    assert "size'" not in "".join(getattr(caught.value, "__notes__", []))


def test_sendall_says_how_much_went_out(pair):
    left, _ = pair
    left.settimeout(0.05)
    with pytest.raises(TimeoutError) as caught:
        left.sendall(bytes(1 << 24))
    assert 0 < caught.value.sent < 1 << 24


def test_sendmsg_says_that_nothing_went_out(pair):
    left, right = pair
    right.close()
    with pytest.raises(BrokenPipeError) as caught:
        left.sendmsg([b"x"])
    assert caught.value.sent == 0


def test_batches(datagrams):
    sender, receiver = datagrams
    messages = [bytes([n]) * n for n in range(1, 101)]
    assert sender.sendmmsg(messages) == 100
    came = []
    while len(came) < 100:
        came += receiver.recvmmsg(32, 2048)
    assert [datagram.data for datagram in came] == messages
    assert {datagram.address for datagram in came} == {sender.getsockname()}
    assert {datagram.time for datagram in came} == {None}


def test_batches_to_addresses(datagrams):
    sender, receiver = datagrams
    assert sender.sendmmsg([(b"a", receiver.getsockname()), bytearray(b"b"), memoryview(b"c")]) == 3
    assert [data for data, _, _ in receiver.recvmmsg(10, 10)] == [b"a", b"b", b"c"]
    assert sender.sendmmsg([]) == 0
    assert sender.sendmmsg(iter([b""])) == 1
    assert receiver.recvmmsg(1, 10)[0].data == b""


def test_a_batch_that_fails_says_how_many_went_out(datagrams):
    sender, _ = datagrams
    with pytest.raises(OSError, match="Message too long") as caught:
        sender.sendmmsg([bytes(70000), b"x"])
    assert (caught.value.errno, caught.value.sent) == (errno.EMSGSIZE, 0)
    assert sender.sendmmsg([b"x", bytes(70000)]) == 1
    with pytest.raises(TypeError):
        sender.sendmmsg([b"x", "text"])


def test_batches_keep_to_the_timeout(datagrams):
    _, receiver = datagrams
    receiver.settimeout(0.01)
    with pytest.raises(TimeoutError):
        receiver.recvmmsg(2, 10)
    receiver.settimeout(0)
    with pytest.raises(BlockingIOError):
        receiver.recvmmsg(2, 10)
    for count in (0, 1025):
        with pytest.raises(ValueError, match="count"):
            receiver.recvmmsg(count, 10)
    with pytest.raises((MemoryError, OverflowError)):
        receiver.recvmmsg(1024, 2**62)


def test_the_kernels_timestamps(datagrams):
    sender, receiver = datagrams
    receiver.settimeout(0)
    with pytest.raises(BlockingIOError):
        receiver.recvmmsg(1, 10, timestamps=True)
    receiver.settimeout(5)
    before = time.time()
    sender.sendmmsg([b"one", b"two"])
    after = time.time()
    came = receiver.recvmmsg(1, 10, timestamps=True) + receiver.recvmmsg(1, 10, timestamps=True)
    assert [datagram.data for datagram in came] == [b"one", b"two"]
    assert before - 0.01 <= came[0].time <= came[1].time <= after + 0.01


def test_segments(datagrams):
    sender, receiver = datagrams
    receiver.settimeout(0)
    with pytest.raises(BlockingIOError):
        receiver.recv_segments()
    receiver.settimeout(5)
    data = bytes(range(256)) * 40
    assert sender.send_segments(data, 1000) == len(data)
    pieces = []
    while sum(map(len, pieces)) < len(data):
        came, address = receiver.recv_segments()
        assert address == sender.getsockname()
        pieces += came
    assert b"".join(pieces) == data
    assert [len(piece) for piece in pieces] == [1000] * 10 + [240]


def test_more_segments_than_the_kernel_takes_at_once(datagrams):
    sender, receiver = datagrams
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    assert sender.send_segments(bytes(20000), 100, receiver.getsockname()) == 20000
    assert sum(len(datagram.data) for datagram in receiver.recvmmsg(200, 100)) == 20000
    for size in (0, 65508):
        with pytest.raises(ValueError, match="size"):
            sender.send_segments(b"x", size)


def test_the_functions_want_our_own_sockets():
    import socket as standard

    from eyesocket import _native

    with standard.socket() as stock, pytest.raises(TypeError, match="eyesocket"):
        _native.send_messages(stock, [])


def test_happy_eyeballs():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = ("localhost", server.getsockname()[1])
        with socket.create_connection(address, 5, happy_eyeballs=True) as client:
            assert client.getpeername() == server.getsockname()
            assert client.gettimeout() == 5
            assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
    with pytest.raises(ConnectionRefusedError) as caught:
        socket.create_connection(server_gone(), happy_eyeballs=True)
    assert caught.value.address.startswith("127.0.0.1:")
    with pytest.raises(ValueError, match="source_address"):
        socket.create_connection(address, source_address=("127.0.0.1", 0), happy_eyeballs=True)


@pytest.mark.parametrize("happy", [False, True])
def test_a_connect_that_fails_names_the_address_and_nothing_that_came(happy):
    address = server_gone()
    for timeout, kind in ((5, ConnectionRefusedError), (0, BlockingIOError)):
        with pytest.raises(kind) as caught:
            socket.create_connection(address, timeout, happy_eyeballs=happy)
        assert caught.value.address == f"127.0.0.1:{address[1]}"
        assert caught.value.__notes__ == [f"connecting to 127.0.0.1:{address[1]}"]
        assert not hasattr(caught.value, "partial")


def test_happy_eyeballs_that_time_out_name_the_address():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, contextlib.ExitStack() as stack:
        for _ in range(4):  # The queue is full, and the kernel lets the next wait.
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(server.getsockname())
        with pytest.raises(TimeoutError) as caught:
            socket.create_connection(server.getsockname(), 0.05, happy_eyeballs=True)
        assert caught.value.address == f"127.0.0.1:{server.getsockname()[1]}"
        assert not hasattr(caught.value, "partial")


def test_happy_eyeballs_take_what_the_plain_ones_take(unknown_name):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for host, service in ((b"127.0.0.1", port), (None, port), ("127.0.0.1", str(port)), ("localhost", str(port))):
            with socket.create_connection((host, service), 5, happy_eyeballs=True) as client:
                assert client.getpeername()[1] == port
    for port in (-1, 65536, 99999):
        with pytest.raises(OverflowError, match=f"port: {port} .*65535"):
            socket.create_connection(("127.0.0.1", port), happy_eyeballs=True)
    with pytest.raises(TypeError, match="port: "):
        socket.create_connection(("127.0.0.1", None), happy_eyeballs=True)
    with pytest.raises(TypeError, match="host: "):
        socket.create_connection((1, 1), happy_eyeballs=True)
    for address in ((unknown_name, 1), ("127.0.0.1", "no-such-service")):
        with pytest.raises(socket.gaierror) as caught:
            socket.create_connection(address, happy_eyeballs=True)
        assert not hasattr(caught.value, "partial")
        with pytest.raises(socket.gaierror) as plain:
            socket.create_connection(address)
        assert caught.value.args == plain.value.args


def test_happy_eyeballs_can_be_forbidden():
    """An audit hook sees the host that is asked for, and may refuse it."""
    program = """
import sys
from eyesocket import socket
def hook(event, values):
    if event == "socket.getaddrinfo":
        raise LookupError(values)
sys.addaudithook(hook)
try:
    socket.create_connection(("127.0.0.1", 9), happy_eyeballs=True)
except LookupError as error:
    print(error)
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert told == "('127.0.0.1', 9, 0, 1, 0)\n"


@pytest.mark.parametrize(
    ("family", "address", "shown"),
    [
        (socket.AF_UNIX, "/no/such folder/socket", "/no/such folder/socket"),
        (socket.AF_UNIX, b"/no/such/socket", "/no/such/socket"),
        (socket.AF_UNIX, "\0eyesocket-nobody", "@eyesocket-nobody"),
        (socket.AF_UNIX, "/no/such\nline", "/no/such\\nline"),
        (socket.AF_UNIX, "/no/\udcff", "/no/\ufffd"),
        (socket.AF_INET6, ("::1", 1, 0), "[::1]:1"),
        (socket.AF_INET6, ("::1", 1, 0, 0), "[::1]:1"),
        (socket.AF_INET6, ("fe80::1", 1, 0, 999999), "[fe80::1%999999]:1"),
    ],
)
def test_an_address_is_shown_as_people_write_it(family, address, shown):
    with socket.socket(family) as client, pytest.raises(OSError) as caught:  # noqa: PT011
        client.connect(address)
    assert caught.value.address == shown
    assert caught.value.__notes__ == [f"connecting to {shown}"]


def server_gone():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()
