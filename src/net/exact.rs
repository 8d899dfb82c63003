//! Receiving exactly so many bytes from a stream socket: the loop that everybody writes, once.

use std::io::ErrorKind;
use std::time::Duration;

use super::sink::Sink;
use crate::engine::{Descriptor, Operation, Step, Time, Timer, Wait};
use crate::error::{Cause, Error, Result};

/// What is asked for at first, and by one receive: a length from the network costs no memory before its bytes come.
const FIRST: usize = 8 * 1024 * 1024;
const PIECE: usize = 1024 * 1024;

/// Receives exactly `wanted` bytes, with one deadline for the whole.
#[derive(Debug)]
pub struct RecvExactly<S = Vec<u8>> {
    descriptor: Descriptor,
    wanted: usize,
    memory: Option<S>,
    timer: Timer,
    waits: bool,
}

impl RecvExactly {
    /// A receive of `wanted` bytes; `timeout` runs from the first step. With none at all (zero) it fails as a socket that
    /// does not wait: `EAGAIN`.
    pub fn new(descriptor: Descriptor, wanted: usize, timeout: Option<Duration>) -> Self {
        Self::into_memory(Vec::new(), descriptor, wanted, timeout)
    }
}

impl<S: Sink> RecvExactly<S> {
    /// The same into `memory`, which is empty.
    pub fn into_memory(mut memory: S, descriptor: Descriptor, wanted: usize, timeout: Option<Duration>) -> Self {
        let waits = timeout != Some(Duration::ZERO);
        // Where there is none for so much, the receive that needs it will say so.
        memory.expect(wanted.min(FIRST));
        Self { descriptor, wanted, memory: Some(memory), timer: Timer::new(timeout), waits }
    }

    fn fail(&mut self, cause: Cause) -> Error {
        let partial = self.partial();
        Error::new("recv_exactly", cause).with_partial(partial)
    }
}

impl<S: Sink> Operation for RecvExactly<S> {
    type Output = S;

    fn step(&mut self, now: Time) -> Result<Step<S>> {
        let deadline = self.timer.start(now);
        loop {
            let Some(mut memory) = self.memory.take() else {
                return Err(Error::new("recv_exactly", Cause::Interrupted));
            };
            let left = self.wanted - memory.bytes().len().min(self.wanted);
            if left == 0 {
                return Ok(Step::Done(memory));
            }
            let received = memory.recv(self.descriptor, left.min(PIECE));
            self.memory = Some(memory);
            match received {
                Ok(0) => return Err(self.fail(Cause::Truncated { wanted: Some(self.wanted) })),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if !self.waits {
                        return Err(self.fail(Cause::Os(libc::EAGAIN)));
                    }
                    if self.timer.expired(now) {
                        return Err(self.fail(Cause::TimedOut));
                    }
                    return Ok(Step::Wait(Wait::readable(self.descriptor).until(deadline)));
                }
                Err(error) => return Err(self.fail(Cause::Os(error.raw_os_error().unwrap_or(libc::EIO)))),
            }
        }
    }

    fn partial(&mut self) -> Vec<u8> {
        self.memory.take().map_or_else(Vec::new, |memory| memory.bytes().to_vec())
    }
}
