//! How memory is backed: madvise(2).

use std::io;
use std::mem::MaybeUninit;

/// Asks for huge pages behind `memory`, and behind the rest of the pages at its ends: fewer page faults when it is filled.
///
/// It is advice: nothing that the memory holds changes, and the kernel may not take it (EINVAL where it has none).
#[expect(unsafe_code, reason = "madvise(2)")]
pub fn prefer_huge(memory: &mut [MaybeUninit<u8>]) -> io::Result<()> {
    // SAFETY: asks for a number.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).map_err(|_| io::Error::last_os_error())?;
    let start = memory.as_mut_ptr().addr();
    let within = start % page;
    let length = (within + memory.len()).next_multiple_of(page);
    let first = memory.as_mut_ptr().wrapping_byte_sub(within);
    // SAFETY: MADV_HUGEPAGE changes how pages are backed, never what is in them, whoever they belong to.
    if unsafe { libc::madvise(first.cast(), length, libc::MADV_HUGEPAGE) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_changes_nothing_that_is_there() {
        let mut memory = Vec::with_capacity(5 << 20);
        memory.resize(1234, 7_u8);
        match prefer_huge(memory.spare_capacity_mut()) {
            Ok(()) => {}
            // A kernel without huge pages says so.
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EINVAL)),
        }
        assert_eq!(memory, [7; 1234]);
    }
}
