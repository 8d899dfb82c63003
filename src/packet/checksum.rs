//! The Internet checksum, RFC 1071.

/// The ones' complement of the ones' complement sum of the 16-bit big-endian words of `bytes`, padded with a zero byte.
///
/// Over data that carries its own correct checksum the result is 0.
pub fn checksum(bytes: &[u8]) -> u16 {
    finish(sum(bytes))
}

/// The checksum of several pieces as if they were one; every piece but the last has an even length.
pub fn checksum_of(pieces: &[&[u8]]) -> u16 {
    finish(pieces.iter().map(|piece| sum(piece)).fold(0, u64::wrapping_add))
}

fn sum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(4);
    let rest = match *words.remainder() {
        [a] => u64::from(u16::from_be_bytes([a, 0])),
        [a, b] => u64::from(u16::from_be_bytes([a, b])),
        [a, b, c] => u64::from(u16::from_be_bytes([a, b])) + u64::from(u16::from_be_bytes([c, 0])),
        _ => 0,
    };
    // 2^32 is 1 modulo 2^16 - 1, so words of 32 bits fold to the same sum; a packet's worth cannot overflow 64 bits.
    words.map(|word| u64::from(u32::from_be_bytes([word[0], word[1], word[2], word[3]]))).sum::<u64>() + rest
}

fn finish(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_example_of_rfc_1071() {
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }

    #[test]
    fn nothing_sums_to_nothing() {
        assert_eq!(checksum(&[]), 0xffff);
        assert_eq!(checksum(&[0xff, 0xff]), 0);
    }

    proptest! {
        #[test]
        fn agrees_with_pnet(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            // pnet skips one word; give it a zero word to skip.
            let mut padded = vec![0, 0];
            padded.extend_from_slice(&bytes);
            prop_assert_eq!(checksum(&bytes), pnet_packet::util::checksum(&padded, 0));
        }

        #[test]
        fn pieces_are_one(a in proptest::collection::vec(any::<u8>(), 0..40), b in proptest::collection::vec(any::<u8>(), 0..41)) {
            let a = &a[..a.len() & !1];
            prop_assert_eq!(checksum_of(&[a, &b]), checksum(&[a, &b].concat()));
        }

        #[test]
        fn data_with_its_checksum_sums_to_zero(mut bytes in proptest::collection::vec(any::<u8>(), 2..200)) {
            bytes[0] = 0;
            bytes[1] = 0;
            let sum = checksum(&bytes);
            bytes[..2].copy_from_slice(&sum.to_be_bytes());
            prop_assert_eq!(checksum(&bytes), 0);
        }
    }
}
