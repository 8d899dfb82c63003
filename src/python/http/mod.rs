//! `eyesocket.http`: clients, requests and responses as Python sees them.

mod client;
mod content;
mod response;
mod upgraded;
mod upload;

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList, PyString};

use crate::error::Result;
use crate::http::head::Headers;

type Fields = Vec<(PyBackedBytes, PyBackedBytes)>;
type Seconds = Option<f64>;

fn fields(given: &Fields) -> Result<Headers> {
    let mut headers = Headers::new();
    for (name, value) in given {
        headers.add(name, value)?;
    }
    Ok(headers)
}

fn fields_to_python<'py>(py: Python<'py>, headers: &Headers) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, headers.iter().map(|(name, value)| (PyBytes::new(py, name), PyBytes::new(py, value))))
}

/// Text of the wire: Latin-1, one character a byte.
fn latin1<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => PyString::new(py, text),
        _ => PyString::new(py, &bytes.iter().map(|byte| char::from(*byte)).collect::<String>()),
    }
}
/// Adds this topic to the native module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<client::HttpAuth>()?;
    module.add_class::<client::HttpPlan>()?;
    module.add_class::<client::HttpClient>()?;
    module.add_class::<upload::HttpUpload>()?;
    module.add_class::<response::HttpResponse>()?;
    module.add_class::<content::HttpEvents>()?;
    module.add_class::<content::HttpTextPieces>()?;
    module.add_class::<upgraded::HttpUpgraded>()?;
    module.add_function(wrap_pyfunction!(content::http_check_cookie, module)?)?;
    module.add_function(wrap_pyfunction!(content::http_multipart, module)?)?;
    module.add_function(wrap_pyfunction!(content::http_secret_field, module)?)?;
    module.add_function(wrap_pyfunction!(content::http_secret_parameter, module)?)?;
    module.add_function(wrap_pyfunction!(content::http_shown, module)?)?;
    module.add_function(wrap_pyfunction!(content::http_shown_body, module)?)?;
    module.add_function(wrap_pyfunction!(content::http_shown_request, module)?)?;
    module.add_function(wrap_pyfunction!(content::http_shown_response, module)?)?;
    module.add_function(wrap_pyfunction!(content::http_text, module)?)?;
    module.add_function(wrap_pyfunction!(content::http_url, module)?)
}
