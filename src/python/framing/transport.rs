//! What a framed socket moves its bytes by: a descriptor, or an object that encrypts (`ssl.SSLSocket`).

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PySlice};

use crate::engine::{Descriptor, Interest};
use crate::error::{Cause, Error, Result};
use crate::net::framed::{Room, Transfer, Transport};
use crate::net::sink::Sink;
use crate::python::aside::aside;

/// What one send hands over at most: a TLS record (RFC 8446 section 5.1), so that what went out is known to that much.
const RECORD: usize = 16 * 1024;

/// An object with the `recv`, `recv_into` and `send` of a non-blocking `ssl.SSLSocket`.
pub struct Object {
    object: Arc<Py<PyAny>>,
    descriptor: Descriptor,
    /// One call at a time: OpenSSL's connection must not be read and written at once. And how long the piece is that a
    /// send began and did not finish: OpenSSL wants it again as it was.
    held: Mutex<usize>,
}

impl Object {
    /// Over `object`, whose descriptor is `descriptor`.
    pub fn new(object: Py<PyAny>, descriptor: Descriptor) -> Self {
        Self { object: Arc::new(object), descriptor, held: Mutex::new(0) }
    }

    /// The lock. It is waited for detached from the interpreter, which its holder may need.
    fn alone(&self) -> MutexGuard<'_, usize> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Receives at most `most` bytes and gives them to `take`.
    fn receive(&self, most: usize, take: impl FnOnce(&[u8]) -> Result<()>) -> Result<Transfer> {
        let _alone = self.alone();
        let (transfer, came) = self.call("recv", move |object| {
            let py = object.py();
            let mut came = None;
            let received = object.call_method1(intern!(py, "recv"), (most,));
            let count = received.and_then(|bytes| {
                let bytes = PyBackedBytes::from(bytes.cast_into::<PyBytes>()?);
                Ok(came.insert(bytes).len())
            });
            Ok((outcome(py, "recv", count)?, came))
        })?;
        if let Some(came) = came {
            take(&came)?;
            Python::attach(|_| drop(came));
        }
        Ok(transfer)
    }

    /// Receives into the bytes of `range` of a buffer; `None`: there is no view of these, and nothing was received.
    fn recv_into(&self, owner: Arc<Py<PyAny>>, range: Range<usize>) -> Result<Option<Transfer>> {
        let _alone = self.alone();
        self.call("recv", move |object| {
            let py = object.py();
            let part = part(owner.bind(py), &range);
            // The last reference may end here, where we are attached.
            drop(owner);
            let Ok(part) = part else { return Ok(None) };
            let received = object.call_method1(intern!(py, "recv_into"), (part, range.len()));
            outcome(py, "recv", received.and_then(|count| count.extract())).map(Some)
        })
    }

    /// Calls the object where no signal handler can tear the call apart: OpenSSL cannot be asked for the same bytes twice.
    fn call<T: Send + 'static>(
        &self,
        operation: &'static str,
        call: impl FnOnce(&Bound<'_, PyAny>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let object = Arc::clone(&self.object);
        aside(move || Python::attach(|py| call(object.bind(py))))
            .unwrap_or_else(|| Err(Error::new(operation, Cause::Interrupted)))
    }
}

/// The bytes of `range` in the memory of a memoryview, of whatever items that is.
fn part<'py>(owner: &Bound<'py, PyAny>, range: &Range<usize>) -> PyResult<Bound<'py, PyAny>> {
    let py = owner.py();
    let bytes = owner.call_method1(intern!(py, "cast"), ("B",))?;
    bytes.get_item(PySlice::new(py, range.start.cast_signed(), range.end.cast_signed(), 1))
}

/// The two exceptions by which an SSLSocket says that it would wait.
fn wants(py: Python<'_>) -> PyResult<&(Py<PyAny>, Py<PyAny>)> {
    static WANTS: PyOnceLock<(Py<PyAny>, Py<PyAny>)> = PyOnceLock::new();
    WANTS.get_or_try_init(py, || {
        let ssl = py.import("ssl")?;
        Ok((ssl.getattr("SSLWantReadError")?.unbind(), ssl.getattr("SSLWantWriteError")?.unbind()))
    })
}

fn outcome(py: Python<'_>, operation: &'static str, result: PyResult<usize>) -> Result<Transfer> {
    let error = match result {
        Ok(count) => return Ok(Transfer::Moved(count)),
        Err(error) => error,
    };
    if let Ok((read, write)) = wants(py) {
        if error.is_instance(py, read.bind(py)) {
            return Ok(Transfer::Blocked(Interest::Readable));
        }
        if error.is_instance(py, write.bind(py)) {
            return Ok(Transfer::Blocked(Interest::Writable));
        }
        if error.is_instance(py, &read.bind(py).getattr("__base__").unwrap_or_else(|_| read.bind(py).clone())) {
            return Err(Error::new(operation, Cause::Tls(error.value(py).to_string())));
        }
    }
    match error.value(py).getattr("errno").and_then(|errno| errno.extract::<i32>()) {
        Ok(errno) => Err(Error::new(operation, Cause::Os(errno))),
        Err(_) => Err(Error::new(operation, Cause::Tls(error.value(py).to_string()))),
    }
}

impl Transport for Object {
    fn descriptor(&self) -> Descriptor {
        self.descriptor
    }

    fn recv(&self, buffer: &mut Vec<u8>, most: usize) -> Result<Transfer> {
        self.receive(most, |came| {
            buffer.extend_from_slice(came);
            Ok(())
        })
    }

    fn recv_sink(&self, sink: &mut dyn Sink, most: usize) -> Result<Transfer> {
        self.receive(most, |came| sink.extend(came))
    }

    /// By the object's `recv_into`, into the buffer itself, wherever Python gives a view of it.
    fn recv_room(&self, room: &mut dyn Room, range: Range<usize>) -> Result<Transfer> {
        let owner = room.owner().and_then(|owner| owner.downcast_ref::<Arc<Py<PyAny>>>()).map(Arc::clone);
        if let Some(owner) = owner
            && let Some(transfer) = self.recv_into(owner, range.clone())?
        {
            return Ok(transfer);
        }
        self.receive(range.len(), |came| {
            room.write(range.start, came);
            Ok(())
        })
    }

    fn send(&self, bytes: &[u8]) -> Result<Transfer> {
        let mut held = self.alone();
        let length = if *held == 0 { bytes.len().min(RECORD) } else { *held };
        let piece = bytes[..length].to_vec();
        let transfer = self.call("send", move |object| {
            let py = object.py();
            let sent = object.call_method1(intern!(py, "send"), (PyBytes::new(py, &piece),));
            outcome(py, "send", sent.and_then(|count| count.extract()))
        });
        *held = if matches!(transfer, Ok(Transfer::Blocked(_))) { length } else { 0 };
        transfer
    }

    fn held(&self) -> usize {
        *self.alone()
    }

    fn settle(&self) {
        drop(self.recv(&mut Vec::new(), RECORD));
    }
}
