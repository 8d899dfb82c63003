//! ICMP identifiers: of raw sockets, each session in this process has one of its own.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One bit an identifier.
static TAKEN: Mutex<[u64; 1024]> = Mutex::new([0; 1024]);

fn taken() -> MutexGuard<'static, [u64; 1024]> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An identifier that nobody else in this process has while this lives.
#[derive(Debug)]
pub struct Identifier(u16);

impl Identifier {
    /// Takes one, at random (other processes take theirs without asking us).
    pub fn take() -> Option<Self> {
        let start = random() as u16;
        let mut taken = taken();
        (0..=u16::MAX).map(|step| start.wrapping_add(step)).find(|&id| id != 0 && !bit(&mut taken, id, true)).map(Self)
    }

    /// The number.
    pub fn get(&self) -> u16 {
        self.0
    }
}

impl Drop for Identifier {
    fn drop(&mut self) {
        bit(&mut taken(), self.0, false);
    }
}

/// Sets the bit of `id` and gives what it was.
fn bit(taken: &mut [u64; 1024], id: u16, to: bool) -> bool {
    let (word, mask) = (&mut taken[usize::from(id / 64)], 1 << (id % 64));
    let was = *word & mask != 0;
    *word = if to { *word | mask } else { *word & !mask };
    was
}

/// A number that others do not guess: the standard library seeds each process's hashes from the system's randomness.
pub fn random() -> u64 {
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_its_own() {
        let many: Vec<_> = (0..300).filter_map(|_| Identifier::take()).collect();
        let mut numbers: Vec<_> = many.iter().map(Identifier::get).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 300);
        assert!(!numbers.contains(&0));
    }
}
