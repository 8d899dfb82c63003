//! A socket of frames as a Python object: takes what is decoded already at once, waits through the two drivers otherwise.

use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyStopAsyncIteration;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::codec::Codec;
use super::end;
use super::face::{self, Encoded, Face};
use super::inbox::{Inbox, Refused};
use super::receiving::{Most, Want};
use super::transport::Object;
use crate::engine::Descriptor;
use crate::error::Error;
use crate::net::framed::{Framed, Patience, Send, Transport};
use crate::python::arguments::Timeout;
use crate::python::drive::{self, Pending};
use crate::python::socket::growing::Growing;
use crate::python::{errors, reactor};
use crate::sys;

/// Frames on a connected socket; `framing.wrap` and `framing.connect` make one.
#[pyclass(frozen, subclass, module = "eyesocket._native")]
pub struct FramedSocket {
    pub(super) framed: Arc<Framed>,
    pub(super) face: Face,
    pub(super) refused: Refused,
    timeout: Option<Duration>,
    blocks: bool,
    pub(super) encrypts: bool,
    socket: Py<PyAny>,
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
        timeout: Option<Timeout>,
        blocks: bool,
    ) -> PyResult<Self> {
        sys::io::identity(Descriptor(descriptor)).map_err(|error| errors::exception(py, Error::os("fstat", &error)))?;
        let face = codec.get().face.copy(py);
        let descriptor = Descriptor(descriptor);
        let transport: Box<dyn Transport> =
            if encrypts { Box::new(Object::new(socket.clone_ref(py), descriptor)) } else { Box::new(descriptor) };
        let framed = Framed::new(transport, Arc::clone(&face.core), peer);
        let framed = Arc::new(framed.with_memory(Box::new(|| Box::new(Growing::new()))));
        let timeout = Timeout::limit(timeout);
        Ok(Self { framed, face, refused: Refused::default(), timeout, blocks, encrypts, socket })
    }

    /// Send one frame, whole; several threads and tasks may.
    #[pyo3(signature = (frame, timeout=None))]
    fn send(&self, py: Python<'_>, frame: &Bound<'_, PyAny>, timeout: Option<Timeout>) -> PyResult<()> {
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
    fn send_many(&self, py: Python<'_>, frames: &Bound<'_, PyAny>, timeout: Option<Timeout>) -> PyResult<()> {
        self.send_all(py, frames, self.patience(timeout)?)
    }

    /// The same as `send`, to be awaited.
    #[pyo3(signature = (frame, timeout=None))]
    fn send_async(slf: Py<Self>, frame: &Bound<'_, PyAny>, timeout: Option<Timeout>) -> PyResult<Pending> {
        let mut encoded = Vec::new();
        slf.get().face.encode(frame, &mut encoded)?;
        let ends = vec![encoded.len()];
        Self::sending(slf, Encoded { bytes: encoded, ends, refused: None }, timeout)
    }

    /// The same as `send_many`, to be awaited.
    #[pyo3(signature = (frames, timeout=None))]
    fn send_many_async(slf: Py<Self>, frames: &Bound<'_, PyAny>, timeout: Option<Timeout>) -> PyResult<Pending> {
        let encoded = slf.get().face.encode_many(&mut frames.try_iter()?, face::count(frames), usize::MAX);
        Self::sending(slf, encoded, timeout)
    }

    /// Send what says that no frame follows: of `HTTPChunked` the last chunk and `trailers`, as `Codec.end` takes them.
    ///
    /// Behind the frames of all sends that began before. Most formats have no such end; then nothing is sent, and closing
    /// the socket is what tells the peer. The other direction goes on.
    #[pyo3(signature = (trailers=None, timeout=None))]
    fn send_end(&self, py: Python<'_>, trailers: Option<&Bound<'_, PyAny>>, timeout: Option<Timeout>) -> PyResult<()> {
        let encoded = end::encoded(py, &self.face.core, trailers)?;
        let ends = vec![encoded.len()];
        drive::block(py, &mut Send::new(self.framed.clone(), encoded, ends, self.patience(timeout)?))
    }

    /// The same as `send_end`, to be awaited.
    #[pyo3(signature = (trailers=None, timeout=None))]
    fn send_end_async(
        slf: Py<Self>,
        py: Python<'_>,
        trailers: Option<&Bound<'_, PyAny>>,
        timeout: Option<Timeout>,
    ) -> PyResult<Pending> {
        let bytes = end::encoded(py, &slf.get().face.core, trailers)?;
        let ends = vec![bytes.len()];
        Self::sending(slf, Encoded { bytes, ends, refused: None }, timeout)
    }

    /// Send what a send that was given up has left of a frame (`unsent`).
    #[pyo3(signature = (timeout=None))]
    fn flush(&self, py: Python<'_>, timeout: Option<Timeout>) -> PyResult<()> {
        drive::block(py, &mut Send::new(self.framed.clone(), Vec::new(), Vec::new(), self.patience(timeout)?))
    }

    /// The same as `flush`, to be awaited.
    #[pyo3(signature = (timeout=None))]
    fn flush_async(slf: Py<Self>, timeout: Option<Timeout>) -> PyResult<Pending> {
        Self::sending(slf, Encoded::default(), timeout)
    }

    /// Receive the next frame.
    #[pyo3(signature = (timeout=None))]
    fn recv<'py>(&self, py: Python<'py>, timeout: Option<Timeout>) -> PyResult<Bound<'py, PyAny>> {
        self.receive(py, Want::One, timeout)
    }

    /// Receive the next frame into `buffer`, and give its length; of a TLV frame its type and its value's length.
    ///
    /// The kernel (of an `ssl.SSLSocket`: OpenSSL) writes it there where its header tells its length; only what came with
    /// the header is copied. A frame that does not fit is a `BufferTooSmall` and stays; of `Raw`, what fits is given and
    /// the rest stays. Where this is given up, what has come stays for the next receive; bytes of `buffer` may have been
    /// written then.
    #[pyo3(signature = (buffer, timeout=None))]
    fn recv_into<'py>(
        &self,
        py: Python<'py>,
        buffer: &Bound<'py, PyAny>,
        timeout: Option<Timeout>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.receive_into(py, buffer, self.patience(timeout)?)
    }

    /// Receive the frames that are there, at least one, at most `most`; an empty list is the end of the stream.
    #[pyo3(signature = (most=Most::USUAL, timeout=None), text_signature = "($self, most=1024, timeout=None)")]
    fn recv_many<'py>(&self, py: Python<'py>, most: Most, timeout: Option<Timeout>) -> PyResult<Bound<'py, PyAny>> {
        self.receive(py, Want::Many(most.0), timeout)
    }

    /// The same as `recv`, to be awaited.
    #[pyo3(signature = (timeout=None))]
    fn recv_async(slf: Py<Self>, timeout: Option<Timeout>) -> PyResult<Pending> {
        Self::receiving(slf, Want::One, timeout)
    }

    /// The same as `recv_into`, to be awaited. Until then `buffer` must stay as large as it is.
    #[pyo3(signature = (buffer, timeout=None))]
    fn recv_into_async(slf: Py<Self>, buffer: &Bound<'_, PyAny>, timeout: Option<Timeout>) -> PyResult<Pending> {
        let patience = slf.get().limit(timeout)?;
        Self::receiving_into(slf, buffer, patience)
    }

    /// The same as `recv_many`, to be awaited.
    #[pyo3(signature = (most=Most::USUAL, timeout=None), text_signature = "($self, most=1024, timeout=None)")]
    fn recv_many_async(slf: Py<Self>, most: Most, timeout: Option<Timeout>) -> PyResult<Pending> {
        Self::receiving(slf, Want::Many(most.0), timeout)
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
        self.inbox().unread(py, &front)
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
        let told = self.tell_waits(py);
        self.socket.call_method0(py, intern!(py, "close"))?;
        told
    }

    /// From now on every operation raises, and nobody waits on a loop for it; whether this was the first time.
    fn _retire(&self, py: Python<'_>) -> PyResult<bool> {
        let first = py.detach(|| self.framed.retire());
        if first {
            self.tell_waits(py)?;
        }
        Ok(first)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // What a TLS transport has of the socket is shared with operations, and no one's to show.
        visit.call(&self.socket)?;
        self.face.traverse(&visit)
    }
}

