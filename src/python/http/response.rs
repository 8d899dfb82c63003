//! Responses: what their head says, and the body that is still to be read.

use std::os::fd::IntoRawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use super::upgraded::HttpUpgraded;
use super::{Seconds, fields_to_python, latin1};
use crate::engine::{Operation, Step, Time};
use crate::error::Result;
use crate::http::head::ResponseHead;
use crate::http::wire::Direction;
use crate::net::client::{Amount, Content, Response};
use crate::net::sink::Sink;
use crate::net::upgraded::Upgraded;
use crate::python::drive::{self, Pending};
use crate::python::socket::growing::Growing;

/// A response.
#[pyclass(frozen, module = "eyesocket._native")]
pub struct HttpResponse {
    response: Arc<Mutex<Box<Response>>>,
    /// None where the body was, or is, to be read piece by piece.
    content: Option<Py<PyBytes>>,
}

impl HttpResponse {
    pub(super) fn new(py: Python<'_>, mut response: Box<Response>) -> PyResult<Self> {
        if response.reading.is_some() {
            return Ok(Self { response: Arc::new(Mutex::new(response)), content: None });
        }
        let content = match std::mem::take(&mut response.content) {
            Content::Small(bytes) => PyBytes::new(py, &bytes),
            Content::Stored(sink) => match sink.into_any().downcast::<Growing>() {
                Ok(grown) => finished(py, *grown)?,
                Err(_) => return Err(no_memory()),
            },
        };
        let content = content.unbind();
        Ok(Self { response: Arc::new(Mutex::new(response)), content: Some(content) })
    }

    /// The response. Whoever reads its body has it, and may need the interpreter for memory: so wait without that.
    fn response(&self) -> MutexGuard<'_, Box<Response>> {
        Python::attach(|py| self.response.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner))
    }

    fn piece(&self, amount: Amount, raw: bool) -> Piece {
        Piece { response: Arc::clone(&self.response), amount, raw, piece: Growing::new() }
    }

    fn take<'py>(&self, py: Python<'py>, amount: Amount, raw: bool) -> PyResult<Bound<'py, PyBytes>> {
        finished(py, drive::block(py, &mut self.piece(amount, raw))?)
    }

    fn take_async(&self, amount: Amount, raw: bool) -> Pending {
        drive::pending(self.piece(amount, raw), |py, grown| Ok(finished(py, grown)?.into_any().unbind()))
    }
}

fn finished(py: Python<'_>, grown: Growing) -> PyResult<Bound<'_, PyBytes>> {
    let object = grown.finish(py).map_err(|_| PyErr::fetch(py))?;
    object.cast_into::<PyBytes>().map_err(|_| no_memory())
}

fn no_memory() -> PyErr {
    PyMemoryError::new_err("no memory for the content")
}

/// Reads on in a body: the next piece, empty at the end.
struct Piece {
    response: Arc<Mutex<Box<Response>>>,
    amount: Amount,
    raw: bool,
    piece: Growing,
}

impl Operation for Piece {
    type Output = Growing;

    fn step(&mut self, now: Time) -> Result<Step<Growing>> {
        let mut response = self.response.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(reading) = &mut response.reading else { return Ok(Step::Done(std::mem::take(&mut self.piece))) };
        if self.piece.bytes().is_empty() {
            self.piece.expect(reading.coming(self.amount, self.raw));
        }
        let step = reading.fill(now, &mut self.piece, self.amount, self.raw);
        match step {
            Ok(Step::Wait(wait)) => return Ok(Step::Wait(wait)),
            Ok(Step::Done(false)) => {}
            Ok(Step::Done(true)) => {
                if let Some(mut reading) = response.reading.take() {
                    reading.finish(&mut response);
                }
            }
            Err(error) => {
                response.reading = None;
                return Err(error.with_partial(std::mem::take(&mut self.piece).bytes().to_vec()));
            }
        }
        Ok(Step::Done(std::mem::take(&mut self.piece)))
    }

    fn partial(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.piece).bytes().to_vec()
    }
}

fn head_to_python<'py>(py: Python<'py>, head: &ResponseHead) -> PyResult<Bound<'py, PyTuple>> {
    (head.status, latin1(py, &head.reason), fields_to_python(py, &head.headers)?).into_pyobject(py)
}

#[pymethods]
impl HttpResponse {
    /// What was asked for.
    #[getter]
    fn url(&self) -> String {
        self.response().target.text()
    }

    /// The same, without user and password.
    #[getter]
    fn plain_url(&self) -> String {
        self.response().target.redacted()
    }

    /// The same, for people: nothing secret in its query either.
    #[getter]
    fn shown_url(&self) -> String {
        self.response().target.shown()
    }

    /// The method of the request.
    #[getter]
    fn method(&self) -> String {
        self.response().method.clone().into_owned()
    }

    /// The status code.
    #[getter]
    fn status(&self) -> u16 {
        self.response().head.status
    }

