//! One line about a packet, in the manner of tcpdump.

use std::fmt;

use super::icmp::{IcmpError, Message, Version};
use super::{icmp, ip};

/// The line for an ICMP message.
pub fn message(message: &Message<'_>, length: usize) -> String {
    match message {
        Message::EchoRequest(echo) => {
            format!("ICMP echo request, id {}, seq {}, length {length}", echo.identifier, echo.sequence)
        }
        Message::EchoReply(echo) => {
            format!("ICMP echo reply, id {}, seq {}, length {length}", echo.identifier, echo.sequence)
        }
        Message::Error(error, quoted) => match quoted {
            Some(quoted) => format!("ICMP {error} (about a packet to {}), length {length}", quoted.header.destination),
            None => format!("ICMP {error}, length {length}"),
        },
        Message::Other(kind, code) => format!("ICMP type {kind} code {code}, length {length}"),
    }
}

/// The line for an IP packet; says so where it cannot be read.
pub fn packet(bytes: &[u8]) -> String {
    let Some((header, body)) = ip::parse(bytes) else { return format!("[not an IP packet, {} bytes]", bytes.len()) };
    let version = Version::of(header.source);
    let text = match header.protocol {
        ip::protocol::ICMP | ip::protocol::ICMPV6 => match icmp::parse(version, body) {
            Some(read) => message(&read, body.len()),
            None => "ICMP [cut]".to_owned(),
        },
        number => format!("protocol {number}, length {}", body.len()),
    };
    let name = if version == Version::V4 { "IP" } else { "IP6" };
    format!("{name} {} > {}: ttl {}, {text}", header.source, header.destination, header.ttl)
}

impl fmt::Display for IcmpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())?;
        if let Some(mtu) = self.mtu {
            write!(f, ", mtu {mtu}")?;
        }
        if let Some(gateway) = self.gateway {
            write!(f, ", to {gateway}")?;
        }
        if let Some(pointer) = self.pointer {
            write!(f, ", at byte {pointer}")?;
        }
        for label in &self.labels {
            write!(f, ", MPLS {} (class {}, ttl {})", label.label, label.class, label.ttl)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let mut bytes = vec![0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, 1, 0, 0, 10, 0, 0, 1, 10, 9, 9, 9];
        bytes.extend_from_slice(&icmp::echo_request(Version::V4, 5, 6, b""));
        assert_eq!(packet(&bytes), "IP 10.0.0.1 > 10.9.9.9: ttl 64, ICMP echo request, id 5, seq 6, length 8");
        assert_eq!(packet(b"hello"), "[not an IP packet, 5 bytes]");
        assert_eq!(IcmpError::new(Version::V6, 2, 0, 1300).to_string(), "packet too big, mtu 1300");
    }
}
