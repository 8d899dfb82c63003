//! `_socket`, the native half of the standard library's `socket`, name for name and word for word.
//!
//! It is made on request, once a process: as the process's `_socket` (`eyesocket run`), or beside the stock one, whose
//! exceptions it then raises, so that `except socket.gaierror` catches these too.

mod accept;
mod address;
mod batch;
mod call;
mod constants;
mod endpoint;
mod first;
mod functions;
pub mod growing;
mod hosts;
pub mod lent;
pub mod memory;
mod message;
mod methods;
mod module;
mod notes;
mod object;
mod option;
pub mod raw;
mod receive;
mod send;
mod state;
mod static_type;

use pyo3::prelude::*;

/// The `_socket` of this package; `stock` is the interpreter's own, beside which it is to work, or None to stand in for it.
#[pyfunction]
fn socket_module<'py>(py: Python<'py>, stock: Option<Bound<'py, PyModule>>) -> PyResult<Bound<'py, PyAny>> {
    module::get(py, stock)
}

/// Adds this topic to the native module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(socket_module, module)?)?;
    module.add("Datagram", batch::datagram_class(module.py())?)?;
    module.add_function(wrap_pyfunction!(batch::send_messages, module)?)?;
    module.add_function(wrap_pyfunction!(batch::receive_messages, module)?)?;
    module.add_function(wrap_pyfunction!(batch::send_segments, module)?)?;
    module.add_function(wrap_pyfunction!(batch::receive_segments, module)?)?;
    module.add_function(wrap_pyfunction!(batch::fill, module)?)?;
    module.add_function(wrap_pyfunction!(first::connect_first, module)?)
}
