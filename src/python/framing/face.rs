//! Between Python's values and frames: the core's codec, and what `Typed` lays over it.

use std::sync::Arc;

use pyo3::exceptions::{
    PyOverflowError, PyRuntimeError, PyStopAsyncIteration, PyStopIteration, PyTypeError, PyValueError,
};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyIterator, PyList, PyMemoryView, PyString, PyTuple};

use crate::error::Error;
use crate::framing::codec::Codec;
use crate::framing::decoder::Frame;
use crate::python::{arguments, errors};

/// Frames as they go on the wire, and what kept the next one from it.
#[derive(Default)]
pub struct Encoded {
    pub bytes: Vec<u8>,
    /// Where each frame ends.
    pub ends: Vec<usize>,
    /// Raised by a frame, or by what gives them.
    pub refused: Option<PyErr>,
}

/// Room for so many bytes is made before they are there.
const MOST_EXPECTED: usize = 1024 * 1024;

/// How many frames there are, where that is known at once.
pub fn count(frames: &Bound<'_, PyAny>) -> usize {
    frames
        .cast::<PyList>()
        .map(|list| list.len())
        .or_else(|_| frames.cast::<PyTuple>().map(|tuple| tuple.len()))
        .unwrap_or(0)
}

/// What is raised says how many frames are before it.
pub fn refused(py: Python<'_>, error: PyErr, frames: usize) -> PyErr {
    // An exception that takes no attributes is still the one to raise.
    drop(error.value(py).setattr(intern!(py, "frames"), frames));
    error
}

/// The core's codec and the functions between frames and values.
pub struct Face {
    pub core: Arc<Codec>,
    /// One for each `Typed`, the innermost first.
    layers: Vec<Layer>,
}

struct Layer {
    dumps: Py<PyAny>,
    loads: Py<PyAny>,
}

impl Face {
    pub fn new(core: Codec) -> Self {
        Self { core: Arc::new(core), layers: Vec::new() }
    }

    pub fn copy(&self, py: Python<'_>) -> Self {
        let copy = |layer: &Layer| Layer { dumps: layer.dumps.clone_ref(py), loads: layer.loads.clone_ref(py) };
        Self { core: Arc::clone(&self.core), layers: self.layers.iter().map(copy).collect() }
    }

    /// The same codec with two functions more laid over it.
    pub fn under(&self, dumps: &Bound<'_, PyAny>, loads: &Bound<'_, PyAny>) -> PyResult<Self> {
        for (what, function) in [("dumps", dumps), ("loads", loads)] {
            if !function.is_callable() {
                return Err(PyTypeError::new_err(format!("{what}: {} is no function", function.repr()?)));
            }
        }
        let mut face = self.copy(dumps.py());
        face.layers.push(Layer { dumps: dumps.clone().unbind(), loads: loads.clone().unbind() });
        Ok(face)
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        for layer in &self.layers {
            visit.call(&layer.dumps)?;
            visit.call(&layer.loads)?;
        }
        Ok(())
    }

    /// Whether frames go through a function of Python.
    pub fn typed(&self) -> bool {
        !self.layers.is_empty()
    }

