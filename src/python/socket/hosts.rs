//! Hosts, services, protocols and interfaces: the functions of `_socket` that ask the C library's databases.
#![expect(unsafe_code, reason = "the interpreter's C API")]

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::io::Write;

use pyo3::ffi;
use pyo3::prelude::*;

use super::address;
use super::memory::View;
use super::raw::{self, Arg, Given, Kind, Raised, audit, parse_keywords, parse_tuple};
use super::state;
use crate::sys;
use crate::sys::address::Address;
use crate::sys::names::{Failure, Hints, Host, HostError, Names};

/// The dotted quad.
pub fn ipv4_text(py: Python<'_>, address: libc::in_addr) -> Given<'_> {
    let mut text = [0_u8; 15];
    let mut length = 0;
    for (index, octet) in address.s_addr.to_ne_bytes().into_iter().enumerate() {
        if index > 0 {
            text[length] = b'.';
            length += 1;
        }
        for (limit, unit) in [(99, 100), (9, 10), (0, 1)] {
            if octet > limit || unit == 1 {
                text[length] = b'0' + octet / unit % 10;
                length += 1;
            }
        }
    }
    raw::str_utf8(py, &text[..length])
}

/// As inet_ntop(3) writes it.
pub fn ipv6_text(py: Python<'_>, address: libc::in6_addr) -> Given<'_> {
    let text = sys::names::printed(&address.s6_addr).map_err(|error| raw::raise_os(py, &error))?;
    raw::str_utf8(py, text.bytes())
}

/// An address of IPv4.
pub fn sockaddr_in(octets: [u8; 4], port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(octets) },
        sin_zero: [0; 8],
    }
}

fn sockaddr_in6(octets: [u8; 16]) -> libc::sockaddr_in6 {
    libc::sockaddr_in6 {
        sin6_family: libc::AF_INET6 as libc::sa_family_t,
        sin6_port: 0,
        sin6_flowinfo: 0,
        sin6_addr: libc::in6_addr { s6_addr: octets },
        sin6_scope_id: 0,
    }
}

/// The first address of a host: "" is any address, `<broadcast>` the broadcast one, numbers are not looked up.
pub fn resolve(py: Python<'_>, name: &CStr, family: i32) -> Result<Address, Raised> {
    if name.is_empty() {
        let hints = Hints { family, kind: libc::SOCK_DGRAM, flags: libc::AI_PASSIVE, protocol: 0 };
        let found = raw::unlocked(py, || sys::names::address_info(None, Some(c"0"), hints))
            .map_err(|failure| raise(py, failure))?;
        return match found.as_slice() {
            [only] => Ok(only.address),
            _ => Err(raw::raise(py, Kind::Os, c"wildcard resolved to multiple address")),
        };
    }
    if matches!(name.to_bytes(), b"255.255.255.255" | b"<broadcast>") {
        if family != libc::AF_INET && family != libc::AF_UNSPEC {
            return Err(raw::raise(py, Kind::Os, c"address family mismatched"));
        }
        return Ok(Address::of(sockaddr_in([255; 4], 0)));
    }
    let packed = |wanted: i32| {
        (family == wanted || family == libc::AF_UNSPEC)
            .then(|| sys::names::packed(wanted, name).ok().flatten())
            .flatten()
    };
    if let Some([a, b, c, d, ..]) = packed(libc::AF_INET) {
        return Ok(Address::of(sockaddr_in([a, b, c, d], 0)));
    }
    // An interface's name after a percent sign is for getaddrinfo.
    if !name.to_bytes().contains(&b'%')
        && let Some(octets) = packed(libc::AF_INET6)
    {
        return Ok(Address::of(sockaddr_in6(octets)));
    }
    let hints = Hints { family, ..Hints::default() };
    let found = raw::unlocked(py, || sys::names::address_info(Some(name), None, hints))
        .map_err(|failure| raise(py, failure))?;
    match found.first() {
        Some(first) if matches!(first.address.family(), libc::AF_INET | libc::AF_INET6) => Ok(first.address),
        _ => Err(raw::raise(py, Kind::Os, c"unknown address family")),
    }
}

/// `gaierror(code, text)`, or the `OSError` behind `EAI_SYSTEM`.
fn raise(py: Python<'_>, failure: Failure) -> Raised {
    match failure {
        Failure::System(error) => raw::raise_os(py, &error),
        Failure::Resolver(code, text) => raise_pair(py, state::gaierror(py), code, text.as_bytes()),
    }
}

fn raise_host(py: Python<'_>, (code, text): HostError) -> Raised {
    raise_pair(py, state::herror(py), code, text.to_bytes())
}

