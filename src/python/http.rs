//! `eyesocket.http`: clients, requests and responses as Python sees them.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use super::arguments;
use super::drive::{self, Pending};
use super::errors;
use crate::engine::{Operation, Step, Time};
use crate::error::{Error, Result};
use crate::http::head::{Headers, Limits, ResponseHead};
use crate::http::url::Target;
use crate::http::wire::Direction;
use crate::net::client::{Call, Client, Fetch, Fetched, Response, Settings, Timeouts};
use crate::net::pool;
use crate::net::talk::Body;
use crate::net::tls::{Identity, Verify};

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

/// The connections and settings of one client.
#[pyclass(frozen, module = "eyesocket._native")]
pub struct HttpClient {
    client: Arc<Client>,
}

#[pymethods]
impl HttpClient {
    /// `verify`: None for the platform's authorities, PEM bytes, a list of DER certificates, or False for any server.
    #[new]
    #[pyo3(signature = (verify=None, identity=None, connections=None, idle=None, expiry=None))]
    fn new(
        py: Python<'_>,
        verify: Option<Bound<'_, PyAny>>,
        identity: Option<(Vec<u8>, Vec<u8>)>,
        connections: Option<usize>,
        idle: Option<usize>,
        expiry: Seconds,
    ) -> PyResult<Self> {
        let verify = match verify {
            None => Verify::Platform,
            Some(verify) => trust(&verify)?,
        };
        let settings = Settings {
            limits: Limits::default(),
            pool: pool::Limits { connections, idle, expiry: arguments::timeout(expiry)? },
            verify,
            identity: identity.map(|(chain, key)| Identity { chain, key }),
        };
        let _ = py;
        Ok(Self { client: Arc::new(Client::new(settings)) })
    }

    /// Sends a request and waits for its response.
    #[expect(clippy::too_many_arguments, reason = "one argument each, positional for speed")]
    #[pyo3(signature = (method, url, headers, body, timeouts, stream, most_content, wire, /))]
    fn request(
        &self,
        py: Python<'_>,
        method: &str,
        url: &str,
        headers: Fields,
        body: Option<PyBackedBytes>,
        timeouts: (Seconds, Seconds, Seconds, Seconds, Seconds),
        stream: bool,
        most_content: u64,
        wire: usize,
    ) -> PyResult<HttpResponse> {
        let fetch = self.fetch(py, method, url, &headers, body, timeouts, stream, most_content, wire)?;
        let response = drive::block(py, &mut Whole(fetch))?;
        HttpResponse::new(py, response)
    }

    /// The same, to be awaited.
    #[expect(clippy::too_many_arguments, reason = "one argument each, positional for speed")]
    #[pyo3(signature = (method, url, headers, body, timeouts, stream, most_content, wire, /))]
    fn request_async(
        &self,
        py: Python<'_>,
        method: &str,
        url: &str,
        headers: Fields,
        body: Option<PyBackedBytes>,
        timeouts: (Seconds, Seconds, Seconds, Seconds, Seconds),
        stream: bool,
        most_content: u64,
        wire: usize,
    ) -> PyResult<Pending> {
        let fetch = self.fetch(py, method, url, &headers, body, timeouts, stream, most_content, wire)?;
        Ok(drive::pending(Whole(fetch), |py, response| {
            Ok(Bound::new(py, HttpResponse::new(py, response)?)?.into_any().unbind())
        }))
    }

    /// Closes the connections.
    fn close(&self) {
        self.client.pool().close();
    }

    /// How many connections are open, and how many of them idle.
    fn connections(&self) -> (usize, usize) {
        self.client.pool().counts()
    }
}

fn trust(verify: &Bound<'_, PyAny>) -> PyResult<Verify> {
    if let Ok(pem) = verify.extract::<PyBackedBytes>() {
        return Ok(Verify::Pem(pem.to_vec()));
    }
    if verify.is_truthy()? { Ok(Verify::Der(verify.extract()?)) } else { Ok(Verify::Nothing) }
}

impl HttpClient {
    #[expect(clippy::too_many_arguments, reason = "as the methods that call it")]
    fn fetch(
        &self,
        py: Python<'_>,
        method: &str,
        url: &str,
        headers: &Fields,
        body: Option<PyBackedBytes>,
        (connect, read, write, pool, total): (Seconds, Seconds, Seconds, Seconds, Seconds),
        stream: bool,
        most_content: u64,
        wire: usize,
    ) -> PyResult<Fetch> {
        let timeouts = Timeouts {
            connect: arguments::timeout(connect)?,
            read: arguments::timeout(read)?,
            write: arguments::timeout(write)?,
            pool: arguments::timeout(pool)?,
            total: arguments::timeout(total)?,
        };
        let call = |headers| -> Result<Fetch> {
            let call = Call {
                method: method.to_owned(),
                target: Target::parse(url)?,
                headers,
                body: body.map_or(Body::Empty, |body| Body::Bytes(Arc::new(body))),
                timeouts,
                stream,
                most_content,
                wire,
            };
            Fetch::new(Arc::clone(&self.client), call)
        };
        fields(headers).and_then(call).map_err(|error| errors::exception(py, error))
    }
}

