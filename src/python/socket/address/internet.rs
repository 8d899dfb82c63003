//! Addresses of IPv4 and IPv6 from Python's tuples: host names as the C library wants them, ports.
#![expect(unsafe_code, reason = "the interpreter's C API")]

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

use pyo3::ffi;
use pyo3::prelude::*;

use super::super::hosts;
use super::super::raw::{self, Arg, Kind, Raised, parse_tuple};
use super::require_tuple;
use crate::sys::address::Address;

fn port_range(py: Python<'_>, caller: &str) -> Raised {
    raw::raise_text(py, Kind::Overflow, &format!("{caller}(): port must be 0-65535."))
}

/// A host name as the C library wants it.
pub struct Host<'py> {
    text: *const c_char,
    length: usize,
    encoded: Option<Bound<'py, PyAny>>,
    _python: Python<'py>,
}

impl<'py> Host<'py> {
    fn new(py: Python<'py>) -> Self {
        Self { text: std::ptr::null(), length: 0, encoded: None, _python: py }
    }

    fn as_mut_void(&mut self) -> *mut c_void {
        std::ptr::from_mut(self).cast()
    }

    /// The name; read before the argument that it came from goes.
    pub fn as_c_str(&self) -> &CStr {
        // SAFETY: the converter has checked that the text ends at its only NUL.
        unsafe { CStr::from_bytes_with_nul_unchecked(std::slice::from_raw_parts(self.text.cast(), self.length + 1)) }
    }
}

