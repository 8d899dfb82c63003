//! A codec as a Python object: what can be set, and what encodes.

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use super::decoder::Decoder;
use super::face::{Face, count, refused};

use crate::framing::codec::{self, Format, Oversize};
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

/// A number as it was given; `None` is one beyond 64 bits.
struct Number(Option<i64>);

impl<'py> FromPyObject<'_, 'py> for Number {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match object.extract() {
            Ok(number) => Ok(Self(Some(number))),
            Err(error) if error.is_instance_of::<PyOverflowError>(object.py()) => Ok(Self(None)),
            Err(error) => Err(error),
        }
    }
}

impl Number {
    fn signed(self, what: &str) -> PyResult<i64> {
        self.0.ok_or_else(|| PyValueError::new_err(format!("{what}: it is beyond any length")))
    }

    fn size(self, what: &str) -> PyResult<usize> {
        let number = self.signed(what)?;
        usize::try_from(number).map_err(|_| PyValueError::new_err(format!("{what}: {number} is not a number of bytes")))
    }
}

fn size(what: &str, number: Option<Number>, default: usize) -> PyResult<usize> {
    number.map_or(Ok(default), |number| number.size(what))
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
    #[pyo3(signature = (format, max_frame=None, oversize="raise", *, delimiters=None, last=false, width=None,
        type_width=None, byteorder="big", offset=None, adjustment=None, skip=None, counts_header=false, dumps=None,
        loads=None))]
    #[expect(clippy::too_many_arguments, reason = "the union of the formats' settings; their subclasses name few each")]
    fn new(
        py: Python<'_>,
        format: Kind<'_>,
        max_frame: Option<Number>,
        oversize: &str,
        delimiters: Option<Vec<PyBackedBytes>>,
        last: bool,
        width: Option<Number>,
        type_width: Option<Number>,
        byteorder: &str,
        offset: Option<Number>,
        adjustment: Option<Number>,
        skip: Option<Number>,
        counts_header: bool,
        dumps: Option<&Bound<'_, PyAny>>,
        loads: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let format = match (&format, dumps, loads) {
            (Kind::Codec(codec), Some(dumps), Some(loads)) => {
                return Ok(Self { face: codec.get().face.under(dumps, loads)? });
            }
            (Kind::Name(name), None, None) => name.as_str(),
            _ => {
                return Err(PyTypeError::new_err(
                    "codec: dumps and loads are laid over a codec, LengthPrefixed(4) say",
                ));
            }
        };
        let oversize = self::oversize(oversize)?;
        let order = order(byteorder)?;
        let named = if format == "fixed" { "size" } else { "max_frame" };
        let max_frame = size(named, max_frame, codec::DEFAULT_MAX_FRAME)?;
        let fail = |error| errors::exception(py, error);
        let format = match format {
            "delimited" => {
                let delimiters = delimiters.unwrap_or_default().iter().map(|bytes| bytes.to_vec()).collect();
                Format::Delimited(Delimited::new(delimiters, max_frame, last).map_err(fail)?)
            }
            "length" => {
                let default = Fields::default();
                let fields = Fields {
                    width: size("width", width, default.width)?,
                    order,
                    offset: size("offset", offset, default.offset)?,
                    adjustment: adjustment.map_or(Ok(default.adjustment), |number| number.signed("adjustment"))?,
                    skip: skip.map(|skip| skip.size("skip")).transpose()?,
                    counts_header,
                };
                Format::LengthPrefixed(LengthPrefixed::new(fields, max_frame).map_err(fail)?)
            }
            "fixed" => Format::Fixed(Fixed::new(max_frame).map_err(fail)?),
            "varint" => Format::Varint(Varint { max_frame }),
            "netstring" => Format::Netstring(Netstring { max_frame }),
            "tlv" => {
                let (kind, length) = (size("type_width", type_width, 1)?, size("length_width", width, 2)?);
                Format::Tlv(Tlv::new(kind, length, order, max_frame).map_err(fail)?)
            }
            "cobs" => Format::Cobs,
            "slip" => Format::Slip,
            "chunked" => Format::Chunked,
            "raw" => Format::Raw(Raw { max_frame }),
            other => return Err(PyValueError::new_err(format!("format: there is no {other:?}"))),
        };
        let core = codec::Codec::new(format, max_frame, oversize).map_err(fail)?;
        Ok(Self { face: Face::new(core) })
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let face = &slf.get().face;
        let settings = if face.typed() { face.core.to_string() } else { face.core.settings() };
        Ok(format!("{}({settings})", slf.get_type().name()?))
    }

    /// The largest frame in bytes, as it is handed over.
    #[getter]
    fn max_frame(&self) -> usize {
        self.face.core.max_frame
    }

    /// What happens to a larger one that comes: "raise", "skip" or "close".
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
    ///
    /// Where one cannot be encoded, what is raised has those before it in `partial`, and their number in `frames`.
    fn encode_many<'py>(&self, py: Python<'py>, frames: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        let encoded = self.face.encode_many(&mut frames.try_iter()?, count(frames), usize::MAX);
        let bytes = PyBytes::new(py, &encoded.bytes);
        let Some(error) = encoded.refused else { return Ok(bytes) };
        let error = refused(py, error, encoded.ends.len());
        drop(error.value(py).setattr(intern!(py, "partial"), bytes));
        Err(error)
    }

    /// Give the bytes that say on the wire that no frame follows; none for most formats.
    fn end<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.face.core.end())
    }

    /// Make a decoder at the beginning of a stream.
    fn decoder(&self, py: Python<'_>) -> Decoder {
        Decoder::new(self.face.copy(py))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.face.traverse(&visit)
    }
}
