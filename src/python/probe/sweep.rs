//! `SweepSession`.

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use super::super::drive::{self, Pending};
use super::super::errors;
use super::option;
use super::session::Session;
use crate::net::prober::sweep::{Batch, Sweeper};
use crate::probe::sweep::{Outcome, Plan, Verdict};

/// A sweep, batch by batch.
#[pyclass(frozen, module = "eyesocket._native")]
pub struct SweepSession {
    session: Session<Sweeper>,
}

#[pymethods]
impl SweepSession {
    #[new]
    #[pyo3(signature = (*, rate=None, retries=1, timeout=1.0, window=8192, size=16, family=None, **options))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of a Python function")]
    fn new(
        py: Python<'_>,
        rate: Option<f64>,
        retries: i64,
        timeout: f64,
        window: usize,
        size: usize,
        family: Option<i64>,
        options: Option<Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        if let Some(rate) = rate.filter(|rate| !(rate.is_finite() && *rate > 0.0)) {
            return Err(PyValueError::new_err(format!("rate: {rate} is no rate; give probes a second, or None")));
        }
        let retries = option::small("retries", Some(retries), 0)?.unwrap_or(0);
        let plan = Plan { retries, timeout: option::seconds("timeout", timeout)?, rate, window };
        let options = option::options(&options.unwrap_or_else(|| PyDict::new(py)))?;
        let sweeper =
            Sweeper::new(plan, option::family(family)?, options, size).map_err(|error| errors::exception(py, error))?;
        Ok(Self { session: Session::new(sweeper) })
    }

    /// Adds a target: an address, a network, a name.
    fn push(&self, py: Python<'_>, target: &str) -> PyResult<()> {
        self.session.lock().push(target).map_err(|error| errors::exception(py, error))
    }

    /// There are no more targets.
    fn finish(&self) {
        self.session.lock().finish();
    }

    /// The next results: (results, whether it wants more targets, whether it is over).
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        batch(py, drive::block(py, &mut self.session.clone())?)
    }

    /// The same, to be awaited.
    fn next_async(&self) -> Pending {
        drive::pending(self.session.clone(), |py, output| Ok(batch(py, output)?.into_any().unbind()))
    }

    /// How many answers this machine lost for lack of room.
    #[getter]
    fn dropped(&self) -> u32 {
        self.session.lock().dropped()
    }

    /// Whether the sockets are raw, or None before there is one.
    #[getter]
    fn raw(&self) -> Option<bool> {
        self.session.lock().is_raw()
    }
}

fn batch<'py>(py: Python<'py>, batch: Batch) -> PyResult<Bound<'py, PyTuple>> {
    let rows = batch.verdicts.into_iter().map(|verdict| row(py, verdict)).collect::<PyResult<Vec<_>>>()?;
    (PyList::new(py, rows)?, batch.hungry, batch.over).into_pyobject(py)
}

/// The fields of the package's `HostResult`: number, host, address, reason, rtt, ttl, source, error, icmp, tries, vantage.
fn row<'py>(py: Python<'py>, verdict: Verdict) -> PyResult<Bound<'py, PyTuple>> {
    let Verdict { number, name, address, outcome, source, tries } = verdict;
    let text = |address: std::net::IpAddr| PyString::new(py, &address.to_string());
    let shown = address.map(text);
    let host = match (&name, &shown) {
        (Some(name), _) => PyString::new(py, name),
        (None, Some(address)) => address.clone(),
        (None, None) => PyString::new(py, ""),
    };
    let source = if source == address { shown.clone() } else { source.map(text) };
    let (mut rtt, mut ttl, mut error, mut icmp) = (None, None, None, None);
    let reason = match outcome {
        Outcome::Reply { time, ttl: its } => {
            (rtt, ttl) = (Some(time.as_secs_f64()), its);
            intern!(py, "reply")
        }
        Outcome::WrongSource { time } => {
            rtt = Some(time.as_secs_f64());
            intern!(py, "wrong source")
        }
        Outcome::Error(report) => {
            (error, icmp) = (Some(report.to_string()), Some((report.kind, report.code)));
            intern!(py, "error")
        }
        Outcome::Silence => intern!(py, "silent"),
        Outcome::Unknown => intern!(py, "unknown"),
        Outcome::Refused(errno) => {
            error = Some(errors::strerror(errno));
            intern!(py, "refused")
        }
        Outcome::Unresolved(text) => {
            error = Some(text);
            intern!(py, "unresolved")
        }
    };
    (number, host, shown, reason, rtt, ttl, source, error, icmp, tries, py.None()).into_pyobject(py)
}
