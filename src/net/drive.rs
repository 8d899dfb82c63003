//! The blocking driver: steps a machine until it is done and waits in between.
//!
//! Lives here: the loop, and the [`World`] it waits in. May not live here: anything about one kind of operation.
//! Its promises: one deadline a wait, the machine's; a signal (EINTR) asks the world whether to stop and then waits for
//! what is left; a spurious wake-up is one more step; a machine that never waits is still stopped by signals.

use std::time::Duration;

use crate::engine::{Operation, Step, Time, Wait};
use crate::error::{Cause, Error, Result};
use crate::sys;

/// How many steps in a row may find work to do before the driver asks whether to stop.
const STEPS_WITHOUT_A_LOOK: u32 = 64;

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// A descriptor may be ready, or the deadline has passed: step.
    Step,
    /// A signal came: ask [`World::interrupted`], then wait again.
    Signal,
}

/// What the driver needs of the world: time, waiting, and whether somebody wants it to stop.
pub trait World {
    /// Now.
    fn now(&mut self) -> Time;

    /// Waits for what `wait` says.
    fn wait(&mut self, wait: &Wait) -> Result<Woken>;

    /// Whether to give up (a signal handler raised). Called after signals and, now and then, in long work.
    fn interrupted(&mut self) -> bool;
}

/// Steps `operation` in `world` until it is done.
///
/// When the world wants to stop, the error is [`Cause::Interrupted`] and carries [`Operation::partial`] and [`Operation::sent`].
pub fn block<O: Operation>(operation: &mut O, world: &mut impl World) -> Result<O::Output> {
    let mut steps = 0_u32;
    loop {
        let wait = match operation.step(world.now())? {
            Step::Done(output) => return Ok(output),
            Step::Wait(wait) => wait,
        };
        steps += 1;
        let mut look = steps.is_multiple_of(STEPS_WITHOUT_A_LOOK);
        loop {
            if look && world.interrupted() {
                let mut error = Error::new("operation", Cause::Interrupted).with_partial(operation.partial());
                error.sent = operation.sent();
                return Err(error);
            }
            match world.wait(&wait)? {
                Woken::Step => break,
                Woken::Signal => look = true,
            }
        }
    }
}

/// The real world: the monotonic clock and poll(2); `interrupted` is the caller's.
pub struct System<I> {
    interrupted: I,
}

impl<I: FnMut() -> bool> System<I> {
    /// A world that asks `interrupted` after each signal.
    pub fn new(interrupted: I) -> Self {
        Self { interrupted }
    }
}

impl<I: FnMut() -> bool> World for System<I> {
    fn now(&mut self) -> Time {
        sys::clock::now()
    }

    fn wait(&mut self, wait: &Wait) -> Result<Woken> {
        let timeout: Option<Duration> = wait.deadline.map(|deadline| deadline.since(sys::clock::now()));
        match sys::poll::poll(wait, timeout) {
            Ok(_) => Ok(Woken::Step),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Ok(Woken::Signal),
            Err(error) => Err(Error::os("poll", &error)),
        }
    }

    fn interrupted(&mut self) -> bool {
        (self.interrupted)()
    }
}
