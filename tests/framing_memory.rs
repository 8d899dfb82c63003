//! What a decoder holds, counted by the allocator: at most a frame and 256 KiB, whatever is sent and however it is cut.
#![expect(clippy::unwrap_used, reason = "settings that the test itself writes down")]

use eyesocket::framing::codec::{Codec, Format, Oversize};
use eyesocket::framing::decoder::Decoder;
use eyesocket::framing::delimited::Delimited;
use eyesocket::framing::length::{Fields, LengthPrefixed, Order};
use eyesocket::framing::netstring::Netstring;
use eyesocket::framing::raw::{Fixed, Raw};
use eyesocket::framing::tlv::Tlv;
use eyesocket::framing::varint::Varint;
use peak_alloc::PeakAlloc;

#[global_allocator]
static HELD: PeakAlloc = PeakAlloc;

const BESIDE: usize = 256 * 1024;
/// What a socket's receive asks for.
const READ: usize = 64 * 1024;

fn formats(max_frame: usize) -> Vec<Format> {
    let wide = Fields { width: 8, offset: 60_000, skip: Some(0), ..Fields::default() };
    let skipped = Fields { width: 8, offset: max_frame, ..Fields::default() };
    let handed_over = Fields { width: 8, offset: max_frame - 8, skip: Some(0), ..Fields::default() };
    vec![
        Format::LengthPrefixed(LengthPrefixed::new(skipped, max_frame).unwrap()),
        Format::LengthPrefixed(LengthPrefixed::new(handed_over, max_frame).unwrap()),
        Format::LengthPrefixed(LengthPrefixed::new(Fields::default(), max_frame).unwrap()),
        Format::LengthPrefixed(LengthPrefixed::new(wide, max_frame).unwrap()),
        Format::Delimited(Delimited::new(vec![b"\n".to_vec(), b"\r\n".to_vec()], max_frame, false).unwrap()),
        Format::Delimited(Delimited::new(vec![vec![7; 1000], vec![8; 3]], max_frame, true).unwrap()),
        Format::Fixed(Fixed::new(max_frame).unwrap()),
        Format::Varint(Varint { max_frame }),
        Format::Netstring(Netstring { max_frame }),
        Format::Tlv(Tlv::new(4, 8, Order::Big, max_frame).unwrap()),
        Format::Cobs,
        Format::Slip,
        Format::Chunked,
        Format::Raw(Raw { max_frame }),
    ]
}

/// Streams: the largest frame there may be, one larger, one without an end, and bytes that each format likes.
fn streams(codec: &Codec) -> Vec<Vec<u8>> {
    let plain = vec![b'x'; codec.max_frame];
    let escaped = vec![0xc0; codec.max_frame];
    let mut streams = Vec::new();
    for frame in [&plain, &escaped] {
        let mut wire = Vec::new();
        for _ in 0..2 {
            // What the format cannot express is left out.
            drop(codec.encode(0, frame, &mut wire));
        }
        streams.push(wire);
    }
    streams.push([&b"1"[..], &plain, &plain].concat());
    for byte in [0x01, 0x02, 0x09, 0xc0, 0xff] {
        streams.push(vec![byte; 2 * codec.max_frame + 1000]);
    }
    streams.push([0xdb, 0xdc].repeat(codec.max_frame));
    streams.push([&[0xff][..], &[1; 254]].concat().repeat(codec.max_frame / 127));
    streams
}

// One test: whatever else runs in this process is counted too.
#[test]
fn a_decoder_holds_a_frame_and_256_kib_at_most() {
    for max_frame in [70_000, 300_000] {
        for format in formats(max_frame) {
            for oversize in [Oversize::Raise, Oversize::Skip] {
                let codec = Codec::new(format.clone(), max_frame, oversize).unwrap();
                for wire in streams(&codec) {
                    for size in [1_000, READ, usize::MAX] {
                        holds(&codec, &wire, size);
                    }
                }
            }
        }
    }
}

fn holds(codec: &Codec, wire: &[u8], size: usize) {
    let before = HELD.current_usage();
    let mut decoder = Decoder::new(codec.clone());
    let (mut largest, mut at) = (0, 0);
    while at < wire.len() {
        // A piece comes at a time, or all that is asked for.
        let asked = decoder.appetite();
        let end = (at + asked.min(size)).min(wire.len());
        decoder.room(asked).extend_from_slice(&wire[at..end]);
        decoder.came(asked, end - at);
        at = end;
        largest = largest.max(HELD.current_usage() - before);
        while let Ok(Some(length)) = decoder.take(|frame| frame.bytes.len()) {
            assert!(length <= codec.max_frame);
            largest = largest.max(HELD.current_usage() - before);
        }
        if decoder.ready().is_err() {
            // It stays: nobody receives more.
            break;
        }
        largest = largest.max(HELD.current_usage() - before);
    }
    assert!(largest <= codec.max_frame + BESIDE, "{largest} bytes held for {codec:?}, in pieces of {size}");
    drop(decoder);
    if size == READ {
        holds_one_kept_elsewhere(codec, wire);
    }
    let mut decoder = Decoder::new(codec.clone());
    for piece in wire.chunks(size) {
        if decoder.decode(piece, |_| ()).is_err() {
            break;
        }
        let held = HELD.current_usage() - before;
        assert!(held <= codec.max_frame + BESIDE, "{held} bytes held for {codec:?}, in pieces of {size}");
    }
}

/// As a value that could not be made keeps its frame: content elsewhere, what was around it too.
fn holds_one_kept_elsewhere(codec: &Codec, wire: &[u8]) {
    let before = HELD.current_usage();
    let mut decoder = Decoder::new(codec.clone());
    let mut at = 0;
    while at < wire.len() && decoder.ready().is_ok() {
        let asked = decoder.appetite();
        let end = (at + asked).min(wire.len());
        decoder.room(asked).extend_from_slice(&wire[at..end]);
        decoder.came(asked, end - at);
        at = end;
        while let Ok(Some(frame)) = decoder.take_whole(|frame, around| (frame.bytes.to_vec(), around)) {
            decoder.release(frame.0.len());
            let held = HELD.current_usage() - before;
            assert!(held <= codec.max_frame + BESIDE, "{held} bytes held for {codec:?}, and one frame elsewhere");
        }
    }
}
