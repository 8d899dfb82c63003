//! The incremental decoder: takes bytes as they come, gives frames in order.
//!
//! * getters: [`Decoder::buffered`], [`Decoder::skipped`], [`Decoder::least`];
//! * from the network: [`Decoder::feed`] or [`Decoder::room`], [`Decoder::eof`];
//! * what to do next: [`Decoder::ready`], [`Decoder::take`]; [`Decoder::decode`] feeds and takes at once;
//! * past the decoder: [`Decoder::coming`], [`Decoder::set_aside`], [`Decoder::passed_on`]; [`Decoder::unread`] ends it.
//!
//! An error comes after the frames before it, stays, and leaves the bytes where they are. What is held is at most a
//! frame and one read.

use std::sync::Arc;

use super::codec::{Codec, Format};
use super::parser::{Look, Parser, Piece, Ready};
use crate::error::{Cause, Error, Result};

/// A buffer that has become larger than this, and than reads are now, is given back when it is empty.
const KEPT: usize = 256 * 1024;
/// So many bytes are tried at least to complete a frame that has begun, and as many as there are of it.
const PIECE: usize = 4 * 1024;

/// So many bytes are moved at most for each byte of a frame that is kept elsewhere.
const WORTH: usize = 256;

/// What one read asks for, at least and at most.
const READ: usize = 64 * 1024;
const MOST_READ: usize = 1024 * 1024;
/// What is held beside a frame at most, one more read of the least size left out.
const BESIDE: usize = 188 * 1024;

/// A frame as it lies in the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The type, where the format has one.
    pub tag: u64,
    /// The content.
    pub bytes: &'a [u8],
}

/// What a frame was in the stream beside its content: with that, [`Around::wire`] gives it as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Around {
    /// The content lay there as it is.
    Plain {
        /// The header.
        before: Vec<u8>,
        /// What ended it.
        behind: Vec<u8>,
    },
    /// The content was put together from so many bytes.
    Coded {
        /// With what ended it.
        size: usize,
    },
}

impl Around {
    /// How many bytes the frame with this content was.
    pub fn size(&self, content: &[u8]) -> usize {
        match self {
            Self::Plain { before, behind } => before.len() + content.len() + behind.len(),
            Self::Coded { size } => *size,
        }
    }

    /// Appends the bytes that the frame of `codec` with this content was.
    pub fn wire(&self, codec: &Codec, content: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Plain { before, behind } => {
                for part in [before, content, behind] {
                    out.extend_from_slice(part);
                }
            }
            Self::Coded { size } => codec.format.code_again(content, *size, out),
        }
    }
}

/// A frame whose header has come and whose content is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coming<'a> {
    /// The type, where the format has one.
    pub tag: u64,
    /// The length of its content in bytes.
    pub length: usize,
    /// What has come of the content: fewer bytes than `length`.
    pub here: &'a [u8],
    /// What has to be behind its content.
    pub tail: &'static [u8],
}

/// See the module.
#[derive(Debug)]
pub struct Decoder {
    parser: Parser,
    buffer: Vec<u8>,
    start: usize,
    ready: Option<Ready>,
    /// What the next read asks for, if no frame needs more.
    ask: usize,
}

impl Decoder {
    /// At the beginning of a stream.
    pub fn new(codec: impl Into<Arc<Codec>>) -> Self {
        Self { parser: Parser::new(codec.into()), buffer: Vec::new(), start: 0, ready: None, ask: READ }
    }

    /// The codec it was made from.
    pub fn codec(&self) -> &Codec {
        &self.parser.codec
    }

