//! The blocking driver: steps a machine until it is done and waits in between.
//!
//! Lives here: the loop, and the [`World`] it waits in. May not live here: anything about one kind of operation.
//! Its promises: one deadline a wait, the machine's; a signal (EINTR) asks the world whether to stop and then waits for
//! what is left; a spurious wake-up is one more step; a machine that never waits is still stopped by signals.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use std::time::Duration;

pub use crate::engine::Woken;
use crate::engine::{Bell, Interest, Operation, Step, Time, Wait};
use crate::error::{Cause, Error, Result};
use crate::sys;

/// How many steps in a row may find work to do before the driver asks whether to stop.
const STEPS_WITHOUT_A_LOOK: u32 = 64;

/// What the driver needs of the world: time, waiting, and whether somebody wants it to stop.
pub trait World {
    /// Now.
    fn now(&mut self) -> Time;

    /// Waits for what `wait` says.
    fn wait(&mut self, wait: &Wait) -> Result<Woken>;

    /// Whether it is the system's, so that an operation may wait in it by a call of its own: [`Operation::receive`].
    fn is_real(&self) -> bool {
        false
    }

    /// Whether to give up (a signal handler raised). Called after signals and, now and then, in long work.
    fn interrupted(&mut self) -> bool;
}

/// Steps `operation` in `world` until it is done.
///
/// When the world wants to stop, the error is [`Cause::Interrupted`] and carries [`Operation::partial`] and [`Operation::sent`].
pub fn block<O: Operation>(operation: &mut O, world: &mut impl World) -> Result<O::Output> {
    let mut steps = 0_u32;
    loop {
        let now = world.now();
        let wait = match operation.step(now)? {
            Step::Done(output) => return Ok(output),
            Step::Wait(wait) => wait,
        };
        steps += 1;
        let mut look = steps.is_multiple_of(STEPS_WITHOUT_A_LOOK);
        if !look && world.is_real() {
            match operation.receive(&wait, now) {
                Some(Woken::Step) => continue,
                Some(Woken::Signal) => look = true,
                None => {}
            }
        }
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

/// How long the main thread waits before it looks for a signal that came when it was about to sleep, which ends no call:
/// at first, and then.
const LOOK_FIRST: Duration = Duration::from_millis(50);
const LOOK_LATER: Duration = Duration::from_secs(1);

/// The real world: the monotonic clock and poll(2); `interrupted` is the caller's.
pub struct System<I> {
    interrupted: I,
    /// How long the next wait is without a look; None in a thread that no signal handler runs in.
    unseen: Option<Duration>,
}

impl<I: FnMut() -> bool> System<I> {
    /// A world that asks `interrupted` after each signal.
    pub fn new(interrupted: I) -> Self {
        Self { interrupted, unseen: sys::process::is_main_thread().then_some(LOOK_FIRST) }
    }
}

impl<I: FnMut() -> bool> World for System<I> {
    fn now(&mut self) -> Time {
        sys::clock::now()
    }

    fn wait(&mut self, wait: &Wait) -> Result<Woken> {
        let timeout: Option<Duration> = wait.deadline.map(|deadline| deadline.since(sys::clock::now()));
        let short = self.unseen.filter(|short| timeout.is_none_or(|timeout| timeout > *short));
        let ready = match &wait.bell {
            None => poll(wait, short.or(timeout)),
            Some(bell) => listen(bell, wait, short.or(timeout)),
        }?;
        Ok(match ready {
            Ready::Signal => Woken::Signal,
            Ready::No if short.is_some() => {
                self.unseen = Some(LOOK_LATER);
                Woken::Signal
            }
            Ready::Yes | Ready::No => Woken::Step,
        })
    }

    fn is_real(&self) -> bool {
        true
    }

    fn interrupted(&mut self) -> bool {
        (self.interrupted)()
    }
}

/// What poll(2) says.
enum Ready {
    Yes,
    No,
    Signal,
}

fn poll(wait: &Wait, timeout: Option<Duration>) -> Result<Ready> {
    match sys::poll::poll(wait, timeout) {
        Ok(ready) => Ok(if ready { Ready::Yes } else { Ready::No }),
        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Ok(Ready::Signal),
        Err(error) => Err(Error::os("poll", &error)),
    }
}

/// How often to look where no descriptor is left for an alarm.
const WITHOUT_ALARM: Duration = Duration::from_millis(20);

fn listen(bell: &Bell, wait: &Wait, timeout: Option<Duration>) -> Result<Ready> {
    let Some(alarm) = Alarm::of_this_thread() else {
        poll(wait, Some(timeout.unwrap_or(WITHOUT_ALARM).min(WITHOUT_ALARM)))?;
        return Ok(Ready::Yes);
    };
    if alarm.signalled.swap(false, Ordering::AcqRel) {
        // Whoever rings between these two makes this wait end early, which is allowed.
        alarm.event.clear();
    }
    if bell.listen(Arc::clone(&alarm).into()) {
        return Ok(Ready::Yes);
    }
    let woken = poll(&wait.clone().and(alarm.event.descriptor(), Interest::Readable), timeout);
    bell.leave();
    woken
}

/// How a ring ends the poll(2) of a thread.
struct Alarm {
    event: sys::event::Event,
    signalled: AtomicBool,
    /// A child of fork(2) shares the descriptor with its parent, and needs one of its own.
    process: u32,
}

thread_local! {
    static ALARM: RefCell<Option<Arc<Alarm>>> = const { RefCell::new(None) };
}

impl Alarm {
    /// This thread's, made at its first wait; None without a descriptor for it.
    fn of_this_thread() -> Option<Arc<Self>> {
        let process = std::process::id();
        ALARM.with_borrow_mut(|alarm| {
            if alarm.as_ref().is_none_or(|alarm| alarm.process != process) {
                let event = sys::event::Event::new().ok()?;
                *alarm = Some(Arc::new(Self { event, signalled: AtomicBool::new(false), process }));
            }
            alarm.clone()
        })
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        // It fails only where it is readable already.
        drop(self.event.signal());
        // Behind it: who sees this finds the descriptor readable.
        self.signalled.store(true, Ordering::Release);
    }
}
