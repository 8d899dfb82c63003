//! A codec as a Python object: the core's codec, and what `Typed` lays over it.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyList, PyMemoryView, PyString, PyTuple};

use super::decoder::Decoder;
use crate::error::Error;
use crate::framing::codec::{self, Format, Oversize};
use crate::framing::decoder::Frame;
use crate::framing::delimited::Delimited;
use crate::framing::length::{Fields, LengthPrefixed, Order};
use crate::framing::netstring::Netstring;
use crate::framing::raw::{Fixed, Raw};
use crate::framing::tlv::Tlv;
use crate::framing::varint::Varint;
use crate::python::errors;

/// A format with its limit. Make one by its subclasses in `eyesocket.framing`.
#[pyclass(frozen, subclass, module = "eyesocket._native")]
pub struct Codec {
    pub face: Face,
}

/// The core's codec and the two functions between frames and values.
pub struct Face {
    pub core: codec::Codec,
    dumps: Option<Py<PyAny>>,
    loads: Option<Py<PyAny>>,
}

impl Face {
    pub fn copy(&self, py: Python<'_>) -> Self {
        Self {
            core: self.core.clone(),
            dumps: self.dumps.as_ref().map(|dumps| dumps.clone_ref(py)),
            loads: self.loads.as_ref().map(|loads| loads.clone_ref(py)),
        }
    }

    /// Whether frames go through a function of Python on their way out.
    pub fn typed(&self) -> bool {
        self.loads.is_some()
    }

    /// Appends `frame` as it goes on the wire.
    #[inline]
    pub fn encode(&self, frame: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> PyResult<()> {
        match &self.dumps {
            Some(dumps) => self.encode_plain(&dumps.bind(frame.py()).call1((frame,))?, out),
            None => self.encode_plain(frame, out),
        }
    }

    #[inline]
    fn encode_plain(&self, frame: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> PyResult<()> {
        let fail = |error: Error| errors::exception(frame.py(), error);
        if let Ok(bytes) = frame.cast_exact::<PyBytes>()
            && !self.core.tagged()
        {
            return self.core.encode(0, bytes.as_bytes(), out).map_err(fail);
        }
        if self.core.tagged() {
            let (tag, value): (u64, Bound<'_, PyAny>) = frame.extract()?;
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
        match &self.loads {
            Some(loads) => loads.bind(py).call1((plain,)),
            None => Ok(plain),
        }
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
    object.py().get_type::<PyMemoryView>().call1((object,))?.call_method0(intern!(object.py(), "tobytes"))?.extract()
}

fn order(name: &str) -> PyResult<Order> {
    match name {
        "big" => Ok(Order::Big),
        "little" => Ok(Order::Little),
        _ => Err(PyValueError::new_err(format!("byteorder: {name:?} is neither \"big\" nor \"little\""))),
    }
}

fn oversize(name: &str) -> PyResult<Oversize> {
    match name {
        "raise" => Ok(Oversize::Raise),
        "skip" => Ok(Oversize::Skip),
        "close" => Ok(Oversize::Close),
        _ => Err(PyValueError::new_err(format!("oversize: {name:?} is not \"raise\", \"skip\" or \"close\""))),
    }
}

/// A format by its name, or a codec to lay `Typed` over.
#[derive(FromPyObject)]
enum Kind<'py> {
    Codec(Bound<'py, Codec>),
    Name(String),
}

#[pymethods]
impl Codec {
    #[new]
    #[pyo3(signature = (format, max_frame=1048576, oversize="raise", *, delimiters=None, last=false,
        width=4, type_width=1, byteorder="big", offset=0, adjustment=0, skip=None, counts_header=false, dumps=None,
        loads=None))]
    #[expect(clippy::too_many_arguments, reason = "the union of the formats' settings; their subclasses name few each")]
    fn new(
        py: Python<'_>,
        format: Kind<'_>,
        max_frame: usize,
        oversize: &str,
        delimiters: Option<Vec<Vec<u8>>>,
        last: bool,
        width: usize,
        type_width: usize,
        byteorder: &str,
        offset: usize,
        adjustment: i64,
        skip: Option<usize>,
        counts_header: bool,
        dumps: Option<Py<PyAny>>,
        loads: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let format = match &format {
            Kind::Codec(codec) => return Ok(Self { face: Face { dumps, loads, ..codec.get().face.copy(py) } }),
            Kind::Name(name) => name.as_str(),
        };
        let oversize = self::oversize(oversize)?;
        let order = order(byteorder)?;
        let fail = |error| errors::exception(py, error);
        let format = match format {
            "delimited" => {
                Format::Delimited(Delimited::new(delimiters.unwrap_or_default(), max_frame, last).map_err(fail)?)
            }
            "length" => {
                let fields = Fields { width, order, offset, adjustment, skip, counts_header };
                Format::LengthPrefixed(LengthPrefixed::new(fields, max_frame).map_err(fail)?)
            }
            "fixed" => Format::Fixed(Fixed::new(max_frame).map_err(fail)?),
            "varint" => Format::Varint(Varint { max_frame }),
            "netstring" => Format::Netstring(Netstring { max_frame }),
            "tlv" => Format::Tlv(Tlv::new(type_width, width, order, max_frame).map_err(fail)?),
            "cobs" => Format::Cobs,
            "slip" => Format::Slip,
            "chunked" => Format::Chunked,
            "raw" => Format::Raw(Raw { max_frame }),
            other => return Err(PyValueError::new_err(format!("format: there is no {other:?}"))),
        };
        let core = codec::Codec::new(format, max_frame, oversize).map_err(fail)?;
        Ok(Self { face: Face { core, dumps: None, loads: None } })
    }

    #[getter]
    fn max_frame(&self) -> usize {
        self.face.core.max_frame
    }

    #[getter]
    fn oversize(&self) -> &'static str {
        match self.face.core.oversize {
            Oversize::Raise => "raise",
            Oversize::Skip => "skip",
            Oversize::Close => "close",
        }
    }

    /// Give the bytes of `frame` on the wire.
    fn encode<'py>(&self, py: Python<'py>, frame: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        let mut out = Vec::new();
        self.face.encode(frame, &mut out)?;
        Ok(PyBytes::new(py, &out))
    }

    /// Give the bytes of all `frames` on the wire.
    fn encode_many<'py>(&self, py: Python<'py>, frames: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        let mut out = Vec::new();
        for frame in frames.try_iter()? {
            self.face.encode(&frame?, &mut out)?;
        }
        Ok(PyBytes::new(py, &out))
    }

    /// Give the bytes that say on the wire that no frame follows; none for most formats.
    fn end<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.face.core.end())
    }

    /// Make a decoder at the beginning of a stream.
    fn decoder(&self, py: Python<'_>) -> Decoder {
        Decoder::new(self.face.copy(py))
    }
}
