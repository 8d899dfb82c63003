//! Memory that all connections of a server are read into, one read at a time.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::net::framed::Room;
use crate::python::socket::lent::Lent;

/// A writable buffer as asyncio's protocols hand one out: called for it, it gives it.
#[pyclass(frozen, module = "eyesocket._native")]
pub struct ReadRoom {
    view: Py<PyAny>,
    memory: Mutex<Lent>,
}

impl ReadRoom {
    /// A copy of the `count` bytes that were read last.
    pub fn read<'py>(&self, py: Python<'py>, count: usize) -> Bound<'py, PyBytes> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        PyBytes::new(py, memory.bytes(0..count.min(memory.capacity())))
    }
}

#[pymethods]
impl ReadRoom {
    #[new]
    fn new(view: Bound<'_, PyAny>) -> PyResult<Self> {
        let memory = Mutex::new(Lent::new(&view)?);
        Ok(Self { view: view.unbind(), memory })
    }

    /// What `get_buffer` of asyncio's BufferedProtocol gives.
    fn __call__(&self, py: Python<'_>, _sizehint: isize) -> Py<PyAny> {
        self.view.clone_ref(py)
    }
}
