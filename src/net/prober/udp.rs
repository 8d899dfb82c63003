//! UDP probes to one host, with no rights at all: errors come by the error queue (`IP_RECVERR` of ip(7)).
//!
//! A flow is a socket, that is a source port; with a steady destination port all its probes look alike to a load
//! balancer (Paris traceroute). A probe carries its key, which most routers quote; where only IP + 8 bytes are quoted,
//! the destination port tells (not steady), or it is a guess: the oldest probe of the flow that still waits. (The error
//! queue keeps the UDP header, whose checksum would tell, to itself.)

use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockAddr, Socket, Type};

use super::Channel;
use super::option::{self as common, Options, descriptor};
use super::queue::{SOFT_TRIES, icmp_error, is_soft};
use super::stamp::{Departures, Warmth};
use crate::engine::{Interest, Time, Wait};
use crate::error::{Error, Result};
use crate::packet::icmp::Version;
use crate::probe::observation::{Manner, Observation, Probe, Refusal, Sight, Stamp};
use crate::probe::payload::Payload;
use crate::sys::message::{self, Queue, Received};
use crate::sys::{clock, option};

/// How many messages one look at a flow takes.
const AT_ONCE: usize = 64;

/// So many probes of a flow are remembered.
const KEPT: usize = 4096;

/// The channel.
pub struct Udp {
    /// The process that the flows are of: a child of fork(2) would take its parent's answers.
    process: u32,
    target: SocketAddr,
    options: Options,
    steady: bool,
    payload: Payload,
    /// How long a probe waits.
    timeout: Duration,
    flows: HashMap<u16, Flow>,
    buffer: Vec<u8>,
    warmth: Option<Warmth>,
}

struct Flow {
    socket: Socket,
    departures: Option<Departures<u16>>,
    waiting: VecDeque<(u16, Time)>,
}

impl Flow {
    /// The oldest probe that waits; those of before `since` do not any more.
    fn oldest(&mut self, since: Time) -> Option<u16> {
        while self.waiting.front().is_some_and(|&(_, sent)| sent < since) {
            self.waiting.pop_front();
        }
        self.waiting.front().map(|&(key, _)| key)
    }
}

impl Udp {
    /// Probes of `size` bytes of payload to `target`; with `steady`, always to its port, else to the ports from there on.
    pub fn new(target: SocketAddr, options: &Options, payload: Payload, steady: bool, timeout: Duration) -> Self {
        let warmth = options.stamps.then(Warmth::new).flatten();
        Self {
            process: std::process::id(),
            target,
            options: options.clone(),
            steady,
            payload,
            timeout,
            flows: HashMap::new(),
            buffer: vec![0; 65_536],
            warmth,
        }
    }

    /// In a child of fork(2): flows of its own, for the old ones are the parent's.
    fn settle(&mut self) {
        let own = std::process::id();
        if self.process != own {
            self.flows.clear();
            self.process = own;
        }
    }

    fn open(&self) -> Result<Flow> {
        let fail = |error: io::Error| Error::os("UDP socket", &error).at(self.target.ip());
        let socket = common::open(self.target, Type::DGRAM, None).map_err(fail)?;
        common::prepare(&socket, self.target, &self.options, 0)?;
        let fd = descriptor(&socket);
        option::queue_errors(fd, self.target.is_ipv6()).map_err(fail)?;
        option::receive_ttl(fd, self.target.is_ipv6()).map_err(fail)?;
        let departures = self.options.stamps.then(|| Departures::start(fd)).flatten();
        if departures.is_none() {
            // Without it, arrivals are stamped by a reading of our own.
            let _ = option::stamp_arrivals(fd);
        }
        Ok(Flow { socket, departures, waiting: VecDeque::new() })
    }

    fn port(&self, key: u16) -> u16 {
        if self.steady { self.target.port() } else { self.target.port().wrapping_add(key).max(1) }
    }

    fn try_send(&mut self, probe: &Probe) -> io::Result<Stamp> {
        let size = probe.size.unwrap_or(self.payload.bytes().len());
        let packet: Vec<u8> =
            probe.key.to_be_bytes().into_iter().chain(self.payload.fill(size).skip(2)).take(size).collect();
        let destination = SockAddr::from(SocketAddr::new(self.target.ip(), self.port(probe.key)));
        let ttl = probe.ttl.map(|ttl| (self.target.is_ipv6(), ttl));
        let Some(flow) = self.flows.get_mut(&probe.flow) else { return Err(ErrorKind::NotFound.into()) };
        let at = Stamp::departure(clock::now(), clock::real());
        message::send(descriptor(&flow.socket), &packet, Some(&destination), ttl)?;
        if let Some(departures) = &mut flow.departures {
            departures.sent(probe.key);
        }
        flow.waiting.push_back((probe.key, at.user));
        if flow.waiting.len() > KEPT {
            flow.waiting.pop_front();
        }
        Ok(at)
    }
}

