//! The socket calls of socket(7), on descriptors that are only numbers here: who holds them decides who closes them.

use std::io;
use std::mem::size_of_val;

use super::address::{Address, Room};

/// `-1` is an error with its reason in errno.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn count(result: libc::ssize_t) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// socket(2); close-on-exec.
#[expect(unsafe_code, reason = "socket(2)")]
pub fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<i32> {
    // SAFETY: the call takes no pointers.
    check(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) })
}

/// socketpair(2); close-on-exec.
#[expect(unsafe_code, reason = "socketpair(2)")]
pub fn socketpair(family: i32, kind: i32, protocol: i32) -> io::Result<[i32; 2]> {
    let mut pair = [-1; 2];
    // SAFETY: `pair` has room for two descriptors.
    check(unsafe { libc::socketpair(family, kind | libc::SOCK_CLOEXEC, protocol, pair.as_mut_ptr()) })?;
    Ok(pair)
}

/// close(2), not repeated after EINTR: Linux has closed the descriptor by then.
#[expect(unsafe_code, reason = "close(2)")]
pub fn close(descriptor: i32) -> io::Result<()> {
    // SAFETY: the call takes no pointers; the caller says that the descriptor is his.
    check(unsafe { libc::close(descriptor) }).map(drop)
}

/// A new descriptor for the same socket, close-on-exec: `F_DUPFD_CLOEXEC` of fcntl(2).
#[expect(unsafe_code, reason = "fcntl(2)")]
pub fn duplicate(descriptor: i32) -> io::Result<i32> {
    // SAFETY: the call takes no pointers.
    check(unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 0) })
}

/// `FIONBIO` of ioctl_tty(2): whether calls on the open file return instead of waiting.
#[expect(unsafe_code, reason = "ioctl(2)")]
pub fn set_nonblocking(descriptor: i32, nonblocking: bool) -> io::Result<()> {
    let flag = libc::c_int::from(nonblocking);
    // SAFETY: FIONBIO reads one int.
    check(unsafe { libc::ioctl(descriptor, libc::FIONBIO, &raw const flag) }).map(drop)
}

/// bind(2).
#[expect(unsafe_code, reason = "bind(2)")]
pub fn bind(descriptor: i32, address: &Address) -> io::Result<()> {
    // SAFETY: the address is live and as long as it says.
    check(unsafe { libc::bind(descriptor, address.as_ptr(), address.length) }).map(drop)
}

/// connect(2).
#[expect(unsafe_code, reason = "connect(2)")]
pub fn connect(descriptor: i32, address: &Address) -> io::Result<()> {
    // SAFETY: the address is live and as long as it says.
    check(unsafe { libc::connect(descriptor, address.as_ptr(), address.length) }).map(drop)
}

/// listen(2).
#[expect(unsafe_code, reason = "listen(2)")]
pub fn listen(descriptor: i32, backlog: i32) -> io::Result<()> {
    // SAFETY: the call takes no pointers.
    check(unsafe { libc::listen(descriptor, backlog) }).map(drop)
}

/// accept4(2); the new descriptor is close-on-exec. `None` asks for no address.
#[expect(unsafe_code, reason = "accept4(2)")]
pub fn accept(descriptor: i32, address: Option<&mut Address>) -> io::Result<i32> {
    let (address, length) = match address {
        Some(address) => (address.as_mut_ptr(), &raw mut address.length),
        None => (std::ptr::null_mut(), std::ptr::null_mut()),
    };
    // SAFETY: the address has room for the length it offers, or both pointers are null.
    check(unsafe { libc::accept4(descriptor, address, length, libc::SOCK_CLOEXEC) })
}

/// shutdown(2).
#[expect(unsafe_code, reason = "shutdown(2)")]
pub fn shutdown(descriptor: i32, how: i32) -> io::Result<()> {
    // SAFETY: the call takes no pointers.
    check(unsafe { libc::shutdown(descriptor, how) }).map(drop)
}

