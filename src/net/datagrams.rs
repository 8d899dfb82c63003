//! Datagrams in batches: as many as are there in one system call, as many as fit out in one.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::engine::{Descriptor, Operation, Step, Time, Timer, Wait};
use crate::error::{Cause, Error, Result};
use crate::sys::datagram::{self, Leaving};

/// How many datagrams the kernel cuts out of one send at most (`UDP_MAX_SEGMENTS`), and how many bytes they may be.
const MOST_SEGMENTS: usize = 64;
const MOST_BYTES: usize = 65_000;
/// How many sends one system call takes at most (`UIO_MAXIOV`).
const MOST_SENDS: usize = 1024;

/// A datagram and its peer's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// From whom it came, or for whom it is (`None`: the peer of a connected socket).
    pub address: Option<SocketAddr>,
}

/// Where datagrams are received: reused from batch to batch.
#[derive(Debug)]
pub struct Room {
    bytes: Vec<u8>,
    size: usize,
}

impl Room {
    /// Room for `count` datagrams of at most `size` bytes.
    pub fn new(count: usize, size: usize) -> Result<Self> {
        if !(1..=MOST_SENDS).contains(&count) || !(1..=65_536).contains(&size) {
            return Err(Error::invalid("count and size", "1 to 1024 datagrams of 1 to 65536 bytes"));
        }
        Ok(Self { bytes: vec![0; count * size], size })
    }
}

/// Receives the datagrams that are there, at least one.
#[derive(Debug)]
pub struct RecvBatch {
    descriptor: Descriptor,
    room: Arc<Mutex<Room>>,
    timer: Timer,
}

impl RecvBatch {
    /// `timeout` runs from the first step.
    pub fn new(descriptor: Descriptor, room: Arc<Mutex<Room>>, timeout: Option<Duration>) -> Self {
        Self { descriptor, room, timer: Timer::new(timeout) }
    }
}

impl Operation for RecvBatch {
    type Output = Vec<Datagram>;

    fn step(&mut self, now: Time) -> Result<Step<Vec<Datagram>>> {
        let deadline = self.timer.start(now);
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        let Room { bytes, size } = &mut *room;
        match datagram::recv(self.descriptor, bytes, *size) {
            Ok(arrived) => {
                let mut datagrams = Vec::with_capacity(arrived.len());
                for (one, part) in arrived.iter().zip(bytes.chunks_exact(*size)) {
                    if one.cut {
                        let reason = format!("a datagram has more than the {size} bytes there is room for; it is lost");
                        return Err(Error::new("recvmmsg", Cause::Malformed { what: "datagram", reason }));
                    }
                    let part = &part[..one.length];
                    let segment = one.segment.unwrap_or(part.len().max(1));
                    if part.is_empty() {
                        datagrams.push(Datagram { bytes: Vec::new(), address: one.from });
                    }
                    let cut = part.chunks(segment);
                    datagrams.extend(cut.map(|bytes| Datagram { bytes: bytes.to_vec(), address: one.from }));
                }
                Ok(Step::Done(datagrams))
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(Step::Wait(Wait::sleep(now))),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if self.timer.expired(now) {
                    return Err(Error::new("recvmmsg", Cause::TimedOut));
                }
                Ok(Step::Wait(Wait::readable(self.descriptor).until(deadline)))
            }
            Err(error) => Err(Error::os("recvmmsg", &error)),
        }
    }
}

/// Sends datagrams in order. Neighbours of one size for one address go as one send that the kernel cuts.
#[derive(Debug)]
pub struct SendBatch {
    descriptor: Descriptor,
    /// All datagrams, one behind the other.
    bytes: Vec<u8>,
    sends: Vec<Part>,
    done: usize,
    timer: Timer,
}

/// A send: where its bytes end, how many datagrams they are, how large each but the last is.
#[derive(Debug)]
struct Part {
    start: usize,
    end: usize,
    count: usize,
    segment: usize,
    to: Option<SocketAddr>,
}

impl SendBatch {
    /// `join`: let the kernel cut (`UDP_SEGMENT`); `timeout` runs from the first step.
    pub fn new(descriptor: Descriptor, datagrams: &[Datagram], join: bool, timeout: Option<Duration>) -> Self {
        let mut bytes = Vec::with_capacity(datagrams.iter().map(|datagram| datagram.bytes.len()).sum());
        let mut sends: Vec<Part> = Vec::new();
        for datagram in datagrams {
            let start = bytes.len();
            bytes.extend_from_slice(&datagram.bytes);
            let length = datagram.bytes.len();
            if let Some(last) = sends.last_mut()
                && join
                && last.to == datagram.address
                && last.end - last.start == last.count * last.segment
                && (1..=last.segment).contains(&length)
                && last.count < MOST_SEGMENTS
                && last.end - last.start + length <= MOST_BYTES
            {
                last.end += length;
                last.count += 1;
                continue;
            }
            sends.push(Part { start, end: bytes.len(), count: 1, segment: length, to: datagram.address });
        }
        Self { descriptor, bytes, sends, done: 0, timer: Timer::new(timeout) }
    }

    /// How many datagrams the kernel has taken.
    pub fn taken(&self) -> usize {
        self.sends[..self.done].iter().map(|send| send.count).sum()
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

impl Operation for SendBatch {
    type Output = ();

    fn step(&mut self, now: Time) -> Result<Step<()>> {
        let deadline = self.timer.start(now);
        while self.done < self.sends.len() {
            let rest = &self.sends[self.done..];
            let leaving: Vec<_> = rest
                .iter()
                .take(MOST_SENDS)
                .map(|send| Leaving {
                    to: send.to,
                    bytes: &self.bytes[send.start..send.end],
                    segment: (send.count > 1).then_some(send.segment as u16),
                })
                .collect();
            match datagram::send(self.descriptor, &leaving) {
                Ok(count) => self.done += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.timer.expired(now) {
                        return Err(self.fail(Cause::TimedOut));
                    }
                    return Ok(Step::Wait(Wait::writable(self.descriptor).until(deadline)));
                }
                Err(error) => return Err(self.fail(Cause::Os(error.raw_os_error().unwrap_or(libc::EIO)))),
            }
        }
        Ok(Step::Done(()))
    }

    fn sent(&mut self) -> Option<usize> {
        Some(self.taken())
    }
}
