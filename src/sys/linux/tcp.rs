//! What the kernel says of a TCP socket, getsockopt(2) at level IPPROTO_TCP (tcp(7)).

use std::io;

use crate::engine::Descriptor;

/// `tcpi_state`, the first byte of `struct tcp_info` (tcp(7), `TCP_INFO`), of a socket that somebody else owns.
#[expect(unsafe_code, reason = "getsockopt(2)")]
pub fn state(descriptor: Descriptor) -> io::Result<u8> {
    let mut state = 0_u8;
    let mut length: libc::socklen_t = 1;
    // SAFETY: the kernel writes at most `length` bytes, one, to `state`.
    let status = unsafe {
        libc::getsockopt(descriptor.0, libc::IPPROTO_TCP, libc::TCP_INFO, (&raw mut state).cast(), &raw mut length)
    };
    match (status, length) {
        (0, 1..) => Ok(state),
        (0, _) => Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP)),
        _ => Err(io::Error::last_os_error()),
    }
}
