//! A socket of frames as a Python object: takes what is decoded already at once, waits through the two drivers otherwise.

use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::{PyStopAsyncIteration, PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use super::codec::Codec;
use super::face::{self, Encoded, Face, refused};
use super::inbox::{Failure, Inbox, Refused};
use super::transport::Object;
use crate::engine::{Descriptor, Operation, Step, Timer, Wait};
use crate::error::{Cause, Error};
use crate::net::framed::{Fill, Framed, Patience, Send, Transport};
use crate::net::sink::Sink;
use crate::python::drive::{self, Machine, Pending};
use crate::python::socket::growing::Growing;
use crate::python::socket::memory::View;
use crate::python::{arguments, errors, watch};
use crate::sys;

/// What one batch has at most: more held frames make the allocator give memory back and take it again.
const BATCH_BYTES: usize = 256 * 1024;
/// How many encoded bytes one send hands to the kernel at a time.
const SEND_BATCH: usize = 256 * 1024;

/// Frames on a connected socket; `framing.wrap` and `framing.connect` make one.
#[pyclass(frozen, subclass, module = "eyesocket._native")]
pub struct FramedSocket {
    framed: Arc<Framed>,
    face: Face,
    refused: Refused,
    timeout: Option<Duration>,
    blocks: bool,
    socket: Py<PyAny>,
}

/// What a receive gives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    One,
    /// The end of the stream ends an iteration.
    Next,
    Many(usize),
}

#[pymethods]
impl FramedSocket {
    #[new]
    #[pyo3(signature = (codec, socket, descriptor, encrypts, peer, timeout, blocks))]
    #[expect(clippy::too_many_arguments, reason = "what a socket is, from the one place that asks it")]
    fn new(
        py: Python<'_>,
        codec: &Bound<'_, Codec>,
        socket: Py<PyAny>,
        descriptor: i32,
        encrypts: bool,
        peer: Option<String>,
        timeout: Option<f64>,
        blocks: bool,
    ) -> PyResult<Self> {
        sys::io::identity(Descriptor(descriptor))?;
        let face = codec.get().face.copy(py);
        let descriptor = Descriptor(descriptor);
        let transport: Box<dyn Transport> =
            if encrypts { Box::new(Object::new(socket.clone_ref(py), descriptor)) } else { Box::new(descriptor) };
        let mut framed = Framed::new(transport, face.core.clone(), peer);
        if !face.typed() {
            framed = framed.with_memory(Box::new(|| Box::new(Growing::new())));
        }
        let framed = Arc::new(framed);
        let timeout = arguments::timeout(timeout)?;
        Ok(Self { framed, face, refused: Refused::default(), timeout, blocks, socket })
    }

    /// Send one frame, whole; several threads and tasks may.
    #[pyo3(signature = (frame, timeout=None))]
    fn send(&self, py: Python<'_>, frame: &Bound<'_, PyAny>, timeout: Option<f64>) -> PyResult<()> {
        let mut encoded = Vec::new();
        self.face.encode(frame, &mut encoded)?;
        let ends = vec![encoded.len()];
        drive::block(py, &mut Send::new(self.framed.clone(), encoded, ends, self.patience(timeout)?))
    }

    /// Send all `frames`, in as few system calls as they fit.
    ///
    /// Where one cannot be encoded, those before it go out, and what is raised has their bytes in `sent` and their number
    /// in `frames`.
    #[pyo3(signature = (frames, timeout=None))]
    fn send_many(&self, py: Python<'_>, frames: &Bound<'_, PyAny>, timeout: Option<f64>) -> PyResult<()> {
        let patience = self.patience(timeout)?;
        let mut timer: Option<Timer> = None;
        let (mut before, mut count) = (0, 0);
        let expected = face::count(frames);
        let mut frames = frames.try_iter()?;
        loop {
            let Encoded { bytes, ends, refused } = self.face.encode_many(&mut frames, expected, SEND_BATCH);
            let (length, more) = (bytes.len(), ends.len());
            if more > 0 {
                let mut send = Send::new(self.framed.clone(), bytes, ends, patience).with_timer(timer);
                drive::block(py, &mut send).map_err(|error| sent_before(py, error, before))?;
                timer = Some(send.timer());
                before += length;
                count += more;
            }
            match refused {
                Some(error) => return Err(sent_all(py, error, before, count)),
                None if more == 0 => return Ok(()),
                None => {}
            }
        }
    }

