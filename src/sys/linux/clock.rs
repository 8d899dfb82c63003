//! The monotonic clock, clock_gettime(2).

use crate::engine::Time;

/// Now, by `CLOCK_MONOTONIC`.
#[expect(unsafe_code, reason = "clock_gettime(2)")]
pub fn now() -> Time {
    let mut spec = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `spec` is a valid timespec that outlives the call.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut spec) };
    let seconds = u64::try_from(spec.tv_sec).unwrap_or_default();
    let nanoseconds = u64::try_from(spec.tv_nsec).unwrap_or_default();
    Time::from_nanos(seconds * 1_000_000_000 + nanoseconds)
}

/// Now, in nanoseconds of `CLOCK_REALTIME`: the clock of the kernel's packet stamps. It can be set.
#[expect(unsafe_code, reason = "clock_gettime(2)")]
pub fn real() -> u64 {
    let mut spec = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `spec` is a valid timespec that outlives the call.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut spec) };
    let seconds = u64::try_from(spec.tv_sec).unwrap_or_default();
    let nanoseconds = u64::try_from(spec.tv_nsec).unwrap_or_default();
    seconds * 1_000_000_000 + nanoseconds
}
