//! The interpreter's C API as the socket type uses it: no exception object is built where C would build none.
//!
//! An error is [`Raised`]: the interpreter's error indicator is set. The `parse_*!` macros read arguments by the
//! interpreter's own format strings, so that a wrong argument gives the interpreter's own words.
#![expect(unsafe_code, reason = "the interpreter's C API")]

use std::ffi::{CStr, c_char, c_int};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::prelude::*;
use pyo3::{Borrowed, ffi};

/// The error indicator of this thread is set.
#[derive(Debug)]
pub struct Raised;

/// What a function of the module gives: an owned value, or an exception that is set.
pub type Given<'py, T = Bound<'py, PyAny>> = Result<T, Raised>;

/// An argument: the caller keeps it alive.
pub type Arg<'a, 'py> = Borrowed<'a, 'py, PyAny>;

unsafe extern "C" {
    /// In the stable ABI, though pyo3 knows it only without.
    pub fn PyObject_CallFinalizerFromDealloc(object: *mut ffi::PyObject) -> c_int;
    /// Public since 3.8, in the stable ABI since 3.13.
    pub fn PySys_Audit(event: *const c_char, format: *const c_char, ...) -> c_int;
    /// As Cython uses it: shrinks a bytes object that nobody else has seen.
    pub fn _PyBytes_Resize(bytes: *mut *mut ffi::PyObject, size: ffi::Py_ssize_t) -> c_int;
}

/// The minor version of the interpreter that runs.
pub fn minor_version() -> u8 {
    // SAFETY: a constant of the interpreter.
    ((unsafe { ffi::Py_Version } >> 16) & 0xff) as u8
}

/// Takes a new reference that a C function gave; null is an exception that it has set.
pub fn owned<'py>(py: Python<'py>, object: *mut ffi::PyObject) -> Given<'py> {
    // SAFETY: C functions that give a reference give it to the caller, or null.
    unsafe { Bound::from_owned_ptr_or_opt(py, object) }.ok_or(Raised)
}

/// The end of a C function: a reference for the caller, or null. A panic becomes a `SystemError`.
pub fn give<'py>(body: impl FnOnce(Python<'py>) -> Given<'py>) -> *mut ffi::PyObject {
    caught(body).map_or(std::ptr::null_mut(), Bound::into_ptr)
}

/// As [`give`], for C functions that give 0 or -1.
pub fn succeed<'py>(body: impl FnOnce(Python<'py>) -> Given<'py, ()>) -> c_int {
    caught(body).map_or(-1, |()| 0)
}

fn caught<'py, T>(body: impl FnOnce(Python<'py>) -> Given<'py, T>) -> Given<'py, T> {
    // SAFETY: the interpreter calls C functions with its lock held.
    let py = unsafe { Python::assume_attached() };
    catch_unwind(AssertUnwindSafe(|| body(py))).unwrap_or_else(|_| {
        // SAFETY: a static exception class and text.
        unsafe {
            ffi::PyErr_SetString(ffi::PyExc_SystemError, c"a bug in eyesocket: its socket type panicked".as_ptr())
        };
        Err(Raised)
    })
}

/// A class of exceptions of the interpreter.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `OSError`.
    Os,
    /// `OverflowError`.
    Overflow,
    /// `TimeoutError`.
    Timeout,
    /// `TypeError`.
    Type,
    /// `ValueError`.
    Value,
}

impl Kind {
    pub fn class(self) -> *mut ffi::PyObject {
        // SAFETY: these are set before any module is imported and never change.
        unsafe {
            match self {
                Self::Os => ffi::PyExc_OSError,
                Self::Overflow => ffi::PyExc_OverflowError,
                Self::Timeout => ffi::PyExc_TimeoutError,
                Self::Type => ffi::PyExc_TypeError,
                Self::Value => ffi::PyExc_ValueError,
            }
        }
    }
}

/// Raises `StopIteration` with a value that is neither a tuple nor an exception. Until 3.11 no object is made of it unless
/// somebody looks.
pub fn raise_stop(value: &Bound<'_, PyAny>) -> Raised {
    // SAFETY: a static exception class and a live object.
    unsafe { ffi::PyErr_SetObject(ffi::PyExc_StopIteration, value.as_ptr()) };
    Raised
}

/// Raises `kind(text)`.
pub fn raise(_py: Python<'_>, kind: Kind, text: &CStr) -> Raised {
    // SAFETY: the class is an exception class, the text NUL-terminated.
    unsafe { ffi::PyErr_SetString(kind.class(), text.as_ptr()) };
    Raised
}

