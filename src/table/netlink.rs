//! The messages of sock_diag(7) for TCP and UDP: a request as bytes, the kernel's answers as events.
//!
//! netlink(7) is in the byte order of the machine, ports and addresses inside are in network order. Every length in an
//! answer is checked before it is used.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::time::Duration;

use crate::error::{Cause, Error, Result};
use crate::tcp::State;

use super::row::{Protocol, Row, Timer, TimerKind};
use super::states::StateSet;

/// `SOCK_DIAG_BY_FAMILY` of linux/sock_diag.h.
const BY_FAMILY: u16 = 20;
/// `struct nlmsghdr`.
const HEADER: usize = 16;
/// `struct inet_diag_sockid`.
const SOCKID: usize = 48;
/// `struct inet_diag_req_v2`.
const REQUEST: usize = 8 + SOCKID;
/// `struct inet_diag_msg`.
const MESSAGE: usize = 4 + SOCKID + 20;
/// `struct nlattr`.
const ATTRIBUTE: usize = 4;
/// `INET_DIAG_SKV6ONLY` of linux/inet_diag.h.
const SKV6ONLY: u16 = 11;
/// The flag bits of an attribute's type.
const TYPE_MASK: u16 = 0x3fff;

/// The version of IP that one request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6, with the IPv4 that IPv6 sockets carry.
    V6,
}

impl Family {
    const fn number(self) -> u8 {
        match self {
            Self::V4 => 2,
            Self::V6 => 10,
        }
    }
}

/// One question to the kernel: the sockets of a protocol and family in some states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// Which protocol.
    pub protocol: Protocol,
    /// Which family.
    pub family: Family,
    /// Which states.
    pub states: StateSet,
}

impl Query {
    /// The request, whose answers will carry `sequence`.
    pub fn request(&self, sequence: u32) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + REQUEST);
        let flags = u16::try_from(libc::NLM_F_REQUEST | libc::NLM_F_DUMP).unwrap_or_default();
        bytes.extend_from_slice(&72_u32.to_ne_bytes());
        bytes.extend_from_slice(&BY_FAMILY.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&sequence.to_ne_bytes());
        bytes.extend_from_slice(&0_u32.to_ne_bytes());
        bytes.extend_from_slice(&[self.family.number(), self.protocol.number(), 0, 0]);
        bytes.extend_from_slice(&self.states.linux().to_ne_bytes());
        bytes.resize(HEADER + REQUEST, 0);
        bytes
    }

    /// Reads one datagram of the kernel's answer: adds its sockets to `rows`; `true` once the answer is complete.
    ///
    /// Messages with another sequence number are of an earlier question and are passed over.
    pub fn read(&self, sequence: u32, datagram: &[u8], rows: &mut Vec<Row>) -> Result<bool> {
        let mut rest = datagram;
        while !rest.is_empty() {
            let length = usize::try_from(u32_at(rest, 0)?).unwrap_or(usize::MAX);
            if length < HEADER || length > rest.len() {
                return Err(malformed(format!("a message of {length} bytes in {} bytes", rest.len())));
            }
            let (message, payload) = (&rest[..length], &rest[HEADER..length]);
            rest = &rest[length.next_multiple_of(4).min(rest.len())..];
            if u32_at(message, 8)? != sequence {
                continue;
            }
            match i32::from(u16_at(message, 4)?) {
                libc::NLMSG_DONE => {
                    let status = if payload.is_empty() { 0 } else { i32_at(payload, 0)? };
                    return match status {
                        0.. => Ok(true),
                        errno => Err(self.refused(-errno)),
                    };
                }
                libc::NLMSG_ERROR => return Err(self.refused(i32_at(payload, 0)?.saturating_neg())),
                number if number == i32::from(BY_FAMILY) => rows.push(self.row(payload)?),
                _ => {}
            }
        }
        Ok(false)
    }

    fn refused(&self, errno: i32) -> Error {
        Error::new("sock_diag", Cause::Os(errno)).at(self.protocol)
    }

    fn row(&self, message: &[u8]) -> Result<Row> {
        if message.len() < MESSAGE {
            return Err(malformed(format!("a socket in {} bytes; {MESSAGE} are needed", message.len())));
        }
        let [family, state, timer, retransmits] = [message[0], message[1], message[2], message[3]];
        let state = State::from_linux(state).ok_or_else(|| malformed(format!("state {state} is unknown")))?;
        let id = &message[4..4 + SOCKID];
        let tail = &message[4 + SOCKID..MESSAGE];
        let interface = u32_at(id, 36)?;
        let mut row = Row {
            protocol: self.protocol,
            state,
            recv_q: u32_at(tail, 4)?,
            send_q: u32_at(tail, 8)?,
            local: address(family, &id[4..20], [id[0], id[1]], interface)?,
            peer: address(family, &id[20..36], [id[2], id[3]], interface)?,
            timer: TimerKind::from_linux(timer)
                .map(|kind| Ok::<_, Error>(Timer { kind, expires: milliseconds(u32_at(tail, 0)?), retransmits }))
                .transpose()?,
            uid: u32_at(tail, 12)?,
            inode: u32_at(tail, 16)?,
            cookie: u64::from(u32_at(id, 40)?) | u64::from(u32_at(id, 44)?) << 32,
            interface,
            interface_name: None,
            v6_only: None,
        };
        attributes(&message[MESSAGE..], |kind, value| {
            if kind == SKV6ONLY {
                row.v6_only = value.first().map(|flag| *flag != 0);
            }
        })?;
        Ok(row)
    }
}

