//! How a socket method waits: the one loop around every system call that may have to.
//!
//! The call is tried first and the descriptor polled only when there is nothing yet; one deadline holds for the whole;
//! a signal runs its handlers and the call goes on (PEP 475), unless a handler raises.

use std::io;

use pyo3::prelude::*;

use super::object::Socket;
use super::raw::{self, Kind, Raised};
use crate::engine::Time;
use crate::sys;

/// Wait until there is something to receive or to accept.
pub const READABLE: i16 = libc::POLLIN;
/// Wait until there is room to send.
pub const WRITABLE: i16 = libc::POLLOUT;

/// Why a call gave nothing.
#[derive(Debug)]
pub enum Trouble {
    /// The kernel's reason.
    Os(io::Error),
    /// The deadline.
    TimedOut,
    /// A signal handler's exception, which is set.
    Raised,
}

impl Trouble {
    /// The exception for it, set.
    pub fn raise(self, py: Python<'_>) -> Raised {
        match self {
            Self::Os(error) => raw::raise_os(py, &error),
            Self::TimedOut => raw::raise(py, Kind::Timeout, c"timed out"),
            Self::Raised => Raised,
        }
    }
}

/// The deadline of one call, or of several that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    timeout: i64,
    end: Option<Time>,
}

impl Deadline {
    /// Starts to run when somebody first waits for it; a timeout of zero or less never does.
    pub fn after(timeout: i64) -> Self {
        Self { timeout, end: None }
    }

    /// Whether waiting ends some day.
    pub fn is_set(self) -> bool {
        self.timeout > 0
    }

    /// Whole milliseconds that are left, rounded up; `None` once it has passed.
    fn milliseconds(&mut self) -> Option<i32> {
        let left = match self.end {
            None => {
                let now = sys::clock::now();
                self.end = Some(now.after(std::time::Duration::from_nanos(self.timeout.unsigned_abs())));
                self.timeout.unsigned_abs()
            }
            Some(end) => {
                let now = sys::clock::now();
                if now > end {
                    return None;
                }
                end.as_nanos() - now.as_nanos()
            }
        };
        Some(i32::try_from(left.div_ceil(1_000_000)).unwrap_or(i32::MAX))
    }

    /// Starts to run now, if it is not running.
    pub fn start(&mut self) {
        if self.is_set() && self.end.is_none() {
            let length = std::time::Duration::from_nanos(self.timeout.unsigned_abs());
            self.end = Some(sys::clock::now().after(length));
        }
    }

    /// Whether it has passed.
    pub fn has_passed(self) -> bool {
        self.end.is_some_and(|end| sys::clock::now() >= end)
    }
}

/// What to do before the first try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// The call itself; it must not wait on its own while there is a deadline.
    Call,
    /// Poll if there is a deadline: for calls that cannot be told not to wait.
    Poll,
    /// Poll in any case: the call only asks how something ended.
    Always,
}

/// Does `attempt` until it succeeds, fails, or `deadline` passes. `attempt` runs with the lock released.
pub fn until<T>(
    py: Python<'_>,
    socket: &Socket,
    events: i16,
    first: First,
    deadline: &mut Deadline,
    mut attempt: impl FnMut(i32) -> io::Result<T>,
) -> Result<T, Trouble> {
    let mut poll = match first {
        First::Call => false,
        First::Poll => deadline.is_set(),
        First::Always => true,
    };
    loop {
        if poll && socket.descriptor() >= 0 {
            let milliseconds = if deadline.is_set() { deadline.milliseconds().ok_or(Trouble::TimedOut)? } else { -1 };
            match raw::unlocked(py, || sys::socket::wait(socket.descriptor(), events, milliseconds)) {
                Ok(true) => {}
                Ok(false) => return Err(Trouble::TimedOut),
                Err(error) => {
                    interrupted(py, error)?;
                    continue;
                }
            }
        }
        loop {
            match raw::unlocked(py, || attempt(socket.descriptor())) {
                Ok(value) => return Ok(value),
                Err(error) if deadline.is_set() && (is_too_early(&error) || !poll && !is_delivered(&error)) => break,
                Err(error) => interrupted(py, error)?,
            }
        }
        poll = true;
    }
}

fn is_too_early(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EAGAIN)
}

/// Whether the error is one that the network has left at the socket, and that the call has taken away from there, or
/// says that the call has begun something (`MSG_FASTOPEN`).
///
/// Any other would come again, so there is time to wait first, as the stock module does: receiving from a socket that
/// listens ends by the timeout, not by `ENOTCONN`.
fn is_delivered(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNABORTED
                | libc::ECONNREFUSED
                | libc::ECONNRESET
                | libc::EHOSTDOWN
                | libc::EHOSTUNREACH
                | libc::EINPROGRESS
                | libc::EINTR
                | libc::ENETDOWN
                | libc::ENETRESET
                | libc::ENETUNREACH
                | libc::ENOPROTOOPT
                | libc::EPROTO
                | libc::ETIMEDOUT
        )
    )
}

/// Nothing if a signal was the reason and its handlers let us go on.
fn interrupted(py: Python<'_>, error: io::Error) -> Result<(), Trouble> {
    if error.raw_os_error() != Some(libc::EINTR) {
        return Err(Trouble::Os(error));
    }
    raw::check_signals(py).map_err(|Raised| Trouble::Raised)
}

/// How many bytes the kernel moves in less time than releasing the interpreter's lock and taking it again costs.
const BRIEF: usize = 4096;

/// Tries a call of `size` bytes that is not going to wait without letting go of the interpreter's lock: sending, while
/// there is room, and receiving on a socket that never waits or has a timeout. Nothing: go the long way.
pub fn brief<T>(
    py: Python<'_>,
    socket: &Socket,
    events: i16,
    flags: i32,
    size: usize,
    attempt: &mut impl FnMut(i32, i32) -> io::Result<T>,
) -> Option<Result<T, Raised>> {
    // A call that connects first has to wait for that.
    if size > BRIEF || events == READABLE && socket.timeout() < 0 || flags & libc::MSG_FASTOPEN != 0 {
        return None;
    }
    match attempt(socket.descriptor(), flags | libc::MSG_DONTWAIT) {
        Ok(value) => Some(Ok(value)),
        // The call has taken the error away from the socket; any other comes again.
        Err(error) if is_delivered(&error) && error.raw_os_error() != Some(libc::EINTR) => {
            Some(Err(raw::raise_os(py, &error)))
        }
        Err(_) => None,
    }
}

/// As [`once`], after a [`brief`] try.
pub fn once_brief<T>(
    py: Python<'_>,
    socket: &Socket,
    events: i16,
    flags: i32,
    size: usize,
    mut attempt: impl FnMut(i32, i32) -> io::Result<T>,
) -> Result<T, Raised> {
    match brief(py, socket, events, flags, size, &mut attempt) {
        Some(result) => result,
        None => once(py, socket, events, flags, attempt),
    }
}

/// One call with the socket's own timeout. With a timeout, `flags` make the call return instead of waiting.
pub fn once<T>(
    py: Python<'_>,
    socket: &Socket,
    events: i16,
    flags: i32,
    mut attempt: impl FnMut(i32, i32) -> io::Result<T>,
) -> Result<T, Raised> {
    let mut deadline = Deadline::after(socket.timeout());
    let flags = if deadline.is_set() { flags | libc::MSG_DONTWAIT } else { flags };
    until(py, socket, events, First::Call, &mut deadline, |descriptor| attempt(descriptor, flags))
        .map_err(|trouble| trouble.raise(py))
}
