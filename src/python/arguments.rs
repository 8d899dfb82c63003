//! Arguments that every topic reads alike.

use std::time::Duration;

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;

/// A timeout in seconds as Python users give it: `None` is no limit, zero is "what is there now".
pub fn timeout(seconds: Option<f64>) -> PyResult<Option<Duration>> {
    seconds
        .map(|seconds| {
            if seconds.is_nan() || seconds < 0.0 {
                return Err(PyValueError::new_err(format!(
                    "timeout: {seconds} is not a duration; give seconds >= 0, or None for no limit"
                )));
            }
            Ok(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
        })
        .transpose()
}

/// How many of something, or how many bytes: `name` is the argument's.
pub fn size(name: &str, value: &Bound<'_, PyAny>) -> PyResult<usize> {
    value.extract::<usize>().map_err(|error| {
        let py = value.py();
        if error.is_instance_of::<PyTypeError>(py) {
            let kind = value.get_type().name().map_or_else(|_| "that".to_owned(), |name| name.to_string());
            PyTypeError::new_err(format!("{name}: a whole number expected, not {kind}"))
        } else if !error.is_instance_of::<PyOverflowError>(py) {
            error
        } else if value.lt(0).unwrap_or(false) {
            PyValueError::new_err(format!("{name}: {value} is negative; give 0 or more"))
        } else {
            PyOverflowError::new_err(format!("{name}: more than this machine has addresses for"))
        }
    })
}

/// `MSG_*` flags of a call: a C `int`.
pub fn flags(value: &Bound<'_, PyAny>) -> PyResult<i32> {
    value.extract().map_err(|error: PyErr| {
        if error.is_instance_of::<PyOverflowError>(value.py()) {
            PyOverflowError::new_err("flags: they have 32 bits; this number has more")
        } else {
            error
        }
    })
}
