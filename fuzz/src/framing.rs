//! Framing: what each decoder does with any stream, and that what can be encoded is decoded again.
//!
//! The first bytes of an input choose the settings and the cuts, the rest is the stream. Every target holds the same:
//! frames, errors and what is left do not depend on the cuts; no frame is over the limit; what was given and what is left
//! is the stream; the memory held is bounded.

use eyesocket::error::Cause;
use eyesocket::framing::codec::{Codec, Format, Oversize};
use eyesocket::framing::decoder::{Decoder, Frame};
use eyesocket::framing::delimited::Delimited;
use eyesocket::framing::length::{Fields, LengthPrefixed, Order};
use eyesocket::framing::netstring::Netstring;
use eyesocket::framing::raw::{Fixed, Raw};
use eyesocket::framing::tlv::Tlv;
use eyesocket::framing::varint::Varint;

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

/// What a stream meant.
#[derive(Debug, PartialEq)]
struct Read {
    frames: Vec<(u64, Vec<u8>)>,
    failed: Option<Cause>,
    left: Vec<u8>,
    skipped: u64,
}

/// As a socket does it: feeds, then takes. Also the bytes of the stream that the frames were.
fn read(codec: &Codec, pieces: &[&[u8]]) -> (Read, Vec<u8>) {
    let mut decoder = Decoder::new(codec.clone());
    let (mut frames, mut used, mut failed) = (Vec::new(), Vec::new(), None);
    for piece in pieces.iter().copied().map(Some).chain([None]) {
        match piece {
            Some(piece) => decoder.feed(piece),
            None => decoder.eof(),
        }
        while failed.is_none() {
            match decoder.take_whole(|frame, wire| (frame.tag, frame.bytes.to_vec(), wire)) {
                Ok(Some((tag, bytes, wire))) => {
                    frames.push((tag, bytes));
                    used.extend(wire);
                }
                Ok(None) => break,
                Err(error) => failed = Some(error.cause.clone()),
            }
        }
        assert_eq!(decoder.buffered(), decoder.pending().len(), "{codec:?}");
    }
    assert_eq!(failed.is_none(), decoder.at_end(), "{codec:?}");
    let skipped = decoder.skipped();
    (Read { frames, failed, left: decoder.unread(), skipped }, used)
}

/// Feeds and takes at once.
fn decoded(codec: &Codec, pieces: &[&[u8]]) -> Read {
    let mut decoder = Decoder::new(codec.clone());
    let (mut frames, mut failed) = (Vec::new(), None);
    let mut each = |frame: Frame<'_>| frames.push((frame.tag, frame.bytes.to_vec()));
    for piece in pieces {
        if let Err(error) = decoder.decode(piece, &mut each) {
            failed = Some(error.cause.clone());
        }
        // A header and a delimiter at most beside a frame.
        assert!(failed.is_some() || decoder.buffered() <= 2 * codec.max_frame + 4096 + 64, "{codec:?}");
    }
    decoder.eof();
    if let Err(error) = decoder.decode(b"", &mut each) {
        failed = Some(error.cause.clone());
    }
    let skipped = decoder.skipped();
    Read { frames, failed, left: decoder.unread(), skipped }
}

/// Receives what is coming elsewhere, where the header tells.
fn elsewhere(codec: &Codec, wire: &[u8], size: usize) -> Read {
    let mut decoder = Decoder::new(codec.clone());
    let (mut frames, mut failed, mut at) = (Vec::new(), None, 0);
    loop {
        match decoder.take(|frame| (frame.tag, frame.bytes.to_vec())) {
            Ok(Some(frame)) => {
                frames.push(frame);
                continue;
            }
            Ok(None) => {}
            Err(error) => {
                failed = Some(error.cause.clone());
                break;
            }
        }
        if at == wire.len() {
            if decoder.has_eof() {
                break;
            }
            decoder.eof();
            continue;
        }
        let coming = decoder.coming().ok().flatten();
        let coming = coming.map(|coming| (coming.tag, coming.length, coming.here.to_vec()));
        let begun = at;
        if let Some((tag, length, mut content)) = coming {
            assert!(content.len() < length && length <= codec.max_frame, "{codec:?}");
            at = (at + length - content.len()).min(wire.len());
            content.extend_from_slice(&wire[begun..at]);
            if content.len() == length {
                decoder.passed_on();
                frames.push((tag, content));
                continue;
            }
        } else {
            at = (at + size).min(wire.len());
        }
        decoder.feed(&wire[begun..at]);
    }
    decoder.feed(&wire[at..]);
    let skipped = decoder.skipped();
    Read { frames, failed, left: decoder.unread(), skipped }
}

/// The stream without bytes that are of no frame and are dropped between frames.
fn without_noise(codec: &Codec, wire: &[u8]) -> Vec<u8> {
    let end = match codec.format {
        Format::Slip => 0xc0,
        Format::Cobs => 0,
        _ => return wire.to_vec(),
    };
    let mut kept: Vec<u8> = Vec::new();
    for byte in wire {
        if *byte != end || kept.last().is_some_and(|last| *last != end) {
            kept.push(*byte);
        }
    }
    kept
}

/// The decoder of one format against any stream.
pub fn decode(which: Which, data: &[u8]) {
    let Some((choices, wire)) = data.split_first_chunk::<CHOICES>() else { return };
    let Some(codec) = codec(which, *choices) else { return };
    let (whole, used) = read(&codec, &[wire]);
    assert!(whole.frames.iter().all(|(_, frame)| frame.len() <= codec.max_frame), "a frame over the limit");
    let size = 1 + usize::from(choices[3] % 9);
    let cut: Vec<&[u8]> = wire.chunks(size).collect();
    if which == Which::Raw {
        // The one format whose frames are cut as the stream was.
        assert_eq!(used, wire);
        assert_eq!(read(&codec, &cut).1, wire);
        assert!(decoded(&codec, &cut).frames.into_iter().flat_map(|(_, frame)| frame).eq(wire.iter().copied()));
        return;
    }
    assert_eq!(read(&codec, &cut).0, whole, "{codec:?} in pieces of {size}");
    assert_eq!(decoded(&codec, &cut), whole, "{codec:?} decoded in pieces of {size}");
    assert_eq!(decoded(&codec, &[wire]), whole, "{codec:?} decoded");
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
    let read = read(&codec, &wire.chunks(5).collect::<Vec<_>>()).0;
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
