//! Socket options that neither the standard library nor socket2 has: setsockopt(2), ip(7), ipv6(7), socket(7).

use std::io;

use crate::engine::Descriptor;

/// What to do about the path's MTU: `IP_MTU_DISCOVER` of ip(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discovery {
    /// Never set "don't fragment".
    Dont,
    /// Set it; refuse what does not fit the MTU that the kernel knows of.
    Do,
    /// Set it; do not care what the kernel knows.
    Probe,
}

/// `IP_RECVERR_RFC4884` of <linux/in.h>.
const IP_RECVERR_RFC4884: i32 = 26;
/// `IPV6_RECVERR_RFC4884` of <linux/in6.h>.
const IPV6_RECVERR_RFC4884: i32 = 31;

#[expect(unsafe_code, reason = "setsockopt(2)")]
fn set(descriptor: Descriptor, level: i32, name: i32, value: i32) -> io::Result<()> {
    let length = size_of::<i32>() as libc::socklen_t;
    // SAFETY: the value is live and of the length that is given.
    match unsafe { libc::setsockopt(descriptor.0, level, name, (&raw const value).cast(), length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[expect(unsafe_code, reason = "getsockopt(2)")]
fn get(descriptor: Descriptor, level: i32, name: i32, values: &mut [u32]) -> io::Result<usize> {
    let mut length = size_of_val(values) as libc::socklen_t;
    // SAFETY: the values are live, and the length is theirs.
    match unsafe { libc::getsockopt(descriptor.0, level, name, values.as_mut_ptr().cast(), &raw mut length) } {
        0 => Ok(length as usize / size_of::<u32>()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// `IP_RECVERR`, and RFC 4884's extensions with it where the kernel knows how (Linux 5.9): ICMP errors are queued.
pub fn queue_errors(descriptor: Descriptor, v6: bool) -> io::Result<()> {
    let (level, name, extended) = if v6 {
        (libc::SOL_IPV6, libc::IPV6_RECVERR, IPV6_RECVERR_RFC4884)
    } else {
        (libc::SOL_IP, libc::IP_RECVERR, IP_RECVERR_RFC4884)
    };
    set(descriptor, level, name, 1)?;
    match set(descriptor, level, extended, 1) {
        Err(error) if error.raw_os_error() != Some(libc::ENOPROTOOPT) => Err(error),
        _ => Ok(()),
    }
}

/// `IP_RECVTTL`, `IPV6_RECVHOPLIMIT`.
pub fn receive_ttl(descriptor: Descriptor, v6: bool) -> io::Result<()> {
    match v6 {
        true => set(descriptor, libc::SOL_IPV6, libc::IPV6_RECVHOPLIMIT, 1),
        false => set(descriptor, libc::SOL_IP, libc::IP_RECVTTL, 1),
    }
}

/// `IP_MTU_DISCOVER`, `IPV6_MTU_DISCOVER`.
pub fn discover_mtu(descriptor: Descriptor, v6: bool, how: Discovery) -> io::Result<()> {
    let (level, name) =
        if v6 { (libc::SOL_IPV6, libc::IPV6_MTU_DISCOVER) } else { (libc::SOL_IP, libc::IP_MTU_DISCOVER) };
    let value = match how {
        Discovery::Dont => libc::IP_PMTUDISC_DONT,
        Discovery::Do => libc::IP_PMTUDISC_DO,
        Discovery::Probe => libc::IP_PMTUDISC_PROBE,
    };
    set(descriptor, level, name, value)
}

/// `IP_MTU`, `IPV6_MTU`: what the kernel knows of the path of a connected socket.
pub fn known_mtu(descriptor: Descriptor, v6: bool) -> io::Result<u32> {
    let (level, name) = if v6 { (libc::SOL_IPV6, libc::IPV6_MTU) } else { (libc::SOL_IP, libc::IP_MTU) };
    let mut value = [0];
    get(descriptor, level, name, &mut value)?;
    Ok(value[0])
}

/// `SO_TIMESTAMPING`: stamps of arrivals with the datagrams, stamps of departures numbered from 0 on the error queue,
/// as they are handed to the device (so that no time on the wire is missed).
pub fn stamp(descriptor: Descriptor) -> io::Result<()> {
    let flags = libc::SOF_TIMESTAMPING_SOFTWARE
        | libc::SOF_TIMESTAMPING_RX_SOFTWARE
        | libc::SOF_TIMESTAMPING_TX_SCHED
        | libc::SOF_TIMESTAMPING_OPT_ID
        | libc::SOF_TIMESTAMPING_OPT_TSONLY
        | libc::SOF_TIMESTAMPING_OPT_CMSG;
    set(descriptor, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, flags as i32)
}

/// Takes [`stamp`] back; set again, it numbers from 0 again.
pub fn stop_stamps(descriptor: Descriptor) -> io::Result<()> {
    set(descriptor, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, 0)
}

/// `SO_TIMESTAMPNS`: stamps of arrivals alone.
pub fn stamp_arrivals(descriptor: Descriptor) -> io::Result<()> {
    set(descriptor, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)
}

/// What `SO_MEMINFO` tells of receiving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiveMemory {
    /// Bytes that wait to be received, with what the kernel keeps beside them.
    pub queued: u32,
    /// How many there may be (`SO_RCVBUF`, doubled).
    pub limit: u32,
    /// Datagrams dropped: for lack of room, and those whose checksum is wrong.
    pub drops: u32,
}

/// `SO_MEMINFO`.
pub fn receive_memory(descriptor: Descriptor) -> io::Result<ReceiveMemory> {
    // SK_MEMINFO_DROPS of <linux/sock_diag.h> is the ninth; RMEM_ALLOC and RCVBUF are the first two.
    let mut values = [0; 9];
    get(descriptor, libc::SOL_SOCKET, libc::SO_MEMINFO, &mut values)?;
    let [queued, limit, _, _, _, _, _, _, drops] = values;
    Ok(ReceiveMemory { queued, limit, drops })
}
