//! Operations that leave it to their owner how long they may wait, and are told.

use std::time::Duration;

use crate::engine::{Operation, Step, Time, Timer};
use crate::error::{Cause, Error, Result};

/// `operation` with one deadline for the whole of it.
#[derive(Debug)]
pub struct Timed<O> {
    name: &'static str,
    operation: O,
    timer: Timer,
}

impl<O: Operation> Timed<O> {
    /// `timeout` runs from the first step; `name` is what times out.
    pub fn new(name: &'static str, operation: O, timeout: Option<Duration>) -> Self {
        Self { name, operation, timer: Timer::new(timeout) }
    }
}

impl<O: Operation> Operation for Timed<O> {
    type Output = O::Output;

    fn step(&mut self, now: Time) -> Result<Step<O::Output>> {
        let deadline = self.timer.start(now);
        match self.operation.step(now)? {
            Step::Wait(_) if self.timer.expired(now) => Err(Error::new(self.name, Cause::TimedOut)),
            Step::Wait(wait) => Ok(Step::Wait(wait.until(deadline))),
            done @ Step::Done(_) => Ok(done),
        }
    }

    fn partial(&mut self) -> Vec<u8> {
        self.operation.partial()
    }

    fn sent(&mut self) -> Option<usize> {
        self.operation.sent()
    }
}

/// `operation` without a wait: where there would be one, it is EAGAIN.
#[derive(Debug)]
pub struct AtOnce<O> {
    name: &'static str,
    operation: O,
}

impl<O: Operation> AtOnce<O> {
    /// `name` is what would block.
    pub fn new(name: &'static str, operation: O) -> Self {
        Self { name, operation }
    }
}

impl<O: Operation> Operation for AtOnce<O> {
    type Output = O::Output;

    fn step(&mut self, now: Time) -> Result<Step<O::Output>> {
        match self.operation.step(now)? {
            Step::Wait(_) => Err(Error::new(self.name, Cause::Os(libc::EAGAIN))),
            done @ Step::Done(_) => Ok(done),
        }
    }

    fn partial(&mut self) -> Vec<u8> {
        self.operation.partial()
    }

    fn sent(&mut self) -> Option<usize> {
        self.operation.sent()
    }
}