/// Raises `kind(text)` for a text made on the spot.
pub fn raise_text(py: Python<'_>, kind: Kind, text: &str) -> Raised {
    let Ok(text) = str(py, text) else { return Raised };
    // SAFETY: the class is an exception class.
    unsafe { ffi::PyErr_SetObject(kind.class(), text.as_ptr()) };
    Raised
}

/// Raises the subclass of `OSError` that the interpreter has for the errno of `error`.
pub fn raise_os(_py: Python<'_>, error: &io::Error) -> Raised {
    // SAFETY: errno is this thread's.
    unsafe {
        *libc::__errno_location() = error.raw_os_error().unwrap_or(libc::EIO);
        ffi::PyErr_SetFromErrno(ffi::PyExc_OSError);
    }
    Raised
}

/// Whether the exception that is set is of this kind.
pub fn raised(_py: Python<'_>, kind: Kind) -> bool {
    // SAFETY: the class is an exception class; only called where an exception is set.
    unsafe { ffi::PyErr_ExceptionMatches(kind.class()) != 0 }
}

/// Forgets the exception that is set.
pub fn forgive(_py: Python<'_>, _raised: Raised) {
    // SAFETY: clears the indicator of this thread.
    unsafe { ffi::PyErr_Clear() };
}

/// Whether an exception is set; for C functions whose error value is also a value.
pub fn occurred(_py: Python<'_>) -> bool {
    // SAFETY: reads the indicator of this thread.
    !unsafe { ffi::PyErr_Occurred() }.is_null()
}

/// Runs the handlers of signals that have come; they may raise.
pub fn check_signals(_py: Python<'_>) -> Result<(), Raised> {
    // SAFETY: the lock is held.
    if unsafe { ffi::PyErr_CheckSignals() } != 0 { Err(Raised) } else { Ok(()) }
}

/// Runs `call` with the interpreter's lock released. `call` does system calls and nothing else.
pub fn unlocked<T>(_py: Python<'_>, call: impl FnOnce() -> T) -> T {
    struct Lock(*mut ffi::PyThreadState);
    impl Drop for Lock {
        fn drop(&mut self) {
            // SAFETY: gives back what `PyEval_SaveThread` of this thread gave.
            unsafe { ffi::PyEval_RestoreThread(self.0) };
        }
    }
    // SAFETY: the lock is held, and `Lock` takes it again on every path.
    let _lock = Lock(unsafe { ffi::PyEval_SaveThread() });
    call()
}

/// `None`.
pub fn none(py: Python<'_>) -> Bound<'_, PyAny> {
    py.None().into_bound(py)
}

/// An `int`.
pub fn int(py: Python<'_>, value: i64) -> Given<'_> {
    // SAFETY: gives a new reference.
    owned(py, unsafe { ffi::PyLong_FromLongLong(value) })
}

/// A `str`.
pub fn str<'py>(py: Python<'py>, text: &str) -> Given<'py> {
    // SAFETY: the text is UTF-8 of this length.
    owned(py, unsafe { ffi::PyUnicode_FromStringAndSize(text.as_ptr().cast(), text.len() as ffi::Py_ssize_t) })
}

/// A `str` from UTF-8 of the C library, which raises for other bytes.
pub fn str_utf8<'py>(py: Python<'py>, text: &[u8]) -> Given<'py> {
    // SAFETY: the bytes are of this length; the function checks that they are UTF-8.
    owned(py, unsafe { ffi::PyUnicode_FromStringAndSize(text.as_ptr().cast(), text.len() as ffi::Py_ssize_t) })
}

/// A `str` from bytes of the file system (PEP 383).
pub fn str_fs<'py>(py: Python<'py>, bytes: &[u8]) -> Given<'py> {
    // SAFETY: the bytes are of this length.
    owned(py, unsafe { ffi::PyUnicode_DecodeFSDefaultAndSize(bytes.as_ptr().cast(), bytes.len() as ffi::Py_ssize_t) })
}

/// A `bytes`.
pub fn bytes<'py>(py: Python<'py>, bytes: &[u8]) -> Given<'py> {
    // SAFETY: the bytes are of this length.
    owned(py, unsafe { ffi::PyBytes_FromStringAndSize(bytes.as_ptr().cast(), bytes.len() as ffi::Py_ssize_t) })
}

