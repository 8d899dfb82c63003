//! Frames on a connected stream: one receiving and one sending end that any number of threads share.
//!
//! Lives here: [`Framed`] with its decoder and its outbox, and the two machines on it, [`Fill`] and [`Send`]. No lock is
//! held while anybody waits. What has come stays in the decoder until a frame of it is taken, so a receive that is given
//! up loses nothing. A send that is given up withdraws what has not begun to go out; the frame in the middle of which it
//! stopped goes out first when the next one begins.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::engine::{Descriptor, Interest, Operation, Step, Time, Timer, Wait};
use crate::error::{Cause, Error, Result};
use crate::framing::codec::{Codec, Oversize};
use crate::framing::decoder::Decoder;
use crate::sys;

/// What one receive asks the kernel for, at least, and at most where a frame in progress needs it.
const READ: usize = 64 * 1024;
const MOST_READ: usize = 1024 * 1024;
/// How many transfers one step makes before the driver may look at the clock and at signals.
const TRANSFERS_A_STEP: usize = 32;

/// What an attempt to move bytes gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// So many bytes; zero from a receive is the end of the stream.
    Moved(usize),
    /// None now; what to wait for.
    Blocked(Interest),
}

/// A connected byte stream that never waits.
pub trait Transport: std::marker::Send + Sync {
    /// What to watch.
    fn descriptor(&self) -> Descriptor;

    /// Receives at most `most` bytes behind what `buffer` holds.
    fn recv(&self, buffer: &mut Vec<u8>, most: usize) -> Result<Transfer>;

    /// Sends what is taken of `bytes` at once.
    fn send(&self, bytes: &[u8]) -> Result<Transfer>;
}

impl Transport for Descriptor {
    fn descriptor(&self) -> Descriptor {
        *self
    }

    fn recv(&self, buffer: &mut Vec<u8>, most: usize) -> Result<Transfer> {
        attempt("recv", Interest::Readable, || sys::io::recv_append(*self, buffer, most))
    }

    fn send(&self, bytes: &[u8]) -> Result<Transfer> {
        attempt("send", Interest::Writable, || sys::io::send(*self, bytes))
    }
}

fn attempt(
    operation: &'static str,
    interest: Interest,
    mut call: impl FnMut() -> std::io::Result<usize>,
) -> Result<Transfer> {
    loop {
        match call() {
            Ok(count) => return Ok(Transfer::Moved(count)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(Transfer::Blocked(interest)),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::os(operation, &error)),
        }
    }
}

fn wait(transport: &dyn Transport, interest: Interest) -> Wait {
    Wait::default().and(transport.descriptor(), interest)
}

/// Both directions of one stream.
pub struct Framed {
    transport: Box<dyn Transport>,
    peer: Option<String>,
    inbox: Mutex<Decoder>,
    outbox: Mutex<Outbox>,
    senders: AtomicU64,
    closes: bool,
    retired: AtomicBool,
}

/// What is going out now.
#[derive(Debug, Default)]
struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
    /// Whose bytes they are.
    sender: u64,
}

impl Framed {
    /// Frames of `codec` over `transport`; `peer` names the other side in errors.
    pub fn new(transport: Box<dyn Transport>, codec: Codec, peer: Option<String>) -> Self {
        let closes = codec.oversize == Oversize::Close;
        let inbox = Mutex::new(Decoder::new(codec));
        Self {
            transport,
            peer,
            inbox,
            outbox: Mutex::default(),
            senders: AtomicU64::new(1),
            closes,
            retired: AtomicBool::new(false),
        }
    }

    /// Who is at the other side.
    pub fn peer(&self) -> Option<&str> {
        self.peer.as_deref()
    }

    /// The decoder's lock, to take frames; held for no wait.
    pub fn inbox(&self) -> &Mutex<Decoder> {
        &self.inbox
    }

    /// `error` with the peer named.
    pub fn at_peer(&self, error: Error) -> Error {
        match &self.peer {
            Some(peer) if error.address.is_none() => error.at(peer),
            _ => error,
        }
    }

    /// Whether the connection has to be closed after `error`, by the codec's policy.
    pub fn closes_after(&self, error: &Error) -> bool {
        self.closes && matches!(error.cause, Cause::TooLarge { .. })
    }

    /// No more transfers from now on: none is under way when this returns. Whether this was the first time.
    pub fn retire(&self) -> bool {
        let first = !self.retired.swap(true, Ordering::Relaxed);
        drop(lock(&self.inbox));
        drop(lock(&self.outbox));
        first
    }

    /// Refuses once the socket is somebody else's, or nobody's.
    pub fn check(&self) -> Result<()> {
        if self.retired.load(Ordering::Relaxed) {
            return Err(Error::new("framed socket", Cause::Os(libc::EBADF)));
        }
        Ok(())
    }

