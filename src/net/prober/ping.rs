//! Ping from a host's name on: resolve, open, probe.

use std::net::SocketAddr;

use super::Runner;
use super::reach::Reach;
use crate::engine::{Operation, Step, Time, Wait};
use crate::error::{Error, Result};
use crate::net::resolve::Resolve;
use crate::probe::ping::{Counts, Event, Ping, Plan};
use crate::probe::statistics::Summary;

enum Stage {
    Resolving(Resolve),
    Running(Box<Runner<Ping>>),
}

/// The operation: events one at a time, `None` at the end; step it again after each.
pub struct Pinger {
    reach: Reach,
    plan: Plan,
    stage: Stage,
    target: Option<SocketAddr>,
}

impl Pinger {
    /// Checks what can be checked before the first step.
    pub fn new(reach: Reach, plan: Plan) -> Result<Self> {
        let stage = Stage::Resolving(reach.resolve()?);
        Ok(Self { reach, plan, stage, target: None })
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
}

impl Operation for Pinger {
    type Output = Option<Event>;

    fn step(&mut self, now: Time) -> Result<Step<Option<Event>>> {
        if let Stage::Resolving(resolve) = &mut self.stage {
            let target = match Reach::step(resolve, now)? {
                Step::Done(target) => target,
                Step::Wait(wait) => return Ok(Step::Wait(wait)),
            };
            let channel = self.reach.open(target)?;
            self.target = Some(target);
            self.stage = Stage::Running(Box::new(Runner::new(Ping::new(self.plan, target.ip()), channel)));
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

    fn partial(&mut self) -> Vec<u8> {
        match &mut self.stage {
            Stage::Running(runner) => runner.partial(),
            Stage::Resolving(_) => Vec::new(),
        }
    }
}
