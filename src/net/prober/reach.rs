//! From a host's name to a channel: what all machines of this folder begin with.

use std::net::SocketAddr;
use std::time::Duration;

use super::crafted::{Crafted, Kind};
use super::datagram::Datagram;
use super::option::choose;
use super::raw::Raw;
use super::tcp::Tcp;
use super::udp::Udp;
use super::{Channel, Options, identifier};
use crate::engine::{Operation, Step, Time};
use crate::error::{Error, Result};
use crate::net::resolve::{Family, Resolve};
use crate::probe::payload::Payload;

/// How to reach a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// ICMP echo.
    Icmp,
    /// UDP datagrams to a port.
    Udp(u16),
    /// TCP handshakes with a port.
    Tcp(u16),
}

impl Method {
    /// Whether a ping asks one service: its probes go to one port, whatever their number.
    pub fn has_service(self) -> bool {
        matches!(self, Self::Udp(_))
    }
}

/// Whom to reach and how.
#[derive(Clone, Debug)]
pub struct Reach {
    /// A name or number.
    pub host: String,
    /// Which of its addresses will do.
    pub family: Family,
    /// By what.
    pub method: Method,
    /// Bytes of payload.
    pub size: usize,
    /// What the payload repeats.
    pub pattern: Option<Vec<u8>>,
    /// Whether the probes of a flow look alike to load balancers.
    pub steady: bool,
    /// How long a probe waits.
    pub timeout: Duration,
    /// The sockets' options.
    pub options: Options,
}

/// The largest payload that an IP packet can carry after an ICMP or UDP header.
fn largest(target: SocketAddr) -> usize {
    if target.is_ipv6() { 65_535 - 8 } else { 65_535 - 20 - 8 }
}

impl Reach {
    /// The search for the host's address; checks what can be checked before.
    pub fn resolve(&self) -> Result<Resolve> {
        if self.size > 65_527 {
            let reason = format!("{} bytes do not fit into an IP packet; at most 65507 (IPv6: 65527)", self.size);
            return Err(Error::invalid("size", reason));
        }
        let family = match (self.family, self.options.source) {
            (Family::Any, Some(source)) if source.is_ipv4() => Family::V4,
            (Family::Any, Some(_)) => Family::V6,
            (family, _) => family,
        };
        let port = match self.method {
            Method::Icmp => 0,
            Method::Udp(port) | Method::Tcp(port) => port,
        };
        Ok(Resolve::new(&self.host, port, family, None))
    }

    /// Steps the search to the first address.
    pub fn step(resolve: &mut Resolve, now: Time) -> Result<Step<SocketAddr>> {
        Ok(match resolve.step(now)? {
            Step::Done(found) => Step::Done(*found.first().ok_or_else(|| Error::invalid("host", "it has no address"))?),
            Step::Wait(wait) => Step::Wait(wait),
        })
    }

    fn check(&self, target: SocketAddr) -> Result<()> {
        if self.size > largest(target) {
            let reason = format!("{} bytes do not fit into an IPv4 packet; at most {}", self.size, largest(target));
            return Err(Error::invalid("size", reason));
        }
        Ok(())
    }

    /// The channel to that address.
    pub fn open(&self, target: SocketAddr) -> Result<Box<dyn Channel>> {
        self.check(target)?;
        let payload = Payload::new(self.size, self.pattern.as_deref(), identifier::random());
        Ok(match self.method {
            Method::Icmp => {
                let (options, steady, again) = (&self.options, self.steady, payload.clone());
                choose::<Box<dyn Channel>>(
                    options.privileged,
                    || Ok(Box::new(Raw::open(target, options, again, steady)?)),
                    || Ok(Box::new(Datagram::open(target, options, payload, steady)?)),
                )?
            }
            Method::Udp(_) => Box::new(Udp::new(target, &self.options, payload, self.steady, self.timeout)),
            Method::Tcp(_) => Box::new(Tcp::new(target, &self.options, self.steady)),
        })
    }

    /// The channel to that address for a traceroute: on raw sockets where they are allowed, by any method.
    pub fn open_way(&self, target: SocketAddr) -> Result<Box<dyn Channel>> {
        self.check(target)?;
        let kind = match self.method {
            Method::Icmp => return self.open(target),
            Method::Udp(_) => Kind::Udp(Payload::new(self.size, self.pattern.as_deref(), identifier::random())),
            Method::Tcp(_) => Kind::Tcp(identifier::random() as u32),
        };
        choose::<Box<dyn Channel>>(
            self.options.privileged,
            || Ok(Box::new(Crafted::open(target, &self.options, kind, self.steady)?)),
            || self.open(target),
        )
    }

    /// Bytes of IP and other headers before the payload.
    pub fn headers(target: SocketAddr) -> usize {
        if target.is_ipv6() { 48 } else { 28 }
    }
}
