//! What a stream means so far: frames, one that is passed over, its end, or a failure that stays.
//!
//! Holds no bytes but those that a scanner puts together; it is shown what has come and says how much of it is used up.

use std::ops::Range;
use std::sync::Arc;

use super::codec::{Codec, Format, Oversize, Scanner};
use super::decoder::Frame;
use super::scan::{Found, Skip};
use crate::error::Cause;

/// Where frames come from.
#[derive(Debug)]
pub(super) struct Parser {
    /// Shared by all that were made from it.
    pub(super) codec: Arc<Codec>,
    scanner: Scanner,
    state: State,
    /// With fewer bytes there is nothing new to find.
    pub(super) least: usize,
    coming: Option<Piece>,
    pub(super) skipped: u64,
    pub(super) eof: bool,
}

#[derive(Debug)]
enum State {
    Open,
    Skipping(Skip),
    Ended,
    Failed(Cause),
}

/// A frame as it lies in the input: its bytes there, what is handed over of them, its type.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) size: usize,
    pub(super) content: Range<usize>,
    pub(super) tag: u64,
}

/// A frame that can be handed over.
#[derive(Clone, Debug)]
pub(super) enum Ready {
    /// It lies in the input.
    Piece(Piece),
    /// The scanner has put it together; so many bytes of the input end it.
    Built { size: usize },
}

/// What there is.
pub(super) enum Look {
    Frame(Ready),
    /// More bytes are needed, or the stream is over.
    Nothing,
    /// [`Parser::cause`] says why.
    Failed,
}

impl Parser {
    pub(super) fn new(codec: Arc<Codec>) -> Self {
        let scanner = codec.scanner();
        Self { codec, scanner, state: State::Open, least: 1, coming: None, skipped: 0, eof: false }
    }

    /// What is next in `input` behind `at`, which moves over what is used up before it.
    #[inline]
    pub(super) fn look(&mut self, input: &[u8], at: &mut usize) -> Look {
        loop {
            match self.state {
                State::Open => {}
                State::Skipping(skip) => {
                    let size = self.pass(&input[*at..], skip);
                    *at += size;
                    if size == 0 && matches!(self.state, State::Skipping(_)) {
                        return self.finish(input.len(), at);
                    }
                    continue;
                }
                State::Ended => return Look::Nothing,
                State::Failed(_) => return Look::Failed,
            }
            let rest = &input[*at..];
            if rest.len() < self.least {
                return self.finish(input.len(), at);
            }
            match self.scanner.next(rest) {
                Ok(Found::Frame { size, content, tag }) => {
                    return Look::Frame(Ready::Piece(Piece { size, content, tag }));
                }
                Ok(Found::Built { size }) => return Look::Frame(Ready::Built { size }),
                Ok(Found::Nothing { size }) => {
                    *at += size;
                    self.least = 1;
                }
                Ok(Found::End { size }) => {
                    *at += size;
                    self.state = State::Ended;
                }
                Ok(Found::More { least }) => self.least = least,
                Ok(Found::Coming { size, content, tag }) => {
                    // A wrong byte behind the content is told as soon as it is there.
                    self.least = size.min(content.end + 1);
                    self.coming = Some(Piece { size, content, tag });
                }
                Ok(Found::TooLarge { length, skip }) => match self.codec.oversize {
                    Oversize::Skip => {
                        self.state = State::Skipping(skip);
                        self.skipped += 1;
                    }
                    Oversize::Raise | Oversize::Close => self.state = State::Failed(self.too_large(length)),
                },
                Err(error) => self.state = State::Failed(error.cause.clone()),
            }
        }
    }

    fn too_large(&self, length: u64) -> Cause {
        Cause::TooLarge { what: "frame", length, limit: self.codec.max_frame as u64 }
    }

