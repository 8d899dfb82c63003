//! Netstrings (D. J. Bernstein, 1997): `5:hello,`. The length is decimal, without leading zeros.

use super::scan::{Found, Scan, Skip};
use crate::error::{Error, Result};

/// Every number of so many digits fits into 64 bits.
const MOST_DIGITS: usize = 19;

/// What ends a frame.
pub const END: &[u8] = b",";

/// The format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Netstring {
    /// The largest frame in bytes.
    pub max_frame: usize,
}

impl Netstring {
    /// Appends `frame` with its length and comma to `out`.
    pub fn encode(frame: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(frame.len().to_string().as_bytes());
        out.push(b':');
        out.extend_from_slice(frame);
        out.push(b',');
    }
}

impl Scan for Netstring {
    fn next(&mut self, input: &[u8]) -> Result<Found> {
        let mut length = 0_u64;
        for (index, byte) in input.iter().enumerate() {
            match byte {
                b'0'..=b'9' if index == 1 && input[0] == b'0' => {
                    return Err(Error::malformed("netstring", "a length with a leading zero"));
                }
                b'0'..=b'9' if index < MOST_DIGITS => length = length * 10 + u64::from(byte - b'0'),
                b':' if index > 0 => return self.behind(input, index + 1, length),
                _ => {
                    let reason = format!("b\"{}\" is not a length and a colon", input[..=index].escape_ascii());
                    return Err(Error::malformed("netstring", reason));
                }
            }
        }
        Ok(Found::More { least: input.len() + 1 })
    }
}

impl Netstring {
    fn behind(&self, input: &[u8], header: usize, length: u64) -> Result<Found> {
        if length > self.max_frame as u64 {
            let size = length.saturating_add(header as u64);
            return Ok(Found::TooLarge { length, skip: Skip::Bytes { size, end: END } });
        }
        let end = header + length as usize;
        match input.get(end) {
            None => Ok(Found::Coming { size: end + 1, content: header..end, tag: 0 }),
            Some(b',') => Ok(Found::Frame { size: end + 1, content: header..end, tag: 0 }),
            Some(_) => Err(Error::malformed("netstring", format!("no comma behind its {length} bytes"))),
        }
    }
}
