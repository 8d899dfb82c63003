//! Every format against every cut, and against tokio-util where both have it.
#![expect(clippy::unwrap_used, reason = "settings that the test itself writes down")]
use eyesocket::error::Cause;
use eyesocket::framing::codec::{Codec, Format, Oversize};
use eyesocket::framing::decoder::Decoder;
use eyesocket::framing::delimited::Delimited;
use eyesocket::framing::length::{Fields, LengthPrefixed, Order};
use eyesocket::framing::netstring::Netstring;
use eyesocket::framing::raw::Fixed;
use eyesocket::framing::tlv::Tlv;
use eyesocket::framing::varint::Varint;
use proptest::prelude::*;
use tokio_util::bytes::{Bytes, BytesMut};
use tokio_util::codec::{Decoder as _, Encoder as _, LengthDelimitedCodec, LinesCodec};

mod meaning;
use meaning::{decoded, elsewhere, read, without_noise};

const MAX: usize = 300;

fn codec(format: Format) -> Codec {
    Codec::new(format, MAX, Oversize::Raise).unwrap()
}

fn lines() -> Codec {
    codec(Format::Delimited(Delimited::new(vec![b"\n".to_vec(), b"\r\n".to_vec()], MAX, true).unwrap()))
}

/// Every format with a limit that short streams reach, under one policy.
fn limited(max_frame: usize, oversize: Oversize) -> Vec<Codec> {
    let crlf = vec![b"\n".to_vec(), b"\r\n".to_vec()];
    let odd = Fields { width: 2, order: Order::Little, offset: 1, adjustment: -2, skip: Some(2), counts_header: true };
    let formats = vec![
        Format::LengthPrefixed(LengthPrefixed::new(Fields { width: 1, ..Fields::default() }, max_frame).unwrap()),
        Format::LengthPrefixed(LengthPrefixed::new(odd, max_frame).unwrap()),
        Format::Delimited(Delimited::new(crlf.clone(), max_frame, false).unwrap()),
        Format::Delimited(Delimited::new(crlf, max_frame, true).unwrap()),
        Format::Delimited(Delimited::new(vec![b"--=".to_vec(), b"=".to_vec()], max_frame, true).unwrap()),
        Format::Delimited(Delimited::new(vec![b"abab".to_vec()], max_frame, false).unwrap()),
        Format::Varint(Varint { max_frame }),
        Format::Netstring(Netstring { max_frame }),
        Format::Tlv(Tlv::new(1, 2, Order::Big, max_frame).unwrap()),
        Format::Fixed(Fixed::new(max_frame).unwrap()),
        Format::Cobs,
        Format::Slip,
        Format::Chunked,
    ];
    formats.into_iter().map(|format| Codec::new(format, max_frame, oversize).unwrap()).collect()
}

const FORMATS: usize = 13;
const POLICIES: [Oversize; 3] = [Oversize::Raise, Oversize::Skip, Oversize::Close];

/// Bytes that mean something in one format or the other.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let telling = prop::sample::select(b"\n\r-=ab05:,;\0\x01\x02\x03\x0b\xc0\xdb\xdc\xdd\xff".to_vec());
    prop::collection::vec(prop_oneof![4 => telling, 2 => Just(b'x'), 1 => any::<u8>()], 0..400)
}

/// The number of a format, and a stream of noise or of frames, some above every limit, one byte of them changed or none.
fn stream() -> impl Strategy<Value = (usize, Vec<u8>)> {
    let plain = prop::collection::vec(prop_oneof![8 => Just(b'x'), 1 => any::<u8>()], 0..300);
    let long = (Just(b'x'), 0_usize..300).prop_map(|(byte, count)| vec![byte; count]);
    let zeros =
        (0_usize..4, 250_usize..260).prop_map(|(before, count)| [vec![0; before], vec![7; count], vec![0]].concat());
    let frames = prop::collection::vec(prop_oneof![plain, long, zeros], 0..5);
    let change = prop::option::of((any::<prop::sample::Index>(), any::<u8>()));
    let framed = (0..FORMATS, frames, change).prop_map(|(which, frames, change)| {
        let codec = &limited(4096, Oversize::Raise)[which];
        let mut wire = Vec::new();
        for frame in frames {
            // What the format cannot express is left out.
            drop(codec.encode(7, &frame, &mut wire));
        }
        wire.extend_from_slice(codec.end());
        if let Some((at, byte)) = change
            && !wire.is_empty()
        {
            let at = at.index(wire.len());
            wire[at] = byte;
        }
        (which, wire)
    });
    prop_oneof![(0..FORMATS, noise()), framed]
}

