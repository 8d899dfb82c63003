//! Socket addresses between Python's tuples, strings and bytes and the kernel's structs, for every family.
//!
//! Which shape a family has is the `socket` module's documented contract ("Socket families").
#![expect(unsafe_code, reason = "the interpreter's C API")]

mod internet;
mod other;
mod to_python;

use pyo3::ffi;
use pyo3::prelude::*;

use super::object::Socket;
use super::raw::{self, Arg, Kind, Raised};
use crate::sys::address::{Address, SockaddrCan, SockaddrQrtr, SockaddrTipc};

pub use to_python::to_python;

const AF_QIPCRTR: i32 = 42;
const CAN_ISOTP: i32 = 6;
const CAN_J1939: i32 = 7;
const TIPC_ADDR_NAMESEQ: u32 = 1;
const TIPC_ADDR_NAME: u32 = 2;
const TIPC_ADDR_ID: u32 = 3;

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

/// Python's address as the kernel's, for the family of `socket`; `caller` names the method in messages.
pub fn from_python(py: Python<'_>, socket: &Socket, value: Arg<'_, '_>, caller: &str) -> Result<Address, Raised> {
    match socket.family() {
        libc::AF_INET | libc::AF_RDS => internet::inet(py, value, caller),
        libc::AF_INET6 => internet::inet6(py, value, caller),
        libc::AF_UNIX => other::unix(py, value),
        libc::AF_NETLINK => other::netlink(py, value, caller),
        libc::AF_PACKET => other::packet(py, socket, value, caller),
        libc::AF_VSOCK => other::vsock(py, value),
        libc::AF_ALG => other::alg(py, value, caller),
        libc::AF_CAN => other::can(py, socket, value, caller),
        libc::AF_TIPC => other::tipc(py, value, caller),
        AF_QIPCRTR => other::qipcrtr(py, value),
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
