//! The two formats without a mark in the stream: whatever came, and frames of one size.

use super::scan::{Found, Scan};
use crate::error::{Error, Result};

/// Whatever came, at most `max_frame` bytes at a time. The one format whose frames are cut as the stream was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw {
    /// The largest piece in bytes.
    pub max_frame: usize,
}

impl Scan for Raw {
    fn next(&mut self, input: &[u8]) -> Result<Found> {
        match input.len().min(self.max_frame) {
            0 => Ok(Found::More { least: 1 }),
            size => Ok(Found::Frame { size, content: 0..size, tag: 0 }),
        }
    }
}

/// Frames of `size` bytes each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    size: usize,
}

impl Fixed {
    /// Frames of `size` bytes, at least one.
    pub fn new(size: usize) -> Result<Self> {
        if size == 0 {
            return Err(Error::invalid("size", "a frame has at least one byte"));
        }
        Ok(Self { size })
    }

    /// The size, and so the limit.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Appends `frame` to `out`.
    pub fn encode(&self, frame: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if frame.len() != self.size {
            return Err(Error::invalid("frame", format!("{} bytes where each has {}", frame.len(), self.size)));
        }
        out.extend_from_slice(frame);
        Ok(())
    }
}

impl Scan for Fixed {
    fn next(&mut self, input: &[u8]) -> Result<Found> {
        if input.len() < self.size {
            return Ok(Found::Coming { size: self.size, content: 0..self.size, tag: 0 });
        }
        Ok(Found::Frame { size: self.size, content: 0..self.size, tag: 0 })
    }
}