/// What one message of a flow says.
fn read(
    channel: (&Payload, SocketAddr, bool, Duration),
    (number, flow): (u16, &mut Flow),
    got: &Received,
    bytes: &[u8],
    at: Stamp,
) -> Option<Observation> {
    let (payload, target, steady, timeout) = channel;
    let since = Time::from_nanos(at.user.as_nanos().saturating_sub(timeout.as_nanos() as u64));
    let labelled = |bytes: &[u8]| match *bytes {
        [a, b, ..] => Some(u16::from_be_bytes([a, b])),
        _ => None,
    };
    let Some(error) = got.error else {
        // An answer: an echo service repeats the key, another protocol has words of its own.
        let echoed = labelled(bytes).filter(|key| flow.waiting.iter().any(|(waiting, _)| waiting == key));
        let key = echoed.or_else(|| flow.oldest(since))?;
        flow.waiting.retain(|&(waiting, _)| waiting != key);
        let comparison = payload.compare(bytes, payload.bytes().len());
        let sight = Sight::Reply {
            manner: Manner::Datagram,
            ttl: got.ttl,
            size: bytes.len(),
            truncated: false,
            corrupted_at: comparison.corrupted_at.filter(|&at| echoed.is_some() && at >= 2),
            checksum_ok: true,
        };
        return Some(Observation { key, source: got.address?.ip(), at, sight });
    };
    if error.is_stamp() {
        let key = flow.departures.as_ref()?.key(error.data)?;
        return Some(Observation { key, source: target.ip(), at, sight: Sight::Departure });
    }
    if !error.is_icmp() {
        return None;
    }
    let by_port = || got.address.filter(|_| !steady).map(|to| to.port().wrapping_sub(target.port()));
    let known = labelled(bytes).or_else(by_port);
    let guessed = if known.is_none() { Some(number) } else { None };
    let key = known.or_else(|| flow.oldest(since))?;
    flow.waiting.retain(|&(waiting, _)| waiting != key);
    let source = error.offender?;
    let error = icmp_error(Version::of(target.ip()), bytes, &error);
    // The host itself says that nobody listens: it is there.
    let sight = if error.is_port_unreachable() && source == target.ip() {
        let (size, manner) = (0, Manner::Refused);
        Sight::Reply { manner, ttl: None, size, truncated: false, corrupted_at: None, checksum_ok: true }
    } else {
        Sight::Error { error, quoted_ttl: None, guessed }
    };
    Some(Observation { key, source, at, sight })
}

impl Channel for Udp {
    fn send(&mut self, probe: &Probe) -> std::result::Result<Stamp, Refusal> {
        self.settle();
        if !self.flows.contains_key(&probe.flow) {
            let flow = self.open().map_err(|error| Refusal::from(&error))?;
            self.flows.insert(probe.flow, flow);
        }
        let mut result = self.try_send(probe);
        for _ in 0..SOFT_TRIES {
            let (Err(error), Some(flow)) = (&result, self.flows.get_mut(&probe.flow)) else { break };
            if !is_soft(error) {
                break;
            }
            // It may be what an earlier probe met, which the error queue tells in full.
            let _ = flow.socket.take_error();
            result = self.try_send(probe);
        }
        result.map_err(|error| {
            let errno = error.raw_os_error().unwrap_or(libc::EIO);
            if let Some(flow) = self.flows.get_mut(&probe.flow) {
                flow.departures = flow.departures.take().and_then(|_| Departures::restart(descriptor(&flow.socket)));
            }
            Refusal { errno, mtu: (errno == libc::EMSGSIZE).then(|| common::known_mtu(self.target)).flatten() }
        })
    }

    fn receive(&mut self, seen: &mut Vec<Observation>) -> Result<()> {
        self.settle();
        let channel = (&self.payload, self.target, self.steady, self.timeout);
        for (&number, flow) in &mut self.flows {
            for queue in [Queue::Errors, Queue::Data] {
                for _ in 0..AT_ONCE {
                    let got = match message::receive(descriptor(&flow.socket), &mut self.buffer, queue) {
                        Ok(got) => got,
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        Err(error) if queue == Queue::Data && is_soft(&error) => continue,
                        Err(error) => return Err(Error::os("recvmsg", &error).at(self.target.ip())),
                    };
                    let at = Stamp { user: clock::now(), kernel: got.stamp, own: false };
                    seen.extend(read(channel, (number, flow), &got, &self.buffer[..got.length], at));
                }
            }
        }
        Ok(())
    }

    fn watch(&mut self, wait: Wait) -> Wait {
        self.flows.values().fold(wait, |wait, flow| wait.and(descriptor(&flow.socket), Interest::Readable))
    }

    fn is_ready(&mut self) -> bool {
        Warmth::reach(&mut self.warmth)
    }

    fn is_raw(&self) -> bool {
        false
    }
}
