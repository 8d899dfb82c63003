//! IP headers as they arrive on raw sockets and as routers quote them: RFC 791, RFC 8200.

use std::net::IpAddr;

use pnet_packet::ipv4::Ipv4Packet;
use pnet_packet::ipv6::Ipv6Packet;

/// Protocol numbers (IANA) that probes meet.
pub mod protocol {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
}

/// What a probe needs of an IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpHeader {
    /// The source address.
    pub source: IpAddr,
    /// The destination address.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Protocol or the last next header (extension headers are skipped).
    pub protocol: u8,
    /// TOS or traffic class.
    pub tos: u8,
    /// Bytes of the header with its options or extension headers.
    pub length: usize,
    /// Bytes of the whole packet by its own account; it may have been cut since.
    pub total: usize,
}

/// Reads the header at the start of `bytes` and gives it with what follows; cut packets are welcome, cut headers are not.
pub fn parse(bytes: &[u8]) -> Option<(IpHeader, &[u8])> {
    let header = match bytes.first()? >> 4 {
        4 => v4(bytes)?,
        6 => v6(bytes)?,
        _ => return None,
    };
    Some((header, bytes.get(header.length..)?))
}

fn v4(bytes: &[u8]) -> Option<IpHeader> {
    let packet = Ipv4Packet::new(bytes)?;
    let length = usize::from(packet.get_header_length()) * 4;
    if length < 20 || length > bytes.len() {
        return None;
    }
    Some(IpHeader {
        source: packet.get_source().into(),
        destination: packet.get_destination().into(),
        ttl: packet.get_ttl(),
        protocol: packet.get_next_level_protocol().0,
        tos: packet.get_dscp() << 2 | packet.get_ecn(),
        length,
        total: usize::from(packet.get_total_length()),
    })
}

fn v6(bytes: &[u8]) -> Option<IpHeader> {
    let packet = Ipv6Packet::new(bytes)?;
    let (mut protocol, mut length) = (packet.get_next_header().0, 40);
    // RFC 8200, section 4.1: each extension header occurs at most once or twice.
    for _ in 0..8 {
        let size = match protocol {
            // Hop-by-hop options, routing, destination options: length in units of 8 bytes, not counting the first 8.
            0 | 43 | 60 => match bytes.get(length + 1) {
                Some(&units) => (usize::from(units) + 1) * 8,
                None => break,
            },
            // Fragment.
            44 => 8,
            _ => break,
        };
        if length + size > bytes.len() {
            break;
        }
        protocol = bytes[length];
        length += size;
    }
    Some(IpHeader {
        source: packet.get_source().into(),
        destination: packet.get_destination().into(),
        ttl: packet.get_hop_limit(),
        protocol,
        tos: packet.get_traffic_class(),
        length,
        total: usize::from(packet.get_payload_length()) + 40,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_v4_header_with_options() {
        let mut bytes = vec![0x46, 0xb8, 0, 32, 0, 1, 0x40, 0, 61, 1, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2, 1, 1, 1, 0];
        bytes.extend_from_slice(&[8, 0, 0, 0, 0, 1, 0, 2]);
        let (header, rest) = parse(&bytes).expect("complete");
        assert_eq!((header.ttl, header.protocol, header.tos, header.length, header.total), (61, 1, 0xb8, 24, 32));
        assert_eq!(header.source, IpAddr::from([192, 0, 2, 1]));
        assert_eq!(rest, &[8, 0, 0, 0, 0, 1, 0, 2]);
    }

    #[test]
    fn v6_extension_headers_are_skipped() {
        let mut bytes = vec![0x60, 0, 0, 0, 0, 16, 44, 9];
        bytes.extend_from_slice(&[0xfd; 16]);
        bytes.extend_from_slice(&[0xfe; 16]);
        bytes.extend_from_slice(&[58, 0, 0, 1, 0, 0, 0, 7]);
        bytes.extend_from_slice(&[128, 0, 0, 0, 0, 1, 0, 2]);
        let (header, rest) = parse(&bytes).expect("complete");
        assert_eq!((header.protocol, header.length, header.ttl), (58, 48, 9));
        assert_eq!(rest[0], 128);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            if let Some((header, rest)) = parse(&bytes) {
                prop_assert_eq!(header.length + rest.len(), bytes.len());
            }
        }
    }
}