/// getsockname(2).
#[expect(unsafe_code, reason = "getsockname(2)")]
pub fn local_address(descriptor: i32, address: &mut Address) -> io::Result<()> {
    // SAFETY: the address has room for the length it offers.
    check(unsafe { libc::getsockname(descriptor, address.as_mut_ptr(), &raw mut address.length) }).map(drop)
}

/// getpeername(2).
#[expect(unsafe_code, reason = "getpeername(2)")]
pub fn peer_address(descriptor: i32, address: &mut Address) -> io::Result<()> {
    // SAFETY: the address has room for the length it offers.
    check(unsafe { libc::getpeername(descriptor, address.as_mut_ptr(), &raw mut address.length) }).map(drop)
}

/// setsockopt(2) with the option's bytes.
#[expect(unsafe_code, reason = "setsockopt(2)")]
pub fn set_option(descriptor: i32, level: i32, name: i32, value: &[u8]) -> io::Result<()> {
    // SAFETY: the value is live and as long as we say; the kernel takes lengths modulo 2^32.
    check(unsafe { libc::setsockopt(descriptor, level, name, value.as_ptr().cast(), value.len() as libc::socklen_t) })
        .map(drop)
}

/// setsockopt(2) with a null pointer and a length, as some options of `SOL_ALG` want it.
#[expect(unsafe_code, reason = "setsockopt(2)")]
pub fn set_option_null(descriptor: i32, level: i32, name: i32, length: u32) -> io::Result<()> {
    // SAFETY: the kernel checks the null pointer against the option.
    check(unsafe { libc::setsockopt(descriptor, level, name, std::ptr::null(), length) }).map(drop)
}

/// getsockopt(2); gives how many bytes the option has.
#[expect(unsafe_code, reason = "getsockopt(2)")]
pub fn option(descriptor: i32, level: i32, name: i32, value: &mut Room) -> io::Result<usize> {
    let mut length = value.len() as libc::socklen_t;
    // SAFETY: the value has room for the length we offer.
    check(unsafe { libc::getsockopt(descriptor, level, name, value.as_mut_ptr().cast(), &raw mut length) })?;
    Ok(length as usize)
}

/// getsockopt(2) of an `int`.
#[expect(unsafe_code, reason = "getsockopt(2)")]
pub fn option_int(descriptor: i32, level: i32, name: i32) -> io::Result<i32> {
    let mut value: libc::c_int = 0;
    let mut length = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the value has room for the length we offer.
    check(unsafe { libc::getsockopt(descriptor, level, name, (&raw mut value).cast(), &raw mut length) })?;
    Ok(value)
}

/// recv(2).
#[expect(unsafe_code, reason = "recv(2)")]
pub fn receive(descriptor: i32, room: &mut Room, flags: i32) -> io::Result<usize> {
    // SAFETY: the room is as long as we say.
    count(unsafe { libc::recv(descriptor, room.as_mut_ptr().cast(), room.len(), flags) })
}

/// recvfrom(2).
#[expect(unsafe_code, reason = "recvfrom(2)")]
pub fn receive_from(descriptor: i32, room: &mut Room, flags: i32, from: &mut Address) -> io::Result<usize> {
    let buffer = room.as_mut_ptr().cast();
    // SAFETY: the room is as long as we say, the address has room for the length it offers.
    count(unsafe { libc::recvfrom(descriptor, buffer, room.len(), flags, from.as_mut_ptr(), &raw mut from.length) })
}

/// send(2).
#[expect(unsafe_code, reason = "send(2)")]
pub fn send(descriptor: i32, bytes: &[u8], flags: i32) -> io::Result<usize> {
    // SAFETY: the bytes are as many as we say.
    count(unsafe { libc::send(descriptor, bytes.as_ptr().cast(), bytes.len(), flags) })
}

/// sendto(2).
#[expect(unsafe_code, reason = "sendto(2)")]
pub fn send_to(descriptor: i32, bytes: &[u8], flags: i32, to: &Address) -> io::Result<usize> {
    // SAFETY: the bytes are as many as we say, the address is as long as it says.
    count(unsafe { libc::sendto(descriptor, bytes.as_ptr().cast(), bytes.len(), flags, to.as_ptr(), to.length) })
}

