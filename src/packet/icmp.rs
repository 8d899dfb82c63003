//! ICMP (RFC 792) and ICMPv6 (RFC 4443): echoes are built and read, errors are read with the packet they quote.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use pnet_packet::Packet;
use pnet_packet::icmp::{IcmpPacket, IcmpType, IcmpTypes, echo_request};
use pnet_packet::icmpv6::{Icmpv6Type, Icmpv6Types, echo_request as echo_request_v6};

use super::checksum::checksum;
use super::extension::{self, Label};
use super::ip::{self, IpHeader, protocol};
use super::names;

/// Which ICMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// ICMP, over IPv4.
    V4,
    /// ICMPv6, over IPv6.
    V6,
}

impl Version {
    /// The ICMP that goes with an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// An echo request or reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo<'a> {
    /// Who asks: RFC 792's identifier.
    pub identifier: u16,
    /// Which question.
    pub sequence: u16,
    /// The data that the reply has to repeat.
    pub payload: &'a [u8],
}

/// What an ICMP error says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// Which ICMP the numbers are of.
    pub version: Version,
    /// The type.
    pub kind: u8,
    /// The code.
    pub code: u8,
    /// The next hop's MTU (fragmentation needed, packet too big), where the router said one.
    pub mtu: Option<u32>,
    /// Redirect: the better gateway.
    pub gateway: Option<IpAddr>,
    /// Parameter problem: the offset of the offending byte.
    pub pointer: Option<u32>,
    /// The MPLS label stack that the probe carried (RFC 4950).
    pub labels: Vec<Label>,
}

impl IcmpError {
    /// The name that the RFCs give the type and code.
    pub fn name(&self) -> Cow<'static, str> {
        names::name(self.version, self.kind, self.code)
    }

    /// The TTL ran out on the way: what traceroute lives on.
    pub fn is_time_exceeded(&self) -> bool {
        (self.kind, self.code) == (time_exceeded(self.version), 0)
    }

    /// The packet was too big for a link and must not be, or cannot be, fragmented.
    pub fn is_too_big(&self) -> bool {
        match self.version {
            Version::V4 => (self.kind, self.code) == (3, 4),
            Version::V6 => self.kind == 2,
        }
    }

    /// Nobody listens on that port: the host itself is there.
    pub fn is_port_unreachable(&self) -> bool {
        (self.kind, self.code) == if self.version == Version::V4 { (3, 3) } else { (1, 4) }
    }

    /// Whether the probe got through nevertheless: a redirect is advice, a source quench a plea.
    pub fn is_advice(&self) -> bool {
        self.version == Version::V4 && matches!(self.kind, 4 | 5)
    }

    /// The error from its type, code and the 32 bits that follow the checksum.
    pub fn new(version: Version, kind: u8, code: u8, rest: u32) -> Self {
        let mut error = Self { version, kind, code, mtu: None, gateway: None, pointer: None, labels: Vec::new() };
        match (version, kind) {
            // RFC 1191, section 4: routers of before say 0.
            (Version::V4, 3) if code == 4 => error.mtu = Some(rest & 0xffff).filter(|&mtu| mtu != 0),
            (Version::V4, 5) => error.gateway = Some(Ipv4Addr::from(rest).into()),
            (Version::V4, 12) => error.pointer = Some(rest >> 24),
            (Version::V6, 2) => error.mtu = Some(rest),
            (Version::V6, 4) => error.pointer = Some(rest),
            _ => {}
        }
        error
    }
}

/// The packet that an error quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted<'a> {
    /// Its IP header, as it was at the router.
    pub header: IpHeader,
    /// What followed: at least 8 bytes by RFC 792, and perhaps no more.
    pub transport: &'a [u8],
}

impl Quoted<'_> {
    /// Identifier and sequence, if it is an echo request.
    pub fn echo(&self) -> Option<(u16, u16)> {
        let wanted = match self.header.protocol {
            protocol::ICMP => IcmpTypes::EchoRequest.0,
            protocol::ICMPV6 => Icmpv6Types::EchoRequest.0,
            _ => return None,
        };
        match *self.transport {
            [kind, _, _, _, a, b, c, d, ..] if kind == wanted => {
                Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
            }
            _ => None,
        }
    }

    /// Source and destination port, if it is UDP or TCP.
    pub fn ports(&self) -> Option<(u16, u16)> {
        match (self.header.protocol, self.transport) {
            (protocol::TCP | protocol::UDP, &[a, b, c, d, ..]) => {
                Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
            }
            _ => None,
        }
    }
}

