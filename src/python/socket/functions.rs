//! The functions of `_socket` that are about no host: descriptors, pairs, byte order, addresses as text, sizes.
#![expect(unsafe_code, reason = "the interpreter's C API")]

use std::ffi::{CStr, c_char, c_int, c_ulong};

use pyo3::ffi;
use pyo3::prelude::*;

use super::memory::View;
use super::raw::{self, Arg, Given, Kind, Raised, parse_tuple};
use super::{endpoint, message, object, option, state};
use crate::sys;

pub fn close<'py>(py: Python<'py>, argument: Arg<'_, 'py>) -> Given<'py> {
    endpoint::close_descriptor(py, raw::c_int_of_descriptor(py, argument)?)
}

pub fn dup<'py>(py: Python<'py>, argument: Arg<'_, 'py>) -> Given<'py> {
    let descriptor = raw::c_int_of_descriptor(py, argument)?;
    let fresh = raw::unlocked(py, || sys::socket::duplicate(descriptor)).map_err(|error| raw::raise_os(py, &error))?;
    raw::int(py, i64::from(fresh))
}

pub fn socketpair<'py>(py: Python<'py>, arguments: Arg<'_, 'py>) -> Given<'py> {
    let (mut family, mut kind, mut protocol) = (libc::AF_UNIX, libc::SOCK_STREAM, 0);
    parse_tuple!(arguments.as_ptr(), c"|iii:socketpair", &raw mut family, &raw mut kind, &raw mut protocol)?;
    let [a, b] = raw::unlocked(py, || sys::socket::socketpair(family, kind, protocol))
        .map_err(|error| raw::raise_os(py, &error))?;
    match object::create(py, a, family, kind, protocol) {
        Ok(a) => raw::tuple(py, [Ok(a), object::create(py, b, family, kind, protocol)]),
        Err(raised) => {
            drop(sys::socket::close(b));
            Err(raised)
        }
    }
}

/// `ntohs` and `htons`, which are the same: `name` in messages, the number read as the format `i` does.
fn swap_short<'py>(py: Python<'py>, number: c_int, name: &str) -> Given<'py> {
    let trouble = if number < 0 {
        "can't convert negative Python int to C 16-bit unsigned integer"
    } else if number > 0xffff {
        "Python int too large to convert to C 16-bit unsigned integer"
    } else {
        return raw::int(py, i64::from((number as u16).to_be()));
    };
    Err(raw::raise_text(py, Kind::Overflow, &format!("{name}: {trouble}")))
}

/// `PyLong_AsInt` with `__index__`, as argument clinic reads an `int`.
fn index(py: Python<'_>, argument: Arg<'_, '_>) -> Result<c_int, Raised> {
    raw::c_int_of(py, argument)
}

pub fn ntohs<'py>(py: Python<'py>, argument: Arg<'_, 'py>) -> Given<'py> {
    swap_short(py, index(py, argument)?, "ntohs")
}

pub fn htons<'py>(py: Python<'py>, argument: Arg<'_, 'py>) -> Given<'py> {
    swap_short(py, index(py, argument)?, "htons")
}

/// Until 3.12.
pub fn ntohs_of_tuple<'py>(py: Python<'py>, arguments: Arg<'_, 'py>) -> Given<'py> {
    let mut number: c_int = 0;
    parse_tuple!(arguments.as_ptr(), c"i:ntohs", &raw mut number)?;
    swap_short(py, number, "ntohs")
}

/// Until 3.12.
pub fn htons_of_tuple<'py>(py: Python<'py>, arguments: Arg<'_, 'py>) -> Given<'py> {
    let mut number: c_int = 0;
    parse_tuple!(arguments.as_ptr(), c"i:htons", &raw mut number)?;
    swap_short(py, number, "htons")
}

/// `ntohl` and `htonl`, which are the same.
pub fn swap_long<'py>(py: Python<'py>, argument: Arg<'_, 'py>) -> Given<'py> {
    // SAFETY: a live object; the error value is told apart by the exception.
    let number = unsafe {
        if ffi::PyLong_Check(argument.as_ptr()) == 0 {
            let text = format!("expected int, {} found", raw::long_type_name(argument));
            return Err(raw::raise_text(py, Kind::Type, &text));
        }
        ffi::PyLong_AsUnsignedLong(argument.as_ptr())
    };
    if number == c_ulong::MAX && raw::occurred(py) {
        return Err(Raised);
    }
    match u32::try_from(number) {
        Ok(number) => raw::int(py, i64::from(number.to_be())),
        Err(_) => Err(raw::raise(py, Kind::Overflow, c"int larger than 32 bits")),
    }
}

fn packed<'py>(py: Python<'py>, text: &CStr) -> Given<'py> {
    match sys::names::loosely_packed(text) {
        Some(octets) => raw::bytes(py, &octets),
        None => Err(raw::raise(py, Kind::Os, c"illegal IP address string passed to inet_aton")),
    }
}

/// Until 3.12.
pub fn inet_aton_of_tuple<'py>(py: Python<'py>, arguments: Arg<'_, 'py>) -> Given<'py> {
    let mut text: *const c_char = std::ptr::null();
    parse_tuple!(arguments.as_ptr(), c"s:inet_aton", &raw mut text)?;
    // SAFETY: the format gave it, the arguments keep it.
    packed(py, unsafe { CStr::from_ptr(text) })
}

