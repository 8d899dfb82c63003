//! Lets a session and a channel talk, until the session has something to tell.

use std::time::Duration;

use super::Channel;
use crate::engine::{Operation, Step, Time, Wait};
use crate::error::Result;
use crate::probe::observation::Observation;
use crate::probe::{Next, Session};

/// How long to wait when the kernel has no room for another packet.
const NO_ROOM: Duration = Duration::from_millis(1);

/// How long until a channel that is not ready is asked again.
const GETTING_READY: Duration = Duration::from_micros(100);

/// How many probes go out between two looks at what came.
const SENDS: usize = 32;

/// An operation that gives the session's events, one at a time, and `None` at its end; step it again after each.
pub struct Runner<S> {
    /// The session.
    pub session: S,
    /// Its channel.
    pub channel: Box<dyn Channel>,
    seen: Vec<Observation>,
    ready: bool,
}

impl<S: Session> Runner<S> {
    /// A runner of `session` over `channel`.
    pub fn new(session: S, channel: Box<dyn Channel>) -> Self {
        Self { session, channel, seen: Vec::new(), ready: false }
    }

    fn look(&mut self) -> Result<()> {
        self.channel.receive(&mut self.seen)?;
        self.seen.drain(..).for_each(|observation| self.session.observe(observation));
        Ok(())
    }
}

impl<S: Session> Operation for Runner<S> {
    type Output = Option<S::Event>;

    fn step(&mut self, now: Time) -> Result<Step<Self::Output>> {
        let step = self.advance(now);
        if !matches!(step, Ok(Step::Wait(_))) {
            self.channel.rest();
        }
        step
    }

    fn partial(&mut self) -> Vec<u8> {
        self.channel.rest();
        Vec::new()
    }
}

impl<S: Session> Runner<S> {
    fn advance(&mut self, now: Time) -> Result<Step<Option<S::Event>>> {
        if let Some(event) = self.session.event() {
            return Ok(Step::Done(Some(event)));
        }
        let mut now = now;
        if !self.ready {
            self.ready = self.channel.is_ready();
        }
        if !self.ready {
            return Ok(Step::Wait(Wait::sleep(now.after(GETTING_READY))));
        }
        for _ in 0..SENDS {
            self.look()?;
            let next = self.session.poll(now);
            if let Some(event) = self.session.event() {
                // What is due is due at the next step as well.
                return Ok(Step::Done(Some(event)));
            }
            match next {
                Next::Done => return Ok(Step::Done(None)),
                Next::Wait(until) => {
                    return Ok(Step::Wait(self.channel.watch(Wait::sleep(until))));
                }
                Next::Send(probe) => match self.channel.send(&probe) {
                    Ok(at) => {
                        now = now.max(at.user);
                        self.session.sent(&probe, at);
                    }
                    Err(refusal) if matches!(refusal.errno, libc::EAGAIN | libc::ENOBUFS) => {
                        return Ok(Step::Wait(self.channel.watch(Wait::sleep(now.after(NO_ROOM)))));
                    }
                    Err(refusal) => self.session.refused(&probe, refusal, now),
                },
            }
        }
        // Still busy: give the driver a chance to see signals.
        Ok(Step::Wait(self.channel.watch(Wait::sleep(now))))
    }
}
