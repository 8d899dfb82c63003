//! Who waits for which descriptor on which asyncio (or uvloop) loop.
//!
//! A loop knows descriptors by their numbers and keeps one callback a number and direction. So a second wait on the same
//! would silently end the first, and a number that is closed before it is off the loop is watched, or not, for whoever
//! gets it next. Hence the table here: [`watch`] lets waits share a callback or refuses the second, and throws out waits
//! for a file that the number no longer names; [`close`] takes a number off all loops, and wakes who waited, before it is
//! closed.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::os::fd::{IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};

use super::drive::Pending;
use super::errors;
use crate::engine::{Descriptor, Interest, Watch};
use crate::error::Error;
use crate::sys;
use crate::sys::io::Identity;

/// A wait on a loop: what ends it, once.
#[pyclass(frozen, weakref, module = "eyesocket._native")]
pub struct Wake {
    event_loop: Py<PyAny>,
    future: Py<PyAny>,
    pending: Py<Pending>,
    lost: AtomicBool,
}

impl Wake {
    /// For a wait of `pending` on `event_loop`, which is the running one.
    pub fn new<'py>(
        event_loop: &Bound<'py, PyAny>,
        future: &Bound<'py, PyAny>,
        pending: &Bound<'py, Pending>,
    ) -> PyResult<Bound<'py, Self>> {
        let wake = Self {
            event_loop: event_loop.clone().unbind(),
            future: future.clone().unbind(),
            pending: pending.clone().unbind(),
            lost: AtomicBool::new(false),
        };
        Bound::new(event_loop.py(), wake)
    }

    /// Whether what was watched has been closed.
    pub fn lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Something may be ready: the machine looks, and the task goes on if that is so.
    fn look(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (this, py) = (slf.get(), slf.py());
        if this.pending.get().look(py, slf) { this.resolve(py) } else { Ok(()) }
    }

    /// Lets the task go on.
    pub fn resolve(&self, py: Python<'_>) -> PyResult<()> {
        let future = self.future.bind(py);
        if !future.call_method0(intern!(py, "done"))?.is_truthy()? {
            future.call_method1(intern!(py, "set_result"), (py.None(),))?;
        }
        Ok(())
    }
}

#[pymethods]
impl Wake {
    /// The task goes on: the deadline has come, or a bell was rung.
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        self.resolve(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        visit.call(&self.future)?;
        visit.call(&self.pending)
    }
}

/// What a bell rings on a loop.
pub struct Ringing {
    wake: Py<PyWeakrefReference>,
}

impl Ringing {
    /// For `wake`, which it does not keep.
    pub fn new(wake: &Bound<'_, Wake>) -> PyResult<Self> {
        Ok(Self { wake: PyWeakrefReference::new(wake)?.unbind() })
    }

    fn ring(&self, py: Python<'_>) -> PyResult<()> {
        let Some(wake) = self.wake.bind(py).upgrade_as::<Wake>()? else { return Ok(()) };
        let this = wake.get();
        if this.event_loop.call_method0(py, intern!(py, "is_closed"))?.is_truthy(py)? {
            return Ok(());
        }
        // Behind whoever rings, who may be a task that has come before.
        let method = match elsewhere(py, &this.event_loop)? {
            true => intern!(py, "call_soon_threadsafe"),
            false => intern!(py, "call_soon"),
        };
        this.event_loop.call_method1(py, method, (&wake,)).map(drop)
    }
}

impl std::task::Wake for Ringing {
    fn wake(self: Arc<Self>) {
        // A loop that was closed just now has nobody left who waits.
        Python::try_attach(|py| drop(self.ring(py)));
    }
}

/// The callback on a loop for one descriptor and direction, and the waits it ends.
#[pyclass(frozen, weakref, module = "eyesocket._native")]
pub struct Port {
    event_loop: Py<PyAny>,
    watch: Watch,
    /// Whether several may wait, and it stays on the loop when none does.
    shared: bool,
    /// A child of fork(2) shares the loop's epoll(7) with its parent and must not touch it.
    process: u32,
    waiters: Mutex<Vec<Py<Wake>>>,
}

