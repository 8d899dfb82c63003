//! Content that is kept: small as a vector, large in what the caller makes.

use std::sync::Arc;

use crate::net::sink::Sink;

/// Content in memory: small as a vector, large in what the caller's [`Store`] makes.
pub enum Content {
    /// Small.
    Small(Vec<u8>),
    /// Large, where the caller has a store.
    Stored(Box<dyn Sink>),
}

impl Default for Content {
    fn default() -> Self {
        Self::Small(Vec::new())
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Content({} bytes)", self.bytes().len())
    }
}

impl Content {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Small(bytes) => bytes,
            Self::Stored(sink) => sink.bytes(),
        }
    }

    /// Where more of it goes.
    pub(super) fn sink(&mut self) -> &mut dyn Sink {
        match self {
            Self::Small(bytes) => bytes,
            Self::Stored(sink) => &mut **sink,
        }
    }

    pub(super) fn take(&mut self) -> Vec<u8> {
        match std::mem::take(self) {
            Self::Small(bytes) => bytes,
            Self::Stored(sink) => sink.bytes().to_vec(),
        }
    }

    /// Moves to the caller's store once the content is, or will be, large.
    pub(super) fn settle(&mut self, store: Option<&Store>, coming: u64) {
        let (Some(store), Self::Small(_)) = (store, &*self) else { return };
        if (coming.max(self.bytes().len() as u64)) < LARGE {
            return;
        }
        let mut sink = (store.0)();
        // A peer's promise that memory cannot keep fails when the bytes come, if they do.
        let _ = sink.expect(usize::try_from(coming).unwrap_or(usize::MAX).max(self.bytes().len()));
        if sink.extend(self.bytes()).is_ok() {
            *self = Self::Stored(sink);
        }
    }
}

/// From how many bytes on content goes into the caller's store.
const LARGE: u64 = 128 * 1024;

/// Makes a place for large content.
#[derive(Clone)]
pub struct Store(pub Arc<dyn Fn() -> Box<dyn Sink> + Send + Sync>);

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}
