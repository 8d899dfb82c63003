//! Framing: what each decoder does with any stream, and that what can be encoded is decoded again.
//!
//! The first bytes of an input choose the settings and the cuts, the rest is the stream. Every target holds the same:
//! frames, errors and what is left do not depend on the cuts; no frame is over the limit; what was given and what is left
//! is the stream; the memory held is bounded.

use eyesocket::framing::codec::{Codec, Format, Oversize};
use eyesocket::framing::delimited::Delimited;
use eyesocket::framing::length::{Fields, LengthPrefixed, Order};
use eyesocket::framing::netstring::Netstring;
use eyesocket::framing::raw::{Fixed, Raw};
use eyesocket::framing::tlv::Tlv;
use eyesocket::framing::varint::Varint;

#[path = "../../tests/meaning/mod.rs"]
mod meaning;
use meaning::{decoded, elsewhere, read, without_noise};

/// A limit that short streams reach.
const MAX_FRAMES: [usize; 4] = [3, 20, 64, 300];

/// The free bytes at the beginning of an input: the limit and the policy, two for settings, one for cuts.
const CHOICES: usize = 4;

/// The formats, by the names of their targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Lines,
    Delimited,
    Fixed,
    Length,
    Varint,
    Netstring,
    Cobs,
    Slip,
    Tlv,
    Chunked,
    Raw,
}

/// All of them.
pub const ALL: [Which; 11] = [
    Which::Lines,
    Which::Delimited,
    Which::Fixed,
    Which::Length,
    Which::Varint,
    Which::Netstring,
    Which::Cobs,
    Which::Slip,
    Which::Tlv,
    Which::Chunked,
    Which::Raw,
];

fn order(choice: u8) -> Order {
    if choice & 1 == 0 { Order::Big } else { Order::Little }
}

/// The codec for four bytes; `None` where such settings are refused.
fn codec(which: Which, [first, a, b, _]: [u8; CHOICES]) -> Option<Codec> {
    let max_frame = MAX_FRAMES[usize::from(first >> 6)];
    let last = a & 1 == 1;
    let delimited = |delimiters: &[&[u8]]| {
        let delimiters = delimiters.iter().map(|delimiter| delimiter.to_vec()).collect();
        Delimited::new(delimiters, max_frame, last).ok().map(Format::Delimited)
    };
    let format = match which {
        Which::Lines => match a >> 1 & 3 {
            0 => delimited(&[b"\n"])?,
            1 => delimited(&[b"\r\n"])?,
            _ => delimited(&[b"\n", b"\r\n"])?,
        },
        Which::Delimited => match a >> 1 & 7 {
            0 => delimited(&[b"aba"])?,
            1 => delimited(&[b"ab", b"ba"])?,
            2 => delimited(&[b"--=", b"="])?,
            3 => delimited(&[b"aaab", b"b", b"c", b"d"])?,
            4 => delimited(&[b"\0", b"\n", b"\r"])?,
            5 => delimited(&[b"--boundary--"])?,
            _ => delimited(&[&[b, b], &[b.wrapping_add(1), b]])?,
        },
        Which::Fixed => Format::Fixed(Fixed::new(max_frame).ok()?),
        Which::Length => {
            let fields = Fields {
                width: usize::from(a & 7) + 1,
                order: order(first),
                offset: usize::from(a >> 3 & 3),
                adjustment: i64::from(b & 31) - 16,
                skip: (b >> 5).checked_sub(1).map(usize::from),
                counts_header: a & 0x80 != 0,
            };
            Format::LengthPrefixed(LengthPrefixed::new(fields, max_frame).ok()?)
        }
        Which::Varint => Format::Varint(Varint { max_frame }),
        Which::Netstring => Format::Netstring(Netstring { max_frame }),
        Which::Cobs => Format::Cobs,
        Which::Slip => Format::Slip,
        Which::Tlv => {
            let (kind, length) = (usize::from(a & 7) + 1, usize::from(b & 7) + 1);
            Format::Tlv(Tlv::new(kind, length, order(first), max_frame).ok()?)
        }
        Which::Chunked => Format::Chunked,
        Which::Raw => Format::Raw(Raw { max_frame }),
    };
    let oversize = [Oversize::Raise, Oversize::Skip, Oversize::Close, Oversize::Skip][usize::from(first >> 4 & 3)];
    Codec::new(format, max_frame, oversize).ok()
}

