//! What the module keeps: its type, its exceptions, the default timeout. One of each a process.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;

static SOCKET: AtomicPtr<ffi::PyTypeObject> = AtomicPtr::new(std::ptr::null_mut());
static GAIERROR: AtomicPtr<ffi::PyObject> = AtomicPtr::new(std::ptr::null_mut());
static HERROR: AtomicPtr<ffi::PyObject> = AtomicPtr::new(std::ptr::null_mut());
static DEFAULT_TIMEOUT: AtomicI64 = AtomicI64::new(-1);
static STANDS_IN: AtomicBool = AtomicBool::new(false);

/// Keeps the type and the exceptions for ever. `stands_in`: the module is the process's `_socket`, and exceptions carry
/// nothing that the stock module's do not.
pub fn keep(socket: Bound<'_, PyAny>, gaierror: Bound<'_, PyAny>, herror: Bound<'_, PyAny>, stands_in: bool) {
    SOCKET.store(socket.into_ptr().cast(), Ordering::Release);
    GAIERROR.store(gaierror.into_ptr(), Ordering::Release);
    HERROR.store(herror.into_ptr(), Ordering::Release);
    STANDS_IN.store(stands_in, Ordering::Release);
}

/// The raw type.
pub fn socket_type(_py: Python<'_>) -> *mut ffi::PyTypeObject {
    SOCKET.load(Ordering::Acquire)
}

/// The class of getaddrinfo's errors.
pub fn gaierror(_py: Python<'_>) -> *mut ffi::PyObject {
    GAIERROR.load(Ordering::Acquire)
}

/// The class of gethostbyname's errors.
pub fn herror(_py: Python<'_>) -> *mut ffi::PyObject {
    HERROR.load(Ordering::Acquire)
}

/// In nanoseconds; -1 is none.
pub fn default_timeout() -> i64 {
    DEFAULT_TIMEOUT.load(Ordering::Relaxed)
}

/// Sets it.
pub fn set_default_timeout(nanoseconds: i64) {
    DEFAULT_TIMEOUT.store(nanoseconds, Ordering::Relaxed);
}

/// Whether the module is the process's `_socket`.
pub fn stands_in() -> bool {
    STANDS_IN.load(Ordering::Relaxed)
}
