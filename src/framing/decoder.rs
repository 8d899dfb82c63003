//! The incremental decoder: takes bytes as they come, gives frames in order.
//!
//! * getters: [`Decoder::buffered`], [`Decoder::skipped`], [`Decoder::least`];
//! * from the network: [`Decoder::feed`] or [`Decoder::room`], [`Decoder::eof`];
//! * what to do next: [`Decoder::ready`], [`Decoder::take`]; [`Decoder::unread`] ends it.
//!
//! An error comes after the frames before it, stays, and leaves the bytes where they are. What is held is at most a
//! frame and one read.

use std::ops::Range;

use super::codec::{Codec, Oversize, Scanner};
use super::scan::{Found, Skip};
use crate::error::{Cause, Error, Result};

/// A buffer that has become larger than this is given back when it is empty.
const KEPT: usize = 4 * 1024 * 1024;

/// A frame as it lies in the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The type, where the format has one.
    pub tag: u64,
    /// The content.
    pub bytes: &'a [u8],
}

/// See the module.
#[derive(Debug)]
pub struct Decoder {
    codec: Codec,
    scanner: Scanner,
    buffer: Vec<u8>,
    start: usize,
    least: usize,
    ready: Option<Ready>,
    skipping: Option<Skip>,
    skipped: u64,
    eof: bool,
    ended: bool,
    failed: Option<Cause>,
}

#[derive(Debug)]
enum Ready {
    Range { size: usize, content: Range<usize>, tag: u64 },
    Built(Vec<u8>),
}

impl Decoder {
    /// At the beginning of a stream.
    pub fn new(codec: Codec) -> Self {
        let scanner = codec.scanner();
        Self {
            codec,
            scanner,
            buffer: Vec::new(),
            start: 0,
            least: 1,
            ready: None,
            skipping: None,
            skipped: 0,
            eof: false,
            ended: false,
            failed: None,
        }
    }

    /// The codec it was made from.
    pub fn codec(&self) -> &Codec {
        &self.codec
    }

    /// How many bytes have come and are in no frame that was given.
    pub fn buffered(&self) -> usize {
        self.buffer.len() - self.start + self.scanner.held_length() + self.built().map_or(0, <[u8]>::len)
    }

    /// How many frames were over the limit and dropped.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// How many more bytes the next frame needs, as far as that is known; at least one.
    pub fn least(&self) -> usize {
        self.least.saturating_sub(self.buffer.len() - self.start).max(1)
    }

    /// Whether the stream is over, by its own word or by [`Decoder::eof`], and all was given.
    pub fn at_end(&self) -> bool {
        self.ready.is_none() && (self.ended || (self.eof && self.buffer.len() == self.start))
    }

