//! How memory is backed: madvise(2).

use std::mem::MaybeUninit;

/// Below this much, huge pages do not pay.
const WORTH_IT: usize = 4 * 1024 * 1024;
/// Any page size of this kernel divides it.
const PAGE: usize = 64 * 1024;

/// Says that `room` will be filled from its start to its end, so that the kernel may back it by huge pages: a fault for
/// each of them, not for each small one. A hint: where it is not taken, or `room` is small, nothing happens.
#[expect(unsafe_code, reason = "madvise(2)")]
pub fn will_fill(room: &mut [MaybeUninit<u8>]) {
    if room.len() < WORTH_IT {
        return;
    }
    let start = room.as_ptr().align_offset(PAGE);
    let length = room.len().saturating_sub(start) / PAGE * PAGE;
    // SAFETY: whole pages within `room`; the advice changes no byte of them.
    let _ = unsafe { libc::madvise(room[start..].as_mut_ptr().cast(), length, libc::MADV_HUGEPAGE) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_stays_and_the_rest_can_be_filled() {
        for length in [0, 1, WORTH_IT - 1, WORTH_IT, WORTH_IT + 12_345] {
            let mut bytes: Vec<u8> = Vec::with_capacity(length);
            bytes.extend(std::iter::repeat_n(7, length / 2));
            will_fill(bytes.spare_capacity_mut());
            bytes.extend(std::iter::repeat_n(8, length - length / 2));
            assert!(bytes[..length / 2].iter().all(|byte| *byte == 7), "{length}");
            assert!(bytes[length / 2..].iter().all(|byte| *byte == 8), "{length}");
        }
    }
}
