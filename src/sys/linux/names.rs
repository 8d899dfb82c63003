//! The system's name service, getaddrinfo(3). It blocks, for as long as the resolver's configuration allows.

use std::ffi::{CStr, CString};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// `EAI_ADDRFAMILY` of glibc's <netdb.h>: the host has no address of that family.
pub const EAI_ADDRFAMILY: i32 = -9;

/// What getaddrinfo(3) is asked for; zero is "any".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// `AF_*`.
    pub family: i32,
    /// `SOCK_*`.
    pub kind: i32,
    /// `AI_*`.
    pub flags: i32,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// An `EAI_*` code and what gai_strerror(3) says about it.
    Resolver(i32, String),
    /// `EAI_SYSTEM`: the errno.
    System(io::Error),
}

/// The addresses of `host`, in the order of preference of RFC 6724, with `port` in each.
#[expect(unsafe_code, reason = "getaddrinfo(3)")]
pub fn addresses(host: &CStr, port: u16, hints: Hints) -> Result<Vec<SocketAddr>, Failure> {
    // SAFETY: an `addrinfo` of zeros is valid: null pointers and "any".
    let mut asked: libc::addrinfo = unsafe { std::mem::zeroed() };
    asked.ai_family = hints.family;
    asked.ai_socktype = hints.kind;
    asked.ai_flags = hints.flags;
    let mut list = std::ptr::null_mut();
    // SAFETY: `host` is NUL-terminated, the hints and the place for the result are live.
    let code = unsafe { libc::getaddrinfo(host.as_ptr(), std::ptr::null(), &raw const asked, &raw mut list) };
    if code != 0 {
        return Err(failure(code));
    }
    let mut found = Vec::new();
    let mut entry = list;
    while !entry.is_null() {
        // SAFETY: the list is getaddrinfo's, complete, and not yet freed.
        let info = unsafe { &*entry };
        // SAFETY: `ai_addr` points to `ai_addrlen` bytes, or is null.
        found.extend(unsafe { address(info.ai_addr, info.ai_addrlen) }.map(|mut address| {
            address.set_port(port);
            address
        }));
        entry = info.ai_next;
    }
    // SAFETY: `list` came from getaddrinfo and is freed once.
    unsafe { libc::freeaddrinfo(list) };
    found.dedup();
    Ok(found)
}

/// What the code of getaddrinfo(3) or getnameinfo(3) means.
#[expect(unsafe_code, reason = "gai_strerror(3)")]
pub fn failure(code: i32) -> Failure {
    if code == libc::EAI_SYSTEM {
        return Failure::System(io::Error::last_os_error());
    }
    // SAFETY: gai_strerror gives a static string for every code.
    let text = unsafe { CStr::from_ptr(libc::gai_strerror(code)) };
    Failure::Resolver(code, text.to_string_lossy().into_owned())
}

/// The index of the network interface called `name`, if_nametoindex(3).
#[expect(unsafe_code, reason = "if_nametoindex(3)")]
pub fn interface_index(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name is NUL-terminated.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

/// The internet address behind a `sockaddr`; none for other families.
///
/// # Safety
/// `address` is null or points to `length` readable bytes.
#[expect(unsafe_code, reason = "reads a sockaddr of the C library")]
unsafe fn address(address: *const libc::sockaddr, length: libc::socklen_t) -> Option<SocketAddr> {
    let length = length as usize;
    if address.is_null() {
        return None;
    }
    // SAFETY: by contract `length` bytes are readable; each arm checks that they hold what it reads.
    unsafe {
        match i32::from((*address).sa_family) {
            libc::AF_INET if length >= size_of::<libc::sockaddr_in>() => {
                let v4 = address.cast::<libc::sockaddr_in>().read_unaligned();
                let ip = Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes());
                Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
            }
            libc::AF_INET6 if length >= size_of::<libc::sockaddr_in6>() => {
                let v6 = address.cast::<libc::sockaddr_in6>().read_unaligned();
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                Some(SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), v6.sin6_flowinfo, v6.sin6_scope_id).into())
            }
            _ => None,
        }
    }
}
