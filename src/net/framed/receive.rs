//! A receive: brings bytes until a frame can be taken, and rings for the others who wait for one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::large::{self, HEADER, Large, Progress};
use super::transport::Transfer;
use super::{Arriving, Framed, Patience, lock, ring};
use crate::engine::{Bell, Interest, Operation, Step, Time, Timer};
use crate::error::Result;
use crate::framing::decoder::Decoder;
use crate::net::sink::Sink;

/// How many transfers one step makes before the driver may look at the clock and at signals.
const TRANSFERS_A_STEP: usize = 32;

impl Framed {
    /// Receives once if no frame is ready. `None`: a frame, an error or the end is there to be taken.
    fn receive(&self, inbox: &mut Decoder) -> Result<Option<Transfer>> {
        if self.landed.load(Ordering::Acquire) {
            return Ok(None);
        }
        if !matches!(inbox.ready(), Ok(false)) {
            self.expected.store(false, Ordering::Relaxed);
            return Ok(None);
        }
        // Only to look for a frame finds the end that a format has of its own.
        if inbox.at_end() {
            return Ok(None);
        }
        self.check_open()?;
        let mut arriving = lock(&self.arriving);
        let arriving = &mut *arriving;
        arriving.begun = true;
        arriving.large = match arriving.large.take() {
            Some(frame) => Some(frame.lend(&mut arriving.loans)),
            None => Large::begin(inbox, self.memory.as_deref(), &mut arriving.loans),
        };
        let received = match &mut arriving.large {
            Some(frame) => frame.recv(&*self.transport),
            None => {
                let appetite = inbox.appetite();
                let expected = self.expected.load(Ordering::Relaxed);
                let most = if expected { inbox.least().clamp(HEADER, appetite) } else { appetite };
                let received = self.transport.recv(inbox.room(most), most);
                if let Ok(Transfer::Moved(count @ 1..)) = received
                    && !expected
                {
                    inbox.came(most, count);
                }
                received
            }
        };
        match (&received, &mut arriving.large) {
            (Ok(Transfer::Moved(1..)), Some(frame)) => match frame.progress() {
                Progress::Coming => {}
                Progress::Whole => {
                    frame.finish(inbox);
                    self.expected.store(large::is_large(frame.length()), Ordering::Relaxed);
                    self.landed.store(true, Ordering::Release);
                }
                Progress::Broken => drop(arriving.give_back(inbox)),
            },
            (Ok(Transfer::Blocked(_)), _) | (_, None) => {}
            (Ok(Transfer::Moved(_)) | Err(_), Some(_)) => drop(arriving.give_back(inbox)),
        }
        match received {
            Ok(transfer) => {
                if transfer == Transfer::Moved(0) {
                    inbox.eof();
                }
                Ok(Some(transfer))
            }
            Err(mut error) => {
                error.partial = inbox.pending();
                Err(error)
            }
        }
    }

    /// Whether the next frame is a [large](Self::take_large) one.
    #[inline]
    pub fn landed(&self) -> bool {
        self.landed.load(Ordering::Relaxed)
    }

    /// The large frame that is next, if there is one: its type and its memory. Not to be called with the interpreter.
    pub fn take_large(&self) -> Option<(u64, Box<dyn Sink>)> {
        let mut arriving = lock(&self.arriving);
        if !self.landed.swap(false, Ordering::AcqRel) {
            return None;
        }
        let (tag, sink, loan) = arriving.large.take()?.into_own(self.memory.as_deref());
        arriving.loans.extend(loan);
        Some((tag, sink))
    }

    /// How many bytes have come that the decoder does not have.
    pub fn beyond(&self) -> usize {
        lock(&self.arriving).large.as_ref().map_or(0, Large::beyond)
    }

    /// Gives the decoder back what it does not have; what comes before all that it has.
    pub fn give_back(&self) -> Vec<u8> {
        let mut inbox = lock(&self.inbox);
        let mut arriving = lock(&self.arriving);
        self.landed.store(false, Ordering::Release);
        arriving.give_back(&mut inbox)
    }
}

impl Arriving {
    /// Gives the decoder back what it does not have; a whole frame is what comes before all that it has.
    fn give_back(&mut self, decoder: &mut Decoder) -> Vec<u8> {
        let Some(frame) = self.large.take() else { return Vec::new() };
        let (bytes, loan) = frame.give_back(decoder);
        self.loans.extend(loan);
        bytes
    }
}

/// Receives until there is a frame to take, or the end. May be stepped again when somebody else took it.
pub struct Fill {
    framed: Arc<Framed>,
    patience: Patience,
    timer: Timer,
    /// From the first wait on.
    bell: Option<Arc<Bell>>,
}

impl Fill {
    /// `patience` is for all steps together.
    pub fn new(framed: Arc<Framed>, patience: Patience) -> Self {
        Self { framed, patience, timer: patience.timer(), bell: None }
    }
}

impl Operation for Fill {
    type Output = ();

    fn step(&mut self, now: Time) -> Result<Step<()>> {
        let framed = &self.framed;
        let deadline = self.timer.start(now);
        let mut inbox = lock(&framed.inbox);
        if let Some(bell) = &self.bell {
            bell.still();
            framed.check_open()?;
        }
        let (mut interest, mut came, mut blocked) = (Interest::Readable, false, false);
        let mut outcome = Ok(false);
        for _ in 0..TRANSFERS_A_STEP {
            match framed.receive(&mut inbox) {
                Ok(None) => {
                    outcome = Ok(true);
                    break;
                }
                Ok(Some(Transfer::Moved(_))) => came = true,
                Ok(Some(Transfer::Blocked(until))) => {
                    (interest, blocked) = (until, true);
                    break;
                }
                Err(error) => {
                    (outcome, came) = (Err(framed.at_peer(error)), true);
                    break;
                }
            }
        }
        if !matches!(outcome, Ok(false)) {
            // What came may be more than this one takes, and nothing else wakes the others for it.
            let others = if came { std::mem::take(&mut *lock(&framed.receivers)) } else { Vec::new() };
            drop(inbox);
            ring(others.into_iter().filter(|bell| self.bell.as_ref() != Some(bell)));
            return outcome.map(|_| Step::Done(()));
        }
        if self.timer.expired(now) {
            return Err(framed.at_peer(self.patience.over("recv")));
        }
        let bell = self.bell.get_or_insert_default();
        let mut receivers = lock(&framed.receivers);
        if !receivers.contains(bell) {
            receivers.push(Arc::clone(bell));
        }
        // There may be more, also where the descriptor does not tell: what encrypts has it already.
        let deadline = if blocked { deadline } else { Some(now) };
        Ok(Step::Wait(framed.wait(interest).until(deadline).hearing(Arc::clone(bell))))
    }
}

impl Drop for Fill {
    fn drop(&mut self) {
        if let Some(bell) = &self.bell {
            // Not the inbox: who holds it may wait for an interpreter that our caller has.
            lock(&self.framed.receivers).retain(|other| other != bell);
        }
    }
}
