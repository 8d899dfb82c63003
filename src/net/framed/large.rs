//! A large frame on its way past the decoder, into memory of its size: the kernel's copy is the only one.
//!
//! Lives here: the frame, and when it is worth it. Its header stays known until the frame is taken, so that every byte
//! that has come can be given back.

use std::io;

use crate::engine::Descriptor;
use crate::framing::decoder::Decoder;
use crate::net::sink::Sink;

/// What a frame must have to be received so, and at most: its memory is taken when its header has come.
const LEAST: usize = 32 * 1024;
const MOST: usize = 8 * 1024 * 1024;

/// Makes memory for a frame.
pub type Memory = dyn Fn() -> Box<dyn Sink> + Send + Sync;

/// A frame whose content comes, or has come.
pub struct Large {
    sink: Box<dyn Sink>,
    tag: u64,
    length: usize,
    header: Vec<u8>,
    /// How much of the content is in the decoder too.
    copied: usize,
}

impl Large {
    /// The frame that `decoder` waits for, if it is a large one.
    pub fn begin(decoder: &mut Decoder, memory: &Memory) -> Option<Self> {
        let coming = decoder.coming().ok().flatten()?;
        if !(LEAST..=MOST).contains(&coming.length) {
            return None;
        }
        let (tag, length, copied) = (coming.tag, coming.length, coming.here.len());
        let mut sink = memory();
        sink.expect(length);
        sink.extend(coming.here).ok()?;
        let mut header = decoder.pending();
        header.truncate(header.len() - copied);
        Some(Self { sink, tag, length, header, copied })
    }

    /// Receives more of it; zero is the end of the stream.
    pub fn recv(&mut self, descriptor: Descriptor) -> io::Result<usize> {
        let missing = self.length - self.sink.bytes().len();
        self.sink.recv(descriptor, missing)
    }

    /// Whether all of it has come.
    pub fn complete(&self) -> bool {
        self.sink.bytes().len() == self.length
    }

    /// How long its content is.
    pub fn length(&self) -> usize {
        self.length
    }

    /// How many bytes of it have come that the decoder does not have.
    pub fn beyond(&self) -> usize {
        if self.complete() { self.header.len() + self.length } else { self.sink.bytes().len() - self.copied }
    }

    /// Gives what has come back: to the decoder, which has the beginning; all of it where the frame is complete.
    pub fn give_back(self, decoder: &mut Decoder) -> Vec<u8> {
        if self.complete() {
            let mut bytes = self.header;
            bytes.extend_from_slice(self.sink.bytes());
            return bytes;
        }
        decoder.feed(&self.sink.bytes()[self.copied..]);
        Vec::new()
    }

    /// The type and the memory of a frame that is complete.
    pub fn into_parts(self) -> (u64, Box<dyn Sink>) {
        (self.tag, self.sink)
    }
}
