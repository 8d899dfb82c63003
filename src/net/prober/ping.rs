//! Ping from a host's name on: resolve, open, probe.

use std::net::SocketAddr;

use super::icmp::Icmp;
use super::{Options, Runner};
use crate::engine::{Operation, Step, Time, Wait};
use crate::error::{Error, Result};
use crate::net::resolve::{Family, Resolve};
use crate::probe::ping::{Counts, Event, Ping, Plan};
use crate::probe::statistics::Summary;

/// How to reach the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// ICMP echo.
    Icmp,
}

/// What to ping and how.
#[derive(Clone, Debug)]
pub struct Request {
    /// A name or number.
    pub host: String,
    /// Which of its addresses will do.
    pub family: Family,
    /// When to send what.
    pub plan: Plan,
    /// How to reach it.
    pub method: Method,
    /// Bytes of payload.
    pub size: usize,
    /// What the payload repeats.
    pub pattern: Option<Vec<u8>>,
    /// The sockets' options.
    pub options: Options,
}

enum Stage {
    Resolving(Resolve),
    Running(Box<Runner<Ping>>),
}

/// The operation: events one at a time, `None` at the end; step it again after each.
pub struct Pinger {
    request: Request,
    stage: Stage,
    target: Option<SocketAddr>,
}

/// The largest payload that an IP packet can carry after the ICMP header.
fn largest(target: SocketAddr) -> usize {
    if target.is_ipv6() { 65_535 - 8 } else { 65_535 - 20 - 8 }
}

impl Pinger {
    /// Checks what can be checked before the first step.
    pub fn new(request: Request) -> Result<Self> {
        if request.size > 65_527 {
            let reason = format!("{} bytes do not fit into an IP packet; at most 65507 (IPv6: 65527)", request.size);
            return Err(Error::invalid("size", reason));
        }
        let family = match (request.family, request.options.source) {
            (Family::Any, Some(source)) => {
                if source.is_ipv4() {
                    Family::V4
                } else {
                    Family::V6
                }
            }
            (family, _) => family,
        };
        let stage = Stage::Resolving(Resolve::new(&request.host, 0, family, None));
        Ok(Self { request, stage, target: None })
    }

    /// The address that is pinged, once known.
    pub fn target(&self) -> Option<SocketAddr> {
        self.target
    }

    /// Whether the socket is raw, once open.
    pub fn is_raw(&self) -> Option<bool> {
        self.running().map(|runner| runner.channel.is_raw())
    }

    /// What has been counted so far.
    pub fn counts(&self) -> Counts {
        self.running().map(|runner| runner.session.counts()).unwrap_or_default()
    }

    /// The times so far, and how many of them are by the kernel's clock.
    pub fn summary(&self) -> (Option<Summary>, u64) {
        let session = self.running().map(|runner| &runner.session);
        (
            session.and_then(|session| session.statistics().summary()),
            session.map(Ping::kernel_clock).unwrap_or_default(),
        )
    }

    fn running(&self) -> Option<&Runner<Ping>> {
        match &self.stage {
            Stage::Resolving(_) => None,
            Stage::Running(runner) => Some(runner),
        }
    }

    fn open(&mut self, target: SocketAddr) -> Result<Runner<Ping>> {
        let request = &self.request;
        if request.size > largest(target) {
            let reason = format!("{} bytes do not fit into an IPv4 packet; at most {}", request.size, largest(target));
            return Err(Error::invalid("size", reason));
        }
        let channel = match request.method {
            Method::Icmp => Icmp::open(target, &request.options, request.size, request.pattern.as_deref())?,
        };
        self.target = Some(target);
        Ok(Runner::new(Ping::new(request.plan, target.ip()), Box::new(channel)))
    }
}

impl Operation for Pinger {
    type Output = Option<Event>;

    fn step(&mut self, now: Time) -> Result<Step<Option<Event>>> {
        if let Stage::Resolving(resolve) = &mut self.stage {
            let found = match resolve.step(now)? {
                Step::Done(found) => found,
                Step::Wait(wait) => return Ok(Step::Wait(wait)),
            };
            let &target = found.first().ok_or_else(|| Error::invalid("host", "it has no address"))?;
            self.stage = Stage::Running(Box::new(self.open(target)?));
        }
        let step = match &mut self.stage {
            Stage::Running(runner) => runner.step(now)?,
            Stage::Resolving(_) => Step::Wait(Wait::sleep(now)),
        };
        match step {
            // What the very first probe meets here, all would: no route, no right, no such source.
            Step::Done(Some(Event::Refused { number: 1, refusal })) if refusal.errno != libc::EMSGSIZE => {
                let error = Error::os("send", &std::io::Error::from_raw_os_error(refusal.errno));
                Err(error.at(self.target.map(|target| target.ip().to_string()).unwrap_or_default()))
            }
            step => Ok(step),
        }
    }
}
