//! Where content goes while it comes: a vector, or memory that somebody else will own.

use std::any::Any;
use std::io;

use super::stream::{Io, Stream};
use crate::engine::Descriptor;
use crate::error::Result;
use crate::sys;

/// A growing sequence of bytes.
pub trait Sink: Send {
    /// The bytes so far.
    fn bytes(&self) -> &[u8];

    /// Appends bytes.
    fn extend(&mut self, bytes: &[u8]) -> Result<()>;

    /// Appends what one read of `stream` gives, at most `most` bytes.
    fn read(&mut self, stream: &mut Stream, most: usize) -> Result<Io<usize>>;

    /// Appends what one recv(2) gives, at most `most` bytes; `WouldBlock` when there is nothing yet.
    fn recv(&mut self, descriptor: Descriptor, most: usize) -> io::Result<usize>;

    /// So many bytes are expected to come: whether there is memory for them. Where not, what comes may still fit.
    fn expect(&mut self, count: usize) -> bool;

    /// The sink itself, for who knows what it is.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl Sink for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<()> {
        self.extend_from_slice(bytes);
        Ok(())
    }

    fn read(&mut self, stream: &mut Stream, most: usize) -> Result<Io<usize>> {
        stream.read_append(self, most)
    }

    fn recv(&mut self, descriptor: Descriptor, most: usize) -> io::Result<usize> {
        sys::io::recv_append(descriptor, self, most)
    }

    fn expect(&mut self, count: usize) -> bool {
        self.try_reserve_exact(count).is_ok()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
