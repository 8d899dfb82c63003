//! Socket addresses between Python's tuples, strings and bytes and the kernel's structs, for every family.
//!
//! Which shape a family has is the `socket` module's documented contract ("Socket families").
#![expect(unsafe_code, reason = "the interpreter's C API")]

use std::ffi::{CStr, c_char, c_int, c_uint, c_ulong, c_ulonglong, c_void};

use pyo3::ffi;
use pyo3::prelude::*;

use super::hosts;
use super::object::Socket;
use super::raw::{self, Arg, Given, Kind, Raised, View, parse_one, parse_tuple};
use crate::sys;
use crate::sys::address::{Address, SockaddrCan, SockaddrQrtr, SockaddrTipc};

const AF_QIPCRTR: i32 = 42;
const CAN_RAW: i32 = 1;
const CAN_BCM: i32 = 2;
const CAN_ISOTP: i32 = 6;
const CAN_J1939: i32 = 7;
const TIPC_ADDR_NAMESEQ: u32 = 1;
const TIPC_ADDR_NAME: u32 = 2;
const TIPC_ADDR_ID: u32 = 3;
const TIPC_CLUSTER_SCOPE: c_uint = 2;

/// Room for an address of the socket's family, whose length the kernel will fill in.
pub fn room_for(py: Python<'_>, socket: &Socket) -> Result<Address, Raised> {
    let length = match socket.family() {
        libc::AF_INET | libc::AF_RDS => size_of::<libc::sockaddr_in>(),
        libc::AF_INET6 => size_of::<libc::sockaddr_in6>(),
        libc::AF_UNIX => size_of::<libc::sockaddr_un>(),
        libc::AF_NETLINK => size_of::<libc::sockaddr_nl>(),
        libc::AF_PACKET => size_of::<libc::sockaddr_ll>(),
        libc::AF_VSOCK => size_of::<libc::sockaddr_vm>(),
        libc::AF_ALG => size_of::<libc::sockaddr_alg>(),
        libc::AF_CAN => size_of::<SockaddrCan>(),
        libc::AF_TIPC => size_of::<SockaddrTipc>(),
        AF_QIPCRTR => size_of::<SockaddrQrtr>(),
        _ => return Err(raw::raise(py, Kind::Os, c"getsockaddrlen: bad family")),
    };
    Ok(Address::room(length))
}

/// The kernel's address as Python's. `descriptor` names interfaces.
pub fn to_python<'py>(py: Python<'py>, descriptor: i32, address: &Address, protocol: i32) -> Given<'py> {
    if address.length == 0 {
        return Ok(raw::none(py));
    }
    let unsigned = |value: u32| raw::int(py, i64::from(value));
    match address.family() {
        libc::AF_INET => {
            let inet = address.get::<libc::sockaddr_in>();
            let port = raw::int(py, i64::from(u16::from_be(inet.sin_port)));
            raw::tuple(py, [hosts::ipv4_text(py, inet.sin_addr), port])
        }
        libc::AF_INET6 => {
            let inet = address.get::<libc::sockaddr_in6>();
            let port = raw::int(py, i64::from(u16::from_be(inet.sin6_port)));
            let flow = unsigned(u32::from_be(inet.sin6_flowinfo));
            raw::tuple(py, [hosts::ipv6_text(py, inet.sin6_addr), port, flow, unsigned(inet.sin6_scope_id)])
        }
        libc::AF_UNIX => {
            let path = &address.bytes()[size_of::<libc::sa_family_t>().min(address.bytes().len())..];
            if path.first() == Some(&0) {
                return raw::bytes(py, path);
            }
            raw::str_fs(py, path.split(|byte| *byte == 0).next().unwrap_or_default())
        }
        libc::AF_NETLINK => {
            let netlink = address.get::<libc::sockaddr_nl>();
            raw::tuple(py, [unsigned(netlink.nl_pid), unsigned(netlink.nl_groups)])
        }
        AF_QIPCRTR => {
            let qrtr = address.get::<SockaddrQrtr>();
            raw::tuple(py, [unsigned(qrtr.sq_node), unsigned(qrtr.sq_port)])
        }
        libc::AF_VSOCK => {
            let vsock = address.get::<libc::sockaddr_vm>();
            raw::tuple(py, [unsigned(vsock.svm_cid), unsigned(vsock.svm_port)])
        }
        libc::AF_PACKET => {
            let packet = address.get::<libc::sockaddr_ll>();
            let hardware = &packet.sll_addr[..usize::from(packet.sll_halen).min(packet.sll_addr.len())];
            let items = [
                raw::str_utf8(py, &interface_name(descriptor, packet.sll_ifindex)),
                raw::int(py, i64::from(u16::from_be(packet.sll_protocol))),
                raw::int(py, i64::from(packet.sll_pkttype)),
                raw::int(py, i64::from(packet.sll_hatype)),
                raw::bytes(py, hardware),
            ];
            raw::tuple(py, items)
        }
        libc::AF_TIPC => {
            let tipc = address.get::<SockaddrTipc>();
            let kind = u32::from(tipc.addrtype);
            let [a, b, c] = tipc.words;
            let words = match kind {
                TIPC_ADDR_NAMESEQ => [a, b, c],
                TIPC_ADDR_NAME => [a, b, b],
                TIPC_ADDR_ID => [a, b, 0],
                _ => return Err(raw::raise(py, Kind::Value, c"Invalid address type")),
            };
            let scope = unsigned(i32::from(tipc.scope).cast_unsigned());
            raw::tuple(py, [unsigned(kind), unsigned(words[0]), unsigned(words[1]), unsigned(words[2]), scope])
        }
        libc::AF_CAN => {
            let can = address.get::<SockaddrCan>();
            let name = raw::str_fs(py, &interface_name(descriptor, can.can_ifindex));
            let [a, b, pgn, station] = can.addr;
            match protocol {
                CAN_ISOTP => raw::tuple(py, [name, unsigned(a), unsigned(b)]),
                CAN_J1939 => {
                    let number = u64::from(a) | u64::from(b) << 32;
                    // SAFETY: gives a new reference.
                    let number = raw::owned(py, unsafe { ffi::PyLong_FromUnsignedLongLong(number) });
                    raw::tuple(py, [name, number, unsigned(pgn), unsigned(station & 0xff)])
                }
                _ => raw::tuple(py, [name]),
            }
        }
        libc::AF_ALG => {
            let alg = address.get::<libc::sockaddr_alg>();
            let text = |bytes: &[u8]| raw::str_utf8(py, bytes.split(|byte| *byte == 0).next().unwrap_or_default());
            let (features, mask) = (unsigned(alg.salg_feat & 0xffff), unsigned(alg.salg_mask & 0xffff));
            raw::tuple(py, [text(&alg.salg_type), text(&alg.salg_name), features, mask])
        }
        family => {
            let data = address.get::<libc::sockaddr>().sa_data.map(|byte| byte.cast_unsigned());
            raw::tuple(py, [raw::int(py, i64::from(family)), raw::bytes(py, &data)])
        }
    }
}

