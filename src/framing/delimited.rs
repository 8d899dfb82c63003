//! Frames that end in a delimiter: lines, and byte strings of one's own.
//!
//! The delimiter that is complete first ends the frame, the longest one if several are complete at the same byte. So
//! `\n` beside `\r\n` means "LF, and CR before it is no content", and no answer ever depends on a byte still to come.

use std::fmt;

use memchr::{memchr, memchr2, memchr3, memmem};

use super::scan::{Found, Passed, Scan, Skip};
use crate::error::{Error, Result};

/// More bytes in a delimiter than this, or more delimiters, are a mistake; each byte may be compared with all of them.
const MOST_LENGTH: usize = 1024;
const MOST_DELIMITERS: usize = 64;

/// The format. The first delimiter is the one that is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delimited {
    delimiters: Vec<Vec<u8>>,
    /// Indices of `delimiters`, the longest first.
    order: Vec<usize>,
    lasts: Vec<u8>,
    longest: usize,
    max_frame: usize,
    last: bool,
}

impl Delimited {
    /// Frames that end in any of `delimiters`. `last`: bytes without a delimiter before the stream's end are a frame.
    pub fn new(delimiters: Vec<Vec<u8>>, max_frame: usize, last: bool) -> Result<Self> {
        if delimiters.is_empty() || delimiters.iter().any(Vec::is_empty) {
            return Err(Error::invalid("delimiter", "give at least one, and none of them empty"));
        }
        if delimiters.len() > MOST_DELIMITERS || delimiters.iter().any(|one| one.len() > MOST_LENGTH) {
            let reason = format!("give at most {MOST_DELIMITERS}, of at most {MOST_LENGTH} bytes");
            return Err(Error::invalid("delimiter", reason));
        }
        for one in &delimiters {
            for other in &delimiters {
                let inside = memmem::find_iter(one, other).any(|at| at + other.len() < one.len());
                if inside {
                    let (one, other) = (one.escape_ascii(), other.escape_ascii());
                    let reason = format!("b\"{one}\" would never be reached, b\"{other}\" in it ends the frame first");
                    return Err(Error::invalid("delimiter", reason));
                }
            }
        }
        let mut order: Vec<usize> = (0..delimiters.len()).collect();
        order.sort_by_key(|index| std::cmp::Reverse(delimiters[*index].len()));
        let mut lasts: Vec<u8> = delimiters.iter().filter_map(|delimiter| delimiter.last().copied()).collect();
        lasts.sort_unstable();
        lasts.dedup();
        let longest = delimiters.iter().map(Vec::len).max().unwrap_or(1);
        Ok(Self { delimiters, order, lasts, longest, max_frame, last })
    }

    /// Appends `frame` and its delimiter to `out`.
    pub fn encode(&self, frame: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let begin = out.len();
        out.extend_from_slice(frame);
        out.extend_from_slice(&self.delimiters[0]);
        let (end, length) = self.end(&out[begin..], 0).unwrap_or_default();
        if end - length == frame.len() {
            return Ok(());
        }
        let at = end - length;
        let found = out[begin + at..begin + end].escape_ascii().to_string();
        out.truncate(begin);
        Err(Error::invalid(
            "frame",
            format!("at byte {at} it has the delimiter b\"{found}\": the peer would see two frames"),
        ))
    }

    fn candidate(&self, input: &[u8]) -> Option<usize> {
        let found = match *self.lasts {
            [a] => memchr(a, input),
            [a, b] => memchr2(a, b, input),
            [a, b, c] => memchr3(a, b, c, input),
            _ => input.iter().position(|byte| self.lasts.binary_search(byte).is_ok()),
        };
        #[cfg(test)]
        tests::LOOKED_AT.with(|count| count.set(count.get() + found.map_or(input.len(), |at| at + 1)));
        found
    }

    /// Where the first delimiter of `input` ends that ends behind `from`, and its length.
    fn end(&self, input: &[u8], from: usize) -> Option<(usize, usize)> {
        let mut at = from;
        while let Some(offset) = self.candidate(&input[at..]) {
            at += offset + 1;
            for index in &self.order {
                let delimiter = &self.delimiters[*index];
                if input[..at].ends_with(delimiter) {
                    return Some((at, delimiter.len()));
                }
            }
        }
        None
    }
}

