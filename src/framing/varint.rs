//! Frames behind a base-128 varint, as protobuf's delimited messages: 7 bits a byte, the least significant first.

use super::scan::{Found, Scan, Skip};
use crate::error::{Error, Result};

/// A 64-bit number has at most so many bytes.
const MOST_BYTES: usize = 10;

/// The format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Varint {
    /// The largest frame in bytes.
    pub max_frame: usize,
}

impl Varint {
    /// Appends the length of `frame` and `frame` to `out`.
    pub fn encode(frame: &[u8], out: &mut Vec<u8>) {
        let mut length = frame.len() as u64;
        while length >= 0x80 {
            out.push(length as u8 | 0x80);
            length >>= 7;
        }
        out.push(length as u8);
        out.extend_from_slice(frame);
    }
}

impl Scan for Varint {
    fn next(&mut self, input: &[u8]) -> Result<Found> {
        let mut length = 0_u64;
        for (index, byte) in input.iter().take(MOST_BYTES).enumerate() {
            let bits = u64::from(byte & 0x7f);
            if index == MOST_BYTES - 1 && *byte > 1 {
                return Err(Error::malformed("varint", "more than 64 bits"));
            }
            length |= bits << (7 * index);
            if byte & 0x80 != 0 {
                continue;
            }
            if *byte == 0 && index > 0 {
                return Err(Error::malformed("varint", "overlong: it ends in a byte of no bits"));
            }
            let header = index + 1;
            if length > self.max_frame as u64 {
                let size = length.saturating_add(header as u64);
                return Ok(Found::TooLarge { length, skip: Skip::Bytes { size, end: b"" } });
            }
            let total = header + length as usize;
            if input.len() < total {
                return Ok(Found::Coming { size: total, content: header..total, tag: 0 });
            }
            return Ok(Found::Frame { size: total, content: header..total, tag: 0 });
        }
        Ok(Found::More { least: input.len() + 1 })
    }
}
