//! A task's wait on an asyncio (or uvloop) loop, and what ends it.
//!
//! Three things do: a descriptor (`reactor.rs`) or a bell, which let the machine look first, and a deadline (`alarm.rs`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};

use super::drive::Pending;

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

    /// Something may be ready: the machine looks, and the task goes on if that is so. Whether it does.
    pub fn look(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let (this, py) = (slf.get(), slf.py());
        if !this.pending.get().look(py, slf) {
            return Ok(false);
        }
        this.resolve(py).map(|()| true)
    }

    /// What it waits for is gone: the task goes on to learn that, at its loop's next turn if that runs in another thread.
    /// `alive`: the loop can be told.
    pub fn lose(slf: &Bound<'_, Self>, alive: bool) -> PyResult<()> {
        let (this, py) = (slf.get(), slf.py());
        this.lost.store(true, Ordering::Release);
        if !alive {
            return Ok(());
        }
        if elsewhere(py, &this.event_loop)? {
            return this.event_loop.call_method1(py, intern!(py, "call_soon_threadsafe"), (slf,)).map(drop);
        }
        this.resolve(py)
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

/// Whether the loop runs, but not in this thread.
fn elsewhere(py: Python<'_>, event_loop: &Py<PyAny>) -> PyResult<bool> {
    if !event_loop.call_method0(py, intern!(py, "is_running"))?.is_truthy(py)? {
        return Ok(false);
    }
    let running = py.import(intern!(py, "asyncio"))?.call_method0(intern!(py, "_get_running_loop"))?;
    Ok(!running.is(event_loop))
}
