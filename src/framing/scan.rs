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
    /// The first `size` bytes end a frame whose content the scanner has put together and keeps until [`Scan::clear`].
    Built {
        /// Bytes of the input that are used up.
        size: usize,
    },
    /// A frame begins here of which neither all bytes have come nor a wrong one.
    Coming {
        /// With its header, and what ends it.
        size: usize,
        /// What will be handed over.
        content: Range<usize>,
        /// The type, where the format has one.
        tag: u64,
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
    /// So many bytes, and what has to follow them.
    Bytes {
        /// With its header.
        size: u64,
        /// What ends it in the format; empty where nothing does.
        end: &'static [u8],
    },
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

    /// The frame that was [coming](Found::Coming) has come, and gone elsewhere.
    fn passed(&mut self) {}

    /// The content of the frame that [`Found::Built`] ended.
    fn built(&self) -> &[u8] {
        &[]
    }

    /// Forgets that content.
    fn clear(&mut self) {}

    /// The bytes of a frame in progress that were used up already, as they were in the stream.
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

/// The content of a frame that is put together in pieces. Never takes more memory than the limit.
#[derive(Debug)]
pub(super) struct Content {
    bytes: Vec<u8>,
    most: usize,
}

/// Memory that has become larger than this is given back with its frame.
const KEPT: usize = 64 * 1024;

impl Content {
    /// Room for at most `most` bytes, none of it taken yet.
    pub(super) fn new(most: usize) -> Self {
        Self { bytes: Vec::new(), most }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The least length of a frame that [`Content::has_room`] refuses.
    pub(super) fn over(&self) -> u64 {
        self.most as u64 + 1
    }

    /// Whether `more` bytes would still be within the limit.
    pub(super) fn has_room(&self, more: usize) -> bool {
        more <= self.most - self.bytes.len()
    }

    /// Appends what [`Content::has_room`] has allowed.
    pub(super) fn append(&mut self, piece: &[u8]) {
        let needed = self.bytes.len() + piece.len();
        if needed > self.bytes.capacity() {
            let doubled = self.bytes.capacity().saturating_mul(2).min(self.most);
            self.bytes.reserve_exact(needed.max(doubled) - self.bytes.len());
        }
        self.bytes.extend_from_slice(piece);
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
    }
}