/// A `float`.
pub fn float(py: Python<'_>, value: f64) -> Given<'_> {
    // SAFETY: gives a new reference.
    owned(py, unsafe { ffi::PyFloat_FromDouble(value) })
}

/// A `tuple`.
pub fn tuple<'py, const N: usize>(py: Python<'py>, items: [Given<'py>; N]) -> Given<'py> {
    // SAFETY: gives a new reference.
    let tuple = owned(py, unsafe { ffi::PyTuple_New(N as ffi::Py_ssize_t) })?;
    for (index, item) in items.into_iter().enumerate() {
        // SAFETY: the tuple is new and has room at this index; the reference is handed over.
        unsafe { ffi::PyTuple_SetItem(tuple.as_ptr(), index as ffi::Py_ssize_t, item?.into_ptr()) };
    }
    Ok(tuple)
}

/// A `tuple` of two.
#[inline]
pub fn pair<'py>(first: &Bound<'py, PyAny>, second: &Bound<'py, PyAny>) -> Given<'py> {
    // SAFETY: two live objects, of which the tuple takes references of its own; gives a new reference.
    owned(first.py(), unsafe { ffi::PyTuple_Pack(2, first.as_ptr(), second.as_ptr()) })
}

/// An empty `list`.
pub fn list(py: Python<'_>) -> Given<'_> {
    // SAFETY: gives a new reference.
    owned(py, unsafe { ffi::PyList_New(0) })
}

/// `list.append`.
pub fn append(list: &Bound<'_, PyAny>, item: &Bound<'_, PyAny>) -> Result<(), Raised> {
    // SAFETY: both are live objects, the first a list.
    if unsafe { ffi::PyList_Append(list.as_ptr(), item.as_ptr()) } != 0 { Err(Raised) } else { Ok(()) }
}

/// The arguments of a fast call as the tuple that the `parse_*!` macros read.
pub fn packed<'py>(py: Python<'py>, arguments: &[Arg<'_, 'py>]) -> Given<'py> {
    // SAFETY: gives a new reference.
    let tuple = owned(py, unsafe { ffi::PyTuple_New(arguments.len() as ffi::Py_ssize_t) })?;
    for (index, argument) in arguments.iter().enumerate() {
        let argument = Borrowed::to_owned(*argument).into_ptr();
        // SAFETY: the tuple is new and has room at this index; the reference is handed over.
        unsafe { ffi::PyTuple_SetItem(tuple.as_ptr(), index as ffi::Py_ssize_t, argument) };
    }
    Ok(tuple)
}

/// The arguments of a fast call with keywords as a tuple and, if there are any, a dictionary.
pub fn packed_with_keywords<'py>(
    py: Python<'py>,
    arguments: &[Arg<'_, 'py>],
    names: *mut ffi::PyObject,
) -> Given<'py, (Bound<'py, PyAny>, Option<Bound<'py, PyAny>>)> {
    if names.is_null() {
        return Ok((packed(py, arguments)?, None));
    }
    // SAFETY: `names` is the tuple of names of a fast call, whose values stand after the positional arguments.
    unsafe {
        let count = ffi::PyTuple_Size(names).cast_unsigned();
        let (positional, named) = arguments.split_at(arguments.len() - count);
        let keywords = owned(py, ffi::PyDict_New())?;
        for (index, value) in named.iter().enumerate() {
            let name = ffi::PyTuple_GetItem(names, index.cast_signed());
            if ffi::PyDict_SetItem(keywords.as_ptr(), name, value.as_ptr()) != 0 {
                return Err(Raised);
            }
        }
        Ok((packed(py, positional)?, Some(keywords)))
    }
}

/// The only argument of a tuple of one.
pub fn only<'a, 'py>(arguments: Arg<'a, 'py>) -> Option<Arg<'a, 'py>> {
    // SAFETY: a live tuple of arguments, which keeps its item.
    unsafe {
        (ffi::PyTuple_Size(arguments.as_ptr()) == 1)
            .then(|| Borrowed::from_ptr(arguments.py(), ffi::PyTuple_GetItem(arguments.as_ptr(), 0)))
    }
}

/// The value of an `int` (or of a subclass) that fits; nothing is raised.
pub fn small_int(argument: Arg<'_, '_>) -> Option<i64> {
    // SAFETY: a live object; the overflow is told through the flag.
    unsafe {
        if ffi::PyLong_Check(argument.as_ptr()) == 0 {
            return None;
        }
        let mut overflow = 0;
        let value = ffi::PyLong_AsLongLongAndOverflow(argument.as_ptr(), &raw mut overflow);
        (overflow == 0).then_some(value)
    }
}