    /// The same as `send`, to be awaited.
    #[pyo3(signature = (frame, timeout=None))]
    fn send_async(slf: Py<Self>, frame: &Bound<'_, PyAny>, timeout: Option<f64>) -> PyResult<Pending> {
        let mut encoded = Vec::new();
        slf.get().face.encode(frame, &mut encoded)?;
        let ends = vec![encoded.len()];
        Self::sending(slf, Encoded { bytes: encoded, ends, refused: None }, timeout)
    }

    /// The same as `send_many`, to be awaited.
    #[pyo3(signature = (frames, timeout=None))]
    fn send_many_async(slf: Py<Self>, frames: &Bound<'_, PyAny>, timeout: Option<f64>) -> PyResult<Pending> {
        let encoded = slf.get().face.encode_many(&mut frames.try_iter()?, face::count(frames), usize::MAX);
        Self::sending(slf, encoded, timeout)
    }

    /// Send what a send that was given up has left of a frame (`unsent`).
    #[pyo3(signature = (timeout=None))]
    fn flush(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        drive::block(py, &mut Send::new(self.framed.clone(), Vec::new(), Vec::new(), self.patience(timeout)?))
    }

    /// The same as `flush`, to be awaited.
    #[pyo3(signature = (timeout=None))]
    fn flush_async(slf: Py<Self>, timeout: Option<f64>) -> PyResult<Pending> {
        Self::sending(slf, Encoded::default(), timeout)
    }

