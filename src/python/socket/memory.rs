//! Memory that Python and the kernel share for a call: views of other objects' bytes, and new `bytes` to be filled.
#![expect(unsafe_code, reason = "the interpreter's C API")]

use std::ffi::c_int;
use std::marker::PhantomData;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::raw::{_PyBytes_Resize, Arg, Given, Raised, owned};
use crate::net::segments::Memory;

/// A view of an object's memory, released when dropped.
pub struct View<'a> {
    view: ffi::Py_buffer,
    object: PhantomData<&'a ()>,
}

impl View<'_> {
    /// Room for a view that a format string fills.
    pub fn empty() -> Self {
        Self { view: ffi::Py_buffer::new(), object: PhantomData }
    }

    /// What the `y*` and `w*` formats fill.
    pub fn as_mut_ptr(&mut self) -> *mut ffi::Py_buffer {
        &raw mut self.view
    }

    /// Whether nothing has filled it.
    pub fn is_unset(&self) -> bool {
        self.view.buf.is_null() && self.view.obj.is_null()
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        if self.view.len <= 0 || self.view.buf.is_null() {
            return &[];
        }
        // SAFETY: the exporter keeps `len` bytes at `buf` until the view is released.
        unsafe { std::slice::from_raw_parts(self.view.buf.cast(), self.view.len.cast_unsigned()) }
    }

    /// The bytes of a view that was asked for as writable.
    pub fn room(&mut self) -> &mut [std::mem::MaybeUninit<u8>] {
        if self.view.len <= 0 || self.view.buf.is_null() {
            return &mut [];
        }
        // SAFETY: as above, and the exporter has agreed to writing.
        unsafe { std::slice::from_raw_parts_mut(self.view.buf.cast(), self.view.len.cast_unsigned()) }
    }
}

impl<'a> View<'a> {
    /// A view of `object`'s bytes; an exception is set if it has none.
    pub fn of(object: Arg<'a, '_>) -> Result<Self, Raised> {
        Self::with(object, ffi::PyBUF_SIMPLE)
    }

    /// The same; the view alone keeps the object alive.
    pub fn of_owned(object: &Bound<'_, PyAny>) -> Result<View<'static>, Raised> {
        let mut view = View::empty();
        // SAFETY: a live object and a live view, which takes a reference of its own.
        if unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), view.as_mut_ptr(), ffi::PyBUF_SIMPLE) } != 0 {
            return Err(Raised);
        }
        Ok(view)
    }

    /// The same, to write to.
    pub fn writable(object: Arg<'a, '_>) -> Result<Self, Raised> {
        Self::with(object, ffi::PyBUF_WRITABLE)
    }

    /// The same, to write to; the view alone keeps the object alive.
    pub fn writable_owned(object: &Bound<'_, PyAny>) -> Result<View<'static>, Raised> {
        let mut view = View::empty();
        // SAFETY: a live object and a live view, which takes a reference of its own.
        if unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), view.as_mut_ptr(), ffi::PyBUF_WRITABLE) } != 0 {
            return Err(Raised);
        }
        Ok(view)
    }

    fn with(object: Arg<'a, '_>, flags: c_int) -> Result<Self, Raised> {
        let mut view = Self::empty();
        // SAFETY: a live object and a live view.
        if unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), view.as_mut_ptr(), flags) } != 0 {
            return Err(Raised);
        }
        Ok(view)
    }
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        // SAFETY: releasing a view that was never filled does nothing.
        unsafe { ffi::PyBuffer_Release(&raw mut self.view) };
    }
}

/// A `bytes` object that nobody has seen, to be filled and cut.
pub struct NewBytes<'py>(Bound<'py, PyAny>, usize);

impl<'py> NewBytes<'py> {
    /// Of `length` bytes, not yet initialised.
    pub fn new(py: Python<'py>, length: usize) -> Given<'py, Self> {
        // SAFETY: a null source leaves the bytes to us.
        let object = owned(py, unsafe { ffi::PyBytes_FromStringAndSize(std::ptr::null(), length.cast_signed()) })?;
        Ok(Self(object, length))
    }

    /// Of `length` zeros: for `MSG_TRUNC`, with which the kernel counts bytes that it does not write.
    pub fn zeros(py: Python<'py>, length: usize) -> Given<'py, Self> {
        let mut made = Self::new(py, length)?;
        made.room().fill(std::mem::MaybeUninit::new(0));
        Ok(made)
    }

    /// The bytes.
    pub fn room(&mut self) -> &mut [std::mem::MaybeUninit<u8>] {
        // SAFETY: the object has this many bytes, and nobody else has a reference to it.
        unsafe { std::slice::from_raw_parts_mut(ffi::PyBytes_AsString(self.0.as_ptr()).cast(), self.1) }
    }

    /// The object, cut to the `filled` bytes that have been written; or lengthened by zeros, where the kernel gave the
    /// length of a message of which it wrote only the beginning (`MSG_TRUNC`).
    pub fn finish(self, filled: usize) -> Given<'py> {
        let Self(object, length) = self;
        if filled == length {
            return Ok(object);
        }
        let py = object.py();
        let mut object = object.into_ptr();
        // SAFETY: ours alone; on failure the function frees it and stores null. The bytes behind `length` are new.
        unsafe {
            _PyBytes_Resize(&raw mut object, filled.cast_signed());
            if filled > length && !object.is_null() {
                ffi::PyBytes_AsString(object).add(length).write_bytes(0, filled - length);
            }
        }
        owned(py, object)
    }
}

/// The same on any thread, with or without the interpreter.
pub struct Unseen {
    object: Py<PyAny>,
    room: *mut std::mem::MaybeUninit<u8>,
    length: usize,
}

// SAFETY: nobody else has a reference to the object, whose memory is plain bytes.
unsafe impl Send for Unseen {}

impl Unseen {
    /// Of `length` bytes, not yet initialised.
    pub fn new(py: Python<'_>, length: usize) -> Given<'_, Self> {
        let mut made = NewBytes::new(py, length)?;
        let room = made.room().as_mut_ptr();
        Ok(Self { object: made.0.unbind(), room, length })
    }

    /// A copy of the `filled` bytes that have been written at the start.
    pub fn copy<'py>(&self, py: Python<'py>, filled: usize) -> Bound<'py, PyBytes> {
        // SAFETY: within the object's bytes, of which so many are written.
        PyBytes::new(py, unsafe { std::slice::from_raw_parts(self.room.cast(), filled.min(self.length)) })
    }

    /// The object, cut to the `filled` bytes that have been written.
    pub fn finish(self, py: Python<'_>, filled: usize) -> Given<'_> {
        NewBytes(self.object.into_bound(py), self.length).finish(filled.min(self.length))
    }
}

impl Memory for Unseen {
    fn room(&mut self) -> &mut [std::mem::MaybeUninit<u8>] {
        // SAFETY: the object has this many bytes, and nobody else has a reference to it.
        unsafe { std::slice::from_raw_parts_mut(self.room, self.length) }
    }
}