impl Port {
    fn waiters(&self) -> MutexGuard<'_, Vec<Py<Wake>>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the loop can still be told anything, by this process.
    fn alive(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.process == sys::process::generation()
            && !self.event_loop.call_method0(py, intern!(py, "is_closed"))?.is_truthy(py)?)
    }

    /// Off the loop.
    fn off(&self, py: Python<'_>) -> PyResult<()> {
        let method = match self.watch.interest {
            Interest::Readable => intern!(py, "remove_reader"),
            Interest::Writable => intern!(py, "remove_writer"),
        };
        if !self.alive(py)? {
            return Ok(());
        }
        self.event_loop.call_method1(py, method, (self.watch.descriptor.0,)).map(drop)
    }

    /// Off the loop, because what it watches is gone; who waits is told. To be called where the loop may be.
    fn lose(&self, py: Python<'_>) -> PyResult<()> {
        let mut result = self.off(py);
        let alive = self.alive(py)?;
        let waiters = std::mem::take(&mut *self.waiters());
        for wake in waiters {
            let wake = wake.get();
            wake.lost.store(true, Ordering::Release);
            if alive {
                result = result.and(wake.resolve(py));
            }
        }
        result
    }

    fn add(&self, wake: &Bound<'_, Wake>) {
        self.waiters().push(wake.clone().unbind());
    }

    /// Whether nobody waits now.
    fn remove(&self, wake: &Bound<'_, Wake>) -> bool {
        let mut waiters = self.waiters();
        let at = waiters.iter().position(|waiter| waiter.is(wake));
        let removed = at.map(|at| waiters.remove(at));
        let empty = waiters.is_empty();
        drop(waiters);
        drop(removed);
        empty
    }
}

#[pymethods]
impl Port {
    fn __call__(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (this, py) = (slf.get(), slf.py());
        let waiters: Vec<_> = this.waiters().iter().map(|wake| wake.clone_ref(py)).collect();
        if waiters.is_empty() {
            return retire(slf);
        }
        let mut result = Ok(());
        for wake in &waiters {
            result = result.and(Wake::look(wake.bind(py)));
        }
        result
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        if let Ok(waiters) = self.waiters.try_lock() {
            for wake in &*waiters {
                visit.call(wake)?;
            }
        }
        Ok(())
    }
}

/// A port that is on a loop now. It keeps nothing alive: the loop and whoever waits do.
struct Entry {
    event_loop: usize,
    interest: Interest,
    file: Identity,
    port: Py<PyWeakrefReference>,
}

impl Entry {
    fn is(&self, port: &Bound<'_, Port>) -> bool {
        // The object, not the reference to it, of which there may be several.
        self.port.bind(port.py()).upgrade().is_some_and(|other| other.is(port))
    }
}

type Table = HashMap<i32, Vec<Entry>>;

static WATCHED: Mutex<Option<Table>> = Mutex::new(None);
/// How many entries there are, for who only wants to know whether there is any.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// The table. Held for no call of Python, nor while an entry is dropped.
fn table() -> MutexGuard<'static, Option<Table>> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes out the entries of `descriptor` that `which` picks.
fn take(descriptor: Descriptor, mut which: impl FnMut(&Entry) -> bool) -> Vec<Entry> {
    let mut watched = table();
    let Some(entries) = watched.as_mut().and_then(|watched| watched.get_mut(&descriptor.0)) else { return Vec::new() };
    let taken: Vec<Entry> = entries.extract_if(.., |entry| which(entry)).collect();
    if entries.is_empty()
        && let Some(watched) = watched.as_mut()
    {
        watched.remove(&descriptor.0);
    }
    COUNT.fetch_sub(taken.len(), Ordering::Relaxed);
    taken
}

/// Takes a port of which the loop knows off it, and out of the table.
fn retire(port: &Bound<'_, Port>) -> PyResult<()> {
    let taken = take(port.get().watch.descriptor, |entry| entry.is(port));
    if taken.is_empty() { Ok(()) } else { port.get().off(port.py()) }
}

/// Puts `watch` on the loop of `wake`, which is the running one. `shared`: others who say so may watch the same.
pub fn watch<'py>(wake: &Bound<'py, Wake>, watch: Watch, shared: bool) -> PyResult<Bound<'py, Port>> {
    let py = wake.py();
    let event_loop = &wake.get().event_loop;
    let (descriptor, key) = (watch.descriptor, event_loop.as_ptr() as usize);
    let file = sys::io::identity(descriptor)?;
    for stale in take(descriptor, |entry| entry.event_loop == key && entry.file != file) {
        if let Some(port) = stale.port.bind(py).upgrade_as::<Port>()? {
            port.get().lose(py)?;
        }
    }
    let here = |entry: &Entry| entry.event_loop == key && entry.interest == watch.interest;
    let known = {
        let watched = table();
        let entries = watched.as_ref().and_then(|watched| watched.get(&descriptor.0));
        entries.and_then(|entries| entries.iter().find(|entry| here(entry))).map(|entry| entry.port.clone_ref(py))
    };
    if let Some(known) = known {
        if let Some(port) = known.bind(py).upgrade_as::<Port>()? {
            let port = port.to_owned();
            if port.get().shared && shared {
                port.get().add(wake);
                return Ok(port);
            }
            if !port.get().waiters().is_empty() {
                return Err(occupied(watch));
            }
            retire(&port)?;
        } else {
            drop(take(descriptor, here));
        }
    }
    let port = Port {
        event_loop: event_loop.clone_ref(py),
        watch,
        shared,
        process: sys::process::generation(),
        waiters: Mutex::new(vec![wake.clone().unbind()]),
    };
    let port = Bound::new(py, port)?;
    let entry =
        Entry { event_loop: key, interest: watch.interest, file, port: PyWeakrefReference::new(&port)?.unbind() };
    table().get_or_insert_default().entry(descriptor.0).or_default().push(entry);
    COUNT.fetch_add(1, Ordering::Relaxed);
    let method = match watch.interest {
        Interest::Readable => intern!(py, "add_reader"),
        Interest::Writable => intern!(py, "add_writer"),
    };
    if let Err(error) = event_loop.call_method1(py, method, (descriptor.0, &port)) {
        drop(take(descriptor, |entry| entry.is(&port)));
        return Err(error);
    }
    Ok(port)
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