/// The kernel gives remaining time as a signed number of milliseconds in an unsigned field: a timer that is due may be below 0.
fn milliseconds(value: u32) -> Duration {
    Duration::from_millis(u64::try_from(value.cast_signed()).unwrap_or(0))
}

fn address(family: u8, host: &[u8], port: [u8; 2], interface: u32) -> Result<SocketAddr> {
    let port = u16::from_be_bytes(port);
    let host = <[u8; 16]>::try_from(host).map_err(|_| malformed("an address that is not 16 bytes"))?;
    match family {
        2 => Ok(SocketAddrV4::new(Ipv4Addr::new(host[0], host[1], host[2], host[3]), port).into()),
        10 => {
            let host = Ipv6Addr::from(host);
            let scope = if host.is_unicast_link_local() { interface } else { 0 };
            Ok(SocketAddrV6::new(host, port, 0, scope).into())
        }
        other => Err(malformed(format!("address family {other} is unknown"))),
    }
}

/// Calls `each` for every attribute (netlink(7), `struct nlattr`).
fn attributes(mut rest: &[u8], mut each: impl FnMut(u16, &[u8])) -> Result<()> {
    while rest.len() >= ATTRIBUTE {
        let length = usize::from(u16_at(rest, 0)?);
        if length < ATTRIBUTE || length > rest.len() {
            return Err(malformed(format!("an attribute of {length} bytes in {} bytes", rest.len())));
        }
        each(u16_at(rest, 2)? & TYPE_MASK, &rest[ATTRIBUTE..length]);
        rest = &rest[length.next_multiple_of(4).min(rest.len())..];
    }
    Ok(())
}

fn bytes_at<const N: usize>(bytes: &[u8], offset: usize) -> Result<[u8; N]> {
    bytes
        .get(offset..)
        .and_then(|rest| rest.first_chunk::<N>())
        .copied()
        .ok_or_else(|| malformed(format!("it ends after {} bytes", bytes.len())))
}

fn u16_at(bytes: &[u8], offset: usize) -> Result<u16> {
    bytes_at(bytes, offset).map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], offset: usize) -> Result<u32> {
    bytes_at(bytes, offset).map(u32::from_ne_bytes)
}

fn i32_at(bytes: &[u8], offset: usize) -> Result<i32> {
    bytes_at(bytes, offset).map(i32::from_ne_bytes)
}

fn malformed(reason: impl Into<String>) -> Error {
    Error::malformed("sock_diag answer", reason)
}
