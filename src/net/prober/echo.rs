//! What one pinger asks and how it knows the answers: the bytes of its echo requests, and what a message says of them.

use std::net::IpAddr;

use super::queue::icmp_error;
use crate::packet::checksum::checksum;
use crate::packet::icmp::{self, Message, Version};
use crate::probe::observation::{Manner, Observation, Probe, Sight, Stamp};
use crate::probe::payload::Payload;
use crate::sys::message::Extended;

/// The questions of one pinger.
#[derive(Clone, Debug)]
pub struct Echo {
    /// RFC 792's identifier.
    pub identifier: u16,
    /// Whom it asks.
    pub target: IpAddr,
    /// What it sends.
    pub payload: Payload,
    /// Whether all probes of a flow have one checksum (Paris traceroute).
    pub steady: bool,
    /// Whether it sees checksums (a raw IPv4 socket).
    pub sees_checksums: bool,
}

impl Echo {
    fn version(&self) -> Version {
        Version::of(self.target)
    }

    /// Writes the request over `packet`.
    pub fn write(&self, probe: &Probe, packet: &mut Vec<u8>) {
        packet.clear();
        packet.extend([0; 8]);
        packet.extend(self.payload.fill(probe.size.unwrap_or(self.payload.bytes().len())));
        if let (true, Some(word)) = (self.steady, packet.get_mut(8..10)) {
            // Ones' complement: key and word together are the flow, whatever the key.
            word.copy_from_slice(&(u16::MAX - probe.key).wrapping_add(probe.flow).to_be_bytes());
        }
        // 8 bytes are there.
        let _ = icmp::write_echo_request(self.version(), packet, self.identifier, probe.key);
    }

    /// What a message from the error queue says: its bytes are the quoted packet from its ICMP header on.
    pub fn queued(&self, bytes: &[u8], queued: &Extended, at: Stamp) -> Option<Observation> {
        let error = icmp_error(self.version(), bytes, queued);
        let &[_, _, _, _, _, _, a, b, ..] = bytes else { return None };
        let key = u16::from_be_bytes([a, b]);
        Some(Observation {
            key,
            source: queued.offender?,
            at,
            sight: Sight::Error { error, quoted_ttl: None, guessed: None },
        })
    }

    /// What a message that has arrived says of our requests; `message` is what `bytes` were read as.
    pub fn arrived(
        &self,
        message: Message<'_>,
        bytes: &[u8],
        from: IpAddr,
        ttl: Option<u8>,
        at: Stamp,
    ) -> Option<Observation> {
        let (key, sight) = match message {
            Message::EchoReply(echo) if echo.identifier == self.identifier => {
                if self.payload.is_foreign(echo.payload).unwrap_or(from != self.target) {
                    return None;
                }
                let comparison = self.payload.compare(echo.payload, self.payload.bytes().len());
                let sight = Sight::Reply {
                    manner: Manner::Echo,
                    ttl,
                    size: bytes.len(),
                    truncated: comparison.truncated,
                    corrupted_at: comparison.corrupted_at,
                    checksum_ok: !self.sees_checksums || checksum(bytes) == 0,
                };
                (echo.sequence, sight)
            }
            Message::Error(error, Some(quoted)) => match quoted.echo() {
                Some((identifier, sequence)) if identifier == self.identifier => {
                    (sequence, Sight::Error { error, quoted_ttl: Some(quoted.header.ttl), guessed: None })
                }
                _ => return None,
            },
            _ => return None,
        };
        Some(Observation { key, source: from, at, sight })
    }
}
