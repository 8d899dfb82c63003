//! Datagrams with their control messages, and the error queue: recvmsg(2), sendmsg(2), cmsg(3), ip(7), ipv6(7), and
//! the kernel's Documentation/networking/timestamping.rst.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use socket2::SockAddr;

use crate::engine::Descriptor;

/// Which queue to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// What peers sent.
    Data,
    /// ICMP errors and stamps of departures.
    Errors,
}

/// One received message; its bytes are in the caller's buffer.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// Bytes in the buffer.
    pub length: usize,
    /// The message was longer than the buffer.
    pub cut: bool,
    /// Who sent it; from the error queue: whom the offending datagram was for.
    pub address: Option<SocketAddr>,
    /// TTL or hop limit.
    pub ttl: Option<u8>,
    /// The kernel's stamp: nanoseconds of the real-time clock.
    pub stamp: Option<u64>,
    /// From the error queue: what it says.
    pub error: Option<Extended>,
}

/// `struct sock_extended_err` of <linux/errqueue.h>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended {
    /// The errno that a plain call would have given.
    pub errno: i32,
    /// `SO_EE_ORIGIN_*`.
    pub origin: u8,
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// MTU, gateway or pointer; for a stamp which one (`SCM_TSTAMP_*`).
    pub info: u32,
    /// For a stamp the datagram's number; else RFC 4884's offset of the extension structure, 0 for none.
    pub data: u32,
    /// Who reported it.
    pub offender: Option<IpAddr>,
}

impl Extended {
    /// Whether it is the stamp of a datagram of ours.
    pub fn is_stamp(&self) -> bool {
        self.origin == libc::SO_EE_ORIGIN_TIMESTAMPING
    }

    /// Whether it came by ICMP or ICMPv6.
    pub fn is_icmp(&self) -> bool {
        matches!(self.origin, libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6)
    }

    /// Where in the queued bytes an ICMP extension structure starts (`struct sock_ee_data_rfc4884`).
    pub fn extension(&self) -> Option<usize> {
        let [a, b, flags, _] = self.data.to_ne_bytes();
        let length = u16::from_ne_bytes([a, b]);
        (length != 0 && flags & 1 == 0).then_some(usize::from(length))
    }
}

/// Room for the control messages of one datagram, aligned for `cmsghdr`.
#[repr(align(8))]
struct Control([u8; 512]);

/// Receives one message without waiting; `WouldBlock` if there is none.
#[expect(unsafe_code, reason = "recvmsg(2)")]
pub fn receive(descriptor: Descriptor, buffer: &mut [u8], queue: Queue) -> io::Result<Received> {
    let mut control = Control([0; 512]);
    // SAFETY: a `sockaddr_storage` of zeros is valid.
    let mut name: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: a `msghdr` of zeros is valid.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_name = (&raw mut name).cast();
    header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = control.0.len() as _;
    let flags = libc::MSG_DONTWAIT | if queue == Queue::Errors { libc::MSG_ERRQUEUE } else { 0 };
    // SAFETY: name, buffer and control are live, and their lengths are those given.
    let got = unsafe { libc::recvmsg(descriptor.0, &raw mut header, flags) };
    let length = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
    let mut received = Received { length, cut: header.msg_flags & libc::MSG_TRUNC != 0, ..Received::default() };
    if header.msg_namelen as usize >= size_of::<libc::sa_family_t>() {
        // SAFETY: the kernel has written an address of the family that it names into storage that is large enough.
        received.address = unsafe { address((&raw const name).cast()) };
    }
    // SAFETY: the kernel has filled `header`; the control messages lie within `control`.
    unsafe { read_control(&header, &mut received) };
    Ok(received)
}

