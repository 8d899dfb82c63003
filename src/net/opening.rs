//! What a request says on a connection: its head, its body, and how patient it is.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::Time;
use crate::http::wire::Wire;

/// What is sent after the head.
#[derive(Clone)]
pub enum Body {
    /// Nothing.
    Empty,
    /// These bytes.
    Bytes(Arc<dyn AsRef<[u8]> + Send + Sync>),
    /// Pieces that are fed one by one, of this length in all, or chunked.
    Fed(Option<u64>),
}

impl Body {
    /// The bytes, where they are known beforehand.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => (**bytes).as_ref(),
            Self::Empty | Self::Fed(_) => &[],
        }
    }

    /// The bytes, unless they are fed.
    pub fn known(&self) -> Option<&[u8]> {
        if matches!(self, Self::Fed(_)) { None } else { Some(self.bytes()) }
    }

    /// How many bytes it has, where that is known beforehand.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Fed(length) => *length,
            Self::Empty | Self::Bytes(_) => Some(self.bytes().len() as u64),
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(bytes) => write!(f, "Bytes({})", (**bytes).as_ref().len()),
            Self::Fed(length) => write!(f, "Fed({length:?})"),
        }
    }
}

/// How long reading and writing may make no progress, and all may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patience {
    /// Without a byte from the peer.
    pub read: Option<Duration>,
    /// Without the peer taking a byte.
    pub write: Option<Duration>,
    /// When all has to be over. Who says so ends it; here it is only known.
    pub over: Option<Time>,
}

/// What is said, and how.
#[derive(Debug)]
pub struct Opening {
    /// The head, as it goes out.
    pub head: Vec<u8>,
    /// What follows it.
    pub body: Body,
    /// Hold the body back until the peer wants it (`Expect: 100-continue`).
    pub expect: bool,
    /// Whether the head says that the connection ends with this exchange.
    pub close: bool,
    /// How long nothing may happen.
    pub patience: Patience,
    /// Where the bytes are noted.
    pub wire: Wire,
}
