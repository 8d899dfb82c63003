//! Datagrams in batches: as many as are there in one system call, as many as fit out in one.

use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::engine::{Descriptor, Operation, Step, Time, Timer, Wait};
use crate::error::{Cause, Error, Result};
use crate::sys;
use crate::sys::datagram::{self, Arrived, Leaving, Part};
use crate::sys::io::Identity;

/// How many datagrams the kernel cuts out of one send at most (`UDP_MAX_SEGMENTS`), and how many bytes they may be.
pub(super) const MOST_SEGMENTS: usize = 64;
pub(super) const MOST_BYTES: usize = 65_000;
/// How many sends one system call takes at most (`UIO_MAXIOV`).
pub(super) const MOST_SENDS: usize = 1024;

/// A socket of somebody else, who may close it: then its number is nobody's, or another's.
#[derive(Clone, Copy, Debug)]
pub struct Lent {
    descriptor: Descriptor,
    identity: Identity,
}

impl Lent {
    /// What the descriptor names now.
    pub fn new(descriptor: Descriptor) -> Result<Self> {
        let identity = sys::io::identity(descriptor).map_err(|error| Error::os("fstat", &error))?;
        Ok(Self { descriptor, identity })
    }

    pub(super) fn check(&self, operation: &'static str) -> Result<Descriptor> {
        match sys::io::identity(self.descriptor) {
            Ok(identity) if identity == self.identity => Ok(self.descriptor),
            _ => Err(Error::new(operation, Cause::Os(libc::EBADF))),
        }
    }
}

/// How many datagrams one receive takes, how long each may be, and whether longer ones came.
pub(super) struct Bounds {
    pub(super) count: usize,
    pub(super) size: usize,
    /// Datagrams that did not fit came with others that did; to be told by the next receive.
    untold: AtomicBool,
}

impl Bounds {
    pub(super) fn new(count: usize, size: usize) -> Result<Self> {
        if !(1..=MOST_SENDS).contains(&count) || !(1..=65_536).contains(&size) {
            return Err(Error::invalid("count and size", "1 to 1024 datagrams of 1 to 65536 bytes"));
        }
        Ok(Self { count, size, untold: AtomicBool::new(false) })
    }

    /// An error if one that did not fit has not been told of.
    pub(super) fn told(&self) -> Result<()> {
        if self.untold.swap(false, Ordering::Relaxed) { Err(self.too_long()) } else { Ok(()) }
    }

    /// Those that do not fit are told of now, or by the next receive: those that fit are not lost for it.
    pub(super) fn check(&self, arrived: &[Arrived]) -> Result<()> {
        match arrived.iter().filter(|one| one.cut).count() {
            0 => {}
            cut if cut == arrived.len() => return Err(self.too_long()),
            _ => self.untold.store(true, Ordering::Relaxed),
        }
        Ok(())
    }

    fn too_long(&self) -> Error {
        let reason = format!("a datagram has more than the {} bytes there is room for; it is lost", self.size);
        Error::new("recvmmsg", Cause::Malformed { what: "datagram", reason })
    }
}

/// What to do when nothing was received.
pub(super) fn none_came<T>(error: &io::Error, descriptor: Descriptor, timer: Timer, now: Time) -> Result<Step<T>> {
    match error.kind() {
        ErrorKind::Interrupted => Ok(Step::Wait(Wait::sleep(now))),
        ErrorKind::WouldBlock if timer.expired(now) => Err(Error::new("recvmmsg", Cause::TimedOut)),
        ErrorKind::WouldBlock => Ok(Step::Wait(Wait::readable(descriptor).until(timer.deadline()))),
        _ => Err(Error::os("recvmmsg", error)),
    }
}

/// Where datagrams are received: buffers that are reused from batch to batch.
pub struct Room {
    bounds: Bounds,
    spare: Mutex<Vec<Buffer>>,
}

struct Buffer {
    bytes: Vec<u8>,
    beside: datagram::Beside,
}

impl Room {
    /// Room for `count` datagrams of at most `size` bytes.
    pub fn new(count: usize, size: usize) -> Result<Self> {
        Ok(Self { bounds: Bounds::new(count, size)?, spare: Mutex::default() })
    }

