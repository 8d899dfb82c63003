//! A frame on its way past the decoder, into memory of its size or into a caller's: the transport's copy is the only one.
//!
//! Lives here: the frame, where it goes, and when that is worth it. Its header stays known until the frame is taken, so
//! that every byte that has come can be given back.

use std::ops::Range;

use super::room::{Loan, Room};
use super::transport::{Transfer, Transport};
use crate::error::Result;
use crate::framing::decoder::Decoder;
use crate::net::sink::Sink;

/// What a frame must have to go into memory of its own, and at most: that is taken when its header has come.
const LEAST: usize = 32 * 1024;
const MOST: usize = 8 * 1024 * 1024;
/// So much of a frame must be missing to go straight into a caller's memory: a receive has its price.
const LEAST_LENT: usize = 4 * 1024;
/// What one receive asks for where only what ends a frame, or a header, is wanted.
pub(super) const HEADER: usize = 64;

/// Makes memory for a frame.
pub type Memory = dyn Fn() -> Box<dyn Sink> + Send + Sync;

/// Whether frames of this length are worth a receive of their own for the header.
pub(super) fn is_large(length: usize) -> bool {
    length >= LEAST
}

/// A frame whose content comes, or has come.
pub struct Large {
    place: Place,
    tag: u64,
    length: usize,
    header: Vec<u8>,
    tail: &'static [u8],
    /// What has come behind the content.
    behind: Vec<u8>,
}

/// Where the content goes.
enum Place {
    /// Memory of its own: there it is from its beginning on, and the decoder has none of it.
    Own(Box<dyn Sink>),
    /// A caller's. What came `before` it was lent is copied once, at the end, however often it is lent in between.
    Lent { loan: Loan, before: Before, written: Range<usize> },
}

/// Where the beginning is of a frame that goes into a caller's memory.
enum Before {
    /// In the decoder, as is the header.
    Decoder,
    /// In memory of its own.
    Sink(Box<dyn Sink>),
    /// With the rest: the frame is whole.
    Copied,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Coming,
    Whole,
    /// Something else is behind its content than has to be: the decoder knows what to say.
    Broken,
}

impl Large {
    /// The frame that `decoder` waits for, if it is worth it.
    pub(super) fn begin(decoder: &mut Decoder, memory: Option<&Memory>, loans: &mut Vec<Loan>) -> Option<Self> {
        let coming = decoder.coming().ok().flatten()?;
        let (tag, length, tail, here) = (coming.tag, coming.length, coming.tail, coming.here.len());
        let loan = fitting(loans, length, length - here);
        let place = match (loan, memory) {
            (Some(loan), _) => Place::Lent { loan, before: Before::Decoder, written: here..here },
            (None, Some(memory)) if (LEAST..=MOST).contains(&length) => {
                let mut sink = memory();
                if !sink.expect(length) || sink.extend(coming.here).is_err() {
                    return None;
                }
                Place::Own(sink)
            }
            (None, _) => return None,
        };
        let mut header = decoder.pending();
        header.truncate(header.len() - here);
        if matches!(place, Place::Own(_)) {
            decoder.set_aside();
        }
        Some(Self { place, tag, length, header, tail, behind: Vec::new() })
    }

    /// Goes on in a caller's memory, if one was lent.
    pub(super) fn lend(self, loans: &mut Vec<Loan>) -> Self {
        let come = self.come();
        let place = match self.place {
            Place::Own(sink) => match fitting(loans, self.length, self.length - come) {
                Some(loan) => Place::Lent { loan, before: Before::Sink(sink), written: come..come },
                None => Place::Own(sink),
            },
            lent @ Place::Lent { .. } => lent,
        };
        Self { place, ..self }
    }

    /// How much of the content has come.
    fn come(&self) -> usize {
        match &self.place {
            Place::Own(sink) => sink.bytes().len(),
            Place::Lent { written, .. } => written.end,
        }
    }

    /// Receives more of it; zero is the end of the stream.
    pub(super) fn recv(&mut self, transport: &dyn Transport) -> Result<Transfer> {
        let missing = self.length - self.come();
        if missing == 0 {
            return transport.recv(&mut self.behind, HEADER);
        }
        match &mut self.place {
            Place::Own(sink) => transport.recv_sink(&mut **sink, missing),
            Place::Lent { loan, written, .. } => {
                let received = transport.recv_room(&mut *loan.room, written.end..self.length)?;
                if let Transfer::Moved(count) = received {
                    written.end += count;
                }
                Ok(received)
            }
        }
    }

    /// How far it is.
    pub(super) fn progress(&self) -> Progress {
        let ends = &self.behind[..self.behind.len().min(self.tail.len())];
        if !self.tail.starts_with(ends) {
            Progress::Broken
        } else if self.come() < self.length || ends.len() < self.tail.len() {
            Progress::Coming
        } else {
            Progress::Whole
        }
    }

