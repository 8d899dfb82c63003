//! Socket tables: `sockets`, its rows, and rows as text and HTML.

use std::net::SocketAddr;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::drive::{self, Pending};
use super::{errors, tcp};
use crate::draw;
use crate::net::diag::Listing;
use crate::table::text::{self, Columns};
use crate::table::{Filter, Row, Selection, Timer};

/// A running timer of a socket.
#[pyclass(frozen, eq, hash, module = "eyesocket.table", name = "SocketTimer")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct PyTimer(Timer);

#[pymethods]
impl PyTimer {
    /// What it is for: "on" (retransmission), "keepalive", "timewait", "persist", "unknown".
    #[getter]
    fn name(&self) -> String {
        self.0.kind.to_string()
    }

    /// Seconds until it ends.
    #[getter]
    fn expires_s(&self) -> f64 {
        self.0.expires.as_secs_f64()
    }

    /// How often the kernel has already retransmitted or probed.
    #[getter]
    fn retransmits(&self) -> u8 {
        self.0.retransmits
    }

    fn __repr__(&self) -> String {
        self.0.to_string()
    }
}

/// A socket of the kernel.
#[pyclass(frozen, eq, hash, module = "eyesocket.table", name = "SocketRow")]
#[derive(PartialEq, Eq, Hash)]
struct PyRow(Row);

#[pymethods]
impl PyRow {
    /// "tcp" or "udp".
    #[getter]
    fn protocol(&self) -> String {
        self.0.protocol.to_string()
    }

    /// 4 or 6.
    #[getter]
    fn ip_version(&self) -> u8 {
        if self.0.local.is_ipv4() { 4 } else { 6 }
    }

    /// The state.
    #[getter]
    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        tcp::state_object(py, self.0.state)
    }

    /// Bytes not read yet; of a listener, connections that wait for accept.
    #[getter]
    fn recv_q(&self) -> u32 {
        self.0.recv_q
    }

    /// Bytes not acknowledged yet; of a listener, the most connections that may wait.
    #[getter]
    fn send_q(&self) -> u32 {
        self.0.send_q
    }

    /// Its address as the standard library gives it.
    #[getter]
    fn local<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        address(py, self.0.local)
    }

    /// The peer's address as the standard library gives it; port 0 where there is no peer.
    #[getter]
    fn peer<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        address(py, self.0.peer)
    }

    /// The timer that runs, or None.
    #[getter]
    fn timer(&self) -> Option<PyTimer> {
        self.0.timer.map(PyTimer)
    }

    /// The user it belongs to.
    #[getter]
    fn uid(&self) -> u32 {
        self.0.uid
    }

    /// Its inode, the N of `socket:[N]` under /proc/PID/fd; 0 where no process holds it.
    #[getter]
    fn inode(&self) -> u32 {
        self.0.inode
    }

    /// The kernel's number for it.
    #[getter]
    fn cookie(&self) -> u64 {
        self.0.cookie
    }

    /// The interface it is bound to, or None.
    #[getter]
    fn interface(&self) -> Option<&str> {
        self.0.interface_name.as_deref()
    }

    /// Whether an IPv6 socket refuses IPv4; None for IPv4.
    #[getter]
    fn v6_only(&self) -> Option<bool> {
        self.0.v6_only
    }

    /// Flat, for JSON and data frames.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let row = &self.0;
        let dict = PyDict::new(py);
        dict.set_item(intern!(py, "protocol"), row.protocol.to_string())?;
        dict.set_item(intern!(py, "ip_version"), self.ip_version())?;
        dict.set_item(intern!(py, "state"), row.state.rfc())?;
        dict.set_item(intern!(py, "recv_q"), row.recv_q)?;
        dict.set_item(intern!(py, "send_q"), row.send_q)?;
        dict.set_item(intern!(py, "local_address"), row.local.ip().to_string())?;
        dict.set_item(intern!(py, "local_port"), row.local.port())?;
        dict.set_item(intern!(py, "peer_address"), row.peer.ip().to_string())?;
        dict.set_item(intern!(py, "peer_port"), row.peer.port())?;
        dict.set_item(intern!(py, "interface"), row.interface_name.as_deref())?;
        dict.set_item(intern!(py, "timer"), row.timer.map(|timer| timer.kind.to_string()))?;
        dict.set_item(intern!(py, "timer_expires_s"), row.timer.map(|timer| timer.expires.as_secs_f64()))?;
        dict.set_item(intern!(py, "timer_retransmits"), row.timer.map(|timer| timer.retransmits))?;
        dict.set_item(intern!(py, "uid"), row.uid)?;
        dict.set_item(intern!(py, "inode"), row.inode)?;
        dict.set_item(intern!(py, "cookie"), row.cookie)?;
        dict.set_item(intern!(py, "v6_only"), row.v6_only)?;
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        format!("<{}>", self.0)
    }
}

