//! Frames behind a length of fixed width: what tokio-util's LengthDelimitedCodec and Netty's
//! LengthFieldBasedFrameDecoder can express.
//!
//! ```text
//! offset bytes | width bytes: the length | length + adjustment bytes
//! ```
//! The first `skip` bytes of all that are not handed over; those beyond 64 KiB count towards a frame's limit.

use std::fmt;

use super::codec::MOST_FRAME;
use super::scan::{Found, Scan, Skip};
use crate::error::{Error, Result};

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Big => "'big'",
            Self::Little => "'little'",
        })
    }
}

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

    /// Whether the number fits into `width` bytes, at most 8.
    #[inline]
    pub fn fits(value: u64, width: usize) -> bool {
        width >= 8 || value >> (8 * width) == 0
    }

    /// The number in `out.len()` bytes, into which it [fits](Order::fits).
    pub fn write(self, value: u64, out: &mut [u8]) {
        let width = out.len();
        match self {
            Self::Big => out.copy_from_slice(&value.to_be_bytes()[8 - width..]),
            Self::Little => out.copy_from_slice(&value.to_le_bytes()[..width]),
        }
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
    /// The limit, less what the skipped bytes count of it.
    most: usize,
    /// A length of 4 bytes in network order, of nothing but the frame behind it.
    bare: bool,
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

/// So many skipped bytes are held beside a frame; what there is beyond them counts towards its limit.
const FREE_HEADER: usize = 64 * 1024;

/// Keeps sums with a length below 2^62 far from overflow.
pub const MOST_ADJUSTMENT: i64 = 1 << 61;

impl LengthPrefixed {
    /// The format with these fields.
    pub fn new(fields: Fields, max_frame: usize) -> Result<Self> {
        let Fields { width, order, offset, adjustment, skip, counts_header } = fields;
        if !(1..=8).contains(&width) {
            return Err(Error::invalid("width", format!("{width} is not a number of bytes from 1 to 8")));
        }
        let header = offset.saturating_add(width);
        let skip = skip.unwrap_or(header);
        let counted = skip.saturating_sub(FREE_HEADER);
        // Where the header is handed over, it is the least that a frame has.
        if offset > MOST_FRAME || counted + header.saturating_sub(skip) > max_frame {
            let name = if skip > header { "skip" } else { "offset" };
            let reason = format!("no frame of at most {max_frame} bytes has that; give a larger max_frame");
            return Err(Error::invalid(name, reason));
        }
        if !(-MOST_ADJUSTMENT..=MOST_ADJUSTMENT).contains(&adjustment) {
            return Err(Error::invalid("adjustment", "it is beyond any length"));
        }
        let adjustment = if counts_header { adjustment - header as i64 } else { adjustment };
        let bare = (width, order, offset, adjustment, skip) == (4, Order::Big, 0, 0, 4);
        Ok(Self { width, order, offset, adjustment, skip, most: max_frame - counted, bare })
    }

    /// Appends `frame` to `out`, behind `skip` bytes that hold the length and zeros.
    #[inline(always)]
    pub fn encode(&self, frame: &[u8], out: &mut Vec<u8>) -> Result<()> {
        match u32::try_from(frame.len()) {
            Ok(length) if self.bare => {
                out.reserve(size_of::<u32>() + frame.len());
                out.extend_from_slice(&length.to_be_bytes());
                out.extend_from_slice(frame);
                Ok(())
            }
            _ => self.encode_any(frame, out),
        }
    }

    #[inline(never)]
    fn encode_any(&self, frame: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let header = self.offset + self.width;
        let total = self.skip + frame.len();
        let behind = total as i64 - header as i64;
        if frame.len() > self.most {
            return Err(self.beyond(frame.len()));
        }
        // None of these is anywhere near 2^63.
        let value = behind - self.adjustment;
        if behind < 0 || value < 0 {
            let reason = format!("{} bytes are too few for this header and adjustment", frame.len());
            return Err(Error::invalid("frame", reason));
        }
        if !Order::fits(value as u64, self.width) {
            return Err(Error::invalid("frame", format!("a length of {value} does not fit into {} bytes", self.width)));
        }
        out.reserve(total);
        let begin = out.len();
        out.resize(begin + self.skip, 0);
        out.extend_from_slice(frame);
        self.order.write(value as u64, &mut out[begin + self.offset..begin + header]);
        Ok(())
    }

    #[cold]
    fn too_large(&self, length: u64) -> Found {
        let total = i128::from(length) + i128::from(self.adjustment) + (self.offset + self.width) as i128;
        let size = u64::try_from(total).unwrap_or(u64::MAX);
        let counted = self.skip.min(FREE_HEADER);
        let length = u64::try_from(total - counted as i128).unwrap_or(u64::MAX);
        Found::TooLarge { length, skip: Skip::Bytes { size, end: b"" } }
    }

    #[cold]
    fn beyond(&self, length: usize) -> Error {
        let counted = self.skip.saturating_sub(FREE_HEADER);
        let limit = self.most + counted;
        Error::invalid("frame", format!("{length} bytes and {counted} of its header exceed max_frame, {limit} bytes"))
    }

    #[cold]
    fn too_small(length: u64) -> Error {
        Error::malformed("length prefix", format!("a length of {length} is smaller than what it has to cover"))
    }
}

impl fmt::Display for LengthPrefixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.width, self.order)?;
        if self.offset > 0 {
            write!(f, ", offset={}", self.offset)?;
        }
        if self.adjustment != 0 {
            write!(f, ", adjustment={}", self.adjustment)?;
        }
        if self.skip != self.offset + self.width {
            write!(f, ", skip={}", self.skip)?;
        }
        Ok(())
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
        // A length that no sum below can overflow with; one beyond it is over every limit.
        let behind = length.min(1 << 62) as i64 + self.adjustment;
        let total = behind + header as i64;
        let frame = total - self.skip as i64;
        if behind < 0 || frame < 0 {
            return Err(Self::too_small(length));
        }
        if frame as u64 > self.most as u64 {
            return Ok(self.too_large(length));
        }
        // At most max_frame + FREE_HEADER.
        let total = total as usize;
        if input.len() < total {
            return Ok(Found::Coming { size: total, content: self.skip..total, tag: 0 });
        }
        Ok(Found::Frame { size: total, content: self.skip..total, tag: 0 })
    }
}