fn raise_pair(py: Python<'_>, class: *mut ffi::PyObject, code: i32, text: &[u8]) -> Raised {
    if let Ok(pair) = raw::tuple(py, [raw::int(py, i64::from(code)), raw::str_utf8(py, text)]) {
        // SAFETY: an exception class and its arguments.
        unsafe { ffi::PyErr_SetObject(class, pair.as_ptr()) };
    }
    Raised
}

/// A host name that the `et` format has encoded by IDNA, freed when dropped.
struct Encoded(*mut c_char);

impl Encoded {
    fn as_c_str(&self) -> &CStr {
        // SAFETY: the format gave a NUL-terminated string.
        unsafe { CStr::from_ptr(self.0) }
    }
}

impl Drop for Encoded {
    fn drop(&mut self) {
        // SAFETY: the format allocated it; null is fine.
        unsafe { ffi::PyMem_Free(self.0.cast()) };
    }
}

/// Reads the one argument of the gethostby functions, `format` being `et:NAME`.
macro_rules! host_argument {
    ($arguments:expr, $format:literal) => {{
        let mut host = Encoded(std::ptr::null_mut());
        parse_tuple!($arguments.as_ptr(), $format, c"idna".as_ptr(), &raw mut host.0)?;
        host
    }};
}

pub fn gethostbyname<'py>(py: Python<'py>, arguments: Arg<'_, 'py>) -> Given<'py> {
    let host = host_argument!(arguments, c"et:gethostbyname");
    audit!(c"socket.gethostbyname", c"O", arguments.as_ptr())?;
    let address = resolve(py, host.as_c_str(), libc::AF_INET)?;
    ipv4_text(py, address.get::<libc::sockaddr_in>().sin_addr)
}

pub fn gethostbyname_ex<'py>(py: Python<'py>, arguments: Arg<'_, 'py>) -> Given<'py> {
    let host = host_argument!(arguments, c"et:gethostbyname_ex");
    audit!(c"socket.gethostbyname", c"O", arguments.as_ptr())?;
    let address = resolve(py, host.as_c_str(), libc::AF_INET)?;
    let found = raw::unlocked(py, || sys::names::host_by_name(host.as_c_str()));
    host_tuple(py, found, address.family())
}

pub fn gethostbyaddr<'py>(py: Python<'py>, arguments: Arg<'_, 'py>) -> Given<'py> {
    let host = host_argument!(arguments, c"et:gethostbyaddr");
    audit!(c"socket.gethostbyaddr", c"O", arguments.as_ptr())?;
    let address = resolve(py, host.as_c_str(), libc::AF_UNSPEC)?;
    let family = address.family();
    let octets: Vec<u8> = match family {
        libc::AF_INET => address.get::<libc::sockaddr_in>().sin_addr.s_addr.to_ne_bytes().to_vec(),
        _ => address.get::<libc::sockaddr_in6>().sin6_addr.s6_addr.to_vec(),
    };
    let found = raw::unlocked(py, || sys::names::host_by_address(&octets, family));
    host_tuple(py, found, family)
}

fn host_tuple(py: Python<'_>, found: Result<Host, HostError>, family: i32) -> Given<'_> {
    let host = found.map_err(|error| raise_host(py, error))?;
    if host.family != family {
        return Err(raw::raise_os(py, &std::io::Error::from_raw_os_error(libc::EAFNOSUPPORT)));
    }
    let aliases = raw::list(py)?;
    for alias in &host.aliases {
        raw::append(&aliases, &raw::str_utf8(py, alias.to_bytes())?)?;
    }
    let addresses = raw::list(py)?;
    for address in &host.addresses {
        let text = sys::names::printed(address).map_err(|error| raw::raise_os(py, &error))?;
        raw::append(&addresses, &raw::str_utf8(py, text.bytes())?)?;
    }
    raw::tuple(py, [raw::str_utf8(py, host.name.to_bytes()), Ok(aliases), Ok(addresses)])
}

/// A string that a format gave; null is none.
///
/// # Safety
/// Null, or NUL-terminated and alive as long as the arguments.
unsafe fn optional<'a>(text: *const c_char) -> Option<&'a CStr> {
    // SAFETY: by contract.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })
}

pub fn getservbyname<'py>(py: Python<'py>, arguments: Arg<'_, 'py>) -> Given<'py> {
    let (mut name, mut protocol): (*const c_char, *const c_char) = (std::ptr::null(), std::ptr::null());
    parse_tuple!(arguments.as_ptr(), c"s|s:getservbyname", &raw mut name, &raw mut protocol)?;
    audit!(c"socket.getservbyname", c"ss", name, protocol)?;
    // SAFETY: the format gave both, the arguments keep them.
    let (name, protocol) = unsafe { (CStr::from_ptr(name), optional(protocol)) };
    match raw::unlocked(py, || sys::names::service_port(name, protocol)) {
        Some(port) => raw::int(py, i64::from(port)),
        None => Err(raw::raise(py, Kind::Os, c"service/proto not found")),
    }
}

