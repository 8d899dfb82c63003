//! What a framed socket moves its bytes by: a descriptor, or an object that encrypts (`ssl.SSLSocket`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyBytes;

use crate::engine::{Descriptor, Interest};
use crate::error::{Cause, Error, Result};
use crate::net::framed::{Transfer, Transport};
use crate::python::aside::aside;

/// What one send hands over at most: a TLS record (RFC 8446 section 5.1), so that what went out is known to that much.
const RECORD: usize = 16 * 1024;

/// An object with the `recv` and `send` of a non-blocking `ssl.SSLSocket`.
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
        let _alone = self.alone();
        let received = self.call("recv", move |object| {
            let py = object.py();
            let mut came = Vec::new();
            let received = object.call_method1(intern!(py, "recv"), (most,));
            let count = received.and_then(|bytes| {
                came = bytes.cast_into::<PyBytes>()?.as_bytes().to_vec();
                Ok(came.len())
            });
            Ok((outcome(py, "recv", count)?, came))
        });
        let (transfer, came) = received?;
        buffer.extend_from_slice(&came);
        Ok(transfer)
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
