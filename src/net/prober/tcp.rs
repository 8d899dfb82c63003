//! TCP probes to one port, with no rights at all: a probe is a connect(2) that is given up as soon as it is answered.
//!
//! A handshake or a reset is the host's answer; errors from the way come by the error queue (`IP_RECVERR` of ip(7)).
//! Probes of one flow share their source port, so one flow has one probe on the way at a time.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Protocol, SockAddr, Socket, Type};

use super::Channel;
use super::option::{self as common, Options, descriptor};
use super::queue::icmp_error;
use crate::engine::{Interest, Wait};
use crate::error::{Cause, Result};
use crate::packet::icmp::Version;
use crate::probe::observation::{Manner, Observation, Probe, Refusal, Sight, Stamp};
use crate::sys::message::{self, Queue};
use crate::sys::{clock, option};

/// The channel.
pub struct Tcp {
    /// The process that the attempts are of: a child of fork(2) would take its parent's answers.
    process: u32,
    target: SocketAddr,
    options: Options,
    /// Whether probes of a flow share a source port; else each has one of its own.
    steady: bool,
    ports: HashMap<u16, u16>,
    open: Vec<Attempt>,
}

struct Attempt {
    socket: Socket,
    probe: Probe,
}

/// So many connects wait at a time; beyond it the oldest is given up.
const KEPT: usize = 512;

impl Tcp {
    /// Probes to the port of `target`.
    pub fn new(target: SocketAddr, options: &Options, steady: bool) -> Self {
        let process = std::process::id();
        Self { process, target, options: options.clone(), steady, ports: HashMap::new(), open: Vec::new() }
    }

    /// In a child of fork(2): attempts and source ports of its own, for the old ones are the parent's.
    fn settle(&mut self) {
        let own = std::process::id();
        if self.process != own {
            self.open.clear();
            self.ports.clear();
            self.process = own;
        }
    }

    fn try_send(&mut self, probe: &Probe) -> std::result::Result<Stamp, Refusal> {
        let os = |error: io::Error| Refusal { errno: error.raw_os_error().unwrap_or(libc::EIO), mtu: None };
        let v6 = self.target.is_ipv6();
        let socket = common::open(self.target, Type::STREAM, Some(Protocol::TCP)).map_err(os)?;
        let mut port = if self.steady { self.ports.get(&probe.flow).copied().unwrap_or(0) } else { 0 };
        if port != 0 {
            socket.set_reuse_address(true).map_err(os)?;
        }
        let mut prepared = common::prepare(&socket, self.target, &self.options, port);
        if port != 0 && prepared.as_ref().is_err_and(|error| error.cause == Cause::Os(libc::EADDRINUSE)) {
            // Between two probes of a flow its port is free, and somebody else has taken it: the flow moves on.
            port = 0;
            prepared = common::prepare(&socket, self.target, &self.options, port);
        }
        prepared.map_err(|error| Refusal::from(&error))?;
        option::queue_errors(descriptor(&socket), v6).map_err(os)?;
        socket.set_linger(Some(Duration::ZERO)).map_err(os)?;
        if let Some(ttl) = probe.ttl {
            common::set_ttl(&socket, v6, ttl).map_err(os)?;
        }
        let at = Stamp::user(clock::now());
        match socket.connect(&SockAddr::from(self.target)) {
            Ok(()) => {}
            // A refusal from this very machine comes at once; the look at the socket will tell.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINPROGRESS)) => {}
            Err(error) if error.raw_os_error() == Some(libc::ECONNREFUSED) => {
                self.open.push(Attempt { socket, probe: *probe });
                return Ok(at);
            }
            Err(error) => return Err(os(error)),
        }
        if self.steady
            && port == 0
            && let Some(own) = socket.local_addr().ok().and_then(|own| own.as_socket())
        {
            self.ports.insert(probe.flow, own.port());
        }
        if self.open.len() >= KEPT {
            self.open.remove(0);
        }
        self.open.push(Attempt { socket, probe: *probe });
        Ok(at)
    }
}

/// What has become of an attempt: nothing yet, or something, which ends it.
fn outcome(attempt: &Attempt, target: SocketAddr, buffer: &mut [u8]) -> Option<Observation> {
    let (key, socket) = (attempt.probe.key, &attempt.socket);
    let ready = crate::sys::poll::poll(&Wait::writable(descriptor(socket)), Some(Duration::ZERO)).unwrap_or(true);
    if !ready {
        return None;
    }
    let at = Stamp::user(clock::now());
    while let Ok(got) = message::receive(descriptor(socket), buffer, Queue::Errors) {
        let Some(error) = got.error.filter(message::Extended::is_icmp) else { continue };
        let Some(source) = error.offender else { continue };
        let error = icmp_error(Version::of(target.ip()), &buffer[..got.length], &error);
        return Some(Observation { key, source, at, sight: Sight::Error { error, quoted_ttl: None, guessed: None } });
    }
    let reply = |manner| {
        let sight =
            Sight::Reply { manner, ttl: None, size: 0, truncated: false, corrupted_at: None, checksum_ok: true };
        Some(Observation { key, source: target.ip(), at, sight })
    };
    match socket.take_error() {
        Ok(None) if socket.peer_addr().is_ok() => reply(Manner::Accepted),
        Ok(Some(error)) if error.raw_os_error() == Some(libc::ECONNREFUSED) => reply(Manner::Refused),
        // Refused at once, on this machine, and told already by connect(2).
        Ok(None) => reply(Manner::Refused),
        _ => None,
    }
}

impl Channel for Tcp {
    fn send(&mut self, probe: &Probe) -> std::result::Result<Stamp, Refusal> {
        self.settle();
        if self.steady {
            self.open.retain(|attempt| attempt.probe.flow != probe.flow);
        }
        self.try_send(probe)
    }

    fn receive(&mut self, seen: &mut Vec<Observation>) -> Result<()> {
        self.settle();
        let mut buffer = [0; 1024];
        let target = self.target;
        self.open.retain(|attempt| match outcome(attempt, target, &mut buffer) {
            Some(observation) => {
                seen.push(observation);
                false
            }
            None => true,
        });
        Ok(())
    }

    fn watch(&mut self, wait: Wait) -> Wait {
        self.open.iter().fold(wait, |wait, attempt| wait.and(descriptor(&attempt.socket), Interest::Writable))
    }

    fn is_raw(&self) -> bool {
        false
    }
}
