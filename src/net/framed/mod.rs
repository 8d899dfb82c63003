//! Frames on a connected stream: one receiving and one sending end that any number of threads and tasks share.
//!
//! Lives here: [`Framed`] with its decoder and its outbox, and the two machines on it, [`Fill`] and [`Send`]. No lock is
//! held while anybody waits. What has come stays in the decoder until a frame of it is taken, so a receive that is given
//! up loses nothing; who brings frames rings for the others who wait. Sends go out one behind the other, in the order in
//! which they began. A send that is given up withdraws what has not begun to go out; the rest of what has begun goes out
//! first when the next one begins.

pub mod large;
mod receive;
mod room;
mod send;
mod transport;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::large::{Large, Memory};
pub use self::receive::Fill;
use self::room::Loan;
pub use self::room::{FillRoom, Looking, Room, Taken, take_whole};
use self::send::Outbox;
pub use self::send::Send;
pub use self::transport::{Transfer, Transport};
use crate::engine::{Bell, Descriptor, Interest, Timer, Wait};
use crate::error::{Cause, Error, Result};
use crate::framing::codec::{Codec, Oversize};
use crate::framing::decoder::Decoder;
use crate::sys;
use crate::sys::io::Identity;

/// Both directions of one stream.
pub struct Framed {
    transport: Box<dyn Transport>,
    /// What the descriptor named at first: once closed its number may name another's.
    file: Option<Identity>,
    peer: Option<String>,
    inbox: Mutex<Decoder>,
    /// Where large frames are received.
    memory: Option<Box<Memory>>,
    /// Locked within the inbox, and by nobody who has the interpreter: who has the lock may need that.
    arriving: Mutex<Arriving>,
    /// Whether what is arriving is whole, and the next frame to be taken.
    landed: AtomicBool,
    /// Whether the last frame was a large one: the next is not read into the decoder by more than its header then.
    expected: AtomicBool,
    /// Who waits to receive. Locked within the inbox where somebody is added; nothing is waited for under it.
    receivers: Mutex<Vec<Arc<Bell>>>,
    outbox: Mutex<Outbox>,
    closes: bool,
    retired: AtomicBool,
}

/// What goes past the decoder.
#[derive(Default)]
struct Arriving {
    large: Option<Large>,
    /// Memory to receive into, in the order in which it was lent, and how often that was.
    loans: Vec<Loan>,
    lent: u64,
    /// Whether anything has been received.
    begun: bool,
}

impl Framed {
    /// Frames of `codec` over `transport`; `peer` names the other side in errors.
    pub fn new(transport: Box<dyn Transport>, codec: impl Into<Arc<Codec>>, peer: Option<String>) -> Self {
        let codec = codec.into();
        let closes = codec.oversize == Oversize::Close;
        Self {
            file: sys::io::identity(transport.descriptor()).ok(),
            transport,
            peer,
            inbox: Mutex::new(Decoder::new(codec)),
            memory: None,
            arriving: Mutex::default(),
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
        self.memory = Some(memory);
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
        waiting.extend(outbox.waiting());
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

    /// Whether the descriptor still names the socket that it named at first: it may have been closed without our knowledge.
    pub fn open(&self) -> bool {
        let now = sys::io::identity(self.descriptor()).ok();
        now.is_some() && now == self.file
    }

    fn check_open(&self) -> Result<()> {
        if self.retired() || !self.open() { Err(gone()) } else { Ok(()) }
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
