//! The only place that knows Python: one thin file a module of the package.
//!
//! A function here extracts its arguments, calls the core, and converts the result; an `if` with meaning belongs into the
//! core. Waiting goes through [`drive`], exceptions through [`errors`].

use pyo3::prelude::*;

mod alarm;
mod arguments;
mod aside;
mod draw;
mod drive;
mod errors;
mod exact;
mod framing;
mod http;
mod packet;
mod probe;
mod reactor;
mod socket;
mod table;
mod tcp;
mod wake;

/// The native half of the package; each topic registers itself.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    drive::register(module)?;
    exact::register(module)?;
    socket::register(module)?;
    framing::register(module)?;
    draw::register(module)?;
    table::register(module)?;
    tcp::register(module)?;
    http::register(module)?;
    packet::register(module)?;
    probe::register(module)?;
    Ok(())
}
