//! How memory is backed: madvise(2), and the kernel's free page reporting.

use std::io;
use std::mem::MaybeUninit;
use std::sync::OnceLock;

/// The smallest order of free blocks that a guest gives back to its host; -1 where it gives none.
const REPORTED: &str = "/sys/module/page_reporting/parameters/page_reporting_order";

/// Whether this is a guest whose host takes free huge pages back: filling one then costs a fault of the host's for each small
/// page in it, while free small pages stay backed. Found out once.
pub fn huge_is_dear() -> bool {
    static DEAR: OnceLock<bool> = OnceLock::new();
    *DEAR.get_or_init(|| std::fs::read_to_string(REPORTED).is_ok_and(|order| gives_back(&order)))
}

fn gives_back(order: &str) -> bool {
    // The kernel says -1 as a signed or as an unsigned number.
    order.trim().parse::<u8>().is_ok()
}

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
    fn what_a_guest_gives_back_is_an_order() {
        for (order, given) in [("9\n", true), ("0\n", true), ("-1\n", false), ("4294967295\n", false), ("", false)] {
            assert_eq!(gives_back(order), given, "{order:?}");
        }
    }

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