/// The `O&` converter of host names: bytes as they are, ASCII text as it is, other text by IDNA.
unsafe extern "C" fn convert_host(object: *mut ffi::PyObject, place: *mut c_void) -> c_int {
    let converted = raw::succeed(|py| {
        // SAFETY: the place is the `Host` that was passed with this converter.
        let host = unsafe { &mut *place.cast::<Host<'_>>() };
        // SAFETY: an argument, kept by the caller.
        let object = unsafe { Borrowed::from_ptr(py, object) };
        // SAFETY: live objects of the types that are checked; the pointers stay valid while they live.
        unsafe {
            let pointer = object.as_ptr();
            if ffi::PyBytes_Check(pointer) != 0 {
                host.text = ffi::PyBytes_AsString(pointer);
                host.length = ffi::PyBytes_Size(pointer).cast_unsigned();
            } else if ffi::PyByteArray_Check(pointer) != 0 {
                host.text = ffi::PyByteArray_AsString(pointer);
                host.length = ffi::PyByteArray_Size(pointer).cast_unsigned();
            } else if ffi::PyUnicode_Check(pointer) != 0 {
                if let Some((text, length)) = ascii(object) {
                    host.text = text;
                    host.length = length;
                } else {
                    let encoded = ffi::PyUnicode_AsEncodedString(pointer, c"idna".as_ptr(), std::ptr::null());
                    let Ok(encoded) = raw::owned(py, encoded) else {
                        return Err(raw::raise(py, Kind::Type, c"encoding of hostname failed"));
                    };
                    host.text = ffi::PyBytes_AsString(encoded.as_ptr());
                    host.length = ffi::PyBytes_Size(encoded.as_ptr()).cast_unsigned();
                    // The reference stays in the place; `Host` outlives the parse.
                    host.encoded = Some(std::mem::transmute::<Bound<'_, PyAny>, Bound<'_, PyAny>>(encoded));
                }
            } else {
                let text = format!("str, bytes or bytearray expected, not {}", raw::long_type_name(object));
                return Err(raw::raise_text(py, Kind::Type, &text));
            }
            if CStr::from_ptr(host.text).to_bytes().len() != host.length {
                return Err(raw::raise(py, Kind::Type, c"host name must not contain null character"));
            }
        }
        Ok(())
    });
    c_int::from(converted == 0)
}

/// The text of a `str` that is ASCII, NUL-terminated.
fn ascii(text: Arg<'_, '_>) -> Option<(*const c_char, usize)> {
    // SAFETY: a live `str`; the UTF-8 form is kept with it. Lone surrogates raise, which is forgiven.
    unsafe {
        let mut size = 0;
        let utf8 = ffi::PyUnicode_AsUTF8AndSize(text.as_ptr(), &raw mut size);
        if utf8.is_null() {
            ffi::PyErr_Clear();
            return None;
        }
        (ffi::PyUnicode_GetLength(text.as_ptr()) == size).then_some((utf8, size.cast_unsigned()))
    }
}

/// The usual case, `(str, int)` with an address of IPv4 in numbers, without a detour.
fn inet_fast(value: Arg<'_, '_>) -> Option<libc::sockaddr_in> {
    // SAFETY: a live tuple of two; its items are borrowed while it lives.
    let (host, port) = unsafe {
        if ffi::PyTuple_Check(value.as_ptr()) == 0 || ffi::PyTuple_Size(value.as_ptr()) != 2 {
            return None;
        }
        let item = |index| Borrowed::from_ptr(value.py(), ffi::PyTuple_GetItem(value.as_ptr(), index));
        (item(0), item(1))
    };
    // SAFETY: a live object.
    if unsafe { ffi::PyUnicode_CheckExact(host.as_ptr()) } == 0 {
        return None;
    }
    let port = raw::small_int(port).and_then(|port| u16::try_from(port).ok())?;
    let (text, length) = ascii(host)?;
    // SAFETY: ASCII text of this length.
    let text = unsafe { std::str::from_utf8_unchecked(std::slice::from_raw_parts(text.cast(), length)) };
    let ip: std::net::Ipv4Addr = text.parse().ok()?;
    Some(hosts::sockaddr_in(ip.octets(), port))
}

pub fn inet(py: Python<'_>, value: Arg<'_, '_>, caller: &str) -> Result<Address, Raised> {
    if let Some(address) = inet_fast(value) {
        return Ok(Address::of(address));
    }
    require_tuple(py, value, &format!("{caller}(): "), "AF_INET")?;
    let mut host = Host::new(py);
    let mut port: c_int = 0;
    parse_tuple!(
        value.as_ptr(),
        c"O&i;AF_INET address must be a pair (host, port)",
        convert_host as *mut c_void,
        host.as_mut_void(),
        &raw mut port
    )
    .map_err(|raised| if raw::raised(py, Kind::Overflow) { port_range(py, caller) } else { raised })?;
    let mut address = hosts::resolve(py, host.as_c_str(), libc::AF_INET)?;
    let port = u16::try_from(port).map_err(|_| port_range(py, caller))?;
    let mut inet = address.get::<libc::sockaddr_in>();
    inet.sin_family = libc::AF_INET as libc::sa_family_t;
    inet.sin_port = port.to_be();
    address = Address::of(inet);
    Ok(address)
}

pub fn inet6(py: Python<'_>, value: Arg<'_, '_>, caller: &str) -> Result<Address, Raised> {
    require_tuple(py, value, &format!("{caller}(): "), "AF_INET6")?;
    let mut host = Host::new(py);
    let mut port: c_int = 0;
    let (mut flow, mut scope): (c_uint, c_uint) = (0, 0);
    parse_tuple!(
        value.as_ptr(),
        c"O&i|II;AF_INET6 address must be a tuple (host, port[, flowinfo[, scopeid]])",
        convert_host as *mut c_void,
        host.as_mut_void(),
        &raw mut port,
        &raw mut flow,
        &raw mut scope
    )
    .map_err(|raised| if raw::raised(py, Kind::Overflow) { port_range(py, caller) } else { raised })?;
    let address = hosts::resolve(py, host.as_c_str(), libc::AF_INET6)?;
    let port = u16::try_from(port).map_err(|_| port_range(py, caller))?;
    if flow > 0xf_ffff {
        let text = format!("{caller}(): flowinfo must be 0-1048575.");
        return Err(raw::raise_text(py, Kind::Overflow, &text));
    }
    let mut inet = address.get::<libc::sockaddr_in6>();
    inet.sin6_family = libc::AF_INET6 as libc::sa_family_t;
    inet.sin6_port = port.to_be();
    inet.sin6_flowinfo = flow.to_be();
    inet.sin6_scope_id = scope;
    Ok(Address::of(inet))
}
