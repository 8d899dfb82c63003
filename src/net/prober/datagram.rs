//! ICMP echo to one host on an unprivileged datagram socket (icmp(7), ping_group_range): the kernel gives it an identifier
//! and keeps foreign answers away; errors come by the error queue.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use socket2::{SockAddr, Socket};

use super::Channel;
use super::echo::Echo;
use super::option::{self as common, Options, descriptor};
use super::queue::{SOFT_TRIES, is_soft};
use super::stamp::{Departures, Warmth};
use crate::engine::{Interest, Wait};
use crate::error::{Error, Result};
use crate::packet::icmp::{self, Version};
use crate::probe::observation::{Observation, Probe, Refusal, Sight, Stamp};
use crate::probe::payload::Payload;
use crate::sys::message::{self, Extended, Queue};
use crate::sys::{clock, option};

/// How many messages one call of `receive` takes: clocks and signals get their turn in between.
const AT_ONCE: usize = 256;

/// The channel.
pub struct Datagram {
    /// The process that opened it: a child of fork(2) would take its parent's answers.
    process: u32,
    options: Options,
    socket: Socket,
    echo: Echo,
    target: SocketAddr,
    destination: SockAddr,
    departures: Option<Departures<u16>>,
    warmth: Option<Warmth>,
    packet: Vec<u8>,
    buffer: Vec<u8>,
    seen: Vec<Observation>,
}

impl Datagram {
    /// Opens a socket for probes of that payload to `target`.
    pub fn open(target: SocketAddr, options: &Options, payload: Payload, steady: bool) -> Result<Self> {
        let socket = common::datagram_socket(target)?;
        let v6 = target.is_ipv6();
        common::prepare(&socket, target, options, 0)?;
        let fd = descriptor(&socket);
        let set = |result: io::Result<()>| result.map_err(|error| Error::os("setsockopt", &error).at(target.ip()));
        set(option::receive_ttl(fd, v6))?;
        if !v6 {
            set(socket.set_broadcast(true))?;
        }
        set(option::queue_errors(fd, v6))?;
        let identifier = common::claim(&socket, target, options)?;
        // A system that has no stamps has clocks all the same.
        let departures = options.stamps.then(|| Departures::start(fd)).flatten();
        if departures.is_none() {
            // Without it, arrivals are stamped by a reading of our own.
            let _ = option::stamp_arrivals(fd);
        }
        Ok(Self {
            process: std::process::id(),
            options: options.clone(),
            socket,
            echo: Echo { identifier, target: target.ip(), payload, steady, sees_checksums: false },
            target,
            destination: SockAddr::from(target),
            warmth: departures.is_some().then(Warmth::new).flatten(),
            departures,
            packet: Vec::new(),
            buffer: vec![0; 65_536],
            seen: Vec::new(),
        })
    }

    /// In a child of fork(2): a socket of its own, for the old one is the parent's.
    fn settle(&mut self) -> Result<()> {
        if self.process != std::process::id() {
            let Echo { payload, steady, .. } = &self.echo;
            *self = Self::open(self.target, &self.options, payload.clone(), *steady)?;
        }
        Ok(())
    }

    fn try_send(&mut self, probe: &Probe) -> io::Result<Stamp> {
        self.echo.write(probe, &mut self.packet);
        let ttl = probe.ttl.map(|ttl| (self.target.is_ipv6(), ttl));
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
            let at = Stamp { user: clock::now(), kernel: got.stamp, own: false };
            let bytes = &self.buffer[..got.length];
            let observation = match (queue, got.error) {
                (Queue::Errors, Some(error)) if error.is_stamp() => self.departure(error, at),
                (Queue::Errors, Some(error)) if error.is_icmp() => self.echo.queued(bytes, &error, at),
                (Queue::Errors, _) => None,
                (Queue::Data, _) => got
                    .address
                    .zip(icmp::parse(Version::of(self.target.ip()), bytes))
                    .and_then(|(from, message)| self.echo.arrived(message, bytes, from.ip(), got.ttl, at)),
            };
            self.seen.extend(observation);
        }
        Ok(())
    }

    fn departure(&self, error: Extended, at: Stamp) -> Option<Observation> {
        let key = self.departures.as_ref()?.key(error.data)?;
        Some(Observation { key, source: self.target.ip(), at, sight: Sight::Departure })
    }
}

impl Channel for Datagram {
    fn send(&mut self, probe: &Probe) -> std::result::Result<Stamp, Refusal> {
        self.settle().map_err(|error| Refusal::from(&error))?;
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
        self.settle()?;
        self.read(Queue::Errors)?;
        self.read(Queue::Data)?;
        seen.append(&mut self.seen);
        Ok(())
    }

    fn watch(&mut self, wait: Wait) -> Wait {
        wait.and(descriptor(&self.socket), Interest::Readable)
    }

    fn is_ready(&mut self) -> bool {
        Warmth::reach(&mut self.warmth)
    }

    fn is_raw(&self) -> bool {
        false
    }
}
