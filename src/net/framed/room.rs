//! Memory of a caller that the next frame is received into: a receive lends it and has it back when it ends.
//!
//! Whoever steps receives into it, and whoever comes first takes the frame: from another's room it is copied. So nobody
//! waits for who has lent, and a receive that is given up leaves its frame to the others.

use std::any::Any;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::large;
use super::receive::Fill;
use super::{Arriving, Framed, Patience, lock};
use crate::engine::{Descriptor, Operation, Step, Time};
use crate::error::{Cause, Error, Result};
use crate::framing::decoder::Decoder;
use crate::sys;

/// Somebody's memory.
pub trait Room: Send {
    /// How many bytes it has.
    fn capacity(&self) -> usize;

    /// Receives into the bytes of `range`; as recv(2), never waiting.
    fn recv(&mut self, descriptor: Descriptor, range: Range<usize>) -> io::Result<usize>;

    /// Writes `bytes` from `at` on. What does not fit is left out.
    fn write(&mut self, at: usize, bytes: &[u8]);

    /// What was written to `range`.
    fn bytes(&self, range: Range<usize>) -> &[u8];

    /// Whose memory it is, for a transport that knows such owners.
    fn owner(&self) -> Option<&dyn Any> {
        None
    }
}

impl Room for Vec<u8> {
    fn capacity(&self) -> usize {
        self.len()
    }

    fn recv(&mut self, descriptor: Descriptor, range: Range<usize>) -> io::Result<usize> {
        sys::io::recv(descriptor, &mut self[range])
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        let length = bytes.len().min(self.len().saturating_sub(at));
        self[at..at + length].copy_from_slice(&bytes[..length]);
    }

    fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self[range]
    }
}

/// A room on loan.
pub(super) struct Loan {
    pub(super) number: u64,
    pub(super) room: Box<dyn Room>,
}

/// What a receive into a room gives.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// A frame is in the room: its type and its length.
    Frame {
        /// The type, where the format has one.
        tag: u64,
        /// The length in bytes.
        length: usize,
    },
    /// The stream is over.
    End,
    /// It failed; where the room was too small ([`Cause::NoRoom`]) the frame stays.
    Failed(Error),
}

impl Framed {
    fn lend(&self, room: Box<dyn Room>) -> u64 {
        let inbox = lock(&self.inbox);
        let mut arriving = lock(&self.arriving);
        if !arriving.begun && inbox.codec().tells_length() {
            // Who lends much expects much, until the first frame tells.
            self.expected.store(large::is_large(room.capacity()), Ordering::Relaxed);
        }
        arriving.lent += 1;
        let number = arriving.lent;
        arriving.loans.push(Loan { number, room });
        number
    }

    /// Ends the loan `number`. What has come into the room stays to be received.
    fn reclaim(&self, number: u64) {
        let mut inbox = lock(&self.inbox);
        let mut arriving = lock(&self.arriving);
        let mut loan = arriving.end(number);
        if let Some(frame) = arriving.large.take_if(|frame| frame.is_lent(number)) {
            (arriving.large, loan) = frame.leave(&mut inbox, self.memory.as_deref());
        }
        drop(arriving);
        drop(inbox);
        drop(loan);
    }

    /// Takes the next frame into the room that was lent as `number`, and ends the loan. `None`: nothing yet.
    fn take_into(&self, number: u64) -> Option<(Taken, Option<Loan>)> {
        let mut inbox = lock(&self.inbox);
        let mut arriving = lock(&self.arriving);
        let taken = self.take_under_locks(&mut inbox, &mut arriving, number)?;
        // At once: whoever steps next would receive over what is there. It may end outside: that is not for under locks.
        Some((taken, arriving.end(number)))
    }

    fn take_under_locks(&self, inbox: &mut Decoder, arriving: &mut Arriving, number: u64) -> Option<Taken> {
        if let Some(error) = self.too_small(inbox, arriving, number).transpose() {
            return Some(Taken::Failed(error.unwrap_or_else(|error| error)));
        }
        if self.landed.load(Ordering::Acquire)
            && let Some(frame) = arriving.large.take()
        {
            self.landed.store(false, Ordering::Release);
            let (tag, length) = (frame.tag(), frame.length());
            if !frame.is_lent(number)
                && let Some(loan) = arriving.loans.iter_mut().find(|loan| loan.number == number)
            {
                frame.copy(&mut *loan.room);
            }
            arriving.loans.extend(frame.into_loan());
            return Some(Taken::Frame { tag, length });
        }
        let loan = arriving.loans.iter_mut().find(|loan| loan.number == number)?;
        match write(inbox, &mut *loan.room) {
            Ok(None) => inbox.at_end().then_some(Taken::End),
            Ok(taken) => taken,
            Err(error) => Some(Taken::Failed(error)),
        }
    }

