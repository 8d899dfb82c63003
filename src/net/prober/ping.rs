//! Ping from a host's name on.

use std::net::SocketAddr;

use super::hosted::Hosted;
use super::reach::Reach;
use crate::engine::{Operation, Step, Time};
use crate::error::Result;
use crate::probe::ping::{Counts, Event, Ping, Plan};
use crate::probe::statistics::Summary;

/// The operation: events one at a time, `None` at the end; step it again after each.
pub struct Pinger {
    plan: Plan,
    host: Hosted<Ping>,
}

impl Pinger {
    /// Checks what can be checked before the first step.
    pub fn new(reach: Reach, plan: Plan) -> Result<Self> {
        Ok(Self { plan, host: Hosted::new(reach)? })
    }

    /// The address that is pinged, once known.
    pub fn target(&self) -> Option<SocketAddr> {
        self.host.target()
    }

    /// Whether the socket is raw, once open.
    pub fn is_raw(&self) -> Option<bool> {
        self.host.is_raw()
    }

    /// What has been counted so far.
    pub fn counts(&self) -> Counts {
        self.host.session().map(Ping::counts).unwrap_or_default()
    }

    /// The times so far, and how many of them are by the kernel's clock.
    pub fn summary(&self) -> (Option<Summary>, u64) {
        let session = self.host.session();
        (
            session.and_then(|session| session.statistics().summary()),
            session.map(Ping::kernel_clock).unwrap_or_default(),
        )
    }
}

impl Operation for Pinger {
    type Output = Option<Event>;

    fn step(&mut self, now: Time) -> Result<Step<Option<Event>>> {
        let plan = self.plan;
        let step = self.host.step(now, |reach, target| Ok((Ping::new(plan, target.ip()), reach.open(target)?)))?;
        let refused = match &step {
            Step::Done(Some(Event::Refused { number: 1, refusal })) => self.host.refused(*refusal),
            _ => None,
        };
        refused.map_or(Ok(step), Err)
    }

    fn partial(&mut self) -> Vec<u8> {
        self.host.partial()
    }
}
