//! A codec as a Python object: what can be set, and what encodes.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyMemoryView, PyString};

use super::decoder::Decoder;
use super::end;
use super::face::{Face, count, refused};

use crate::framing::codec::{self, Format, Oversize};
use crate::framing::delimited::Delimited;
use crate::framing::length::{Fields, LengthPrefixed, MOST_ADJUSTMENT, Order};
use crate::framing::netstring::Netstring;
use crate::framing::raw::{Fixed, Raw};
use crate::framing::tlv::Tlv;
use crate::framing::varint::Varint;
use crate::python::{arguments, errors};

/// A format with its limit. Make one by its subclasses in `eyesocket.framing`.
#[pyclass(frozen, subclass, module = "eyesocket._native")]
pub struct Codec {
    pub face: Face,
}

const ORDERS: [(&str, Order); 2] = [("big", Order::Big), ("little", Order::Little)];
const OVERSIZE: [(&str, Oversize); 3] =
    [("raise", Oversize::Raise), ("skip", Oversize::Skip), ("close", Oversize::Close)];

type Given<'a, 'py> = Option<&'a Bound<'py, PyAny>>;

fn size(name: &str, given: Given<'_, '_>, least: usize, most: usize, default: usize) -> PyResult<usize> {
    given.map_or(Ok(default), |given| arguments::count(name, given, least, most))
}

fn flag(name: &str, given: Given<'_, '_>) -> PyResult<bool> {
    given.map_or(Ok(false), |given| arguments::flag(name, given))
}

/// One delimiter, or several.
fn delimiters(name: &str, given: Given<'_, '_>) -> PyResult<Vec<Vec<u8>>> {
    let given = given.ok_or_else(|| PyTypeError::new_err(format!("{name}: bytes expected, or several of them")))?;
    let one = |object: &Bound<'_, PyAny>| object.extract::<PyBackedBytes>().ok().map(|bytes| bytes.to_vec());
    if let Some(bytes) = one(given) {
        return Ok(vec![bytes]);
    }
    let wrong = |object: &Bound<'_, PyAny>| arguments::no(name, "bytes", object);
    if given.is_instance_of::<PyString>() || given.is_instance_of::<PyMemoryView>() {
        return Err(wrong(given));
    }
    let several = given.try_iter().map_err(|_| wrong(given))?;
    several.map(|object| object.and_then(|object| one(&object).ok_or_else(|| wrong(&object)))).collect()
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
    #[pyo3(signature = (format, max_frame=None, oversize=None, *, delimiter=None, open_end=None, width=None,
        type_width=None, byteorder=None, offset=None, adjustment=None, skip=None, counts_header=None, dumps=None,
        loads=None))]
    #[expect(clippy::too_many_arguments, reason = "the union of the formats' settings; their subclasses name few each")]
    fn new(
        py: Python<'_>,
        format: Kind<'_>,
        max_frame: Given<'_, '_>,
        oversize: Given<'_, '_>,
        delimiter: Given<'_, '_>,
        open_end: Given<'_, '_>,
        width: Given<'_, '_>,
        type_width: Given<'_, '_>,
        byteorder: Given<'_, '_>,
        offset: Given<'_, '_>,
        adjustment: Given<'_, '_>,
        skip: Given<'_, '_>,
        counts_header: Given<'_, '_>,
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
        let oversize = oversize.map_or(Ok(Oversize::Raise), |word| arguments::word("oversize", word, &OVERSIZE))?;
        let order = byteorder.map_or(Ok(Order::Big), |word| arguments::word("byteorder", word, &ORDERS))?;
        let named = if format == "fixed" { "size" } else { "max_frame" };
        let max_frame = size(named, max_frame, 1, codec::MOST_FRAME, codec::DEFAULT_MAX_FRAME)?;
        let fail = |error| errors::exception(py, error);
        let format = match format {
            "lines" | "delimited" => {
                let named = if format == "lines" { "ending" } else { "delimiter" };
                let delimiters = delimiters(named, delimiter)?;
                let open_end = flag("open_end", open_end)?;
                Format::Delimited(Delimited::new(delimiters, max_frame, open_end).map_err(fail)?)
            }
            "length" => {
                let default = Fields::default();
                let range = -MOST_ADJUSTMENT..=MOST_ADJUSTMENT;
                let fields = Fields {
                    width: size("width", width, 1, 8, default.width)?,
                    order,
                    offset: size("offset", offset, 0, codec::MOST_FRAME, default.offset)?,
                    adjustment: adjustment
                        .map_or(Ok(default.adjustment), |number| arguments::number("adjustment", number, range))?,
                    skip: skip.map(|skip| arguments::count("skip", skip, 0, codec::MOST_FRAME)).transpose()?,
                    counts_header: flag("counts_header", counts_header)?,
                };
                Format::LengthPrefixed(LengthPrefixed::new(fields, max_frame).map_err(fail)?)
            }
            "fixed" => Format::Fixed(Fixed::new(max_frame).map_err(fail)?),
            "varint" => Format::Varint(Varint { max_frame }),
            "netstring" => Format::Netstring(Netstring { max_frame }),
            "tlv" => {
                let (kind, length) = (size("type_width", type_width, 1, 8, 1)?, size("length_width", width, 1, 8, 2)?);
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
    ///
    /// `trailers` are the fields behind the last chunk of `HTTPChunked` (RFC 9112 section 7.1.2): a mapping of names to
    /// values or pairs of them, ASCII text or bytes. Raises `ValueError` for what cannot be there.
    #[pyo3(signature = (trailers=None))]
    fn end<'py>(&self, py: Python<'py>, trailers: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &end::encoded(py, &self.face.core, trailers)?))
    }

    /// Make a decoder at the beginning of a stream.
    fn decoder(&self, py: Python<'_>) -> Decoder {
        Decoder::new(self.face.copy(py))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.face.traverse(&visit)
    }
}
