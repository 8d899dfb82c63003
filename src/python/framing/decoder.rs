//! The incremental decoder as a Python object.

use std::sync::{Arc, Mutex};

use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use super::face::{Face, bytes_of};
use super::inbox::{Failure, Inbox, Refused};
use crate::framing::decoder;
use crate::python::errors;

/// Bytes in, frames out; `codec.decoder()` makes one.
#[pyclass(frozen, module = "eyesocket._native")]
pub struct Decoder {
    face: Face,
    core: Mutex<decoder::Decoder>,
    refused: Refused,
}

impl Decoder {
    pub fn new(face: Face) -> Self {
        let core = Mutex::new(decoder::Decoder::new(Arc::clone(&face.core)));
        Self { face, core, refused: Refused::default() }
    }

    fn inbox(&self) -> Inbox<'_> {
        Inbox { face: &self.face, core: &self.core, refused: &self.refused }
    }
}

fn raised(py: Python<'_>, failure: Failure) -> PyErr {
    match failure {
        Failure::Stream(error) => errors::exception(py, error),
        Failure::Value(error) => error,
    }
}

#[pymethods]
impl Decoder {
    /// Take bytes of the stream and give the frames that they complete.
    ///
    /// An error (`FrameTooLarge`, `ProtocolError`) is raised when no frame is before it; otherwise by the next call. All
    /// of `data` was taken nevertheless: `unread` gives what is in no frame. Raises `ValueError` for bytes behind `eof`, and
    /// takes none where an error, or the format's own end, stands before more than `max_frame` + 256 KiB already.
    fn feed<'py>(&self, py: Python<'py>, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let copy;
        let bytes = match data.cast::<PyBytes>() {
            Ok(bytes) => bytes.as_bytes(),
            Err(_) => {
                copy = bytes_of("data", data)?;
                &copy
            }
        };
        let inbox = self.inbox();
        if !bytes.is_empty() && inbox.core(py).has_eof() {
            return Err(PyValueError::new_err("data: the stream has ended, eof() said so; make another decoder"));
        }
        if !bytes.is_empty() && inbox.core(py).full() {
            // The error that stands, again; behind an end there is none.
            inbox.take(py, usize::MAX, usize::MAX).map_err(|failure| raised(py, failure))?;
            return Err(PyValueError::new_err("data: the stream has ended; unread() gives what is behind its end"));
        }
        inbox.decode(py, bytes).map_err(|failure| raised(py, failure))
    }

    /// Say that the stream has ended, and give the frame that ends with it, if the format has such.
    ///
    /// Raises `TruncatedFrame` where the end is in the middle of a frame.
    fn eof<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let inbox = self.inbox();
        inbox.core(py).eof();
        inbox.take(py, usize::MAX, usize::MAX).map_err(|failure| raised(py, failure))
    }

    /// Bytes that have come and are in no frame that was given.
    #[getter]
    fn buffered(&self, py: Python<'_>) -> usize {
        self.inbox().buffered(py)
    }

    /// Frames over the limit that were dropped (`oversize="skip"`).
    #[getter]
    fn skipped(&self, py: Python<'_>) -> u64 {
        self.inbox().core(py).skipped()
    }

    /// Whether the stream is over and all its frames were given.
    #[getter]
    fn at_end(&self, py: Python<'_>) -> bool {
        self.inbox().at_end(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.face.traverse(&visit)
    }

    /// Take all bytes that are in no frame that was given, to go on with another protocol.
    fn unread<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.inbox().unread(py, &[])
    }
}
