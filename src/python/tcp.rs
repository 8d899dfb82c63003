//! TCP's states: a socket's own, and the table of transitions.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use super::errors;
use crate::engine::Descriptor;
use crate::net::diag;
use crate::tcp::State;
use crate::tcp::transitions::{Open, Source, TRANSITIONS};

/// The member of `eyesocket.tcp.State`.
pub fn state_object(py: Python<'_>, state: State) -> PyResult<Bound<'_, PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let class = CLASS.get_or_try_init(py, || py.import("eyesocket.tcp")?.getattr("State").map(Bound::unbind))?;
    class.bind(py).call1((state.rfc(),))
}

/// The state of the TCP socket `descriptor`, by `TCP_INFO`.
#[pyfunction]
fn tcp_state(py: Python<'_>, descriptor: i32) -> PyResult<Bound<'_, PyAny>> {
    let state = diag::state(Descriptor(descriptor)).map_err(|error| errors::exception(py, error))?;
    state_object(py, state)
}

/// A row: from, event, opened ("passive", "active" or None), action, to, whether figure 5 has it.
type Row = (&'static str, String, Option<&'static str>, String, &'static str, bool);

/// The table of RFC 9293.
#[pyfunction]
fn tcp_transitions() -> Vec<Row> {
    TRANSITIONS
        .iter()
        .map(|row| {
            let opened = row.opened.map(|opened| match opened {
                Open::Passive => "passive",
                Open::Active => "active",
            });
            let drawn = row.source == Source::Figure;
            (row.from.rfc(), row.event.to_string(), opened, row.action.to_string(), row.to.rfc(), drawn)
        })
        .collect()
}

/// Adds this topic to the native module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(tcp_state, module)?)?;
    module.add_function(wrap_pyfunction!(tcp_transitions, module)?)
}
