//! What looking for a frame can find. The vocabulary between the formats and the decoder.

use std::ops::Range;

use crate::error::Result;

/// What is at the beginning of the input. Sizes and ranges count from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The first `size` bytes are a frame.
    Frame {
        /// With its header and delimiter.
        size: usize,
        /// What is handed over.
        content: Range<usize>,
        /// The type, where the format has one.
        tag: u64,
    },
    /// The first `size` bytes end a frame whose content the scanner has put together.
    Built {
        /// Bytes of the input that are used up.
        size: usize,
    },
    /// The first `size` bytes are used up and no frame ends there.
    Nothing {
        /// Bytes of the input that are used up.
        size: usize,
    },
    /// The first `size` bytes say that no frame follows.
    End {
        /// Bytes of the input that are used up.
        size: usize,
    },
    /// With fewer than `least` bytes in the input there is nothing new to find.
    More {
        /// How many bytes the input needs, from its beginning.
        least: usize,
    },
    /// A frame over the limit begins here.
    TooLarge {
        /// Its announced length; the limit and one where only its end would tell.
        length: u64,
        /// How to get past it.
        skip: Skip,
    },
}

/// How to get past a frame that is not wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// So many bytes.
    Bytes(u64),
    /// [`Scan::pass`] finds its end.
    Search,
}

/// A stretch of an unwanted frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Bytes of the input that are used up.
    pub size: usize,
    /// Whether the frame ends there.
    pub done: bool,
}

/// Looks for frames of one format. Between two calls the input grows at its end, or loses at its beginning what the last
/// answer used up; nothing else.
pub trait Scan {
    /// What is at the beginning of `input`.
    fn next(&mut self, input: &[u8]) -> Result<Found>;

    /// Goes on past an unwanted frame whose end only a search can find.
    fn pass(&mut self, input: &[u8]) -> Passed {
        Passed { size: input.len(), done: false }
    }

    /// Takes the content of the frame that [`Found::Built`] ended.
    fn built(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// The bytes of an unfinished frame that were used up already, as they were in the stream.
    fn held(&self) -> Vec<u8> {
        Vec::new()
    }

    /// How many bytes [`Scan::held`] would give.
    fn held_length(&self) -> usize {
        0
    }

    /// Whether what is left when the stream ends is a frame of its own.
    fn last(&self) -> bool {
        false
    }
}