/// From 3.13.
pub fn inet_aton<'py>(py: Python<'py>, argument: Arg<'_, 'py>) -> Given<'py> {
    // SAFETY: a live object; its UTF-8 form is kept with it.
    unsafe {
        if ffi::PyUnicode_Check(argument.as_ptr()) == 0 {
            let found = if argument.is_none() { "None".to_owned() } else { raw::type_name(argument) };
            let text = format!("inet_aton() argument must be str, not {found}");
            return Err(raw::raise_text(py, Kind::Type, &text));
        }
        let mut length = 0;
        let text = ffi::PyUnicode_AsUTF8AndSize(argument.as_ptr(), &raw mut length);
        if text.is_null() {
            return Err(Raised);
        }
        let text = CStr::from_ptr(text);
        if text.to_bytes().len() != length.cast_unsigned() {
            return Err(raw::raise(py, Kind::Value, c"embedded null character"));
        }
        packed(py, text)
    }
}

fn dotted<'py>(py: Python<'py>, view: &View<'_>) -> Given<'py> {
    match <[u8; 4]>::try_from(view.bytes()) {
        Ok(octets) => super::hosts::ipv4_text(py, libc::in_addr { s_addr: u32::from_ne_bytes(octets) }),
        Err(_) => Err(raw::raise(py, Kind::Os, c"packed IP wrong length for inet_ntoa")),
    }
}

/// Until 3.12.
pub fn inet_ntoa_of_tuple<'py>(py: Python<'py>, arguments: Arg<'_, 'py>) -> Given<'py> {
    let mut view = View::empty();
    parse_tuple!(arguments.as_ptr(), c"y*:inet_ntoa", view.as_mut_ptr())?;
    dotted(py, &view)
}

/// From 3.13.
pub fn inet_ntoa<'py>(py: Python<'py>, argument: Arg<'_, 'py>) -> Given<'py> {
    dotted(py, &View::of(argument)?)
}

pub fn inet_pton<'py>(py: Python<'py>, arguments: Arg<'_, 'py>) -> Given<'py> {
    let mut family: c_int = 0;
    let mut text: *const c_char = std::ptr::null();
    parse_tuple!(arguments.as_ptr(), c"is:inet_pton", &raw mut family, &raw mut text)?;
    // SAFETY: the format gave it, the arguments keep it.
    let text = unsafe { CStr::from_ptr(text) };
    match sys::names::packed(family, text).map_err(|error| raw::raise_os(py, &error))? {
        None => Err(raw::raise(py, Kind::Os, c"illegal IP address string passed to inet_pton")),
        Some(octets) if family == libc::AF_INET => raw::bytes(py, &octets[..4]),
        Some(octets) => raw::bytes(py, &octets),
    }
}

pub fn inet_ntop<'py>(py: Python<'py>, arguments: Arg<'_, 'py>) -> Given<'py> {
    let mut family: c_int = 0;
    let mut view = View::empty();
    parse_tuple!(arguments.as_ptr(), c"iy*:inet_ntop", &raw mut family, view.as_mut_ptr())?;
    let length = match family {
        libc::AF_INET => 4,
        libc::AF_INET6 => 16,
        _ => return Err(raw::raise_text(py, Kind::Value, &format!("unknown address family {family}"))),
    };
    if view.bytes().len() != length {
        return Err(raw::raise(py, Kind::Value, c"invalid length of packed IP address string"));
    }
    let text = sys::names::printed(view.bytes()).map_err(|error| raw::raise_os(py, &error))?;
    raw::str_utf8(py, text.bytes())
}

pub fn getdefaulttimeout(py: Python<'_>) -> Given<'_> {
    option::seconds(py, state::default_timeout())
}

pub fn setdefaulttimeout<'py>(py: Python<'py>, argument: Arg<'_, 'py>) -> Given<'py> {
    state::set_default_timeout(option::parse_timeout(py, argument)?);
    Ok(raw::none(py))
}

fn size<'py>(py: Python<'py>, length: isize, measure: fn(usize) -> Option<usize>, message: &CStr) -> Given<'py> {
    match usize::try_from(length).ok().and_then(measure) {
        Some(size) => raw::int(py, size as i64),
        None => Err(raw::raise(py, Kind::Overflow, message)),
    }
}

pub fn cmsg_len<'py>(py: Python<'py>, arguments: Arg<'_, 'py>) -> Given<'py> {
    let mut length = 0_isize;
    parse_tuple!(arguments.as_ptr(), c"n:CMSG_LEN", &raw mut length)?;
    size(py, length, message::control_length, c"CMSG_LEN() argument out of range")
}

pub fn cmsg_space<'py>(py: Python<'py>, arguments: Arg<'_, 'py>) -> Given<'py> {
    let mut length = 0_isize;
    parse_tuple!(arguments.as_ptr(), c"n:CMSG_SPACE", &raw mut length)?;
    size(py, length, message::control_space, c"CMSG_SPACE() argument out of range")
}
