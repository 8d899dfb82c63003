//! Timeouts and options: settimeout and its kin, setsockopt(2), getsockopt(2).
#![expect(unsafe_code, reason = "the interpreter's C API")]

use std::ffi::{c_int, c_uint};
use std::mem::MaybeUninit;

use pyo3::ffi;
use pyo3::prelude::*;

use super::memory::View;
use super::methods::This;
use super::raw::{self, Arg, Given, Kind, Raised, parse_tuple};
use crate::sys;

/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;

/// Sets the open file to wait or not.
pub fn set_mode(py: Python<'_>, descriptor: i32, blocking: bool) -> Result<(), Raised> {
    raw::unlocked(py, || sys::socket::set_nonblocking(descriptor, !blocking)).map_err(|error| raw::raise_os(py, &error))
}

/// A timeout as Python sees it.
pub fn seconds(py: Python<'_>, timeout: i64) -> Given<'_> {
    if timeout < 0 {
        return Ok(raw::none(py));
    }
    let seconds = if timeout % SECOND == 0 { (timeout / SECOND) as f64 } else { timeout as f64 / 1e9 };
    raw::float(py, seconds)
}

/// A timeout as Python gives it: `None`, or seconds, rounded away from zero to nanoseconds.
pub fn parse_timeout(py: Python<'_>, argument: Arg<'_, '_>) -> Result<i64, Raised> {
    if argument.is_none() {
        return Ok(-1);
    }
    let nanoseconds = from_seconds(py, argument)?;
    if nanoseconds < 0 {
        return Err(raw::raise(py, Kind::Value, c"Timeout value out of range"));
    }
    Ok(nanoseconds)
}

fn from_seconds(py: Python<'_>, argument: Arg<'_, '_>) -> Result<i64, Raised> {
    // SAFETY: a live object; `PyLong_AsLongLong` tells errors by -1 and an exception.
    unsafe {
        if ffi::PyFloat_Check(argument.as_ptr()) != 0 {
            let value = ffi::PyFloat_AsDouble(argument.as_ptr());
            if value.is_nan() {
                return Err(raw::raise(py, Kind::Value, c"Invalid value NaN (not a number)"));
            }
            let value = value * 1e9;
            let rounded = if value >= 0.0 { value.ceil() } else { value.floor() };
            if !(i64::MIN as f64..=i64::MAX as f64).contains(&rounded) {
                return Err(raw::raise(py, Kind::Overflow, c"timestamp out of range for platform time_t"));
            }
            return Ok(rounded as i64);
        }
        let value = ffi::PyLong_AsLongLong(argument.as_ptr());
        let too_large = |py| {
            let text = if raw::minor_version() >= 13 {
                c"timestamp too large to convert to C PyTime_t"
            } else {
                c"timestamp too large to convert to C _PyTime_t"
            };
            raw::raise(py, Kind::Overflow, text)
        };
        if value == -1 && raw::occurred(py) {
            return Err(if raw::raised(py, Kind::Overflow) { too_large(py) } else { Raised });
        }
        value.checked_mul(SECOND).ok_or_else(|| too_large(py))
    }
}

pub fn setblocking<'py>(py: Python<'py>, this: This<'_>, argument: Arg<'_, 'py>) -> Given<'py> {
    // SAFETY: a live object. Since 3.12 anything has a truth value here; before, it had to be a number.
    let blocking = unsafe {
        if raw::minor_version() >= 12 {
            let truth = ffi::PyObject_IsTrue(argument.as_ptr());
            if truth < 0 {
                return Err(Raised);
            }
            truth != 0
        } else {
            let number = ffi::PyLong_AsLong(argument.as_ptr());
            if number == -1 && raw::occurred(py) {
                return Err(Raised);
            }
            number != 0
        }
    };
    this.set_timeout(if blocking { -1 } else { 0 });
    set_mode(py, this.descriptor(), blocking)?;
    Ok(raw::none(py))
}

pub fn getblocking<'py>(py: Python<'py>, this: This<'_>) -> Given<'py> {
    Ok(pyo3::types::PyBool::new(py, this.timeout() != 0).to_owned().into_any())
}

pub fn settimeout<'py>(py: Python<'py>, this: This<'_>, argument: Arg<'_, 'py>) -> Given<'py> {
    let timeout = parse_timeout(py, argument)?;
    this.set_timeout(timeout);
    set_mode(py, this.descriptor(), timeout < 0)?;
    Ok(raw::none(py))
}

pub fn gettimeout<'py>(py: Python<'py>, this: This<'_>) -> Given<'py> {
    seconds(py, this.timeout())
}

pub fn setsockopt<'py>(py: Python<'py>, this: This<'_>, arguments: &[Arg<'_, 'py>]) -> Given<'py> {
    let done = |result: std::io::Result<()>| match result {
        Ok(()) => Ok(raw::none(py)),
        Err(error) => Err(raw::raise_os(py, &error)),
    };
    let vsock = this.family() == libc::AF_VSOCK;
    if let ([level, name, value], false) = (arguments, vsock)
        && let (Some(level), Some(name), Some(value)) =
            (raw::small_c_int(*level), raw::small_c_int(*name), raw::small_c_int(*value))
    {
        return done(sys::socket::set_option(this.descriptor(), level, name, &value.to_ne_bytes()));
    }
    let tuple = raw::packed(py, arguments)?;
    let (mut level, mut name): (c_int, c_int) = (0, 0);
    if vsock {
        let mut value = 0_u64;
        parse_tuple!(tuple.as_ptr(), c"iiK:setsockopt", &raw mut level, &raw mut name, &raw mut value)?;
        return done(sys::socket::set_option(this.descriptor(), level, name, &value.to_ne_bytes()));
    }
    let mut value: c_int = 0;
    match parse_tuple!(tuple.as_ptr(), c"iii:setsockopt", &raw mut level, &raw mut name, &raw mut value) {
        Ok(()) => return done(sys::socket::set_option(this.descriptor(), level, name, &value.to_ne_bytes())),
        Err(raised) => raw::forgive(py, raised),
    }
    let mut nothing: *mut ffi::PyObject = std::ptr::null_mut();
    let mut length: c_uint = 0;
    // SAFETY: `None` always has a type.
    let none_type = unsafe { ffi::Py_TYPE(ffi::Py_None()) };
    match parse_tuple!(
        tuple.as_ptr(),
        c"iiO!I:setsockopt",
        &raw mut level,
        &raw mut name,
        none_type,
        &raw mut nothing,
        &raw mut length
    ) {
        Ok(()) => return done(sys::socket::set_option_null(this.descriptor(), level, name, length)),
        Err(raised) => raw::forgive(py, raised),
    }
    let mut view = View::empty();
    parse_tuple!(tuple.as_ptr(), c"iiy*:setsockopt", &raw mut level, &raw mut name, view.as_mut_ptr())?;
    done(sys::socket::set_option(this.descriptor(), level, name, view.bytes()))
}

pub fn getsockopt<'py>(py: Python<'py>, this: This<'_>, arguments: &[Arg<'_, 'py>]) -> Given<'py> {
    let (mut level, mut name, mut length): (c_int, c_int, c_int) = (0, 0, 0);
    let fast = match arguments {
        [a, b] => raw::small_c_int(*a).zip(raw::small_c_int(*b)).map(|(a, b)| (a, b, 0)),
        [a, b, c] => match (raw::small_c_int(*a), raw::small_c_int(*b), raw::small_c_int(*c)) {
            (Some(a), Some(b), Some(c)) => Some((a, b, c)),
            _ => None,
        },
        _ => None,
    };
    match fast {
        Some(values) => (level, name, length) = values,
        None => {
            let tuple = raw::packed(py, arguments)?;
            parse_tuple!(tuple.as_ptr(), c"ii|i:getsockopt", &raw mut level, &raw mut name, &raw mut length)?;
        }
    }
    let vsock = this.family() == libc::AF_VSOCK;
    if length == 0 {
        if vsock {
            let mut value = [MaybeUninit::new(0_u8); 8];
            sys::socket::option(this.descriptor(), level, name, &mut value)
                .map_err(|error| raw::raise_os(py, &error))?;
            // SAFETY: all eight bytes were initialised before the call.
            let value = value.map(|byte| unsafe { byte.assume_init() });
            // SAFETY: gives a new reference.
            return raw::owned(py, unsafe { ffi::PyLong_FromUnsignedLongLong(u64::from_ne_bytes(value)) });
        }
        let value =
            sys::socket::option_int(this.descriptor(), level, name).map_err(|error| raw::raise_os(py, &error))?;
        return raw::int(py, i64::from(value));
    }
    if vsock {
        return Err(raw::raise(py, Kind::Os, c"getsockopt string buffer not allowed"));
    }
    if !(0..=1024).contains(&length) {
        return Err(raw::raise(py, Kind::Os, c"getsockopt buflen out of range"));
    }
    let mut value = [MaybeUninit::<u8>::uninit(); 1024];
    let room = &mut value[..length.unsigned_abs() as usize];
    room.fill(MaybeUninit::new(0));
    let filled =
        sys::socket::option(this.descriptor(), level, name, room).map_err(|error| raw::raise_os(py, &error))?;
    let filled = filled.min(room.len());
    // SAFETY: all bytes were initialised before the call.
    raw::bytes(py, unsafe { std::slice::from_raw_parts(room.as_ptr().cast(), filled) })
}
