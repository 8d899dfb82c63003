//! Datagrams of one size that lie in one piece, as UDP's segmentation has them: what the kernel joined is received where it
//! stays, what the kernel is to cut is sent from where it lies.

use std::io::{ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::datagrams::{Bounds, Lent, MOST_BYTES, MOST_SEGMENTS, MOST_SENDS, may_be_apart, none_came};
use crate::engine::{Operation, Step, Time, Timer, Wait};
use crate::error::{Cause, Error, Result};
use crate::sys::datagram::{self, Beside, Leaving, Part};

/// Memory that one receive fills, to be kept by whoever asked.
pub trait Memory: Send {
    /// All of it.
    fn room(&mut self) -> &mut [MaybeUninit<u8>];
}

/// What one receive left in its memory: datagrams of `segment` bytes each, the last may be shorter.
pub struct Joined<M> {
    /// Where they are.
    pub memory: M,
    /// Their bytes in all.
    pub length: usize,
    /// The size of each but the last; at least 1.
    pub segment: usize,
    /// Who sent them.
    pub from: Option<SocketAddr>,
}

/// Where joined datagrams are received: memory that was lent and not used is lent again.
pub struct JoinedRoom<M> {
    bounds: Bounds,
    spare: Mutex<Spare<M>>,
}

struct Spare<M> {
    memory: Vec<M>,
    beside: Option<Beside>,
    /// How many are lent to a receive: more when all of them were filled.
    lent: usize,
}

/// How many are lent at first: each is as large as all that the kernel may join.
const LENT: usize = 4;

impl<M: Memory> JoinedRoom<M> {
    /// Room for `count` receives of at most `size` bytes.
    pub fn new(count: usize, size: usize) -> Result<Self> {
        let spare = Mutex::new(Spare { memory: Vec::new(), beside: None, lent: LENT.min(count) });
        Ok(Self { bounds: Bounds::new(count, size)?, spare })
    }

    fn spare(&self) -> MutexGuard<'_, Spare<M>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes memory back.
    pub fn give_back(&self, memory: impl IntoIterator<Item = M>) {
        let mut spare = self.spare();
        for one in memory {
            // Enough for all who take turns; the others' goes.
            if spare.memory.len() < spare.lent {
                spare.memory.push(one);
            }
        }
    }
}

/// Receives what is there, at least one, each into memory of its own.
pub struct RecvJoined<M: Memory> {
    socket: Lent,
    room: Arc<JoinedRoom<M>>,
    memory: Vec<M>,
    timer: Timer,
}

impl<M: Memory> RecvJoined<M> {
    /// `make` gives memory of a size, where there is not enough left of earlier receives; `timeout` runs from the first
    /// step.
    pub fn new<E>(
        socket: Lent,
        room: Arc<JoinedRoom<M>>,
        timeout: Option<Duration>,
        mut make: impl FnMut(usize) -> std::result::Result<M, E>,
    ) -> std::result::Result<Self, E> {
        let mut spare = room.spare();
        let (memory, lent) = (std::mem::take(&mut spare.memory), spare.lent);
        drop(spare);
        let mut this = Self { socket, room, memory, timer: Timer::new(timeout) };
        while this.memory.len() < lent {
            this.memory.push(make(this.room.bounds.size)?);
        }
        Ok(this)
    }
}

impl<M: Memory> Operation for RecvJoined<M> {
    type Output = Vec<Joined<M>>;

    fn step(&mut self, now: Time) -> Result<Step<Self::Output>> {
        self.timer.start(now);
        let bounds = &self.room.bounds;
        bounds.told()?;
        let descriptor = self.socket.check("recvmmsg")?;
        let beside = self.room.spare().beside.take();
        let mut beside = beside.unwrap_or_else(|| Beside::new(bounds.count));
        let received =
            datagram::recv(descriptor, self.memory.iter_mut().map(|one| Part::from(one.room())), &mut beside);
        let outcome = match received {
            Ok(()) => bounds.check(beside.arrived()).map(|()| {
                if beside.arrived().len() == self.memory.len() {
                    let mut spare = self.room.spare();
                    spare.lent = (2 * self.memory.len()).clamp(spare.lent, bounds.count);
                }
                let used = self.memory.drain(..beside.arrived().len());
                let mut cut = Vec::new();
                let mut given = Vec::with_capacity(used.len());
                for (place, (memory, one)) in used.zip(beside.arrived()).enumerate() {
                    if one.cut {
                        cut.push(memory);
                        continue;
                    }
                    let segment = one.segment.unwrap_or(one.length).max(1);
                    given.push(Joined { memory, length: one.length, segment, from: beside.sender(place) });
                }
                self.memory.append(&mut cut);
                Step::Done(given)
            }),
            Err(error) => none_came(&error, descriptor, self.timer, now),
        };
        self.room.spare().beside = Some(beside);
        outcome
    }
}

impl<M: Memory> Drop for RecvJoined<M> {
    fn drop(&mut self) {
        self.room.give_back(self.memory.drain(..));
    }
}

/// Sends what lies in one piece as datagrams of `size` bytes each, the last what is left.
pub struct SendSegments<B> {
    socket: Lent,
    bytes: B,
    size: usize,
    to: Option<SocketAddr>,
    /// Whether the kernel cuts.
    join: bool,
    /// How many bytes went out, and whether an empty datagram did.
    done: (usize, bool),
    timer: Timer,
}

impl<B: AsRef<[u8]>> SendSegments<B> {
    /// For `to` (`None`: the peer of a connected socket); `join`: let the kernel cut (`UDP_SEGMENT`). `timeout` runs from
    /// the first step.
    pub fn new(
        socket: Lent,
        bytes: B,
        size: usize,
        to: Option<SocketAddr>,
        join: bool,
        timeout: Option<Duration>,
    ) -> Result<Self> {
        if size == 0 {
            return Err(Error::invalid("size", "datagrams of no bytes never carry any; give 1 or more"));
        }
        Ok(Self { socket, bytes, size, to, join, done: (0, false), timer: Timer::new(timeout) })
    }

    /// How many datagrams the kernel has taken.
    pub fn taken(&self) -> usize {
        let (bytes, empty) = self.done;
        bytes.div_ceil(self.size) + usize::from(empty)
    }

    fn is_done(&self) -> bool {
        let (bytes, empty) = self.done;
        // An empty datagram is one too.
        bytes == self.bytes.as_ref().len() && (bytes > 0 || empty)
    }

    /// How many bytes one send takes.
    fn per_send(&self) -> usize {
        let segments = if self.join { (MOST_BYTES / self.size).clamp(1, MOST_SEGMENTS) } else { 1 };
        segments.saturating_mul(self.size)
    }

    fn send(&mut self, descriptor: crate::engine::Descriptor) -> std::io::Result<()> {
        let rest = &self.bytes.as_ref()[self.done.0..];
        let leaving = |piece: &[u8]| (piece.len() > self.size).then_some(self.size as u16);
        let per_send = self.per_send();
        if rest.len() <= per_send {
            // Most are one send.
            let pieces = [IoSlice::new(rest)];
            datagram::send(descriptor, &[Leaving { to: self.to, pieces: &pieces, segment: leaving(rest) }])?;
            self.done = (self.done.0 + rest.len(), rest.is_empty());
            return Ok(());
        }
        let pieces: Vec<_> = rest.chunks(per_send).take(MOST_SENDS).map(IoSlice::new).collect();
        let each = pieces.iter().map(|piece| {
            let segment = leaving(piece);
            Leaving { to: self.to, pieces: std::slice::from_ref(piece), segment }
        });
        let count = datagram::send(descriptor, &each.collect::<Vec<_>>())?;
        self.done.0 += pieces[..count.min(pieces.len())].iter().map(|piece| piece.len()).sum::<usize>();
        Ok(())
    }

    fn fail(&self, cause: Cause) -> Error {
        let mut error = Error::new("sendmmsg", cause);
        error.sent = Some(self.taken());
        match self.to {
            Some(address) => error.at(address),
            None => error,
        }
    }
}

impl<B: AsRef<[u8]>> Operation for SendSegments<B> {
    type Output = ();

    fn step(&mut self, now: Time) -> Result<Step<()>> {
        let deadline = self.timer.start(now);
        let descriptor = self.socket.check("sendmmsg").map_err(|error| self.fail(error.cause.clone()))?;
        while !self.is_done() {
            match self.send(descriptor) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.timer.expired(now) {
                        return Err(self.fail(Cause::TimedOut));
                    }
                    return Ok(Step::Wait(Wait::writable(descriptor).until(deadline)));
                }
                Err(error) => {
                    let errno = error.raw_os_error().unwrap_or(libc::EIO);
                    let joined = self.join && self.bytes.as_ref().len() - self.done.0 > self.size;
                    if !(joined && may_be_apart(errno)) {
                        return Err(self.fail(Cause::Os(errno)));
                    }
                    self.join = false;
                }
            }
        }
        Ok(Step::Done(()))
    }

    fn sent(&mut self) -> Option<usize> {
        Some(self.taken())
    }
}
