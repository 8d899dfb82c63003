//! Probing: one class a session. Each gives its events one at a time, `None` at the end.

use pyo3::prelude::*;

mod event;
mod option;
mod path_mtu;
mod ping;
mod session;
mod sweep;
mod trace;

/// Adds this topic to the native module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ping::PingSession>()?;
    module.add_class::<sweep::SweepSession>()?;
    module.add_class::<trace::TraceSession>()?;
    module.add_class::<path_mtu::PathMtuSession>()
}