fn all() -> Vec<Codec> {
    vec![
        codec(Format::LengthPrefixed(LengthPrefixed::new(Fields::default(), MAX).unwrap())),
        lines(),
        codec(Format::Delimited(Delimited::new(vec![b"--=".to_vec(), b"=".to_vec()], MAX, false).unwrap())),
        codec(Format::Varint(Varint { max_frame: MAX })),
        codec(Format::Netstring(Netstring { max_frame: MAX })),
        codec(Format::Tlv(Tlv::new(2, 3, Order::Little, MAX).unwrap())),
        codec(Format::Fixed(Fixed::new(7).unwrap())),
        codec(Format::Cobs),
        codec(Format::Slip),
        codec(Format::Chunked),
    ]
}

/// Frames, the cause of the end, and what was left.
type Outcome = (Vec<(u64, Vec<u8>)>, Option<Cause>, Vec<u8>);

fn decode<'a>(codec: &Codec, pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = Decoder::new(codec.clone());
    let mut frames = Vec::new();
    let mut failed = None;
    for piece in pieces.map(Some).chain([None]) {
        match piece {
            // What follows an error would come or not, as the stream was cut.
            Some(piece) => decoder.feed(piece),
            None => decoder.eof(),
        }
        while failed.is_none() {
            match decoder.take(|frame| (frame.tag, frame.bytes.to_vec())) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => failed = Some(error.cause.clone()),
            }
        }
    }
    (frames, failed, decoder.unread())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_mean_the_same_at_every_cut(
        which in 0_usize..10,
        wire in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"\n\r-=05:,\0\x01\xc0\xdb\x02".to_vec())], 0..120),
    ) {
        let codec = &all()[which];
        let whole = decode(codec, [&wire[..]].into_iter());
        for at in 0..=wire.len() {
            prop_assert_eq!(&decode(codec, [&wire[..at], &wire[at..]].into_iter()), &whole);
        }
        prop_assert_eq!(&decode(codec, wire.chunks(1)), &whole);
    }

    #[test]
    fn every_policy_means_the_same_at_every_cut_and_loses_nothing(
        (which, wire) in stream(), policy in 0_usize..3, max_frame in prop::sample::select(vec![1_usize, 3, 60, 254, 255]),
        cuts in prop::collection::vec(0_usize..400, 0..6),
    ) {
        let codec = &limited(max_frame, POLICIES[policy])[which];
        let (whole, used) = read(codec, [&wire[..]].into_iter());
        let mut cuts: Vec<usize> = cuts.into_iter().map(|at| at.min(wire.len())).chain([0, wire.len()]).collect();
        cuts.sort_unstable();
        let pieces = || cuts.windows(2).map(|ends| &wire[ends[0]..ends[1]]);
        prop_assert_eq!(&read(codec, pieces()).0, &whole);
        prop_assert_eq!(&decoded(codec, pieces()), &whole);
        for size in [1, 2, 7] {
            prop_assert_eq!(&read(codec, wire.chunks(size)).0, &whole, "in pieces of {}", size);
            prop_assert_eq!(&decoded(codec, wire.chunks(size)), &whole, "in pieces of {}", size);
            prop_assert_eq!(&elsewhere(codec, &wire, size), &whole, "in pieces of {}", size);
        }
        prop_assert!(whole.frames.iter().all(|(_, frame)| frame.len() <= codec.max_frame));
        if policy != 1 && !matches!(codec.format, Format::Chunked) {
            // What was given and what is left is the stream.
            prop_assert_eq!(without_noise(codec, &[&used[..], &whole.left].concat()), without_noise(codec, &wire));
        } else if policy != 1 {
            // The last chunk and the trailer fields are used up without a frame.
            prop_assert!(wire.starts_with(&used) && wire.ends_with(&whole.left));
        }
        if whole.skipped == 0 && !matches!(whole.failed, Some(Cause::TooLarge { .. })) {
            // Without a frame over the limit the policies are one.
            prop_assert_eq!(&read(&limited(max_frame, POLICIES[(policy + 1) % 3])[which], pieces()).0, &whole);
        }
    }

    #[test]
    fn frames_survive_encoding_and_every_cut(
        which in 0_usize..10,
        frames in prop::collection::vec(prop::collection::vec(prop_oneof![any::<u8>(), Just(0), Just(0xc0), Just(0xdb)], 1..280), 0..4),
    ) {
        let codec = &all()[which];
        let mut wire = Vec::new();
        let mut sent = Vec::new();
        for frame in frames {
            let before = wire.len();
            match codec.encode(0, &frame, &mut wire) {
                Ok(()) => sent.push((0, frame)),
                Err(_) => prop_assert_eq!(wire.len(), before),
            }
        }
        wire.extend_from_slice(codec.end());
        for size in [1, 2, 3, wire.len().max(1)] {
            prop_assert_eq!(decode(codec, wire.chunks(size)), (sent.clone(), None, Vec::new()));
        }
    }

    #[test]
    fn lengths_are_those_of_tokio_util(
        width in 1_usize..=8, little in any::<bool>(), offset in 0_usize..4, adjustment in -6_i64..6,
        skip in prop::option::of(0_usize..12), cut in 1_usize..40,
        wire in prop::collection::vec(prop_oneof![3 => Just(0), 2 => 0_u8..20, 1 => any::<u8>()], 0..120),
    ) {
        let mut builder = LengthDelimitedCodec::builder();
        builder.length_field_length(width).length_field_offset(offset).length_adjustment(isize::try_from(adjustment).unwrap());
        builder.max_frame_length(MAX);
        if little { builder.little_endian(); }
        if let Some(skip) = skip { builder.num_skip(skip); }
        let mut theirs = builder.new_codec();
        let order = if little { Order::Little } else { Order::Big };
        // Its adjustment counts from the end of what is skipped, ours (and Netty's) from the end of the length.
        let header = offset + width;
        let shift = skip.unwrap_or(header) as i64 - header as i64;
        let fields = Fields { width, order, offset, adjustment: adjustment + shift, skip, counts_header: false };
        let mut ours = Decoder::new(codec(Format::LengthPrefixed(LengthPrefixed::new(fields, MAX).unwrap())));
        let mut buffer = BytesMut::new();
        'pieces: for piece in wire.chunks(cut) {
            ours.feed(piece);
            buffer.extend_from_slice(piece);
            loop {
                let held = ours.pending();
                let mine = ours.take(|frame| frame.bytes.to_vec());
                let body = held.get(offset..header).and_then(|field| {
                    i64::try_from(order.read(field)).ok()?.checked_add(adjustment)
                });
                if body.is_some_and(|body| body < 0 || body + shift < 0) {
                    // It lets a frame end within its own header.
                    prop_assert!(mine.is_err(), "a frame smaller than its header");
                    break 'pieces;
                }
                match (mine, theirs.decode(&mut buffer)) {
                    (Ok(None), Ok(None)) => break,
                    (Ok(Some(mine)), Ok(Some(frame))) => prop_assert_eq!(&mine[..], &frame[..]),
                    (Err(_), Err(_)) => break 'pieces,
                    // Its limit is for the number on the wire, ours for the frame.
                    (Err(error), _) if matches!(error.cause, Cause::TooLarge { .. }) => break 'pieces,
                    (Ok(_), Err(_)) if adjustment != 0 => break 'pieces,
                    (mine, theirs) => prop_assert!(false, "{mine:?} and {theirs:?}"),
                }
            }
        }
    }

    #[test]
    fn long_headers_are_those_of_tokio_util(
        width in 4_usize..=8, offset in 0_usize..300_000, skip in prop::option::of(0_usize..300_000),
        adjustment in -9_i64..9, lengths in prop::collection::vec(0_usize..300_000, 1..4), cut in 1000_usize..200_000,
        max_frame in 150_000_usize..700_000,
    ) {
        let header = offset + width;
        let skip_most = skip.unwrap_or(header);
        let counted = skip_most.saturating_sub(64 * 1024);
        let shift = skip_most as i64 - header as i64;
        let fields = Fields { width, offset, adjustment: adjustment + shift, skip, ..Fields::default() };
        let Ok(format) = LengthPrefixed::new(fields, max_frame) else {
            // No frame has so little content that there is room for the header.
            prop_assert!(counted + header.saturating_sub(skip_most) > max_frame);
            return Ok(());
        };
        let mut wire = Vec::new();
        let mut expected = Vec::new();
        let mut refused = false;
        for (index, length) in lengths.iter().enumerate() {
            let (begin, content) = (wire.len(), vec![index as u8 + 1; *length]);
            // What is behind the length, and at least what is skipped.
            let behind = content.len().max(skip_most.saturating_sub(header));
            wire.resize(begin + header, 0xee);
            let value = behind as i64 - shift - adjustment;
            let Ok(value) = u64::try_from(value) else { return Ok(()) };
            Order::Big.write(value, &mut wire[begin + offset..begin + header]);
            wire.extend_from_slice(&content);
            wire.resize(begin + header + behind, 0xdd);
            let frame = (header + behind).saturating_sub(skip_most);
            if frame + counted > max_frame {
                refused = true;
                break;
            }
            expected.push((0, wire[begin + skip_most..].to_vec()));
        }
        let ours = Codec::new(Format::LengthPrefixed(format), max_frame, Oversize::Raise).unwrap();
        let (frames, failed, _) = decode(&ours, wire.chunks(cut));
        prop_assert!(frames == expected, "{} frames of {}", frames.len(), expected.len());
        prop_assert_eq!(failed.is_some(), refused);
        prop_assert_eq!(matches!(failed, Some(Cause::TooLarge { length, .. }) if length > max_frame as u64), refused);
        // With room for all of them it says the same.
        let mut builder = LengthDelimitedCodec::builder();
        builder.length_field_length(width).length_field_offset(offset).max_frame_length(2_000_000);
        builder.length_adjustment(isize::try_from(adjustment).unwrap());
        if let Some(skip) = skip { builder.num_skip(skip); }
        let mut theirs = builder.new_codec();
        let mut buffer = BytesMut::new();
        let mut got = Vec::new();
        for piece in wire.chunks(cut) {
            buffer.extend_from_slice(piece);
            while let Some(frame) = theirs.decode(&mut buffer).unwrap() {
                got.push((0, frame.to_vec()));
            }
        }
        got.truncate(expected.len());
        prop_assert!(got == expected, "as tokio-util gives them");
        for (_, frame) in &expected {
            let mut again = Vec::new();
            if ours.encode(0, frame, &mut again).is_ok() {
                prop_assert_eq!(again.len(), frame.len() + skip_most);
                prop_assert!(decode(&ours, again.chunks(cut)).1.is_none());
            }
        }
        let beyond = vec![0; max_frame - counted + 1];
        prop_assert!(ours.encode(0, &beyond, &mut Vec::new()).is_err());
    }

    #[test]
    fn lengths_are_encoded_as_by_tokio_util(
        width in 1_usize..=8, little in any::<bool>(), adjustment in -6_i64..6,
        frame in prop::collection::vec(any::<u8>(), 0..MAX),
    ) {
        let mut builder = LengthDelimitedCodec::builder();
        builder.length_field_length(width).length_adjustment(isize::try_from(adjustment).unwrap()).max_frame_length(MAX);
        if little { builder.little_endian(); }
        let mut theirs = BytesMut::new();
        let told = builder.new_codec().encode(Bytes::copy_from_slice(&frame), &mut theirs);
        let order = if little { Order::Little } else { Order::Big };
        let format = LengthPrefixed::new(Fields { width, order, adjustment, ..Fields::default() }, MAX).unwrap();
        let mut mine = Vec::new();
        let encoded = codec(Format::LengthPrefixed(format)).encode(0, &frame, &mut mine);
        let value = frame.len() as i64 - adjustment;
        if told.is_ok() && value >= 0 && (width > 1 || value < 256) {
            prop_assert_eq!(encoded, Ok(()));
            prop_assert_eq!(&mine[..], &theirs[..]);
        } else {
            prop_assert!(encoded.is_err());
        }
    }

    /// The arithmetic of Netty's LengthFieldBasedFrameDecoder, in wide numbers: every field of it, at the cut given.
    #[test]
    fn lengths_are_those_of_netty(
        width in prop::sample::select(vec![1_usize, 2, 3, 4, 8]), little in any::<bool>(), offset in 0_usize..6,
        adjustment in -12_i64..12, strip in 0_usize..14, cut in 1_usize..40,
        wire in prop::collection::vec(prop_oneof![3 => Just(0), 3 => 0_u8..24, 1 => any::<u8>()], 0..160),
    ) {
        let order = if little { Order::Little } else { Order::Big };
        let (mut expected, mut refused, mut at) = (Vec::new(), false, 0);
        while let Some(field) = wire.get(at + offset..at + offset + width) {
            let value = field.iter().fold(0_i128, |value, byte| value << 8 | i128::from(*byte));
            let swapped = field.iter().rev().fold(0_i128, |value, byte| value << 8 | i128::from(*byte));
            let field_end = (offset + width) as i128;
            let length = if little { swapped } else { value } + i128::from(adjustment) + field_end;
            if length < field_end || length < strip as i128 || length - strip as i128 > MAX as i128 {
                refused = true;
                break;
            }
            let length = usize::try_from(length).unwrap();
            let Some(frame) = wire.get(at..at + length) else { break };
            expected.push((0, frame[strip..].to_vec()));
            at += length;
        }
        let fields = Fields { width, order, offset, adjustment, skip: Some(strip), counts_header: false };
        let ours = codec(Format::LengthPrefixed(LengthPrefixed::new(fields, MAX).unwrap()));
        let (frames, failed, left) = decode(&ours, wire.chunks(cut));
        prop_assert_eq!(frames, expected);
        prop_assert_eq!(&left[..], &wire[at..]);
        prop_assert_eq!(matches!(failed, Some(Cause::Malformed { .. } | Cause::TooLarge { .. })), refused);
    }

    #[test]
    fn lines_are_those_of_tokio_util(
        wire in prop::collection::vec(prop_oneof![Just(b'a'), Just(b'\n'), Just(b'\r')], 0..60), cut in 1_usize..20,
    ) {
        let mut theirs = LinesCodec::new();
        let mut buffer = BytesMut::new();
        let mut expected = Vec::new();
        for piece in wire.chunks(cut) {
            buffer.extend_from_slice(piece);
            while let Ok(Some(line)) = theirs.decode(&mut buffer) {
                expected.push((0, line.into_bytes()));
            }
        }
        let left = buffer.to_vec();
        let (mut frames, failed, _) = decode(&lines(), wire.chunks(cut));
        prop_assert_eq!(failed, None);
        if !left.is_empty() {
            // What follows the last line end: it takes a CR there for half of one.
            prop_assert_eq!(frames.pop(), Some((0, left)));
        }
        prop_assert_eq!(frames, expected);
    }
}

