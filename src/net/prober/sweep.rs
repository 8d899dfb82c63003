//! A sweep: names resolved, sockets opened as families turn up, probes sent, results given in batches.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Options;
use super::many::Many;
use crate::engine::{Interest, Operation, Step, Time, Wait};
use crate::error::{Cause, Error, Result};
use crate::net::resolve::{Family, Resolve};
use crate::probe::sweep::{Host, Plan, Sweep, Verdict};
use crate::probe::target::{Supplied, Supply, Target};

/// Probes between two looks at what came, at most: fewer than a default receive buffer has room for answers. After a
/// loss fewer go out at a time, then slowly more again.
const BURST: usize = 32;
/// Messages a look.
const LOOK: usize = 1024;
/// Bursts a step.
const BURSTS: usize = 64;
/// Results a batch, unless there is nothing else to do.
const BATCH: usize = 256;
/// Names that are looked up at the same time.
const NAMES: usize = 16;
/// How long to wait when the kernel has no room for another packet.
const NO_ROOM: Duration = Duration::from_millis(1);

/// What comes out of a sweep.
#[derive(Debug, PartialEq)]
pub struct Batch {
    /// Results, as they came.
    pub verdicts: Vec<Verdict>,
    /// Whether it wants more targets.
    pub hungry: bool,
    /// Whether it is over.
    pub over: bool,
}

/// The operation: gives batches; step it again after each until one is the last.
pub struct Sweeper {
    sweep: Sweep,
    family: Family,
    options: Options,
    size: usize,
    supply: Supply,
    finished: bool,
    number: u64,
    /// Look-ups, and what each waits for: asking one again for that could take its answer.
    names: Vec<(u64, Arc<str>, Resolve, Wait)>,
    burst: usize,
    dropped: u32,
    v4: Option<Many>,
    v6: Option<Many>,
}

impl Sweeper {
    /// A sweep whose probes carry `size` bytes.
    pub fn new(plan: Plan, family: Family, options: Options, size: usize) -> Result<Self> {
        if !(8..=1400).contains(&size) {
            return Err(Error::invalid("size", format!("{size} is out of range for a sweep; give 8 to 1400 bytes")));
        }
        if !(1..=Sweep::WINDOW).contains(&plan.window) {
            let (window, most) = (plan.window, Sweep::WINDOW);
            return Err(Error::invalid("window", format!("{window} is out of range; give 1 to {most} probes")));
        }
        let sweep = Sweep::new(plan);
        let (supply, names) = (Supply::default(), Vec::new());
        Ok(Self {
            sweep,
            family,
            options,
            size,
            supply,
            finished: false,
            number: 0,
            names,
            burst: BURST,
            dropped: 0,
            v4: None,
            v6: None,
        })
    }

    /// Adds a target: an address, a network, a name.
    pub fn push(&mut self, text: &str) -> Result<()> {
        self.supply.push(Target::parse(text)?);
        Ok(())
    }

    /// There are no more targets.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// How many answers the kernel has dropped for lack of room.
    pub fn dropped(&self) -> u32 {
        [&self.v4, &self.v6].into_iter().flatten().map(Many::dropped).fold(0, u32::wrapping_add)
    }

    /// Whether the sockets are raw; none before there is one.
    pub fn is_raw(&self) -> Option<bool> {
        self.v4.as_ref().or(self.v6.as_ref()).map(Many::is_raw)
    }

    /// Fills the session's queue from the supply, and starts look-ups.
    fn supply(&mut self, now: Time) -> Result<()> {
        while self.sweep.fresh() < 4 * BURST && self.names.len() < NAMES {
            let Some(next) = self.supply.next() else { break };
            let number = self.number;
            self.number += 1;
            match next {
                Supplied::Host(address) => self.sweep.push(Host { number, name: None, address }),
                Supplied::Name(name) => {
                    let resolve = Resolve::new(&name, 0, self.family, None);
                    self.names.push((number, name.into(), resolve, Wait::default()));
                }
            }
        }
        let mut waiting = Vec::with_capacity(self.names.len());
        for (number, name, mut resolve, _) in self.names.drain(..) {
            match resolve.step(now) {
                Ok(Step::Done(found)) => match found.first() {
                    Some(address) => {
                        self.sweep.push(Host { number, name: Some(name), address: address.ip() });
                    }
                    None => self.sweep.unresolved(number, name, "it has no address".to_owned()),
                },
                Ok(Step::Wait(wait)) => waiting.push((number, name, resolve, wait)),
                Err(error) => {
                    let text = match &error.cause {
                        Cause::Unresolved { text, .. } => text.clone(),
                        _ => error.to_string(),
                    };
                    self.sweep.unresolved(number, name, text);
                }
            }
        }
        self.names = waiting;
        Ok(())
    }