    /// Receive the next frame.
    #[pyo3(signature = (timeout=None))]
    fn recv<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        self.receive(py, Want::One, timeout)
    }

    /// Receive the next frame into `buffer`, and give its length.
    ///
    /// A frame that does not fit is a `ValueError` that says its length, and stays for the next call.
    #[pyo3(signature = (buffer, timeout=None))]
    fn recv_into(&self, py: Python<'_>, buffer: &Bound<'_, PyAny>, timeout: Option<f64>) -> PyResult<usize> {
        if self.face.typed() || self.face.core.tagged() {
            return Err(PyTypeError::new_err(
                "recv_into is for frames of bytes, not for those of TLV or Typed; use recv",
            ));
        }
        let mut view = View::writable(buffer.as_borrowed()).map_err(|_| PyErr::fetch(py))?;
        let mut fill = Fill::new(self.framed.clone(), self.patience(timeout)?);
        loop {
            let length = py.detach(|| self.framed.next_length()).map_err(|error| self.failed(py, error))?;
            let room = view.room();
            if let Some(length) = length.filter(|length| *length > room.len()) {
                let text = format!(
                    "buffer: the next frame has {length} bytes, more than the {} there is room for",
                    room.len()
                );
                return Err(PyValueError::new_err(text));
            }
            if length.is_some()
                && let Some(frame) = self.take(py, Want::One)?
            {
                let frame = frame.cast_into::<PyBytes>()?;
                for (place, byte) in room.iter_mut().zip(frame.as_bytes()) {
                    place.write(*byte);
                }
                return Ok(frame.as_bytes().len());
            }
            if length.is_none()
                && let Some(ended) = self.at_end(py)
            {
                return Err(ended);
            }
            drive::block(py, &mut fill)?;
        }
    }

    /// Receive the frames that are there, at least one, at most `most`; an empty list is the end of the stream.
    #[pyo3(signature = (most=1024, timeout=None))]
    fn recv_many<'py>(&self, py: Python<'py>, most: usize, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        self.receive(py, Want::Many(most_frames(most)?), timeout)
    }

    /// The same as `recv`, to be awaited.
    #[pyo3(signature = (timeout=None))]
    fn recv_async(slf: Py<Self>, timeout: Option<f64>) -> PyResult<Pending> {
        Self::receiving(slf, Want::One, timeout)
    }

    /// The same as `recv_many`, to be awaited.
    #[pyo3(signature = (most=1024, timeout=None))]
    fn recv_many_async(slf: Py<Self>, most: usize, timeout: Option<f64>) -> PyResult<Pending> {
        Self::receiving(slf, Want::Many(most_frames(most)?), timeout)
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.receive(py, Want::Next, None) {
            Err(error) if error.is_instance_of::<PyStopAsyncIteration>(py) => Ok(None),
            result => result.map(Some),
        }
    }

    fn __aiter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __anext__(slf: Py<Self>) -> PyResult<Pending> {
        Self::receiving(slf, Want::Next, None)
    }

    /// Who is at the other side, as text, if the socket has a peer with an address.
    #[getter]
    fn peer(&self) -> Option<&str> {
        self.framed.peer()
    }

    /// Bytes that have come and are in no frame that was given.
    #[getter]
    fn buffered(&self, py: Python<'_>) -> usize {
        self.inbox().buffered(py) + py.detach(|| self.framed.beyond())
    }

    /// Bytes that complete a frame which a send that was given up had begun; the next send begins with them.
    #[getter]
    fn unsent(&self, py: Python<'_>) -> usize {
        py.detach(|| self.framed.unsent())
    }

    /// Frames over the limit that were dropped (`oversize="skip"`).
    #[getter]
    fn skipped(&self, py: Python<'_>) -> u64 {
        self.inbox().core(py).skipped()
    }

    /// Take all bytes that are in no frame that was given, to go on with another protocol.
    fn unread<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let front = py.detach(|| self.framed.give_back());
        self.inbox().unread(py, front)
    }

    /// The socket that this is laid over.
    #[getter]
    fn socket(&self, py: Python<'_>) -> Py<PyAny> {
        self.socket.clone_ref(py)
    }

    /// Close the socket; whoever waits on this object, in a thread or a task, gets `OSError` (EBADF).
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if !py.detach(|| self.framed.retire()) {
            return Ok(());
        }
        py.detach(|| self.framed.settle());
        self.off_the_loops(py, watch::End::Close(self.socket.clone_ref(py)))
    }

    /// From now on every operation raises, and no loop watches the socket for us; whether this was the first time.
    fn _retire(&self, py: Python<'_>) -> PyResult<bool> {
        let first = py.detach(|| self.framed.retire());
        if first {
            self.off_the_loops(py, watch::End::Keep(self.socket.clone_ref(py)))?;
        }
        Ok(first)
    }
}

/// What went out of this batch stands on the exception; adds the batches before it.
fn sent_before(py: Python<'_>, error: PyErr, before: usize) -> PyErr {
    let sent: usize = error.value(py).getattr(intern!(py, "sent")).and_then(|sent| sent.extract()).unwrap_or(0);
    drop(error.value(py).setattr(intern!(py, "sent"), before + sent));
    error
}

/// A frame was refused; the `frames` before it have gone out, `sent` bytes.
fn sent_all(py: Python<'_>, error: PyErr, sent: usize, frames: usize) -> PyErr {
    drop(error.value(py).setattr(intern!(py, "sent"), sent));
    refused(py, error, frames)
}

fn most_frames(most: usize) -> PyResult<usize> {
    if most == 0 {
        return Err(PyValueError::new_err("most: an empty list is the end of the stream; ask for at least one frame"));
    }
    Ok(most)
}