/// The decoder of one format against any stream.
pub fn decode(which: Which, data: &[u8]) {
    let Some((choices, wire)) = data.split_first_chunk::<CHOICES>() else { return };
    let Some(codec) = codec(which, *choices) else { return };
    let (whole, used) = read(&codec, [wire].into_iter());
    assert!(whole.frames.iter().all(|(_, frame)| frame.len() <= codec.max_frame), "a frame over the limit");
    let size = 1 + usize::from(choices[3] % 9);
    if which == Which::Raw {
        // The one format whose frames are cut as the stream was.
        assert_eq!(used, wire);
        assert_eq!(read(&codec, wire.chunks(size)).1, wire);
        assert!(
            decoded(&codec, wire.chunks(size)).frames.into_iter().flat_map(|(_, frame)| frame).eq(wire.iter().copied())
        );
        return;
    }
    assert_eq!(read(&codec, wire.chunks(size)).0, whole, "{codec:?} in pieces of {size}");
    assert_eq!(decoded(&codec, wire.chunks(size)), whole, "{codec:?} decoded in pieces of {size}");
    assert_eq!(decoded(&codec, [wire].into_iter()), whole, "{codec:?} decoded");
    assert_eq!(elsewhere(&codec, wire, size), whole, "{codec:?} elsewhere, in pieces of {size}");
    if codec.oversize == Oversize::Skip {
        return;
    }
    if which == Which::Chunked {
        // The last chunk and the trailer fields are used up without a frame.
        assert!(wire.starts_with(&used) && wire.ends_with(&whole.left), "{codec:?}");
    } else {
        let both = [&used[..], &whole.left].concat();
        assert_eq!(without_noise(&codec, &both), without_noise(&codec, wire), "{codec:?}");
    }
}

/// What can be encoded is decoded again, by the codec and settings that the first bytes choose.
pub fn round(data: &[u8]) {
    let Some((choices, rest)) = data.split_first_chunk::<CHOICES>() else { return };
    let Some((choice, rest)) = rest.split_first() else { return };
    let which = ALL[usize::from(*choice) % ALL.len()];
    let Some(codec) = codec(which, *choices) else { return };
    let (mut wire, mut sent) = (Vec::new(), Vec::new());
    for frame in rest.chunks(1 + usize::from(choices[3])) {
        let before = wire.len();
        match codec.encode(u64::from(*choice), frame, &mut wire) {
            Ok(()) => sent.push(frame.to_vec()),
            Err(_) => assert_eq!(wire.len(), before, "a refused frame leaves nothing behind"),
        }
    }
    wire.extend_from_slice(codec.end());
    let read = read(&codec, wire.chunks(5)).0;
    assert_eq!((read.failed, read.skipped, read.left), (None, 0, Vec::new()), "{codec:?}");
    if which == Which::Raw {
        assert_eq!(read.frames.into_iter().flat_map(|(_, frame)| frame).collect::<Vec<_>>(), sent.concat());
        return;
    }
    assert_eq!(read.frames.len(), sent.len(), "{codec:?}");
    for ((tag, got), sent) in read.frames.iter().zip(&sent) {
        assert_eq!(*tag, if which == Which::Tlv { u64::from(*choice) } else { 0 });
        // Where the header is part of a frame, the length in it is filled in.
        assert!(got == sent || (which == Which::Length && got.len() == sent.len()), "{codec:?}");
    }
    if which == Which::Length {
        // Decoded once, it is what it will be.
        let mut again = Vec::new();
        for (_, frame) in &read.frames {
            assert_eq!(codec.encode(0, frame, &mut again), Ok(()), "{codec:?}");
        }
        assert_eq!(again, wire, "{codec:?}");
    }
}
