//! `PathMtuSession`.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::super::drive::Pending;
use super::session::Session;
use super::{event, option};
use crate::net::prober::path_mtu::PathMtuFinder;
use crate::net::prober::reach::Reach;
use crate::sys::option::Discovery;

/// A search for the path's MTU, event by event.
#[pyclass(frozen, module = "eyesocket._native")]
pub struct PathMtuSession {
    session: Session<PathMtuFinder>,
}

#[pymethods]
impl PathMtuSession {
    #[new]
    #[pyo3(signature = (host, *, method="icmp", port=None, timeout=1.0, tries=2, family=None, **options))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of a Python function")]
    fn new(
        py: Python<'_>,
        host: String,
        method: &str,
        port: Option<u16>,
        timeout: f64,
        tries: u8,
        family: Option<i64>,
        options: Option<Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let mut options = option::options(&options.unwrap_or_else(|| PyDict::new(py)))?;
        options.discovery = Some(Discovery::Probe);
        let method = option::method(method, port, Some(33_434))?;
        let family = option::family(family)?;
        let timeout = option::seconds("timeout", timeout)?;
        let reach = Reach { host, family, method, size: 0, pattern: None, steady: true, timeout, options };
        let finder =
            PathMtuFinder::new(reach, timeout, tries).map_err(|error| super::super::errors::exception(py, error))?;
        Ok(Self { session: Session::new(finder) })
    }

    /// The next event, or None when it is over.
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        self.session.next(py, event::path_mtu)
    }

    /// The same, to be awaited.
    fn next_async(&self) -> Pending {
        self.session.next_async(event::path_mtu)
    }

    /// The address that is probed, or None before it is known.
    #[getter]
    fn address(&self) -> Option<String> {
        self.session.lock().target().map(|target| target.ip().to_string())
    }

    /// The largest packet that got through, or None if none did.
    #[getter]
    fn found(&self) -> Option<usize> {
        self.session.lock().found()
    }
}