fn interface_name(descriptor: i32, index: i32) -> Vec<u8> {
    if index == 0 {
        return Vec::new();
    }
    sys::socket::interface_name(descriptor, index).unwrap_or_default()
}

/// Python's address as the kernel's, for the family of `socket`; `caller` names the method in messages.
pub fn from_python(py: Python<'_>, socket: &Socket, value: Arg<'_, '_>, caller: &str) -> Result<Address, Raised> {
    match socket.family() {
        libc::AF_INET | libc::AF_RDS => inet(py, value, caller),
        libc::AF_INET6 => inet6(py, value, caller),
        libc::AF_UNIX => unix(py, value),
        libc::AF_NETLINK => netlink(py, value, caller),
        libc::AF_PACKET => packet(py, socket, value, caller),
        libc::AF_VSOCK => vsock(py, value),
        libc::AF_ALG => alg(py, value, caller),
        libc::AF_CAN => can(py, socket, value, caller),
        libc::AF_TIPC => tipc(py, value, caller),
        AF_QIPCRTR => qipcrtr(py, value),
        _ => Err(raw::raise_text(py, Kind::Os, &format!("{caller}(): bad family"))),
    }
}

fn require_tuple(py: Python<'_>, value: Arg<'_, '_>, caller: &str, family: &str) -> Result<(), Raised> {
    // SAFETY: a live object.
    if unsafe { ffi::PyTuple_Check(value.as_ptr()) } != 0 {
        return Ok(());
    }
    let text = format!("{caller}{family} address must be tuple, not {}", raw::type_name(value));
    Err(raw::raise_text(py, Kind::Type, &text))
}

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