impl fmt::Display for Delimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let delimiters: Vec<_> = self.delimiters.iter().map(|one| format!("b\"{}\"", one.escape_ascii())).collect();
        let open_end = if self.last { ", open_end=True" } else { "" };
        write!(f, "[{}]{open_end}", delimiters.join(", "))
    }
}

/// Looks for delimiters.
#[derive(Debug)]
pub struct Scanner {
    format: Delimited,
    /// So many bytes of the input hold no end of a delimiter.
    scanned: usize,
}

impl Scanner {
    /// At the beginning of a stream.
    pub fn new(format: Delimited) -> Self {
        Self { format, scanned: 0 }
    }
}

impl Scan for Scanner {
    fn next(&mut self, input: &[u8]) -> Result<Found> {
        let format = &self.format;
        let too_large = || Found::TooLarge { length: format.max_frame as u64 + 1, skip: Skip::Search };
        let bound = format.max_frame.saturating_add(format.longest);
        let seen = &input[..input.len().min(bound)];
        if let Some((end, length)) = format.end(seen, self.scanned.min(seen.len())) {
            self.scanned = 0;
            let content = end - length;
            if content > format.max_frame {
                return Ok(too_large());
            }
            return Ok(Found::Frame { size: end, content: 0..content, tag: 0 });
        }
        if input.len() >= bound {
            self.scanned = 0;
            return Ok(too_large());
        }
        self.scanned = input.len();
        Ok(Found::More { least: input.len() + 1 })
    }

    fn pass(&mut self, input: &[u8]) -> Passed {
        if let Some((size, _)) = self.format.end(input, self.scanned.min(input.len())) {
            self.scanned = 0;
            return Passed { size, done: true };
        }
        // A delimiter may have begun in the last bytes; none has ended there.
        self.scanned = input.len().min(self.format.longest - 1);
        Passed { size: input.len() - self.scanned, done: false }
    }

    fn last(&self) -> bool {
        self.format.last
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::Delimited;
    use crate::framing::codec::{Codec, Format, Oversize};
    use crate::framing::decoder::Decoder;

    thread_local! {
        /// How many bytes were searched for the end of a delimiter.
        pub(super) static LOOKED_AT: Cell<usize> = const { Cell::new(0) };
    }

    #[test]
    fn each_byte_is_looked_at_once_or_twice_however_the_stream_is_cut() {
        let several = [1_u8, 2, 3, 4].map(|last| [&[b'='; 900][..], &[last]].concat());
        for delimiters in [vec![[&[b'-'; 1000][..], b"\n"].concat()], several.to_vec()] {
            let max_frame = 3000;
            let delimiter = delimiters[0].clone();
            let format = Format::Delimited(Delimited::new(delimiters, max_frame, false).unwrap());
            let codec = Codec::new(format, max_frame, Oversize::Skip).unwrap();
            for filling in [b'x', b'-', b'=', b'\n', 3] {
                // A frame over the limit, one that is taken, one over the limit that does not end.
                let frames = [&vec![filling; 20_000][..], b"taken", &vec![filling; 9_000]];
                let wire = frames.join(&delimiter[..]);
                for piece in [1, 7, 1023, wire.len()] {
                    let mut decoder = Decoder::new(codec.clone());
                    let mut taken = Vec::new();
                    LOOKED_AT.set(0);
                    for bytes in wire.chunks(piece) {
                        decoder.feed(bytes);
                        while let Some(frame) = decoder.take(|frame| frame.bytes.to_vec()).unwrap() {
                            taken.push(frame);
                        }
                    }
                    assert_eq!((taken, decoder.skipped()), (vec![b"taken".to_vec()], 2));
                    // What is over the limit is looked at again once it is known to be.
                    let most = wire.len() + 2 * (max_frame + delimiter.len());
                    let count = LOOKED_AT.get();
                    assert!(count <= most, "{count} of {} looked at, in pieces of {piece}", wire.len());
                    assert!(count >= wire.len(), "or nothing was counted");
                }
            }
        }
    }
}
