//! Type, length, value: a frame is a number and bytes.

use std::fmt;

use super::length::Order;
use super::scan::{Found, Scan, Skip};
use crate::error::{Error, Result};

/// The format: `kind` bytes of type, `length` bytes of length, the value; the length counts the value alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tlv {
    kind: usize,
    length: usize,
    order: Order,
    max_frame: usize,
}

impl Tlv {
    /// The format with types and lengths of these widths, 1 to 8 bytes each.
    pub fn new(kind: usize, length: usize, order: Order, max_frame: usize) -> Result<Self> {
        if !(1..=8).contains(&kind) || !(1..=8).contains(&length) {
            return Err(Error::invalid("width", "types and lengths have 1 to 8 bytes"));
        }
        Ok(Self { kind, length, order, max_frame })
    }

    /// Appends type, length and value to `out`.
    pub fn encode(&self, tag: u64, value: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if !Order::fits(tag, self.kind) {
            return Err(Error::invalid("frame", format!("type {tag} does not fit into {} bytes", self.kind)));
        }
        if !Order::fits(value.len() as u64, self.length) {
            let reason = format!("a length of {} does not fit into {} bytes", value.len(), self.length);
            return Err(Error::invalid("frame", reason));
        }
        let begin = out.len();
        let header = self.kind + self.length;
        out.reserve(header + value.len());
        out.resize(begin + header, 0);
        self.order.write(tag, &mut out[begin..begin + self.kind]);
        self.order.write(value.len() as u64, &mut out[begin + self.kind..begin + header]);
        out.extend_from_slice(value);
        Ok(())
    }
}

impl fmt::Display for Tlv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {}", self.kind, self.length, self.order)
    }
}

impl Scan for Tlv {
    fn next(&mut self, input: &[u8]) -> Result<Found> {
        let header = self.kind + self.length;
        if input.len() < header {
            return Ok(Found::More { least: header });
        }
        let tag = self.order.read(&input[..self.kind]);
        let length = self.order.read(&input[self.kind..header]);
        if length > self.max_frame as u64 {
            let size = length.saturating_add(header as u64);
            return Ok(Found::TooLarge { length, skip: Skip::Bytes { size, end: b"" } });
        }
        let total = header + length as usize;
        if input.len() < total {
            return Ok(Found::Coming { size: total, content: header..total, tag });
        }
        Ok(Found::Frame { size: total, content: header..total, tag })
    }
}
