//! What the error queue says (`IP_RECVERR` of ip(7)), and which errors of a call are only its echo.

use std::io;

use crate::packet::extension;
use crate::packet::icmp::{IcmpError, Version};
use crate::sys::message::Extended;

/// What the error queue says, as an ICMP error.
pub fn icmp_error(version: Version, bytes: &[u8], queued: &Extended) -> IcmpError {
    // The kernel has taken the pointer of an IPv4 parameter problem out of its word already.
    let rest = if version == Version::V4 && queued.kind == 12 { queued.info << 24 } else { queued.info };
    let mut error = IcmpError::new(version, queued.kind, queued.code, rest);
    if let Some(structure) = queued.extension().and_then(|start| bytes.get(start..)) {
        error.labels = extension::labels(structure);
    }
    error
}

/// How often a send is tried again after such an error: while it drains the queue the next report may come.
pub const SOFT_TRIES: usize = 16;

/// Errors of a call that tell what an ICMP message told the kernel, not what is wrong with the call.
pub fn is_soft(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::EHOSTUNREACH
                | libc::ENETUNREACH
                | libc::ECONNREFUSED
                | libc::EPROTO
                | libc::EOPNOTSUPP
                | libc::EHOSTDOWN
                | libc::ENONET
                | libc::ENOPROTOOPT
                | libc::EACCES
                | libc::EMSGSIZE
        )
    )
}
