//! A session with a host that is known by name: resolve, open, run. What ping, traceroute and path MTU begin with.

use std::net::SocketAddr;

use super::reach::Reach;
use super::{Channel, Runner};
use crate::engine::{Operation, Step, Time, Wait};
use crate::error::{Error, Result};
use crate::net::resolve::Resolve;
use crate::probe::Session;
use crate::probe::observation::Refusal;

/// The session, once there is an address; `step` as an operation's, but told how to start.
pub struct Hosted<S> {
    reach: Reach,
    stage: Stage<S>,
    target: Option<SocketAddr>,
}

enum Stage<S> {
    Resolving(Resolve),
    Running(Box<Runner<S>>),
}

impl<S: Session> Hosted<S> {
    /// Checks what can be checked before the first step.
    pub fn new(reach: Reach) -> Result<Self> {
        let stage = Stage::Resolving(reach.resolve()?);
        Ok(Self { reach, stage, target: None })
    }

    /// The host's address, once known.
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

    /// The session, once it runs.
    pub fn session(&self) -> Option<&S> {
        match &self.stage {
            Stage::Resolving(_) => None,
            Stage::Running(runner) => Some(&runner.session),
        }
    }

    /// Steps; `start` gives the session and its channel when the address is known.
    pub fn step(
        &mut self,
        now: Time,
        start: impl FnOnce(&mut Reach, SocketAddr) -> Result<(S, Box<dyn Channel>)>,
    ) -> Result<Step<Option<S::Event>>> {
        if let Stage::Resolving(resolve) = &mut self.stage {
            let target = match Reach::step(resolve, now)? {
                Step::Done(target) => target,
                Step::Wait(wait) => return Ok(Step::Wait(wait)),
            };
            let (session, channel) = start(&mut self.reach, target)?;
            self.target = Some(target);
            self.stage = Stage::Running(Box::new(Runner::new(session, channel)));
        }
        match &mut self.stage {
            Stage::Running(runner) => runner.step(now),
            Stage::Resolving(_) => Ok(Step::Wait(Wait::sleep(now))),
        }
    }

    /// What the kernel refused the very first probe, it would refuse all: no route, no right, no such source. That is an
    /// error, and not an event; a packet that is too long for the link is an event.
    pub fn refused(&self, refusal: Refusal) -> Option<Error> {
        let error = Error::os("send", &std::io::Error::from_raw_os_error(refusal.errno));
        (refusal.errno != libc::EMSGSIZE)
            .then(|| error.at(self.target.map(|target| target.ip().to_string()).unwrap_or_default()))
    }

    /// As [`Operation::partial`].
    pub fn partial(&mut self) -> Vec<u8> {
        match &mut self.stage {
            Stage::Running(runner) => runner.partial(),
            Stage::Resolving(_) => Vec::new(),
        }
    }
}