impl FramedSocket {
    fn inbox(&self) -> Inbox<'_> {
        Inbox { face: &self.face, core: self.framed.inbox(), refused: &self.refused }
    }

    fn off_the_loops(&self, py: Python<'_>, end: watch::End) -> PyResult<()> {
        // A number that was closed behind our back may be another's by now, whose waits go on.
        if self.framed.open() { watch::close(py, self.framed.descriptor(), end) } else { end.happen(py) }
    }

    /// How long a call may take; the socket's own timeout unless one is given.
    fn patience(&self, seconds: Option<f64>) -> PyResult<Patience> {
        match arguments::timeout(seconds)? {
            None if !self.blocks => Ok(Patience::None),
            given => Ok(Patience::Limit(given.or(self.timeout))),
        }
    }

    /// The same for what is awaited, which never blocks.
    fn limit(&self, seconds: Option<f64>) -> PyResult<Patience> {
        Ok(Patience::Limit(arguments::timeout(seconds)?.or(self.timeout)))
    }

    fn sending(slf: Py<Self>, encoded: Encoded, timeout: Option<f64>) -> PyResult<Pending> {
        let Encoded { bytes, ends, refused } = encoded;
        let this = slf.get();
        let (length, count) = (bytes.len(), ends.len());
        let send = Send::new(this.framed.clone(), bytes, ends, this.limit(timeout)?);
        let refused = refused.map(|error| (error, length, count));
        Ok(drive::awaitable(Sending { socket: slf, send, refused }))
    }

    fn receive<'py>(&self, py: Python<'py>, want: Want, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(value) = self.take(py, want)? {
            return Ok(value);
        }
        let mut fill = Fill::new(self.framed.clone(), self.patience(timeout)?);
        loop {
            drive::block(py, &mut fill)?;
            // Another thread may have been quicker.
            if let Some(value) = self.take(py, want)? {
                return Ok(value);
            }
        }
    }

    fn receiving(slf: Py<Self>, want: Want, timeout: Option<f64>) -> PyResult<Pending> {
        let patience = slf.get().limit(timeout)?;
        Ok(drive::awaitable(Receiving { socket: slf, want, patience, fill: None, failed: None }))
    }

    /// What is there already; `None`: nothing yet.
    fn take<'py>(&self, py: Python<'py>, want: Want) -> PyResult<Option<Bound<'py, PyAny>>> {
        if let Some((tag, memory)) = self.framed.take_large() {
            return self.large(py, want, tag, memory).map(Some);
        }
        let most = match want {
            Want::Many(most) => most,
            Want::One | Want::Next if !self.face.typed() => return self.take_one(py, want),
            Want::One | Want::Next => 1,
        };
        let values = self.inbox().take(py, most, BATCH_BYTES).map_err(|failure| match failure {
            Failure::Stream(error) => self.failed(py, error),
            Failure::Value(error) => error,
        })?;
        if !values.is_empty() {
            return match want {
                Want::Many(_) => Ok(Some(values.into_any())),
                Want::One | Want::Next => values.get_item(0).map(Some),
            };
        }
        if !self.inbox().at_end(py) {
            return Ok(None);
        }
        match want {
            Want::Many(_) => Ok(Some(PyList::empty(py).into_any())),
            Want::One | Want::Next => Err(self.ended(py, want)),
        }
    }

    /// One frame, which no function of Python has to see.
    #[inline]
    fn take_one<'py>(&self, py: Python<'py>, want: Want) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut inbox = self.inbox().core(py);
        let taken = inbox.take(|frame| Face::raw(py, frame));
        let ended = matches!(taken, Ok(None)) && inbox.at_end();
        drop(inbox);
        match taken {
            Ok(Some(frame)) => self.face.value(py, frame).map(Some),
            Ok(None) if ended => Err(self.ended(py, want)),
            Ok(None) => Ok(None),
            Err(error) => Err(self.failed(py, error)),
        }
    }

    /// The error of a receive at the end of the stream, if it is there.
    fn at_end(&self, py: Python<'_>) -> Option<PyErr> {
        self.inbox().at_end(py).then(|| self.ended(py, Want::One))
    }

    #[cold]
    fn large<'py>(&self, py: Python<'py>, want: Want, tag: u64, memory: Box<dyn Sink>) -> PyResult<Bound<'py, PyAny>> {
        let bytes = match memory.into_any().downcast::<Growing>() {
            Ok(growing) => growing.finish(py).map_err(|_| PyErr::fetch(py))?.cast_into::<PyBytes>()?,
            Err(_) => PyBytes::new(py, &[]),
        };
        let value = self.face.value(py, (tag, bytes))?;
        match want {
            Want::Many(_) => Ok(PyList::new(py, [value])?.into_any()),
            Want::One | Want::Next => Ok(value),
        }
    }

    fn ended(&self, py: Python<'_>, want: Want) -> PyErr {
        match want {
            Want::Next => PyStopAsyncIteration::new_err(()),
            Want::One | Want::Many(_) => self.failed(py, Error::new("recv", Cause::Ended)),
        }
    }

    fn failed(&self, py: Python<'_>, error: Error) -> PyErr {
        if self.framed.closes_after(&error)
            && let Err(failure) = self.close(py)
        {
            return failure;
        }
        errors::exception(py, self.framed.at_peer(error))
    }
}