    /// The reason phrase as it came.
    #[getter]
    fn reason<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        latin1(py, &self.response().head.reason)
    }

    /// `HTTP/1.1` or `HTTP/1.0`.
    #[getter]
    fn version(&self) -> &'static str {
        if self.response().head.minor == 0 { "HTTP/1.0" } else { "HTTP/1.1" }
    }

    /// Names and values.
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        fields_to_python(py, &self.response().head.headers)
    }

    /// The first value of the field `name`, or None.
    fn header<'py>(&self, py: Python<'py>, name: &str) -> Option<Bound<'py, PyString>> {
        self.response().head.headers.get(name).map(|value| latin1(py, value))
    }

    /// Names and values that were sent.
    #[getter]
    fn sent_headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        fields_to_python(py, &self.response().sent_headers)
    }

    /// The fields behind a chunked body.
    #[getter]
    fn trailers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        fields_to_python(py, &self.response().trailers)
    }

    /// Interim responses: status, reason, headers.
    #[getter]
    fn informational<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let heads: PyResult<Vec<_>> = self.response().interim().iter().map(|head| head_to_python(py, head)).collect();
        PyList::new(py, heads?)
    }

    /// The content, None where the body was, or is, to be read piece by piece.
    #[getter]
    fn content<'py>(&self, py: Python<'py>) -> Option<&Bound<'py, PyBytes>> {
        self.content.as_ref().map(|content| content.bind(py))
    }

    /// Takes the responses that led to this one, the first one first; none the second time.
    fn take_history(&self, py: Python<'_>) -> PyResult<Vec<Self>> {
        let history = std::mem::take(&mut self.response().history);
        history.into_iter().map(|response| Self::new(py, Box::new(response))).collect()
    }

    /// Reads on in the body: what comes first, at most `most` bytes; empty at the end. With `raw`, content codings stay on.
    #[pyo3(signature = (most, raw=false))]
    fn read<'py>(&self, py: Python<'py>, most: usize, raw: bool) -> PyResult<Bound<'py, PyBytes>> {
        self.take(py, Amount::AtMost(most), raw)
    }

    /// The same, to be awaited.
    #[pyo3(signature = (most, raw=false))]
    fn read_async(&self, most: usize, raw: bool) -> Pending {
        self.take_async(Amount::AtMost(most), raw)
    }

    /// Reads on in the body: `count` bytes, fewer only at the end.
    #[pyo3(signature = (count, raw=false))]
    fn read_exactly<'py>(&self, py: Python<'py>, count: usize, raw: bool) -> PyResult<Bound<'py, PyBytes>> {
        self.take(py, Amount::Exactly(count), raw)
    }

    /// The same, to be awaited.
    #[pyo3(signature = (count, raw=false))]
    fn read_exactly_async(&self, count: usize, raw: bool) -> Pending {
        self.take_async(Amount::Exactly(count), raw)
    }

    /// Reads all that is left of the body.
    fn read_rest<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.take(py, Amount::Rest, false)
    }

    /// The same, to be awaited.
    fn read_rest_async(&self) -> Pending {
        self.take_async(Amount::Rest, false)
    }

    /// Whether the body is still to be read.
    #[getter]
    fn unread(&self) -> bool {
        self.response().reading.is_some()
    }

    /// Gives up what is unread of the body, and its connection.
    fn close(&self) {
        self.response().reading = None;
    }

    /// Takes the connection away from HTTP (after 101, or 2xx to CONNECT): its descriptor, now the caller's, or what
    /// holds the TLS around it, and the bytes that had come already. None if the connection still speaks HTTP.
    fn detach<'py>(&self, py: Python<'py>) -> PyResult<Option<(Bound<'py, PyAny>, Bound<'py, PyBytes>)>> {
        let mut response = self.response();
        let reading = response.reading.as_mut().filter(|reading| reading.switched());
        let Some(connection) = reading.and_then(|reading| reading.detach()) else { return Ok(None) };
        response.reading = None;
        let (stream, unread) = connection.into_parts();
        let handed = match stream.into_socket() {
            Ok(socket) => socket.into_raw_fd().into_pyobject(py)?.into_any(),
            Err(wrapped) => Bound::new(py, HttpUpgraded::new(Upgraded::new(wrapped)))?.into_any(),
        };
        Ok(Some((handed, PyBytes::new(py, &unread))))
    }

    /// Whom the connection led to.
    #[getter]
    fn peer(&self) -> String {
        self.response().peer.to_string()
    }

    /// Seconds since the start until: dns, connect, tls, sent, first byte, done; and whether the connection was reused.
    #[getter]
    fn timings(&self) -> (Seconds, Seconds, Seconds, Seconds, Seconds, Seconds, bool) {
        let timings = self.response().timings;
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
        let response = self.response();
        let wire = &response.wire;
        let pieces = wire.pieces.iter().map(|piece| {
            let seconds = piece.at.since(response.began).as_secs_f64();
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
