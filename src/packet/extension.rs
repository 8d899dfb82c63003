//! ICMP extensions: the structure of RFC 4884 and the MPLS label stack of RFC 4950.

use super::checksum::checksum;

/// One entry of an MPLS label stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    /// The label, 20 bits.
    pub label: u32,
    /// The traffic class (once "experimental"), 3 bits.
    pub class: u8,
    /// Whether this is the bottom of the stack.
    pub bottom: bool,
    /// Its TTL.
    pub ttl: u8,
}

/// The label stack in an extension structure; empty if there is none, or if the structure is broken.
pub fn labels(structure: &[u8]) -> Vec<Label> {
    let mut found = Vec::new();
    let Some((&[version, _, high, low], mut objects)) = structure.split_first_chunk::<4>() else { return found };
    let unchecked = high == 0 && low == 0;
    if version >> 4 != 2 || !(unchecked || checksum(structure) == 0) {
        return found;
    }
    while let Some((&[high, low, class, kind], _)) = objects.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some(body) = objects.get(4..length) else { break };
        if (class, kind) == (1, 1) {
            found.extend(body.chunks_exact(4).map(|entry| {
                let word = u32::from_be_bytes([entry[0], entry[1], entry[2], entry[3]]);
                Label {
                    label: word >> 12,
                    class: (word >> 9 & 7) as u8,
                    bottom: word >> 8 & 1 == 1,
                    ttl: (word & 0xff) as u8,
                }
            }));
        }
        objects = &objects[length..];
    }
    found
}

/// Splits the body of an ICMP error (what follows its 8 bytes) into the quoted packet and the extension structure.
///
/// `length` is the header's length field in bytes; 0 is a sender that predates RFC 4884: its extension, if any, starts
/// after 128 bytes (section 5.5).
pub fn split(body: &[u8], length: usize) -> (&[u8], &[u8]) {
    match length {
        0 => match body.get(128..) {
            Some(rest) if rest.len() >= 8 && rest[0] >> 4 == 2 && checksum(rest) == 0 => (&body[..128], rest),
            _ => (body, &[]),
        },
        length => body.split_at_checked(length).unwrap_or((body, &[])),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn structure(labels: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0x20, 0, 0, 0];
        bytes.extend_from_slice(&(4 + 4 * labels.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&[1, 1]);
        labels.iter().for_each(|label| bytes.extend_from_slice(&label.to_be_bytes()));
        let sum = checksum(&bytes);
        bytes[2..4].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    #[test]
    fn a_stack_of_two() {
        let bytes = structure(&[12345 << 12 | 5 << 9 | 64, 99 << 12 | 1 << 8 | 1]);
        let wanted = [
            Label { label: 12345, class: 5, bottom: false, ttl: 64 },
            Label { label: 99, class: 0, bottom: true, ttl: 1 },
        ];
        assert_eq!(labels(&bytes), wanted);
        let mut broken = bytes;
        broken[9] ^= 1;
        assert_eq!(labels(&broken), []);
    }

    #[test]
    fn where_the_extension_starts() {
        let mut body = vec![0x45; 128];
        body.extend_from_slice(&structure(&[1 << 12]));
        assert_eq!(split(&body, 128).1.len(), 12);
        assert_eq!(split(&body, 0).1.len(), 12);
        assert_eq!(split(&body[..130], 0).1.len(), 0);
        assert_eq!(split(&body[..100], 128), (&body[..100], &[][..]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), length in 0usize..300) {
            labels(&bytes);
            let (quoted, extension) = split(&bytes, length);
            prop_assert_eq!(quoted.len() + extension.len(), bytes.len());
        }
    }
}
