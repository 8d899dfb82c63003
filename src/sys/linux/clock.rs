//! The monotonic clock, clock_gettime(2).

use crate::engine::Time;

/// Now, by `CLOCK_MONOTONIC`.
pub fn now() -> Time {
    Time::from_nanos(read(libc::CLOCK_MONOTONIC))
}

/// Now to within a few milliseconds, by `CLOCK_MONOTONIC_COARSE`: for a third of what [`now`] takes.
pub fn coarse() -> Time {
    Time::from_nanos(read(libc::CLOCK_MONOTONIC_COARSE))
}

/// Now, in nanoseconds of `CLOCK_REALTIME`: the clock of the kernel's packet stamps. It can be set.
pub fn real() -> u64 {
    read(libc::CLOCK_REALTIME)
}

#[expect(unsafe_code, reason = "clock_gettime(2)")]
fn read(clock: libc::clockid_t) -> u64 {
    let mut spec = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `spec` is a valid timespec that outlives the call.
    unsafe { libc::clock_gettime(clock, &raw mut spec) };
    let seconds = u64::try_from(spec.tv_sec).unwrap_or_default();
    let nanoseconds = u64::try_from(spec.tv_nsec).unwrap_or_default();
    seconds * 1_000_000_000 + nanoseconds
}