#[test]
fn one_byte_at_a_time_costs_no_more_than_linear() {
    // A million bytes a byte at a time would never end if each looked at all before it.
    let codec = Codec::new(
        Format::Delimited(Delimited::new(vec![b"\n".to_vec()], 1 << 20, false).unwrap()),
        1 << 20,
        Oversize::Raise,
    );
    let mut decoder = Decoder::new(codec.unwrap());
    let (mut capacity, mut moves) = (0, 0);
    for _ in 0..1_000_000 {
        decoder.feed(b"x");
        assert_eq!(decoder.take(|_| ()), Ok(None));
        let now = decoder.room(0).capacity();
        moves += u32::from(now != capacity);
        capacity = now;
    }
    assert!(moves < 40, "the buffer was moved {moves} times");
    decoder.feed(b"\n");
    assert_eq!(decoder.take(|frame| frame.bytes.len()), Ok(Some(1_000_000)));
}

#[test]
fn asking_what_is_buffered_costs_the_same_however_much_it_is() {
    for format in [Format::Slip, Format::Cobs] {
        let mut decoder = Decoder::new(Codec::new(format, 1 << 20, Oversize::Raise).unwrap());
        for count in 1..=500_000 {
            decoder.feed(b"\x01");
            assert_eq!(decoder.take(|_| ()), Ok(None));
            assert_eq!(decoder.buffered(), count);
        }
    }
}

