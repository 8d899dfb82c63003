//! Path MTU from a host's name on: resolve, open, probe.

use std::net::SocketAddr;
use std::time::Duration;

use super::Runner;
use super::option::first_mtu;
use super::reach::Reach;
use crate::engine::{Operation, Step, Time, Wait};
use crate::error::Result;
use crate::net::resolve::Resolve;
use crate::probe::path_mtu::{Event, PathMtu, Plan};

enum Stage {
    Resolving(Resolve),
    Running(Box<Runner<PathMtu>>),
}

/// The operation: events one at a time, `None` at the end; step it again after each.
pub struct PathMtuFinder {
    reach: Reach,
    timeout: Duration,
    tries: u8,
    stage: Stage,
    target: Option<SocketAddr>,
}

impl PathMtuFinder {
    /// Checks what can be checked before the first step.
    pub fn new(reach: Reach, timeout: Duration, tries: u8) -> Result<Self> {
        let stage = Stage::Resolving(reach.resolve()?);
        Ok(Self { reach, timeout, tries, stage, target: None })
    }

    /// The address that is probed, once known.
    pub fn target(&self) -> Option<SocketAddr> {
        self.target
    }

    /// The largest packet that got through so far.
    pub fn found(&self) -> Option<usize> {
        match &self.stage {
            Stage::Resolving(_) => None,
            Stage::Running(runner) => runner.session.found(),
        }
    }
}

impl Operation for PathMtuFinder {
    type Output = Option<Event>;

    fn step(&mut self, now: Time) -> Result<Step<Option<Event>>> {
        if let Stage::Resolving(resolve) = &mut self.stage {
            let target = match Reach::step(resolve, now)? {
                Step::Done(target) => target,
                Step::Wait(wait) => return Ok(Step::Wait(wait)),
            };
            let headers = Reach::headers(target);
            let start = first_mtu(target);
            let floor = if target.is_ipv6() { 1280 } else { 68 };
            let plan = Plan { start, floor, headers, timeout: self.timeout, tries: self.tries.max(1) };
            self.reach.size = start - headers;
            let channel = self.reach.open(target)?;
            self.target = Some(target);
            self.stage = Stage::Running(Box::new(Runner::new(PathMtu::new(plan), channel)));
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
