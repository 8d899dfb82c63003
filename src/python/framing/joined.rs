//! Datagrams of one size in one piece, as Python objects: what the kernel joined, and what it is to cut.

use pyo3::exceptions::PyIndexError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::net::segments;
use crate::python::socket::memory::Unseen;
use crate::python::socket::raw::Raised;

/// Up to so many bytes a copy costs less than memory of their own.
const COPIED: usize = 4096;

/// Datagrams of one sender that came joined: `data` is all of them, `size` that of each but the last.
#[pyclass(frozen, module = "eyesocket.framing")]
pub struct Joined {
    /// The bytes of all, one datagram behind the other.
    #[pyo3(get)]
    data: Py<PyBytes>,
    /// The size of each datagram in bytes; the last may be shorter.
    #[pyo3(get)]
    size: usize,
    /// Who sent them, as `recvfrom` of the standard library says it.
    #[pyo3(get)]
    address: Py<PyAny>,
}

impl Joined {
    /// Of what one receive left in `joined`; memory that is not in use comes back.
    pub fn new<'py>(
        py: Python<'py>,
        joined: segments::Joined<Unseen>,
        address: &Bound<'py, PyAny>,
    ) -> PyResult<(Bound<'py, Self>, Option<Unseen>)> {
        let segments::Joined { memory, length, segment: size, .. } = joined;
        let (data, spare) = if length <= COPIED {
            (memory.copy(py, length), Some(memory))
        } else {
            let data = memory.finish(py, length).map_err(|Raised| PyErr::fetch(py))?;
            (data.cast_into::<PyBytes>()?, None)
        };
        let this = Self { data: data.unbind(), size, address: address.clone().unbind() };
        Ok((Bound::new(py, this)?, spare))
    }

    fn count(&self, py: Python<'_>) -> usize {
        // An empty datagram is one too.
        self.data.as_bytes(py).len().div_ceil(self.size).max(1)
    }
}

#[pymethods]
impl Joined {
    /// How many datagrams it is.
    fn __len__(&self, py: Python<'_>) -> usize {
        self.count(py)
    }

    /// One datagram's bytes.
    fn __getitem__<'py>(&self, py: Python<'py>, at: isize) -> PyResult<Bound<'py, PyBytes>> {
        let count = self.count(py);
        let from_end = if at < 0 { count } else { 0 };
        let Some(place) = from_end.checked_add_signed(at).filter(|place| *place < count) else {
            return Err(PyIndexError::new_err(format!("there are {count} datagrams, and none at {at}")));
        };
        let data = self.data.as_bytes(py);
        let start = place * self.size;
        Ok(PyBytes::new(py, &data[start..data.len().min(start + self.size)]))
    }

    /// The same as a dictionary.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let fields = PyDict::new(py);
        fields.set_item(intern!(py, "data"), &self.data)?;
        fields.set_item(intern!(py, "size"), self.size)?;
        fields.set_item(intern!(py, "address"), &self.address)?;
        Ok(fields)
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, Self>) -> PyResult<bool> {
        let other = other.get();
        Ok(self.size == other.size
            && self.data.as_bytes(py) == other.data.as_bytes(py)
            && self.address.bind(py).eq(&other.address)?)
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        (self.size, &self.data, &self.address).into_pyobject(py)?.hash()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (count, length) = (self.count(py), self.data.as_bytes(py).len());
        let what = match count {
            1 => format!("1 datagram of {length} bytes"),
            _ => format!("{count} datagrams of {} bytes, {length} in all", self.size),
        };
        Ok(format!("<Joined {what}, from {}>", self.address.bind(py).repr()?))
    }
}