#[test]
fn a_frame_in_progress_is_given_back_as_it_came() {
    let full = [&[0xff][..], &[7; 254]].concat();
    for (codec, wire, noise) in [
        (Format::Cobs, [&full[..], &[1]].concat(), 0),
        (Format::Cobs, [&full[..], &[1, 2, 9]].concat(), 0),
        (Format::Cobs, [&full[..], &[1, 1, 0]].concat(), 0),
        (Format::Cobs, [&full[..], &[1, 0]].concat(), 0),
        (Format::Cobs, [&full[..], &[0]].concat(), 0),
        (Format::Cobs, [&full[..], &full, &[1, 1]].concat(), 0),
        (Format::Cobs, vec![1, 1, 3, 9], 0),
        (Format::Slip, vec![0xc0, 1, 0xdb, 0xdc, 0xdb, 0xdd, 2, 0xdb], 1),
        (Format::Slip, vec![1, 0xdb, 0xdd, 0xc0], 0),
    ] {
        let codec = Codec::new(codec, 1000, Oversize::Raise).unwrap();
        for size in [1, 3, wire.len()] {
            let mut decoder = Decoder::new(codec.clone());
            for piece in wire.chunks(size) {
                decoder.feed(piece);
                // Found, and not taken.
                drop(decoder.ready());
                drop(decoder.coming());
            }
            assert_eq!(decoder.buffered(), wire.len() - noise, "{wire:?}");
            assert_eq!(decoder.unread(), wire[noise..], "{wire:?}");
        }
    }
}

