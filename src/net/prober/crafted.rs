//! UDP and TCP probes that we build ourselves, on raw sockets: a traceroute's, where it may open them.
//!
//! All probes of a flow have the same ports, and are told apart by what every router quotes, the first 8 bytes after the
//! IP header: UDP's checksum, which follows the key in the payload, or TCP's sequence number. A socket of the kernel's own
//! holds each flow's port; a handshake that it did not begin it resets, as we want.

use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use socket2::{Protocol, SockAddr, Socket, Type};

use super::option::{self as common, Options, descriptor};
use super::stamp::{Departures, Warmth};
use super::{Channel, filter};
use crate::engine::{Descriptor, Interest, Wait};
use crate::error::{Error, Result};
use crate::packet::icmp::{self, Message, Version};
use crate::packet::ip::{self, protocol};
use crate::packet::transport;
use crate::probe::observation::{Manner, Observation, Probe, Refusal, Sight, Stamp};
use crate::probe::payload::Payload;
use crate::sys::message::{self, Queue, Received};
use crate::sys::{clock, option, process};

/// How many messages one look at a socket takes.
const AT_ONCE: usize = 64;

/// So many probes are remembered.
const KEPT: usize = 4096;

/// What the probes are.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Datagrams.
    Udp(Payload),
    /// SYNs, numbered from here.
    Tcp(u32),
}

/// The channel.
pub struct Crafted {
    /// The process that opened it: a child of fork(2) would take its parent's answers.
    process: u32,
    kind: Kind,
    target: SocketAddr,
    options: Options,
    steady: bool,
    /// Sends; over TCP it hears the answers too.
    sender: Socket,
    /// Hears ICMP errors.
    errors: Socket,
    departures: Option<Departures<u16>>,
    warmth: Option<Warmth>,
    flows: HashMap<u16, Flow>,
    /// What has been sent, oldest first: its mark and its key.
    sent: VecDeque<(Mark, u16)>,
    buffer: Vec<u8>,
}

/// Our port, theirs, and checksum or sequence number.
type Mark = (u16, u16, u32);

struct Flow {
    /// Holds the port; hears answers over UDP.
    socket: Socket,
    own: SocketAddr,
    /// The port has answered with a handshake: what it resets now, it had accepted.
    accepted: bool,
}

impl Crafted {
    /// Opens the sockets for probes to `target`; with `steady` UDP's all go to its port, else to the ports from there on.
    pub fn open(target: SocketAddr, options: &Options, kind: Kind, steady: bool) -> Result<Self> {
        let number = match kind {
            Kind::Udp(_) => protocol::UDP,
            Kind::Tcp(_) => protocol::TCP,
        };
        let raw = common::open(target, Type::RAW, Some(Protocol::from(i32::from(number))));
        let sender = raw.map_err(|error| common::refused("socket", &error, target))?;
        let set = |result: io::Result<()>| result.map_err(|error| Error::os("setsockopt", &error).at(target.ip()));
        set(sender.attach_filter(&match kind {
            Kind::Udp(_) => filter::nothing(),
            Kind::Tcp(_) => filter::from_port(target),
        }))?;
        common::prepare(&sender, target, options, 0)?;
        set(option::receive_ttl(descriptor(&sender), target.is_ipv6()))?;
        let errors = common::raw_socket(target)?;
        set(errors.attach_filter(&filter::errors_about(number, target.ip())))?;
        let departures = options.stamps.then(|| Departures::start(descriptor(&sender))).flatten();
        if departures.is_none() {
            // Without it, arrivals are stamped by a reading of our own.
            let _ = option::stamp_arrivals(descriptor(&sender));
        }
        let _ = option::stamp_arrivals(descriptor(&errors));
        Ok(Self {
            process: process::generation(),
            kind,
            target,
            options: options.clone(),
            steady,
            sender,
            errors,
            warmth: departures.is_some().then(Warmth::new).flatten(),
            departures,
            flows: HashMap::new(),
            sent: VecDeque::new(),
            buffer: vec![0; 65_536],
        })
    }

    /// In a child of fork(2): sockets and ports of its own, for the old ones are the parent's.
    fn settle(&mut self) -> Result<()> {
        if self.process != process::generation() {
            *self = Self::open(self.target, &self.options, self.kind.clone(), self.steady)?;
        }
        Ok(())
    }

