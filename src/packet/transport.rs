//! UDP and TCP headers (RFC 768, RFC 9293) as traceroute sends and sees them: built with their checksums, and read.

use std::net::{IpAddr, SocketAddr};

use pnet_packet::tcp::{self, MutableTcpPacket, TcpFlags, TcpPacket};
use pnet_packet::udp::{self, MutableUdpPacket};

use super::icmp::Quoted;
use super::ip::protocol;

/// Bytes of a UDP header.
const UDP: usize = 8;
/// Bytes of a TCP header without options.
const TCP: usize = 20;

/// A datagram from `own` to `target`, and its checksum; none if the addresses are of two families, or if it is too long.
pub fn datagram(own: SocketAddr, target: SocketAddr, payload: impl Iterator<Item = u8>) -> Option<(Vec<u8>, u16)> {
    let mut bytes = vec![0; UDP];
    bytes.extend(payload);
    let length = u16::try_from(bytes.len()).ok()?;
    let mut packet = MutableUdpPacket::new(&mut bytes)?;
    packet.set_source(own.port());
    packet.set_destination(target.port());
    packet.set_length(length);
    let sum = match (own.ip(), target.ip()) {
        (IpAddr::V4(own), IpAddr::V4(target)) => udp::ipv4_checksum(&packet.to_immutable(), &own, &target),
        (IpAddr::V6(own), IpAddr::V6(target)) => udp::ipv6_checksum(&packet.to_immutable(), &own, &target),
        _ => return None,
    };
    // RFC 768: zero would say that there is none.
    let sum = if sum == 0 { 0xffff } else { sum };
    packet.set_checksum(sum);
    Some((bytes, sum))
}

/// A SYN from `own` to `target`; none if the addresses are of two families.
pub fn syn(own: SocketAddr, target: SocketAddr, sequence: u32) -> Option<Vec<u8>> {
    let mut bytes = vec![0; TCP];
    let mut packet = MutableTcpPacket::new(&mut bytes)?;
    packet.set_source(own.port());
    packet.set_destination(target.port());
    packet.set_sequence(sequence);
    packet.set_data_offset((TCP / 4) as u8);
    packet.set_flags(TcpFlags::SYN);
    packet.set_window(5840);
    let sum = match (own.ip(), target.ip()) {
        (IpAddr::V4(own), IpAddr::V4(target)) => tcp::ipv4_checksum(&packet.to_immutable(), &own, &target),
        (IpAddr::V6(own), IpAddr::V6(target)) => tcp::ipv6_checksum(&packet.to_immutable(), &own, &target),
        _ => return None,
    };
    packet.set_checksum(sum);
    Some(bytes)
}

/// An answer to a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Who answers.
    pub source: u16,
    /// Whom it answers.
    pub destination: u16,
    /// The sequence number of the SYN that it acknowledges.
    pub sequence: u32,
    /// A handshake; else a reset.
    pub accepted: bool,
}

/// Reads a segment as the answer to a SYN: SYN and ACK, or RST and ACK.
pub fn answer(bytes: &[u8]) -> Option<Answer> {
    let packet = TcpPacket::new(bytes)?;
    let flags = packet.get_flags();
    let has = |wanted: u8| flags & wanted == wanted;
    let accepted = has(TcpFlags::SYN | TcpFlags::ACK);
    (accepted || has(TcpFlags::RST | TcpFlags::ACK)).then(|| Answer {
        source: packet.get_source(),
        destination: packet.get_destination(),
        sequence: packet.get_acknowledgement().wrapping_sub(1),
        accepted,
    })
}

/// What of a quoted probe survives in the 8 bytes that every router quotes: its ports, and UDP's checksum or TCP's
/// sequence number.
pub fn mark(quoted: &Quoted<'_>) -> Option<(u16, u16, u32)> {
    let (own, theirs) = quoted.ports()?;
    match (quoted.header.protocol, quoted.transport) {
        (protocol::UDP, &[_, _, _, _, _, _, a, b, ..]) => Some((own, theirs, u16::from_be_bytes([a, b]).into())),
        (protocol::TCP, &[_, _, _, _, a, b, c, d, ..]) => Some((own, theirs, u32::from_be_bytes([a, b, c, d]))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::packet::checksum::checksum_of;
    use crate::packet::ip::IpHeader;

    fn ends(v6: bool) -> (SocketAddr, SocketAddr) {
        match v6 {
            true => (([0xfd77, 0, 0, 0, 0, 0, 0, 1], 40_000).into(), ([0xfd77, 4, 0, 0, 0, 0, 0, 2], 33_434).into()),
            false => (([10, 77, 1, 1], 40_000).into(), ([10, 77, 4, 2], 33_434).into()),
        }
    }

    /// The sum over RFC 768's, RFC 9293's and RFC 8200's pseudo header and the packet: 0 if the checksum is right.
    fn sum(own: SocketAddr, target: SocketAddr, number: u8, bytes: &[u8]) -> u16 {
        let octets = |address: IpAddr| match address {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        let tail = [&(bytes.len() as u32).to_be_bytes()[..], &[0, 0, 0, number]].concat();
        checksum_of(&[&octets(own.ip()), &octets(target.ip()), &tail, bytes])
    }

    fn quoted(number: u8, transport: &[u8]) -> Quoted<'_> {
        let (own, target) = ends(false);
        let header = IpHeader {
            source: own.ip(),
            destination: target.ip(),
            ttl: 1,
            protocol: number,
            tos: 0,
            length: 20,
            total: 60,
        };
        Quoted { header, transport }
    }

    proptest! {
        #[test]
        fn a_datagram_is_known_by_its_checksum(payload in prop::collection::vec(any::<u8>(), 0..100), v6: bool) {
            let (own, target) = ends(v6);
            let (bytes, number) = datagram(own, target, payload.iter().copied()).expect("one family");
            prop_assert_eq!(sum(own, target, protocol::UDP, &bytes), 0);
            prop_assert_eq!(&bytes[8..], &payload[..]);
            prop_assert_eq!(mark(&quoted(protocol::UDP, &bytes[..8])), Some((40_000, 33_434, number.into())));
            prop_assert_eq!(mark(&quoted(protocol::UDP, &bytes[..7])), None);
        }

        #[test]
        fn a_syn_is_known_by_its_sequence_number(sequence: u32, v6: bool) {
            let (own, target) = ends(v6);
            let bytes = syn(own, target, sequence).expect("one family");
            prop_assert_eq!(sum(own, target, protocol::TCP, &bytes), 0);
            prop_assert_eq!(mark(&quoted(protocol::TCP, &bytes[..8])), Some((40_000, 33_434, sequence)));
            prop_assert_eq!(answer(&bytes), None);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), number: u8) {
            answer(&bytes);
            mark(&quoted(number, &bytes));
        }
    }

    #[test]
    fn answers() {
        let (own, target) = ends(false);
        let mut bytes = syn(target, own, 7).expect("one family");
        bytes[8..12].copy_from_slice(&100_u32.to_be_bytes());
        for (flags, accepted) in [(0x12, Some(true)), (0x14, Some(false)), (0x04, None), (0x10, None)] {
            bytes[13] = flags;
            let wanted =
                accepted.map(|accepted| Answer { source: 33_434, destination: 40_000, sequence: 99, accepted });
            assert_eq!(answer(&bytes), wanted, "{flags:#x}");
        }
        assert_eq!(datagram(own, ends(true).1, std::iter::empty()), None);
        assert_eq!(syn(own, ends(true).1, 0), None);
    }
}
