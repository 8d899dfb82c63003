//! The end that a format has: what `end` and `send_end` take.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMapping, PyString};

use crate::framing::codec::Codec;
use crate::python::errors;

/// The bytes that say on the wire that no frame follows, with `trailers`.
pub fn encoded(py: Python<'_>, codec: &Codec, trailers: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<u8>> {
    let fields = trailers.map_or(Ok(Vec::new()), fields)?;
    let mut out = Vec::new();
    codec.end_with(&fields, &mut out).map_err(|error| errors::exception(py, error))?;
    Ok(out)
}

/// Names and values, of a mapping or of pairs.
fn fields(trailers: &Bound<'_, PyAny>) -> PyResult<Vec<(Vec<u8>, Vec<u8>)>> {
    let wrong = || PyTypeError::new_err("trailers: a mapping of names to values, or (name, value) pairs, expected");
    let pairs = match trailers.cast::<PyMapping>() {
        Ok(_) => trailers.call_method0(intern!(trailers.py(), "items"))?,
        Err(_) => trailers.clone(),
    };
    let pair = |pair: Bound<'_, PyAny>| -> PyResult<_> {
        let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair.extract().map_err(|_| wrong())?;
        Ok((text(&name, wrong)?, text(&value, wrong)?))
    };
    pairs.try_iter().map_err(|_| wrong())?.map(|given| pair(given?)).collect()
}

fn text(given: &Bound<'_, PyAny>, wrong: impl Fn() -> PyErr) -> PyResult<Vec<u8>> {
    if let Ok(bytes) = given.cast::<PyBytes>() {
        return Ok(bytes.as_bytes().to_vec());
    }
    let text = given.cast::<PyString>().map_err(|_| wrong())?.to_string_lossy();
    if !text.is_ascii() {
        return Err(PyValueError::new_err("trailers: text beyond ASCII has no one encoding there; give bytes"));
    }
    Ok(text.as_bytes().to_vec())
}
