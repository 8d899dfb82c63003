//! A receive: brings bytes until a frame can be taken, and rings for the others who wait for one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::large::Large;
use super::transport::{Transfer, attempt};
use super::{Framed, Patience, lock, ring};
use crate::engine::{Bell, Interest, Operation, Step, Time, Timer};
use crate::error::Result;
use crate::framing::decoder::Decoder;
use crate::net::sink::Sink;

/// What one receive asks for where only a header is wanted.
const HEADER: usize = 64;
/// How many transfers one step makes before the driver may look at the clock and at signals.
const TRANSFERS_A_STEP: usize = 32;

impl Framed {
    /// Receives once if no frame is ready. `None`: a frame, an error or the end is there to be taken.
    fn receive(&self, inbox: &mut Decoder) -> Result<Option<Transfer>> {
        if self.landed.load(Ordering::Acquire) || inbox.at_end() {
            return Ok(None);
        }
        if !matches!(inbox.ready(), Ok(false)) {
            self.expected.store(false, Ordering::Relaxed);
            return Ok(None);
        }
        self.check()?;
        let mut large = lock(&self.large);
        if large.as_ref().is_some_and(Large::complete) {
            // Somebody is about to take it.
            return Ok(None);
        }
        if large.is_none()
            && let Some(memory) = &self.memory
        {
            *large = Large::begin(inbox, memory);
        }
        let received = match &mut *large {
            Some(frame) => attempt("recv", Interest::Readable, || frame.recv(self.descriptor())),
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
        if large.as_ref().is_some_and(Large::complete) {
            inbox.passed_on();
            self.expected.store(true, Ordering::Relaxed);
            self.landed.store(true, Ordering::Release);
        }
        if matches!(received, Err(_) | Ok(Transfer::Moved(0)))
            && let Some(frame) = large.take()
        {
            frame.give_back(inbox);
        }
        drop(large);
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

    /// The large frame that is next, if there is one: its type and its memory.
    #[inline]
    pub fn take_large(&self) -> Option<(u64, Box<dyn Sink>)> {
        // Who says this first has it; nobody who has not may wait for the lock, whose holder may need the interpreter.
        if !self.landed.load(Ordering::Relaxed) || !self.landed.swap(false, Ordering::AcqRel) {
            return None;
        }
        lock(&self.large).take().map(Large::into_parts)
    }

    /// How long the next frame is, once that is known.
    pub fn next_length(&self) -> Result<Option<usize>> {
        let mut inbox = lock(&self.inbox);
        let large = lock(&self.large);
        match &*large {
            Some(frame) => Ok(Some(frame.length())),
            None => inbox.length(),
        }
    }

    /// How many bytes have come that the decoder does not have.
    pub fn beyond(&self) -> usize {
        lock(&self.large).as_ref().map_or(0, Large::beyond)
    }

    /// Gives the decoder back what it does not have; what comes before all that it has.
    pub fn give_back(&self) -> Vec<u8> {
        let mut inbox = lock(&self.inbox);
        let mut large = lock(&self.large);
        self.landed.store(false, Ordering::Release);
        large.take().map(|frame| frame.give_back(&mut inbox)).unwrap_or_default()
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
            framed.check_after_wait()?;
        }
        let (mut interest, mut came) = (Interest::Readable, false);
        let mut outcome = Ok(false);
        for _ in 0..TRANSFERS_A_STEP {
            match framed.receive(&mut inbox) {
                Ok(None) => {
                    outcome = Ok(true);
                    break;
                }
                Ok(Some(Transfer::Moved(_))) => came = true,
                Ok(Some(Transfer::Blocked(blocked))) => {
                    interest = blocked;
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
