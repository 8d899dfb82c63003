//! Who waits for which descriptor on which asyncio (or uvloop) loop.
//!
//! A loop watches descriptors by calls of Python, two for each wait, and keeps one callback a number and direction: a
//! second wait would silently end the first, and a number that is closed before it is off the loop is watched, or not, for
//! whoever gets it next. So a loop is given one descriptor of ours a direction, an epoll(7) that tells each readiness once,
//! and here is kept who waits for what: [`Place::take`] lets waits share a descriptor or refuses the second, and throws out
//! waits for a file that the number no longer names; [`lose`] wakes who waits for a number that is about to be closed.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};

use super::errors;
use super::wake::Wake;
use crate::engine::{Descriptor, Interest, Watch};
use crate::error::Error;
use crate::sys;
use crate::sys::epoll::Epoll;
use crate::sys::io::Identity;

/// One direction of a loop.
#[pyclass(frozen, weakref, module = "eyesocket._native")]
pub struct Reactor {
    event_loop: Py<PyAny>,
    interest: Interest,
    epoll: Epoll,
    number: u64,
    /// A child of fork(2) shares the epoll(7) with its parent and must not touch it.
    process: u32,
    ports: Mutex<BTreeMap<i32, Port>>,
}

/// A descriptor that is waited for.
struct Port {
    file: Identity,
    /// Whether several may wait.
    shared: bool,
    waiters: Vec<Py<Wake>>,
}

/// A wait's place at a descriptor.
pub struct Place {
    reactor: Py<Reactor>,
    descriptor: Descriptor,
}

type Key = (usize, Interest);
/// A reactor's number, and the way to it, which does not keep it: its loop does, and who waits.
type Known = (u64, Py<PyWeakrefReference>);

static REACTORS: Mutex<BTreeMap<Key, Known>> = Mutex::new(BTreeMap::new());
static NUMBERS: AtomicU64 = AtomicU64::new(0);
/// How many descriptors are waited for, for who only wants to know whether any is.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// The table. Held for no call of Python.
fn reactors() -> MutexGuard<'static, BTreeMap<Key, Known>> {
    REACTORS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reactor {
    /// That of `event_loop`, which is the running one.
    fn of<'py>(event_loop: &Bound<'py, PyAny>, interest: Interest) -> PyResult<Bound<'py, Self>> {
        let (py, key) = (event_loop.py(), (event_loop.as_ptr() as usize, interest));
        let known = reactors().get(&key).map(|known| known.1.clone_ref(py));
        if let Some(known) = known
            && let Some(reactor) = known.bind(py).upgrade_as::<Self>()?
            && reactor.get().process == sys::process::generation()
        {
            return Ok(reactor.to_owned());
        }
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let reactor = Self {
            event_loop: event_loop.clone().unbind(),
            interest,
            epoll: Epoll::new().map_err(|error| failed(py, "epoll_create1", &error))?,
            number,
            process: sys::process::generation(),
            ports: Mutex::default(),
        };
        let reactor = Bound::new(py, reactor)?;
        let descriptor = reactor.get().epoll.descriptor().0;
        event_loop.call_method1(intern!(py, "add_reader"), (descriptor, &reactor))?;
        let reference = PyWeakrefReference::new(&reactor)?.unbind();
        // What it replaces is dropped behind the lock.
        let replaced = reactors().insert(key, (number, reference));
        drop(replaced);
        Ok(reactor)
    }

    /// Who waits. Held for no call of Python, nor while a wait is dropped.
    fn ports(&self) -> MutexGuard<'_, BTreeMap<i32, Port>> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove(&self, descriptor: Descriptor, which: impl FnOnce(&Port) -> bool) -> Vec<Py<Wake>> {
        let mut ports = self.ports();
        if !ports.get(&descriptor.0).is_some_and(which) {
            return Vec::new();
        }
        let removed = ports.remove(&descriptor.0);
        COUNT.fetch_sub(1, Ordering::Relaxed);
        removed.map(|port| port.waiters).unwrap_or_default()
    }

    /// Whether its loop can be told anything, by this process.
    fn alive(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.process == sys::process::generation()
            && !self.event_loop.call_method0(py, intern!(py, "is_closed"))?.is_truthy(py)?)
    }

    /// One of its descriptors is ready: who waits looks. It is watched on for those whom that did not help.
    fn fire(&self, py: Python<'_>, descriptor: Descriptor) -> PyResult<()> {
        let waiters: Vec<_> = {
            let ports = self.ports();
            // Nobody, if the wait was given up.
            let Some(port) = ports.get(&descriptor.0) else { return Ok(()) };
            port.waiters.iter().map(|wake| wake.clone_ref(py)).collect()
        };
        let (mut result, mut wait_on) = (Ok(()), false);
        for wake in &waiters {
            match Wake::look(wake.bind(py)) {
                Ok(goes_on) => wait_on |= !goes_on,
                Err(error) => result = result.and(Err(error)),
            }
        }
        if wait_on && self.ports().contains_key(&descriptor.0) {
            self.epoll.arm(descriptor, self.interest).map_err(|error| failed(py, "epoll_ctl", &error))?;
        }
        result
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        COUNT.fetch_sub(self.ports().len(), Ordering::Relaxed);
        let key = (self.event_loop.as_ptr() as usize, self.interest);
        let own = {
            let mut reactors = reactors();
            let own = |known: &Known| known.0 == self.number;
            reactors.get(&key).is_some_and(own).then(|| reactors.remove(&key))
        };
        drop(own);
    }
}

