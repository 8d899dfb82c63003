//! Receiving on a framed socket, blocked or awaited: what is decoded already at once, the rest through the drivers.

use std::sync::Arc;

use pyo3::exceptions::{PyMemoryError, PyStopAsyncIteration};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use super::face::Face;
use super::inbox::Failure;
use super::socket::FramedSocket;
use crate::engine::{Operation, Step, Wait};
use crate::error::{Cause, Error};
use crate::net::framed::{Fill, Patience};
use crate::net::sink::Sink;
use crate::python::arguments::{self, Timeout};
use crate::python::drive::{self, Machine, Pending};
use crate::python::socket::growing::Growing;
use crate::sys;

/// What one batch has at most: frames that are given up soon lie in the cache and are there again for the next ones, and the
/// allocator need not give memory back.
const BATCH_BYTES: usize = 64 * 1024;

/// What a receive gives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Want {
    One,
    /// The end of the stream ends an iteration.
    Next,
    Many(usize),
}

/// How many frames a batch has at most.
pub struct Most(pub usize);

impl Most {
    /// Where none is given.
    pub const USUAL: Self = Self(1024);
}

impl<'py> FromPyObject<'_, 'py> for Most {
    type Error = PyErr;

    // None at all would look like the end of the stream.
    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        arguments::count("most", &object.to_owned(), 1, usize::MAX).map(Self)
    }
}

/// Memory of another kind than we make.
fn no_memory() -> PyErr {
    PyMemoryError::new_err("a frame is in memory that Python cannot have")
}

impl FramedSocket {
    pub(super) fn receive<'py>(
        &self,
        py: Python<'py>,
        want: Want,
        timeout: Option<Timeout>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Some(value) = self.take(py, want)? {
            return Ok(value);
        }
        let mut fill = Fill::new(self.framed.clone(), self.patience(timeout)?);
        loop {
            drive::block(py, &mut fill)?;
            // A handler that raises when this returns would take the frame along: it has its turn while nothing is taken.
            py.check_signals()?;
            // Another thread may have been quicker.
            if let Some(value) = self.take(py, want)? {
                return Ok(value);
            }
        }
    }

    pub(super) fn receiving(slf: Py<Self>, want: Want, timeout: Option<Timeout>) -> PyResult<Pending> {
        let patience = slf.get().limit(timeout)?;
        Ok(drive::awaitable(Receiving { socket: slf, want, patience, fill: None, failed: None }))
    }

    /// What is there already; `None`: nothing yet.
    fn take<'py>(&self, py: Python<'py>, want: Want) -> PyResult<Option<Bound<'py, PyAny>>> {
        if self.framed.landed()
            && !self.inbox().has_refused(py)
            && let Some((tag, memory)) = py.detach(|| self.framed.take_large())
        {
            return self.large(py, want, tag, memory).map(Some);
        }
        let most = match want {
            Want::Many(most) => most,
            Want::One | Want::Next if !self.face.typed() => return self.take_one(py, want),
            Want::One | Want::Next => 1,
        };
        let values = self.inbox().take(py, most, BATCH_BYTES).map_err(|failure| match failure {
            Failure::Stream(error) => self.failed(py, error),
            Failure::Value(error) => error,
        })?;
        if !values.is_empty() {
            return match want {
                Want::Many(_) => Ok(Some(values.into_any())),
                Want::One | Want::Next => values.get_item(0).map(Some),
            };
        }
        if !self.inbox().at_end(py) {
            return Ok(None);
        }
        match want {
            Want::Many(_) => Ok(Some(PyList::empty(py).into_any())),
            Want::One | Want::Next => Err(self.ended(py, want)),
        }
    }

    /// One frame, which no function of Python has to see.
    #[inline]
    fn take_one<'py>(&self, py: Python<'py>, want: Want) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut inbox = self.inbox().core(py);
        let taken = inbox.take(|frame| Face::raw(py, frame));
        let ended = matches!(taken, Ok(None)) && inbox.at_end();
        drop(inbox);
        match taken {
            Ok(Some(frame)) => self.face.value(py, frame).map(Some),
            Ok(None) if ended => Err(self.ended(py, want)),
            Ok(None) => Ok(None),
            Err(error) => Err(self.failed(py, error)),
        }
    }

    #[cold]
    fn large<'py>(&self, py: Python<'py>, want: Want, tag: u64, memory: Box<dyn Sink>) -> PyResult<Bound<'py, PyAny>> {
        let bytes = match memory.into_any().downcast::<Growing>() {
            Ok(growing) => growing.finish(py).map_err(|_| PyErr::fetch(py))?.cast_into::<PyBytes>()?,
            Err(other) => PyBytes::new(py, &other.downcast::<Vec<u8>>().map_err(|_| no_memory())?),
        };
        let value = self.face.value(py, (tag, bytes.clone())).inspect_err(|error| {
            // The frame is nowhere else; an exception that cannot carry it is still the one to raise.
            drop(error.value(py).setattr(intern!(py, "partial"), bytes));
        })?;
        match want {
            Want::Many(_) => Ok(PyList::new(py, [value])?.into_any()),
            Want::One | Want::Next => Ok(value),
        }
    }

    pub(super) fn ended(&self, py: Python<'_>, want: Want) -> PyErr {
        match want {
            Want::Next => PyStopAsyncIteration::new_err(()),
            Want::One | Want::Many(_) => self.failed(py, Error::new("recv", Cause::Ended)),
        }
    }
}

/// A receive to be awaited.
struct Receiving {
    socket: Py<FramedSocket>,
    want: Want,
    patience: Patience,
    /// From the first time on that nothing was there.
    fill: Option<Fill>,
    /// What a look found wrong, for the next step.
    failed: Option<Error>,
}

impl Receiving {
    fn fill(&mut self, py: Python<'_>) -> Result<Step<()>, Error> {
        let (framed, patience) = (&self.socket.get().framed, self.patience);
        let fill = self.fill.get_or_insert_with(|| Fill::new(Arc::clone(framed), patience));
        py.detach(|| fill.step(sys::clock::now()))
    }
}

impl Machine for Receiving {
    fn step(&mut self, py: Python<'_>) -> PyResult<Step<Py<PyAny>>> {
        if let Some(error) = self.failed.take() {
            return Err(self.socket.get().failed(py, error));
        }
        loop {
            if let Some(value) = self.socket.get().take(py, self.want)? {
                return Ok(Step::Done(value.unbind()));
            }
            match self.fill(py).map_err(|error| self.socket.get().failed(py, error))? {
                Step::Done(()) => {}
                Step::Wait(wait) => return Ok(Step::Wait(wait)),
            }
        }
    }

    /// Receives what has come, so that the task goes on when its frame is whole and not before.
    fn look(&mut self, py: Python<'_>) -> Option<Wait> {
        match self.fill(py) {
            Ok(Step::Done(())) => None,
            Ok(Step::Wait(wait)) => Some(wait),
            Err(error) => {
                self.failed = Some(error);
                None
            }
        }
    }

    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.socket)
    }
}