pub fn getservbyport<'py>(py: Python<'py>, arguments: Arg<'_, 'py>) -> Given<'py> {
    let mut port: c_int = 0;
    let mut protocol: *const c_char = std::ptr::null();
    parse_tuple!(arguments.as_ptr(), c"i|s:getservbyport", &raw mut port, &raw mut protocol)?;
    let Ok(number) = u16::try_from(port) else {
        return Err(raw::raise(py, Kind::Overflow, c"getservbyport: port must be 0-65535."));
    };
    audit!(c"socket.getservbyport", c"is", port, protocol)?;
    // SAFETY: the format gave it, the arguments keep it.
    let protocol = unsafe { optional(protocol) };
    match raw::unlocked(py, || sys::names::service_name(number, protocol)) {
        Some(name) => raw::str_utf8(py, name.to_bytes()),
        None => Err(raw::raise(py, Kind::Os, c"port/proto not found")),
    }
}

pub fn getprotobyname<'py>(py: Python<'py>, arguments: Arg<'_, 'py>) -> Given<'py> {
    let mut name: *const c_char = std::ptr::null();
    parse_tuple!(arguments.as_ptr(), c"s:getprotobyname", &raw mut name)?;
    // SAFETY: the format gave it, the arguments keep it.
    let name = unsafe { CStr::from_ptr(name) };
    match raw::unlocked(py, || sys::names::protocol_number(name)) {
        Some(number) => raw::int(py, i64::from(number)),
        None => Err(raw::raise(py, Kind::Os, c"protocol not found")),
    }
}

pub fn gethostname(py: Python<'_>) -> Given<'_> {
    audit!(c"socket.gethostname")?;
    let name = raw::unlocked(py, sys::names::host_name).map_err(|error| raw::raise_os(py, &error))?;
    raw::str_fs(py, name.bytes())
}

pub fn sethostname<'py>(py: Python<'py>, arguments: Arg<'_, 'py>) -> Given<'py> {
    let mut name: *mut ffi::PyObject = std::ptr::null_mut();
    let name = match parse_tuple!(arguments.as_ptr(), c"S:sethostname", &raw mut name) {
        // SAFETY: the format borrows the argument.
        Ok(()) => unsafe { Borrowed::from_ptr(py, name) }.to_owned(),
        Err(raised) => {
            raw::forgive(py, raised);
            let convert = ffi::PyUnicode_FSConverter as *mut c_void;
            parse_tuple!(arguments.as_ptr(), c"O&:sethostname", convert, &raw mut name)?;
            raw::owned(py, name)?
        }
    };
    audit!(c"socket.sethostname", c"(O)", name.as_ptr())?;
    let view = View::of(name.as_borrowed())?;
    sys::names::set_host_name(view.bytes()).map_err(|error| raw::raise_os(py, &error))?;
    Ok(raw::none(py))
}

pub fn getaddrinfo<'py>(py: Python<'py>, arguments: Arg<'_, 'py>, keywords: *mut ffi::PyObject) -> Given<'py> {
    let (mut host, mut port): (*mut ffi::PyObject, *mut ffi::PyObject) = (std::ptr::null_mut(), std::ptr::null_mut());
    let (mut family, mut kind, mut protocol, mut flags): (c_int, c_int, c_int, c_int) = (0, 0, 0, 0);
    parse_keywords!(
        arguments.as_ptr(),
        keywords,
        c"OO|iiii:getaddrinfo",
        [c"host", c"port", c"family", c"type", c"proto", c"flags"],
        &raw mut host,
        &raw mut port,
        &raw mut family,
        &raw mut kind,
        &raw mut protocol,
        &raw mut flags,
    )?;
    // SAFETY: the format borrows both from the arguments.
    let (host, port) = unsafe { (Borrowed::from_ptr(py, host), Borrowed::from_ptr(py, port)) };
    let name = host_name_argument(py, host)?;
    let service = service_argument(py, port)?;
    audit!(c"socket.getaddrinfo", c"OOiii", host.as_ptr(), port.as_ptr(), family, kind, protocol)?;
    let hints = Hints { family, kind, protocol, flags };
    let found = raw::unlocked(py, || sys::names::address_info(name.as_deref(), service.as_deref(), hints))
        .map_err(|failure| raise(py, failure))?;
    let list = raw::list(py)?;
    for entry in &found {
        let canonical = entry.canonical_name.as_deref().map(CStr::to_bytes).unwrap_or_default();
        let items = [
            raw::int(py, i64::from(entry.family)),
            raw::int(py, i64::from(entry.kind)),
            raw::int(py, i64::from(entry.protocol)),
            raw::str_utf8(py, canonical),
            address::to_python(py, -1, &entry.address, protocol),
        ];
        raw::append(&list, &raw::tuple(py, items)?)?;
    }
    Ok(list)
}