/// An ICMP message that has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Somebody asks us.
    EchoRequest(Echo<'a>),
    /// Somebody answers.
    EchoReply(Echo<'a>),
    /// A router or host reports an error about a packet of ours, which it quotes if we can read the quotation.
    Error(IcmpError, Option<Quoted<'a>>),
    /// Anything else: type and code.
    Other(u8, u8),
}

/// Reads an ICMP message (no IP header before it). `None`: shorter than 8 bytes.
pub fn parse(version: Version, bytes: &[u8]) -> Option<Message<'_>> {
    let packet = IcmpPacket::new(bytes)?;
    let (kind, code) = (packet.get_icmp_type().0, packet.get_icmp_code().0);
    let &[_, _, _, _, a, b, c, d, ref body @ ..] = bytes else { return None };
    let echo = || Echo { identifier: u16::from_be_bytes([a, b]), sequence: u16::from_be_bytes([c, d]), payload: body };
    let error = |length: usize| {
        let mut error = IcmpError::new(version, kind, code, u32::from_be_bytes([a, b, c, d]));
        let (quotation, structure) = extension::split(body, length);
        error.labels = extension::labels(structure);
        let quoted = ip::parse(quotation).map(|(header, transport)| Quoted { header, transport });
        Message::Error(error, quoted)
    };
    Some(match version {
        Version::V4 => match IcmpType(kind) {
            IcmpTypes::EchoReply => Message::EchoReply(echo()),
            IcmpTypes::EchoRequest => Message::EchoRequest(echo()),
            // RFC 4884, section 4.1: the length in 32-bit words.
            IcmpTypes::DestinationUnreachable | IcmpTypes::TimeExceeded | IcmpTypes::ParameterProblem => {
                error(usize::from(b) * 4)
            }
            IcmpTypes::SourceQuench | IcmpTypes::RedirectMessage => error(0),
            _ => Message::Other(kind, code),
        },
        Version::V6 => match Icmpv6Type(kind) {
            Icmpv6Types::EchoReply => Message::EchoReply(echo()),
            Icmpv6Types::EchoRequest => Message::EchoRequest(echo()),
            // RFC 4884, section 4.1: the length in 64-bit words.
            Icmpv6Types::DestinationUnreachable | Icmpv6Types::TimeExceeded => error(usize::from(a) * 8),
            Icmpv6Types::PacketTooBig | Icmpv6Types::ParameterProblem => error(0),
            _ => Message::Other(kind, code),
        },
    })
}

/// Writes an echo request over `packet`: 8 bytes of header, then the payload that is already there.
///
/// The checksum is filled in for ICMP; over ICMPv6 it covers addresses that only the kernel knows, and it fills it in.
/// `None`: shorter than a header.
pub fn write_echo_request(version: Version, packet: &mut [u8], identifier: u16, sequence: u16) -> Option<()> {
    match version {
        Version::V4 => {
            let mut request = echo_request::MutableEchoRequestPacket::new(packet)?;
            request.set_icmp_type(IcmpTypes::EchoRequest);
            request.set_icmp_code(echo_request::IcmpCodes::NoCode);
            request.set_identifier(identifier);
            request.set_sequence_number(sequence);
            request.set_checksum(0);
            let sum = checksum(request.packet());
            request.set_checksum(sum);
        }
        Version::V6 => {
            let mut request = echo_request_v6::MutableEchoRequestPacket::new(packet)?;
            request.set_icmpv6_type(Icmpv6Types::EchoRequest);
            request.set_icmpv6_code(echo_request_v6::Icmpv6Codes::NoCode);
            request.set_identifier(identifier);
            request.set_sequence_number(sequence);
            request.set_checksum(0);
        }
    }
    Some(())
}

/// An echo request with `payload`.
pub fn echo_request(version: Version, identifier: u16, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; 8 + payload.len()];
    packet[8..].copy_from_slice(payload);
    // 8 bytes are there.
    let _ = write_echo_request(version, &mut packet, identifier, sequence);
    packet
}

fn time_exceeded(version: Version) -> u8 {
    match version {
        Version::V4 => IcmpTypes::TimeExceeded.0,
        Version::V6 => Icmpv6Types::TimeExceeded.0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quoted_v4(transport: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 84, 0, 0, 0x40, 0, 1, 1, 0, 0, 10, 0, 0, 1, 10, 9, 9, 9];
        packet.extend_from_slice(transport);
        packet
    }

    #[test]
    fn an_echo_comes_back_as_it_went() {
        let packet = echo_request(Version::V4, 0x1234, 7, b"payload");
        assert_eq!(checksum(&packet), 0);
        let echo = Echo { identifier: 0x1234, sequence: 7, payload: b"payload" };
        assert_eq!(parse(Version::V4, &packet), Some(Message::EchoRequest(echo)));
        let packet = echo_request(Version::V6, 0x1234, 7, b"payload");
        assert_eq!(packet[..4], [128, 0, 0, 0]);
        assert_eq!(parse(Version::V6, &packet), Some(Message::EchoRequest(echo)));
    }

    #[test]
    fn an_error_that_quotes_ip_and_8_bytes_names_the_probe() {
        let mut packet = vec![3, 4, 0, 0, 0, 0, 0x05, 0x14];
        packet.extend_from_slice(&quoted_v4(&[8, 0, 0, 0, 0xab, 0xcd, 0, 9]));
        let Some(Message::Error(error, Some(quoted))) = parse(Version::V4, &packet) else { panic!("an error") };
        assert_eq!((error.mtu, error.is_too_big()), (Some(1300), true));
        assert_eq!(error.name(), "fragmentation needed and DF set");
        assert_eq!(quoted.echo(), Some((0xabcd, 9)));
        assert_eq!(quoted.header.destination, IpAddr::from([10, 9, 9, 9]));
    }

    #[test]
    fn gateway_and_pointer() {
        let redirect = IcmpError::new(Version::V4, 5, 1, 0x0a4d_0102);
        assert_eq!((redirect.gateway, redirect.is_advice()), (Some(IpAddr::from([10, 77, 1, 2])), true));
        assert_eq!(IcmpError::new(Version::V4, 12, 0, 22 << 24).pointer, Some(22));
        assert_eq!(IcmpError::new(Version::V6, 4, 1, 40).pointer, Some(40));
        assert_eq!(IcmpError::new(Version::V6, 2, 0, 1280).mtu, Some(1280));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), v6: bool) {
            let version = if v6 { Version::V6 } else { Version::V4 };
            let message = parse(version, &bytes);
            prop_assert_eq!(message.is_some(), bytes.len() >= 8);
            if let Some(Message::Error(error, Some(quoted))) = message {
                prop_assert!(!error.name().is_empty());
                let _ = (quoted.echo(), quoted.ports());
            }
        }
    }
}
