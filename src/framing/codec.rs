//! A format with its settings: what encodes a frame, and what a decoder is made from.

use std::fmt;

use super::delimited::{self, Delimited};
use super::length::LengthPrefixed;
use super::netstring::{self, Netstring};
use super::raw::{Fixed, Raw};
use super::scan::{Found, Passed, Scan};
use super::tlv::Tlv;
use super::varint::Varint;
use super::{chunked, cobs, slip};
use crate::error::{Error, Result};

/// The limit of a frame in bytes where none is given.
pub const DEFAULT_MAX_FRAME: usize = 1024 * 1024;

/// What the limit can be at most.
pub const MOST_FRAME: usize = 1 << 47;

/// What to do about a frame over the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Oversize {
    /// It is an error and the stream stays where it is.
    #[default]
    Raise,
    /// It is dropped as it comes, and counted.
    Skip,
    /// It is an error and the connection is closed.
    Close,
}

/// The formats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// Lines, and other delimiters.
    Delimited(Delimited),
    /// A length of fixed width.
    LengthPrefixed(LengthPrefixed),
    /// Frames of one size.
    Fixed(Fixed),
    /// A base-128 length.
    Varint(Varint),
    /// A decimal length.
    Netstring(Netstring),
    /// Type, length, value.
    Tlv(Tlv),
    /// No zero in a frame.
    Cobs,
    /// RFC 1055.
    Slip,
    /// HTTP/1.1's chunks.
    Chunked,
    /// Whatever came.
    Raw(Raw),
}

/// A format, its limit and what happens above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codec {
    /// The format.
    pub format: Format,
    /// The largest frame in bytes, as it is handed over.
    pub max_frame: usize,
    /// What to do about a larger one that comes.
    pub oversize: Oversize,
}

impl Format {
    /// Appends a frame whose content was put together from `size` bytes as these were.
    pub(super) fn code_again(&self, content: &[u8], size: usize, out: &mut Vec<u8>) {
        match self {
            Self::Cobs => cobs::code_again(content, size, out),
            Self::Slip => slip::code_again(content, out),
            // All others' content lies in the stream.
            _ => out.extend_from_slice(content),
        }
    }

    /// Its name and settings, but for the limit, as they are written in Python.
    fn described(&self) -> (&'static str, String) {
        match self {
            Self::Delimited(format) => ("Delimited", format.to_string()),
            Self::LengthPrefixed(format) => ("LengthPrefixed", format.to_string()),
            Self::Tlv(format) => ("TLV", format.to_string()),
            Self::Fixed(_) => ("Fixed", String::new()),
            Self::Varint(_) => ("Varint", String::new()),
            Self::Netstring(_) => ("Netstring", String::new()),
            Self::Cobs => ("COBS", String::new()),
            Self::Slip => ("SLIP", String::new()),
            Self::Chunked => ("HTTPChunked", String::new()),
            Self::Raw(_) => ("Raw", String::new()),
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.format.described().0, self.settings())
    }
}

impl Codec {
    /// What it was made with, by name.
    pub fn settings(&self) -> String {
        let limit = match self.format {
            Format::Fixed(_) => self.max_frame.to_string(),
            _ => format!("max_frame={}", self.max_frame),
        };
        let oversize = match self.oversize {
            Oversize::Raise => "",
            Oversize::Skip => "oversize='skip'",
            Oversize::Close => "oversize='close'",
        };
        let all = [self.format.described().1, limit, oversize.to_owned()];
        all.into_iter().filter(|setting| !setting.is_empty()).collect::<Vec<_>>().join(", ")
    }

    /// The format with a limit, which has to leave room for the sums that are made with it.
    pub fn new(format: Format, max_frame: usize, oversize: Oversize) -> Result<Self> {
        if max_frame == 0 || max_frame > MOST_FRAME {
            return Err(Error::invalid("max_frame", format!("{max_frame} is not from 1 to {MOST_FRAME} bytes")));
        }
        Ok(Self { format, max_frame, oversize })
    }

    /// Appends `frame` to `out` as it goes on the wire; on an error `out` is as before. `tag` is the type of a TLV.
    #[inline(always)]
    pub fn encode(&self, tag: u64, frame: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if frame.len() > self.max_frame {
            return Err(self.too_long(frame.len()));
        }
        match &self.format {
            Format::LengthPrefixed(format) => format.encode(frame, out),
            _ => self.encode_other(tag, frame, out),
        }
    }

    #[cold]
    fn too_long(&self, length: usize) -> Error {
        Error::invalid("frame", format!("{length} bytes exceed max_frame, {} bytes", self.max_frame))
    }

    #[inline(never)]
    fn encode_other(&self, tag: u64, frame: &[u8], out: &mut Vec<u8>) -> Result<()> {
        match &self.format {
            Format::LengthPrefixed(format) => format.encode(frame, out),
            Format::Delimited(format) => format.encode(frame, out),
            Format::Fixed(format) => format.encode(frame, out),
            Format::Tlv(format) => format.encode(tag, frame, out),
            Format::Slip => slip::encode(frame, out),
            Format::Chunked => chunked::encode(frame, out),
            Format::Varint(_) => {
                Varint::encode(frame, out);
                Ok(())
            }
            Format::Netstring(_) => {
                Netstring::encode(frame, out);
                Ok(())
            }
            Format::Cobs => {
                cobs::encode(frame, out);
                Ok(())
            }
            Format::Raw(_) => {
                out.extend_from_slice(frame);
                Ok(())
            }
        }
    }

