//! What all probing sockets have in common: their options, and what is said when the right to open one is missing.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::link;
use crate::engine::Descriptor;
use crate::error::{Cause, Error, Result};
use crate::sys::option::{self, Discovery};

/// How to send.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Raw sockets (true), unprivileged ones (false), or what works.
    pub privileged: Option<bool>,
    /// TTL or hop limit.
    pub ttl: Option<u8>,
    /// TOS or traffic class.
    pub tos: Option<u8>,
    /// What routers may do to large probes.
    pub discovery: Option<Discovery>,
    /// Our own address.
    pub source: Option<IpAddr>,
    /// The network interface to send through.
    pub interface: Option<String>,
    /// The firewall mark (`SO_MARK`).
    pub mark: Option<u32>,
    /// Kernel stamps of departures and arrivals.
    pub stamps: bool,
    /// Bytes of receive buffer (`SO_RCVBUF`; the kernel doubles it).
    pub receive_buffer: Option<usize>,
}

/// What would allow ICMP sockets.
const REMEDY: &str = "allow ICMP datagram sockets (sudo sysctl -w net.ipv4.ping_group_range=\"0 2147483647\") or give \
                      the interpreter the capability for raw ones (sudo setcap cap_net_raw+ep \"$(readlink -f \
                      \"$(command -v python3)\")\")";

/// The descriptor, as the engine names it.
pub fn descriptor(socket: &Socket) -> Descriptor {
    Descriptor(socket.as_raw_fd())
}

/// An error of opening or preparing a socket for `target`.
pub fn refused(operation: &'static str, error: &io::Error, target: SocketAddr) -> Error {
    match error.raw_os_error() {
        Some(errno @ (libc::EPERM | libc::EACCES)) if operation == "socket" => {
            Error::new(SOCKET, Cause::NotPermitted { errno, remedy: REMEDY.to_owned() })
        }
        Some(errno @ libc::EPERM) if operation == "mark" => {
            let remedy =
                "a firewall mark needs the capability CAP_NET_ADMIN; run as root or leave the mark out".to_owned();
            Error::new("setsockopt SO_MARK", Cause::NotPermitted { errno, remedy })
        }
        _ => Error::os(operation, error),
    }
    .at(target.ip())
}

/// A socket for `target`, not blocking.
pub fn open(target: SocketAddr, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(target), kind, protocol)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Sets what `options` ask for and binds to the source address (port 0: any), if there is one.
pub fn prepare(socket: &Socket, target: SocketAddr, options: &Options, port: u16) -> Result<()> {
    let v6 = target.is_ipv6();
    let at = |operation: &'static str| move |error: io::Error| refused(operation, &error, target);
    if let Some(interface) = &options.interface {
        socket.bind_device(Some(interface.as_bytes())).map_err(|error| match error.raw_os_error() {
            Some(libc::ENODEV) => Error::os("bind to interface", &error).at(interface),
            _ => refused("bind to interface", &error, target),
        })?;
    }
    if let Some(mark) = options.mark {
        socket.set_mark(mark).map_err(at("mark"))?;
    }
    if let Some(size) = options.receive_buffer {
        socket.set_recv_buffer_size(size).map_err(at("receive buffer"))?;
    }
    if let Some(ttl) = options.ttl {
        set_ttl(socket, v6, ttl).map_err(at("ttl"))?;
    }
    if let Some(tos) = options.tos {
        match v6 {
            true => socket.set_tclass_v6(u32::from(tos)).map_err(at("traffic class"))?,
            false => socket.set_tos_v4(u32::from(tos)).map_err(at("tos"))?,
        }
    }
    if let Some(discovery) = options.discovery {
        option::discover_mtu(descriptor(socket), v6, discovery).map_err(at("MTU discovery"))?;
    }
    let own = match options.source {
        Some(source) if source.is_ipv6() != v6 => {
            let (ours, theirs) = if v6 { ("IPv4", "IPv6") } else { ("IPv6", "IPv4") };
            return Err(Error::invalid(
                "source",
                format!("{source} is {ours} but the target {} is {theirs}", target.ip()),
            ));
        }
        Some(source) => Some(SocketAddr::new(source, port)),
        None if port != 0 && v6 => Some(SocketAddr::new(IpAddr::from([0_u16; 8]), port)),
        None if port != 0 => Some(SocketAddr::new(IpAddr::from([0_u8; 4]), port)),
        None => None,
    };
    if let Some(own) = own {
        socket.bind(&SockAddr::from(own)).map_err(|error| Error::os("bind", &error).at(own.ip()))?;
    }
    Ok(())
}

