"""Messages over streams: one send is one recv, whatever TCP does in between.

A codec says where a frame begins and ends; `connect` and `wrap` lay it over a connection:

    with framing.connect(("127.0.0.1", 5600), framing.LengthPrefixed(4)) as chat:
        chat.send(b"one message")
        chat.recv()

Every codec works without a socket too: `codec.encode(frame)`, and `codec.decoder().feed(data)`.
"""

from __future__ import annotations

from eyesocket._native import Decoder, Joined
from eyesocket.errors import EndOfStream, FrameTooLarge, TruncatedFrame
from eyesocket.framing._codecs import (
    COBS,
    DEFAULT_MAX_FRAME,
    SLIP,
    TLV,
    Codec,
    Delimited,
    Fixed,
    HTTPChunked,
    LengthPrefixed,
    Lines,
    Netstring,
    Raw,
    Typed,
    Varint,
)
from eyesocket.framing._datagrams import DatagramBatch
from eyesocket.framing._serving import LoopServer, Server, ServingThread, ThreadServer, serve, serve_in_thread
from eyesocket.framing._sockets import FramedSocket, connect, connect_async, wrap

__all__ = [
    "COBS",
    "DEFAULT_MAX_FRAME",
    "SLIP",
    "TLV",
    "Codec",
    "DatagramBatch",
    "Decoder",
    "Delimited",
    "EndOfStream",
    "Fixed",
    "FrameTooLarge",
    "FramedSocket",
    "HTTPChunked",
    "Joined",
    "LengthPrefixed",
    "Lines",
    "LoopServer",
    "Netstring",
    "Raw",
    "Server",
    "ServingThread",
    "ThreadServer",
    "TruncatedFrame",
    "Typed",
    "Varint",
    "connect",
    "connect_async",
    "serve",
    "serve_in_thread",
    "wrap",
]
