//! ICMP echo to one host, on a raw socket or on an unprivileged datagram socket (icmp(7), ping_group_range), with the
//! same results. A raw socket has a kernel filter on its identifier, so foreign answers cost it nothing; a datagram
//! socket has the kernel's own, and learns of errors by the error queue.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use socket2::{Protocol, SockAddr, Socket, Type};

use super::identifier::{self, Identifier};
use super::option::{self as common, Options, descriptor};
use super::stamp::{Departures, Warmth};
use super::{Channel, filter};
use crate::engine::{Interest, Wait};
use crate::error::{Error, Result};
use crate::packet::icmp::{self, IcmpError, Message, Version};
use crate::packet::{checksum::checksum, extension, ip};
use crate::probe::observation::{Manner, Observation, Probe, Refusal, Sight, Stamp};
use crate::probe::payload::Payload;
use crate::sys::message::{self, Extended, Queue};
use crate::sys::{clock, option};

/// How many messages one call of `receive` takes: clocks and signals get their turn in between.
const AT_ONCE: usize = 256;

/// The channel.
pub struct Icmp {
    socket: Socket,
    raw: bool,
    version: Version,
    identifier: Id,
    target: SocketAddr,
    destination: SockAddr,
    payload: Payload,
    departures: Option<Departures>,
    /// Whether all probes of a flow have one checksum (Paris traceroute).
    steady: bool,
    warmth: Option<Warmth>,
    packet: Vec<u8>,
    buffer: Vec<u8>,
    seen: Vec<Observation>,
}

/// Where the identifier comes from.
enum Id {
    /// We took it.
    Ours(Identifier),
    /// The kernel's, of a datagram socket.
    Kernels(u16),
}

impl Id {
    fn get(&self) -> u16 {
        match self {
            Self::Ours(identifier) => identifier.get(),
            Self::Kernels(identifier) => *identifier,
        }
    }
}

impl Icmp {
    /// Opens a socket for probes of `size` bytes of payload to `target`.
    pub fn open(target: SocketAddr, options: &Options, size: usize, pattern: Option<&[u8]>) -> Result<Self> {
        let (socket, raw) = socket(target, options.privileged)?;
        let v6 = target.is_ipv6();
        let version = Version::of(target.ip());
        common::prepare(&socket, target, options, 0)?;
        let fd = descriptor(&socket);
        let set = |result: io::Result<()>| result.map_err(|error| Error::os("setsockopt", &error).at(target.ip()));
        set(option::receive_ttl(fd, v6))?;
        if !v6 {
            set(socket.set_broadcast(true))?;
        }
        let identifier = if raw {
            let identifier = Identifier::take()
                .ok_or_else(|| Error::invalid("identifier", "all 65535 ICMP identifiers are in use by this process"))?;
            set(socket.attach_filter(&filter::echo(version, identifier.get())))?;
            Id::Ours(identifier)
        } else {
            set(option::queue_errors(fd, v6))?;
            Id::Kernels(claim(&socket, target, options)?)
        };
        // A system that has no stamps has clocks all the same.
        let departures = options.stamps.then(|| Departures::start(fd)).flatten();
        if departures.is_none() {
            // Without it, arrivals are stamped by a reading of our own.
            let _ = option::stamp_arrivals(fd);
        }
        Ok(Self {
            socket,
            raw,
            version,
            identifier,
            target,
            destination: SockAddr::from(target),
            payload: Payload::new(size, pattern, identifier::random()),
            steady: false,
            warmth: options.stamps.then(Warmth::new).flatten(),
            departures,
            packet: Vec::new(),
            buffer: vec![0; 65_536],
            seen: Vec::new(),
        })
    }

    /// The same channel, whose probes of a flow all have one checksum, so that they look alike to load balancers.
    #[must_use]
    pub fn steady(mut self) -> Self {
        self.steady = true;
        self
    }

