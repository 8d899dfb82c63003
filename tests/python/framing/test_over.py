"""A decoder of which nothing more will come holds no more than it may, however much it is fed."""

from __future__ import annotations

import pytest

from eyesocket.framing import HTTPChunked, LengthPrefixed, Lines, Netstring


@pytest.mark.parametrize(
    ("codec", "begin"),
    [
        (Lines(100), b"x" * 1000),
        (Lines(100, oversize="close"), b"x" * 1000),
        (LengthPrefixed(4, max_frame=100), b"\xff" * 4),
        (Netstring(100), b"zz"),
        (HTTPChunked(100), b"0\r\n\r\n"),
    ],
)
def test_what_comes_behind_an_error_or_an_end_is_not_kept_without_bound(codec, begin):
    decoder, refused = codec.decoder(), 0
    for piece in [begin, *[bytes(100_000)] * 50]:
        before = decoder.buffered
        try:
            decoder.feed(piece)
        except ValueError:
            # A FrameTooLarge and a ProtocolError are none.
            refused += 1
        except OSError:
            refused += decoder.buffered == before
    assert decoder.buffered <= 100 + (256 << 10) + 100_000
    assert refused >= 40
    # What is held is the stream from where it stopped.
    held = decoder.unread()
    assert (begin + bytes(len(held))).endswith(held) or (begin + bytes(len(held))).startswith(held)