/// recvmsg(2).
///
/// # Safety
/// Every pointer of `message` is valid for writes of the length that stands beside it.
#[expect(unsafe_code, reason = "recvmsg(2)")]
pub unsafe fn receive_message(descriptor: i32, message: &mut libc::msghdr, flags: i32) -> io::Result<usize> {
    // SAFETY: by contract.
    count(unsafe { libc::recvmsg(descriptor, message, flags) })
}

/// sendmsg(2).
///
/// # Safety
/// Every pointer of `message` is valid for reads of the length that stands beside it.
#[expect(unsafe_code, reason = "sendmsg(2)")]
pub unsafe fn send_message(descriptor: i32, message: &libc::msghdr, flags: i32) -> io::Result<usize> {
    // SAFETY: by contract.
    count(unsafe { libc::sendmsg(descriptor, message, flags) })
}

/// poll(2) of one descriptor; milliseconds, negative without end. Whether it is ready.
#[expect(unsafe_code, reason = "poll(2)")]
pub fn wait(descriptor: i32, events: i16, milliseconds: i32) -> io::Result<bool> {
    let mut entry = libc::pollfd { fd: descriptor, events, revents: 0 };
    // SAFETY: one live entry.
    Ok(check(unsafe { libc::poll(&raw mut entry, 1, milliseconds) })? > 0)
}

/// The index of an interface by its name, `SIOCGIFINDEX` of netdevice(7); longer names are cut as the kernel would.
#[expect(unsafe_code, reason = "ioctl(2)")]
pub fn interface_index(descriptor: i32, name: &[u8]) -> io::Result<i32> {
    // SAFETY: an `ifreq` of zeros is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let last = request.ifr_name.len() - 1;
    for (slot, byte) in request.ifr_name[..last].iter_mut().zip(name) {
        *slot = byte.cast_signed();
    }
    // SAFETY: the call reads the NUL-terminated name and fills the index.
    check(unsafe { libc::ioctl(descriptor, libc::SIOCGIFINDEX, &raw mut request) })?;
    // SAFETY: the call has succeeded, so the union holds the index.
    Ok(unsafe { request.ifr_ifru.ifru_ifindex })
}

/// The name of an interface by its index, `SIOCGIFNAME` of netdevice(7).
#[expect(unsafe_code, reason = "ioctl(2)")]
pub fn interface_name(descriptor: i32, index: i32) -> io::Result<Vec<u8>> {
    // SAFETY: an `ifreq` of zeros is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_ifru.ifru_ifindex = index;
    // SAFETY: the call reads the index and fills the name.
    check(unsafe { libc::ioctl(descriptor, libc::SIOCGIFNAME, &raw mut request) })?;
    Ok(request.ifr_name.iter().take_while(|byte| **byte != 0).map(|byte| byte.cast_unsigned()).collect())
}

/// sendmmsg(2): how many messages the kernel has taken.
///
/// # Safety
/// Every pointer of each header is valid for reads of the length that stands beside it.
#[expect(unsafe_code, reason = "sendmmsg(2)")]
pub unsafe fn send_messages(descriptor: i32, messages: &mut [libc::mmsghdr], flags: i32) -> io::Result<usize> {
    // SAFETY: by contract.
    let sent = unsafe { libc::sendmmsg(descriptor, messages.as_mut_ptr(), messages.len() as libc::c_uint, flags as _) };
    check(sent).map(|sent| sent.unsigned_abs() as usize)
}

/// recvmmsg(2): how many messages have come.
///
/// # Safety
/// Every pointer of each header is valid for writes of the length that stands beside it.
#[expect(unsafe_code, reason = "recvmmsg(2)")]
pub unsafe fn receive_messages(descriptor: i32, messages: &mut [libc::mmsghdr], flags: i32) -> io::Result<usize> {
    let (first, count) = (messages.as_mut_ptr(), messages.len() as libc::c_uint);
    // SAFETY: by contract; without a timeout.
    let came = unsafe { libc::recvmmsg(descriptor, first, count, flags as _, std::ptr::null_mut()) };
    check(came).map(|came| came.unsigned_abs() as usize)
}
