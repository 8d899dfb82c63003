//! A `bytes` object that is filled while content comes, so that a large body is in memory once.
#![expect(unsafe_code, reason = "the interpreter's C API")]

use std::any::Any;
use std::io;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use pyo3::ffi;
use pyo3::prelude::*;

use super::raw::{_PyBytes_Resize, Given, owned};
use crate::engine::Descriptor;
use crate::error::{Cause, Error};
use crate::net::sink::Sink;
use crate::net::stream::{Io, Stream};
use crate::sys;

/// A `bytes` object that grows while it is filled, on any thread, with or without the interpreter.
pub struct Growing {
    object: *mut ffi::PyObject,
    room: *mut MaybeUninit<u8>,
    capacity: usize,
    filled: usize,
}

// SAFETY: nobody else has a reference to the object, whose memory is plain bytes; what the interpreter does with it
// happens attached.
unsafe impl Send for Growing {}

impl Default for Growing {
    fn default() -> Self {
        Self::new()
    }
}

impl Growing {
    /// Empty; takes its memory when something comes.
    pub fn new() -> Self {
        Self { object: std::ptr::null_mut(), room: NonNull::dangling().as_ptr(), capacity: 0, filled: 0 }
    }

    /// Room for at least `wanted` more bytes; attaches to the interpreter if that takes more memory. None without it.
    fn grow(&mut self, wanted: usize) -> Option<()> {
        let needed = self.filled.checked_add(wanted)?;
        if needed <= self.capacity {
            return Some(());
        }
        // The first wish is exact, for it knows the length; later ones double.
        let capacity = if self.object.is_null() {
            needed
        } else {
            // Powers of two keep what huge pages take beyond the content to one of them.
            needed.max(self.capacity.saturating_mul(2)).checked_next_power_of_two()?
        };
        Python::attach(|py| {
            if self.object.is_null() {
                // SAFETY: a null source leaves the bytes to us.
                self.object = unsafe { ffi::PyBytes_FromStringAndSize(std::ptr::null(), capacity.cast_signed()) };
            } else {
                // SAFETY: ours alone; on failure the function frees it and stores null.
                unsafe { _PyBytes_Resize(&raw mut self.object, capacity.cast_signed()) };
            }
            if self.object.is_null() {
                (self.room, self.capacity, self.filled) = (NonNull::dangling().as_ptr(), 0, 0);
                return discard(py);
            }
            // SAFETY: a live bytes object.
            self.room = unsafe { ffi::PyBytes_AsString(self.object) }.cast();
            self.capacity = capacity;
            self.prefer_huge();
            Some(())
        })
    }

    /// Half of what a large body costs would be page faults: each would bring four thousand bytes.
    fn prefer_huge(&mut self) {
        if self.capacity >= OWN_MAPPING && !sys::memory::huge_is_dear() {
            // SAFETY: the object's bytes, which nobody else has a reference to.
            let memory = unsafe { std::slice::from_raw_parts_mut(self.room, self.capacity) };
            // It works without, too.
            drop(sys::memory::prefer_huge(memory));
        }
    }

    /// The object, cut to what was written.
    pub fn finish(mut self, py: Python<'_>) -> Given<'_> {
        let mut object = std::mem::replace(&mut self.object, std::ptr::null_mut());
        if object.is_null() {
            // SAFETY: no bytes need no source.
            return owned(py, unsafe { ffi::PyBytes_FromStringAndSize(std::ptr::null(), 0) });
        }
        if self.filled != self.capacity {
            // SAFETY: ours alone; on failure the function frees it and stores null.
            unsafe { _PyBytes_Resize(&raw mut object, self.filled.cast_signed()) };
        }
        owned(py, object)
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        if !self.object.is_null() {
            let object = self.object;
            // SAFETY: attached, and the reference is ours.
            Python::attach(|_| unsafe { ffi::Py_DECREF(object) });
        }
    }
}

impl Sink for Growing {
    fn bytes(&self) -> &[u8] {
        // SAFETY: the first `filled` bytes are written; the borrow keeps them from moving.
        unsafe { std::slice::from_raw_parts(self.room.cast(), self.filled) }
    }

    fn extend(&mut self, bytes: &[u8]) -> crate::error::Result<()> {
        self.grow(bytes.len()).ok_or_else(no_memory)?;
        // SAFETY: there is room for them, and they come from elsewhere.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.room.add(self.filled).cast(), bytes.len()) };
        self.filled += bytes.len();
        Ok(())
    }

    fn read(&mut self, stream: &mut Stream, most: usize) -> crate::error::Result<Io<usize>> {
        if self.filled == self.capacity {
            self.grow(1).ok_or_else(no_memory)?;
        }
        let length = most.min(self.capacity - self.filled);
        // SAFETY: within the object's bytes, which nobody else has a reference to.
        let room = unsafe { std::slice::from_raw_parts_mut(self.room.add(self.filled), length) };
        let read = stream.read_uninit(room)?;
        if let Io::Ready(count) = read {
            self.filled += count.min(length);
        }
        Ok(read)
    }

    fn recv(&mut self, descriptor: Descriptor, most: usize) -> io::Result<usize> {
        if self.filled == self.capacity {
            self.grow(1).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
        }
        let length = most.min(self.capacity - self.filled);
        // SAFETY: within the object's bytes, which nobody else has a reference to.
        let room = unsafe { std::slice::from_raw_parts_mut(self.room.add(self.filled), length) };
        let count = sys::io::recv_uninit(descriptor, room)?;
        self.filled += count.min(length);
        Ok(count)
    }

    fn expect(&mut self, count: usize) -> bool {
        self.grow(count).is_some()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// From this size on, memory is a mapping of its own, whatever malloc(3) has learned (mallopt(3), `M_MMAP_THRESHOLD`): who
/// has it grown moves no bytes, and advice on it concerns nobody else.
const OWN_MAPPING: usize = 32 * 1024 * 1024;

fn no_memory() -> Error {
    Error::new("body", Cause::Os(libc::ENOMEM))
}

/// Forgets the error that is set: the caller tells its own.
fn discard<T>(py: Python<'_>) -> Option<T> {
    drop(PyErr::take(py));
    None
}