    /// It is whole: `decoder` goes on behind it.
    pub(super) fn finish(&mut self, decoder: &mut Decoder) {
        if let Place::Lent { loan, before, written } = &mut self.place {
            match before {
                Before::Sink(sink) => loan.room.write(0, sink.bytes()),
                Before::Decoder => {
                    if let Ok(Some(coming)) = decoder.coming() {
                        loan.room.write(0, coming.here);
                    }
                }
                Before::Copied => {}
            }
            *before = Before::Copied;
            written.start = 0;
        }
        decoder.passed_on();
        decoder.feed(&self.behind[self.tail.len()..]);
        self.behind.truncate(self.tail.len());
    }

    /// How long its content is.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Its type.
    pub(super) fn tag(&self) -> u64 {
        self.tag
    }

    /// Whether it goes into the memory that was lent with this number.
    pub(super) fn is_lent(&self, number: u64) -> bool {
        matches!(&self.place, Place::Lent { loan, .. } if loan.number == number)
    }

    /// How many bytes of it have come that the decoder does not have.
    pub(super) fn beyond(&self) -> usize {
        let content = match &self.place {
            Place::Lent { before: Before::Decoder, written, .. } => return written.len() + self.behind.len(),
            _ => self.come(),
        };
        self.header.len() + content + self.behind.len()
    }

    /// Copies a whole frame's content into `room`.
    pub(super) fn copy(&self, room: &mut dyn Room) {
        match &self.place {
            Place::Own(sink) => room.write(0, sink.bytes()),
            Place::Lent { loan, written, .. } => room.write(0, loan.room.bytes(written.clone())),
        }
    }

    /// The type of a whole frame, memory of its own with its content, and the loan that it did not need.
    pub(super) fn into_own(self, memory: Option<&Memory>) -> (u64, Box<dyn Sink>, Option<Loan>) {
        match self.place {
            Place::Own(sink) => (self.tag, sink, None),
            Place::Lent { loan, written, .. } => {
                let sink = own(memory, self.length, &[loan.room.bytes(written)]);
                (self.tag, sink, Some(loan))
            }
        }
    }

    /// The loan, where there is one.
    pub(super) fn into_loan(self) -> Option<Loan> {
        match self.place {
            Place::Lent { loan, .. } => Some(loan),
            Place::Own(_) => None,
        }
    }

    /// Leaves the memory that was lent: what has come goes on in memory of its own, or in the decoder.
    pub(super) fn leave(self, decoder: &mut Decoder, memory: Option<&Memory>) -> (Option<Self>, Option<Loan>) {
        let (loan, before, written) = match self.place {
            Place::Own(_) => return (Some(self), None),
            Place::Lent { loan, before, written } => (loan, before, written),
        };
        let come = loan.room.bytes(written);
        let sink = match before {
            Before::Sink(mut sink) => {
                // It cannot fail: the memory for the whole frame was had before its first byte came.
                drop(sink.extend(come));
                sink
            }
            Before::Copied => own(memory, self.length, &[come]),
            Before::Decoder => match decoder.coming() {
                Ok(Some(coming)) if memory.is_some() && (LEAST..=MOST).contains(&self.length) => {
                    let sink = own(memory, self.length, &[coming.here, come]);
                    decoder.set_aside();
                    sink
                }
                _ => {
                    decoder.feed(come);
                    decoder.feed(&self.behind);
                    return (None, Some(loan));
                }
            },
        };
        (Some(Self { place: Place::Own(sink), ..self }), Some(loan))
    }

    /// Gives what has come back: to the decoder, or all of it where the frame is whole.
    pub(super) fn give_back(self, decoder: &mut Decoder) -> (Vec<u8>, Option<Loan>) {
        let whole = self.progress() == Progress::Whole;
        let mut bytes = self.header;
        let loan = match self.place {
            Place::Own(sink) => {
                bytes.extend_from_slice(sink.bytes());
                None
            }
            Place::Lent { loan, before, written } => {
                match before {
                    Before::Decoder => bytes.clear(),
                    Before::Sink(sink) => bytes.extend_from_slice(sink.bytes()),
                    Before::Copied => {}
                }
                bytes.extend_from_slice(loan.room.bytes(written));
                Some(loan)
            }
        };
        bytes.extend_from_slice(&self.behind);
        if whole {
            return (bytes, loan);
        }
        decoder.feed(&bytes);
        (Vec::new(), loan)
    }
}

/// Takes a loan that a frame of `length` bytes fits into, if the `missing` ones are worth it.
fn fitting(loans: &mut Vec<Loan>, length: usize, missing: usize) -> Option<Loan> {
    if missing < LEAST_LENT {
        return None;
    }
    let index = loans.iter().position(|loan| loan.room.capacity() >= length)?;
    Some(loans.remove(index))
}

/// Memory for a frame of `length` bytes with what has come of it.
fn own(memory: Option<&Memory>, length: usize, come: &[&[u8]]) -> Box<dyn Sink> {
    if let Some(memory) = memory {
        let mut sink = memory();
        if sink.expect(length) && come.iter().all(|bytes| sink.extend(bytes).is_ok()) {
            return sink;
        }
    }
    Box::new(come.concat())
}
