//! Connecting to the first address of a host that answers: what `create_connection(..., happy_eyeballs=True)` is made of.

use std::ffi::CString;
use std::os::fd::IntoRawFd;

use pyo3::exceptions::{PyOSError, PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyString};

use crate::error::{Cause, Error};
use crate::net::connect::{Connect, Place};
use crate::net::timed::Timed;
use crate::python::{arguments, drive, errors};
use crate::sys;

/// Connects to the first address of `host` that answers (RFC 8305); gives the descriptor, which is the caller's.
///
/// Host and port are what getaddrinfo(3) takes: a name, bytes or None for this machine; a number or a service's name.
#[pyfunction]
#[pyo3(signature = (host, port, timeout=None))]
pub fn connect_first(host: Option<&Bound<'_, PyAny>>, port: &Bound<'_, PyAny>, timeout: Option<f64>) -> PyResult<i32> {
    let py = port.py();
    let timeout = arguments::timeout(timeout)?;
    let place = Place::Tcp(name_of(host)?, port_of(port)?);
    let text = place.to_string();
    let mut operation = Timed::new("connect", Connect::new(place), timeout);
    match drive::block(py, &mut operation) {
        Ok(connected) => Ok(connected.socket.into_raw_fd()),
        Err(raised) => {
            about(py, &raised, &text)?;
            Err(raised)
        }
    }
}

/// Lets an error that knows no address of its own name the one that was asked for. No bytes had come: it has none.
fn about(py: Python<'_>, raised: &PyErr, place: &str) -> PyResult<()> {
    let value = raised.value(py);
    if raised.is_instance_of::<PyOSError>(py) && value.getattr("address").is_ok_and(|address| address.is_none()) {
        value.setattr("address", place)?;
        value.call_method1("add_note", (format!("connecting to {place}"),))?;
    }
    if value.hasattr("partial")? {
        value.delattr("partial")?;
    }
    Ok(())
}

fn name_of(host: Option<&Bound<'_, PyAny>>) -> PyResult<String> {
    let Some(host) = host else { return Ok("localhost".to_owned()) };
    if let Ok(text) = host.cast::<PyString>() {
        let text = text.to_str();
        if let Ok(text) = text
            && text.is_ascii()
        {
            return Ok(text.to_owned());
        }
        let encoded = host.call_method1("encode", ("idna",))?;
        return Ok(String::from_utf8_lossy(encoded.cast::<PyBytes>()?.as_bytes()).into_owned());
    }
    if let Ok(bytes) = host.cast::<PyBytes>() {
        return Ok(String::from_utf8_lossy(bytes.as_bytes()).into_owned());
    }
    Err(PyTypeError::new_err(format!("host: a str, bytes or None expected, not {}", host.get_type().name()?)))
}

fn port_of(port: &Bound<'_, PyAny>) -> PyResult<u16> {
    if port.is_instance_of::<PyInt>() {
        let number = port.extract::<u16>();
        return number.map_err(|_| PyOverflowError::new_err(format!("port: {port} is none; they are 0 to 65535")));
    }
    let Ok(service) = port.extract::<String>() else {
        let kind = port.get_type().name()?;
        return Err(PyTypeError::new_err(format!("port: an int or a service's name expected, not {kind}")));
    };
    let known = service.parse().ok().or_else(|| {
        let name = CString::new(service.as_str()).ok()?;
        sys::names::service_port(&name, Some(c"tcp"))
    });
    known.ok_or_else(|| {
        let text = "Servname not supported for ai_socktype".to_owned();
        let error = Error::new("resolve", Cause::Unresolved { code: libc::EAI_SERVICE, text });
        let raised = errors::exception(port.py(), error);
        about(port.py(), &raised, &service).err().unwrap_or(raised)
    })
}
