//! Responses: what their head says, and the body that is still to be read.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::os::fd::IntoRawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use super::upgraded::HttpUpgraded;
use super::{Seconds, fields_to_python, latin1};
use crate::engine::{Bell, Operation, Step, Time, Wait};
use crate::error::{Cause, Error, Result};
use crate::http::head::ResponseHead;
use crate::http::wire::Direction;
use crate::net::client::{Amount, Content, Reading, Response};
use crate::net::sink::Sink;
use crate::net::upgraded::Upgraded;
use crate::python::drive::{self, Pending};
use crate::python::errors;
use crate::python::socket::growing::Growing;
use crate::sys;

/// A response.
#[pyclass(frozen, module = "eyesocket._native")]
pub struct HttpResponse {
    held: Arc<Mutex<Held>>,
    /// None where the body was, or is, to be read piece by piece.
    content: Option<Py<PyBytes>>,
}

/// What a response and the pieces being read of it share. Who reads takes memory from the interpreter under this lock: who
/// has the interpreter must let go of it to wait for the lock, and run no Python under it.
struct Held {
    response: Box<Response>,
    closed: bool,
    /// One piece at a time is read from the connection; the others wait for its bell.
    busy: bool,
    queue: VecDeque<Arc<Bell>>,
}

impl HttpResponse {
    pub(super) fn new(py: Python<'_>, mut response: Box<Response>) -> PyResult<Self> {
        if response.reading.is_some() {
            return Ok(Self::holding(response, None));
        }
        let content = match std::mem::take(&mut response.content) {
            Content::Small(bytes) => PyBytes::new(py, &bytes),
            Content::Stored(sink) => match sink.into_any().downcast::<Growing>() {
                Ok(grown) => finished(py, *grown)?,
                Err(_) => return Err(no_memory()),
            },
        };
        Ok(Self::holding(response, Some(content.unbind())))
    }

    fn holding(response: Box<Response>, content: Option<Py<PyBytes>>) -> Self {
        Self {
            held: Arc::new(Mutex::new(Held { response, closed: false, busy: false, queue: VecDeque::new() })),
            content,
        }
    }

    fn held(&self, py: Python<'_>) -> MutexGuard<'_, Held> {
        self.held.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
    }

    /// What `work` takes from the response.
    fn with<T>(&self, py: Python<'_>, work: impl FnOnce(&Response) -> T) -> T {
        work(&self.held(py).response)
    }

    fn piece(&self, amount: Amount, raw: bool) -> Piece {
        Piece { held: Arc::clone(&self.held), amount, raw, piece: Growing::new(), turn: false, bell: None }
    }

    fn take<'py>(&self, py: Python<'py>, amount: Amount, raw: bool) -> PyResult<Bound<'py, PyBytes>> {
        finished(py, drive::block(py, &mut self.piece(amount, raw))?)
    }

    fn take_async(&self, amount: Amount, raw: bool) -> Pending {
        drive::pending(self.piece(amount, raw), |py, grown| Ok(finished(py, grown)?.into_any().unbind()))
    }
}

/// Reads no more of the body; what was said so far stays.
fn give_up(response: &mut Response) {
    if let Some(mut reading) = response.reading.take() {
        reading.tell(response);
    }
}

type NextRequest<'py> = (Cow<'static, str>, String, Bound<'py, PyList>, bool);

