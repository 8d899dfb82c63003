//! A connected byte stream that never waits: a socket, or TLS over another stream.
//!
//! Reading and writing answer [`Io::Blocked`] where they would wait; [`Stream::wait`] says for what. The bytes of several
//! protocols in one (TLS through a proxy that itself speaks TLS) are streams within streams.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use rustls::ClientConnection;
use socket2::SockRef;

use crate::engine::{Descriptor, Interest, Wait};
use crate::error::{Cause, Error, Result};
use crate::sys;

/// What an attempt gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Io<T> {
    /// It worked.
    Ready(T),
    /// It would have to wait.
    Blocked,
}

/// A connected byte stream.
#[derive(Debug)]
pub struct Stream {
    kind: Kind,
    /// Whether the socket waits in recv(2) where that is wanted, for at most [`WAIT`].
    waits: bool,
}

/// How long [`Stream::wait_append`] waits at most.
pub const WAIT: Duration = Duration::from_millis(250);

#[derive(Debug)]
enum Kind {
    Socket(OwnedFd),
    Tls(Box<Tls>),
}

#[derive(Debug)]
struct Tls {
    inner: Stream,
    session: ClientConnection,
    ended: bool,
    /// Nothing can be sent any more.
    mute: bool,
}

impl Stream {
    /// A stream over a connected socket.
    pub fn socket(socket: OwnedFd) -> Self {
        Self { kind: Kind::Socket(socket), waits: false }
    }

    /// TLS over `inner`; the handshake is still to come.
    pub fn tls(inner: Self, session: ClientConnection) -> Self {
        let tls = Tls { inner, session, ended: false, mute: false };
        Self { kind: Kind::Tls(Box::new(tls)), waits: false }
    }

    /// The socket's descriptor.
    pub fn descriptor(&self) -> Descriptor {
        match &self.kind {
            Kind::Socket(socket) => Descriptor(socket.as_raw_fd()),
            Kind::Tls(tls) => tls.inner.descriptor(),
        }
    }

    /// Whether nothing stands between the stream and its socket.
    pub fn is_socket(&self) -> bool {
        matches!(self.kind, Kind::Socket(_))
    }

    /// The TLS session, if there is one.
    pub fn session(&self) -> Option<&ClientConnection> {
        match &self.kind {
            Kind::Socket(_) => None,
            Kind::Tls(tls) => Some(&tls.session),
        }
    }

    /// Gives the socket away, if it is a plain one.
    pub fn into_socket(self) -> std::result::Result<OwnedFd, Self> {
        match self.kind {
            Kind::Socket(socket) => {
                if self.waits {
                    // As it was: neither fails on a socket.
                    let options = SockRef::from(&socket);
                    drop(options.set_nonblocking(true).and_then(|()| options.set_read_timeout(None)));
                }
                Ok(socket)
            }
            tls @ Kind::Tls(_) => Err(Self { kind: tls, ..self }),
        }
    }

    /// Reads what is there into `buffer`; `Ready(0)` is the end.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Io<usize>> {
        match &mut self.kind {
            Kind::Socket(socket) => attempt("recv", || sys::io::recv(Descriptor(socket.as_raw_fd()), buffer)),
            Kind::Tls(tls) => tls.read(buffer),
        }
    }

    /// Reads at most `most` bytes behind what `buffer` holds; `Ready(0)` is the end.
    pub fn read_append(&mut self, buffer: &mut Vec<u8>, most: usize) -> Result<Io<usize>> {
        match &mut self.kind {
            Kind::Socket(socket) => {
                attempt("recv", || sys::io::recv_append(Descriptor(socket.as_raw_fd()), buffer, most))
            }
            Kind::Tls(tls) => {
                let filled = buffer.len();
                buffer.resize(filled + most, 0);
                let read = tls.read(&mut buffer[filled..]);
                buffer.truncate(filled + if let Ok(Io::Ready(count)) = read { count } else { 0 });
                read
            }
        }
    }

    /// As [`Stream::read_append`] on a plain socket, but waits for the first byte: one system call where poll(2) and recv(2)
    /// are two. `WouldBlock` after [`WAIT`] without one, and where the stream is no plain socket; `Interrupted` by a signal.
    pub fn wait_append(&mut self, buffer: &mut Vec<u8>, most: usize) -> io::Result<usize> {
        let Kind::Socket(socket) = &self.kind else { return Err(io::ErrorKind::WouldBlock.into()) };
        if !self.waits {
            let options = SockRef::from(socket);
            // Nothing else here depends on either: all other calls say that they do not wait.
            options.set_read_timeout(Some(WAIT)).and_then(|()| options.set_nonblocking(false))?;
            self.waits = true;
        }
        sys::io::recv_append_waiting(Descriptor(socket.as_raw_fd()), buffer, most)
    }

    /// Reads into memory that nobody has written: `Ready(n)` says that its first `n` bytes are written; 0 is the end.
    pub fn read_uninit(&mut self, room: &mut [MaybeUninit<u8>]) -> Result<Io<usize>> {
        match &mut self.kind {
            Kind::Socket(socket) => attempt("recv", || sys::io::recv_uninit(Descriptor(socket.as_raw_fd()), room)),
            Kind::Tls(tls) => {
                let mut piece = [0; 16 * 1024];
                let most = room.len().min(piece.len());
                let read = tls.read(&mut piece[..most])?;
                if let Io::Ready(count) = read {
                    for (place, byte) in room.iter_mut().zip(&piece[..count]) {
                        place.write(*byte);
                    }
                }
                Ok(read)
            }
        }
    }

    /// Writes what can be taken at once.
    pub fn write(&mut self, bytes: &[u8]) -> Result<Io<usize>> {
        match &mut self.kind {
            Kind::Socket(socket) => attempt("send", || sys::io::send(Descriptor(socket.as_raw_fd()), bytes)),
            Kind::Tls(tls) => tls.write(bytes),
        }
    }

    /// Hands on what a layer still holds of what was written.
    pub fn flush(&mut self) -> Result<Io<()>> {
        match &mut self.kind {
            Kind::Socket(_) => Ok(Io::Ready(())),
            Kind::Tls(tls) => tls.flush(),
        }
    }

    /// Goes on with the TLS handshake, until it is done.
    pub fn handshake(&mut self) -> Result<Io<()>> {
        match &mut self.kind {
            Kind::Socket(_) => Ok(Io::Ready(())),
            Kind::Tls(tls) => tls.handshake(),
        }
    }

    /// Says goodbye where the protocol has a word for it (TLS close_notify), as far as that goes without waiting.
    pub fn farewell(&mut self) {
        if let Kind::Tls(tls) = &mut self.kind {
            tls.session.send_close_notify();
            // The peer may be gone already; there is nobody left to tell.
            drop(tls.flush());
        }
    }

    /// What to wait for, to read (or write, or both) more.
    pub fn wait(&self, read: bool, write: bool) -> Wait {
        let pending = match &self.kind {
            Kind::Socket(_) => write,
            Kind::Tls(tls) => tls.pending(),
        };
        let mut wait = Wait::default();
        if read {
            wait = wait.and(self.descriptor(), Interest::Readable);
        }
        if pending || (write && !read) {
            wait = wait.and(self.descriptor(), Interest::Writable);
        }
        wait
    }

    /// Whether an idle connection is still as it was left: nothing came, nobody closed.
    pub fn quiet(&mut self) -> bool {
        let mut probe = [0; 1];
        matches!(self.read(&mut probe), Ok(Io::Blocked))
    }
}