    /// Whether it is known before the frame is whole that there is nothing to wait for.
    fn told(&self, number: u64) -> bool {
        let mut inbox = lock(&self.inbox);
        let arriving = lock(&self.arriving);
        !matches!(self.too_small(&mut inbox, &arriving, number), Ok(None))
    }

    /// That the next frame does not fit into the room lent as `number`, if that is known. `Err`: what the stream holds.
    fn too_small(&self, inbox: &mut Decoder, arriving: &Arriving, number: u64) -> Result<Option<Error>> {
        let room = arriving.loans.iter().find(|loan| loan.number == number).map(|loan| loan.room.capacity());
        let length = match (&arriving.large, room) {
            (Some(frame), _) => Some(frame.length()),
            (None, Some(room)) => length(inbox, room)?,
            (None, None) => None,
        };
        Ok(match (length, room) {
            (Some(length), Some(room)) if length > room => {
                Some(Error::new("recv_into", Cause::NoRoom { length, room }))
            }
            _ => None,
        })
    }
}

/// Takes a frame that is whole in the decoder, if it fits into `room`. `None`: see what [`FillRoom`] says.
#[inline]
pub fn take_whole(inbox: &mut Decoder, room: &mut impl Room) -> Option<Taken> {
    let fits = inbox.ready().ok()? && length(inbox, room.capacity()).ok()?? <= room.capacity();
    if fits { write(inbox, room).ok()? } else { None }
}

/// The length of the next frame, once that is known, where it is to fit into `room` bytes if it may be cut.
fn length(inbox: &mut Decoder, room: usize) -> Result<Option<usize>> {
    inbox.ready()?;
    inbox.cut(room);
    inbox.length()
}

fn write(inbox: &mut Decoder, room: &mut (impl Room + ?Sized)) -> Result<Option<Taken>> {
    inbox.take(|frame| {
        room.write(0, frame.bytes);
        Taken::Frame { tag: frame.tag, length: frame.bytes.len() }
    })
}

impl Arriving {
    /// Takes the loan back, if it is not in use.
    fn end(&mut self, number: u64) -> Option<Loan> {
        let index = self.loans.iter().position(|loan| loan.number == number)?;
        Some(self.loans.remove(index))
    }
}

/// Receives the next frame into a room. To be dropped without the interpreter, as it is stepped: see [`Framed`]'s lock.
pub struct FillRoom {
    fill: Fill,
    framed: Arc<Framed>,
    /// Not yet lent.
    room: Option<Box<dyn Room>>,
    number: u64,
    /// Ended with its frame.
    loan: Option<Loan>,
}

impl FillRoom {
    /// `patience` is for the whole.
    pub fn new(framed: Arc<Framed>, room: Box<dyn Room>, patience: Patience) -> Self {
        Self { fill: Fill::new(Arc::clone(&framed), patience), framed, room: Some(room), number: 0, loan: None }
    }

    fn begin(&mut self) {
        if let Some(room) = self.room.take() {
            self.number = self.framed.lend(room);
        }
    }

    /// Takes what is there. `None`: nothing yet, or another was quicker.
    pub fn take(&mut self) -> Option<Taken> {
        self.begin();
        let (taken, loan) = self.framed.take_into(self.number)?;
        self.loan = loan;
        Some(taken)
    }

    /// Receives what has come and takes nothing. As [`Operation::step`]; done is: it is time to [take](Self::take).
    pub fn look(&mut self, now: Time) -> Result<Step<()>> {
        self.begin();
        Ok(match self.fill.step(now)? {
            // A header may have come, and it is too long.
            Step::Wait(_) if self.framed.told(self.number) => Step::Done(()),
            step => step,
        })
    }

    /// An operation that looks until it is time to take.
    pub fn looking(&mut self) -> Looking<'_> {
        Looking(self)
    }
}

/// See [`FillRoom::looking`].
pub struct Looking<'a>(&'a mut FillRoom);

impl Operation for Looking<'_> {
    type Output = ();

    fn step(&mut self, now: Time) -> Result<Step<()>> {
        self.0.look(now)
    }
}

impl Operation for FillRoom {
    type Output = Taken;

    fn step(&mut self, now: Time) -> Result<Step<Taken>> {
        loop {
            if let Some(taken) = self.take() {
                return Ok(Step::Done(taken));
            }
            if let Step::Wait(wait) = self.look(now)? {
                return Ok(Step::Wait(wait));
            }
        }
    }
}

impl Drop for FillRoom {
    fn drop(&mut self) {
        if self.room.is_none() {
            self.framed.reclaim(self.number);
        }
    }
}
