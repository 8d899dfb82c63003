//! Taking frames out of a decoder that threads share, and making values of them.
//!
//! No value is made under a lock: that may run anything, also methods of the same object. A frame of which no value could
//! be made waits beside the decoder, with the bytes that it was in the stream, so that it still counts as not given.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyList};

use super::face::Face;
use crate::error::Error;
use crate::framing::decoder::{Around, Decoder};

/// Frames that no value could be made of, in order.
pub type Refused = Mutex<VecDeque<Whole>>;

/// A frame before `Typed` has seen it, and what was around it in the stream.
pub struct Whole {
    tag: u64,
    bytes: Py<PyBytes>,
    around: Around,
}

/// Why there is no frame.
pub enum Failure {
    /// What the stream holds.
    Stream(Error),
    /// What Python raised.
    Value(PyErr),
}

/// What has come and was not given: the decoder's bytes, behind the frames that were refused.
pub struct Inbox<'a> {
    pub face: &'a Face,
    pub core: &'a Mutex<Decoder>,
    pub refused: &'a Refused,
}

impl<'a> Inbox<'a> {
    pub fn core(&self, py: Python<'_>) -> MutexGuard<'a, Decoder> {
        self.core.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self, py: Python<'_>) -> MutexGuard<'a, VecDeque<Whole>> {
        self.refused.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that have come and are in no frame that was given.
    pub fn buffered(&self, py: Python<'_>) -> usize {
        let size = |whole: &Whole| whole.around.size(whole.bytes.as_bytes(py));
        let refused: usize = self.refused(py).iter().map(size).sum();
        refused + self.core(py).buffered()
    }

    /// Whether a frame waits here that comes before all that has not been taken.
    pub fn has_refused(&self, py: Python<'_>) -> bool {
        self.face.typed() && !self.refused(py).is_empty()
    }

    /// Whether the stream is over and all its frames were given.
    pub fn at_end(&self, py: Python<'_>) -> bool {
        self.refused(py).is_empty() && self.core(py).at_end()
    }

    /// Takes all bytes that are in no frame that was given, `front` before those of the decoder.
    pub fn unread<'py>(&self, py: Python<'py>, front: &[u8]) -> Bound<'py, PyBytes> {
        let refused = std::mem::take(&mut *self.refused(py));
        let mut bytes = Vec::new();
        for whole in refused {
            whole.around.wire(&self.face.core, whole.bytes.as_bytes(py), &mut bytes);
        }
        bytes.extend_from_slice(front);
        bytes.append(&mut self.core(py).unread());
        PyBytes::new(py, &bytes)
    }

    /// Up to `most` frames, or as many as make `bytes` bytes. An error only if no frame is before it.
    pub fn take<'py>(&self, py: Python<'py>, most: usize, bytes: usize) -> Result<Bound<'py, PyList>, Failure> {
        if self.face.typed() {
            return self.take_values(py, most, bytes);
        }
        let mut frames = Vec::new();
        let mut size = 0;
        let mut core = self.core(py);
        while frames.len() < most && size < bytes {
            match core.take(|frame| Face::raw(py, frame)) {
                Ok(Some(frame)) => {
                    size += frame.1.as_bytes().len();
                    frames.push(frame);
                }
                Ok(None) => break,
                Err(_) if !frames.is_empty() => break,
                Err(error) => return Err(Failure::Stream(error)),
            }
        }
        drop(core);
        self.face.list(py, frames).map_err(Failure::Value)
    }

    /// Feeds `input` and takes all frames; the same, but for the copy of `input`.
    pub fn decode<'py>(&self, py: Python<'py>, input: &[u8]) -> Result<Bound<'py, PyList>, Failure> {
        if self.face.typed() {
            self.core(py).feed(input);
            let values = self.take_values(py, usize::MAX, usize::MAX);
            // What came at once may be more than is held otherwise.
            let mut core = self.core(py);
            if core.buffered() == 0 {
                core.release(0);
            }
            return values;
        }
        let mut frames = Vec::new();
        let outcome = self.core(py).decode(input, |frame| frames.push(Face::raw(py, frame)));
        match outcome {
            Err(error) if frames.is_empty() => Err(Failure::Stream(error)),
            _ => self.face.list(py, frames).map_err(Failure::Value),
        }
    }

    fn take_values<'py>(&self, py: Python<'py>, most: usize, bytes: usize) -> Result<Bound<'py, PyList>, Failure> {
        let values = PyList::empty(py);
        let mut size = 0;
        while values.len() < most && size < bytes {
            let whole = match self.next_whole(py) {
                Ok(Some(whole)) => whole,
                Ok(None) => break,
                Err(_) if !values.is_empty() => break,
                Err(error) => return Err(Failure::Stream(error)),
            };
            let frame = whole.bytes.bind(py).clone();
            size += frame.as_bytes().len();
            match self.face.value(py, (whole.tag, frame.clone())) {
                Ok(value) => values.append(value).map_err(Failure::Value)?,
                Err(error) if values.is_empty() => {
                    // The frame is nowhere else; an exception that cannot carry it is still the one to raise.
                    drop(error.value(py).setattr(intern!(py, "partial"), frame));
                    return Err(Failure::Value(error));
                }
                Err(_) => {
                    let kept = frame.as_bytes().len();
                    self.refused(py).push_front(whole);
                    self.core(py).release(kept);
                    break;
                }
            }
        }
        Ok(values)
    }

    fn next_whole(&self, py: Python<'_>) -> Result<Option<Whole>, Error> {
        if let Some(whole) = self.refused(py).pop_front() {
            return Ok(Some(whole));
        }
        self.core(py).take_whole(|frame, around| {
            let (tag, bytes) = Face::raw(py, frame);
            Whole { tag, bytes: bytes.unbind(), around }
        })
    }
}