/// As [`small_int`], for a C `int`.
pub fn small_c_int(argument: Arg<'_, '_>) -> Option<c_int> {
    small_int(argument).and_then(|value| c_int::try_from(value).ok())
}

/// A C `int`, with the words of argument clinic's converter.
pub fn c_int_of(py: Python<'_>, argument: Arg<'_, '_>) -> Result<c_int, Raised> {
    let mut overflow = 0;
    // SAFETY: a live object.
    let value = unsafe { ffi::PyLong_AsLongAndOverflow(argument.as_ptr(), &raw mut overflow) };
    if value == -1 && overflow == 0 && occurred(py) {
        return Err(Raised);
    }
    let value = if overflow == 0 { c_int::try_from(value).ok() } else { None };
    value.ok_or_else(|| raise(py, Kind::Overflow, c"Python int too large to convert to C int"))
}

/// The name of an object's type for messages: C's `tp_name`, at most 500 bytes of it.
pub fn type_name(argument: Arg<'_, '_>) -> String {
    let mut name = long_type_name(argument);
    while name.len() > 500 {
        name.pop();
    }
    name
}

/// The same, all of it.
pub fn long_type_name(argument: Arg<'_, '_>) -> String {
    // SAFETY: every type object begins with the head of a variable-sized object, and then `const char *tp_name`.
    let name = unsafe {
        let kind = ffi::Py_TYPE(argument.as_ptr()).cast::<ffi::PyVarObject>();
        CStr::from_ptr(*kind.add(1).cast::<*const c_char>())
    };
    name.to_string_lossy().into_owned()
}

/// A descriptor as the stock module reads one: a C `long`, of which the low 32 bits count.
pub fn c_int_of_descriptor(py: Python<'_>, argument: Arg<'_, '_>) -> Result<c_int, Raised> {
    // SAFETY: a live object.
    let value = unsafe { ffi::PyLong_AsLong(argument.as_ptr()) };
    if value == -1 && occurred(py) { Err(Raised) } else { Ok(value as c_int) }
}

/// `PyArg_ParseTuple`: reads a tuple of arguments, or raises what the interpreter says about them.
///
/// The places must have the types of the format.
macro_rules! parse_tuple {
    ($tuple:expr, $format:literal $(, $place:expr)* $(,)?) => {
        // SAFETY: the format belongs to the places, which outlive the call.
        if unsafe { pyo3::ffi::PyArg_ParseTuple($tuple, $format.as_ptr() $(, $place)*) } == 0 {
            Err($crate::python::socket::raw::Raised)
        } else {
            Ok(())
        }
    };
}

/// `PyArg_ParseTupleAndKeywords`; `names` is an array of C strings.
macro_rules! parse_keywords {
    ($tuple:expr, $keywords:expr, $format:expr, [$($name:literal),*] $(, $place:expr)* $(,)?) => {{
        let mut names = [$($name.as_ptr().cast_mut(),)* std::ptr::null_mut()];
        // SAFETY: the format belongs to the names and places, which outlive the call.
        let parsed = unsafe {
            pyo3::ffi::PyArg_ParseTupleAndKeywords($tuple, $keywords, $format.as_ptr(), names.as_mut_ptr() $(, $place)*)
        };
        if parsed == 0 { Err($crate::python::socket::raw::Raised) } else { Ok(()) }
    }};
}

/// `PyArg_Parse`: reads one object.
macro_rules! parse_one {
    ($object:expr, $format:literal $(, $place:expr)* $(,)?) => {
        // SAFETY: the format belongs to the places, which outlive the call.
        if unsafe { pyo3::ffi::PyArg_Parse($object, $format.as_ptr() $(, $place)*) } == 0 {
            Err($crate::python::socket::raw::Raised)
        } else {
            Ok(())
        }
    };
}

/// `PySys_Audit`: tells the audit hooks, any of which may raise.
macro_rules! audit {
    ($event:literal, $format:literal $(, $value:expr)* $(,)?) => {
        // SAFETY: the format belongs to the values.
        if unsafe { $crate::python::socket::raw::PySys_Audit($event.as_ptr(), $format.as_ptr() $(, $value)*) } < 0 {
            Err($crate::python::socket::raw::Raised)
        } else {
            Ok(())
        }
    };
    ($event:literal) => {
        // SAFETY: no values.
        if unsafe { $crate::python::socket::raw::PySys_Audit($event.as_ptr(), std::ptr::null()) } < 0 {
            Err($crate::python::socket::raw::Raised)
        } else {
            Ok(())
        }
    };
}

pub(crate) use {audit, parse_keywords, parse_one, parse_tuple};
