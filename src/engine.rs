//! What a waiting operation is: a machine that is asked to step and answers with its result or with what it waits for.
//!
//! Lives here: the vocabulary ([`Time`], [`Watch`], [`Bell`], [`Wait`], [`Step`], [`Woken`], [`Operation`],
//! [`Timer`]).
//! May not live here: a clock, a system call, a loop. The two drivers that wait are `net::drive` (blocking) and
//! `python::drive` (asyncio); both step a machine once at the start, and again whenever something it watches may be
//! ready or its deadline has passed. So a machine must take a step that finds nothing ready (a spurious wake-up) as
//! no news, and decides by itself what a deadline that has passed means.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use crate::error::Result;

/// A point on a monotonic clock, in nanoseconds since an origin that only the clock knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The point `nanoseconds` after the clock's origin.
    pub const fn from_nanos(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    /// Nanoseconds since the clock's origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The point `duration` later; the end of time where that does not fit.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanoseconds))
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// A file descriptor, as a number: naming it gives no right to use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Descriptor(pub i32);

/// What a machine wants to do with a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Interest {
    /// Receive, or accept, or read the error queue.
    Readable,
    /// Send, or learn how a connect ended.
    Writable,
}

/// One descriptor and what is wanted of it. Errors and hang-ups always count as ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Watch {
    /// The descriptor.
    pub descriptor: Descriptor,
    /// What is wanted of it.
    pub interest: Interest,
}

/// How operations on one object tell each other what no descriptor tells: it is your turn, there is a frame, it is closed.
///
/// Each waiting operation has one. A ring that comes while nobody listens is not lost: who listens next is told.
#[derive(Default)]
pub struct Bell(Mutex<Ring>);

#[derive(Default)]
struct Ring {
    rung: bool,
    listener: Option<Waker>,
}

impl Bell {
    /// Wakes who listens, or who will.
    pub fn ring(&self) {
        let mut ring = self.lock();
        ring.rung = true;
        let listener = ring.listener.take();
        drop(ring);
        if let Some(listener) = listener {
            listener.wake();
        }
    }

    /// Forgets rings so far. To be called before looking at what they may be about.
    pub fn still(&self) {
        self.lock().rung = false;
    }

    /// Lets the next ring wake `listener`, instead of who listened before. True where it has rung already: do not wait.
    pub fn listen(&self, listener: Waker) -> bool {
        let mut ring = self.lock();
        ring.listener = (!ring.rung).then_some(listener);
        ring.rung
    }

    /// Lets nobody be woken.
    pub fn leave(&self) {
        let listener = self.lock().listener.take();
        // Not under the lock: it may be more than memory.
        drop(listener);
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bell").field("rung", &self.lock().rung).finish_non_exhaustive()
    }
}

/// A bell equals itself alone.
impl PartialEq for Bell {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Bell {}

/// What has to happen before stepping again makes sense: any of the watches, a ring, or the deadline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wait {
    first: Option<Watch>,
    more: Vec<Watch>,
    /// Whose ring ends it too. Waits that have one may watch the same descriptor as others do.
    pub bell: Option<Arc<Bell>>,
    /// When to step again even if nothing is ready.
    pub deadline: Option<Time>,
}

impl Wait {
    /// Wait for `descriptor` to become readable.
    pub fn readable(descriptor: Descriptor) -> Self {
        Self::default().and(descriptor, Interest::Readable)
    }

    /// Wait for `descriptor` to become writable.
    pub fn writable(descriptor: Descriptor) -> Self {
        Self::default().and(descriptor, Interest::Writable)
    }

    /// Wait for the deadline alone.
    pub fn sleep(deadline: Time) -> Self {
        Self { deadline: Some(deadline), ..Self::default() }
    }

    /// The same wait, which a ring of `bell` can end.
    #[must_use]
    pub fn hearing(self, bell: Arc<Bell>) -> Self {
        Self { bell: Some(bell), ..self }
    }

    /// The same wait, which one more descriptor can end.
    #[must_use]
    pub fn and(mut self, descriptor: Descriptor, interest: Interest) -> Self {
        let watch = Watch { descriptor, interest };
        match self.first {
            None => self.first = Some(watch),
            // Who waits for it once waits for it.
            Some(first) if first == watch || self.more.contains(&watch) => {}
            Some(_) => self.more.push(watch),
        }
        self
    }

    /// The same wait, ended by `deadline` at the latest. An earlier deadline stays.
    #[must_use]
    pub fn until(mut self, deadline: Option<Time>) -> Self {
        self.deadline = match (self.deadline, deadline) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self
    }

    /// What is watched. Nothing at all means: only the bell or the deadline ends the wait.
    pub fn watches(&self) -> impl Iterator<Item = Watch> {
        self.first.into_iter().chain(self.more.iter().copied())
    }
}

/// The answer of one step.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<T> {
    /// The result. A machine is not stepped again after it, unless its own contract says so.
    Done(T),
    /// What to wait for before the next step.
    Wait(Wait),
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// A descriptor may be ready, or the deadline has passed: step.
    Step,
    /// A signal came: see whether to give up, then wait again.
    Signal,
}

/// A waiting operation.
pub trait Operation {
    /// What it gives in the end.
    type Output;

    /// Does what can be done at once and says what is next. Never waits.
    fn step(&mut self, now: Time) -> Result<Step<Self::Output>>;

    /// Waits for what the last step, at `now`, said, and takes it, if one system call does both. None: wait as it said. For
    /// drivers that may block alone.
    fn receive(&mut self, _wait: &Wait, _now: Time) -> Option<Woken> {
        None
    }

    /// Takes the bytes that have come and would be lost if the operation were given up here (cancelled, interrupted).
    fn partial(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// For a send that is given up here: how many bytes the kernel has taken.
    fn sent(&mut self) -> Option<usize> {
        None
    }
}

impl<O: Operation + ?Sized> Operation for &mut O {
    type Output = O::Output;

    fn step(&mut self, now: Time) -> Result<Step<O::Output>> {
        (**self).step(now)
    }

    fn receive(&mut self, wait: &Wait, now: Time) -> Option<Woken> {
        (**self).receive(wait, now)
    }

    fn partial(&mut self) -> Vec<u8> {
        (**self).partial()
    }

    fn sent(&mut self) -> Option<usize> {
        (**self).sent()
    }
}

/// The one deadline of a whole operation: a duration until the first step, a point in time from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// No deadline.
    Never,
    /// Not started: so long from the first step.
    For(Duration),
    /// Running: until this point.
    Until(Time),
}

impl Timer {
    /// `None` is no deadline.
    pub fn new(timeout: Option<Duration>) -> Self {
        timeout.map_or(Self::Never, Self::For)
    }

    /// Starts the timer if it is not running, and gives its deadline.
    pub fn start(&mut self, now: Time) -> Option<Time> {
        if let Self::For(duration) = *self {
            *self = Self::Until(now.after(duration));
        }
        self.deadline()
    }

    /// The deadline, once started.
    pub fn deadline(self) -> Option<Time> {
        match self {
            Self::Until(deadline) => Some(deadline),
            Self::Never | Self::For(_) => None,
        }
    }

    /// Whether the deadline has passed.
    pub fn expired(self, now: Time) -> bool {
        self.deadline().is_some_and(|deadline| now >= deadline)
    }
}
