//! Asking the kernel for its sockets: sock_diag(7) over netlink(7), and the names of interfaces, if_indextoname(3).

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// `NETLINK_SOCK_DIAG` of linux/netlink.h.
const NETLINK_SOCK_DIAG: libc::c_int = 4;

/// A socket to ask on; never waits. Needs no right.
#[expect(unsafe_code, reason = "socket(2)")]
pub fn open() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: no pointers are passed.
    let descriptor = unsafe { libc::socket(libc::AF_NETLINK, kind, NETLINK_SOCK_DIAG) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Receives one datagram and gives its whole length, which is more than `buffer.len()` if it was cut.
#[expect(unsafe_code, reason = "recv(2)")]
pub fn recv(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
    // SAFETY: the buffer is valid for writes of its length.
    let got = unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), flags) };
    usize::try_from(got).map_err(|_| io::Error::last_os_error())
}

/// The name of the interface with this index; `None` if there is none (any more).
#[expect(unsafe_code, reason = "if_indextoname(3)")]
pub fn interface_name(index: u32) -> Option<String> {
    let mut name = [0_u8; libc::IF_NAMESIZE];
    // SAFETY: the buffer has the IF_NAMESIZE bytes that the function may write.
    let found = unsafe { libc::if_indextoname(index, name.as_mut_ptr().cast()) };
    if found.is_null() {
        return None;
    }
    CStr::from_bytes_until_nul(&name).ok().map(|name| name.to_string_lossy().into_owned())
}

/// The index of the interface with this name; `None` if there is none.
#[expect(unsafe_code, reason = "if_nametoindex(3)")]
pub fn interface_index(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name is live and ends in a zero byte.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}
