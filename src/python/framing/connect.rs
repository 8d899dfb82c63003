//! Making the connection for `framing.connect`: a descriptor that its caller owns.

use std::os::fd::IntoRawFd;
use std::path::PathBuf;

use pyo3::prelude::*;

use crate::net::connect::{Connect, Connected, Place};
use crate::net::timed::Timed;
use crate::python::arguments;
use crate::python::drive::{self, Pending};

#[derive(FromPyObject)]
enum Address {
    Host(String, u16),
    Path(PathBuf),
}

fn operation(address: Address, timeout: Option<f64>) -> PyResult<Timed<Connect>> {
    let place = match address {
        Address::Host(host, port) => Place::Tcp(host, port),
        Address::Path(path) => Place::Unix(path),
    };
    Ok(Timed::new("connect", Connect::new(place), arguments::timeout(timeout)?))
}

fn descriptor(connected: Connected) -> i32 {
    connected.socket.into_raw_fd()
}

/// Connect to `(host, port)` or a path, the first address that answers.
#[pyfunction]
fn framing_connect(py: Python<'_>, address: Address, timeout: Option<f64>) -> PyResult<i32> {
    drive::block(py, &mut operation(address, timeout)?).map(descriptor)
}

/// The same, to be awaited.
#[pyfunction]
fn framing_connect_async(address: Address, timeout: Option<f64>) -> PyResult<Pending> {
    let convert = |py: Python<'_>, connected| Ok(descriptor(connected).into_pyobject(py)?.into_any().unbind());
    Ok(drive::pending(operation(address, timeout)?, convert))
}

/// Adds the functions to the native module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(framing_connect, module)?)?;
    module.add_function(wrap_pyfunction!(framing_connect_async, module)?)
}
