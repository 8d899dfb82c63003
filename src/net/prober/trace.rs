//! Traceroute from a host's name on: resolve, open, probe.

use std::net::SocketAddr;

use super::Runner;
use super::option::first_mtu;
use super::reach::{Method, Reach};
use crate::engine::{Operation, Step, Time, Wait};
use crate::error::Result;
use crate::net::resolve::Resolve;
use crate::probe::trace::{Event, Plan, Trace};

enum Stage {
    Resolving(Resolve),
    Running(Box<Runner<Trace>>),
}

/// The operation: events one at a time, `None` at the end; step it again after each.
pub struct Tracer {
    reach: Reach,
    plan: Plan,
    follow_mtu: bool,
    stage: Stage,
    target: Option<SocketAddr>,
}

impl Tracer {
    /// Checks what can be checked before the first step. With `follow_mtu` the probes start as large as the first link
    /// carries and shrink with the path.
    pub fn new(reach: Reach, plan: Plan, follow_mtu: bool) -> Result<Self> {
        let stage = Stage::Resolving(reach.resolve()?);
        Ok(Self { reach, plan, follow_mtu, stage, target: None })
    }

    /// The address that is traced, once known.
    pub fn target(&self) -> Option<SocketAddr> {
        self.target
    }

    /// Whether the socket is raw, once open.
    pub fn is_raw(&self) -> Option<bool> {
        match &self.stage {
            Stage::Resolving(_) => None,
            Stage::Running(runner) => Some(runner.channel.is_raw()),
        }
    }

    fn start(&mut self, target: SocketAddr) -> Result<()> {
        if self.follow_mtu {
            let headers = Reach::headers(target);
            self.plan.follow_mtu = Some(headers);
            self.plan.size = first_mtu(target).saturating_sub(headers);
            self.reach.size = self.plan.size;
        }
        let channel = self.reach.open_way(target)?;
        if matches!(self.reach.method, Method::Tcp(_)) && self.reach.steady && !channel.is_raw() {
            // The source port is the flow's: one handshake at a time.
            self.plan.flow_window = 1;
        }
        self.target = Some(target);
        self.stage = Stage::Running(Box::new(Runner::new(Trace::new(self.plan, target.ip()), channel)));
        Ok(())
    }
}

impl Operation for Tracer {
    type Output = Option<Event>;

    fn step(&mut self, now: Time) -> Result<Step<Option<Event>>> {
        if let Stage::Resolving(resolve) = &mut self.stage {
            match Reach::step(resolve, now)? {
                Step::Done(target) => self.start(target)?,
                Step::Wait(wait) => return Ok(Step::Wait(wait)),
            }
        }
        match &mut self.stage {
            Stage::Running(runner) => runner.step(now),
            Stage::Resolving(_) => Ok(Step::Wait(Wait::sleep(now))),
        }
    }

    fn partial(&mut self) -> Vec<u8> {
        match &mut self.stage {
            Stage::Running(runner) => runner.partial(),
            Stage::Resolving(_) => Vec::new(),
        }
    }
}
