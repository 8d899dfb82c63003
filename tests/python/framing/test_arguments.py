"""Every number, word and switch that the public face takes: what is none is refused by name, and changes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl

import pytest

from eyesocket import framing
from eyesocket.framing import (
    COBS,
    SLIP,
    TLV,
    DatagramBatch,
    Delimited,
    Fixed,
    HTTPChunked,
    LengthPrefixed,
    Lines,
    Netstring,
    Raw,
    Varint,
)

HUGE = [2**63, 2**64, 2**200, 10**5000]
LIMITED = [Lines, Varint, Netstring, COBS, SLIP, HTTPChunked, Raw, LengthPrefixed, TLV]
SERVED = {"limit": 0, "backlog": -1}


def serve(**words):
    with framing.serve_in_thread(lambda frame, _peer: frame, ("127.0.0.1", 0), Lines(), **words):
        pass


class Face:
    """A framed socket and a batch of datagrams, whose operations may only be refused."""

    def __init__(self, chat, udp):
        self.chat, self.udp, self.batch = chat, udp, DatagramBatch(udp)

    def call(self, name, words):
        owner, _, method = name.rpartition(".")
        if owner == "batch":
            first = [[]] if "send" in method else []
            return getattr(self.batch, method)(*first, **words)
        first = {"send": [b"x"], "send_many": [[b"x"]], "recv_into": [bytearray(9)]}
        return getattr(self.chat, method)(*first.get(method.removesuffix("_async"), []), **words)


@pytest.fixture
def face(pair):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        yield Face(framing.wrap(pair[0], Lines()), udp)


# What takes a whole number: its name, what is called, and numbers that it cannot be beside those beyond any size.
NUMBERS = {
    **{f"{codec.__name__} max_frame": ("max_frame", codec, [0, -1]) for codec in LIMITED},
    "Fixed size": ("size", Fixed, [0, -1]),
    "Delimited max_frame": ("max_frame", lambda **words: Delimited(b"-", **words), [0, -1]),
    "LengthPrefixed width": ("width", LengthPrefixed, [0, -1, 9]),
    "LengthPrefixed offset": ("offset", LengthPrefixed, [-1]),
    "LengthPrefixed skip": ("skip", LengthPrefixed, [-1]),
    "LengthPrefixed adjustment": ("adjustment", LengthPrefixed, [-(2**63)]),
    "TLV type_width": ("type_width", TLV, [0, -1, 9]),
    "TLV length_width": ("length_width", TLV, [0, -1, 9]),
    **{f"serve {name}": (name, serve, [least, -(2**40), 2**31]) for name, least in SERVED.items()},
    **{f"chat {name}": ("most", name, [0, -1]) for name in ("recv_many", "recv_many_async")},
    "DatagramBatch count": ("count", DatagramBatch, [0, -1, 1025]),
    "DatagramBatch size": ("size", DatagramBatch, [0, -1, 65_536]),
}


def called(face, function, words):
    if isinstance(function, str):
        return face.call(function, words)
    return function(face.udp, **words) if function is DatagramBatch else function(**words)


@pytest.mark.parametrize(("name", "function", "wrong"), NUMBERS.values(), ids=NUMBERS)
def test_a_number_that_it_cannot_be_is_refused_by_name(face, name, function, wrong):
    for number in [*wrong, *HUGE, *(-huge for huge in HUGE)]:
        with pytest.raises(ValueError, match=rf"^{name}: .*give ") as caught:
            called(face, function, {name: number})
        assert len(str(caught.value)) < 300
    for value in (True, False, 1.0, float("nan"), "4", b"4", [4], 4j, object()):
        with pytest.raises(TypeError, match=rf"^{name}: a whole number expected, not {type(value).__name__}\b"):
            called(face, function, {name: value})


class Index:
    def __index__(self):
        return 3


def test_what_counts_as_a_number_everywhere_does_so_here(pair):
    chat = framing.wrap(pair[0], Lines(max_frame=Index()))
    pair[1].sendall(b"a\nb\nc\nd\n")
    assert (chat.recv_many(Index(), timeout=30), Fixed(Index()).max_frame) == ([b"a", b"b", b"c"], 3)
    assert chat.recv_many(2**63 - 1, timeout=30) == [b"d"]


OPERATIONS = ["recv", "recv_many", "recv_into", "send", "send_many", "flush"]
TIMED = [*OPERATIONS, *(f"{name}_async" for name in OPERATIONS)]
TIMED += [f"batch.{name}" for name in ("recv", "send", "recv_async", "send_async")]
BAD_TIMES = [-1, -0.5, float("nan"), float("-inf"), 10**400, -(10**400)]


@pytest.mark.parametrize("operation", TIMED)
def test_a_timeout_that_is_none_is_refused_by_name(face, operation):
    for number in BAD_TIMES:
        with pytest.raises(ValueError, match=r"^timeout: .*None for no limit"):
            face.call(operation, {"timeout": number})
    for value in (True, "1", b"1", [1], object()):
        with pytest.raises(TypeError, match=rf"^timeout: seconds or None expected, not {type(value).__name__}\b"):
            face.call(operation, {"timeout": value})


def test_connecting_takes_the_same_timeouts():
    for number in BAD_TIMES:
        with pytest.raises(ValueError, match=r"^timeout: .*None for no limit"):
            framing.connect("/nowhere", Lines(), timeout=number)
    for value in (True, "1"):
        with pytest.raises(TypeError, match=r"^timeout: seconds or None expected"):
            framing.connect("/nowhere", Lines(), timeout=value)


@pytest.mark.parametrize("name", ["grace", "idle_timeout"])
def test_a_servers_times_are_refused_by_name(name):
    for number in (-1, -0.5, float("nan"), -(10**400)):
        with pytest.raises(ValueError, match=rf"^{name}: "):
            serve(**{name: number})
    for value in (True, "1", b"1", [1], object()):
        with pytest.raises(TypeError, match=rf"^{name}: seconds expected, not {type(value).__name__}\b"):
            serve(**{name: value})


def test_a_grace_that_is_none_is_refused_and_the_server_goes_on(way):
    background = framing.serve_in_thread(lambda frame, _peer: frame, ("127.0.0.1", 0), Lines())
    with way.serving(lambda frame, _peer: frame, Lines()) as running, background as address:
        for stop in (running.stop, background.stop):
            for number in (-1, float("nan")):
                with pytest.raises(ValueError, match=r"^grace: "):
                    stop(number)
            for value in ("1", True, [1]):
                with pytest.raises(TypeError, match=r"^grace: seconds expected"):
                    stop(value)
        for served in (running.address, address):
            with framing.connect(served, Lines()) as client:
                client.send(b"x")
                assert client.recv(timeout=30) == b"x"


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("open_end", Lines),
        ("open_end", lambda **words: Delimited(b"-", **words)),
        ("counts_header", LengthPrefixed),
        ("gro", DatagramBatch),
        ("gso", DatagramBatch),
    ],
)
def test_a_switch_is_true_or_false(face, name, function):
    for value in (0, 1, 1.0, "yes", b"", [], object()):
        with pytest.raises(TypeError, match=rf"^{name}: True or False expected, not {type(value).__name__}\b"):
            called(face, function, {name: value})


@pytest.mark.parametrize(("name", "codec"), [("oversize", Lines), ("oversize", TLV), ("byteorder", LengthPrefixed)])
def test_a_word_is_one_of_those_there_are(name, codec):
    for value in ("", "Big", "x" * 10_000, "\ud800"):
        with pytest.raises(ValueError, match=rf'^{name}: .*give "') as caught:
            codec(**{name: value})
        assert len(str(caught.value)) < 1000
    for value in (0, True, b"raise", ["raise"]):
        with pytest.raises(TypeError, match=rf'^{name}: ".* expected, not {type(value).__name__}$'):
            codec(**{name: value})


def test_delimiters_are_bytes():
    for value in (5, 1.5, True, "\n", ["\n"], [b"\n", 5], [[b"\n"]], object()):
        with pytest.raises(TypeError, match=r"^delimiter: bytes expected, not "):
            Delimited(value)
    for value in (5, True, "\n", ["\n"]):
        with pytest.raises(TypeError, match=r"^ending: bytes expected, not "):
            Lines(ending=value)
    assert Delimited(iter([b"a", bytearray(b"b")])).decoder().feed(b"1a2b") == [b"1", b"2"]


def test_a_type_is_a_number():
    codec = TLV(8, 1)
    for number in (-1, *HUGE[1:]):
        with pytest.raises(ValueError, match=r"^frame: its type is not a number of at most 64 bits"):
            codec.encode((number, b""))
    for value in (1.0, "4", b"4", None):
        with pytest.raises(
            TypeError, match=rf"^frame: a whole number as its type expected, not {type(value).__name__}\b"
        ):
            codec.encode((value, b""))


def test_a_refused_argument_has_changed_nothing(face, pair):
    for name in OPERATIONS:
        with contextlib.suppress(ValueError):
            face.call(name, {"timeout": -1})
    pair[1].sendall(b"a\n")
    assert face.chat.recv(timeout=30) == b"a"
    face.chat.send(b"b", timeout=30)
    assert pair[1].recv(9) == b"b\n"


def test_a_header_is_as_long_as_the_limit_allows():
    codec = LengthPrefixed(4, offset=500_000)
    wire = codec.encode(b"content")
    assert (len(wire), codec.decoder().feed(wire)) == (500_011, [b"content"])
    free = 64 << 10
    assert len(LengthPrefixed(4, offset=free + 6, max_frame=10).encode(b"")) == free + 10
    for words in ({"offset": free + 7}, {"skip": free + 11}, {"offset": 7, "skip": 0}):
        with pytest.raises(ValueError, match=rf"^{max(words, key=words.get)}: .*larger max_frame"):
            LengthPrefixed(4, max_frame=10, **words)
    short = LengthPrefixed(4, offset=free, max_frame=10)
    assert short.decoder().feed(short.encode(b"123456")) == [b"123456"]
    with pytest.raises(ValueError, match="7 bytes and 4 of its header exceed max_frame, 10 bytes"):
        short.encode(b"1234567")
    decoder = short.decoder()
    with pytest.raises(framing.FrameTooLarge) as caught:
        decoder.feed(bytes(free) + (7).to_bytes(4, "big"))
    assert (caught.value.length, caught.value.limit, decoder.buffered) == (11, 10, free + 4)


NO_CODEC = [None, 5, "x", b"\n", Lines]
TAKES_A_CODEC = {
    "wrap": lambda sock, codec: framing.wrap(sock, codec),
    "connect": lambda sock, codec: framing.connect(sock.getpeername(), codec),
    "connect_async": lambda sock, codec: asyncio.run(framing.connect_async(sock.getpeername(), codec)),
    "Typed": lambda _, codec: framing.Typed(codec, dumps=str, loads=str),
    "serve": lambda _, codec: framing.serve(print, ("127.0.0.1", 0), codec),
}


@pytest.mark.parametrize("codec", NO_CODEC)
@pytest.mark.parametrize("name", TAKES_A_CODEC)
def test_what_is_no_codec_is_refused_by_name(pair, name, codec):
    with pytest.raises(TypeError, match=r"^codec: .* is none; give one of eyesocket\.framing, such as LengthPrefixed"):
        TAKES_A_CODEC[name](pair[0], codec)
    assert pair[0].fileno() >= 0


@pytest.mark.parametrize("sock", [None, 5, "x"])
def test_what_is_no_socket_is_refused_by_name(sock):
    with pytest.raises(TypeError, match=r"^sock: .* is no socket; give a connected one"):
        framing.wrap(sock, Lines())


@pytest.mark.parametrize("frame", [None, 5, 1.5, [b"x"], object()])
def test_what_is_no_frame_is_refused_by_name(pair, frame):
    chat = framing.wrap(pair[0], Lines())
    for call in (chat.send, lambda frame: chat.send_many([frame]), Lines().encode):
        with pytest.raises(TypeError, match=f"a frame is bytes-like, not {type(frame).__name__}$"):
            call(frame)


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        ({"context": 5}, TypeError, "^context: an ssl.SSLContext or None, not int"),
        ({"context": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)}, ValueError, "^context: it is a client's"),
        ({"per_batch": "no"}, TypeError, "^per_batch: True or False, not str"),
    ],
)
def test_what_cannot_serve_is_refused_before_it_listens(words, kind, said):
    with pytest.raises(kind, match=said):
        serve(**words)


def test_datagrams_are_no_stream():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, pytest.raises(ValueError, match="DatagramBatch"):
        framing.wrap(sock, Lines())


def test_no_size_is_no_size():
    with pytest.raises(TypeError, match=r"^size: "):
        Fixed(None)


def test_a_memoryview_is_no_delimiter():
    with pytest.raises(TypeError, match=r"not memoryview$"):
        Delimited(memoryview(b"x"))


def test_an_abstract_name_in_use_is_said():
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind("")
        name = taken.getsockname()
        taken.listen()
        for address in (name, name.decode("latin-1")):
            with pytest.raises(OSError, match="Address already in use"):
                framing.serve_in_thread(print, address, Lines()).__enter__()
