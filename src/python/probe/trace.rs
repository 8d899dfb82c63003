//! `TraceSession`.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::super::drive::Pending;
use super::session::Session;
use super::{event, option};
use crate::net::prober::reach::{Method, Reach};
use crate::net::prober::trace::Tracer;
use crate::probe::trace::Plan;
use crate::sys::option::Discovery;

/// A traceroute, event by event.
#[pyclass(frozen, module = "eyesocket._native")]
pub struct TraceSession {
    session: Session<Tracer>,
}

#[pymethods]
impl TraceSession {
    #[new]
    #[pyo3(signature = (host, *, method="udp", port=None, paris=true, multipath=false, first_hop=1, max_hops=30,
                        probes=3, timeout=1.0, interval=0.0, window=16, size=32, follow_mtu=false, family=None,
                        **options))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of a Python function")]
    fn new(
        py: Python<'_>,
        host: String,
        method: &str,
        port: Option<u16>,
        paris: bool,
        multipath: bool,
        first_hop: i64,
        max_hops: i64,
        probes: u16,
        timeout: f64,
        interval: f64,
        window: usize,
        size: usize,
        follow_mtu: bool,
        family: Option<i64>,
        options: Option<Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let first = option::small("first_hop", Some(first_hop), 1)?.unwrap_or(1);
        let last = option::small("max_hops", Some(max_hops), 1)?.unwrap_or(30);
        let bad = |text: String| Err(PyValueError::new_err(text));
        if first > last {
            return bad(format!("first_hop: {first} is beyond max_hops, {last}"));
        }
        if probes == 0 || window == 0 {
            return bad(format!("probes: {probes}, window: {window}: out of range; give 1 or more of each"));
        }
        if size < 2 {
            return bad(format!("size: {size} bytes are too few to tell one probe from another; give 2 or more"));
        }
        // 33434 is traceroute's since 1988; HTTP is what is let through.
        let standard = if method == "tcp" { 80 } else { 33_434 };
        let method = option::method(method, port, Some(standard))?;
        let mut options = option::options(&options.unwrap_or_else(|| PyDict::new(py)))?;
        if follow_mtu {
            if matches!(method, Method::Tcp(_)) {
                return bad("follow_mtu: TCP's probes have no size; use \"udp\" or \"icmp\"".to_owned());
            }
            options.discovery = Some(Discovery::Probe);
        }
        let plan = Plan {
            first,
            last,
            probes,
            timeout: option::seconds("timeout", timeout)?,
            interval: option::seconds("interval", interval)?,
            window,
            flow_window: window,
            paris,
            multipath,
            size,
            follow_mtu: None,
        };
        let family = option::family(family)?;
        let steady = paris || multipath;
        let reach = Reach { host, family, method, size, pattern: None, steady, timeout: plan.timeout, options };
        let tracer =
            Tracer::new(reach, plan, follow_mtu).map_err(|error| super::super::errors::exception(py, error))?;
        Ok(Self { session: Session::new(tracer) })
    }

    /// The next event, or None when it is over.
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        self.session.next(py, event::trace)
    }

    /// The same, to be awaited.
    fn next_async(&self) -> Pending {
        self.session.next_async(event::trace)
    }

    /// The address that is traced, or None before it is known.
    #[getter]
    fn address(&self) -> Option<String> {
        self.session.lock().target().map(|target| target.ip().to_string())
    }

    /// Whether the socket is raw, or None before it is open.
    #[getter]
    fn raw(&self) -> Option<bool> {
        self.session.lock().is_raw()
    }
}
