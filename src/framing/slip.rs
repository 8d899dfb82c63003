//! SLIP (RFC 1055): END ends a frame, END and ESC in it are escaped. Empty frames are line noise and are dropped.

use memchr::{memchr, memchr2};

use super::scan::{Content, Found, Passed, Scan, Skip};
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

/// Appends a frame as it came, without what was before it.
pub(super) fn code_again(content: &[u8], out: &mut Vec<u8>) {
    escape(content, out);
    out.push(END);
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
    content: Content,
    /// Bytes of the stream that the content was made of.
    used: usize,
}

impl Scanner {
    /// At the beginning of a stream.
    pub fn new(max_frame: usize) -> Self {
        Self { content: Content::new(max_frame), used: 0 }
    }
}

impl Scan for Scanner {
    fn next(&mut self, input: &[u8]) -> Result<Found> {
        let (size, piece) = match memchr2(END, ESC, input) {
            Some(0) => match (input[0], input.get(1)) {
                (END, _) if self.used == 0 => return Ok(Found::Nothing { size: 1 }),
                (END, _) => return Ok(Found::Built { size: 1 }),
                (_, None) => return Ok(Found::More { least: 2 }),
                (_, Some(&ESC_END)) => (2, &[END][..]),
                (_, Some(&ESC_ESC)) => (2, &[ESC][..]),
                (_, Some(other)) => {
                    return Err(Error::malformed("SLIP escape", format!("ESC before byte {other:#04x}")));
                }
            },
            Some(at) => (at, &input[..at]),
            None if input.is_empty() => return Ok(Found::More { least: 1 }),
            None => (input.len(), input),
        };
        if !self.content.has_room(piece.len()) {
            return Ok(Found::TooLarge { length: self.content.over(), skip: Skip::Search });
        }
        self.content.append(piece);
        self.used += size;
        Ok(Found::Nothing { size })
    }

    fn pass(&mut self, input: &[u8]) -> Passed {
        self.clear();
        match memchr(END, input) {
            Some(at) => Passed { size: at + 1, done: true },
            None => Passed { size: input.len(), done: false },
        }
    }

    fn built(&self) -> &[u8] {
        self.content.bytes()
    }

    fn clear(&mut self) {
        self.content.clear();
        self.used = 0;
    }

    fn held_length(&self) -> usize {
        self.used
    }

    fn held(&self) -> Vec<u8> {
        let mut held = Vec::new();
        escape(self.content.bytes(), &mut held);
        held
    }
}