/// Sets the TTL or hop limit, of multicast too where the socket can.
pub fn set_ttl(socket: &Socket, v6: bool, ttl: u8) -> io::Result<()> {
    let ttl = u32::from(ttl);
    let multicast = match v6 {
        true => {
            socket.set_unicast_hops_v6(ttl)?;
            socket.set_multicast_hops_v6(ttl)
        }
        false => {
            socket.set_ttl_v4(ttl)?;
            socket.set_multicast_ttl_v4(ttl)
        }
    };
    match multicast {
        // A stream socket has none.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOPROTOOPT)) => Ok(()),
        result => result,
    }
}

/// The size to begin a search for the path's MTU with: that of the interface the packets leave by. What the kernel has
/// learned of smaller links may be past, and is taken only where the interface is not known.
pub fn first_mtu(target: SocketAddr, options: &Options) -> usize {
    let link = link::mtu(target.ip(), options);
    link.or_else(|| known_mtu(target)).map_or(1500, |mtu| mtu as usize).clamp(68, 65_535)
}

/// The MTU that the kernel knows for the path to `target`.
pub fn known_mtu(target: SocketAddr) -> Option<u32> {
    let socket = open(target, Type::DGRAM, None).ok()?;
    let mut target = target;
    target.set_port(9);
    socket.connect(&SockAddr::from(target)).ok()?;
    option::known_mtu(descriptor(&socket), target.is_ipv6()).ok()
}

/// A raw ICMP socket of the family of `target`.
pub fn raw_socket(target: SocketAddr) -> Result<Socket> {
    open(target, Type::RAW, Some(icmp(target))).map_err(|error| refused("socket", &error, target))
}

/// An unprivileged ICMP socket of the family of `target`.
pub fn datagram_socket(target: SocketAddr) -> Result<Socket> {
    open(target, Type::DGRAM, Some(icmp(target))).map_err(|error| refused("socket", &error, target))
}

fn icmp(target: SocketAddr) -> Protocol {
    if target.is_ipv6() { Protocol::ICMPV6 } else { Protocol::ICMPV4 }
}

/// What is said to be done where the right to open an ICMP or raw socket is missing.
const SOCKET: &str = "ICMP socket";

/// Whether an error says that the right to open such a socket is missing; a mark, say, needs another.
fn is_missing_right(error: &Error) -> bool {
    error.operation == SOCKET && matches!(error.cause, Cause::NotPermitted { .. })
}

/// What `privileged` asks for: raw (true), not raw (false), or raw where that is allowed.
pub fn choose<T>(
    privileged: Option<bool>,
    raw: impl FnOnce() -> Result<T>,
    other: impl FnOnce() -> Result<T>,
) -> Result<T> {
    match privileged {
        Some(true) => raw(),
        Some(false) => other(),
        None => raw().or_else(|error| if is_missing_right(&error) { other() } else { Err(error) }),
    }
}

/// Binds a datagram socket, so that the kernel gives it its identifier, and gives that.
pub fn claim(socket: &Socket, target: SocketAddr, options: &Options) -> Result<u16> {
    let fail = |error: io::Error| Error::os("bind", &error).at(target.ip());
    if options.source.is_none() {
        let any: SocketAddr = if target.is_ipv6() { ([0_u16; 8], 0).into() } else { ([0_u8; 4], 0).into() };
        socket.bind(&SockAddr::from(any)).map_err(fail)?;
    }
    let own = socket.local_addr().map_err(fail)?;
    Ok(own.as_socket().map(|own| own.port()).unwrap_or_default())
}
