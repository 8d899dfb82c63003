//! Frames behind a length of fixed width: what tokio-util's LengthDelimitedCodec and Netty's
//! LengthFieldBasedFrameDecoder can express.
//!
//! ```text
//! offset bytes | width bytes: the length | length + adjustment bytes
//! ```
//! The first `skip` bytes of all that are not handed over.

use super::scan::{Found, Scan, Skip};
use crate::error::{Error, Result};

/// Which byte of a number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The most significant one: network byte order.
    Big,
    /// The least significant one.
    Little,
}

impl Order {
    /// The number in at most 8 bytes.
    #[inline]
    pub fn read(self, bytes: &[u8]) -> u64 {
        match (self, bytes) {
            (Self::Big, &[a, b, c, d]) => u64::from(u32::from_be_bytes([a, b, c, d])),
            (Self::Big, &[a, b]) => u64::from(u16::from_be_bytes([a, b])),
            (Self::Big, _) => bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)),
            (Self::Little, _) => bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)),
        }
    }

    /// The number in `out.len()` bytes, at most 8; false if it does not fit.
    pub fn write(self, value: u64, out: &mut [u8]) -> bool {
        let width = out.len();
        if width < 8 && value >> (8 * width) != 0 {
            return false;
        }
        match self {
            Self::Big => out.copy_from_slice(&value.to_be_bytes()[8 - width..]),
            Self::Little => out.copy_from_slice(&value.to_le_bytes()[..width]),
        }
        true
    }
}

/// The format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LengthPrefixed {
    width: usize,
    order: Order,
    offset: usize,
    adjustment: i64,
    skip: usize,
    max_frame: usize,
}

/// What [`LengthPrefixed`] is made of; the defaults are a bare length of 4 bytes in network order.
#[derive(Clone, Copy, Debug)]
pub struct Fields {
    /// Bytes of the length, 1 to 8.
    pub width: usize,
    /// Its byte order.
    pub order: Order,
    /// Bytes before it.
    pub offset: usize,
    /// What to add to it to get the number of bytes behind it.
    pub adjustment: i64,
    /// Bytes not handed over; `None`: offset and length.
    pub skip: Option<usize>,
    /// The length counts `offset` and its own bytes too.
    pub counts_header: bool,
}

impl Default for Fields {
    fn default() -> Self {
        Self { width: 4, order: Order::Big, offset: 0, adjustment: 0, skip: None, counts_header: false }
    }
}

/// Headers are small; this keeps sums of sizes far from overflow.
const MOST_HEADER: usize = 64 * 1024;

impl LengthPrefixed {
    /// The format with these fields.
    pub fn new(fields: Fields, max_frame: usize) -> Result<Self> {
        let Fields { width, order, offset, adjustment, skip, counts_header } = fields;
        if !(1..=8).contains(&width) {
            return Err(Error::invalid("width", format!("{width} is not a number of bytes from 1 to 8")));
        }
        if offset > MOST_HEADER || skip.is_some_and(|skip| skip > MOST_HEADER) {
            return Err(Error::invalid("offset and skip", format!("a header has at most {MOST_HEADER} bytes")));
        }
        let skip = skip.unwrap_or(offset + width);
        let header = i64::try_from(offset + width).unwrap_or(i64::MAX);
        let adjustment = if counts_header { adjustment.checked_sub(header) } else { Some(adjustment) }
            .ok_or_else(|| Error::invalid("adjustment", "it is beyond any length"))?;
        Ok(Self { width, order, offset, adjustment, skip, max_frame })
    }

    /// Appends `frame` to `out`, behind `skip` bytes that hold the length and zeros.
    #[inline]
    pub fn encode(&self, frame: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let begin = out.len();
        let header = self.offset + self.width;
        let total = self.skip + frame.len();
        let value = (total as i64).checked_sub(header as i64).filter(|behind| *behind >= 0);
        let value = value.and_then(|behind| behind.checked_sub(self.adjustment)).filter(|value| *value >= 0);
        let Some(value) = value else {
            let reason = format!("{} bytes are too few for this header and adjustment", frame.len());
            return Err(Error::invalid("frame", reason));
        };
        out.resize(begin + self.skip, 0);
        out.extend_from_slice(frame);
        if self.order.write(value as u64, &mut out[begin + self.offset..begin + header]) {
            return Ok(());
        }
        out.truncate(begin);
        Err(Error::invalid("frame", format!("a length of {value} does not fit into {} bytes", self.width)))
    }
}

impl Scan for LengthPrefixed {
    #[inline]
    fn next(&mut self, input: &[u8]) -> Result<Found> {
        let header = self.offset + self.width;
        if input.len() < header {
            return Ok(Found::More { least: header });
        }
        let length = self.order.read(&input[self.offset..header]);
        let behind = i128::from(length) + i128::from(self.adjustment);
        let total = behind + header as i128;
        let frame = total - self.skip as i128;
        if behind < 0 || frame < 0 {
            let reason = format!("a length of {length} is smaller than what it has to cover");
            return Err(Error::malformed("length prefix", reason));
        }
        if frame > self.max_frame as i128 {
            let length = u64::try_from(frame).unwrap_or(u64::MAX);
            let size = u64::try_from(total).unwrap_or(u64::MAX);
            return Ok(Found::TooLarge { length, skip: Skip::Bytes { size, end: b"" } });
        }
        // At most max_frame + MOST_HEADER.
        let total = total as usize;
        if input.len() < total {
            return Ok(Found::Coming { size: total, content: self.skip..total, tag: 0 });
        }
        Ok(Found::Frame { size: total, content: self.skip..total, tag: 0 })
    }
}
