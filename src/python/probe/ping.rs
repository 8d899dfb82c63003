//! `PingSession`.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::super::drive::Pending;
use super::session::Session;
use super::{event, option};
use crate::net::prober::ping::Pinger;
use crate::net::prober::reach::Reach;
use crate::probe::ping::Plan;

/// A ping, event by event.
#[pyclass(frozen, module = "eyesocket._native")]
pub struct PingSession {
    session: Session<Pinger>,
}

#[pymethods]
impl PingSession {
    #[new]
    #[pyo3(signature = (host, *, count=None, interval=1.0, timeout=1.0, deadline=None, linger=0.0, size=56, pattern=None,
                        family=None, method="icmp", port=None, **options))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of a Python function")]
    fn new(
        py: Python<'_>,
        host: String,
        count: Option<u64>,
        interval: f64,
        timeout: f64,
        deadline: Option<f64>,
        linger: f64,
        size: usize,
        pattern: Option<Vec<u8>>,
        family: Option<i64>,
        method: &str,
        port: Option<u16>,
        options: Option<Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let plan = Plan {
            count,
            interval: option::seconds("interval", interval)?,
            timeout: option::seconds("timeout", timeout)?,
            deadline: deadline.map(|deadline| option::seconds("deadline", deadline)).transpose()?,
            linger: option::seconds("linger", linger)?,
        };
        let method = option::method(method, port, None)?;
        let reach = Reach {
            host,
            family: option::family(family)?,
            method,
            size,
            pattern,
            steady: method.has_service(),
            timeout: plan.timeout,
            options: option::options(&options.unwrap_or_else(|| PyDict::new(py)))?,
        };
        let pinger = Pinger::new(reach, plan).map_err(|error| super::super::errors::exception(py, error))?;
        Ok(Self { session: Session::new(pinger) })
    }

    /// The next event, or None when it is over.
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        self.session.next(py, event::ping)
    }

    /// The same, to be awaited.
    fn next_async(&self) -> Pending {
        self.session.next_async(event::ping)
    }

    /// The address that is pinged, or None before it is known.
    #[getter]
    fn address(&self) -> Option<String> {
        self.session.lock().target().map(|target| target.ip().to_string())
    }

    /// What has been counted: sent, received, duplicates, late, errors, open.
    fn counts(&self) -> (u64, u64, u64, u64, u64, u64) {
        let counts = self.session.lock().counts();
        (counts.sent, counts.received, counts.duplicates, counts.late, counts.errors, counts.open)
    }

    /// The times: min, mean, median, p90, p99, max, mdev, jitter; how many by the kernel's clock; whether on a raw socket.
    #[expect(clippy::type_complexity, reason = "a tuple for Python")]
    fn summary(&self) -> (Option<(f64, f64, f64, f64, f64, f64, f64, f64)>, u64, Option<bool>) {
        let pinger = self.session.lock();
        let (summary, kernel) = pinger.summary();
        let figures = summary.map(|s| (s.min, s.mean, s.median, s.p90, s.p99, s.max, s.mdev, s.jitter));
        (figures, kernel, pinger.is_raw())
    }
}
