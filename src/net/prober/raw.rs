//! ICMP echo to one host at the raw socket that the process's pingers share.

use std::net::SocketAddr;
use std::sync::Arc;

use socket2::{SockAddr, Socket};

use super::Channel;
use super::echo::Echo;
use super::hub::Hub;
use super::identifier::Identifier;
use super::option::{self as common, Options, descriptor};
use super::stamp::Warmth;
use crate::engine::{Interest, Wait};
use crate::error::{Error, Result};
use crate::probe::observation::{Observation, Probe, Refusal, Stamp};
use crate::probe::payload::Payload;
use crate::sys::event::Event;

/// The channel.
pub struct Raw {
    target: SocketAddr,
    destination: SockAddr,
    options: Options,
    echo: Echo,
    seat: Seat,
    warmth: Option<Warmth>,
    packet: Vec<u8>,
}

/// A seat at the shared socket, given back at the end.
struct Seat {
    hub: Arc<Hub>,
    identifier: Identifier,
    event: Arc<Event>,
    /// Our descriptor of the socket, once we have had the lead.
    lead: Option<Socket>,
}

impl Seat {
    fn take(target: SocketAddr, options: &Options, echo: &mut Echo) -> Result<Self> {
        let identifier = Identifier::take()
            .ok_or_else(|| Error::invalid("identifier", "all 65535 ICMP identifiers are in use by this process"))?;
        echo.identifier = identifier.get();
        let event = Arc::new(Event::new().map_err(|error| Error::os("eventfd", &error))?);
        let hub = Hub::sit(target, options, echo, &event)?;
        Ok(Self { hub, identifier, event, lead: None })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.hub.is_here() {
            self.hub.leave(self.identifier.get());
        } else {
            // Another thread of the parent may have been in it as we were forked: it is never looked at, nor dropped.
            std::mem::forget(Arc::clone(&self.hub));
        }
    }
}

impl Raw {
    /// Takes a seat for probes of that payload to `target`.
    pub fn open(target: SocketAddr, options: &Options, payload: Payload, steady: bool) -> Result<Self> {
        let sees_checksums = target.is_ipv4();
        let mut echo = Echo { identifier: 0, target: target.ip(), payload, steady, sees_checksums };
        let seat = Seat::take(target, options, &mut echo)?;
        let warmth = seat.hub.has_departures().then(Warmth::new).flatten();
        Ok(Self {
            target,
            destination: SockAddr::from(target),
            options: options.clone(),
            echo,
            seat,
            warmth,
            packet: Vec::new(),
        })
    }

    /// In a child of fork(2): a seat of its own, for the old one is the parent's.
    fn settle(&mut self) -> Result<()> {
        if !self.seat.hub.is_here() {
            self.seat = Seat::take(self.target, &self.options, &mut self.echo)?;
        }
        Ok(())
    }
}

impl Channel for Raw {
    fn send(&mut self, probe: &Probe) -> std::result::Result<Stamp, Refusal> {
        self.settle().map_err(|error| Refusal::from(&error))?;
        self.echo.write(probe, &mut self.packet);
        let ttl = probe.ttl.or(self.options.ttl);
        let (hub, identifier) = (&self.seat.hub, self.seat.identifier.get());
        hub.send(identifier, probe.key, &self.packet, &self.destination, ttl).map_err(|error| {
            let errno = error.raw_os_error().unwrap_or(libc::EIO);
            Refusal { errno, mtu: (errno == libc::EMSGSIZE).then(|| common::known_mtu(self.target)).flatten() }
        })
    }

    fn receive(&mut self, seen: &mut Vec<Observation>) -> Result<()> {
        self.settle()?;
        self.seat.hub.receive(self.seat.identifier.get(), seen).map_err(|error| error.at(self.target.ip()))
    }

    fn watch(&mut self, wait: Wait) -> Wait {
        let Seat { hub, identifier, event, lead } = &mut self.seat;
        let (leads, until) = hub.wait(identifier.get());
        let wait = wait.and(event.descriptor(), Interest::Readable).until(until);
        if !leads {
            return wait;
        }
        if lead.is_none() {
            *lead = hub.another().ok();
        }
        match lead {
            Some(socket) => wait.and(descriptor(socket), Interest::Readable),
            // Without a descriptor to spare: look now and then.
            None => wait.until(Some(crate::sys::clock::now().after(super::hub::LEASE / 25))),
        }
    }

    fn rest(&mut self) {
        if self.seat.hub.is_here() {
            self.seat.hub.rest(self.seat.identifier.get());
        }
    }

    fn is_ready(&mut self) -> bool {
        Warmth::reach(&mut self.warmth)
    }

    fn is_raw(&self) -> bool {
        true
    }
}