impl FramedSocket {
    pub(super) fn inbox(&self) -> Inbox<'_> {
        Inbox { face: &self.face, core: self.framed.inbox(), refused: &self.refused }
    }

    /// Tells who waits for it on a loop that it is gone.
    fn tell_waits(&self, py: Python<'_>) -> PyResult<()> {
        // A number that was closed behind our back may be another's by now, whose waits go on.
        if self.framed.open() { reactor::lose(py, self.framed.descriptor()) } else { Ok(()) }
    }

    /// How long a call may take; the socket's own timeout unless one is given.
    pub(super) fn patience(&self, timeout: Option<Timeout>) -> PyResult<Patience> {
        match Timeout::limit(timeout) {
            None if !self.blocks => Ok(Patience::None),
            given => Ok(Patience::Limit(given.or(self.timeout))),
        }
    }

    /// The same for what is awaited, which never blocks.
    pub(super) fn limit(&self, timeout: Option<Timeout>) -> PyResult<Patience> {
        Ok(Patience::Limit(Timeout::limit(timeout).or(self.timeout)))
    }

    pub(super) fn failed(&self, py: Python<'_>, error: Error) -> PyErr {
        if self.framed.closes_after(&error)
            && let Err(failure) = self.close(py)
        {
            return failure;
        }
        errors::exception(py, self.framed.at_peer(error))
    }
}
