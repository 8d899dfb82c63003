//! What a stream means to a decoder, taken out of it in each of the ways there are. Property tests and fuzz targets hold
//! them against each other.

use eyesocket::error::Cause;
use eyesocket::framing::codec::{Codec, Format};
use eyesocket::framing::decoder::{Decoder, Frame};

/// What a stream meant.
#[derive(Debug, PartialEq, Eq)]
pub struct Read {
    pub frames: Vec<(u64, Vec<u8>)>,
    pub failed: Option<Cause>,
    pub left: Vec<u8>,
    pub skipped: u64,
}

/// As a socket does it: feeds, then takes. Also the bytes of the stream that the frames were.
pub fn read<'a>(codec: &Codec, pieces: impl Iterator<Item = &'a [u8]>) -> (Read, Vec<u8>) {
    let mut decoder = Decoder::new(codec.clone());
    let (mut frames, mut used, mut failed) = (Vec::new(), Vec::new(), None);
    for piece in pieces.map(Some).chain([None]) {
        match piece {
            Some(piece) => decoder.feed(piece),
            None => decoder.eof(),
        }
        while failed.is_none() {
            match decoder.take_whole(|frame, around| (frame.tag, frame.bytes.to_vec(), around)) {
                Ok(Some((tag, bytes, around))) => {
                    let before = used.len();
                    around.wire(codec, &bytes, &mut used);
                    assert_eq!(used.len() - before, around.size(&bytes), "{codec:?}");
                    frames.push((tag, bytes));
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
pub fn decoded<'a>(codec: &Codec, pieces: impl Iterator<Item = &'a [u8]>) -> Read {
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
pub fn elsewhere(codec: &Codec, wire: &[u8], size: usize) -> Read {
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
        let coming = coming.map(|coming| (coming.tag, coming.length, coming.here.to_vec(), coming.tail));
        let mut begun = at;
        if let Some((tag, length, mut content, tail)) = coming {
            assert!(content.len() < length && length <= codec.max_frame, "{codec:?}");
            if size.is_multiple_of(2) {
                let here = decoder.pending();
                begun -= here.len();
                assert_eq!(here, wire[begun..at]);
                decoder.set_aside();
            }
            let missing = length - content.len();
            let here = at;
            at = (at + missing + tail.len()).min(wire.len());
            content.extend_from_slice(&wire[here..at]);
            if content.len() == length + tail.len() && content.ends_with(tail) {
                content.truncate(length);
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
pub fn without_noise(codec: &Codec, wire: &[u8]) -> Vec<u8> {
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