/// Ends what `watch` began.
pub fn unwatch(wake: &Bound<'_, Wake>, port: &Bound<'_, Port>) -> PyResult<()> {
    // A shared port stays: the next wait finds it on the loop. If something comes and nobody waits it takes itself off.
    if port.get().remove(wake) && !port.get().shared { retire(port) } else { Ok(()) }
}

/// Whether any descriptor is watched on any loop.
pub fn any() -> bool {
    COUNT.load(Ordering::Relaxed) > 0
}

/// What is done with a descriptor once no loop watches it.
pub enum End {
    /// The `close` of the socket object it belongs to.
    Close(Py<PyAny>),
    /// close(2).
    Descriptor(OwnedFd),
    /// Nothing; but the object must not be gone before.
    Keep(Py<PyAny>),
}

/// Takes `descriptor` off all loops, then does as `end` says. Who waits for it on a loop gets `OSError` (EBADF).
///
/// A loop that runs in another thread takes it off, and closes it, at its next turn.
pub fn close(py: Python<'_>, descriptor: Descriptor, end: End) -> PyResult<()> {
    let mut result = Ok(());
    loop {
        let first = table()
            .as_ref()
            .and_then(|watched| watched.get(&descriptor.0)?.first())
            .map(|entry| (entry.event_loop, entry.port.clone_ref(py)));
        let Some((key, port)) = first else { break };
        if let Some(port) = port.bind(py).upgrade_as::<Port>()? {
            let port = port.get();
            if port.alive(py)? && elsewhere(py, &port.event_loop)? {
                let closing = Bound::new(py, Closing { descriptor, end: Mutex::new(Some(end)) })?;
                let told = port.event_loop.call_method1(py, intern!(py, "call_soon_threadsafe"), (&closing,));
                return match told {
                    Ok(_) => result,
                    // It was closed just now, and so watches nothing any more.
                    Err(_) => closing.get().__call__(py),
                };
            }
        }
        for entry in take(descriptor, |entry| entry.event_loop == key) {
            if let Some(port) = entry.port.bind(py).upgrade_as::<Port>()? {
                result = result.and(port.get().lose(py));
            }
        }
    }
    end.happen(py)?;
    result
}

impl End {
    /// Does it.
    pub fn happen(self, py: Python<'_>) -> PyResult<()> {
        match self {
            Self::Close(object) => object.call_method0(py, intern!(py, "close")).map(drop),
            Self::Descriptor(descriptor) => {
                let closed = py.detach(|| sys::socket::close(descriptor.into_raw_fd()));
                match closed {
                    // That the peer has reset the connection by now is no failure of closing.
                    Err(error) if error.kind() != ErrorKind::ConnectionReset => {
                        Err(errors::exception(py, Error::os("close", &error)))
                    }
                    _ => Ok(()),
                }
            }
            Self::Keep(_object) => Ok(()),
        }
    }
}

/// Whether the loop runs, but not in this thread.
fn elsewhere(py: Python<'_>, event_loop: &Py<PyAny>) -> PyResult<bool> {
    if !event_loop.call_method0(py, intern!(py, "is_running"))?.is_truthy(py)? {
        return Ok(false);
    }
    let running = py.import(intern!(py, "asyncio"))?.call_method0(intern!(py, "_get_running_loop"))?;
    Ok(!running.is(event_loop))
}

/// The rest of [`close`], on a loop that runs in another thread.
#[pyclass(frozen, module = "eyesocket._native")]
struct Closing {
    descriptor: Descriptor,
    end: Mutex<Option<End>>,
}

#[pymethods]
impl Closing {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        let end = self.end.lock().unwrap_or_else(PoisonError::into_inner).take();
        end.map_or(Ok(()), |end| close(py, self.descriptor, end))
    }
}
