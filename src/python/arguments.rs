//! Arguments that every topic reads alike.

use std::time::Duration;

use pyo3::exceptions::PyValueError;
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