fn finished(py: Python<'_>, grown: Growing) -> PyResult<Bound<'_, PyBytes>> {
    let object = grown.finish(py).map_err(|_| PyErr::fetch(py))?;
    object.cast_into::<PyBytes>().map_err(|_| no_memory())
}

fn no_memory() -> PyErr {
    PyMemoryError::new_err("no memory for the content")
}

/// Reads on in a body: the next piece, empty at the end.
struct Piece {
    held: Arc<Mutex<Held>>,
    amount: Amount,
    raw: bool,
    piece: Growing,
    /// Whether it is this piece's turn to read.
    turn: bool,
    /// What it waits for while it is another's.
    bell: Option<Arc<Bell>>,
}

impl Piece {
    fn advance(&mut self, held: &mut Held, now: Time) -> Result<Step<Growing>> {
        let failed = |cause| Error::new("reading the body from", cause);
        if held.closed {
            let partial = std::mem::take(&mut self.piece).bytes().to_vec();
            return Err(failed(Cause::Os(libc::EBADF)).with_partial(partial));
        }
        let response = &mut held.response;
        let Some(reading) = &mut response.reading else { return Ok(Step::Done(std::mem::take(&mut self.piece))) };
        // What a parent process was reading, nobody reads here.
        if held.busy && !self.turn && !reading.inherited() {
            let bell = self.bell.get_or_insert_with(|| {
                let bell = Arc::default();
                held.queue.push_back(Arc::clone(&bell));
                bell
            });
            bell.still();
            let deadline = reading.deadline();
            if deadline.is_some_and(|deadline| now >= deadline) {
                return Err(failed(Cause::TimedOut));
            }
            return Ok(Step::Wait(Wait::default().hearing(Arc::clone(bell)).until(deadline)));
        }
        (held.busy, self.turn) = (true, true);
        if self.piece.bytes().is_empty() {
            self.piece.expect(reading.coming(self.amount, self.raw));
        }
        let step = reading.fill(now, &mut self.piece, self.amount, self.raw);
        match step {
            Ok(Step::Wait(wait)) => return Ok(Step::Wait(wait)),
            Ok(Step::Done(false)) => {}
            Ok(Step::Done(true)) => {
                if let Some(mut reading) = response.reading.take() {
                    reading.finish(response);
                }
            }
            Err(error) => {
                give_up(response);
                return Err(error.with_partial(std::mem::take(&mut self.piece).bytes().to_vec()));
            }
        }
        Ok(Step::Done(std::mem::take(&mut self.piece)))
    }

    /// Reads no more; whose turn it is now.
    fn leave(&mut self, held: &mut Held) -> Option<Arc<Bell>> {
        if std::mem::take(&mut self.turn) {
            held.busy = false;
        }
        if let Some(bell) = self.bell.take() {
            held.queue.retain(|queued| !Arc::ptr_eq(queued, &bell));
        }
        if held.busy {
            return None;
        }
        if held.closed {
            give_up(&mut held.response);
        }
        held.queue.front().cloned()
    }
}

impl Operation for Piece {
    type Output = Growing;

    fn step(&mut self, now: Time) -> Result<Step<Growing>> {
        let shared = Arc::clone(&self.held);
        let mut held = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let step = self.advance(&mut held, now);
        if !matches!(step, Ok(Step::Wait(_))) {
            let next = self.leave(&mut held);
            drop(held);
            ring(next);
        }
        step
    }

    fn partial(&mut self) -> Vec<u8> {
        let shared = Arc::clone(&self.held);
        let next = self.leave(&mut shared.lock().unwrap_or_else(PoisonError::into_inner));
        ring(next);
        std::mem::take(&mut self.piece).bytes().to_vec()
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if !self.turn && self.bell.is_none() {
            return;
        }
        let shared = Arc::clone(&self.held);
        let next = Python::try_attach(|py| {
            self.leave(&mut shared.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner))
        });
        ring(next.flatten());
    }
}

fn ring(bells: impl IntoIterator<Item = Arc<Bell>>) {
    for bell in bells {
        bell.ring();
    }
}

fn head_to_python<'py>(py: Python<'py>, head: &ResponseHead) -> PyResult<Bound<'py, PyTuple>> {
    (head.status, latin1(py, &head.reason), fields_to_python(py, &head.headers)?).into_pyobject(py)
}

#[pymethods]
impl HttpResponse {
    /// What was asked for.
    #[getter]
    fn url(&self, py: Python<'_>) -> String {
        self.with(py, |response| response.target.text())
    }

    /// The same, without user and password.
    #[getter]
    fn plain_url(&self, py: Python<'_>) -> String {
        self.with(py, |response| response.target.redacted())
    }

    /// The same, for people: nothing secret in its query either.
    #[getter]
    fn shown_url(&self, py: Python<'_>) -> String {
        self.with(py, |response| response.target.shown())
    }

    /// The method of the request.
    #[getter]
    fn method(&self, py: Python<'_>) -> String {
        self.with(py, |response| response.method.clone().into_owned())
    }

    /// The status code.
    #[getter]
    fn status(&self, py: Python<'_>) -> u16 {
        self.with(py, |response| response.head.status)
    }

