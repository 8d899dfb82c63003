//! The two drivers as Python sees them: [`block`] waits with the interpreter lock released, [`Pending`] is awaited on
//! the running asyncio (or uvloop) loop. Both step the same machine; neither knows what it does.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use pyo3::exceptions::{PyBaseException, PyRuntimeError, PyStopIteration};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use super::errors;
use crate::engine::{Interest, Operation, Step, Wait, Watch};
use crate::error::Error;
use crate::net::drive;
use crate::sys;

/// Runs `operation` to its end on this thread, the interpreter lock released; signal handlers run and may raise.
pub fn block<O: Operation + Send>(py: Python<'_>, operation: &mut O) -> PyResult<O::Output>
where
    O::Output: Send,
{
    let mut raised = None;
    let result = py.detach(|| {
        let mut world = drive::System::new(|| {
            raised = Python::attach(|py| py.check_signals()).err();
            raised.is_some()
        });
        drive::block(operation, &mut world)
    });
    match (raised, result) {
        (Some(raised), Err(error)) => {
            leave(py, &raised, &error.partial, error.sent)?;
            Err(raised)
        }
        (_, result) => result.map_err(|error| errors::exception(py, error)),
    }
}

/// Puts what a given up operation leaves behind on the exception that ends it.
fn leave(py: Python<'_>, raised: &PyErr, partial: &[u8], sent: Option<usize>) -> PyResult<()> {
    let value = raised.value(py);
    if let Some(sent) = sent {
        value.setattr(intern!(py, "sent"), sent)?;
    }
    value.setattr(intern!(py, "partial"), PyBytes::new(py, partial))
}

/// An awaitable for `operation`; `convert` makes the Python value of its output.
pub fn pending<O, C>(operation: O, convert: C) -> Pending
where
    O: Operation + Send + 'static,
    O::Output: Send,
    C: Fn(Python<'_>, O::Output) -> PyResult<Py<PyAny>> + Send + 'static,
{
    awaitable(Converted { operation, convert })
}

/// An awaitable for a machine that makes its Python value itself.
pub fn awaitable(machine: impl Machine + 'static) -> Pending {
    Pending { state: Mutex::new(State { machine: Some(Box::new(machine)), parked: None }) }
}

/// A machine whose output is a Python value. As [`Operation`], but stepped with the interpreter.
pub trait Machine: Send {
    /// As [`Operation::step`].
    fn step(&mut self, py: Python<'_>) -> PyResult<Step<Py<PyAny>>>;

    /// As [`Operation::partial`].
    fn partial(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// As [`Operation::sent`].
    fn sent(&mut self) -> Option<usize> {
        None
    }
}

struct Converted<O, C> {
    operation: O,
    convert: C,
}

impl<O, C> Machine for Converted<O, C>
where
    O: Operation + Send,
    O::Output: Send,
    C: Fn(Python<'_>, O::Output) -> PyResult<Py<PyAny>> + Send,
{
    fn step(&mut self, py: Python<'_>) -> PyResult<Step<Py<PyAny>>> {
        let operation = &mut self.operation;
        let step: Result<_, Error> = py.detach(|| operation.step(sys::clock::now()));
        match step.map_err(|error| errors::exception(py, error))? {
            Step::Done(output) => Ok(Step::Done((self.convert)(py, output)?)),
            Step::Wait(wait) => Ok(Step::Wait(wait)),
        }
    }

    fn partial(&mut self) -> Vec<u8> {
        self.operation.partial()
    }

    fn sent(&mut self) -> Option<usize> {
        self.operation.sent()
    }
}

/// An operation to be awaited, once. It does nothing before it is awaited.
///
/// Cancelling removes its readers, writers and timer from the loop; bytes that had come are in the exception's `partial`.
#[pyclass(frozen, module = "eyesocket._native")]
pub struct Pending {
    state: Mutex<State>,
}

struct State {
    machine: Option<Box<dyn Machine>>,
    parked: Option<Parked>,
}

/// What a wait has registered on the loop, to be taken off again.
struct Parked {
    event_loop: Py<PyAny>,
    watches: Vec<Watch>,
    timer: Option<Py<PyAny>>,
}

#[pymethods]
impl Pending {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let mut state = self.state()?;
        state.unpark(py)?;
        let Some(machine) = state.machine.as_mut() else {
            return Err(PyRuntimeError::new_err("cannot await the same operation twice; start a new one"));
        };
        match machine.step(py) {
            Ok(Step::Done(value)) => {
                state.machine = None;
                Err(finished(py, value))
            }
            Ok(Step::Wait(wait)) => match state.park(py, &wait) {
                Ok(future) => Ok(future),
                Err(error) => {
                    // The first error is the one to report; what was registered is off the loop either way.
                    drop(state.unpark(py));
                    state.machine = None;
                    Err(error)
                }
            },
            Err(error) => {
                state.machine = None;
                Err(error)
            }
        }
    }

    fn send(&self, py: Python<'_>, _value: Py<PyAny>) -> PyResult<Py<PyAny>> {
        self.__next__(py)
    }

    #[pyo3(signature = (kind, value=None, traceback=None))]
    fn throw(
        &self,
        py: Python<'_>,
        kind: Bound<'_, PyAny>,
        value: Option<Bound<'_, PyAny>>,
        traceback: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let _ = traceback;
        let (partial, sent) = self.abandon(py)?;
        let raised = match value.filter(|value| !value.is_none()) {
            Some(value) => PyErr::from_value(value),
            None => PyErr::from_value(kind),
        };
        leave(py, &raised, &partial, sent)?;
        Err(raised)
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.abandon(py).map(drop)
    }
}

/// The exception by which an awaitable gives its value. Raised by type and value the interpreter need not make an object
/// of it; a tuple or an exception it would take for the arguments of one.
fn finished(py: Python<'_>, value: Py<PyAny>) -> PyErr {
    let bound = value.bind(py);
    if bound.is_instance_of::<PyTuple>() || bound.is_instance_of::<PyBaseException>() {
        PyStopIteration::new_err((value,))
    } else {
        PyStopIteration::new_err(value)
    }
}

impl Pending {
    /// The state, if nobody is in it: a step lets go of the interpreter, so waiting here could wait for ourselves.
    fn state(&self) -> PyResult<MutexGuard<'_, State>> {
        match self.state.try_lock() {
            Ok(state) => Ok(state),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(PyRuntimeError::new_err("this operation is already being awaited")),
        }
    }

    fn abandon(&self, py: Python<'_>) -> PyResult<(Vec<u8>, Option<usize>)> {
        let mut state = self.state()?;
        state.unpark(py)?;
        let machine = state.machine.take();
        drop(state);
        // A machine may have to wait for a lock whose holder waits for the interpreter.
        Ok(py.detach(|| machine.map(|mut machine| (machine.partial(), machine.sent()))).unwrap_or_default())
    }
}

/// The watches that are on some loop now: a loop keeps one callback a descriptor and direction, so a second wait on the
/// same would silently end the first.
static WATCHED: Mutex<Option<HashSet<(usize, Watch)>>> = Mutex::new(None);

fn claim(event_loop: usize, watch: Watch) -> bool {
    let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    watched.get_or_insert_default().insert((event_loop, watch))
}

fn release(event_loop: usize, watch: Watch) {
    let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(watched) = watched.as_mut() {
        watched.remove(&(event_loop, watch));
    }
}

impl State {
    /// Registers `wait` on the running loop and gives the future that its end will resolve.
    fn park(&mut self, py: Python<'_>, wait: &Wait) -> PyResult<Py<PyAny>> {
        let event_loop = py.import(intern!(py, "asyncio"))?.call_method0(intern!(py, "get_running_loop"))?;
        let future = event_loop.call_method0(intern!(py, "create_future"))?;
        let wake = Bound::new(py, Wake { future: future.clone().unbind() })?;
        let parked =
            self.parked.insert(Parked { event_loop: event_loop.clone().unbind(), watches: Vec::new(), timer: None });
        for watch in wait.watches() {
            if !claim(event_loop.as_ptr() as usize, watch) {
                return Err(PyRuntimeError::new_err(format!(
                    "another task already waits for descriptor {} to become {}; let one task at a time wait, or give each its own socket",
                    watch.descriptor.0,
                    match watch.interest {
                        Interest::Readable => "readable",
                        Interest::Writable => "writable",
                    },
                )));
            }
            parked.watches.push(watch);
            let method = match watch.interest {
                Interest::Readable => intern!(py, "add_reader"),
                Interest::Writable => intern!(py, "add_writer"),
            };
            event_loop.call_method1(method, (watch.descriptor.0, &wake))?;
        }
        if let Some(deadline) = wait.deadline {
            let now: f64 = event_loop.call_method0(intern!(py, "time"))?.extract()?;
            let when = now + deadline.since(sys::clock::now()).as_secs_f64();
            parked.timer = Some(event_loop.call_method1(intern!(py, "call_at"), (when, &wake))?.unbind());
        }
        future.setattr(intern!(py, "_asyncio_future_blocking"), true)?;
        Ok(future.unbind())
    }

    /// Takes off the loop what [`State::park`] put there.
    fn unpark(&mut self, py: Python<'_>) -> PyResult<()> {
        let Some(parked) = self.parked.take() else { return Ok(()) };
        let event_loop = parked.event_loop.bind(py);
        let mut result = Ok(());
        for watch in parked.watches {
            release(event_loop.as_ptr() as usize, watch);
            let method = match watch.interest {
                Interest::Readable => intern!(py, "remove_reader"),
                Interest::Writable => intern!(py, "remove_writer"),
            };
            result = result.and(event_loop.call_method1(method, (watch.descriptor.0,)).map(drop));
        }
        if let Some(timer) = parked.timer {
            result = result.and(timer.call_method0(py, intern!(py, "cancel")).map(drop));
        }
        result
    }
}

/// The callback on the loop: resolves the future of one wait, once.
#[pyclass(frozen, module = "eyesocket._native")]
struct Wake {
    future: Py<PyAny>,
}

#[pymethods]
impl Wake {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        let future = self.future.bind(py);
        if !future.call_method0(intern!(py, "done"))?.is_truthy()? {
            future.call_method1(intern!(py, "set_result"), (py.None(),))?;
        }
        Ok(())
    }
}

/// Adds this topic to the native module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Pending>()
}
