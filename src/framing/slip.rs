//! SLIP (RFC 1055): END ends a frame, END and ESC in it are escaped. Empty frames are line noise and are dropped.

use memchr::memchr2;

use super::scan::{Found, Passed, Scan, Skip};
use crate::error::{Error, Result};

const END: u8 = 0o300;
const ESC: u8 = 0o333;
const ESC_END: u8 = 0o334;
const ESC_ESC: u8 = 0o335;

/// Appends `frame` to `out`, with an END before it too, as the RFC advises.
pub fn encode(frame: &[u8], out: &mut Vec<u8>) -> Result<()> {
    if frame.is_empty() {
        return Err(Error::invalid("frame", "SLIP has no empty frame: receivers drop it"));
    }
    out.push(END);
    escape(frame, out);
    out.push(END);
    Ok(())
}

fn escape(mut frame: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = memchr2(END, ESC, frame) {
        out.extend_from_slice(&frame[..at]);
        out.extend_from_slice(if frame[at] == END { &[ESC, ESC_END] } else { &[ESC, ESC_ESC] });
        frame = &frame[at + 1..];
    }
    out.extend_from_slice(frame);
}

/// Unescapes as bytes come, so that what is held is never more than a frame.
#[derive(Debug)]
pub struct Scanner {
    max_frame: usize,
    content: Vec<u8>,
    /// Bytes of the stream that the content was made of.
    used: usize,
}

impl Scanner {
    /// At the beginning of a stream.
    pub fn new(max_frame: usize) -> Self {
        Self { max_frame, content: Vec::new(), used: 0 }
    }
}

impl Scan for Scanner {
    fn next(&mut self, input: &[u8]) -> Result<Found> {
        let (size, byte) = match memchr2(END, ESC, input) {
            Some(0) => match (input[0], input.get(1)) {
                (END, _) if self.content.is_empty() => return Ok(Found::Nothing { size: 1 }),
                (END, _) => return Ok(Found::Built { size: 1 }),
                (_, None) => return Ok(Found::More { least: 2 }),
                (_, Some(&ESC_END)) => (2, Some(END)),
                (_, Some(&ESC_ESC)) => (2, Some(ESC)),
                (_, Some(other)) => {
                    return Err(Error::malformed("SLIP escape", format!("ESC before byte {other:#04x}")));
                }
            },
            Some(at) => (at, None),
            None if input.is_empty() => return Ok(Found::More { least: 1 }),
            None => (input.len(), None),
        };
        let more = if byte.is_some() { 1 } else { size };
        if self.content.len() + more > self.max_frame {
            self.content = Vec::new();
            self.used = 0;
            return Ok(Found::TooLarge { length: self.max_frame as u64 + 1, skip: Skip::Search });
        }
        match byte {
            Some(byte) => self.content.push(byte),
            None => self.content.extend_from_slice(&input[..size]),
        }
        self.used += size;
        Ok(Found::Nothing { size })
    }

    fn pass(&mut self, input: &[u8]) -> Passed {
        match memchr::memchr(END, input) {
            Some(at) => Passed { size: at + 1, done: true },
            None => Passed { size: input.len(), done: false },
        }
    }

    fn built(&mut self) -> Vec<u8> {
        self.used = 0;
        std::mem::take(&mut self.content)
    }

    fn held_length(&self) -> usize {
        self.used
    }

    fn held(&self) -> Vec<u8> {
        let mut held = Vec::new();
        escape(&self.content, &mut held);
        held
    }
}