    fn spare(&self) -> MutexGuard<'_, Vec<Buffer>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn buffer(&self) -> Buffer {
        let spare = self.spare().pop();
        let Bounds { count, size, .. } = self.bounds;
        spare.unwrap_or_else(|| Buffer { bytes: vec![0; count * size], beside: datagram::Beside::new(count) })
    }

    fn give_back(&self, buffer: Buffer) {
        let mut spare = self.spare();
        // One is enough for all who take turns.
        if spare.is_empty() {
            spare.push(buffer);
        }
    }
}

/// Datagrams as they lie in a buffer, which goes back to its room when they are dropped.
pub struct Batch {
    room: Arc<Room>,
    buffer: Option<Buffer>,
}

/// Neighbours in a batch.
pub struct Datagrams<'a> {
    /// Their place in the batch.
    place: usize,
    /// Who sent those before sent these.
    pub again: bool,
    /// One, or several that the kernel joined.
    pub bytes: &'a [u8],
    /// The size of each but the last.
    pub segment: usize,
}

impl<'a> Datagrams<'a> {
    /// The one datagram that it is, if the kernel joined none.
    #[inline]
    pub fn one(&self) -> Option<&'a [u8]> {
        (self.bytes.len() <= self.segment).then_some(self.bytes)
    }

    /// Each of them.
    pub fn each(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        // An empty datagram is one too.
        self.bytes.chunks(self.segment).chain(self.bytes.is_empty().then_some(self.bytes))
    }
}

impl Batch {
    fn arrived(&self) -> &[Arrived] {
        self.buffer.as_ref().map_or(&[], |buffer| buffer.beside.arrived())
    }

    /// How often something arrived.
    pub fn len(&self) -> usize {
        self.arrived().len()
    }

    /// Whether nothing did.
    pub fn is_empty(&self) -> bool {
        self.arrived().is_empty()
    }

    /// All that arrived and was not too long.
    pub fn iter(&self) -> impl Iterator<Item = Datagrams<'_>> {
        let bytes = self.buffer.as_ref().map_or(&[][..], |buffer| &buffer.bytes);
        let parts = self.arrived().iter().zip(bytes.chunks_exact(self.room.bounds.size)).enumerate();
        // What follows one that is left out has to name its sender.
        let mut left_out = false;
        parts.filter_map(move |(place, (one, part))| {
            if one.cut {
                left_out |= !one.again;
                return None;
            }
            let again = one.again && !std::mem::take(&mut left_out);
            let bytes = &part[..one.length.min(part.len())];
            Some(Datagrams { place, again, bytes, segment: one.segment.unwrap_or(bytes.len()).max(1) })
        })
    }

    /// Who sent these.
    pub fn sender(&self, datagrams: &Datagrams<'_>) -> Option<SocketAddr> {
        self.buffer.as_ref().and_then(|buffer| buffer.beside.sender(datagrams.place))
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            self.room.give_back(buffer);
        }
    }
}

/// Receives the datagrams that are there, at least one.
pub struct RecvBatch {
    socket: Lent,
    room: Arc<Room>,
    timer: Timer,
}

impl RecvBatch {
    /// `timeout` runs from the first step.
    pub fn new(socket: Lent, room: Arc<Room>, timeout: Option<Duration>) -> Self {
        Self { socket, room, timer: Timer::new(timeout) }
    }
}

impl Operation for RecvBatch {
    type Output = Batch;

    fn step(&mut self, now: Time) -> Result<Step<Batch>> {
        self.timer.start(now);
        let bounds = &self.room.bounds;
        bounds.told()?;
        let descriptor = self.socket.check("recvmmsg")?;
        let mut buffer = self.room.buffer();
        let parts = buffer.bytes.chunks_exact_mut(bounds.size).map(Part::from);
        let received = datagram::recv(descriptor, parts, &mut buffer.beside);
        let batch = Batch { room: self.room.clone(), buffer: Some(buffer) };
        match received {
            Ok(()) => bounds.check(batch.arrived()).map(|()| Step::Done(batch)),
            Err(error) => none_came(&error, descriptor, self.timer, now),
        }
    }
}

/// Whether what udp(7)'s segmentation refuses so may go as datagrams by themselves: it is longer than the path takes, or not
/// to be had on this device.
pub(super) fn may_be_apart(errno: i32) -> bool {
    matches!(errno, libc::EMSGSIZE | libc::EINVAL | libc::EIO | libc::EOPNOTSUPP)
}

