//! A caller's writable buffer while bytes are received into it, on any thread, with or without the interpreter.
#![expect(unsafe_code, reason = "the interpreter's C API")]

use std::any::Any;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyMemoryView;

use super::memory::View;
use crate::engine::Descriptor;
use crate::net::framed::Room;
use crate::sys;

/// A view of the buffer; its exporter keeps the memory where it is until this is dropped.
pub struct Lent(Option<(View<'static>, Option<Arc<Py<PyAny>>>)>);

// SAFETY: the view's memory is plain bytes that stay where they are, and the exporter hears of its end attached.
unsafe impl Send for Lent {}

impl Lent {
    /// Of `buffer`'s memory.
    pub fn new(buffer: &Bound<'_, PyAny>) -> PyResult<Self> {
        View::writable_owned(buffer).map(|view| Self(Some((view, None)))).map_err(|_| PyErr::fetch(buffer.py()))
    }

    /// The same for what is written to by Python too, through one memoryview: an exporter may give each view other memory.
    pub fn with_memoryview(buffer: &Bound<'_, PyAny>) -> PyResult<Self> {
        let owner = PyMemoryView::from(buffer)?.into_any();
        let lent = Self::new(&owner)?;
        Ok(Self(lent.into_view().map(|view| (view, Some(Arc::new(owner.unbind()))))))
    }

    fn into_view(mut self) -> Option<View<'static>> {
        self.0.take().map(|(view, _)| view)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.0.is_some() && Python::try_attach(|_| drop(self.0.take())).is_none() {
            // The interpreter is gone, and nobody is left to ask for the memory.
            std::mem::forget(self.0.take());
        }
    }
}

impl Room for Lent {
    fn capacity(&self) -> usize {
        self.0.as_ref().map_or(0, |(view, _)| view.bytes().len())
    }

    fn recv(&mut self, descriptor: Descriptor, range: Range<usize>) -> io::Result<usize> {
        match self.0.as_mut().and_then(|(view, _)| view.room().get_mut(range)) {
            Some(room) => sys::io::recv_uninit(descriptor, room),
            None => Err(io::Error::from_raw_os_error(libc::EFAULT)),
        }
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        if let Some((view, _)) = &mut self.0 {
            for (place, byte) in view.room().iter_mut().skip(at).zip(bytes) {
                place.write(*byte);
            }
        }
    }

    fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.0.as_ref().and_then(|(view, _)| view.bytes().get(range)).unwrap_or_default()
    }

    /// The memoryview, where there is one, as `Arc<Py<PyAny>>`.
    fn owner(&self) -> Option<&dyn Any> {
        self.0.as_ref()?.1.as_ref().map(|owner| owner as &dyn Any)
    }
}
