//! The kernel's structs as Python's addresses.
#![expect(unsafe_code, reason = "the interpreter's C API")]

use pyo3::ffi;
use pyo3::prelude::*;

use super::super::hosts;
use super::super::raw::{self, Given, Kind};
use super::{AF_QIPCRTR, CAN_ISOTP, CAN_J1939, TIPC_ADDR_ID, TIPC_ADDR_NAME, TIPC_ADDR_NAMESEQ};
use crate::sys;
use crate::sys::address::{Address, SockaddrCan, SockaddrQrtr, SockaddrTipc};

/// The kernel's address as Python's. `descriptor` names interfaces.
pub fn to_python<'py>(py: Python<'py>, descriptor: i32, address: &Address, protocol: i32) -> Given<'py> {
    if address.length == 0 {
        return Ok(raw::none(py));
    }
    let unsigned = |value: u32| raw::int(py, i64::from(value));
    match address.family() {
        libc::AF_INET => {
            let inet = address.get::<libc::sockaddr_in>();
            let port = raw::int(py, i64::from(u16::from_be(inet.sin_port)));
            raw::tuple(py, [hosts::ipv4_text(py, inet.sin_addr), port])
        }
        libc::AF_INET6 => {
            let inet = address.get::<libc::sockaddr_in6>();
            let port = raw::int(py, i64::from(u16::from_be(inet.sin6_port)));
            let flow = unsigned(u32::from_be(inet.sin6_flowinfo));
            raw::tuple(py, [hosts::ipv6_text(py, inet.sin6_addr), port, flow, unsigned(inet.sin6_scope_id)])
        }
        libc::AF_UNIX => {
            let path = &address.bytes()[size_of::<libc::sa_family_t>().min(address.bytes().len())..];
            if path.first() == Some(&0) {
                return raw::bytes(py, path);
            }
            raw::str_fs(py, path.split(|byte| *byte == 0).next().unwrap_or_default())
        }
        libc::AF_NETLINK => {
            let netlink = address.get::<libc::sockaddr_nl>();
            raw::tuple(py, [unsigned(netlink.nl_pid), unsigned(netlink.nl_groups)])
        }
        AF_QIPCRTR => {
            let qrtr = address.get::<SockaddrQrtr>();
            raw::tuple(py, [unsigned(qrtr.sq_node), unsigned(qrtr.sq_port)])
        }
        libc::AF_VSOCK => {
            let vsock = address.get::<libc::sockaddr_vm>();
            raw::tuple(py, [unsigned(vsock.svm_cid), unsigned(vsock.svm_port)])
        }
        libc::AF_PACKET => {
            let packet = address.get::<libc::sockaddr_ll>();
            let hardware = &packet.sll_addr[..usize::from(packet.sll_halen).min(packet.sll_addr.len())];
            let items = [
                raw::str_utf8(py, &interface_name(descriptor, packet.sll_ifindex)),
                raw::int(py, i64::from(u16::from_be(packet.sll_protocol))),
                raw::int(py, i64::from(packet.sll_pkttype)),
                raw::int(py, i64::from(packet.sll_hatype)),
                raw::bytes(py, hardware),
            ];
            raw::tuple(py, items)
        }
        libc::AF_TIPC => {
            let tipc = address.get::<SockaddrTipc>();
            let kind = u32::from(tipc.addrtype);
            let [a, b, c] = tipc.words;
            let words = match kind {
                TIPC_ADDR_NAMESEQ => [a, b, c],
                TIPC_ADDR_NAME => [a, b, b],
                TIPC_ADDR_ID => [a, b, 0],
                _ => return Err(raw::raise(py, Kind::Value, c"Invalid address type")),
            };
            let scope = unsigned(i32::from(tipc.scope).cast_unsigned());
            raw::tuple(py, [unsigned(kind), unsigned(words[0]), unsigned(words[1]), unsigned(words[2]), scope])
        }
        libc::AF_CAN => {
            let can = address.get::<SockaddrCan>();
            let name = raw::str_fs(py, &interface_name(descriptor, can.can_ifindex));
            let [a, b, pgn, station] = can.addr;
            match protocol {
                CAN_ISOTP => raw::tuple(py, [name, unsigned(a), unsigned(b)]),
                CAN_J1939 => {
                    let number = u64::from(a) | u64::from(b) << 32;
                    // SAFETY: gives a new reference.
                    let number = raw::owned(py, unsafe { ffi::PyLong_FromUnsignedLongLong(number) });
                    raw::tuple(py, [name, number, unsigned(pgn), unsigned(station & 0xff)])
                }
                _ => raw::tuple(py, [name]),
            }
        }
        libc::AF_ALG => {
            let alg = address.get::<libc::sockaddr_alg>();
            let text = |bytes: &[u8]| raw::str_utf8(py, bytes.split(|byte| *byte == 0).next().unwrap_or_default());
            let (features, mask) = (unsigned(alg.salg_feat & 0xffff), unsigned(alg.salg_mask & 0xffff));
            raw::tuple(py, [text(&alg.salg_type), text(&alg.salg_name), features, mask])
        }
        family => {
            let data = address.get::<libc::sockaddr>().sa_data.map(|byte| byte.cast_unsigned());
            raw::tuple(py, [raw::int(py, i64::from(family)), raw::bytes(py, &data)])
        }
    }
}

fn interface_name(descriptor: i32, index: i32) -> Vec<u8> {
    if index == 0 {
        return Vec::new();
    }
    sys::socket::interface_name(descriptor, index).unwrap_or_default()
}
