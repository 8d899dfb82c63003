//! `recv_into`, blocked or awaited: a frame into a buffer of the caller's.

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::receiving::Want;
use super::socket::FramedSocket;
use crate::engine::{Operation, Step, Wait};
use crate::error::Error;
use crate::net::framed::{FillRoom, Patience, Taken, take_whole};
use crate::python::drive::{self, Machine, Pending};
use crate::python::errors;
use crate::python::socket::lent::Lent;
use crate::sys;

impl FramedSocket {
    fn room(&self, buffer: &Bound<'_, PyAny>) -> PyResult<Lent> {
        if self.face.typed() {
            return Err(PyTypeError::new_err(
                "recv_into is for frames of bytes, not for the values of Typed; use recv",
            ));
        }
        if self.encrypts { Lent::with_memoryview(buffer) } else { Lent::new(buffer) }
    }

    pub(super) fn receive_into<'py>(
        &self,
        py: Python<'py>,
        buffer: &Bound<'py, PyAny>,
        patience: Patience,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut room = self.room(buffer)?;
        if !self.framed.landed() {
            let taken = take_whole(&mut self.inbox().core(py), &mut room);
            if let Some(taken) = taken {
                return self.taken(py, taken);
            }
        }
        let mut filling = FillRoom::new(self.framed.clone(), Box::new(room), patience);
        let taken = Self::fill(py, &mut filling);
        py.detach(|| drop(filling));
        self.taken(py, taken?)
    }

    fn fill(py: Python<'_>, filling: &mut FillRoom) -> PyResult<Taken> {
        loop {
            if let Some(taken) = py.detach(|| filling.take()) {
                return Ok(taken);
            }
            drive::block(py, &mut filling.looking())?;
            // A handler that raises when this returns would take the length along: it has its turn while nothing is taken.
            py.check_signals()?;
        }
    }

    pub(super) fn receiving_into(slf: Py<Self>, buffer: &Bound<'_, PyAny>, patience: Patience) -> PyResult<Pending> {
        let room = slf.get().room(buffer)?;
        let filling = Some(FillRoom::new(slf.get().framed.clone(), Box::new(room), patience));
        Ok(drive::awaitable(ReceivingInto { socket: slf, filling, failed: None }))
    }

    /// The length of what was taken, beside its type where the format has one.
    fn taken<'py>(&self, py: Python<'py>, taken: Taken) -> PyResult<Bound<'py, PyAny>> {
        match taken {
            Taken::Frame { tag, length } if self.face.core.tagged() => (tag, length).into_bound_py_any(py),
            Taken::Frame { length, .. } => length.into_bound_py_any(py),
            Taken::End => Err(self.ended(py, Want::One)),
            Taken::Failed(error) => Err(self.failed(py, error)),
        }
    }
}

/// A receive into a buffer, to be awaited.
struct ReceivingInto {
    socket: Py<FramedSocket>,
    filling: Option<FillRoom>,
    /// What a look found wrong, for the next step.
    failed: Option<Error>,
}

impl Machine for ReceivingInto {
    fn step(&mut self, py: Python<'_>) -> PyResult<Step<Py<PyAny>>> {
        let socket = self.socket.get();
        let Some(filling) = &mut self.filling else { return Ok(Step::Done(py.None())) };
        let step = match self.failed.take() {
            Some(error) => Err(error),
            None => py.detach(|| filling.step(sys::clock::now())),
        };
        match step.map_err(|error| errors::exception(py, error))? {
            Step::Done(taken) => {
                // The buffer is the caller's again when the result is.
                let filling = self.filling.take();
                py.detach(|| drop(filling));
                socket.taken(py, taken).map(|length| Step::Done(length.unbind()))
            }
            Step::Wait(wait) => Ok(Step::Wait(wait)),
        }
    }

    fn look(&mut self, py: Python<'_>) -> Option<Wait> {
        let filling = self.filling.as_mut()?;
        match py.detach(|| filling.look(sys::clock::now())) {
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

impl Drop for ReceivingInto {
    fn drop(&mut self) {
        // What has come leaves the buffer under a lock whose holder may wait for the interpreter.
        let mut filling = self.filling.take();
        if filling.is_some() && Python::try_attach(|py| py.detach(|| drop(filling.take()))).is_none() {
            // The interpreter is gone, and with it whoever could receive the rest.
            std::mem::forget(filling);
        }
    }
}