fn address(py: Python<'_>, address: SocketAddr) -> PyResult<Bound<'_, PyTuple>> {
    match address {
        SocketAddr::V4(v4) => (v4.ip().to_string(), v4.port()).into_pyobject(py),
        SocketAddr::V6(v6) => (v6.ip().to_string(), v6.port(), v6.flowinfo(), v6.scope_id()).into_pyobject(py),
    }
}

#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Choice {
    tcp: bool,
    udp: bool,
    ipv4: bool,
    ipv6: bool,
    listening: bool,
    all: bool,
}

fn asked(py: Python<'_>, words: &str, choice: &Choice) -> PyResult<(Selection, Filter)> {
    let Choice { tcp, udp, ipv4, ipv6, listening, all } = *choice;
    let filter = Filter::parse(words).map_err(|error| errors::exception(py, error))?;
    Ok((Selection { tcp, udp, ipv4, ipv6, listening, all }, filter))
}

fn listing(py: Python<'_>, words: &str, choice: &Choice) -> PyResult<Listing> {
    let (selection, filter) = asked(py, words, choice)?;
    Ok(Listing::new(selection.questions(&filter), filter))
}

/// The states that a listing would show.
#[pyfunction]
fn asked_states<'py>(py: Python<'py>, words: &str, choice: Choice) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let (selection, filter) = asked(py, words, &choice)?;
    selection.states(&filter).iter().map(|state| tcp::state_object(py, state)).collect()
}

/// The kernel's sockets that `choice` and `filter` ask for.
#[pyfunction]
fn sockets(py: Python<'_>, words: &str, choice: Choice) -> PyResult<Vec<PyRow>> {
    let rows = drive::block(py, &mut listing(py, words, &choice)?)?;
    Ok(rows.into_iter().map(PyRow).collect())
}

/// The same, to be awaited.
#[pyfunction]
fn sockets_async(py: Python<'_>, words: &str, choice: Choice) -> PyResult<Pending> {
    Ok(drive::pending(listing(py, words, &choice)?, |py, rows| {
        Ok(rows.into_iter().map(PyRow).collect::<Vec<_>>().into_pyobject(py)?.into_any().unbind())
    }))
}

/// Rows in columns, as ss(8) prints them.
#[pyfunction]
#[pyo3(signature = (rows, *, header=false, protocol=true, state=true, timer=true, extended=false))]
fn rows_text(
    rows: Vec<PyRef<'_, PyRow>>,
    header: bool,
    protocol: bool,
    state: bool,
    timer: bool,
    extended: bool,
) -> String {
    text::columns(rows.iter().map(|row| &row.0), Columns { header, protocol, state, timer, extended })
}

/// Rows as an HTML table, with a line that says that there are `more`.
#[pyfunction]
fn rows_html(rows: Vec<PyRef<'_, PyRow>>, more: usize) -> String {
    draw::rows::html(rows.iter().map(|row| &row.0), more)
}

/// Adds this topic to the native module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyTimer>()?;
    module.add_class::<PyRow>()?;
    module.add_function(wrap_pyfunction!(sockets, module)?)?;
    module.add_function(wrap_pyfunction!(sockets_async, module)?)?;
    module.add_function(wrap_pyfunction!(asked_states, module)?)?;
    module.add_function(wrap_pyfunction!(rows_text, module)?)?;
    module.add_function(wrap_pyfunction!(rows_html, module)?)
}