    /// Finds out which of our addresses goes to the target, and takes a port for a flow.
    fn flow(&self) -> io::Result<Flow> {
        let os = |error: &Error| io::Error::from_raw_os_error(Refusal::from(error).errno);
        let route = common::open(self.target, Type::DGRAM, None)?;
        common::prepare(&route, self.target, &self.options, 0).map_err(|error| os(&error))?;
        route.connect(&SockAddr::from(self.target))?;
        let none = || io::Error::from_raw_os_error(libc::EADDRNOTAVAIL);
        let mut own = route.local_addr()?.as_socket().ok_or_else(none)?;
        drop(route);
        own.set_port(0);
        let kind = if matches!(self.kind, Kind::Udp(_)) { Type::DGRAM } else { Type::STREAM };
        let socket = common::open(self.target, kind, None)?;
        let options = Options { source: None, ..self.options.clone() };
        common::prepare(&socket, self.target, &options, 0).map_err(|error| os(&error))?;
        socket.bind(&SockAddr::from(own))?;
        option::receive_ttl(descriptor(&socket), self.target.is_ipv6())?;
        // Without a stamp a clock is read.
        let _ = option::stamp_arrivals(descriptor(&socket));
        let own = socket.local_addr()?.as_socket().ok_or_else(none)?;
        Ok(Flow { socket, own, accepted: false })
    }

    fn try_send(&mut self, probe: &Probe) -> io::Result<Stamp> {
        if !self.flows.contains_key(&probe.flow) {
            let flow = self.flow()?;
            self.flows.insert(probe.flow, flow);
        }
        let Some(flow) = self.flows.get(&probe.flow) else { return Err(ErrorKind::NotFound.into()) };
        let mut target = self.target;
        let made = match &self.kind {
            Kind::Udp(payload) => {
                if !self.steady {
                    target.set_port(target.port().wrapping_add(probe.key).max(1));
                }
                let size = probe.size.unwrap_or(payload.bytes().len());
                let bytes = probe.key.to_be_bytes().into_iter().chain(payload.fill(size).skip(2)).take(size);
                transport::datagram(flow.own, target, bytes).map(|(bytes, sum)| (bytes, u32::from(sum)))
            }
            Kind::Tcp(first) => {
                let sequence = first.wrapping_add(u32::from(probe.key));
                transport::syn(flow.own, target, sequence).map(|bytes| (bytes, sequence))
            }
        };
        let (packet, number) = made.ok_or(ErrorKind::InvalidInput)?;
        let mark = (flow.own.port(), target.port(), number);
        // A raw socket has no ports.
        target.set_port(0);
        let ttl = probe.ttl.or(self.options.ttl).map(|ttl| (target.is_ipv6(), ttl));
        let at = Stamp::departure(clock::now(), clock::real());
        message::send(descriptor(&self.sender), &packet, Some(&SockAddr::from(target)), ttl)?;
        if let Some(departures) = &mut self.departures {
            departures.sent(probe.key);
        }
        self.sent.push_back((mark, probe.key));
        if self.sent.len() > KEPT {
            self.sent.pop_front();
        }
        Ok(at)
    }

    /// The probe with that mark; the latest, should a number have come again.
    fn key(&self, mark: Mark) -> Option<u16> {
        self.sent.iter().rev().find(|(sent, _)| *sent == mark).map(|&(_, key)| key)
    }

    /// An ICMP error.
    fn reported(&self, got: &Received, bytes: &[u8], at: Stamp) -> Option<Observation> {
        let bytes = if self.target.is_ipv4() { ip::parse(bytes)?.1 } else { bytes };
        let Message::Error(error, Some(quoted)) = icmp::parse(Version::of(self.target.ip()), bytes)? else {
            return None;
        };
        let key = self.key(transport::mark(&quoted)?)?;
        let source = got.address?.ip();
        let there = matches!(self.kind, Kind::Udp(_)) && error.is_port_unreachable() && source == self.target.ip();
        // The host itself says that nobody listens: it is there.
        let sight = if there {
            reply(Manner::Refused, None, 0)
        } else {
            Sight::Error { error, quoted_ttl: Some(quoted.header.ttl), guessed: None }
        };
        Some(Observation { key, source, at, sight })
    }

    /// A segment from the port.
    fn answered(&mut self, got: &Received, bytes: &[u8], at: Stamp) -> Option<Observation> {
        let (ttl, bytes) = match self.target.is_ipv4() {
            true => ip::parse(bytes).map(|(header, body)| (Some(header.ttl), body))?,
            false => (got.ttl, bytes),
        };
        let source = got.address?.ip();
        let answer = transport::answer(bytes).filter(|_| source == self.target.ip())?;
        let key = self.key((answer.destination, answer.source, answer.sequence))?;
        let flow = self.flows.values_mut().find(|flow| flow.own.port() == answer.destination)?;
        flow.accepted |= answer.accepted;
        let manner = if flow.accepted { Manner::Accepted } else { Manner::Refused };
        Some(Observation { key, source, at, sight: reply(manner, ttl, 0) })
    }

