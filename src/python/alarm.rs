//! Deadlines on asyncio (or uvloop) loops: one timer a loop, for the first of all deadlines that are waited for.
//!
//! Most deadlines never come: what they guard ends before. A timer of its own for each would be made, sorted in and taken
//! out again for nothing. Here a deadline later than the one that the timer is set to touches no loop at all; a timer
//! that finds nothing due sets itself to the next deadline.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};

use super::wake::Wake;
use crate::engine::Time;
use crate::sys;

/// The deadlines that are waited for on one loop.
#[pyclass(frozen, weakref, module = "eyesocket._native")]
pub struct Alarm {
    event_loop: Py<PyAny>,
    number: u64,
    state: Mutex<State>,
}

type Key = (Time, u64);

#[derive(Default)]
struct State {
    due: BTreeMap<Key, Py<Wake>>,
    made: u64,
    timer: Option<(Time, Py<PyAny>)>,
}

/// A deadline that is waited for.
pub struct Ticket {
    alarm: Py<Alarm>,
    key: Key,
}

/// An alarm's number, and the way to it, which does not keep it: its timer on the loop does, and who waits.
type Known = (u64, Py<PyWeakrefReference>);

/// The alarms by loop.
static ALARMS: Mutex<BTreeMap<usize, Known>> = Mutex::new(BTreeMap::new());
static NUMBERS: AtomicU64 = AtomicU64::new(0);

impl Alarm {
    /// That of `event_loop`.
    fn of<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
        let (py, key) = (event_loop.py(), event_loop.as_ptr() as usize);
        let known = alarms().get(&key).map(|known| known.1.clone_ref(py));
        if let Some(known) = known
            && let Some(alarm) = known.bind(py).upgrade_as::<Self>()?
        {
            return Ok(alarm.to_owned());
        }
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let alarm = Self { event_loop: event_loop.clone().unbind(), number, state: Mutex::default() };
        let alarm = Bound::new(py, alarm)?;
        let reference = PyWeakrefReference::new(&alarm)?.unbind();
        // What it replaces is dropped behind the lock.
        let replaced = alarms().insert(key, (number, reference));
        drop(replaced);
        Ok(alarm)
    }

    /// The state. Held for no call of Python.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the timer to the first deadline, unless it is set to an earlier point.
    fn set(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (this, py) = (slf.get(), slf.py());
        let first = {
            let state = this.state();
            let Some((first, _)) = state.due.first_key_value().map(|(key, _)| *key) else { return Ok(()) };
            if state.timer.as_ref().is_some_and(|(at, _)| *at <= first) {
                return Ok(());
            }
            first
        };
        let now: f64 = this.event_loop.call_method0(py, intern!(py, "time"))?.extract(py)?;
        let when = now + first.since(sys::clock::now()).as_secs_f64();
        let timer = this.event_loop.call_method1(py, intern!(py, "call_at"), (when, slf))?;
        let before = this.state().timer.replace((first, timer));
        before.map_or(Ok(()), |(_, before)| before.call_method0(py, intern!(py, "cancel")).map(drop))
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let key = self.event_loop.as_ptr() as usize;
        let own = {
            let mut alarms = alarms();
            let own = |known: &Known| known.0 == self.number;
            alarms.get(&key).is_some_and(own).then(|| alarms.remove(&key))
        };
        drop(own);
    }
}

/// The table. Held for no call of Python.
fn alarms() -> MutexGuard<'static, BTreeMap<usize, Known>> {
    ALARMS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[pymethods]
impl Alarm {
    /// The timer's time has come: whose deadline has too goes on.
    fn __call__(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (this, py, now) = (slf.get(), slf.py(), sys::clock::now());
        let (timer, over) = {
            let mut state = this.state();
            let later = state.due.split_off(&(now, u64::MAX));
            (state.timer.take(), std::mem::replace(&mut state.due, later))
        };
        drop(timer);
        let mut result = Ok(());
        for wake in over.values() {
            result = result.and(wake.get().resolve(py));
        }
        result.and(Self::set(slf))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        if let Ok(state) = self.state.try_lock() {
            for wake in state.due.values() {
                visit.call(wake)?;
            }
            if let Some((_, timer)) = &state.timer {
                visit.call(timer)?;
            }
        }
        Ok(())
    }

    fn __clear__(&self) {
        if let Ok(mut state) = self.state.try_lock() {
            let taken = (std::mem::take(&mut state.due), state.timer.take());
            drop(state);
            drop(taken);
        }
    }
}

impl Ticket {
    /// Lets `wake` go on at `deadline`, on its loop, which is the running one.
    pub fn new(event_loop: &Bound<'_, PyAny>, wake: &Bound<'_, Wake>, deadline: Time) -> PyResult<Self> {
        let alarm = Alarm::of(event_loop)?;
        let key = {
            let mut state = alarm.get().state();
            state.made += 1;
            let key = (deadline, state.made);
            state.due.insert(key, wake.clone().unbind());
            key
        };
        let ticket = Self { alarm: alarm.clone().unbind(), key };
        match Alarm::set(&alarm) {
            Ok(()) => Ok(ticket),
            Err(error) => {
                ticket.cancel();
                Err(error)
            }
        }
    }

    /// Waits for it no longer. The loop is not touched, so this may be anywhere.
    pub fn cancel(self) {
        let wake = self.alarm.get().state().due.remove(&self.key);
        drop(wake);
    }

    /// Shows the collector what it holds.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.alarm)
    }
}
