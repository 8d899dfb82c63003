//! What the module keeps: its type, its exceptions, the default timeout. One of each a process.
#![expect(unsafe_code, reason = "the interpreter's C API")]

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;

use super::raw::Arg;

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

/// Lets the exception that is set say how many bytes had gone out.
pub fn note_sent(py: Python<'_>, sent: usize) {
    annotate(py, |exception| exception.setattr("sent", sent));
}

/// Lets the exception that is set name the address it is about, as an attribute and in a note (PEP 678).
pub fn note_address(py: Python<'_>, doing: &str, address: Arg<'_, '_>) {
    annotate(py, |exception| {
        let text = match address.extract::<(Bound<'_, PyAny>, u16)>() {
            Ok((host, port)) if host.to_string().contains(':') => format!("[{host}]:{port}"),
            Ok((host, port)) => format!("{host}:{port}"),
            Err(_) => address.repr()?.to_string(),
        };
        exception.setattr("address", &text)?;
        exception.call_method1("add_note", (format!("{doing} {text}"),)).map(drop)
    });
}

/// Adds to an `OSError` that is set. It is never lost, whatever becomes of the addition.
fn annotate(py: Python<'_>, add: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<()>) {
    if STANDS_IN.load(Ordering::Relaxed) {
        return;
    }
    let (mut class, mut value, mut trace) = (std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: the three references are ours between fetch and restore.
    unsafe {
        ffi::PyErr_Fetch(&raw mut class, &raw mut value, &raw mut trace);
        ffi::PyErr_NormalizeException(&raw mut class, &raw mut value, &raw mut trace);
        if let Some(value) = Borrowed::from_ptr_or_opt(py, value)
            && let Err(error) = add(&value)
        {
            error.restore(py);
            ffi::PyErr_Clear();
        }
        ffi::PyErr_Restore(class, value, trace);
    }
}