    /// Takes bytes of the stream.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.tidy();
        self.grow(bytes.len());
        self.buffer.extend_from_slice(bytes);
    }

    /// The buffer with room for `most` bytes more; append what has come of the stream.
    pub fn room(&mut self, most: usize) -> &mut Vec<u8> {
        self.tidy();
        self.grow(most);
        &mut self.buffer
    }

    /// The stream has ended.
    pub fn eof(&mut self) {
        self.eof = true;
    }

    /// A frame is moved to the front at most once: after that it begins there.
    fn tidy(&mut self) {
        if self.start == 0 {
            return;
        }
        if self.start == self.buffer.len() {
            self.buffer.clear();
            if self.buffer.capacity() > KEPT {
                self.buffer = Vec::new();
            }
        } else {
            self.buffer.drain(..self.start);
        }
        self.start = 0;
    }

    /// Doubles, but never beyond what the frame in progress needs and one read.
    fn grow(&mut self, more: usize) {
        let needed = self.buffer.len() + more;
        if needed > self.buffer.capacity() {
            let doubled = self.buffer.capacity().saturating_mul(2);
            let target = needed.max(doubled.min(self.least.saturating_add(more)));
            self.buffer.reserve_exact(target - self.buffer.len());
        }
    }

    /// Whether there is a frame to take.
    #[inline]
    pub fn ready(&mut self) -> Result<bool> {
        if self.ready.is_none() {
            self.ready = self.look()?;
        }
        Ok(self.ready.is_some())
    }

    #[inline]
    fn look(&mut self) -> Result<Option<Ready>> {
        loop {
            if let Some(cause) = &self.failed {
                return Err(self.error(cause.clone()));
            }
            if self.ended {
                return Ok(None);
            }
            let input = &self.buffer[self.start..];
            if let Some(skip) = self.skipping {
                if !self.pass(skip) {
                    return self.finish();
                }
                continue;
            }
            if input.len() < self.least {
                return self.finish();
            }
            match self.scanner.next(input) {
                Ok(Found::Frame { size, content, tag }) => {
                    return Ok(Some(Ready::Range { size, content, tag }));
                }
                Ok(Found::Built { size }) => {
                    self.used(size);
                    return Ok(Some(Ready::Built(self.scanner.built())));
                }
                Ok(Found::Nothing { size }) => self.used(size),
                Ok(Found::End { size }) => {
                    self.used(size);
                    self.ended = true;
                }
                Ok(Found::More { least }) => self.least = least,
                Ok(Found::TooLarge { length, skip }) => match self.codec.oversize {
                    Oversize::Skip => {
                        self.skipping = Some(skip);
                        self.skipped += 1;
                    }
                    Oversize::Raise | Oversize::Close => {
                        self.failed =
                            Some(Cause::TooLarge { what: "frame", length, limit: self.codec.max_frame as u64 });
                    }
                },
                Err(error) => self.failed = Some(error.cause.clone()),
            }
        }
    }

    fn used(&mut self, size: usize) {
        self.start += size;
        self.least = 1;
    }

    /// Goes past an unwanted frame; whether to look on.
    fn pass(&mut self, skip: Skip) -> bool {
        let input = &self.buffer[self.start..];
        let available = input.len();
        let (size, rest) = match skip {
            Skip::Bytes(left) => {
                let size = usize::try_from(left).unwrap_or(usize::MAX).min(available);
                let left = left - size as u64;
                (size, (left > 0).then_some(Skip::Bytes(left)))
            }
            Skip::Search => {
                let passed = self.scanner.pass(input);
                (passed.size, (!passed.done).then_some(Skip::Search))
            }
        };
        self.used(size);
        self.skipping = rest;
        // The next look needs more than what the search left.
        self.skipping.is_none()
    }

    /// Nothing more can be found in what has come.
    fn finish(&mut self) -> Result<Option<Ready>> {
        if !self.eof {
            return Ok(None);
        }
        let left = self.buffer.len() - self.start;
        if self.scanner.last() && left > self.codec.max_frame && self.skipping.is_none() {
            let length = self.codec.max_frame as u64 + 1;
            self.failed = Some(Cause::TooLarge { what: "frame", length, limit: self.codec.max_frame as u64 });
            return self.look();
        }
        if self.scanner.last() && left > 0 && self.skipping.is_none() {
            return Ok(Some(Ready::Range { size: left, content: 0..left, tag: 0 }));
        }
        // A stream of chunks has its own end; the connection's does not replace it.
        let midway =
            left > 0 || self.skipping.is_some() || self.scanner.held_length() > 0 || !self.codec.end().is_empty();
        if !midway {
            return Ok(None);
        }
        self.failed = Some(Cause::Truncated { wanted: (self.least > left + 1).then_some(self.least) });
        self.look()
    }

    fn error(&self, cause: Cause) -> Error {
        let error = Error::new("frame", cause);
        match error.cause {
            Cause::Truncated { .. } => error.with_partial(self.pending()),
            _ => error,
        }
    }

    fn built(&self) -> Option<&[u8]> {
        match &self.ready {
            Some(Ready::Built(content)) => Some(content),
            _ => None,
        }
    }

    /// A copy of the bytes that are in no frame that was given.
    pub fn pending(&self) -> Vec<u8> {
        let mut bytes = self.scanner.held();
        if let Some(content) = self.built() {
            // Encoding what was decoded cannot fail: it is a frame within the limit.
            drop(self.codec.encode(0, content, &mut bytes));
        }
        bytes.extend_from_slice(&self.buffer[self.start..]);
        bytes
    }

    /// The next frame, handed to `use_it`. `None`: more bytes are needed, or the stream is [over](Decoder::at_end).
    #[inline]
    pub fn take<R>(&mut self, use_it: impl FnOnce(Frame<'_>) -> R) -> Result<Option<R>> {
        let ready = match self.ready.take() {
            None => self.look()?,
            ready => ready,
        };
        match ready {
            Some(Ready::Range { size, content, tag }) => {
                let bytes = &self.buffer[self.start + content.start..self.start + content.end];
                let result = use_it(Frame { tag, bytes });
                self.used(size);
                Ok(Some(result))
            }
            Some(Ready::Built(bytes)) => Ok(Some(use_it(Frame { tag: 0, bytes: &bytes }))),
            None => Ok(None),
        }
    }

    /// Takes all bytes that are in no frame that was given, to go on with another protocol.
    pub fn unread(&mut self) -> Vec<u8> {
        let bytes = self.pending();
        *self = Self { eof: self.eof, skipped: self.skipped, ..Self::new(self.codec.clone()) };
        bytes
    }
}