    fn left(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// How many bytes have come and are in no frame that was given.
    pub fn buffered(&self) -> usize {
        self.left() + self.parser.held_length()
    }

    /// How many frames were over the limit and dropped.
    pub fn skipped(&self) -> u64 {
        self.parser.skipped
    }

    /// How many more bytes the next frame needs, as far as that is known; at least one.
    pub fn least(&self) -> usize {
        self.parser.least.saturating_sub(self.left()).max(1)
    }

    /// Whether the stream is over, by its own word or by [`Decoder::eof`], at a place where it may be, and all was given.
    pub fn at_end(&self) -> bool {
        self.ready.is_none() && self.parser.at_end(self.left())
    }

    /// Whether [`Decoder::eof`] was told.
    pub fn has_eof(&self) -> bool {
        self.parser.eof
    }

    /// How large the buffer may become. Where frames are put together beside it, they count.
    fn most_buffer(&self) -> usize {
        let frame = if self.parser.puts_together() { 0 } else { self.codec().max_frame };
        frame.saturating_add(BESIDE)
    }

    /// How many bytes to ask the stream for: what the next frame needs, more while all comes that is asked for (each
    /// receive has its price), and no more than may be held.
    pub fn appetite(&self) -> usize {
        self.least().max(self.ask).min(self.most_buffer().saturating_sub(self.left())).clamp(READ, MOST_READ)
    }

    /// Of `asked` bytes `count` have come.
    pub fn came(&mut self, asked: usize, count: usize) {
        if count >= asked {
            self.ask = asked.saturating_mul(2).min(MOST_READ);
        } else if count < self.ask / 4 {
            self.ask = READ;
        }
    }

    /// Whether nothing will be made of further bytes, by an error or the stream's own end, and as many are held as may be.
    pub fn full(&self) -> bool {
        let over = self.parser.cause().is_some() || self.at_end();
        over && self.buffered() > self.codec().max_frame.saturating_add(KEPT)
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
        self.parser.eof = true;
    }

    /// A frame is moved to the front at most once: after that it begins there.
    fn tidy(&mut self) {
        if self.start == 0 {
            return;
        }
        if self.start == self.buffer.len() {
            self.empty();
        } else {
            self.buffer.drain(..self.start);
        }
        self.start = 0;
    }

    fn empty(&mut self) {
        self.buffer.clear();
        self.start = 0;
        if self.buffer.capacity() > KEPT.max(self.ask.saturating_mul(2)) {
            self.buffer = Vec::new();
        }
    }

    /// Doubles, but never beyond what the frame in progress needs and one read, and what may be held.
    fn grow(&mut self, more: usize) {
        let needed = self.buffer.len() + more;
        if needed > self.buffer.capacity() {
            let doubled = self.buffer.capacity().saturating_mul(2);
            // Where only its end tells how long a frame is, it may become as long as any.
            let frame = match self.parser.coming() {
                Some(piece) => piece.size.saturating_add(more),
                None => usize::MAX,
            };
            let target = needed.max(doubled.min(frame).min(self.most_buffer().saturating_add(READ)));
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
        match self.parser.look(&self.buffer, &mut self.start) {
            Look::Frame(ready) => Ok(Some(ready)),
            Look::Nothing => Ok(None),
            Look::Failed => Err(self.error()),
        }
    }

    #[cold]
    fn error(&self) -> Error {
        // Looked at only behind a failure.
        let cause = self.parser.cause().cloned().unwrap_or(Cause::Ended);
        let error = Error::new("frame", cause);
        match error.cause {
            Cause::Truncated { .. } => error.with_partial(self.pending()),
            _ => error,
        }
    }

    /// A copy of the bytes that are in no frame that was given.
    pub fn pending(&self) -> Vec<u8> {
        let mut bytes = self.parser.held();
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
        Ok(ready.map(|ready| {
            let (size, result) = self.parser.hand_over(&self.buffer[self.start..], ready, use_it);
            self.start += size;
            result
        }))
    }

    /// As [`Decoder::take`], with what was around the content in the stream.
    pub fn take_whole<R>(&mut self, use_it: impl FnOnce(Frame<'_>, Around) -> R) -> Result<Option<R>> {
        if !self.ready()? {
            return Ok(None);
        }
        let around = match &self.ready {
            Some(Ready::Piece(Piece { size, content, .. })) => {
                let wire = &self.buffer[self.start..self.start + size];
                Around::Plain { before: wire[..content.start].to_vec(), behind: wire[content.end..].to_vec() }
            }
            Some(Ready::Built { size }) => Around::Coded { size: self.parser.held_length() + size },
            None => Around::Coded { size: 0 },
        };
        self.take(|frame| use_it(frame, around))
    }

    /// A frame of `kept` bytes that was taken is kept elsewhere, and counts: gives back memory that is not in use.
    ///
    /// What is left is moved for it, unless the frame is nothing beside that: the cost has to stay linear.
    pub fn release(&mut self, kept: usize) {
        if self.left() <= kept.saturating_mul(WORTH) {
            self.tidy();
            self.buffer.shrink_to_fit();
        }
    }

    /// Feeds `bytes` and takes all frames, without a copy of those that lie in `bytes` as a whole.
    ///
    /// On an error all bytes have been taken nevertheless.
    pub fn decode(&mut self, bytes: &[u8], mut each: impl FnMut(Frame<'_>)) -> Result<()> {
        let mut rest = bytes;
        let mut outcome = self.take_all(&mut each);
        while outcome.is_ok() && self.left() > 0 && !rest.is_empty() {
            let (piece, behind) = rest.split_at(self.least().max(PIECE).max(self.left()).min(rest.len()));
            self.feed(piece);
            rest = behind;
            outcome = self.take_all(&mut each);
            if self.left() <= piece.len() {
                // What is left came just now: look for it where it was given.
                rest = &bytes[bytes.len() - behind.len() - self.left()..];
                self.empty();
            }
        }
        let mut at = 0;
        while outcome.is_ok() && self.left() == 0 {
            match self.parser.look(rest, &mut at) {
                Look::Frame(ready) => at += self.parser.hand_over(&rest[at..], ready, &mut each).0,
                Look::Nothing => break,
                Look::Failed => outcome = Err(Error::new("frame", Cause::Ended)),
            }
        }
        self.feed(&rest[at..]);
        outcome.map_err(|_| self.error())
    }

    fn take_all(&mut self, each: &mut impl FnMut(Frame<'_>)) -> Result<()> {
        while self.take(&mut *each)?.is_some() {}
        Ok(())
    }

    /// The next frame is to be at most `most` bytes, not zero, if the format has frames of any cut; others stay as they are.
    pub fn cut(&mut self, most: usize) {
        if most > 0
            && matches!(self.codec().format, Format::Raw(_))
            && let Some(Ready::Piece(piece)) = &mut self.ready
            && piece.size > most
        {
            (piece.size, piece.content) = (most, 0..most);
        }
    }

    /// The length of the next frame as it will be handed over, once that is known.
    pub fn length(&mut self) -> Result<Option<usize>> {
        self.ready()?;
        Ok(match &self.ready {
            Some(ready) => Some(self.parser.length(ready)),
            None => self.parser.coming().map(|piece| piece.content.len()),
        })
    }

    /// The next frame, if its header has come and its content has not, so that the rest can be received elsewhere: in
    /// memory of its size, without a copy.
    ///
    /// When the rest has been received, and the tail behind it, say [`Decoder::passed_on`]. If that is given up, or the
    /// tail is another, [`Decoder::feed`] what came. Until then the decoder must not be fed.
    pub fn coming(&mut self) -> Result<Option<Coming<'_>>> {
        if self.ready()? {
            return Ok(None);
        }
        let Some(piece) = self.parser.coming() else { return Ok(None) };
        let (tag, length, tail) = (piece.tag, piece.content.len(), self.codec().tail());
        let here = self.buffer.get(self.start + piece.content.start..).filter(|here| here.len() < length);
        Ok(here.map(|here| Coming { tag, length, here, tail }))
    }

    /// What has come of the frame that is [coming](Decoder::coming), header and all, is kept elsewhere from now on, and
    /// not here. If that is given up, feed it again.
    pub fn set_aside(&mut self) {
        self.start = 0;
        self.buffer.clear();
        self.buffer.shrink_to(READ);
    }

    /// The frame that is [coming](Decoder::coming) was received elsewhere; the stream goes on behind it.
    pub fn passed_on(&mut self) {
        if self.parser.coming().is_some() {
            self.empty();
            self.parser.passed();
        }
    }

    /// Takes all bytes that are in no frame that was given, to go on with another protocol.
    pub fn unread(&mut self) -> Vec<u8> {
        let bytes = self.pending();
        let mut parser = Parser::new(Arc::clone(&self.parser.codec));
        parser.eof = self.parser.eof;
        parser.skipped = self.parser.skipped;
        *self = Self { parser, buffer: Vec::new(), start: 0, ready: None, ask: READ };
        bytes
    }
}