impl Tls {
    fn pending(&self) -> bool {
        !self.mute && self.session.wants_write()
            || match &self.inner.kind {
                Kind::Socket(_) => false,
                Kind::Tls(inner) => inner.pending(),
            }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<Io<usize>> {
        loop {
            match io::Read::read(&mut self.session.reader(), buffer) {
                Ok(count) => return Ok(Io::Ready(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(Error::new("TLS", Cause::Truncated { wanted: None }));
                }
                Err(error) => return Err(recovered("TLS", error)),
            }
            if self.ended {
                return Err(Error::new("TLS", Cause::Truncated { wanted: None }));
            }
            if self.fill()? == Io::Blocked {
                return Ok(Io::Blocked);
            }
        }
    }

    /// Takes records from below.
    fn fill(&mut self) -> Result<Io<()>> {
        match self.session.read_tls(&mut Below(&mut self.inner)) {
            Ok(0) => self.ended = true,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Io::Blocked),
            Err(error) => return Err(recovered("TLS", error)),
        }
        if let Err(error) = self.session.process_new_packets() {
            // The alert that tells the peer why.
            drop(self.flush());
            return Err(Error::new("TLS", Cause::Tls(error.to_string())));
        }
        if self.session.wants_write() {
            // A peer that takes no more may have said something all the same; the next write tells.
            drop(self.flush());
        }
        Ok(Io::Ready(()))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<Io<usize>> {
        if self.flush()? == Io::Blocked {
            return Ok(Io::Blocked);
        }
        let count = io::Write::write(&mut self.session.writer(), bytes).map_err(|error| recovered("TLS", error))?;
        self.flush()?;
        Ok(Io::Ready(count))
    }

    fn flush(&mut self) -> Result<Io<()>> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut Below(&mut self.inner)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Io::Blocked),
                Err(error) => {
                    self.mute = true;
                    return Err(recovered("TLS", error));
                }
            }
        }
        self.inner.flush()
    }

    fn handshake(&mut self) -> Result<Io<()>> {
        loop {
            if self.flush()? == Io::Blocked {
                return Ok(Io::Blocked);
            }
            if !self.session.is_handshaking() {
                return Ok(Io::Ready(()));
            }
            if self.ended {
                return Err(Error::new("TLS handshake", Cause::Tls("the peer closed during the handshake".to_owned())));
            }
            if self.fill()? == Io::Blocked {
                return Ok(Io::Blocked);
            }
        }
    }
}

/// The stream below as rustls wants it.
struct Below<'a>(&'a mut Stream);

impl io::Read for Below<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        unblocked(self.0.read(buffer))
    }
}

impl io::Write for Below<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        unblocked(self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        unblocked(self.0.flush())
    }
}

fn unblocked<T>(result: Result<Io<T>>) -> io::Result<T> {
    match result {
        Ok(Io::Ready(value)) => Ok(value),
        Ok(Io::Blocked) => Err(io::ErrorKind::WouldBlock.into()),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// Our own error, if it went through an `io::Error` on its way.
fn recovered(operation: &'static str, error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(ours) => ours,
        Err(error) => Error::os(operation, &error),
    }
}

fn attempt(operation: &'static str, mut call: impl FnMut() -> io::Result<usize>) -> Result<Io<usize>> {
    loop {
        match call() {
            Ok(count) => return Ok(Io::Ready(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Io::Blocked),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::os(operation, &error)),
        }
    }
}
