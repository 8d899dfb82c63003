//! `recv_exactly`, both ways.

use pyo3::prelude::*;

use super::arguments;
use super::drive::{self, Pending};
use crate::engine::Descriptor;
use crate::net::exact::RecvExactly;
use crate::python::socket::growing::Growing;
use crate::python::socket::raw::Raised;

/// Receives exactly `bufsize` bytes from the stream socket `descriptor`.
#[pyfunction]
#[pyo3(signature = (descriptor, bufsize, timeout=None))]
fn recv_exactly<'py>(
    py: Python<'py>,
    descriptor: i32,
    bufsize: &Bound<'py, PyAny>,
    timeout: Option<f64>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut operation = receiving(descriptor, bufsize, timeout)?;
    drive::block(py, &mut operation)?.finish(py).map_err(|Raised| PyErr::fetch(py))
}

fn receiving(descriptor: i32, bufsize: &Bound<'_, PyAny>, timeout: Option<f64>) -> PyResult<RecvExactly<Growing>> {
    let (wanted, timeout) = (arguments::size("bufsize", bufsize)?, arguments::timeout(timeout)?);
    Ok(RecvExactly::into_memory(Growing::new(), Descriptor(descriptor), wanted, timeout))
}

/// The same, to be awaited.
#[pyfunction]
#[pyo3(signature = (descriptor, bufsize, timeout=None))]
fn recv_exactly_async(descriptor: i32, bufsize: &Bound<'_, PyAny>, timeout: Option<f64>) -> PyResult<Pending> {
    let operation = receiving(descriptor, bufsize, timeout)?;
    Ok(drive::pending(operation, |py, bytes| Ok(bytes.finish(py).map_err(|Raised| PyErr::fetch(py))?.unbind())))
}

/// Adds this topic to the native module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(recv_exactly, module)?)?;
    module.add_function(wrap_pyfunction!(recv_exactly_async, module)?)
}
