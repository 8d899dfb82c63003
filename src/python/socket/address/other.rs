//! Addresses of the families beside the internet's from Python's: a path, a process, a device, an algorithm, a name.
#![expect(unsafe_code, reason = "the interpreter's C API")]

use std::ffi::{CStr, c_char, c_int, c_uint, c_ulong, c_ulonglong, c_void};

use pyo3::ffi;
use pyo3::prelude::*;

use super::super::memory::View;
use super::super::object::Socket;
use super::super::raw::{self, Arg, Kind, Raised, parse_one, parse_tuple};
use super::{AF_QIPCRTR, CAN_ISOTP, CAN_J1939, TIPC_ADDR_ID, TIPC_ADDR_NAME, TIPC_ADDR_NAMESEQ, require_tuple};
use crate::sys;
use crate::sys::address::{Address, SockaddrCan, SockaddrQrtr, SockaddrTipc};

const CAN_RAW: i32 = 1;
const CAN_BCM: i32 = 2;
const TIPC_CLUSTER_SCOPE: c_uint = 2;

pub fn unix(py: Python<'_>, value: Arg<'_, '_>) -> Result<Address, Raised> {
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

pub fn netlink(py: Python<'_>, value: Arg<'_, '_>, caller: &str) -> Result<Address, Raised> {
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

pub fn qipcrtr(py: Python<'_>, value: Arg<'_, '_>) -> Result<Address, Raised> {
    require_tuple(py, value, "getsockaddrarg: ", "AF_QIPCRTR")?;
    let (mut node, mut port): (c_uint, c_uint) = (0, 0);
    parse_tuple!(value.as_ptr(), c"II:getsockaddrarg", &raw mut node, &raw mut port)?;
    Ok(Address::of(SockaddrQrtr { sq_family: AF_QIPCRTR as u16, sq_node: node, sq_port: port }))
}

pub fn vsock(py: Python<'_>, value: Arg<'_, '_>) -> Result<Address, Raised> {
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

pub fn packet(py: Python<'_>, socket: &Socket, value: Arg<'_, '_>, caller: &str) -> Result<Address, Raised> {
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

pub fn tipc(py: Python<'_>, value: Arg<'_, '_>, caller: &str) -> Result<Address, Raised> {
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

pub fn can(py: Python<'_>, socket: &Socket, value: Arg<'_, '_>, caller: &str) -> Result<Address, Raised> {
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

pub fn alg(py: Python<'_>, value: Arg<'_, '_>, caller: &str) -> Result<Address, Raised> {
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
