//! Receiving exactly so many bytes from a stream socket: the loop that everybody writes, once.

use std::io::ErrorKind;
use std::time::Duration;

use crate::engine::{Descriptor, Operation, Step, Time, Timer, Wait};
use crate::error::{Cause, Error, Result};
use crate::sys;

/// The largest piece by which the buffer grows: a length from the network costs no memory before its bytes come.
const PIECE: usize = 256 * 1024;

/// Receives exactly `wanted` bytes, with one deadline for the whole.
#[derive(Debug)]
pub struct RecvExactly {
    descriptor: Descriptor,
    wanted: usize,
    buffer: Vec<u8>,
    timer: Timer,
    waits: bool,
}

impl RecvExactly {
    /// A receive of `wanted` bytes; `timeout` runs from the first step. With none at all (zero) it fails as a socket that
    /// does not wait: `EAGAIN`.
    pub fn new(descriptor: Descriptor, wanted: usize, timeout: Option<Duration>) -> Self {
        let waits = timeout != Some(Duration::ZERO);
        Self { descriptor, wanted, buffer: Vec::new(), timer: Timer::new(timeout), waits }
    }

    fn fail(&mut self, cause: Cause) -> Error {
        Error::new("recv_exactly", cause).with_partial(std::mem::take(&mut self.buffer))
    }
}

impl Operation for RecvExactly {
    type Output = Vec<u8>;

    fn step(&mut self, now: Time) -> Result<Step<Vec<u8>>> {
        let deadline = self.timer.start(now);
        while self.buffer.len() < self.wanted {
            let most = PIECE.min(self.wanted - self.buffer.len());
            let received = sys::io::recv_append(self.descriptor, &mut self.buffer, most);
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
        Ok(Step::Done(std::mem::take(&mut self.buffer)))
    }

    fn partial(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }
}