    fn read(&mut self, from: From, seen: &mut Vec<Observation>) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let (descriptor, queue) = from.place();
        let mut result = Ok(());
        for _ in 0..AT_ONCE {
            let got = match message::receive(descriptor, &mut buffer, queue) {
                Ok(got) => got,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => {
                    result = Err(Error::os("recvmsg", &error).at(self.target.ip()));
                    break;
                }
            };
            let at = Stamp { user: clock::now(), kernel: got.stamp, own: false };
            let bytes = &buffer[..got.length];
            seen.extend(match from {
                From::Stamps(_) => got.error.and_then(|error| {
                    let key = self.departures.as_ref()?.key(error.data)?;
                    Some(Observation { key, source: self.target.ip(), at, sight: Sight::Departure })
                }),
                From::Errors(_) => self.reported(&got, bytes, at),
                From::Segments(_) => self.answered(&got, bytes, at),
                From::Datagrams(_, own) => self.echoed(own, &got, bytes, at),
            });
        }
        self.buffer = buffer;
        result
    }

    /// A datagram to one of our ports: an echo service repeats the key, another protocol has words of its own.
    fn echoed(&self, own: u16, got: &Received, bytes: &[u8], at: Stamp) -> Option<Observation> {
        let source = got.address.filter(|from| from.ip() == self.target.ip())?;
        let mine = |(mark, key): &&(Mark, u16)| {
            mark.0 == own && mark.1 == source.port() && bytes.get(..2).is_some_and(|said| said == key.to_be_bytes())
        };
        let oldest = |(mark, _): &&(Mark, u16)| mark.0 == own && mark.1 == source.port();
        let &(_, key) = self.sent.iter().rev().find(mine).or_else(|| self.sent.iter().find(oldest))?;
        Some(Observation { key, source: source.ip(), at, sight: reply(Manner::Datagram, got.ttl, bytes.len()) })
    }
}

/// What to read.
#[derive(Clone, Copy)]
enum From {
    Stamps(Descriptor),
    Errors(Descriptor),
    Segments(Descriptor),
    Datagrams(Descriptor, u16),
}

impl From {
    fn place(self) -> (Descriptor, Queue) {
        match self {
            Self::Stamps(descriptor) => (descriptor, Queue::Errors),
            Self::Errors(descriptor) | Self::Segments(descriptor) | Self::Datagrams(descriptor, _) => {
                (descriptor, Queue::Data)
            }
        }
    }
}

fn reply(manner: Manner, ttl: Option<u8>, size: usize) -> Sight {
    Sight::Reply { manner, ttl, size, truncated: false, corrupted_at: None, checksum_ok: true }
}

impl Channel for Crafted {
    fn send(&mut self, probe: &Probe) -> std::result::Result<Stamp, Refusal> {
        self.settle().map_err(|error| Refusal::from(&error))?;
        self.try_send(probe).map_err(|error| {
            let errno = error.raw_os_error().unwrap_or(libc::EINVAL);
            if error.kind() != ErrorKind::WouldBlock {
                // The kernel's numbering of departures may have moved on: start it anew.
                let sender = descriptor(&self.sender);
                self.departures = self.departures.take().and_then(|_| Departures::restart(sender));
            }
            Refusal { errno, mtu: (errno == libc::EMSGSIZE).then(|| common::known_mtu(self.target)).flatten() }
        })
    }

    fn receive(&mut self, seen: &mut Vec<Observation>) -> Result<()> {
        self.settle()?;
        let (sender, errors) = (descriptor(&self.sender), descriptor(&self.errors));
        if self.departures.is_some() {
            self.read(From::Stamps(sender), seen)?;
        }
        match self.kind {
            Kind::Tcp(_) => self.read(From::Segments(sender), seen)?,
            Kind::Udp(_) => {
                let places: Vec<_> =
                    self.flows.values().map(|flow| (descriptor(&flow.socket), flow.own.port())).collect();
                for (socket, own) in places {
                    self.read(From::Datagrams(socket, own), seen)?;
                }
            }
        }
        self.read(From::Errors(errors), seen)
    }

    fn watch(&mut self, wait: Wait) -> Wait {
        let wait = [&self.sender, &self.errors]
            .into_iter()
            .fold(wait, |wait, socket| wait.and(descriptor(socket), Interest::Readable));
        match self.kind {
            Kind::Tcp(_) => wait,
            Kind::Udp(_) => {
                let sockets = self.flows.values().map(|flow| descriptor(&flow.socket));
                sockets.fold(wait, |wait, socket| wait.and(socket, Interest::Readable))
            }
        }
    }

    fn is_ready(&mut self) -> bool {
        Warmth::reach(&mut self.warmth)
    }

    fn is_raw(&self) -> bool {
        true
    }
}
