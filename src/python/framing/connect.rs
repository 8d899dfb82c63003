//! Making the connection for `framing.connect`: a descriptor that its caller owns.

use std::ffi::OsString;
use std::os::fd::IntoRawFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyTuple};

use crate::net::connect::{Connect, Connected, Place};
use crate::net::timed::Timed;
use crate::python::arguments::Timeout;
use crate::python::drive::{self, Pending};

/// Whatever `getsockname` gives, and what a person writes.
fn place(address: &Bound<'_, PyAny>) -> PyResult<Place> {
    if let Ok(path) = address.cast::<PyBytes>() {
        return Ok(Place::Unix(OsString::from_vec(path.as_bytes().to_vec()).into()));
    }
    if let Ok(path) = address.extract::<PathBuf>() {
        return Ok(Place::Unix(path));
    }
    let wrong = || {
        let kind = address.get_type();
        PyTypeError::new_err(format!("address: (host, port) or the path of a UNIX socket, not {address} ({kind})"))
    };
    let parts = address.cast::<PyTuple>().map_err(|_| wrong())?;
    let (host, port, scope) = match parts.len() {
        2 => (parts.get_item(0)?, parts.get_item(1)?, 0),
        // IPv6: flow information says nothing about where it leads.
        3 | 4 => {
            (parts.get_item(0)?, parts.get_item(1)?, parts.get_item(3).map_or(Ok(0), |scope| scope.extract::<u32>())?)
        }
        _ => return Err(wrong()),
    };
    let mut host: String = host.extract().map_err(|_| wrong())?;
    if !port.is_instance_of::<PyInt>() {
        return Err(wrong());
    }
    let port = port
        .extract::<u16>()
        .map_err(|_| PyValueError::new_err(format!("port: {port} is none; they are 0 to 65535")))?;
    if scope != 0 && !host.contains('%') {
        host = format!("{host}%{scope}");
    }
    Ok(Place::Tcp(host, port))
}

fn operation(address: &Bound<'_, PyAny>, timeout: Option<Timeout>) -> PyResult<Timed<Connect>> {
    Ok(Timed::new("connect", Connect::new(place(address)?), Timeout::limit(timeout)))
}

fn descriptor(connected: Connected) -> i32 {
    connected.socket.into_raw_fd()
}

/// Connect to `(host, port)` or a path, the first address that answers.
#[pyfunction]
fn framing_connect(py: Python<'_>, address: &Bound<'_, PyAny>, timeout: Option<Timeout>) -> PyResult<i32> {
    drive::block(py, &mut operation(address, timeout)?).map(descriptor)
}

/// The same, to be awaited.
#[pyfunction]
fn framing_connect_async(address: &Bound<'_, PyAny>, timeout: Option<Timeout>) -> PyResult<Pending> {
    let convert = |py: Python<'_>, connected| Ok(descriptor(connected).into_pyobject(py)?.into_any().unbind());
    Ok(drive::pending(operation(address, timeout)?, convert))
}

/// Adds the functions to the native module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(framing_connect, module)?)?;
    module.add_function(wrap_pyfunction!(framing_connect_async, module)?)
}
