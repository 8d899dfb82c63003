//! The two drivers as Python sees them: [`block`] waits with the interpreter lock released, [`Pending`] is awaited on
//! the running asyncio (or uvloop) loop. Both step the same machine; neither knows what it does.

use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use pyo3::exceptions::{PyBaseException, PyRuntimeError, PyStopIteration};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyTuple};

use super::alarm::Ticket;
use super::errors;
use super::reactor::Place;
use super::socket::raw;
use super::wake::{Ringing, Wake};
use crate::engine::{Operation, Step, Time, Wait};
use crate::error::{Cause, Error};
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
    Pending { state: Mutex::new(State { machine: Some(Box::new(machine)), parked: None, begun: false, waited: false }) }
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

    /// Something of what the last step waits for may have come. What a step would wait for now; None: it is time to step.
    fn look(&mut self, _py: Python<'_>) -> Option<Wait> {
        None
    }

    /// Shows the collector what objects it holds.
    fn traverse(&self, _visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        Ok(())
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

/// An operation to be awaited, once. It does nothing before it is awaited, and lets the loop have a turn now and then even
/// where it need not wait.
///
/// Cancelling removes its readers, writers and timer from the loop; bytes that had come are in the exception's `partial`.
#[pyclass(frozen, module = "eyesocket._native")]
pub struct Pending {
    state: Mutex<State>,
}

struct State {
    machine: Option<Box<dyn Machine>>,
    parked: Option<Parked>,
    begun: bool,
    waited: bool,
}

/// For how long awaits that need not wait may keep the loop's other tasks from running.
const PATIENCE_OF_OTHERS: Duration = Duration::from_millis(5);

thread_local! {
    /// The loop of this thread whose turn goes on since the first await that ended without a wait, and when that was.
    static TURN: Cell<Option<(usize, Time)>> = const { Cell::new(None) };
}

/// Whether the loop's other tasks have waited long enough.
#[inline]
fn others_turn(py: Python<'_>) -> PyResult<bool> {
    let Some((event_loop, since)) = TURN.get() else { return Ok(false) };
    if sys::clock::coarse().since(since) < PATIENCE_OF_OTHERS {
        return Ok(false);
    }
    TURN.set(None);
    // What another loop left behind is over.
    Ok(running_loop(py)?.as_ptr().addr() == event_loop)
}

/// An await has ended without a wait: from the first one on it counts how long that goes on, until the loop's next turn.
fn no_wait(py: Python<'_>) -> PyResult<()> {
    static OVER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let over = OVER.get_or_try_init(py, || Ok::<_, PyErr>(wrap_pyfunction!(turn_is_over, py)?.into_any().unbind()))?;
    let event_loop = running_loop(py)?;
    event_loop.call_method1(intern!(py, "call_soon"), (over,))?;
    TURN.set(Some((event_loop.as_ptr().addr(), sys::clock::coarse())));
    Ok(())
}

#[pyfunction]
fn turn_is_over() {
    TURN.set(None);
}

/// What a wait has registered on the loop, to be taken off again.
struct Parked {
    wake: Py<Wake>,
    wait: Wait,
    places: Vec<Place>,
    deadline: Option<Ticket>,
}

#[pymethods]
impl Pending {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    /// The future to wait for. None: an exception is set, as an iterator's slot may leave it.
    fn __next__(slf: &Bound<'_, Self>) -> PyResult<Option<Py<PyAny>>> {
        let (this, py) = (slf.get(), slf.py());
        let mut state = this.state()?;
        if state.unpark(py) {
            drop(state);
            return Err(this.closed(py)?);
        }
        if !std::mem::replace(&mut state.begun, true) && others_turn(py)? {
            // What `asyncio.sleep(0)` yields: the task goes on in the loop's next turn.
            return Ok(Some(py.None()));
        }
        let Some(machine) = state.machine.as_mut() else {
            return Err(PyRuntimeError::new_err("cannot await the same operation twice; start a new one"));
        };
        match machine.step(py) {
            Ok(Step::Done(value)) => {
                let (machine, waited) = (state.machine.take(), state.waited);
                drop(state);
                drop(machine);
                if !waited && TURN.get().is_none() {
                    // Outside a loop there are no others.
                    drop(no_wait(py));
                }
                finish(value.into_bound(py))
            }
            Ok(Step::Wait(wait)) => match state.park(slf, wait) {
                Ok(future) => Ok(Some(future)),
                Err(error) => {
                    // The first error is the one to report; what was registered is off the loop either way.
                    state.unpark(py);
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

    fn send(slf: &Bound<'_, Self>, _value: Py<PyAny>) -> PyResult<Py<PyAny>> {
        Self::__next__(slf)?.ok_or_else(|| PyErr::fetch(slf.py()))
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

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Ok(state) = self.state.try_lock() {
            if let Some(parked) = &state.parked {
                visit.call(&parked.wake)?;
                if let Some(deadline) = &parked.deadline {
                    deadline.traverse(&visit)?;
                }
                for place in &parked.places {
                    place.traverse(&visit)?;
                }
            }
            if let Some(machine) = &state.machine {
                machine.traverse(&visit)?;
            }
        }
        Ok(())
    }

    fn __clear__(&self) {
        if let Ok(mut state) = self.state.try_lock() {
            let taken = (state.parked.take(), state.machine.take());
            drop(state);
            drop(taken);
        }
    }
}

/// The loop whose task awaits; an error where none runs.
fn running_loop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static FUNCTION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let function = || py.import("asyncio")?.getattr("get_running_loop").map(Bound::unbind);
    FUNCTION.get_or_try_init(py, function)?.bind(py).call0()
}

/// Gives the value of an awaitable, by the exception that says so. Set by type and value the interpreter need not make an
/// object of it; a tuple or an exception it would take for the arguments of one.
fn finish<T>(value: Bound<'_, PyAny>) -> PyResult<Option<T>> {
    if value.is_instance_of::<PyTuple>() || value.is_instance_of::<PyBaseException>() {
        return Err(PyStopIteration::new_err((value.unbind(),)));
    }
    raw::raise_stop(&value);
    Ok(None)
}

impl Pending {
    /// The error of a wait whose descriptor was closed.
    fn closed(&self, py: Python<'_>) -> PyResult<PyErr> {
        let (partial, sent) = self.abandon(py)?;
        let error = errors::exception(py, Error::new("wait", Cause::Os(libc::EBADF)));
        error.add_note(py, "the socket was closed while this task waited for it")?;
        leave(py, &error, &partial, sent)?;
        Ok(error)
    }

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
        state.unpark(py);
        let machine = state.machine.take();
        drop(state);
        let Some(mut machine) = machine else { return Ok((Vec::new(), None)) };
        // A machine may have to wait for a lock whose holder waits for the interpreter.
        Ok(py.detach(|| (machine.partial(), machine.sent())))
    }

    /// What `wake` waits for may have come: whether the task is to go on, or the wait.
    pub fn look(&self, py: Python<'_>, wake: &Bound<'_, Wake>) -> bool {
        // Whoever has the state goes on with it already.
        let Ok(mut state) = self.state.try_lock() else { return true };
        let State { machine: Some(machine), parked: Some(parked), .. } = &mut *state else { return true };
        if !parked.wake.is(wake) || wake.get().lost() {
            return true;
        }
        machine.look(py).is_none_or(|wait| wait != parked.wait)
    }
}

impl State {
    /// Registers `wait` on the running loop and gives the future that its end will resolve.
    fn park(&mut self, pending: &Bound<'_, Pending>, wait: Wait) -> PyResult<Py<PyAny>> {
        let py = pending.py();
        let event_loop = running_loop(py)?;
        let future = event_loop.call_method0(intern!(py, "create_future"))?;
        let wake = Wake::new(&event_loop, &future, pending)?;
        self.waited = true;
        let parked =
            self.parked.insert(Parked { wake: wake.clone().unbind(), wait, places: Vec::new(), deadline: None });
        parked.begin(&event_loop, &wake)?;
        future.setattr(intern!(py, "_asyncio_future_blocking"), true)?;
        Ok(future.unbind())
    }

    /// Takes off the loop what [`State::park`] put there. Whether what was waited for has been closed.
    fn unpark(&mut self, py: Python<'_>) -> bool {
        self.parked.take().is_some_and(|mut parked| {
            parked.end(py);
            parked.wake.get().lost()
        })
    }
}

impl Parked {
    /// Puts what it waits for on the loop.
    fn begin<'py>(&mut self, event_loop: &Bound<'py, PyAny>, wake: &Bound<'py, Wake>) -> PyResult<()> {
        for watch in self.wait.watches() {
            self.places.push(Place::take(event_loop, wake, watch, self.wait.bell.is_some())?);
        }
        if let Some(deadline) = self.wait.deadline {
            self.deadline = Some(Ticket::new(event_loop, wake, deadline)?);
        }
        if let Some(bell) = &self.wait.bell {
            let ringing = Arc::new(Ringing::new(wake)?);
            if bell.listen(Arc::clone(&ringing).into()) {
                std::task::Wake::wake(ringing);
            }
        }
        Ok(())
    }

    /// Takes it off again.
    fn end(&mut self, py: Python<'_>) {
        if let Some(bell) = &self.wait.bell {
            bell.leave();
        }
        for place in self.places.drain(..) {
            place.leave(self.wake.bind(py));
        }
        if let Some(deadline) = self.deadline.take() {
            deadline.cancel();
        }
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        if self.places.is_empty() && self.deadline.is_none() {
            return;
        }
        // Whoever waited is gone without a word (its loop was given up, or the collector came); nobody is left to tell.
        Python::try_attach(|py| self.end(py));
    }
}

/// Adds this topic to the native module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Pending>()
}