    /// Appends `frame` as it goes on the wire.
    #[inline(always)]
    pub fn encode(&self, frame: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> PyResult<()> {
        if self.layers.is_empty() { self.encode_plain(frame, out) } else { self.encode_typed(frame, out) }
    }

    #[inline(never)]
    fn encode_typed(&self, frame: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> PyResult<()> {
        let Some((outermost, inner)) = self.layers.split_last() else { return self.encode_plain(frame, out) };
        let mut frame = called(&outermost.dumps, "dumps", frame)?;
        for layer in inner.iter().rev() {
            frame = called(&layer.dumps, "dumps", &frame)?;
        }
        self.encode_plain(&frame, out)
    }

    /// Encodes frames until they are `most` bytes, or one is refused. There are about `count`; zero: nobody knows.
    pub fn encode_many(&self, frames: &mut Bound<'_, PyIterator>, count: usize, most: usize) -> Encoded {
        let mut encoded = Encoded::default();
        let Encoded { bytes, ends, .. } = &mut encoded;
        while bytes.len() < most
            && let Some(frame) = frames.next()
        {
            let done = match frame {
                Ok(frame) => self.encode(&frame, bytes),
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                encoded.refused = Some(error);
                break;
            }
            if ends.is_empty() {
                // The others are about as large as the first.
                let each = bytes.len().max(1);
                let expected = count.min(most / each).min(MOST_EXPECTED / each);
                bytes.reserve(expected * each);
                ends.reserve(expected + 1);
            }
            ends.push(bytes.len());
        }
        encoded
    }

    #[inline(always)]
    fn encode_plain(&self, frame: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> PyResult<()> {
        if let Ok(bytes) = frame.cast_exact::<PyBytes>()
            && !self.core.tagged()
        {
            return match self.core.encode(0, bytes.as_bytes(), out) {
                Ok(()) => Ok(()),
                Err(error) => Err(errors::exception(frame.py(), error)),
            };
        }
        self.encode_other(frame, out)
    }

    #[inline(never)]
    fn encode_other(&self, frame: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> PyResult<()> {
        let fail = |error: Error| errors::exception(frame.py(), error);
        if self.core.tagged() {
            let (tag, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = frame.extract()?;
            let tag = tag.extract::<u64>().map_err(|error| {
                if error.is_instance_of::<PyOverflowError>(frame.py()) {
                    PyValueError::new_err("frame: its type is not a number of at most 64 bits, and not negative")
                } else {
                    arguments::no("frame", "a whole number as its type", &tag)
                }
            })?;
            return self.core.encode(tag, &bytes_of("a frame", &value)?, out).map_err(fail);
        }
        self.core.encode(0, &bytes_of("a frame", frame)?, out).map_err(fail)
    }

    /// What a frame is in Python before `Typed` has seen it.
    #[inline]
    pub fn raw<'py>(py: Python<'py>, frame: Frame<'_>) -> (u64, Bound<'py, PyBytes>) {
        (frame.tag, PyBytes::new(py, frame.bytes))
    }

    /// The value for a frame.
    #[inline]
    pub fn value<'py>(&self, py: Python<'py>, (tag, bytes): (u64, Bound<'py, PyBytes>)) -> PyResult<Bound<'py, PyAny>> {
        let plain = if self.core.tagged() {
            PyTuple::new(py, [tag.into_pyobject(py)?.into_any(), bytes.into_any()])?.into_any()
        } else {
            bytes.into_any()
        };
        self.layers.iter().try_fold(plain, |value, layer| called(&layer.loads, "loads", &value))
    }

    /// The list of frames that no function of Python has to see.
    pub fn list<'py>(&self, py: Python<'py>, frames: Vec<(u64, Bound<'py, PyBytes>)>) -> PyResult<Bound<'py, PyList>> {
        if !self.core.tagged() {
            return PyList::new(py, frames.into_iter().map(|(_, bytes)| bytes));
        }
        let values = frames.into_iter().map(|frame| self.value(py, frame)).collect::<PyResult<Vec<_>>>()?;
        PyList::new(py, values)
    }
}

/// What a function of `Typed` makes of `value`. Iterations and awaits would take what ends them for an end
/// of theirs; as in a generator (PEP 479) it is an error.
fn called<'py>(function: &Py<PyAny>, name: &str, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = value.py();
    function.bind(py).call1((value,)).map_err(|error| {
        if !(error.is_instance_of::<PyStopIteration>(py) || error.is_instance_of::<PyStopAsyncIteration>(py)) {
            return error;
        }
        let outer = PyRuntimeError::new_err(format!("{name} raised {}", error.get_type(py)));
        outer.set_cause(py, Some(error));
        outer
    })
}

/// The bytes of a bytes-like object, which `what` calls in errors.
pub fn bytes_of(what: &str, object: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    if let Ok(bytes) = object.cast::<PyBytes>() {
        return Ok(bytes.as_bytes().to_vec());
    }
    if let Ok(bytes) = object.cast::<PyByteArray>() {
        return Ok(bytes.to_vec());
    }
    if object.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err(format!(
            "{what} is bytes-like, not str; encode it first, or lay Typed over the codec"
        )));
    }
    // memoryview and whatever else has a buffer; numbers and lists are none.
    let py = object.py();
    let view = match py.get_type::<PyMemoryView>().call1((object,)) {
        Err(error) if error.is_instance_of::<PyTypeError>(py) => {
            let kind = object.get_type().name()?;
            return Err(PyTypeError::new_err(format!("{what} is bytes-like, not {kind}")));
        }
        view => view?,
    };
    view.call_method0(intern!(py, "tobytes"))?.extract()
}