    /// What says on the wire that no frame follows; nothing for most formats.
    pub fn end(&self) -> &'static [u8] {
        match self.format {
            Format::Chunked => chunked::LAST_CHUNK,
            _ => b"",
        }
    }

    /// Appends the same to `out`, with the trailer fields that chunks have, as names and values; on an error `out` is as
    /// before.
    pub fn end_with(&self, trailers: &[(Vec<u8>, Vec<u8>)], out: &mut Vec<u8>) -> Result<()> {
        match self.format {
            Format::Chunked => chunked::end(trailers, out),
            _ if trailers.is_empty() => Ok(()),
            _ => Err(Error::invalid("trailers", "HTTPChunked alone has them")),
        }
    }

    /// Whether a frame's beginning says how long it is.
    pub fn tells_length(&self) -> bool {
        match self.format {
            Format::LengthPrefixed(_)
            | Format::Fixed(_)
            | Format::Varint(_)
            | Format::Netstring(_)
            | Format::Tlv(_)
            | Format::Chunked => true,
            Format::Delimited(_) | Format::Cobs | Format::Slip | Format::Raw(_) => false,
        }
    }

    /// What is behind the content of each frame, in formats that say its length.
    pub(super) fn tail(&self) -> &'static [u8] {
        match self.format {
            Format::Netstring(_) => netstring::END,
            Format::Chunked => chunked::LINE_END,
            _ => b"",
        }
    }

    /// Whether frames have a type beside their bytes.
    pub fn tagged(&self) -> bool {
        matches!(self.format, Format::Tlv(_))
    }

    pub(super) fn scanner(&self) -> Scanner {
        match self.format.clone() {
            Format::Delimited(format) => Scanner::Delimited(delimited::Scanner::new(format)),
            Format::LengthPrefixed(format) => Scanner::LengthPrefixed(format),
            Format::Fixed(format) => Scanner::Fixed(format),
            Format::Varint(format) => Scanner::Varint(format),
            Format::Netstring(format) => Scanner::Netstring(format),
            Format::Tlv(format) => Scanner::Tlv(format),
            Format::Cobs => Scanner::Cobs(cobs::Scanner::new(self.max_frame)),
            Format::Slip => Scanner::Slip(slip::Scanner::new(self.max_frame)),
            Format::Chunked => Scanner::Chunked(chunked::Scanner::new(self.max_frame)),
            Format::Raw(format) => Scanner::Raw(format),
        }
    }
}

/// The scanner of any format.
#[derive(Debug)]
pub(super) enum Scanner {
    Delimited(delimited::Scanner),
    LengthPrefixed(LengthPrefixed),
    Fixed(Fixed),
    Varint(Varint),
    Netstring(Netstring),
    Tlv(Tlv),
    Cobs(cobs::Scanner),
    Slip(slip::Scanner),
    Chunked(chunked::Scanner),
    Raw(Raw),
}

impl Scanner {
    /// [`Scan::next`]; without a detour for the formats that are most in use.
    #[inline]
    pub(super) fn next(&mut self, input: &[u8]) -> Result<Found> {
        match self {
            Self::LengthPrefixed(scanner) => scanner.next(input),
            Self::Delimited(scanner) => scanner.next(input),
            other => other.any().next(input),
        }
    }

    fn any(&mut self) -> &mut dyn Scan {
        match self {
            Self::Delimited(scanner) => scanner,
            Self::LengthPrefixed(scanner) => scanner,
            Self::Fixed(scanner) => scanner,
            Self::Varint(scanner) => scanner,
            Self::Netstring(scanner) => scanner,
            Self::Tlv(scanner) => scanner,
            Self::Cobs(scanner) => scanner,
            Self::Slip(scanner) => scanner,
            Self::Chunked(scanner) => scanner,
            Self::Raw(scanner) => scanner,
        }
    }

    pub(super) fn pass(&mut self, input: &[u8]) -> Passed {
        self.any().pass(input)
    }

    pub(super) fn passed(&mut self) {
        self.any().passed();
    }

    pub(super) fn built(&self) -> &[u8] {
        match self {
            Self::Cobs(scanner) => scanner.built(),
            Self::Slip(scanner) => scanner.built(),
            _ => &[],
        }
    }

    pub(super) fn clear(&mut self) {
        self.any().clear();
    }

    pub(super) fn held(&self) -> Vec<u8> {
        match self {
            Self::Cobs(scanner) => scanner.held(),
            Self::Slip(scanner) => scanner.held(),
            _ => Vec::new(),
        }
    }

    pub(super) fn held_length(&self) -> usize {
        match self {
            Self::Cobs(scanner) => scanner.held_length(),
            Self::Slip(scanner) => scanner.held_length(),
            _ => 0,
        }
    }

    pub(super) fn last(&self) -> bool {
        match self {
            Self::Delimited(scanner) => scanner.last(),
            _ => false,
        }
    }
}