#[pymethods]
impl Reactor {
    /// The loop says that some of its descriptors are ready.
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        let mut ready = Vec::with_capacity(8);
        let mut result = self.epoll.ready(&mut ready).map_err(|error| failed(py, "epoll_wait", &error));
        // Each was told for the last time, so an error must not keep the others from being heard.
        for descriptor in ready {
            result = result.and(self.fire(py, descriptor));
        }
        result
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        if let Ok(ports) = self.ports.try_lock() {
            for wake in ports.values().flat_map(|port| &port.waiters) {
                visit.call(wake)?;
            }
        }
        Ok(())
    }

    fn __clear__(&self) {
        if let Ok(mut ports) = self.ports.try_lock() {
            COUNT.fetch_sub(ports.len(), Ordering::Relaxed);
            let taken = std::mem::take(&mut *ports);
            drop(ports);
            drop(taken);
        }
    }
}

impl Place {
    /// Lets `wake` look once `watch` is ready, on its loop, which is the running one. `shared`: others who say so may watch
    /// the same.
    pub fn take(event_loop: &Bound<'_, PyAny>, wake: &Bound<'_, Wake>, watch: Watch, shared: bool) -> PyResult<Self> {
        let (py, descriptor) = (wake.py(), watch.descriptor);
        let reactor = Reactor::of(event_loop, watch.interest)?;
        let this = reactor.get();
        let file = sys::io::identity(descriptor).map_err(|error| failed(py, "fstat", &error))?;
        lost(py, this, &this.remove(descriptor, |port| port.file != file))?;
        {
            let mut ports = this.ports();
            let port = ports.entry(descriptor.0).or_insert_with(|| {
                COUNT.fetch_add(1, Ordering::Relaxed);
                Port { file, shared, waiters: Vec::with_capacity(1) }
            });
            if !(port.waiters.is_empty() || port.shared && shared) {
                return Err(occupied(watch));
            }
            port.waiters.push(wake.clone().unbind());
        }
        let place = Self { reactor: reactor.clone().unbind(), descriptor };
        if let Err(error) = this.epoll.arm(descriptor, watch.interest) {
            place.leave(wake);
            return Err(failed(py, "epoll_ctl", &error));
        }
        Ok(place)
    }

    /// Ends what `take` began. A readiness that is told all the same finds nobody.
    pub fn leave(&self, wake: &Bound<'_, Wake>) {
        let mut ports = self.reactor.get().ports();
        let Some(port) = ports.get_mut(&self.descriptor.0) else { return };
        let Some(at) = port.waiters.iter().position(|waiter| waiter.is(wake)) else { return };
        let left = port.waiters.swap_remove(at);
        let port = port.waiters.is_empty().then(|| ports.remove(&self.descriptor.0));
        drop(ports);
        if port.is_some() {
            COUNT.fetch_sub(1, Ordering::Relaxed);
        }
        drop((left, port));
    }

    /// Shows the collector what it holds.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.reactor)
    }
}

fn failed(py: Python<'_>, call: &'static str, error: &io::Error) -> PyErr {
    errors::exception(py, Error::os(call, error))
}

fn occupied(watch: Watch) -> PyErr {
    PyRuntimeError::new_err(format!(
        "another task already waits for descriptor {} to become {}; let one task at a time wait, or give each its own socket",
        watch.descriptor.0,
        match watch.interest {
            Interest::Readable => "readable",
            Interest::Writable => "writable",
        },
    ))
}

/// Whether any descriptor is waited for on any loop.
pub fn any() -> bool {
    COUNT.load(Ordering::Relaxed) > 0
}

/// Wakes who waits for `descriptor` on a loop, with `OSError` (EBADF). To be called before it is closed.
pub fn lose(py: Python<'_>, descriptor: Descriptor) -> PyResult<()> {
    let known: Vec<_> = reactors().values().map(|(_, reference)| reference.clone_ref(py)).collect();
    let mut result = Ok(());
    for reference in known {
        if let Some(reactor) = reference.bind(py).upgrade_as::<Reactor>()? {
            let reactor = reactor.get();
            result = result.and(lost(py, reactor, &reactor.remove(descriptor, |_| true)));
        }
    }
    result
}

/// Tells waits that what they wait for is gone.
fn lost(py: Python<'_>, reactor: &Reactor, waiters: &[Py<Wake>]) -> PyResult<()> {
    if waiters.is_empty() {
        return Ok(());
    }
    let alive = reactor.alive(py)?;
    let mut result = Ok(());
    for wake in waiters {
        result = result.and(Wake::lose(wake.bind(py), alive));
    }
    result
}
