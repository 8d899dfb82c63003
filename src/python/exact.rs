//! `recv_exactly`, both ways.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::arguments;
use super::drive::{self, Pending};
use crate::engine::Descriptor;
use crate::net::exact::RecvExactly;

/// Receives exactly `bufsize` bytes from the stream socket `descriptor`.
#[pyfunction]
#[pyo3(signature = (descriptor, bufsize, timeout=None))]
fn recv_exactly<'py>(
    py: Python<'py>,
    descriptor: i32,
    bufsize: &Bound<'py, PyAny>,
    timeout: Option<f64>,
) -> PyResult<Bound<'py, PyBytes>> {
    let wanted = arguments::size("bufsize", bufsize)?;
    let mut operation = RecvExactly::new(Descriptor(descriptor), wanted, arguments::timeout(timeout)?);
    Ok(PyBytes::new(py, &drive::block(py, &mut operation)?))
}

/// The same, to be awaited.
#[pyfunction]
#[pyo3(signature = (descriptor, bufsize, timeout=None))]
fn recv_exactly_async(descriptor: i32, bufsize: &Bound<'_, PyAny>, timeout: Option<f64>) -> PyResult<Pending> {
    let wanted = arguments::size("bufsize", bufsize)?;
    let operation = RecvExactly::new(Descriptor(descriptor), wanted, arguments::timeout(timeout)?);
    Ok(drive::pending(operation, |py, bytes| Ok(PyBytes::new(py, &bytes).into_any().unbind())))
}

/// Adds this topic to the native module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(recv_exactly, module)?)?;
    module.add_function(wrap_pyfunction!(recv_exactly_async, module)?)
}
