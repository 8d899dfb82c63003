//! What can go wrong: the operation, the address, the errno or the limit, and whose fault it was.
//!
//! One type for the whole crate, so that one table (`src/python/errors.rs`) turns it into Python's exceptions.
//! Nothing here formats for a particular surface: `Display` is one line for a person.

use std::fmt;
use std::ops::{Deref, DerefMut};

/// Who has to change something for the operation to succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The caller, or this machine.
    Local,
    /// The peer, or the network between.
    Remote,
}

/// Why an operation ended without its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The kernel refused: an `errno` value.
    Os(i32),
    /// The deadline of the whole operation passed.
    TimedOut,
    /// The peer ended the stream in the middle of what was being read.
    Truncated {
        /// How many bytes the operation needed, where that is known.
        wanted: Option<usize>,
    },
    /// The stream is over, at a place where it may be.
    Ended,
    /// Something exceeds a limit of ours.
    TooLarge {
        /// What was measured, e.g. "frame".
        what: &'static str,
        /// Its announced or reached length in bytes; a lower bound where the end was not seen.
        length: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The peer's bytes break the protocol.
    Malformed {
        /// Which protocol element, e.g. "status line".
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// An argument cannot be used.
    Invalid {
        /// The argument's name.
        what: &'static str,
        /// What is wrong with it and what would do.
        reason: String,
    },
    /// The next frame has not enough room in the caller's memory; it stays.
    NoRoom {
        /// Its length in bytes.
        length: usize,
        /// How many there is room for.
        room: usize,
    },
    /// A name could not be resolved: a `getaddrinfo` code (`EAI_*`) and its text.
    Unresolved {
        /// The `EAI_*` value.
        code: i32,
        /// What `gai_strerror` says.
        text: String,
    },
    /// TLS: the handshake, a certificate or a record was refused.
    Tls(String),
    /// The right is missing; says which commands would grant it.
    NotPermitted {
        /// The `errno` value of the refusal.
        errno: i32,
        /// What to do about it.
        remedy: String,
    },
    /// The driver was told to stop, by a signal handler or by the caller.
    Interrupted,
}

/// An operation that failed, and what it had already achieved. One pointer wide; its parts are those of [`Report`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Box<Report>);

/// The parts of an [`Error`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What was being done, in the words of the manual page or RFC: "connect", "recv", "chunk size".
    pub operation: &'static str,
    /// The peer or target, as a person writes it.
    pub address: Option<String>,
    /// Why.
    pub cause: Cause,
    /// Bytes that had come before it failed and are nowhere else.
    pub partial: Vec<u8>,
    /// How many bytes had come, where that is not the length of `partial` (some were given away, or decoded).
    pub came: Option<usize>,
    /// How many bytes of a send had been handed to the kernel.
    pub sent: Option<usize>,
}

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `operation` with nothing achieved yet.
    pub fn new(operation: &'static str, cause: Cause) -> Self {
        Self(Box::new(Report { operation, address: None, cause, partial: Vec::new(), came: None, sent: None }))
    }

    /// An argument that cannot be used.
    pub fn invalid(what: &'static str, reason: impl Into<String>) -> Self {
        Self::new("argument", Cause::Invalid { what, reason: reason.into() })
    }

    /// Bytes from the peer that break the protocol.
    pub fn malformed(what: &'static str, reason: impl Into<String>) -> Self {
        Self::new("parse", Cause::Malformed { what, reason: reason.into() })
    }

    /// The error of a system call.
    pub fn os(operation: &'static str, error: &std::io::Error) -> Self {
        match error.raw_os_error() {
            Some(errno) => Self::new(operation, Cause::Os(errno)),
            None => Self::new(operation, Cause::Malformed { what: "system call", reason: error.to_string() }),
        }
    }

    /// The same error with the peer named.
    #[must_use]
    pub fn at(mut self, address: impl fmt::Display) -> Self {
        self.address = Some(address.to_string());
        self
    }

    /// The same error with what had come so far.
    #[must_use]
    pub fn with_partial(mut self, partial: Vec<u8>) -> Self {
        self.partial = partial;
        self
    }

    /// Who has to change something.
    pub fn fault(&self) -> Fault {
        match self.cause {
            Cause::Invalid { .. } | Cause::NoRoom { .. } | Cause::NotPermitted { .. } | Cause::Interrupted => {
                Fault::Local
            }
            Cause::Os(errno) => match errno {
                libc::ECONNREFUSED
                | libc::ECONNRESET
                | libc::ECONNABORTED
                | libc::EPIPE
                | libc::ETIMEDOUT
                | libc::EHOSTUNREACH
                | libc::ENETUNREACH
                | libc::EHOSTDOWN => Fault::Remote,
                _ => Fault::Local,
            },
            Cause::TimedOut
            | Cause::Truncated { .. }
            | Cause::Ended
            | Cause::TooLarge { .. }
            | Cause::Malformed { .. }
            | Cause::Unresolved { .. }
            | Cause::Tls(_) => Fault::Remote,
        }
    }
}

impl Deref for Error {
    type Target = Report;

    fn deref(&self) -> &Report {
        &self.0
    }
}

impl DerefMut for Error {
    fn deref_mut(&mut self) -> &mut Report {
        &mut self.0
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Os(errno) => write!(f, "{}: {}", self.operation, std::io::Error::from_raw_os_error(*errno))?,
            Cause::TimedOut => write!(f, "{} timed out", self.operation)?,
            Cause::Truncated { wanted: Some(wanted) } => {
                let came = self.came.unwrap_or(self.partial.len());
                write!(f, "{}: the peer closed after {came} of {wanted} bytes", self.operation)?;
            }
            Cause::Truncated { wanted: None } => {
                let came = self.came.unwrap_or(self.partial.len());
                write!(f, "{}: the peer closed in the middle, after {came} bytes", self.operation)?;
            }
            Cause::Ended => write!(f, "{}: the stream is over, no frame follows", self.operation)?,
            Cause::TooLarge { what, length, limit } => {
                write!(f, "{what} of {length} bytes exceeds the limit of {limit} bytes")?;
            }
            Cause::Malformed { what, reason } => write!(f, "malformed {what}: {reason}")?,
            Cause::Invalid { what, reason } => write!(f, "{what}: {reason}")?,
            Cause::NoRoom { length, room } => {
                write!(f, "buffer: the next frame has {length} bytes, more than the {room} there is room for")?;
            }
            Cause::Unresolved { text, .. } => write!(f, "{text}")?,
            Cause::Tls(reason) => write!(f, "TLS: {reason}")?,
            Cause::NotPermitted { remedy, .. } => write!(f, "{}: not permitted; {remedy}", self.operation)?,
            Cause::Interrupted => write!(f, "{} interrupted", self.operation)?,
        }
        match &self.address {
            Some(address) => write!(f, " ({address})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
