//! The bytes of an exchange both ways, with times: what was really said, up to a limit.

use smallvec::SmallVec;

use crate::engine::Time;

/// Who spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// We did.
    Sent,
    /// The peer did.
    Received,
}

/// One piece as it was handed to, or came from, the kernel (below TLS: in the clear).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// When.
    pub at: Time,
    /// Who spoke.
    pub direction: Direction,
    /// How many bytes, those beyond the limit included.
    pub length: usize,
}

/// What was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wire {
    limit: usize,
    /// The first bytes that were sent.
    pub sent: Vec<u8>,
    /// The first bytes that came.
    pub received: Vec<u8>,
    /// The pieces, in the order of time; neighbours beyond the limit are merged.
    pub pieces: SmallVec<[Piece; 2]>,
    /// Where in `received` each content span lies: start and end.
    pub content: SmallVec<[(usize, usize); 1]>,
    /// How many bytes came in all.
    pub total_received: u64,
    /// How many bytes were sent in all.
    pub total_sent: u64,
    /// How many of those that came are content.
    pub total_content: u64,
}

impl Wire {
    /// A record of at most `limit` bytes in each direction.
    pub fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Notes bytes that were sent or came.
    pub fn note(&mut self, at: Time, direction: Direction, bytes: &[u8]) {
        let (kept, total) = match direction {
            Direction::Sent => (&mut self.sent, &mut self.total_sent),
            Direction::Received => (&mut self.received, &mut self.total_received),
        };
        *total += bytes.len() as u64;
        if self.limit == 0 {
            return;
        }
        let full = kept.len() >= self.limit;
        if !full {
            kept.extend_from_slice(&bytes[..bytes.len().min(self.limit - kept.len())]);
        }
        match self.pieces.last_mut() {
            Some(last) if full && last.direction == direction => last.length += bytes.len(),
            _ => self.pieces.push(Piece { at, direction, length: bytes.len() }),
        }
    }

    /// Notes bytes that were sent and are not needed elsewhere: the first ones need not be copied.
    pub fn note_sent(&mut self, at: Time, bytes: Vec<u8>) {
        if !self.sent.is_empty() || bytes.len() > self.limit {
            return self.note(at, Direction::Sent, &bytes);
        }
        self.total_sent += bytes.len() as u64;
        if self.limit > 0 {
            self.pieces.push(Piece { at, direction: Direction::Sent, length: bytes.len() });
            self.sent = bytes;
        }
    }

    /// Notes that the last `length` bytes but `rest` of all that came are content.
    pub fn note_content(&mut self, length: usize, rest: usize) {
        self.total_content += length as u64;
        let end = self.total_received.saturating_sub(rest as u64);
        let start = end.saturating_sub(length as u64);
        let kept = self.received.len();
        let (Ok(start), Ok(end)) = (usize::try_from(start), usize::try_from(end)) else { return };
        if start >= kept {
            return;
        }
        let end = end.min(kept);
        match self.content.last_mut() {
            Some(last) if last.1 == start => last.1 = end,
            _ => self.content.push((start, end)),
        }
    }
}
