//! The module object: the tables, the type, the exceptions, and the capsule by which the stock `_ssl` finds the type.
#![expect(unsafe_code, reason = "the interpreter's C API")]

use std::ffi::{CString, c_long};

use pyo3::exceptions::PyOSError;
use pyo3::exceptions::PyTimeoutError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyBool;

use super::raw::{self, Raised};
use super::{constants, methods, object, state};

/// What `_socket.CAPI` points to (socketmodule.h).
#[repr(C)]
struct Api {
    socket: *mut ffi::PyTypeObject,
    error: *mut ffi::PyObject,
    timeout_error: *mut ffi::PyObject,
}

/// The module, made when it is first asked for.
pub fn get<'py>(py: Python<'py>, stock: Option<Bound<'py, PyModule>>) -> PyResult<Bound<'py, PyAny>> {
    static MODULE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    MODULE.get_or_try_init(py, || make(py, stock).map(Bound::unbind)).map(|module| module.bind(py).clone())
}

fn fetched(py: Python<'_>, _raised: Raised) -> PyErr {
    PyErr::fetch(py)
}

fn make<'py>(py: Python<'py>, stock: Option<Bound<'py, PyModule>>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: gives a new reference.
    let module =
        raw::owned(py, unsafe { ffi::PyModule_New(c"_socket".as_ptr()) }).map_err(|raised| fetched(py, raised))?;
    // SAFETY: a new module and a table that lives for ever.
    if unsafe { ffi::PyModule_AddFunctions(module.as_ptr(), methods::leaked_functions()) } != 0 {
        return Err(PyErr::fetch(py));
    }
    let socket = object::make_type(py).map_err(|raised| fetched(py, raised))?;
    let (gaierror, herror) = match &stock {
        Some(stock) => (stock.getattr("gaierror")?, stock.getattr("herror")?),
        None => (exception(py, "socket.gaierror")?, exception(py, "socket.herror")?),
    };
    let os_error = py.get_type::<PyOSError>().into_any();
    let timeout = py.get_type::<PyTimeoutError>().into_any();
    for (name, value) in [
        ("socket", &socket),
        ("SocketType", &socket),
        ("error", &os_error),
        ("timeout", &timeout),
        ("gaierror", &gaierror),
        ("herror", &herror),
        ("has_ipv6", &PyBool::new(py, true).to_owned().into_any()),
        ("CAPI", &capsule(py, &socket, &os_error, &timeout)?),
    ] {
        module.setattr(name, value)?;
    }
    let minor = raw::minor_version();
    for (_, constants) in constants::CONSTANTS.iter().filter(|(since, _)| *since <= minor) {
        for (name, value) in *constants {
            let name = CString::new(*name)?;
            // SAFETY: a live module, a NUL-terminated name.
            if unsafe { ffi::PyModule_AddIntConstant(module.as_ptr(), name.as_ptr(), *value as c_long) } != 0 {
                return Err(PyErr::fetch(py));
            }
        }
    }
    module.setattr("__doc__", "The socket type and functions of eyesocket; see the module socket.")?;
    state::keep(socket, gaierror, herror, stock.is_none());
    Ok(module)
}

/// A new subclass of `OSError`.
fn exception<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    let name = CString::new(name)?;
    // SAFETY: a dotted name, a base class, no dictionary.
    let class = unsafe { ffi::PyErr_NewException(name.as_ptr(), ffi::PyExc_OSError, std::ptr::null_mut()) };
    raw::owned(py, class).map_err(|raised| fetched(py, raised))
}

fn capsule<'py>(
    py: Python<'py>,
    socket: &Bound<'py, PyAny>,
    error: &Bound<'py, PyAny>,
    timeout: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    // It lives as long as the process, and so do the references in it.
    let api = Box::leak(Box::new(Api {
        socket: socket.clone().into_ptr().cast(),
        error: error.clone().into_ptr(),
        timeout_error: timeout.clone().into_ptr(),
    }));
    // SAFETY: the struct and the name live for ever, no destructor.
    let capsule = unsafe { ffi::PyCapsule_New(std::ptr::from_mut(api).cast(), c"_socket.CAPI".as_ptr(), None) };
    raw::owned(py, capsule).map_err(|raised| fetched(py, raised))
}