/// A fetch whose body is known beforehand.
struct Whole(Fetch);

impl Operation for Whole {
    type Output = Box<Response>;

    fn step(&mut self, now: Time) -> Result<Step<Box<Response>>> {
        match self.0.step(now)? {
            Step::Done(Fetched::Response(response)) => Ok(Step::Done(response)),
            Step::Done(Fetched::Hungry) => Err(Error::invalid("content", "a body in pieces has to be fed")),
            Step::Wait(wait) => Ok(Step::Wait(wait)),
        }
    }

    fn partial(&mut self) -> Vec<u8> {
        self.0.partial()
    }
}

/// A response.
#[pyclass(frozen, module = "eyesocket._native")]
pub struct HttpResponse {
    response: Box<Response>,
    content: Py<PyBytes>,
}

impl HttpResponse {
    fn new(py: Python<'_>, mut response: Box<Response>) -> PyResult<Self> {
        let content = PyBytes::new(py, &std::mem::take(&mut response.content)).unbind();
        Ok(Self { response, content })
    }
}

fn head_to_python<'py>(py: Python<'py>, head: &ResponseHead) -> PyResult<Bound<'py, PyTuple>> {
    (head.status, latin1(py, &head.reason), fields_to_python(py, &head.headers)?).into_pyobject(py)
}

#[pymethods]
impl HttpResponse {
    /// What was asked for.
    #[getter]
    fn url(&self) -> &str {
        self.response.target.as_str()
    }

    /// The same, without a password.
    #[getter]
    fn shown_url(&self) -> String {
        self.response.target.redacted()
    }

    /// The method of the request.
    #[getter]
    fn method(&self) -> &str {
        &self.response.method
    }

    /// The status code.
    #[getter]
    fn status(&self) -> u16 {
        self.response.head.status
    }

    /// The reason phrase as it came.
    #[getter]
    fn reason<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        latin1(py, &self.response.head.reason)
    }

    /// `HTTP/1.1` or `HTTP/1.0`.
    #[getter]
    fn version(&self) -> &'static str {
        if self.response.head.minor == 0 { "HTTP/1.0" } else { "HTTP/1.1" }
    }

    /// Names and values.
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        fields_to_python(py, &self.response.head.headers)
    }

    /// The first value of the field `name`, or None.
    fn header<'py>(&self, py: Python<'py>, name: &str) -> Option<Bound<'py, PyString>> {
        self.response.head.headers.get(name).map(|value| latin1(py, value))
    }

    /// Names and values that were sent.
    #[getter]
    fn sent_headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        fields_to_python(py, &self.response.sent_headers)
    }

    /// The fields behind a chunked body.
    #[getter]
    fn trailers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        fields_to_python(py, &self.response.trailers)
    }

    /// Interim responses: status, reason, headers.
    #[getter]
    fn informational<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let heads: PyResult<Vec<_>> = self.response.informational.iter().map(|head| head_to_python(py, head)).collect();
        PyList::new(py, heads?)
    }

    /// The content.
    #[getter]
    fn content<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.content.bind(py).clone()
    }

    /// Whom the connection led to.
    #[getter]
    fn peer(&self) -> &str {
        &self.response.peer
    }

    /// Seconds since the start until: dns, connect, tls, sent, first byte, done; and whether the connection was reused.
    #[getter]
    fn timings(&self) -> (Seconds, Seconds, Seconds, Seconds, Seconds, Seconds, bool) {
        let timings = &self.response.timings;
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        (
            seconds(timings.dns),
            seconds(timings.connect),
            seconds(timings.tls),
            seconds(timings.sent),
            seconds(timings.first_byte),
            seconds(timings.done),
            timings.reused,
        )
    }

    /// The record of the wire: bytes sent, bytes received, pieces (seconds, whether sent, length), spans of content in
    /// what was received, and how many bytes went each way in all.
    #[getter]
    fn wire<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let wire = &self.response.wire;
        let pieces = wire.pieces.iter().map(|piece| {
            let seconds = piece.at.since(self.response.began).as_secs_f64();
            (seconds, piece.direction == Direction::Sent, piece.length)
        });
        (
            PyBytes::new(py, &wire.sent),
            PyBytes::new(py, &wire.received),
            pieces.collect::<Vec<_>>(),
            wire.content.clone(),
            wire.total_sent,
            wire.total_received,
        )
            .into_pyobject(py)
    }
}

/// Checks a URL as a request would, and gives scheme, host, port, path with query, and the canonical text.
#[pyfunction]
fn http_url(py: Python<'_>, url: PyBackedStr) -> PyResult<(&'static str, String, u16, String, String)> {
    let target = Target::parse(&url).map_err(|error| errors::exception(py, error))?;
    let origin = target.origin();
    let path = target.path_and_query().to_owned();
    Ok((origin.scheme.as_str(), origin.host.clone(), origin.port, path, target.as_str().to_owned()))
}

/// Adds this topic to the native module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<HttpClient>()?;
    module.add_class::<HttpResponse>()?;
    module.add_function(wrap_pyfunction!(http_url, module)?)
}