    fn socket(&mut self, address: IpAddr) -> Result<&mut Many> {
        let place = if address.is_ipv4() { &mut self.v4 } else { &mut self.v6 };
        match place {
            Some(many) => Ok(many),
            None => {
                let many = Many::open(address, &self.options, self.size)?;
                Ok(place.insert(many))
            }
        }
    }

    fn look(&mut self) -> Result<bool> {
        let mut all = true;
        for many in [&mut self.v4, &mut self.v6].into_iter().flatten() {
            all &= many.receive(&mut self.sweep, LOOK)?;
        }
        Ok(all)
    }

    /// Sends one burst; says until when there is no room, if there is none.
    fn burst(&mut self, now: Time, dropped: u32) -> Result<Option<Time>> {
        self.burst = if dropped == self.dropped { (self.burst + 1).min(BURST) } else { (self.burst / 2).max(1) };
        self.dropped = dropped;
        for _ in 0..self.burst {
            let Some(order) = self.sweep.order(now) else { break };
            match self.socket(order.address)?.send(&order) {
                Ok(at) => self.sweep.sent(at, dropped),
                Err(error) => match error.raw_os_error() {
                    Some(libc::EAGAIN | libc::ENOBUFS) => return Ok(Some(now.after(NO_ROOM))),
                    errno => self.sweep.refused(errno.unwrap_or(libc::EIO)),
                },
            }
        }
        Ok(None)
    }

    fn batch(&mut self, over: bool) -> Step<Batch> {
        let hungry = self.is_hungry();
        Step::Done(Batch { verdicts: self.sweep.take(), hungry, over })
    }

    fn is_hungry(&self) -> bool {
        !self.finished && self.supply.is_empty() && self.sweep.fresh() < 2 * BURST
    }

    fn wait(&mut self, now: Time) -> Wait {
        let mut wait = self.sweep.next_time(now).map_or_else(Wait::default, Wait::sleep);
        for many in [&self.v4, &self.v6].into_iter().flatten() {
            wait = wait.and(many.descriptor(), Interest::Readable);
        }
        for (_, _, _, its) in &self.names {
            wait = its.watches().fold(wait, |wait, watch| wait.and(watch.descriptor, watch.interest));
        }
        wait
    }
}

impl Operation for Sweeper {
    type Output = Batch;

    fn step(&mut self, now: Time) -> Result<Step<Batch>> {
        let mut now = now;
        for _ in 0..BURSTS {
            self.supply(now)?;
            let all = self.look()?;
            let dropped = self.dropped();
            if all {
                // Only who has seen everything that came may say that nothing came.
                self.sweep.give_up(now, dropped);
            }
            let no_room = self.burst(now, dropped)?;
            if self.sweep.verdicts() >= BATCH || self.is_hungry() {
                return Ok(self.batch(false));
            }
            let idle = self.sweep.is_idle() && self.names.is_empty() && self.supply.is_empty();
            if idle && self.finished {
                return Ok(self.batch(true));
            }
            let later = match no_room {
                Some(until) => Some(Wait::sleep(until)),
                None => {
                    let wait = self.wait(now);
                    (wait.deadline.is_none_or(|deadline| deadline > now)).then_some(wait)
                }
            };
            if let Some(wait) = later {
                self.look()?;
                return Ok(if self.sweep.verdicts() > 0 { self.batch(false) } else { Step::Wait(wait) });
            }
            now = crate::sys::clock::now();
        }
        Ok(Step::Wait(self.wait(now).until(Some(now))))
    }
}
