//! Consistent overhead byte stuffing (Cheshire and Baker, 1999): no zero in a frame, a zero behind it.
//!
//! A frame is a row of blocks: a code, then code - 1 bytes that are not zero; a zero follows in the content unless the
//! code is 255 or the frame ends there. A zero where a frame would begin is no frame.

use memchr::memchr;

use super::scan::{Content, Found, Passed, Scan, Skip};
use crate::error::{Error, Result};

/// Appends `frame` and the zero behind it to `out`.
pub fn encode(frame: &[u8], out: &mut Vec<u8>) {
    stuff(frame, out);
    out.push(0);
}

fn stuff(frame: &[u8], out: &mut Vec<u8>) {
    let mut runs = frame.split(|byte| *byte == 0).peekable();
    while let Some(mut run) = runs.next() {
        while run.len() >= 254 {
            out.push(255);
            out.extend_from_slice(&run[..254]);
            run = &run[254..];
            if run.is_empty() && runs.peek().is_none() {
                return;
            }
        }
        // At most 253 bytes are left.
        out.push(run.len() as u8 + 1);
        out.extend_from_slice(run);
    }
}

/// Appends the `size` bytes that content came as, without the zero.
fn stuff_again(content: &[u8], size: usize, out: &mut Vec<u8>) {
    let begin = out.len();
    stuff(content, out);
    // The one choice that a sender has: a full block at the end, with or without an empty one behind it.
    if out.len() - begin < size {
        out.push(1);
    }
}

/// Appends a frame as it came in `size` bytes.
pub(super) fn code_again(content: &[u8], size: usize, out: &mut Vec<u8>) {
    stuff_again(content, size - 1, out);
    out.push(0);
}

/// Takes whole blocks as they come, so that what is held is never more than a frame.
#[derive(Debug)]
pub struct Scanner {
    content: Content,
    /// A zero follows the last block if another block does.
    zero: bool,
    /// Bytes of the stream that the content was made of; zero before the first block.
    used: usize,
}

impl Scanner {
    /// At the beginning of a stream.
    pub fn new(max_frame: usize) -> Self {
        Self { content: Content::new(max_frame), zero: false, used: 0 }
    }
}

impl Scan for Scanner {
    fn next(&mut self, input: &[u8]) -> Result<Found> {
        let Some(code) = input.first() else { return Ok(Found::More { least: 1 }) };
        let size = usize::from(*code);
        if size == 0 {
            return Ok(if self.used > 0 { Found::Built { size: 1 } } else { Found::Nothing { size: 1 } });
        }
        if !self.content.has_room(usize::from(self.zero) + size - 1) {
            return Ok(Found::TooLarge { length: self.content.over(), skip: Skip::Search });
        }
        let block = &input[1..size.min(input.len())];
        if memchr(0, block).is_some() {
            return Err(Error::malformed("COBS block", format!("it ends before its {size} bytes")));
        }
        if input.len() < size {
            return Ok(Found::More { least: input.len() + 1 });
        }
        if self.zero {
            self.content.append(&[0]);
        }
        self.content.append(block);
        self.zero = *code != 255;
        self.used += size;
        Ok(Found::Nothing { size })
    }

    fn pass(&mut self, input: &[u8]) -> Passed {
        self.clear();
        match memchr(0, input) {
            Some(at) => Passed { size: at + 1, done: true },
            None => Passed { size: input.len(), done: false },
        }
    }

    fn built(&self) -> &[u8] {
        self.content.bytes()
    }

    fn clear(&mut self) {
        self.content.clear();
        self.zero = false;
        self.used = 0;
    }

    fn held_length(&self) -> usize {
        self.used
    }

    fn held(&self) -> Vec<u8> {
        let mut held = Vec::new();
        if self.used > 0 {
            stuff_again(self.content.bytes(), self.used, &mut held);
        }
        held
    }
}