/// The C library reads up to the first NUL, and so do we.
fn up_to_nul(bytes: &[u8]) -> CString {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    CString::new(&bytes[..end]).unwrap_or_default()
}

/// The bytes of a live `bytes` object.
fn bytes_of<'a>(object: &'a Bound<'_, PyAny>) -> &'a [u8] {
    // SAFETY: only called with `bytes`, which are immutable and live as long as the borrow.
    unsafe {
        let length = ffi::PyBytes_Size(object.as_ptr()).cast_unsigned();
        std::slice::from_raw_parts(ffi::PyBytes_AsString(object.as_ptr()).cast(), length)
    }
}

fn host_name_argument(py: Python<'_>, host: Arg<'_, '_>) -> Result<Option<CString>, Raised> {
    // SAFETY: a live object of the type that is checked.
    unsafe {
        if host.is_none() {
            Ok(None)
        } else if ffi::PyUnicode_Check(host.as_ptr()) != 0 {
            let encoded = ffi::PyUnicode_AsEncodedString(host.as_ptr(), c"idna".as_ptr(), std::ptr::null());
            Ok(Some(up_to_nul(bytes_of(&raw::owned(py, encoded)?))))
        } else if ffi::PyBytes_Check(host.as_ptr()) != 0 {
            Ok(Some(up_to_nul(bytes_of(&host))))
        } else {
            Err(raw::raise(py, Kind::Type, c"getaddrinfo() argument 1 must be string or None"))
        }
    }
}

fn service_argument(py: Python<'_>, port: Arg<'_, '_>) -> Result<Option<CString>, Raised> {
    // Since 3.14 whatever has `__index__` is a number; before, an `int`.
    let number = |object: Arg<'_, '_>| {
        // SAFETY: a live object.
        unsafe {
            if raw::minor_version() >= 14 {
                ffi::PyIndex_Check(object.as_ptr()) != 0
            } else {
                ffi::PyLong_CheckExact(object.as_ptr()) != 0
            }
        }
    };
    // SAFETY: live objects of the types that are checked.
    unsafe {
        let text = |text: &Bound<'_, PyAny>| {
            let mut length = 0;
            let utf8 = ffi::PyUnicode_AsUTF8AndSize(text.as_ptr(), &raw mut length);
            if utf8.is_null() { Err(Raised) } else { Ok(Some(CStr::from_ptr(utf8).to_owned())) }
        };
        if number(port) {
            if raw::minor_version() < 12 && ffi::PyLong_AsLong(port.as_ptr()) == -1 && raw::occurred(py) {
                return Err(Raised);
            }
            let number = raw::owned(py, ffi::PyNumber_Index(port.as_ptr()))?;
            text(&raw::owned(py, ffi::PyObject_Str(number.as_ptr()))?)
        } else if ffi::PyUnicode_Check(port.as_ptr()) != 0 {
            text(&port)
        } else if ffi::PyBytes_Check(port.as_ptr()) != 0 {
            Ok(Some(up_to_nul(bytes_of(&port))))
        } else if port.is_none() {
            Ok(None)
        } else {
            Err(raw::raise(py, Kind::Os, c"Int or String expected"))
        }
    }
}

