//! Requests on their way: whole ones, and those whose body is fed in pieces.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::sync::MutexExt;

use super::response::HttpResponse;
use crate::engine::{Operation, Step, Time, Wait, Woken};
use crate::error::{Error, Result};
use crate::net::client::{Fetch, Fetched, Response};
use crate::python::drive::{self, Pending};
use crate::python::errors;

/// A fetch whose body is known beforehand.
pub struct Whole(pub Fetch);

impl Operation for Whole {
    type Output = Box<Response>;

    fn step(&mut self, now: Time) -> Result<Step<Box<Response>>> {
        match self.0.step(now)? {
            Step::Done(Fetched::Response(response)) => Ok(Step::Done(response)),
            Step::Done(Fetched::Hungry) => Err(Error::invalid("content", "a body in pieces has to be fed")),
            Step::Wait(wait) => Ok(Step::Wait(wait)),
        }
    }

    fn receive(&mut self, wait: &Wait, now: Time) -> Option<Woken> {
        self.0.receive(wait, now)
    }

    fn partial(&mut self) -> Vec<u8> {
        self.0.partial()
    }
}

/// Something that more than one call works on, one at a time.
struct Shared<M>(Arc<Mutex<M>>);

impl<M> Shared<M> {
    fn lock(&self) -> MutexGuard<'_, M> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Operation for Shared<Fetch> {
    type Output = Fetched;

    fn step(&mut self, now: Time) -> Result<Step<Fetched>> {
        self.lock().step(now)
    }

    fn partial(&mut self) -> Vec<u8> {
        self.lock().partial()
    }
}

/// A request whose body is fed in pieces: run, and while it gives None, feed and run again.
#[pyclass(frozen, module = "eyesocket._native")]
pub struct HttpUpload {
    pub(super) fetch: Arc<Mutex<Fetch>>,
}

impl HttpUpload {
    /// A step takes memory from the interpreter under this lock, so nobody waits for it with the interpreter in hand.
    fn fetch(&self, py: Python<'_>) -> MutexGuard<'_, Fetch> {
        self.fetch.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl HttpUpload {
    /// Goes on: the response, or None when more of the body is wanted.
    fn run(&self, py: Python<'_>) -> PyResult<Option<HttpResponse>> {
        match drive::block(py, &mut Shared(Arc::clone(&self.fetch)))? {
            Fetched::Response(response) => Ok(Some(HttpResponse::new(py, response)?)),
            Fetched::Hungry => Ok(None),
        }
    }

    /// The same, to be awaited.
    fn run_async(&self) -> Pending {
        drive::pending(Shared(Arc::clone(&self.fetch)), |py, fetched| match fetched {
            Fetched::Response(response) => Ok(Bound::new(py, HttpResponse::new(py, response)?)?.into_any().unbind()),
            Fetched::Hungry => Ok(py.None()),
        })
    }

    /// Whether the body is wanted from its beginning, for another attempt. To be asked when `run` has given None.
    fn anew(&self, py: Python<'_>) -> bool {
        self.fetch(py).take_anew()
    }

    /// The next piece; an empty one is nothing.
    fn feed(&self, py: Python<'_>, piece: PyBackedBytes) -> PyResult<()> {
        self.fetch(py).feed(&piece).map_err(|error| errors::exception(py, error))
    }

    /// Gives up, and closes the connection.
    fn abandon(&self, py: Python<'_>) {
        self.fetch(py).abandon();
    }

    /// There is no more.
    fn feed_end(&self, py: Python<'_>) -> PyResult<()> {
        self.fetch(py).feed_end().map_err(|error| errors::exception(py, error))
    }
}