    /// The reason phrase as it came.
    #[getter]
    fn reason<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        latin1(py, &self.with(py, |response| response.head.reason.clone()))
    }

    /// `HTTP/1.1` or `HTTP/1.0`.
    #[getter]
    fn version(&self, py: Python<'_>) -> &'static str {
        if self.with(py, |response| response.head.minor) == 0 { "HTTP/1.0" } else { "HTTP/1.1" }
    }

    /// Names and values.
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        fields_to_python(py, &self.with(py, |response| response.head.headers.clone()))
    }

    /// The first value of the field `name`, or None.
    fn header<'py>(&self, py: Python<'py>, name: &str) -> Option<Bound<'py, PyString>> {
        self.with(py, |response| response.head.headers.get(name).map(|value| latin1(py, value)))
    }

    /// Names and values that were sent.
    #[getter]
    fn sent_headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        fields_to_python(py, &self.with(py, |response| Arc::clone(&response.sent_headers)))
    }

    /// The fields behind a chunked body.
    #[getter]
    fn trailers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        fields_to_python(py, &self.with(py, |response| response.trailers.clone()))
    }

    /// Interim responses: status, reason, headers.
    #[getter]
    fn informational<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let heads = self.with(py, |response| response.interim().to_vec());
        let heads: PyResult<Vec<_>> = heads.iter().map(|head| head_to_python(py, head)).collect();
        PyList::new(py, heads?)
    }

    /// The content, None where the body was, or is, to be read piece by piece.
    #[getter]
    fn content<'py>(&self, py: Python<'py>) -> Option<&Bound<'py, PyBytes>> {
        self.content.as_ref().map(|content| content.bind(py))
    }

    /// How many bytes of the body have come, content codings on.
    #[getter]
    fn downloaded(&self, py: Python<'_>) -> u64 {
        self.with(py, |response| response.said().total_content)
    }

    /// The request that a redirection asks for: method, URL, fields, and whether it has the body; None where it is none.
    #[getter]
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Option<NextRequest<'py>>> {
        let next = self.with(py, Response::next).map_err(|error| errors::exception(py, error))?;
        next.map(|next| Ok((next.method, next.target.text(), fields_to_python(py, &next.headers)?, next.keeps_body)))
            .transpose()
    }

    /// Takes the responses that led to this one, the first one first; none the second time.
    fn take_history(&self, py: Python<'_>) -> PyResult<Vec<Self>> {
        let history = std::mem::take(&mut self.held(py).response.history);
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
    fn unread(&self, py: Python<'_>) -> bool {
        let held = self.held(py);
        !held.closed && held.response.reading.is_some()
    }

    /// How much content may be kept, where the body is still to be read.
    #[getter]
    fn most_content(&self, py: Python<'_>) -> Option<u64> {
        self.with(py, |response| response.reading.as_ref().map(|reading| reading.most_content()))
    }

    /// Gives up what is unread of the body, and its connection unless the rest is here; who is reading it is told.
    fn close(&self, py: Python<'_>) {
        let mut held = self.held(py);
        let Some(reading) = &held.response.reading else { return };
        // A descriptor that somebody waits for must stay until they have seen its end.
        if held.busy {
            reading.end();
        }
        held.closed = true;
        let given_up = if held.busy { None } else { held.response.reading.take() };
        let given_up = given_up.map(|mut reading| {
            reading.give_up(&mut held.response);
            reading.tell(&mut held.response);
            reading
        });
        let waiting = std::mem::take(&mut held.queue);
        drop(held);
        drop(given_up);
        ring(waiting);
    }

    /// Takes the connection away from HTTP (after 101, or 2xx to CONNECT): its descriptor, now the caller's, or what
    /// holds the TLS around it, and the bytes that had come already. None if the connection still speaks HTTP.
    fn detach<'py>(&self, py: Python<'py>) -> PyResult<Option<(Bound<'py, PyAny>, Bound<'py, PyBytes>)>> {
        let mut held = self.held(py);
        let Held { response, closed, .. } = &mut *held;
        let switched = |reading: &mut Box<Reading>| !*closed && reading.switched();
        let Some(mut reading) = response.reading.take_if(switched) else { return Ok(None) };
        reading.tell(response);
        let Some(connection) = reading.detach() else { return Ok(None) };
        drop(held);
        let (stream, unread) = connection.into_parts();
        let handed = match stream.into_socket() {
            Ok(socket) => socket.into_raw_fd().into_pyobject(py)?.into_any(),
            Err(wrapped) => Bound::new(py, HttpUpgraded::new(Upgraded::new(wrapped)))?.into_any(),
        };
        Ok(Some((handed, PyBytes::new(py, &unread))))
    }

    /// Whom the connection led to.
    #[getter]
    fn peer(&self, py: Python<'_>) -> String {
        self.with(py, |response| response.peer.to_string())
    }

    /// Seconds since the start until: dns, connect, tls, sent, first byte, done; and whether the connection was reused.
    #[getter]
    fn timings(&self, py: Python<'_>) -> (Seconds, Seconds, Seconds, Seconds, Seconds, Seconds, bool) {
        let timings = self.with(py, |response| response.timings);
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

    /// How many seconds ago the request began.
    #[getter]
    fn age(&self, py: Python<'_>) -> f64 {
        self.with(py, |response| sys::clock::now().since(response.began).as_secs_f64())
    }

    /// The record of the wire: bytes sent, bytes received, pieces (seconds, whether sent, length), spans of content in
    /// what was received, and how many bytes were sent, came, and of those are content, in all.
    #[getter]
    fn wire<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let held = self.held(py);
        let response = &held.response;
        let wire = response.said();
        let pieces = wire.pieces.iter().map(|piece| {
            let seconds = piece.at.since(response.began).as_secs_f64();
            (seconds, piece.direction == Direction::Sent, piece.length)
        });
        let told = (
            PyBytes::new(py, &wire.sent),
            PyBytes::new(py, &wire.received),
            pieces.collect::<Vec<_>>(),
            wire.content.to_vec(),
            wire.total_sent,
            wire.total_received,
            wire.total_content,
        );
        drop(held);
        told.into_pyobject(py)
    }
}
