//! ICMP identifiers: of raw sockets, each pinger and sweep in this process has one of its own.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys::clock;

/// One bit an identifier. No lock: a child of fork(2) could find it held by a thread that it does not have.
static TAKEN: [AtomicU64; 1024] = [const { AtomicU64::new(0) }; 1024];

/// An identifier that nobody else in this process has while this lives.
#[derive(Debug)]
pub struct Identifier(u16);

impl Identifier {
    /// Takes one, at random (other processes take theirs without asking us).
    pub fn take() -> Option<Self> {
        let start = random() as u16;
        (0..=u16::MAX).map(|step| start.wrapping_add(step)).find(|&id| id != 0 && claim(id)).map(Self)
    }

    /// The number.
    pub fn get(&self) -> u16 {
        self.0
    }
}

impl Drop for Identifier {
    fn drop(&mut self) {
        let (word, mask) = place(self.0);
        word.fetch_and(!mask, Ordering::AcqRel);
    }
}

/// The bit of an identifier.
fn place(id: u16) -> (&'static AtomicU64, u64) {
    (&TAKEN[usize::from(id / 64)], 1 << (id % 64))
}

/// Sets the bit; whether it was not set.
fn claim(id: u16) -> bool {
    let (word, mask) = place(id);
    word.fetch_or(mask, Ordering::AcqRel) & mask == 0
}

/// A number that others do not guess: the standard library seeds its hashes from the system's randomness. A child of
/// fork(2) has its parent's seeds, and so gets other numbers by its own number and by the time.
pub fn random() -> u64 {
    RandomState::new().hash_one((std::process::id(), clock::real()))
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
        let first = many[0].get();
        assert!(!claim(first));
        drop(many);
        assert!(claim(first));
        drop(Identifier(first));
    }
}