/// Sends datagrams in order, from where they lie. Neighbours of one size for one address go as one send that the kernel
/// cuts.
pub struct SendBatch<B> {
    socket: Lent,
    payloads: Vec<B>,
    sends: Vec<Bundle>,
    done: usize,
    timer: Timer,
}

/// A send: which payloads it is, how many bytes in all, how large each but the last is.
#[derive(Debug)]
struct Bundle {
    start: usize,
    end: usize,
    bytes: usize,
    segment: usize,
    to: Option<SocketAddr>,
}

impl<B: AsRef<[u8]>> SendBatch<B> {
    /// Sends none yet; `timeout` runs from the first step.
    pub fn new(socket: Lent, room: usize, timeout: Option<Duration>) -> Self {
        let payloads = Vec::with_capacity(room);
        Self { socket, payloads, sends: Vec::new(), done: 0, timer: Timer::new(timeout) }
    }

    /// Adds a datagram for `to` (`None`: the peer of a connected socket); `join`: let the kernel cut (`UDP_SEGMENT`).
    #[inline]
    pub fn push(&mut self, payload: B, to: Option<SocketAddr>, join: bool) {
        let (start, length) = (self.payloads.len(), payload.as_ref().len());
        self.payloads.push(payload);
        if let Some(last) = self.sends.last_mut()
            && join
            && (1..=last.segment).contains(&length)
            && last.bytes == (last.end - last.start) * last.segment
            && last.end - last.start < MOST_SEGMENTS
            && last.bytes + length <= MOST_BYTES
            && last.to == to
        {
            last.end += 1;
            last.bytes += length;
            return;
        }
        self.sends.push(Bundle { start, end: start + 1, bytes: length, segment: length, to });
    }

    /// How many datagrams the kernel has taken.
    pub fn taken(&self) -> usize {
        self.sends[..self.done].iter().map(|send| send.end - send.start).sum()
    }

    /// Takes the next send apart, if it is several datagrams: each by itself may be longer than the path takes, and is
    /// cut by IP then, where what `UDP_SEGMENT` makes may not. Whether it was.
    fn take_apart(&mut self) -> bool {
        let Some(part) = self.sends.get(self.done).filter(|part| part.end - part.start > 1) else { return false };
        let (range, to) = (part.start..part.end, part.to);
        let each = range.map(|at| {
            let bytes = self.payloads[at].as_ref().len();
            Bundle { start: at, end: at + 1, bytes, segment: bytes, to }
        });
        let each: Vec<_> = each.collect();
        self.sends.splice(self.done..=self.done, each);
        true
    }

    fn fail(&self, cause: Cause) -> Error {
        let mut error = Error::new("sendmmsg", cause);
        error.sent = Some(self.taken());
        match self.sends.get(self.done).and_then(|send| send.to) {
            Some(address) => error.at(address),
            None => error,
        }
    }
}

impl<B: AsRef<[u8]>> Operation for SendBatch<B> {
    type Output = ();

    fn step(&mut self, now: Time) -> Result<Step<()>> {
        let deadline = self.timer.start(now);
        let descriptor = self.socket.check("sendmmsg").map_err(|error| self.fail(error.cause.clone()))?;
        while self.done < self.sends.len() {
            let rest = &self.sends[self.done..(self.done + MOST_SENDS).min(self.sends.len())];
            let first = rest.first().map_or(0, |send| send.start);
            let last = rest.last().map_or(0, |send| send.end);
            let pieces: Vec<IoSlice<'_>> =
                self.payloads[first..last].iter().map(|payload| IoSlice::new(payload.as_ref())).collect();
            let leaving: Vec<_> = rest
                .iter()
                .map(|send| Leaving {
                    to: send.to,
                    pieces: &pieces[send.start - first..send.end - first],
                    segment: (send.end - send.start > 1).then_some(send.segment as u16),
                })
                .collect();
            match datagram::send(descriptor, &leaving) {
                Ok(count) => self.done += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.timer.expired(now) {
                        return Err(self.fail(Cause::TimedOut));
                    }
                    return Ok(Step::Wait(Wait::writable(descriptor).until(deadline)));
                }
                Err(error) => {
                    let errno = error.raw_os_error().unwrap_or(libc::EIO);
                    if !(may_be_apart(errno) && self.take_apart()) {
                        return Err(self.fail(Cause::Os(errno)));
                    }
                }
            }
        }
        Ok(Step::Done(()))
    }

    fn sent(&mut self) -> Option<usize> {
        Some(self.taken())
    }
}
