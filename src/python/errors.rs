//! The one table from the crate's errors to Python's exceptions.
//!
//! What the kernel refused becomes the `OSError` subclass that the interpreter itself would choose; our own kinds are
//! classes of `eyesocket.errors` (the stable ABI of 3.11 cannot subclass exceptions natively). Every exception gets what
//! the error knows as attributes: `address`, `operation`, `what` (the protocol element or argument), `partial` where bytes had
//! come, `sent` for a send, and a note with the address.

use pyo3::exceptions::{PyKeyboardInterrupt, PyOSError, PyTimeoutError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyBytes;

use crate::error::{Cause, Error};

/// A class of `eyesocket.errors`.
fn class<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module = MODULE.get_or_try_init(py, || py.import("eyesocket.errors").map(Bound::unbind))?;
    module.bind(py).getattr(name)
}

/// The exception for `error`.
pub fn exception(py: Python<'_>, error: Error) -> PyErr {
    build(py, error).unwrap_or_else(|failure| failure)
}

fn build(py: Python<'_>, error: Error) -> PyResult<PyErr> {
    let text = error.to_string();
    let made = match &error.cause {
        Cause::Os(errno) => os_error(*errno),
        Cause::NotPermitted { errno, .. } => PyOSError::new_err((*errno, text.clone())),
        Cause::TimedOut => PyTimeoutError::new_err("timed out"),
        Cause::Interrupted => PyErr::take(py).unwrap_or_else(|| PyKeyboardInterrupt::new_err(())),
        Cause::Unresolved { code, text } => {
            PyErr::from_value(py.import("socket")?.getattr("gaierror")?.call1((*code, text.as_str()))?)
        }
        Cause::Ended => PyErr::from_value(class(py, "EndOfStream")?.call1((text.as_str(),))?),
        Cause::Truncated { .. } if error.operation == "frame" => {
            PyErr::from_value(class(py, "TruncatedFrame")?.call1((text.as_str(),))?)
        }
        Cause::Truncated { .. } => PyErr::from_value(class(py, "TruncatedError")?.call1((text.as_str(),))?),
        Cause::TooLarge { what, length, limit } => {
            let name = if *what == "frame" { "FrameTooLarge" } else { "TooLargeError" };
            let value = class(py, name)?.call1((text.as_str(),))?;
            value.setattr("length", length)?;
            value.setattr("limit", limit)?;
            PyErr::from_value(value)
        }
        Cause::NoRoom { length, room } => {
            let value = class(py, "BufferTooSmall")?.call1((text.as_str(),))?;
            value.setattr("length", length)?;
            value.setattr("room", room)?;
            PyErr::from_value(value)
        }
        Cause::Malformed { .. } => PyErr::from_value(class(py, "ProtocolError")?.call1((text.as_str(),))?),
        Cause::Invalid { .. } => pyo3::exceptions::PyValueError::new_err(text.clone()),
        Cause::Tls(reason) => PyErr::from_value(class(py, "TLSError")?.call1((reason.as_str(),))?),
    };
    let value = made.value(py);
    value.setattr("address", error.address.as_deref())?;
    value.setattr("partial", PyBytes::new(py, &error.partial))?;
    value.setattr("operation", error.operation)?;
    if let Cause::Malformed { what, .. } | Cause::Invalid { what, .. } | Cause::TooLarge { what, .. } = &error.cause {
        value.setattr("what", what)?;
    }
    if let Some(sent) = error.sent {
        value.setattr("sent", sent)?;
    }
    if let Some(address) = &error.address {
        made.add_note(py, format!("{} {address}", error.operation))?;
    }
    Ok(made)
}

/// `OSError(errno, strerror)`, whose constructor picks the subclass.
fn os_error(errno: i32) -> PyErr {
    PyOSError::new_err((errno, strerror(errno)))
}

/// The text of an errno.
pub fn strerror(errno: i32) -> String {
    let text = std::io::Error::from_raw_os_error(errno).to_string();
    match text.rfind(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
