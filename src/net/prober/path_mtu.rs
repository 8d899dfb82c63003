//! Path MTU from a host's name on.

use std::net::SocketAddr;
use std::time::Duration;

use super::hosted::Hosted;
use super::option::first_mtu;
use super::reach::{Method, Reach};
use crate::engine::{Operation, Step, Time};
use crate::error::{Error, Result};
use crate::probe::path_mtu::{Event, PathMtu, Plan};

/// The operation: events one at a time, `None` at the end; step it again after each.
pub struct PathMtuFinder {
    timeout: Duration,
    tries: u8,
    /// Whether anything has been told yet.
    told: bool,
    host: Hosted<PathMtu>,
}

impl PathMtuFinder {
    /// Checks what can be checked before the first step.
    pub fn new(reach: Reach, timeout: Duration, tries: u8) -> Result<Self> {
        if matches!(reach.method, Method::Tcp(_)) {
            return Err(Error::invalid(
                "method",
                "path MTU is found by \"icmp\" or \"udp\"; TCP cuts to fit by itself",
            ));
        }
        if tries == 0 {
            return Err(Error::invalid("tries", "0 is out of range; give 1 to 255"));
        }
        Ok(Self { timeout, tries, told: false, host: Hosted::new(reach)? })
    }

    /// The address that is probed, once known.
    pub fn target(&self) -> Option<SocketAddr> {
        self.host.target()
    }

    /// The largest packet that got through so far.
    pub fn found(&self) -> Option<usize> {
        self.host.session().and_then(PathMtu::found)
    }
}

impl Operation for PathMtuFinder {
    type Output = Option<Event>;

    fn step(&mut self, now: Time) -> Result<Step<Option<Event>>> {
        let (timeout, tries) = (self.timeout, self.tries);
        let step = self.host.step(now, |reach, target| {
            let headers = Reach::headers(target);
            let start = first_mtu(target, &reach.options);
            let floor = if target.is_ipv6() { 1280 } else { 68 };
            reach.size = start.max(floor) - headers;
            Ok((PathMtu::new(Plan { start, floor, headers, timeout, tries }), reach.open(target)?))
        })?;
        let refused = match &step {
            Step::Done(Some(Event::Refused(refusal))) if !self.told => self.host.refused(*refusal),
            _ => None,
        };
        self.told |= matches!(step, Step::Done(_));
        refused.map_or(Ok(step), Err)
    }

    fn partial(&mut self) -> Vec<u8> {
        self.host.partial()
    }
}
