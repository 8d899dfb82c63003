//! What moves the bytes of frames and never waits: a descriptor, or what encrypts over one.

use std::ops::Range;

use super::room::Room;
use crate::engine::{Descriptor, Interest};
use crate::error::{Error, Result};
use crate::net::sink::Sink;
use crate::sys;

/// What an attempt to move bytes gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// So many bytes; zero from a receive is the end of the stream.
    Moved(usize),
    /// None now; what to wait for.
    Blocked(Interest),
}

/// A connected byte stream that never waits.
pub trait Transport: Send + Sync {
    /// What to watch.
    fn descriptor(&self) -> Descriptor;

    /// Receives at most `most` bytes behind what `buffer` holds.
    fn recv(&self, buffer: &mut Vec<u8>, most: usize) -> Result<Transfer>;

    /// Sends what is taken of `bytes` at once. Those that it [holds](Transport::held) must be offered first again.
    fn send(&self, bytes: &[u8]) -> Result<Transfer>;

    /// Receives at most `most` bytes behind what `sink` holds, which has room for them.
    fn recv_sink(&self, sink: &mut dyn Sink, most: usize) -> Result<Transfer> {
        let mut came = Vec::new();
        let transfer = self.recv(&mut came, most)?;
        sink.extend(&came)?;
        Ok(transfer)
    }

    /// Receives into the bytes of `range`.
    fn recv_room(&self, room: &mut dyn Room, range: Range<usize>) -> Result<Transfer> {
        let mut came = Vec::new();
        let transfer = self.recv(&mut came, range.len())?;
        room.write(range.start, &came);
        Ok(transfer)
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

    fn recv_sink(&self, sink: &mut dyn Sink, most: usize) -> Result<Transfer> {
        attempt("recv", Interest::Readable, || sink.recv(*self, most))
    }

    fn recv_room(&self, room: &mut dyn Room, range: Range<usize>) -> Result<Transfer> {
        attempt("recv", Interest::Readable, || room.recv(*self, range.clone()))
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