    fn try_send(&mut self, probe: &Probe) -> io::Result<Stamp> {
        let size = probe.size.unwrap_or(self.payload.bytes().len());
        self.packet.clear();
        self.packet.extend([0; 8]);
        self.packet.extend(self.payload.fill(size));
        if let (true, Some(word)) = (self.steady, self.packet.get_mut(8..10)) {
            // Ones' complement: key and word together are the flow, whatever the key.
            word.copy_from_slice(&(u16::MAX - probe.key).wrapping_add(probe.flow).to_be_bytes());
        }
        // 8 bytes are there.
        let _ = icmp::write_echo_request(self.version, &mut self.packet, self.identifier.get(), probe.key);
        let ttl = probe.ttl.map(|ttl| (self.version == Version::V6, ttl));
        let at = Stamp::departure(clock::now(), clock::real());
        message::send(descriptor(&self.socket), &self.packet, Some(&self.destination), ttl)?;
        if let Some(departures) = &mut self.departures {
            departures.sent(probe.key);
        }
        Ok(at)
    }

    /// After a send that failed the kernel's numbering may have moved on: start it anew.
    fn renumber(&mut self) {
        self.departures = self.departures.take().and_then(|_| Departures::restart(descriptor(&self.socket)));
    }

    fn read(&mut self, queue: Queue) -> Result<()> {
        for _ in 0..AT_ONCE {
            let got = match message::receive(descriptor(&self.socket), &mut self.buffer, queue) {
                Ok(got) => got,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // An ICMP error that the error queue tells in full, or has told.
                Err(error) if queue == Queue::Data && is_soft(&error) => continue,
                Err(error) => return Err(Error::os("recvmsg", &error).at(self.target.ip())),
            };
            let user = clock::now();
            let at = Stamp { user, kernel: got.stamp, own: false };
            let bytes = &self.buffer[..got.length];
            let observation = match (queue, got.error) {
                (Queue::Errors, Some(error)) if error.is_stamp() => self.departure(error, at),
                (Queue::Errors, Some(error)) if error.is_icmp() => self.queued(bytes, &error, at),
                (Queue::Errors, _) => None,
                (Queue::Data, _) => got.address.and_then(|from| self.arrived(bytes, from, got.ttl, at)),
            };
            self.seen.extend(observation);
        }
        Ok(())
    }

    fn departure(&self, error: Extended, at: Stamp) -> Option<Observation> {
        let key = self.departures.as_ref()?.key(error.data)?;
        Some(Observation { key, source: self.target.ip(), at, sight: Sight::Departure })
    }

    /// An error from the queue: the bytes are the quoted packet from its ICMP header on.
    fn queued(&self, bytes: &[u8], queued: &Extended, at: Stamp) -> Option<Observation> {
        let error = icmp_error(self.version, bytes, queued);
        let &[_, _, _, _, _, _, a, b, ..] = bytes else { return None };
        let key = u16::from_be_bytes([a, b]);
        Some(Observation { key, source: queued.offender?, at, sight: Sight::Error { error, quoted_ttl: None } })
    }

    fn arrived(&self, bytes: &[u8], from: SocketAddr, ttl: Option<u8>, at: Stamp) -> Option<Observation> {
        let (ttl, bytes) = match (self.raw, self.version) {
            (true, Version::V4) => ip::parse(bytes).map(|(header, body)| (Some(header.ttl), body))?,
            _ => (ttl, bytes),
        };
        let id = self.identifier.get();
        let (key, sight) = match icmp::parse(self.version, bytes)? {
            Message::EchoReply(echo) if echo.identifier == id => {
                // By a steady checksum the first bytes are not the cookie's.
                let foreign =
                    !self.steady && self.payload.is_foreign(echo.payload).unwrap_or(from.ip() != self.target.ip());
                if foreign {
                    return None;
                }
                let comparison = self.payload.compare(echo.payload, self.payload.bytes().len());
                let checksum_ok = self.version == Version::V6 || !self.raw || checksum(bytes) == 0;
                let sight = Sight::Reply {
                    manner: Manner::Echo,
                    ttl,
                    size: bytes.len(),
                    truncated: comparison.truncated,
                    corrupted_at: comparison.corrupted_at,
                    checksum_ok,
                };
                (echo.sequence, sight)
            }
            Message::Error(error, Some(quoted)) => match quoted.echo() {
                Some((identifier, sequence)) if identifier == id => {
                    (sequence, Sight::Error { error, quoted_ttl: Some(quoted.header.ttl) })
                }
                _ => return None,
            },
            _ => return None,
        };
        Some(Observation { key, source: from.ip(), at, sight })
    }
}

