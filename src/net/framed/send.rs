//! A send: frames go out whole, one send behind the other, in the order in which they began.

use std::collections::VecDeque;
use std::sync::Arc;

use super::transport::Transfer;
use super::{Framed, Patience, lock, ring};
use crate::engine::{Bell, Interest, Operation, Step, Time, Timer, Wait};
use crate::error::Result;

/// What is going out now, and who waits to send.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
    /// Who sends now.
    sender: Option<Arc<Bell>>,
    queue: VecDeque<Arc<Bell>>,
}

impl Outbox {
    fn unsent(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Who sends and who waits to.
    pub(super) fn waiting(&self) -> impl Iterator<Item = Arc<Bell>> {
        self.sender.iter().chain(&self.queue).cloned()
    }

    /// Whoever sends now has ended; the next is to be rung.
    fn pass_on(&mut self) -> Option<Arc<Bell>> {
        self.sender = None;
        self.queue.front().cloned()
    }
}

impl Framed {
    fn flush(&self, outbox: &mut Outbox) -> Result<Option<Interest>> {
        while outbox.sent < outbox.bytes.len() {
            match self.transport.send(&outbox.bytes[outbox.sent..])? {
                Transfer::Moved(count) => outbox.sent += count,
                Transfer::Blocked(interest) => return Ok(Some(interest)),
            }
        }
        Ok(None)
    }

    /// How many bytes are waiting to complete a frame that a given up send began.
    pub fn unsent(&self) -> usize {
        lock(&self.outbox).unsent()
    }
}

/// Sends frames that are encoded already, whole, between those of others.
pub struct Send {
    framed: Arc<Framed>,
    /// Not yet in the outbox.
    encoded: Vec<u8>,
    /// Where each frame ends.
    ends: Vec<usize>,
    stage: Stage,
    bell: Arc<Bell>,
    waited: bool,
    sent: usize,
    patience: Patience,
    timer: Timer,
}

/// How far a send is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// In nobody's books.
    New,
    /// In the queue.
    Queued,
    /// The outbox is ours; what an earlier send left goes out first.
    Before,
    /// Our bytes are in it.
    Own,
    /// Done, or withdrawn.
    Over,
}

impl Send {
    /// A send of `encoded`, in which the frames end at `ends`.
    pub fn new(framed: Arc<Framed>, encoded: Vec<u8>, ends: Vec<usize>, patience: Patience) -> Self {
        let (stage, timer) = (Stage::New, patience.timer());
        Self { framed, encoded, ends, stage, bell: Arc::default(), waited: false, sent: 0, patience, timer }
    }

    /// The timer, for the next of several sends with one deadline.
    pub fn timer(&self) -> Timer {
        self.timer
    }

    /// The same send with a timer that is running already, if there is one.
    #[must_use]
    pub fn with_timer(mut self, timer: Option<Timer>) -> Self {
        self.timer = timer.unwrap_or(self.timer);
        self
    }

    /// Goes on as far as can be; what to wait for then.
    fn advance(&mut self) -> Result<Option<Wait>> {
        let framed = &self.framed;
        let mut outbox = lock(&framed.outbox);
        if self.waited {
            self.bell.still();
        }
        framed.check_open()?;
        if matches!(self.stage, Stage::New | Stage::Queued) {
            let first = match outbox.queue.front() {
                None => true,
                Some(front) => *front == self.bell,
            };
            if !first || outbox.sender.is_some() {
                if self.stage == Stage::New {
                    outbox.queue.push_back(Arc::clone(&self.bell));
                    self.stage = Stage::Queued;
                }
                return Ok(Some(Wait::default()));
            }
            if self.stage == Stage::Queued {
                outbox.queue.pop_front();
            }
            outbox.sender = Some(Arc::clone(&self.bell));
            self.stage = Stage::Before;
        }
        if self.stage == Stage::Before {
            if let Some(interest) = framed.flush(&mut outbox)? {
                return Ok(Some(framed.wait(interest)));
            }
            outbox.bytes = std::mem::take(&mut self.encoded);
            outbox.sent = 0;
            self.stage = Stage::Own;
        }
        let flushed = framed.flush(&mut outbox);
        self.sent = outbox.sent;
        if let Some(interest) = flushed? {
            return Ok(Some(framed.wait(interest)));
        }
        self.stage = Stage::Over;
        let next = outbox.pass_on();
        drop(outbox);
        ring(next);
        Ok(None)
    }

    /// Withdraws the frames that have not begun to go out, and lets the next have its turn.
    fn withdraw(&mut self) {
        if matches!(self.stage, Stage::New | Stage::Over) {
            return;
        }
        let mut outbox = lock(&self.framed.outbox);
        if self.stage == Stage::Own {
            self.sent = outbox.sent;
            let begun = outbox.sent + self.framed.transport.held();
            let last = self.ends.partition_point(|end| *end < begun);
            let keep = if begun == 0 { 0 } else { self.ends.get(last).copied().unwrap_or(begun) };
            outbox.bytes.truncate(keep);
        }
        let next = if self.stage == Stage::Queued {
            outbox.queue.retain(|other| *other != self.bell);
            // It may have been rung for a turn that it no longer takes.
            if outbox.sender.is_none() { outbox.queue.front().cloned() } else { None }
        } else {
            outbox.pass_on()
        };
        self.stage = Stage::Over;
        drop(outbox);
        ring(next);
    }
}

impl Operation for Send {
    type Output = ();

    fn step(&mut self, now: Time) -> Result<Step<()>> {
        let deadline = self.timer.start(now);
        let error = match self.advance() {
            Ok(None) => return Ok(Step::Done(())),
            Ok(Some(wait)) if !self.timer.expired(now) => {
                self.waited = true;
                return Ok(Step::Wait(wait.until(deadline).hearing(Arc::clone(&self.bell))));
            }
            Ok(Some(_)) => self.patience.over("send"),
            Err(error) => error,
        };
        self.withdraw();
        let mut error = self.framed.at_peer(error);
        error.sent = Some(self.sent);
        Err(error)
    }

    fn sent(&mut self) -> Option<usize> {
        self.withdraw();
        Some(self.sent)
    }
}

impl Drop for Send {
    fn drop(&mut self) {
        self.withdraw();
    }
}