#[test]
fn the_shapes_of_length_fields_that_protocols_have() {
    let text = b"HELLO, WORLD";
    let made = |parts: &[&[u8]]| parts.concat();
    // Width, offset, adjustment, what is not handed over; the stream; what is handed over.
    type Shape<'a> = (usize, usize, i64, usize, Vec<u8>, Vec<u8>);
    let shapes: [Shape<'_>; 7] = [
        (2, 0, 0, 0, made(&[b"\x00\x0c", text]), made(&[b"\x00\x0c", text])),
        (2, 0, 0, 2, made(&[b"\x00\x0c", text]), text.to_vec()),
        (2, 0, -2, 0, made(&[b"\x00\x0e", text]), made(&[b"\x00\x0e", text])),
        (3, 2, 0, 0, made(&[b"\xca\xfe\x00\x00\x0c", text]), made(&[b"\xca\xfe\x00\x00\x0c", text])),
        (3, 0, 2, 0, made(&[b"\x00\x00\x0c\xca\xfe", text]), made(&[b"\x00\x00\x0c\xca\xfe", text])),
        (2, 1, 1, 3, made(&[b"\xca\x00\x0c\xfe", text]), made(&[b"\xfe", text])),
        (2, 1, -3, 3, made(&[b"\xca\x00\x10\xfe", text]), made(&[b"\xfe", text])),
    ];
    for (width, offset, adjustment, skip, wire, frame) in shapes {
        let fields = Fields { width, offset, adjustment, skip: Some(skip), ..Fields::default() };
        let codec = codec(Format::LengthPrefixed(LengthPrefixed::new(fields, MAX).unwrap()));
        for size in 1..=wire.len() {
            assert_eq!(decode(&codec, wire.chunks(size)), (vec![(0, frame.clone())], None, Vec::new()), "{codec:?}");
        }
        let mut encoded = Vec::new();
        assert_eq!(codec.encode(0, &frame, &mut encoded), Ok(()));
        // What is not handed over cannot be sent again; the length can.
        assert_eq!(encoded.len(), wire.len());
        assert_eq!(encoded[offset..offset + width], wire[offset..offset + width], "{codec:?}");
    }
}

#[test]
fn what_a_burst_took_is_given_back() {
    let codec = Codec::new(
        Format::LengthPrefixed(LengthPrefixed::new(Fields::default(), 1 << 20).unwrap()),
        1 << 20,
        Oversize::Raise,
    );
    let mut decoder = Decoder::new(codec.unwrap());
    let frame = b"\0\0\0\x01x";
    for _ in 0..8 {
        let asked = decoder.appetite();
        decoder.room(asked).extend_from_slice(&frame.repeat(asked / frame.len()));
        decoder.came(asked, asked);
        while let Ok(Some(())) = decoder.take(|_| ()) {}
    }
    assert_eq!(decoder.appetite(), 1 << 20);
    decoder.room(1 << 20).extend_from_slice(frame);
    decoder.came(1 << 20, frame.len());
    assert_eq!(decoder.take(|frame| frame.bytes.len()), Ok(Some(1)));
    assert!(decoder.room(decoder.appetite()).capacity() < 128 * 1024);
}
