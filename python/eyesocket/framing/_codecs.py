"""The codecs: what each is called and what can be set. What they do is native."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from eyesocket import _native

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    _Oversize = Literal["raise", "skip", "close"]
    _ByteOrder = Literal["big", "little"]

__all__ = [
    "COBS",
    "DEFAULT_MAX_FRAME",
    "SLIP",
    "TLV",
    "Codec",
    "Delimited",
    "Fixed",
    "HTTPChunked",
    "LengthPrefixed",
    "Lines",
    "Netstring",
    "Raw",
    "Typed",
    "Varint",
]

DEFAULT_MAX_FRAME = 1 << 20
"""The limit of a frame in bytes where none is given: 1 MiB."""


class Codec(_native.Codec):
    """A format with its limit. Immutable, for any number of connections at once; each process makes its own.

    `max_frame` is the largest frame in bytes, as it is handed over; encoding a larger one is a `ValueError`. What comes
    is measured before memory is taken for it. Where it is larger, `oversize` says what happens: "raise"
    (`FrameTooLarge`, and the stream stays where it is: `unread` gives all from the beginning of that frame on), "skip"
    (it is dropped as it comes, and counted) or "close" (the error, and the connection is closed).
    """


class Lines(Codec):
    r"""Lines. By default LF ends one, a CR before it is no content, and LF is sent.

    `ending=b"\n"`: LF alone, a CR before it is content; `ending=b"\r\n"`: CRLF alone. Bytes behind the last ending are
    a truncated frame, or a last line with `open_end=True`.
    """

    def __new__(
        cls,
        max_frame: int = DEFAULT_MAX_FRAME,
        *,
        ending: bytes | None = None,
        open_end: bool = False,
        oversize: _Oversize = "raise",
    ) -> Self:
        endings = (b"\n", b"\r\n") if ending is None else ending
        return super().__new__(cls, "lines", max_frame, oversize, delimiter=endings, open_end=open_end)


class Delimited(Codec):
    """Frames that end in a delimiter, or in any of several; the first is the one that is sent.

    The delimiter that is complete first ends the frame, the longest of those that are complete at the same byte. A
    frame with a delimiter in it cannot be sent (`ValueError`).
    """

    def __new__(
        cls,
        delimiter: bytes | bytearray | Sequence[bytes | bytearray],
        max_frame: int = DEFAULT_MAX_FRAME,
        *,
        open_end: bool = False,
        oversize: _Oversize = "raise",
    ) -> Self:
        return super().__new__(cls, "delimited", max_frame, oversize, delimiter=delimiter, open_end=open_end)


class Fixed(Codec):
    """Frames of `size` bytes each."""

    def __new__(cls, size: int) -> Self:
        if size is None:
            # What stands for the usual limit elsewhere is no size.
            message = "size: a whole number expected, not NoneType"
            raise TypeError(message)
        return super().__new__(cls, "fixed", size, "raise")


class LengthPrefixed(Codec):
    """Frames behind a length of `width` bytes, 1 to 8.

    `offset` bytes come before the length, `length + adjustment` behind it; with `counts_header` the length counts the
    `offset` and its own bytes too. The first `skip` bytes of all that are not handed over (None: offset and length); of
    these, what is beyond 64 KiB counts towards `max_frame`.
    What a skipped header holds beside the length is sent as zeros; what is handed over of it is part of the frame, and
    the length in it is filled in.
    """

    def __new__(
        cls,
        width: int = 4,
        byteorder: _ByteOrder = "big",
        *,
        offset: int = 0,
        adjustment: int = 0,
        skip: int | None = None,
        counts_header: bool = False,
        max_frame: int = DEFAULT_MAX_FRAME,
        oversize: _Oversize = "raise",
    ) -> Self:
        return super().__new__(
            cls,
            "length",
            max_frame,
            oversize,
            width=width,
            byteorder=byteorder,
            offset=offset,
            adjustment=adjustment,
            skip=skip,
            counts_header=counts_header,
        )


class Varint(Codec):
    """Frames behind a base-128 length of at most 10 bytes, as protobuf's delimited messages; none overlong."""

    def __new__(cls, max_frame: int = DEFAULT_MAX_FRAME, *, oversize: _Oversize = "raise") -> Self:
        return super().__new__(cls, "varint", max_frame, oversize)


class Netstring(Codec):
    """Netstrings, `5:hello,`. Leading zeros are errors."""

    def __new__(cls, max_frame: int = DEFAULT_MAX_FRAME, *, oversize: _Oversize = "raise") -> Self:
        return super().__new__(cls, "netstring", max_frame, oversize)


class COBS(Codec):
    """Consistent overhead byte stuffing: a zero byte ends a frame and none is in it."""

    def __new__(cls, max_frame: int = DEFAULT_MAX_FRAME, *, oversize: _Oversize = "raise") -> Self:
        return super().__new__(cls, "cobs", max_frame, oversize)


class SLIP(Codec):
    """SLIP (RFC 1055). It has no empty frame."""

    def __new__(cls, max_frame: int = DEFAULT_MAX_FRAME, *, oversize: _Oversize = "raise") -> Self:
        return super().__new__(cls, "slip", max_frame, oversize)


class TLV(Codec):
    """Type, length, value. A frame is `(type, value)`; the length counts the value alone."""

    def __new__(
        cls,
        type_width: int = 1,
        length_width: int = 2,
        byteorder: _ByteOrder = "big",
        *,
        max_frame: int = DEFAULT_MAX_FRAME,
        oversize: _Oversize = "raise",
    ) -> Self:
        return super().__new__(
            cls, "tlv", max_frame, oversize, type_width=type_width, width=length_width, byteorder=byteorder
        )


class HTTPChunked(Codec):
    """The chunked coding of HTTP/1.1 (RFC 9112 section 7.1): a frame is a chunk.

    Behind the last one `FramedSocket.send_end()`, with trailer fields where there are some; `end()` gives the bytes.
    Trailer fields that come are checked and passed over: who wants them reads the body with `eyesocket.http`.
    """

    def __new__(cls, max_frame: int = DEFAULT_MAX_FRAME, *, oversize: _Oversize = "raise") -> Self:
        return super().__new__(cls, "chunked", max_frame, oversize)


class Raw(Codec):
    """Whatever came, at most `max_frame` bytes at a time: the one codec whose frames are cut as the stream was."""

    def __new__(cls, max_frame: int = DEFAULT_MAX_FRAME) -> Self:
        return super().__new__(cls, "raw", max_frame, "raise")


class Typed(Codec):
    """Values over the frames of `codec`: `dumps` makes bytes of a value, `loads` a value of bytes.

    Where `loads` raises, the frame is in the exception's `partial`, and the next receive goes on behind it. With values
    before it in the same call these are given first, and `loads` sees the frame again in the next call.
    """

    def __new__(cls, codec: _native.Codec, dumps: Callable[[Any], Any], loads: Callable[[Any], Any]) -> Self:
        checked(codec)
        return super().__new__(cls, codec, dumps=dumps, loads=loads)


def checked(codec: object) -> None:
    """Refuse what is no codec, a codec's class above all, before anything is done with it."""
    if not isinstance(codec, _native.Codec):
        message = f"codec: {codec!r} is none; give one of eyesocket.framing, such as LengthPrefixed(4)"
        raise TypeError(message)