    /// Goes past an unwanted frame: how many bytes of `input` are used up. With none, more bytes are needed.
    fn pass(&mut self, input: &[u8], skip: Skip) -> usize {
        self.least = 1;
        let (size, state) = match skip {
            Skip::Bytes { size: 0, end } => {
                let come = &input[..input.len().min(end.len())];
                if come == end {
                    (end.len(), State::Open)
                } else if end.starts_with(come) {
                    (0, State::Skipping(skip))
                } else {
                    let reason = format!("no b\"{}\" behind its bytes", end.escape_ascii());
                    (0, State::Failed(Cause::Malformed { what: "frame", reason }))
                }
            }
            Skip::Bytes { size: left, end } => {
                let size = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                (size, State::Skipping(Skip::Bytes { size: left - size as u64, end }))
            }
            Skip::Search => {
                let passed = self.scanner.pass(input);
                (passed.size, if passed.done { State::Open } else { State::Skipping(skip) })
            }
        };
        self.state = state;
        size
    }

    /// Nothing more can be found in the input, which ends at `end`.
    fn finish(&mut self, end: usize, at: &mut usize) -> Look {
        if !self.eof {
            return Look::Nothing;
        }
        let left = end - *at;
        let skipping = matches!(self.state, State::Skipping(_));
        if self.scanner.last() && (skipping || left > self.codec.max_frame) {
            if self.codec.oversize != Oversize::Skip {
                self.state = State::Failed(self.too_large(self.codec.max_frame as u64 + 1));
                return Look::Failed;
            }
            self.skipped += u64::from(!skipping);
            self.state = State::Ended;
            *at = end;
            return Look::Nothing;
        }
        if self.scanner.last() && left > 0 {
            return Look::Frame(Ready::Piece(Piece { size: left, content: 0..left, tag: 0 }));
        }
        if left > 0 || self.midway() {
            self.state = State::Failed(Cause::Truncated { wanted: (self.least > left + 1).then_some(self.least) });
            return Look::Failed;
        }
        Look::Nothing
    }

    /// Whether the stream may not end here, even though no byte is left over.
    fn midway(&self) -> bool {
        match self.state {
            // A stream of chunks has its own end; the connection's does not replace it.
            State::Open => self.scanner.held_length() > 0 || !self.codec.end().is_empty(),
            State::Skipping(_) | State::Failed(_) => true,
            State::Ended => false,
        }
    }

    /// Whether the stream is over and nothing was cut off, if `left` bytes are left over.
    pub(super) fn at_end(&self, left: usize) -> bool {
        matches!(self.state, State::Ended) || (self.eof && left == 0 && !self.midway())
    }

    /// Why it failed.
    pub(super) fn cause(&self) -> Option<&Cause> {
        match &self.state {
            State::Failed(cause) => Some(cause),
            _ => None,
        }
    }

    /// The frame whose header has come and whose content has not.
    pub(super) fn coming(&self) -> Option<&Piece> {
        self.coming.as_ref()
    }

    /// That frame has come, and gone elsewhere.
    pub(super) fn passed(&mut self) {
        self.scanner.passed();
        self.next();
    }

    /// The length of a frame as it will be handed over.
    pub(super) fn length(&self, ready: &Ready) -> usize {
        match ready {
            Ready::Piece(piece) => piece.content.len(),
            Ready::Built { .. } => self.scanner.built().len(),
        }
    }

    /// Whether frames are put together, not taken as they lie in the input.
    pub(super) fn puts_together(&self) -> bool {
        matches!(self.codec.format, Format::Cobs | Format::Slip)
    }

    /// The bytes of the frame in progress that were used up already.
    pub(super) fn held(&self) -> Vec<u8> {
        self.scanner.held()
    }

    /// How many these are.
    pub(super) fn held_length(&self) -> usize {
        self.scanner.held_length()
    }

    /// Hands over what [`Parser::look`] found at the beginning of `input`; how many of its bytes are used up.
    #[inline]
    pub(super) fn hand_over<R>(
        &mut self,
        input: &[u8],
        ready: Ready,
        use_it: impl FnOnce(Frame<'_>) -> R,
    ) -> (usize, R) {
        let (size, result) = match ready {
            Ready::Piece(Piece { size, content, tag }) => (size, use_it(Frame { tag, bytes: &input[content] })),
            Ready::Built { size } => {
                let result = use_it(Frame { tag: 0, bytes: self.scanner.built() });
                self.scanner.clear();
                (size, result)
            }
        };
        self.next();
        (size, result)
    }

    /// The next frame begins.
    pub(super) fn next(&mut self) {
        self.least = 1;
        self.coming = None;
    }
}