    /// Receives once if no frame is ready. `None`: a frame, an error or the end is there to be taken.
    fn receive(&self, inbox: &mut Decoder) -> Result<Option<Transfer>> {
        if !matches!(inbox.ready(), Ok(false)) || inbox.at_end() {
            return Ok(None);
        }
        self.check()?;
        let most = inbox.least().clamp(READ, MOST_READ);
        let transfer = match self.transport.recv(inbox.room(most), most) {
            Ok(transfer) => transfer,
            Err(mut error) => {
                error.partial = inbox.pending();
                return Err(error);
            }
        };
        if transfer == Transfer::Moved(0) {
            inbox.eof();
        }
        Ok(Some(transfer))
    }

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
        let outbox = lock(&self.outbox);
        outbox.bytes.len() - outbox.sent
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Receives until there is a frame to take, or the end. May be stepped again when somebody else took it.
pub struct Fill {
    framed: Arc<Framed>,
    timer: Timer,
}

impl Fill {
    /// `timeout` runs from the first step, over all of them.
    pub fn new(framed: Arc<Framed>, timeout: Option<Duration>) -> Self {
        Self { framed, timer: Timer::new(timeout) }
    }
}

impl Operation for Fill {
    type Output = ();

    fn step(&mut self, now: Time) -> Result<Step<()>> {
        let framed = &self.framed;
        let deadline = self.timer.start(now);
        let mut inbox = lock(&framed.inbox);
        let mut interest = Interest::Readable;
        for _ in 0..TRANSFERS_A_STEP {
            match framed.receive(&mut inbox).map_err(|error| framed.at_peer(error))? {
                None => return Ok(Step::Done(())),
                Some(Transfer::Moved(_)) => {}
                Some(Transfer::Blocked(blocked)) => {
                    interest = blocked;
                    break;
                }
            }
        }
        if self.timer.expired(now) {
            return Err(framed.at_peer(Error::new("recv", Cause::TimedOut)));
        }
        Ok(Step::Wait(wait(&*framed.transport, interest).until(deadline)))
    }
}

/// Sends frames that are encoded already, whole, between those of others.
pub struct Send {
    framed: Arc<Framed>,
    /// Not yet in the outbox.
    encoded: Vec<u8>,
    /// Where each frame ends.
    ends: Vec<usize>,
    /// Our number in the outbox; zero before it is our turn.
    turn: u64,
    sent: usize,
    over: bool,
    timer: Timer,
}

impl Send {
    /// A send of `encoded`, in which the frames end at `ends`; `timeout` runs from the first step.
    pub fn new(framed: Arc<Framed>, encoded: Vec<u8>, ends: Vec<usize>, timeout: Option<Duration>) -> Self {
        Self { framed, encoded, ends, turn: 0, sent: 0, over: false, timer: Timer::new(timeout) }
    }

    /// The timer, for the next of several sends with one deadline.
    pub fn timer(&self) -> Timer {
        self.timer
    }

    /// The same send with a timer that is running already.
    #[must_use]
    pub fn with_timer(mut self, timer: Timer) -> Self {
        self.timer = timer;
        self
    }

    fn advance(&mut self) -> Result<Option<Interest>> {
        let mut outbox = lock(&self.framed.outbox);
        self.framed.check()?;
        if self.turn == 0 {
            if let Some(interest) = self.framed.flush(&mut outbox)? {
                return Ok(Some(interest));
            }
            self.turn = self.framed.senders.fetch_add(1, Ordering::Relaxed);
            *outbox = Outbox { bytes: std::mem::take(&mut self.encoded), sent: 0, sender: self.turn };
        }
        if outbox.sender != self.turn {
            // Another sender has finished ours before it began its own.
            self.sent = self.ends.last().copied().unwrap_or_default();
            return Ok(None);
        }
        let flushed = self.framed.flush(&mut outbox);
        self.sent = outbox.sent;
        flushed
    }

    /// Withdraws the frames that have not begun to go out.
    fn withdraw(&mut self) {
        if self.over || self.turn == 0 {
            return;
        }
        self.over = true;
        let mut outbox = lock(&self.framed.outbox);
        if outbox.sender != self.turn {
            self.sent = self.ends.last().copied().unwrap_or_default();
            return;
        }
        self.sent = outbox.sent;
        let begun = self.ends.partition_point(|end| *end < self.sent);
        let keep = if self.sent == 0 { 0 } else { self.ends.get(begun).copied().unwrap_or(self.sent) };
        outbox.bytes.truncate(keep);
    }
}

impl Operation for Send {
    type Output = ();

    fn step(&mut self, now: Time) -> Result<Step<()>> {
        let deadline = self.timer.start(now);
        let error = match self.advance() {
            Ok(None) => {
                self.over = true;
                return Ok(Step::Done(()));
            }
            Ok(Some(interest)) if !self.timer.expired(now) => {
                return Ok(Step::Wait(wait(&*self.framed.transport, interest).until(deadline)));
            }
            Ok(Some(_)) => Error::new("send", Cause::TimedOut),
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