/// Walks the control messages.
///
/// # Safety
/// `header` is as recvmsg(2) left it, and its control buffer is live.
#[expect(unsafe_code, reason = "cmsg(3)")]
pub(super) unsafe fn read_control(header: &libc::msghdr, received: &mut Received) {
    // SAFETY: by contract; CMSG_FIRSTHDR and CMSG_NXTHDR stay within the control buffer, and each arm reads a type that
    // the kernel writes for that level and type, which fits the message's length.
    unsafe {
        let mut entry = libc::CMSG_FIRSTHDR(header);
        while !entry.is_null() {
            let data = libc::CMSG_DATA(entry);
            let length = (*entry).cmsg_len as usize - (data as usize - entry as usize);
            match ((*entry).cmsg_level, (*entry).cmsg_type) {
                (libc::SOL_IP, libc::IP_TTL) | (libc::SOL_IPV6, libc::IPV6_HOPLIMIT) if length >= 4 => {
                    received.ttl = u8::try_from(data.cast::<i32>().read_unaligned()).ok();
                }
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING | libc::SCM_TIMESTAMPNS)
                    if length >= size_of::<libc::timespec>() =>
                {
                    let spec = data.cast::<libc::timespec>().read_unaligned();
                    let nanos = i128::from(spec.tv_sec) * 1_000_000_000 + i128::from(spec.tv_nsec);
                    received.stamp = u64::try_from(nanos).ok().filter(|&nanos| nanos != 0);
                }
                (libc::SOL_IP, libc::IP_RECVERR) | (libc::SOL_IPV6, libc::IPV6_RECVERR)
                    if length >= size_of::<libc::sock_extended_err>() =>
                {
                    let error = data.cast::<libc::sock_extended_err>().read_unaligned();
                    let offender = data.add(size_of::<libc::sock_extended_err>());
                    let room = length - size_of::<libc::sock_extended_err>();
                    received.error = Some(Extended {
                        errno: i32::try_from(error.ee_errno).unwrap_or(i32::MAX),
                        origin: error.ee_origin,
                        kind: error.ee_type,
                        code: error.ee_code,
                        info: error.ee_info,
                        data: error.ee_data,
                        offender: (room >= size_of::<libc::sockaddr_in>())
                            .then(|| address(offender.cast()))
                            .flatten()
                            .map(|address| address.ip()),
                    });
                }
                _ => {}
            }
            entry = libc::CMSG_NXTHDR(header, entry);
        }
    }
}

/// The internet address at `place`; none for other families.
///
/// # Safety
/// `place` holds a `sa_family_t`, and the whole address that it announces.
#[expect(unsafe_code, reason = "reads a sockaddr of the kernel")]
pub(super) unsafe fn address(place: *const libc::sockaddr) -> Option<SocketAddr> {
    // SAFETY: by contract.
    unsafe {
        match i32::from(place.cast::<libc::sa_family_t>().read_unaligned()) {
            libc::AF_INET => {
                let v4 = place.cast::<libc::sockaddr_in>().read_unaligned();
                let ip = Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes());
                Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
            }
            libc::AF_INET6 => {
                let v6 = place.cast::<libc::sockaddr_in6>().read_unaligned();
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                Some(SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), v6.sin6_flowinfo, v6.sin6_scope_id).into())
            }
            _ => None,
        }
    }
}

/// Sends `bytes` to `destination` (none: where the socket is connected to) without waiting, with a TTL or hop limit of
/// its own if one is given.
#[expect(unsafe_code, reason = "sendmsg(2)")]
pub fn send(
    descriptor: Descriptor,
    bytes: &[u8],
    destination: Option<&SockAddr>,
    ttl: Option<(bool, u8)>,
) -> io::Result<usize> {
    let mut control = Control([0; 512]);
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: a `msghdr` of zeros is valid.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    if let Some(destination) = destination {
        header.msg_name = destination.as_ptr().cast_mut().cast();
        header.msg_namelen = destination.len();
    }
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    if let Some((v6, ttl)) = ttl {
        header.msg_control = control.0.as_mut_ptr().cast();
        // SAFETY: the buffer is aligned and has room for one control message of an int.
        unsafe {
            header.msg_controllen = libc::CMSG_SPACE(size_of::<i32>() as u32) as _;
            let entry = libc::CMSG_FIRSTHDR(&raw const header);
            (*entry).cmsg_level = if v6 { libc::SOL_IPV6 } else { libc::SOL_IP };
            (*entry).cmsg_type = if v6 { libc::IPV6_HOPLIMIT } else { libc::IP_TTL };
            (*entry).cmsg_len = libc::CMSG_LEN(size_of::<i32>() as u32) as _;
            libc::CMSG_DATA(entry).cast::<i32>().write_unaligned(i32::from(ttl));
        }
    }
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: name, bytes and control are live, their lengths are those given, and sendmsg(2) writes to none of them.
    let sent = unsafe { libc::sendmsg(descriptor.0, &raw const header, flags) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}