fn inet(py: Python<'_>, value: Arg<'_, '_>, caller: &str) -> Result<Address, Raised> {
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

fn inet6(py: Python<'_>, value: Arg<'_, '_>, caller: &str) -> Result<Address, Raised> {
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

fn unix(py: Python<'_>, value: Arg<'_, '_>) -> Result<Address, Raised> {
    // SAFETY: a live object; gives a new reference.
    let encoded = unsafe {
        if ffi::PyUnicode_Check(value.as_ptr()) != 0 {
            raw::owned(py, ffi::PyUnicode_EncodeFSDefault(value.as_ptr()))?
        } else {
            value.to_owned()
        }
    };
    let mut view = View::empty();
    parse_one!(encoded.as_ptr(), c"y*", view.as_mut_ptr())?;
    let path = view.bytes();
    // SAFETY: a `sockaddr_un` of zeros is valid.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    // A path that begins with NUL is a name in the abstract namespace of unix(7), and has no NUL at its end.
    let end = usize::from(path.first().is_some_and(|byte| *byte != 0));
    if path.len() + end > address.sun_path.len() {
        return Err(raw::raise(py, Kind::Os, c"AF_UNIX path too long"));
    }
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (slot, byte) in address.sun_path.iter_mut().zip(path) {
        *slot = byte.cast_signed();
    }
    let mut address = Address::of(address);
    address.length = (size_of::<libc::sa_family_t>() + path.len() + end) as libc::socklen_t;
    Ok(address)
}

fn netlink(py: Python<'_>, value: Arg<'_, '_>, caller: &str) -> Result<Address, Raised> {
    require_tuple(py, value, &format!("{caller}(): "), "AF_NETLINK")?;
    let (mut pid, mut groups): (c_uint, c_uint) = (0, 0);
    parse_tuple!(value.as_ptr(), c"II;AF_NETLINK address must be a pair (pid, groups)", &raw mut pid, &raw mut groups)?;
    // SAFETY: a `sockaddr_nl` of zeros is valid.
    let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
    address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
    address.nl_pid = pid;
    address.nl_groups = groups;
    Ok(Address::of(address))
}

fn qipcrtr(py: Python<'_>, value: Arg<'_, '_>) -> Result<Address, Raised> {
    require_tuple(py, value, "getsockaddrarg: ", "AF_QIPCRTR")?;
    let (mut node, mut port): (c_uint, c_uint) = (0, 0);
    parse_tuple!(value.as_ptr(), c"II:getsockaddrarg", &raw mut node, &raw mut port)?;
    Ok(Address::of(SockaddrQrtr { sq_family: AF_QIPCRTR as u16, sq_node: node, sq_port: port }))
}

fn vsock(py: Python<'_>, value: Arg<'_, '_>) -> Result<Address, Raised> {
    require_tuple(py, value, "getsockaddrarg: ", "AF_VSOCK")?;
    let (mut cid, mut port): (c_uint, c_uint) = (0, 0);
    parse_tuple!(value.as_ptr(), c"II:getsockaddrarg", &raw mut cid, &raw mut port)?;
    // SAFETY: a `sockaddr_vm` of zeros is valid.
    let mut address: libc::sockaddr_vm = unsafe { std::mem::zeroed() };
    address.svm_family = libc::AF_VSOCK as libc::sa_family_t;
    address.svm_cid = cid;
    address.svm_port = port;
    Ok(Address::of(address))
}

fn packet(py: Python<'_>, socket: &Socket, value: Arg<'_, '_>, caller: &str) -> Result<Address, Raised> {
    require_tuple(py, value, &format!("{caller}(): "), "AF_PACKET")?;
    let mut name: *const c_char = std::ptr::null();
    let (mut protocol, mut kind, mut hardware_type): (c_int, c_int, c_int) = (0, libc::PACKET_HOST.into(), 0);
    let mut view = View::empty();
    parse_tuple!(
        value.as_ptr(),
        c"si|iiy*;AF_PACKET address must be a tuple of two to five elements",
        &raw mut name,
        &raw mut protocol,
        &raw mut kind,
        &raw mut hardware_type,
        view.as_mut_ptr()
    )
    .map_err(|raised| {
        if !raw::raised(py, Kind::Overflow) {
            return raised;
        }
        raw::raise_text(py, Kind::Overflow, &format!("{caller}(): address argument out of range"))
    })?;
    // SAFETY: the format gave a NUL-terminated string, which the tuple keeps.
    let name = unsafe { CStr::from_ptr(name) };
    let index = sys::socket::interface_index(socket.descriptor(), name.to_bytes())
        .map_err(|error| raw::raise_os(py, &error))?;
    let hardware = view.bytes();
    if hardware.len() > 8 {
        return Err(raw::raise(py, Kind::Value, c"Hardware address must be 8 bytes or less"));
    }
    let Ok(protocol) = u16::try_from(protocol) else {
        return Err(raw::raise_text(py, Kind::Overflow, &format!("{caller}(): proto must be 0-65535.")));
    };
    // SAFETY: a `sockaddr_ll` of zeros is valid.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as libc::sa_family_t;
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = index;
    address.sll_pkttype = kind as u8;
    address.sll_hatype = hardware_type as u16;
    address.sll_halen = hardware.len() as u8;
    address.sll_addr[..hardware.len()].copy_from_slice(hardware);
    Ok(Address::of(address))
}

fn tipc(py: Python<'_>, value: Arg<'_, '_>, caller: &str) -> Result<Address, Raised> {
    require_tuple(py, value, &format!("{caller}(): "), "AF_TIPC")?;
    let (mut kind, mut a, mut b, mut c): (c_uint, c_uint, c_uint, c_uint) = (0, 0, 0, 0);
    let mut scope = TIPC_CLUSTER_SCOPE;
    parse_tuple!(
        value.as_ptr(),
        c"IIII|I;AF_TIPC address must be a tuple (addr_type, v1, v2, v3[, scope])",
        &raw mut kind,
        &raw mut a,
        &raw mut b,
        &raw mut c,
        &raw mut scope
    )?;
    let words = match kind {
        TIPC_ADDR_NAMESEQ => [a, b, c],
        TIPC_ADDR_NAME | TIPC_ADDR_ID => [a, b, 0],
        _ => return Err(raw::raise(py, Kind::Type, c"Invalid address type")),
    };
    let family = libc::AF_TIPC as u16;
    Ok(Address::of(SockaddrTipc { family, addrtype: kind as u8, scope: scope as i8, words }))
}

fn can(py: Python<'_>, socket: &Socket, value: Arg<'_, '_>, caller: &str) -> Result<Address, Raised> {
    let mut name: *mut ffi::PyObject = std::ptr::null_mut();
    let convert = ffi::PyUnicode_FSConverter as *mut c_void;
    let addr = match socket.protocol() {
        CAN_RAW | CAN_BCM => {
            require_tuple(py, value, &format!("{caller}(): "), "AF_CAN")?;
            let format = c"O&;AF_CAN address must be a tuple (interface, )";
            // SAFETY: the format belongs to the places.
            if unsafe { ffi::PyArg_ParseTuple(value.as_ptr(), format.as_ptr(), convert, &raw mut name) } == 0 {
                return Err(Raised);
            }
            [0; 4]
        }
        CAN_ISOTP => {
            let (mut receive, mut send): (c_ulong, c_ulong) = (0, 0);
            parse_tuple!(value.as_ptr(), c"O&kk", convert, &raw mut name, &raw mut receive, &raw mut send)?;
            [receive as u32, send as u32, 0, 0]
        }
        CAN_J1939 => {
            let (mut number, mut pgn, mut station): (c_ulonglong, c_uint, u8) = (0, 0, 0);
            let name = &raw mut name;
            parse_tuple!(value.as_ptr(), c"O&KIB", convert, name, &raw mut number, &raw mut pgn, &raw mut station)?;
            [number as u32, (number >> 32) as u32, pgn, u32::from(station)]
        }
        _ => return Err(raw::raise_text(py, Kind::Os, &format!("{caller}(): unsupported CAN protocol"))),
    };
    let name = raw::owned(py, name)?;
    let mut view = View::empty();
    parse_one!(name.as_ptr(), c"y*", view.as_mut_ptr())?;
    let index = match view.bytes() {
        b"" => 0,
        name if name.len() < libc::IFNAMSIZ => {
            sys::socket::interface_index(socket.descriptor(), name).map_err(|error| raw::raise_os(py, &error))?
        }
        _ => return Err(raw::raise(py, Kind::Os, c"AF_CAN interface name too long")),
    };
    Ok(Address::of(SockaddrCan { can_family: libc::AF_CAN as u16, can_ifindex: index, addr }))
}

fn alg(py: Python<'_>, value: Arg<'_, '_>, caller: &str) -> Result<Address, Raised> {
    require_tuple(py, value, &format!("{caller}(): "), "AF_ALG")?;
    let (mut kind, mut name): (*const c_char, *const c_char) = (std::ptr::null(), std::ptr::null());
    let (mut features, mut mask): (u16, u16) = (0, 0);
    parse_tuple!(
        value.as_ptr(),
        c"ss|HH;AF_ALG address must be a tuple (type, name[, feat[, mask]])",
        &raw mut kind,
        &raw mut name,
        &raw mut features,
        &raw mut mask
    )?;
    // SAFETY: the format gave NUL-terminated strings, which the tuple keeps.
    let (kind, name) = unsafe { (CStr::from_ptr(kind).to_bytes(), CStr::from_ptr(name).to_bytes()) };
    // SAFETY: a `sockaddr_alg` of zeros is valid.
    let mut address: libc::sockaddr_alg = unsafe { std::mem::zeroed() };
    address.salg_family = libc::AF_ALG as libc::sa_family_t;
    address.salg_feat = u32::from(features);
    address.salg_mask = u32::from(mask);
    if kind.len() >= address.salg_type.len() {
        return Err(raw::raise(py, Kind::Value, c"AF_ALG type too long."));
    }
    if name.len() >= address.salg_name.len() {
        return Err(raw::raise(py, Kind::Value, c"AF_ALG name too long."));
    }
    address.salg_type[..kind.len()].copy_from_slice(kind);
    address.salg_name[..name.len()].copy_from_slice(name);
    Ok(Address::of(address))
}
