//! What a probe carries: enough to tell whether an answer repeats it, and whose it is.

/// Bytes of the cookie.
const COOKIE: usize = 8;

/// The payload of every probe of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    bytes: Vec<u8>,
    /// Whether it begins with a cookie.
    marked: bool,
}

/// How an answer compares to what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// It is shorter.
    pub truncated: bool,
    /// The offset of the first byte that differs, within what there is.
    pub corrupted_at: Option<usize>,
}

impl Payload {
    /// `size` bytes: `pattern` over and over, or by default 8 bytes of `cookie` (so that the answers to another program's
    /// probes are not taken for ours) and then counting up.
    pub fn new(size: usize, pattern: Option<&[u8]>, cookie: u64) -> Self {
        let bytes: Vec<u8> = match pattern {
            Some(pattern) if !pattern.is_empty() => pattern.iter().copied().cycle().take(size).collect(),
            _ => cookie.to_be_bytes().into_iter().chain((8..=255_u8).chain(0..=255).cycle()).take(size).collect(),
        };
        Self { marked: bytes.len() >= COOKIE && pattern.is_none_or(<[u8]>::is_empty), bytes }
    }

    /// Whether `answer` repeats somebody else's probe: most of the cookie is missing, which a bit or byte gone wrong on
    /// the way does not do. Of an answer that is shorter than a cookie nothing is known: none.
    pub fn is_foreign(&self, answer: &[u8]) -> Option<bool> {
        if !self.marked {
            return Some(false);
        }
        let cookie = answer.get(..COOKIE)?;
        Some(cookie.iter().zip(&self.bytes).filter(|(got, sent)| got == sent).count() < COOKIE / 2)
    }

    /// The bytes of a probe of `size` bytes: those of the session, repeated as needed.
    pub fn fill(&self, size: usize) -> impl Iterator<Item = u8> {
        self.bytes.iter().copied().cycle().chain(std::iter::repeat(0)).take(size)
    }

    /// All of them.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Holds `answer` beside the `size` bytes that were sent.
    pub fn compare(&self, answer: &[u8], size: usize) -> Comparison {
        let corrupted_at = if answer == self.bytes {
            None
        } else {
            answer.iter().zip(self.fill(size)).position(|(&got, sent)| got != sent)
        };
        Comparison { truncated: answer.len() < size, corrupted_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_and_cookies() {
        assert_eq!(Payload::new(5, Some(b"ab"), 0).bytes(), b"ababa");
        assert_eq!(Payload::new(10, None, 1).bytes(), [0, 0, 0, 0, 0, 0, 0, 1, 8, 9]);
        assert_eq!(Payload::new(3, Some(b""), u64::MAX).bytes(), [255; 3]);
        assert_eq!(Payload::new(600, None, 0).bytes()[255..258], [255, 0, 1]);
        assert_eq!(Payload::new(0, None, 0).fill(2).collect::<Vec<_>>(), [0, 0]);
    }

    #[test]
    fn whose_answer_it_is() {
        let payload = Payload::new(10, None, 0x0102_0304_0506_0708);
        assert_eq!(payload.is_foreign(payload.bytes()), Some(false));
        assert_eq!(payload.is_foreign(b"\x01\x02\x03\xff\x05\x06\x07\x08"), Some(false));
        assert_eq!(payload.is_foreign(b"somebody else's"), Some(true));
        assert_eq!(payload.is_foreign(b"\x01\x02"), None);
        assert_eq!(Payload::new(10, Some(b"x"), 0).is_foreign(b"somebody else's"), Some(false));
    }

    #[test]
    fn comparisons() {
        let payload = Payload::new(10, None, 1);
        let whole = Comparison { truncated: false, corrupted_at: None };
        assert_eq!(payload.compare(payload.bytes(), 10), whole);
        let mut answer = payload.bytes().to_vec();
        answer[9] ^= 1;
        assert_eq!(payload.compare(&answer, 10), Comparison { corrupted_at: Some(9), ..whole });
        assert_eq!(payload.compare(&answer[..4], 10), Comparison { truncated: true, corrupted_at: None });
    }
}