impl Drop for FramedSocket {
    fn drop(&mut self) {
        if watch::any() && !self.framed.retired() {
            // The loop keeps a port for the next wait, which never comes.
            Python::try_attach(|py| drop(self.off_the_loops(py, watch::End::Keep(self.socket.clone_ref(py)))));
        }
    }
}

/// A receive to be awaited.
struct Receiving {
    socket: Py<FramedSocket>,
    want: Want,
    patience: Patience,
    /// From the first time on that nothing was there.
    fill: Option<Fill>,
    /// What a look found wrong, for the next step.
    failed: Option<Error>,
}

impl Receiving {
    fn fill(&mut self, py: Python<'_>) -> Result<Step<()>, Error> {
        let (framed, patience) = (&self.socket.get().framed, self.patience);
        let fill = self.fill.get_or_insert_with(|| Fill::new(Arc::clone(framed), patience));
        py.detach(|| fill.step(sys::clock::now()))
    }
}

impl Machine for Receiving {
    fn step(&mut self, py: Python<'_>) -> PyResult<Step<Py<PyAny>>> {
        if let Some(error) = self.failed.take() {
            return Err(self.socket.get().failed(py, error));
        }
        loop {
            if let Some(value) = self.socket.get().take(py, self.want)? {
                return Ok(Step::Done(value.unbind()));
            }
            match self.fill(py).map_err(|error| self.socket.get().failed(py, error))? {
                Step::Done(()) => {}
                Step::Wait(wait) => return Ok(Step::Wait(wait)),
            }
        }
    }

    /// Receives what has come, so that the task goes on when its frame is whole and not before.
    fn look(&mut self, py: Python<'_>) -> Option<Wait> {
        match self.fill(py) {
            Ok(Step::Done(())) => None,
            Ok(Step::Wait(wait)) => Some(wait),
            Err(error) => {
                self.failed = Some(error);
                None
            }
        }
    }

    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.socket)
    }
}

/// A send to be awaited. It keeps the socket: nobody else may hold it until all has gone out.
struct Sending {
    socket: Py<FramedSocket>,
    send: Send,
    /// The frame that ended the batch, and what is in front of it: bytes and frames.
    refused: Option<(PyErr, usize, usize)>,
}

impl Machine for Sending {
    fn step(&mut self, py: Python<'_>) -> PyResult<Step<Py<PyAny>>> {
        let send = &mut self.send;
        match py.detach(|| send.step(sys::clock::now())).map_err(|error| errors::exception(py, error))? {
            Step::Done(()) => match self.refused.take() {
                Some((error, sent, frames)) => Err(sent_all(py, error, sent, frames)),
                None => Ok(Step::Done(py.None())),
            },
            Step::Wait(wait) => Ok(Step::Wait(wait)),
        }
    }

    fn sent(&mut self) -> Option<usize> {
        self.send.sent()
    }

    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.socket)
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        // Withdrawing waits for a lock whose holder may wait for the interpreter.
        let send = &mut self.send;
        Python::try_attach(|py| py.detach(|| send.sent()));
    }
}
