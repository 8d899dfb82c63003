//! A connection that HTTP handed over and that TLS still wraps.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::net::upgraded::Upgraded;
use crate::python::arguments;
use crate::python::drive::{self, Pending};

/// A connection over TLS, with a socket's words.
#[pyclass(frozen, module = "eyesocket._native")]
pub struct HttpUpgraded {
    upgraded: Upgraded,
    timeout: Mutex<Option<Duration>>,
}

impl HttpUpgraded {
    pub(super) fn new(upgraded: Upgraded) -> Self {
        Self { upgraded, timeout: Mutex::new(None) }
    }

    fn timeout(&self) -> Option<Duration> {
        *self.timeout.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl HttpUpgraded {
    /// Receives at most `most` bytes; none at the end of the stream.
    fn recv<'py>(&self, py: Python<'py>, most: usize) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = drive::block(py, &mut self.upgraded.receive(most, self.timeout()))?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// The same, to be awaited.
    fn recv_async(&self, most: usize) -> Pending {
        drive::pending(self.upgraded.receive(most, self.timeout()), |py, bytes| {
            Ok(PyBytes::new(py, &bytes).into_any().unbind())
        })
    }

    /// Sends all of `data`.
    fn sendall(&self, py: Python<'_>, data: PyBackedBytes) -> PyResult<()> {
        drive::block(py, &mut self.upgraded.send(data, self.timeout()))
    }

    /// The same, to be awaited.
    fn sendall_async(&self, data: PyBackedBytes) -> Pending {
        drive::pending(self.upgraded.send(data, self.timeout()), |py, ()| Ok(py.None()))
    }

    /// Limits how long one call may take, in seconds; None is no limit.
    #[pyo3(signature = (timeout, /))]
    fn settimeout(&self, timeout: Option<f64>) -> PyResult<()> {
        *self.timeout.lock().unwrap_or_else(PoisonError::into_inner) = arguments::timeout(timeout)?;
        Ok(())
    }

    /// The limit, in seconds.
    fn gettimeout(&self) -> Option<f64> {
        self.timeout().map(|timeout| timeout.as_secs_f64())
    }

    /// The descriptor below, -1 when it is closed.
    fn fileno(&self) -> i32 {
        self.upgraded.descriptor().map_or(-1, |descriptor| descriptor.0)
    }

    /// Says goodbye (close_notify) and closes.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.upgraded.close());
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_words))]
    fn __exit__(&self, py: Python<'_>, _words: &Bound<'_, pyo3::types::PyTuple>) {
        self.close(py);
    }

    fn __repr__(&self) -> String {
        match self.fileno() {
            -1 => "<TLSConnection, closed>".to_owned(),
            descriptor => format!("<TLSConnection, fd={descriptor}>"),
        }
    }
}
