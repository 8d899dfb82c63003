//! Arguments that every topic reads alike.

use std::ops::RangeInclusive;
use std::time::Duration;

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyString};

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

/// A whole number of `range`: no bool, no float, no text.
pub fn number(name: &str, value: &Bound<'_, PyAny>, range: RangeInclusive<i64>) -> PyResult<i64> {
    let wrong = || {
        let (least, most) = (range.start(), range.end());
        let given = value.str().map(|text| text.to_string()).ok().filter(|text| text.len() <= MOST_SHOWN);
        let given = given.unwrap_or_else(|| "that number".to_owned());
        PyValueError::new_err(format!("{name}: {given} is out of range; give {least} to {most}"))
    };
    if value.is_instance_of::<PyBool>() {
        return Err(no(name, "a whole number", value));
    }
    match value.extract::<i64>() {
        Ok(number) if range.contains(&number) => Ok(number),
        Ok(_) => Err(wrong()),
        Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => Err(wrong()),
        Err(error) if error.is_instance_of::<PyTypeError>(value.py()) => Err(no(name, "a whole number", value)),
        Err(error) => Err(error),
    }
}

/// The same for what is counted, or measured in bytes, from `least` to `most`.
pub fn count(name: &str, value: &Bound<'_, PyAny>, least: usize, most: usize) -> PyResult<usize> {
    let bound = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
    number(name, value, bound(least)..=bound(most)).map(|number| usize::try_from(number).unwrap_or(least))
}

/// True or false, and nothing that would do for it.
pub fn flag(name: &str, value: &Bound<'_, PyAny>) -> PyResult<bool> {
    value.extract().map_err(|_| no(name, "True or False", value))
}

/// One of the words in `known`.
pub fn word<T: Copy>(name: &str, value: &Bound<'_, PyAny>, known: &[(&str, T)]) -> PyResult<T> {
    let list = || known.iter().map(|(word, _)| format!("{word:?}")).collect::<Vec<_>>().join(" or ");
    let Ok(given) = value.cast::<PyString>() else { return Err(no(name, &list(), value)) };
    let given = given.to_string_lossy();
    let found = known.iter().find(|(word, _)| *word == given);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let given = given.chars().take(MOST_SHOWN).collect::<String>();
        PyValueError::new_err(format!("{name}: {given:?} is unknown; give {}", list()))
    })
}

/// So much of a wrong argument is shown.
const MOST_SHOWN: usize = 80;

/// `value` is of the wrong type.
pub fn no(name: &str, wanted: &str, value: &Bound<'_, PyAny>) -> PyErr {
    let kind = value.get_type().name().map_or_else(|_| "that".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("{name}: {wanted} expected, not {kind}"))
}

/// A `timeout` argument that was given: seconds, no bool and no text.
pub struct Timeout(Duration);

impl<'py> FromPyObject<'_, 'py> for Timeout {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let given = object.to_owned();
        if given.is_instance_of::<PyBool>() {
            return Err(no("timeout", "seconds or None", &given));
        }
        let seconds = given.extract::<f64>().map_err(|error| {
            let py = object.py();
            if error.is_instance_of::<PyOverflowError>(py) {
                PyValueError::new_err("timeout: beyond any clock; give None for no limit")
            } else if error.is_instance_of::<PyTypeError>(py) {
                no("timeout", "seconds or None", &given)
            } else {
                error
            }
        })?;
        Ok(Self(timeout(Some(seconds))?.unwrap_or(Duration::MAX)))
    }
}

impl Timeout {
    /// The duration; `None` is no limit.
    pub fn limit(given: Option<Self>) -> Option<Duration> {
        given.map(|timeout| timeout.0)
    }
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
