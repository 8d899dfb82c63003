//! The MTU of the link that packets to a host leave by, asked of the kernel: rtnetlink(7).

use std::io;
use std::net::IpAddr;

use socket2::{Domain, Protocol, Socket, Type};

use super::Options;
use crate::sys::netlink;

/// Bytes of `struct nlmsghdr`.
const HEAD: usize = 16;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// Message types and attributes of <linux/rtnetlink.h> and <linux/if_link.h>.
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_OIF: u16 = 4;
const IFLA_MTU: u16 = 4;

/// The MTU of the interface by which packets to `target` leave; none where that cannot be found out.
pub fn mtu(target: IpAddr, options: &Options) -> Option<u32> {
    let socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(Protocol::from(0))).ok()?;
    socket.set_nonblocking(true).ok()?;
    let index = match &options.interface {
        Some(name) => netlink::interface_index(name)?,
        None => ask(&socket, &route(target, options.source), RTM_NEWROUTE, 12, RTA_OIF).ok()??,
    };
    ask(&socket, &link(index), RTM_NEWLINK, 16, IFLA_MTU).ok()?
}

/// Asks; the kernel has answered when send(2) is back.
fn ask(socket: &Socket, request: &[u8], kind: u16, fixed: usize, attribute: u16) -> io::Result<Option<u32>> {
    socket.send(request)?;
    let mut answer = [0; 16_384];
    let got = io::Read::read(&mut &*socket, &mut answer)?;
    Ok(number(&answer[..got], kind, fixed, attribute))
}

/// `RTM_GETROUTE` for a destination, from a source.
fn route(target: IpAddr, source: Option<IpAddr>) -> Vec<u8> {
    let octets = |address: IpAddr| match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let family = if target.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 } as u8;
    let bits = |address: &[u8]| (address.len() * 8) as u8;
    let (target, source) = (octets(target), source.map(octets).unwrap_or_default());
    let mut body = vec![family, bits(&target), bits(&source), 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for (kind, address) in [(RTA_DST, target), (RTA_SRC, source)] {
        if !address.is_empty() {
            body.extend((4 + address.len() as u16).to_ne_bytes());
            body.extend(kind.to_ne_bytes());
            body.extend(address);
        }
    }
    message(RTM_GETROUTE, &body)
}

/// `RTM_GETLINK` for an interface.
fn link(index: u32) -> Vec<u8> {
    let mut body = vec![0; 16];
    body[4..8].copy_from_slice(&index.to_ne_bytes());
    message(RTM_GETLINK, &body)
}

fn message(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = ((HEAD + body.len()) as u32).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(REQUEST.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend_from_slice(body);
    bytes
}

/// The 32-bit number of an attribute of the answer, whose fixed part has so many bytes.
fn number(answer: &[u8], kind: u16, fixed: usize, wanted: u16) -> Option<u32> {
    let length = u32::from_ne_bytes(answer.get(..4)?.try_into().ok()?) as usize;
    let said = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    let mut rest = answer.get(HEAD + fixed..length).filter(|_| said == kind)?;
    while let Some((&[a, b, c, d], _)) = rest.split_first_chunk::<4>() {
        let (length, attribute) = (usize::from(u16::from_ne_bytes([a, b])), u16::from_ne_bytes([c, d]));
        let body = rest.get(4..length)?;
        if attribute == wanted {
            return body.try_into().ok().map(u32::from_ne_bytes);
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_loopback_is_wide() {
        for target in ["127.0.0.1", "::1"] {
            let target = target.parse().expect("an address");
            assert_eq!(mtu(target, &Options::default()), Some(65_536));
            let lo = Options { interface: Some("lo".to_owned()), ..Options::default() };
            assert_eq!(mtu(target, &lo), Some(65_536));
            let none = Options { interface: Some("nosuchif0".to_owned()), ..Options::default() };
            assert_eq!(mtu(target, &none), None);
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..100), length in 0_u32..110) {
            let mut bytes = bytes;
            if bytes.len() > 6 {
                bytes[..4].copy_from_slice(&length.to_ne_bytes());
                bytes[4..6].copy_from_slice(&RTM_NEWLINK.to_ne_bytes());
            }
            number(&bytes, RTM_NEWLINK, 16, IFLA_MTU);
        }
    }
}