pub fn getnameinfo<'py>(py: Python<'py>, arguments: Arg<'_, 'py>) -> Given<'py> {
    let mut address: *mut ffi::PyObject = std::ptr::null_mut();
    let mut flags: c_int = 0;
    parse_tuple!(arguments.as_ptr(), c"Oi:getnameinfo", &raw mut address, &raw mut flags)?;
    // SAFETY: the format borrows it from the arguments.
    if unsafe { ffi::PyTuple_Check(address) } == 0 {
        return Err(raw::raise(py, Kind::Type, c"getnameinfo() argument 1 must be a tuple"));
    }
    let mut host: *const c_char = std::ptr::null();
    let mut port: c_int = 0;
    let (mut flow, mut scope): (c_uint, c_uint) = (0, 0);
    parse_tuple!(
        address,
        c"si|II;getnameinfo(): illegal sockaddr argument",
        &raw mut host,
        &raw mut port,
        &raw mut flow,
        &raw mut scope
    )?;
    if flow > 0xf_ffff {
        return Err(raw::raise(py, Kind::Overflow, c"getnameinfo(): flowinfo must be 0-1048575."));
    }
    audit!(c"socket.getnameinfo", c"(O)", address)?;
    // SAFETY: the format gave it, the tuple keeps it.
    let host = unsafe { CStr::from_ptr(host) };
    let mut digits = [0; 12];
    // The longest of an `int` is eleven letters.
    drop(write!(digits.as_mut_slice(), "{port}"));
    let service = CStr::from_bytes_until_nul(&digits).unwrap_or_default();
    let hints = Hints { kind: libc::SOCK_DGRAM, flags: libc::AI_NUMERICHOST, ..Hints::default() };
    let found = raw::unlocked(py, || sys::names::address_info(Some(host), Some(service), hints))
        .map_err(|failure| raise(py, failure))?;
    let [only] = found.as_slice() else {
        return Err(raw::raise(py, Kind::Os, c"sockaddr resolved to multiple addresses"));
    };
    let mut resolved = only.address;
    // SAFETY: a live tuple.
    match (resolved.family(), unsafe { ffi::PyTuple_Size(address) }) {
        (libc::AF_INET, 2) => {}
        (libc::AF_INET, _) => return Err(raw::raise(py, Kind::Os, c"IPv4 sockaddr must be 2 tuple")),
        (libc::AF_INET6, _) => {
            let mut inet = resolved.get::<libc::sockaddr_in6>();
            inet.sin6_flowinfo = flow.to_be();
            inet.sin6_scope_id = scope;
            resolved.set(inet);
        }
        _ => {}
    }
    let mut names = Names::empty();
    raw::unlocked(py, || sys::names::name_info(&resolved, flags, &mut names)).map_err(|failure| raise(py, failure))?;
    raw::tuple(py, [raw::str_utf8(py, names.host.bytes()), raw::str_utf8(py, names.service.bytes())])
}

pub fn if_nameindex(py: Python<'_>) -> Given<'_> {
    let list = raw::list(py)?;
    for (index, name) in sys::names::interfaces().map_err(|error| raw::raise_os(py, &error))? {
        let pair = raw::tuple(py, [raw::int(py, i64::from(index)), raw::str_fs(py, name.to_bytes())])?;
        raw::append(&list, &pair)?;
    }
    Ok(list)
}

fn index_of<'py>(py: Python<'py>, name: *mut ffi::PyObject) -> Given<'py> {
    let name = raw::owned(py, name)?;
    match sys::names::interface_index(&up_to_nul(bytes_of(&name))) {
        Some(index) => raw::int(py, i64::from(index)),
        None => Err(raw::raise(py, Kind::Os, c"no interface with this name")),
    }
}

/// Until 3.12.
pub fn if_nametoindex_of_tuple<'py>(py: Python<'py>, arguments: Arg<'_, 'py>) -> Given<'py> {
    let mut name: *mut ffi::PyObject = std::ptr::null_mut();
    let convert = ffi::PyUnicode_FSConverter as *mut c_void;
    parse_tuple!(arguments.as_ptr(), c"O&:if_nametoindex", convert, &raw mut name)?;
    index_of(py, name)
}

/// From 3.13.
pub fn if_nametoindex<'py>(py: Python<'py>, argument: Arg<'_, 'py>) -> Given<'py> {
    let mut name: *mut ffi::PyObject = std::ptr::null_mut();
    // SAFETY: a live object and a place for the reference.
    if unsafe { ffi::PyUnicode_FSConverter(argument.as_ptr(), (&raw mut name).cast()) } == 0 {
        return Err(Raised);
    }
    index_of(py, name)
}

pub fn if_indextoname<'py>(py: Python<'py>, argument: Arg<'_, 'py>) -> Given<'py> {
    // SAFETY: a live object; the error value is told apart by the exception.
    let index = unsafe { ffi::PyLong_AsUnsignedLong(argument.as_ptr()) };
    if index == std::ffi::c_ulong::MAX && raw::occurred(py) {
        return Err(Raised);
    }
    let number = index as c_uint;
    if raw::minor_version() >= 13 && u64::from(number) != index {
        return Err(raw::raise(py, Kind::Overflow, c"index is too large"));
    }
    let name = sys::names::interface_name(number).map_err(|error| raw::raise_os(py, &error))?;
    raw::str_fs(py, name.to_bytes())
}
