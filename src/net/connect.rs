//! Connecting to a host by name, the first of its addresses that answers (happy eyeballs, RFC 8305), or to a UNIX socket.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use super::resolve::{Family, Resolve};
use crate::engine::{Descriptor, Interest, Operation, Step, Time, Wait};
use crate::error::{Cause, Error, Result};

/// How long the next address waits for the one before it (RFC 8305 section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// How long until a UNIX listener with a full queue is asked again; it has no readiness to wait for.
const FULL_QUEUE_DELAY: Duration = Duration::from_millis(5);

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A host and a port.
    Tcp(String, u16),
    /// A path of the file system.
    Unix(PathBuf),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A connection that was made.
#[derive(Debug)]
pub struct Connected {
    /// The socket, not blocking, without Nagle's delay.
    pub socket: OwnedFd,
    /// Whom it is connected to.
    pub peer: String,
    /// When the name was resolved.
    pub resolved: Time,
}

/// Connects; its deadline is its owner's.
#[derive(Debug)]
pub struct Connect {
    place: Place,
    lookup: Option<Resolve>,
    resolved: Time,
    addresses: std::vec::IntoIter<SocketAddr>,
    attempts: Vec<(Socket, SocketAddr)>,
    next: Option<Time>,
    failure: Option<Error>,
}

impl Connect {
    /// An attempt to reach `place`.
    pub fn new(place: Place) -> Self {
        let lookup = match &place {
            Place::Tcp(host, port) => Some(Resolve::new(host, *port, Family::Any, None)),
            Place::Unix(_) => None,
        };
        Self {
            place,
            lookup,
            resolved: Time::default(),
            addresses: Vec::new().into_iter(),
            attempts: Vec::new(),
            next: None,
            failure: None,
        }
    }

    fn unix(&self, path: &PathBuf, now: Time) -> Result<Step<Connected>> {
        let fail = |error: &std::io::Error| Error::os("connect", error).at(path.display());
        let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None).map_err(|e| fail(&e))?;
        match socket.connect(&SockAddr::unix(path).map_err(|error| {
            Error::invalid("path", format!("{} cannot be a socket's path: {error}", path.display()))
        })?) {
            Ok(()) => {
                Ok(Step::Done(Connected { socket: socket.into(), peer: path.display().to_string(), resolved: now }))
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                Ok(Step::Wait(Wait::sleep(now.after(FULL_QUEUE_DELAY))))
            }
            Err(error) => Err(fail(&error)),
        }
    }

    /// Begins with the next address; its failure is remembered.
    fn begin(&mut self, now: Time) -> Option<Connected> {
        let address = self.addresses.next()?;
        self.next = Some(now.after(ATTEMPT_DELAY));
        let begun = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking().cloexec(), None)
            .and_then(|socket| socket.set_tcp_nodelay(true).map(|()| socket));
        let socket = match begun {
            Ok(socket) => socket,
            Err(error) => return self.failed(&error, address),
        };
        match socket.connect(&address.into()) {
            Ok(()) => Some(self.made(socket, address)),
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {
                self.attempts.push((socket, address));
                None
            }
            Err(error) => self.failed(&error, address),
        }
    }

    fn failed(&mut self, error: &std::io::Error, address: SocketAddr) -> Option<Connected> {
        // The first address is the preferred one: its refusal tells most.
        self.failure.get_or_insert_with(|| Error::os("connecting to", error).at(address));
        self.next = None;
        None
    }

    fn made(&self, socket: Socket, address: SocketAddr) -> Connected {
        Connected { socket: socket.into(), peer: address.to_string(), resolved: self.resolved }
    }
}

/// Families in turn, beginning with the preferred one (RFC 8305 section 4).
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else { return addresses };
    let first = first.is_ipv6();
    let (like, other): (Vec<_>, Vec<_>) = addresses.iter().copied().partition(|address| address.is_ipv6() == first);
    let (mut like, mut other) = (like.into_iter(), other.into_iter());
    let mut mixed = Vec::with_capacity(addresses.len());
    while mixed.len() < addresses.len() {
        mixed.extend(like.next());
        mixed.extend(other.next());
    }
    mixed
}

impl Operation for Connect {
    type Output = Connected;

    fn step(&mut self, now: Time) -> Result<Step<Connected>> {
        if let Place::Unix(path) = &self.place {
            return self.unix(path, now);
        }
        if let Some(lookup) = &mut self.lookup {
            match lookup.step(now)? {
                Step::Wait(wait) => return Ok(Step::Wait(wait)),
                Step::Done(found) => {
                    self.addresses = interleaved(found).into_iter();
                    self.resolved = crate::sys::clock::now();
                    self.lookup = None;
                }
            }
        }
        for (socket, address) in std::mem::take(&mut self.attempts) {
            match socket.take_error() {
                Ok(None) if socket.peer_addr().is_ok() => return Ok(Step::Done(self.made(socket, address))),
                Ok(None) => self.attempts.push((socket, address)),
                Ok(Some(error)) | Err(error) => drop(self.failed(&error, address)),
            }
        }
        while self.next.is_none_or(|next| now >= next) && self.addresses.len() > 0 {
            if let Some(connected) = self.begin(now) {
                return Ok(Step::Done(connected));
            }
        }
        if self.attempts.is_empty() {
            let nothing = || Error::new("connect", Cause::Os(libc::EADDRNOTAVAIL)).at(&self.place);
            return Err(self.failure.take().unwrap_or_else(nothing));
        }
        let mut wait = Wait::default();
        for (socket, _) in &self.attempts {
            wait = wait.and(Descriptor(socket.as_raw_fd()), Interest::Writable);
        }
        let next = if self.addresses.len() > 0 { self.next } else { None };
        Ok(Step::Wait(wait.until(next)))
    }
}
