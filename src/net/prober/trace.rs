//! Traceroute from a host's name on.

use std::net::SocketAddr;

use super::hosted::Hosted;
use super::option::first_mtu;
use super::reach::{Method, Reach};
use crate::engine::{Operation, Step, Time};
use crate::error::Result;
use crate::probe::trace::{Event, Outcome, Plan, Trace};

/// The operation: events one at a time, `None` at the end; step it again after each.
pub struct Tracer {
    plan: Plan,
    follow_mtu: bool,
    host: Hosted<Trace>,
}

impl Tracer {
    /// Checks what can be checked before the first step. With `follow_mtu` the probes start as large as the first link
    /// carries and shrink with the path.
    pub fn new(reach: Reach, plan: Plan, follow_mtu: bool) -> Result<Self> {
        Ok(Self { plan, follow_mtu, host: Hosted::new(reach)? })
    }

    /// The address that is traced, once known.
    pub fn target(&self) -> Option<SocketAddr> {
        self.host.target()
    }

    /// Whether the socket is raw, once open.
    pub fn is_raw(&self) -> Option<bool> {
        self.host.is_raw()
    }
}

impl Operation for Tracer {
    type Output = Option<Event>;

    fn step(&mut self, now: Time) -> Result<Step<Option<Event>>> {
        let (mut plan, follow_mtu) = (self.plan, self.follow_mtu);
        let step = self.host.step(now, |reach, target| {
            if follow_mtu {
                let headers = Reach::headers(target);
                plan.follow_mtu = Some(headers);
                plan.size = first_mtu(target, &reach.options).saturating_sub(headers);
                reach.size = plan.size;
            }
            let channel = reach.open_way(target)?;
            if matches!(reach.method, Method::Tcp(_)) && reach.steady && !channel.is_raw() {
                // The source port is the flow's: one handshake at a time.
                plan.flow_window = 1;
            }
            Ok((Trace::new(plan, target.ip()), channel))
        })?;
        let refused = match &step {
            Step::Done(Some(Event { ttl, query: 0, outcome: Outcome::Refused(refusal), .. })) if *ttl == plan.first => {
                self.host.refused(*refusal)
            }
            _ => None,
        };
        refused.map_or(Ok(step), Err)
    }

    fn partial(&mut self) -> Vec<u8> {
        self.host.partial()
    }
}