/// What the error queue says, as an ICMP error.
pub(super) fn icmp_error(version: Version, bytes: &[u8], queued: &Extended) -> IcmpError {
    // The kernel has taken the pointer of an IPv4 parameter problem out of its word already.
    let rest = if version == Version::V4 && queued.kind == 12 { queued.info << 24 } else { queued.info };
    let mut error = IcmpError::new(version, queued.kind, queued.code, rest);
    if let Some(structure) = queued.extension().and_then(|start| bytes.get(start..)) {
        error.labels = extension::labels(structure);
    }
    error
}

/// How often a send is tried again after such an error: while it drains the queue the next report may come.
pub(super) const SOFT_TRIES: usize = 16;

/// Errors of a call that tell what an ICMP message told the kernel, not what is wrong with the call.
pub(super) fn is_soft(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::EHOSTUNREACH
                | libc::ENETUNREACH
                | libc::ECONNREFUSED
                | libc::EPROTO
                | libc::EOPNOTSUPP
                | libc::EHOSTDOWN
                | libc::ENONET
                | libc::ENOPROTOOPT
                | libc::EACCES
                | libc::EMSGSIZE
        )
    )
}

impl Channel for Icmp {
    fn send(&mut self, probe: &Probe) -> std::result::Result<Stamp, Refusal> {
        let mut result = self.try_send(probe);
        for _ in 0..SOFT_TRIES {
            if !result.as_ref().is_err_and(is_soft) {
                break;
            }
            // It may be what an earlier probe met: that is for the error queue to tell, and this one can go.
            let _ = (self.read(Queue::Errors), self.socket.take_error());
            self.renumber();
            result = self.try_send(probe);
        }
        result.map_err(|error| {
            let errno = error.raw_os_error().unwrap_or(libc::EIO);
            if error.kind() != ErrorKind::WouldBlock {
                self.renumber();
            }
            Refusal { errno, mtu: (errno == libc::EMSGSIZE).then(|| common::known_mtu(self.target)).flatten() }
        })
    }

    fn receive(&mut self, seen: &mut Vec<Observation>) -> Result<()> {
        if self.departures.is_some() || !self.raw {
            self.read(Queue::Errors)?;
        }
        self.read(Queue::Data)?;
        seen.append(&mut self.seen);
        Ok(())
    }

    fn watch(&self, wait: Wait) -> Wait {
        wait.and(descriptor(&self.socket), Interest::Readable)
    }

    fn is_ready(&mut self) -> bool {
        self.warmth = self.warmth.take().filter(|_| self.departures.is_some());
        let ready = self.warmth.as_mut().is_none_or(Warmth::is_reached);
        if ready {
            self.warmth = None;
        }
        ready
    }

    fn is_raw(&self) -> bool {
        self.raw
    }
}

/// A raw socket, or a datagram socket, as `privileged` says; by default the first that is allowed.
pub(super) fn socket(target: SocketAddr, privileged: Option<bool>) -> Result<(Socket, bool)> {
    let protocol = if target.is_ipv6() { Protocol::ICMPV6 } else { Protocol::ICMPV4 };
    let raw = || common::open(target, Type::RAW, Some(protocol)).map(|socket| (socket, true));
    let datagram = || common::open(target, Type::DGRAM, Some(protocol)).map(|socket| (socket, false));
    let missing = |error: &io::Error| matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES));
    match privileged {
        Some(true) => raw(),
        Some(false) => datagram(),
        None => raw().or_else(|error| if missing(&error) { datagram() } else { Err(error) }),
    }
    .map_err(|error| common::refused("socket", &error, target))
}

/// Binds a datagram socket, so that the kernel gives it its identifier, and gives that.
pub(super) fn claim(socket: &Socket, target: SocketAddr, options: &Options) -> Result<u16> {
    let fail = |error: io::Error| Error::os("bind", &error).at(target.ip());
    if options.source.is_none() {
        let any: SocketAddr = if target.is_ipv6() { ([0_u16; 8], 0).into() } else { ([0_u8; 4], 0).into() };
        socket.bind(&SockAddr::from(any)).map_err(fail)?;
    }
    let own = socket.local_addr().map_err(fail)?;
    Ok(own.as_socket().map(|own| own.port()).unwrap_or_default())
}
