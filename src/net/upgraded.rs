//! A connection that HTTP has handed over (after 101, or 2xx to CONNECT) and that TLS still wraps: bytes in, bytes out.
//!
//! One [`Receive`] and one [`Send`] may be under way at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::stream::{Io, Stream};
use crate::engine::{Descriptor, Operation, Step, Time, Timer};
use crate::error::{Cause, Error, Result};

/// The connection, shared between who receives and who sends.
#[derive(Clone, Debug)]
pub struct Upgraded(Arc<Mutex<Option<Stream>>>);

impl Upgraded {
    /// Takes over `stream`.
    pub fn new(stream: Stream) -> Self {
        Self(Arc::new(Mutex::new(Some(stream))))
    }

    /// The socket's descriptor, until it is closed.
    pub fn descriptor(&self) -> Option<Descriptor> {
        self.stream().as_ref().map(Stream::descriptor)
    }

    /// Receives at most `most` bytes; none at the end of the stream.
    pub fn receive(&self, most: usize, timeout: Option<Duration>) -> Receive {
        Receive { upgraded: self.clone(), most, timer: Timer::new(timeout) }
    }

    /// Sends all of `bytes`.
    pub fn send<B: AsRef<[u8]>>(&self, bytes: B, timeout: Option<Duration>) -> Send<B> {
        Send { upgraded: self.clone(), bytes, sent: 0, timer: Timer::new(timeout) }
    }

    /// Says goodbye and closes.
    pub fn close(&self) {
        if let Some(mut stream) = self.stream().take() {
            stream.farewell();
        }
    }

    fn stream(&self) -> MutexGuard<'_, Option<Stream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The error of using what is closed, as the kernel has it.
fn closed(operation: &'static str) -> Error {
    Error::new(operation, Cause::Os(libc::EBADF))
}

/// See [`Upgraded::receive`].
#[derive(Debug)]
pub struct Receive {
    upgraded: Upgraded,
    most: usize,
    timer: Timer,
}

impl Operation for Receive {
    type Output = Vec<u8>;

    fn step(&mut self, now: Time) -> Result<Step<Vec<u8>>> {
        let deadline = self.timer.start(now);
        let mut stream = self.upgraded.stream();
        let stream = stream.as_mut().ok_or_else(|| closed("recv"))?;
        let mut bytes = Vec::new();
        match stream.read_append(&mut bytes, self.most)? {
            Io::Ready(_) => Ok(Step::Done(bytes)),
            Io::Blocked if self.timer.expired(now) => Err(Error::new("recv", Cause::TimedOut)),
            Io::Blocked => Ok(Step::Wait(stream.wait(true, false).until(deadline))),
        }
    }
}

/// See [`Upgraded::send`].
#[derive(Debug)]
pub struct Send<B> {
    upgraded: Upgraded,
    bytes: B,
    sent: usize,
    timer: Timer,
}

impl<B: AsRef<[u8]>> Operation for Send<B> {
    type Output = ();

    fn step(&mut self, now: Time) -> Result<Step<()>> {
        let deadline = self.timer.start(now);
        let mut stream = self.upgraded.stream();
        let stream = stream.as_mut().ok_or_else(|| closed("send"))?;
        let bytes = self.bytes.as_ref();
        loop {
            let went = if self.sent < bytes.len() {
                stream.write(&bytes[self.sent..])?
            } else {
                match stream.flush()? {
                    Io::Ready(()) => return Ok(Step::Done(())),
                    Io::Blocked => Io::Blocked,
                }
            };
            match went {
                Io::Ready(count) => self.sent += count,
                Io::Blocked if self.timer.expired(now) => {
                    let mut error = Error::new("send", Cause::TimedOut);
                    error.sent = Some(self.sent);
                    return Err(error);
                }
                Io::Blocked => return Ok(Step::Wait(stream.wait(false, true).until(deadline))),
            }
        }
    }

    fn sent(&mut self) -> Option<usize> {
        Some(self.sent)
    }
}
