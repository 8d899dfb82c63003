//! The incremental decoder as a Python object.

use std::sync::Mutex;

use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyList};
use std::sync::PoisonError;

use super::codec::Face;
use crate::framing::decoder;
use crate::python::errors;

/// Bytes in, frames out; `codec.decoder()` makes one.
#[pyclass(frozen, module = "eyesocket._native")]
pub struct Decoder {
    face: Face,
    core: Mutex<decoder::Decoder>,
    retry: Mutex<Vec<Raw>>,
}

/// A frame that no value was made of yet.
pub type Raw = (u64, Py<PyBytes>);

impl Decoder {
    pub fn new(face: Face) -> Self {
        let core = Mutex::new(decoder::Decoder::new(face.core.clone()));
        Self { face, core, retry: Mutex::default() }
    }
}

/// Up to `most` frames, or as many as make `bytes` bytes: those that were left over first. An error only if none is there.
///
/// No value is made under the lock: that may run anything, this decoder's methods too.
pub fn drain<'py>(
    py: Python<'py>,
    face: &Face,
    core: &Mutex<decoder::Decoder>,
    retry: &Mutex<Vec<Raw>>,
    most: usize,
    bytes: usize,
) -> Result<Vec<(u64, Bound<'py, PyBytes>)>, crate::error::Error> {
    let mut frames = Vec::new();
    if face.typed() {
        let mut retry = retry.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        while frames.len() < most
            && let Some((tag, frame)) = retry.pop()
        {
            frames.push((tag, frame.into_bound(py)));
        }
    }
    let mut core = core.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
    let mut size = 0;
    while frames.len() < most && size < bytes {
        match core.take(|frame| Face::raw(py, frame)) {
            Ok(Some(frame)) => {
                size += frame.1.as_bytes().len();
                frames.push(frame);
            }
            Ok(None) => break,
            Err(_) if !frames.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(frames)
}

/// The values of `frames`. Where one cannot be made, those before it are the answer and the rest stays for the next time.
pub fn values<'py>(
    py: Python<'py>,
    face: &Face,
    retry: &Mutex<Vec<Raw>>,
    frames: Vec<(u64, Bound<'py, PyBytes>)>,
) -> PyResult<Bound<'py, PyList>> {
    if !face.typed() && !face.core.tagged() {
        return PyList::new(py, frames.into_iter().map(|(_, bytes)| bytes));
    }
    let list = PyList::empty(py);
    let mut frames = frames.into_iter();
    while let Some((tag, bytes)) = frames.next() {
        match face.value(py, (tag, bytes.clone())) {
            Ok(value) => list.append(value)?,
            Err(error) => {
                let failed = (!list.is_empty()).then_some((tag, bytes.clone()));
                let left = failed.into_iter().chain(frames).map(|(tag, bytes)| (tag, bytes.unbind()));
                let mut retry = retry.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
                retry.extend(left.collect::<Vec<_>>().into_iter().rev());
                drop(retry);
                if list.is_empty() {
                    // The frame that no value could be made of is nowhere else.
                    error.value(py).setattr("partial", bytes)?;
                    return Err(error);
                }
                break;
            }
        }
    }
    Ok(list)
}

#[pymethods]
impl Decoder {
    /// Take bytes of the stream and give the frames that they complete.
    ///
    /// An error (`FrameTooLarge`, `ProtocolError`) is raised when no frame is before it; otherwise by the next call.
    fn feed<'py>(&self, py: Python<'py>, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        {
            let mut core = self.core.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
            match data.cast::<PyBytes>() {
                Ok(bytes) => core.feed(bytes.as_bytes()),
                Err(_) => {
                    drop(core);
                    let bytes = pyo3::buffer::PyBuffer::<u8>::get(data)?.to_vec(py)?;
                    core = self.core.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
                    core.feed(&bytes);
                }
            }
        }
        self.frames(py)
    }

    /// Say that the stream has ended, and give the frame that ends with it, if the format has such.
    ///
    /// Raises `TruncatedFrame` where the end is in the middle of a frame.
    fn eof<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.core.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).eof();
        self.frames(py)
    }

    /// Bytes that have come and are in no frame that was given.
    #[getter]
    fn buffered(&self, py: Python<'_>) -> usize {
        self.core.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).buffered()
    }

    /// Frames over the limit that were dropped (`oversize="skip"`).
    #[getter]
    fn skipped(&self, py: Python<'_>) -> u64 {
        self.core.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).skipped()
    }

    /// Whether the stream is over and all its frames were given.
    #[getter]
    fn at_end(&self, py: Python<'_>) -> bool {
        self.core.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).at_end()
    }

    /// Take all bytes that are in no frame that was given, to go on with another protocol.
    fn unread<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.core.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).unread())
    }
}

impl Decoder {
    fn frames<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let frames = drain(py, &self.face, &self.core, &self.retry, usize::MAX, usize::MAX)
            .map_err(|error| errors::exception(py, error))?;
        values(py, &self.face, &self.retry, frames)
    }
}
