//! Frames on a connected stream: one receiving and one sending end that any number of threads and tasks share.
//!
//! Lives here: [`Framed`] with its decoder and its outbox, and the two machines on it, [`Fill`] and [`Send`]. No lock is
//! held while anybody waits. What has come stays in the decoder until a frame of it is taken, so a receive that is given
//! up loses nothing; who brings frames rings for the others who wait. Sends go out one behind the other, in the order in
//! which they began. A send that is given up withdraws what has not begun to go out; the rest of what has begun goes out
//! first when the next one begins.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::large::{Large, Memory};
use super::sink::Sink;
use crate::engine::{Bell, Descriptor, Interest, Operation, Step, Time, Timer, Wait};
use crate::error::{Cause, Error, Result};
use crate::framing::codec::{Codec, Oversize};
use crate::framing::decoder::Decoder;
use crate::sys;
use crate::sys::io::Identity;

/// What one receive asks for where only a header is wanted.
const HEADER: usize = 64;
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

    /// Sends what is taken of `bytes` at once. Those that it [holds](Transport::held) must be offered first again.
    fn send(&self, bytes: &[u8]) -> Result<Transfer>;

    /// Whether its bytes are what recv(2) on the descriptor gives.
    fn plain(&self) -> bool {
        false
    }

    /// How many bytes of those that were offered have begun to go out although they count as not sent: a TLS record is
    /// sent whole or breaks the stream.
    fn held(&self) -> usize {
        0
    }

    /// Before the descriptor is closed for good: takes in what the peer sent of its own, such as the session tickets of
    /// TLS 1.3 (RFC 8446 section 4.6.1). A close with those unread is a reset, which takes with it what was sent.
    fn settle(&self) {}
}

impl Transport for Descriptor {
    fn descriptor(&self) -> Descriptor {
        *self
    }

    fn recv(&self, buffer: &mut Vec<u8>, most: usize) -> Result<Transfer> {
        attempt("recv", Interest::Readable, || sys::io::recv_append(*self, buffer, most))
    }

    fn plain(&self) -> bool {
        true
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

/// Both directions of one stream.
pub struct Framed {
    transport: Box<dyn Transport>,
    /// What the descriptor named at first: once closed its number may name another's.
    file: Option<Identity>,
    peer: Option<String>,
    inbox: Mutex<Decoder>,
    /// Where large frames are received, and the one that is. Locked within the inbox.
    memory: Option<Box<Memory>>,
    large: Mutex<Option<Large>>,
    /// Whether it is complete, and the next to be taken.
    landed: AtomicBool,
    /// Whether the last frame was a large one: the next is not read into the decoder by more than its header then.
    expected: AtomicBool,
    /// Who waits to receive. Locked within the inbox where somebody is added; nothing is waited for under it.
    receivers: Mutex<Vec<Arc<Bell>>>,
    outbox: Mutex<Outbox>,
    closes: bool,
    retired: AtomicBool,
}

/// What is going out now, and who waits to send.
#[derive(Debug, Default)]
struct Outbox {
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

    /// Whoever sends now has ended; the next is to be rung.
    fn pass_on(&mut self) -> Option<Arc<Bell>> {
        self.sender = None;
        self.queue.front().cloned()
    }
}

impl Framed {
    /// Frames of `codec` over `transport`; `peer` names the other side in errors.
    pub fn new(transport: Box<dyn Transport>, codec: Codec, peer: Option<String>) -> Self {
        let closes = codec.oversize == Oversize::Close;
        Self {
            file: sys::io::identity(transport.descriptor()).ok(),
            transport,
            peer,
            inbox: Mutex::new(Decoder::new(codec)),
            memory: None,
            large: Mutex::default(),
            landed: AtomicBool::new(false),
            expected: AtomicBool::new(false),
            receivers: Mutex::default(),
            outbox: Mutex::default(),
            closes,
            retired: AtomicBool::new(false),
        }
    }

    /// The same, which receives large frames into `memory`; [`Framed::take_large`] gives them.
    #[must_use]
    pub fn with_memory(mut self, memory: Box<Memory>) -> Self {
        self.memory = self.transport.plain().then_some(memory);
        self
    }

    /// Who is at the other side.
    pub fn peer(&self) -> Option<&str> {
        self.peer.as_deref()
    }

    /// The socket's descriptor, which must not be used once it [was retired](Framed::retire).
    pub fn descriptor(&self) -> Descriptor {
        self.transport.descriptor()
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

    /// No more transfers from now on: none is under way when this returns, and who waits is told. Whether this was the
    /// first time.
    pub fn retire(&self) -> bool {
        let first = !self.retired.swap(true, Ordering::AcqRel);
        let mut waiting = {
            let _inbox = lock(&self.inbox);
            std::mem::take(&mut *lock(&self.receivers))
        };
        let outbox = lock(&self.outbox);
        waiting.extend(outbox.sender.iter().chain(&outbox.queue).cloned());
        drop(outbox);
        ring(waiting);
        first
    }

    /// What a [retired](Self::retire) socket needs before its descriptor is closed, so that what was sent arrives.
    pub fn settle(&self) {
        if self.open() {
            self.transport.settle();
        }
    }

    /// Whether the socket is somebody else's now, or nobody's.
    pub fn retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    fn check(&self) -> Result<()> {
        if self.retired() { Err(gone()) } else { Ok(()) }
    }

    /// Whether the descriptor still names the socket that it named at first: it may have been closed without our knowledge.
    pub fn open(&self) -> bool {
        let now = sys::io::identity(self.descriptor()).ok();
        now.is_some() && now == self.file
    }

    fn check_after_wait(&self) -> Result<()> {
        self.check()?;
        if self.open() { Ok(()) } else { Err(gone()) }
    }

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

    fn wait(&self, interest: Interest) -> Wait {
        Wait::default().and(self.descriptor(), interest)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ring(bells: impl IntoIterator<Item = Arc<Bell>>) {
    for bell in bells {
        bell.ring();
    }
}

fn gone() -> Error {
    Error::new("framed socket", Cause::Os(libc::EBADF))
}

/// How long an operation may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// So long, from the first step on; without end. Then `TimedOut`.
    Limit(Option<Duration>),
    /// As a non-blocking socket: not at all, and then `EAGAIN`.
    None,
}

impl Patience {
    fn timer(self) -> Timer {
        match self {
            Self::Limit(limit) => Timer::new(limit),
            Self::None => Timer::new(Some(Duration::ZERO)),
        }
    }

    fn over(self, operation: &'static str) -> Error {
        Error::new(operation, if self == Self::None { Cause::Os(libc::EAGAIN) } else { Cause::TimedOut })
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
            framed.check_after_wait()?;
        } else {
            framed.check()?;
        }
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
