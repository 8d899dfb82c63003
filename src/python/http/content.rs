//! What content is made of and from: URLs, forms, text, events.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyString};

use crate::http::charset;
use crate::http::cookies::check_cookie;
use crate::http::multipart::{self, Part};
use crate::http::secret::{self, Text};
use crate::http::sse::Parser;
use crate::http::url::Target;
use crate::python::errors;

/// Checks a URL as a request would, and gives scheme, host, port, path with query, and the canonical text.
#[pyfunction]
pub fn http_url(py: Python<'_>, url: PyBackedStr) -> PyResult<(&'static str, String, u16, String, String)> {
    let target = Target::parse(&url).map_err(|error| errors::exception(py, error))?;
    let origin = target.origin();
    let path = target.path_and_query().to_owned();
    Ok((origin.scheme.as_str(), origin.host.clone(), origin.port, path, target.text()))
}

/// Refuses a cookie that could not be sent in one field.
#[pyfunction]
pub fn http_check_cookie(py: Python<'_>, name: &str, value: &str) -> PyResult<()> {
    check_cookie(name.as_bytes(), value.as_bytes()).map_err(|error| errors::exception(py, error))
}

/// Whether the value of a header field is secret.
#[pyfunction]
pub fn http_secret_field(name: &str) -> bool {
    secret::field(name.as_bytes())
}

/// Whether the value of a name in a query or a form is.
#[pyfunction]
pub fn http_secret_parameter(name: &str) -> bool {
    secret::parameter(name.as_bytes())
}

/// Text that holds URLs, or is a form, with what is secret in it hidden.
#[pyfunction]
#[pyo3(signature = (text, form=false))]
pub fn http_shown(text: &str, form: bool) -> String {
    secret::shown(text, if form { Text::Form } else { Text::Prose })
}

/// A request as it was sent, with what is secret in it overwritten.
#[pyfunction]
pub fn http_shown_request<'py>(py: Python<'py>, sent: PyBackedBytes) -> Bound<'py, PyBytes> {
    let mut shown = sent.to_vec();
    secret::overwrite_request(&mut shown);
    PyBytes::new(py, &shown)
}

/// A body of that type, with what is secret in it overwritten.
#[pyfunction]
pub fn http_shown_body<'py>(py: Python<'py>, body: PyBackedBytes, content_type: &str) -> Bound<'py, PyBytes> {
    let mut shown = body.to_vec();
    secret::body::overwrite(&mut shown, content_type);
    PyBytes::new(py, &shown)
}

/// A response as it came, with what is secret in it overwritten.
#[pyfunction]
pub fn http_shown_response<'py>(
    py: Python<'py>,
    received: PyBackedBytes,
    content: Vec<(usize, usize)>,
) -> Bound<'py, PyBytes> {
    let mut shown = received.to_vec();
    secret::overwrite_response(&mut shown, &content);
    PyBytes::new(py, &shown)
}

/// Name, file name, content type, more fields, bytes.
type PythonPart = (String, Option<String>, Option<String>, Vec<(PyBackedBytes, PyBackedBytes)>, PyBackedBytes);

/// The body of a form with these parts.
#[pyfunction]
pub fn http_multipart<'py>(py: Python<'py>, parts: Vec<PythonPart>, boundary: &str) -> PyResult<Bound<'py, PyBytes>> {
    let fields: Vec<Vec<(&[u8], &[u8])>> =
        parts.iter().map(|part| part.3.iter().map(|(name, value)| (&**name, &**value)).collect()).collect();
    let views: Vec<Part<'_>> = parts
        .iter()
        .zip(&fields)
        .map(|((name, filename, content_type, _, content), headers)| Part {
            name,
            filename: filename.as_deref(),
            content_type: content_type.as_deref(),
            headers,
            content,
        })
        .collect();
    let body = multipart::encode(&views, boundary).map_err(|error| errors::exception(py, error))?;
    Ok(PyBytes::new(py, &body))
}

/// The name of a text's encoding, and the text.
#[pyfunction]
#[pyo3(signature = (content, content_type=None, fallback=None, forced=None))]
pub fn http_text(
    content: PyBackedBytes,
    content_type: Option<&str>,
    fallback: Option<&str>,
    forced: Option<&str>,
) -> (&'static str, String) {
    let forced = forced.map(typed);
    let encoding = charset::encoding(&content, forced.as_deref().or(content_type), fallback);
    (encoding.name(), charset::decode(&content, encoding))
}

fn typed(label: &str) -> String {
    format!("text/plain; charset={label}")
}

/// Text from the pieces of a stream, as `http_text` gives it for the whole.
#[pyclass(frozen, module = "eyesocket._native")]
pub struct HttpTextPieces {
    pieces: Mutex<charset::Pieces>,
}

#[pymethods]
impl HttpTextPieces {
    #[new]
    #[pyo3(signature = (content_type=None, fallback=None, forced=None))]
    fn new(content_type: Option<&str>, fallback: Option<&str>, forced: Option<&str>) -> Self {
        let forced = forced.map(typed);
        Self { pieces: Mutex::new(charset::Pieces::new(forced.as_deref().or(content_type), fallback)) }
    }

    /// The text that is complete with `piece`; with `last`, all of it.
    #[pyo3(signature = (piece, last=false))]
    fn feed(&self, piece: PyBackedBytes, last: bool) -> String {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner).decode(&piece, last)
    }
}

/// Type, data, id, retry in milliseconds.
type PythonEvent = (String, String, Py<PyString>, Option<u64>);

/// Server-sent events from the pieces of a stream.
#[pyclass(frozen, module = "eyesocket._native")]
pub struct HttpEvents {
    parser: Mutex<Parser>,
    /// The last id, which events share.
    id: Mutex<Option<(Arc<str>, Py<PyString>)>>,
}

#[pymethods]
impl HttpEvents {
    #[new]
    fn new() -> Self {
        Self { parser: Mutex::default(), id: Mutex::default() }
    }

    /// Brings bytes, and gives the events that are complete: type, data, id, retry in milliseconds.
    fn feed(&self, py: Python<'_>, piece: PyBackedBytes) -> PyResult<Vec<PythonEvent>> {
        let (fed, events) = {
            let mut parser = self.parser.lock().unwrap_or_else(PoisonError::into_inner);
            (parser.feed(&piece), parser.events())
        };
        fed.map_err(|error| errors::exception(py, error))?;
        let mut known = self.id.lock().unwrap_or_else(PoisonError::into_inner);
        let told = events.into_iter().map(|event| {
            let id = match &*known {
                Some((id, object)) if Arc::ptr_eq(id, &event.id) => object.clone_ref(py),
                _ => {
                    let object = PyString::new(py, &event.id).unbind();
                    *known = Some((event.id, object.clone_ref(py)));
                    object
                }
            };
            (event.event, event.data, id, event.retry)
        });
        Ok(told.collect())
    }
}
