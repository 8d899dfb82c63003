//! What a session sends and sees: the vocabulary between sessions and channels.

use std::net::IpAddr;
use std::time::Duration;

use crate::engine::Time;
use crate::error::{Cause, Error};
use crate::packet::icmp::IcmpError;

/// A probe to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What its answer will be known by.
    pub key: u16,
    /// TTL or hop limit; none: the channel's.
    pub ttl: Option<u8>,
    /// Bytes of payload; none: the channel's.
    pub size: Option<usize>,
    /// Which flow it belongs to: probes of one flow look alike to a load balancer.
    pub flow: u16,
}

/// A point in time by the clocks there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// By our own clock, read beside the system call.
    pub user: Time,
    /// By the kernel, as the packet passed: nanoseconds of its real-time clock.
    pub kernel: Option<u64>,
    /// `kernel` is a reading of that clock of our own, beside the system call.
    pub own: bool,
}

impl Stamp {
    /// A stamp by our own clock alone.
    pub fn user(time: Time) -> Self {
        Self { user: time, kernel: None, own: false }
    }

    /// A departure by our own clocks, until the kernel's stamp is known.
    pub fn departure(user: Time, real: u64) -> Self {
        Self { user, kernel: Some(real), own: true }
    }

    /// From this to `later`, by the kernel's stamps if both have one and they are believable: within what our own clock
    /// saw (the kernel's can be set while a packet is on its way).
    pub fn until(self, later: Self) -> (Duration, Clock) {
        let ours = later.user.since(self.user);
        match (self.kernel, later.kernel) {
            (Some(sent), Some(came)) if came >= sent && Duration::from_nanos(came - sent) <= ours => {
                let clock = if self.own || later.own { Clock::User } else { Clock::Kernel };
                (Duration::from_nanos(came - sent), clock)
            }
            _ => (ours, Clock::User),
        }
    }
}

/// Which clock a duration was measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The kernel's stamps on both packets (SO_TIMESTAMPING).
    Kernel,
    /// Our own reading at the departure; the kernel's stamp at the arrival, where it has one, else a reading of our own.
    User,
}

impl Clock {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::User => "user",
        }
    }
}

/// How a host answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// An ICMP echo reply.
    Echo,
    /// A UDP datagram.
    Datagram,
    /// A TCP handshake.
    Accepted,
    /// A TCP reset: nobody listens, but somebody is there.
    Refused,
}

impl Manner {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo reply",
            Self::Datagram => "datagram",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
        }
    }
}

/// What was seen of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// The kernel's stamp of its departure; `at` has it.
    Departure,
    /// The host's answer.
    Reply {
        /// How.
        manner: Manner,
        /// The TTL or hop limit it arrived with.
        ttl: Option<u8>,
        /// Bytes of its ICMP message or datagram.
        size: usize,
        /// Whether it repeats less than was sent.
        truncated: bool,
        /// The offset in the payload of the first byte that is not as sent.
        corrupted_at: Option<usize>,
        /// Whether its checksum is right (where we see it).
        checksum_ok: bool,
    },
    /// A router or the host reports an error.
    Error {
        /// The report.
        error: IcmpError,
        /// The probe's TTL when the reporter quoted it.
        quoted_ttl: Option<u8>,
        /// The flow, if it is all that is known and the key a guess: the oldest of the flow that waits.
        guessed: Option<u16>,
    },
}

/// One thing that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Of which probe.
    pub key: u16,
    /// Who sent it.
    pub source: IpAddr,
    /// When.
    pub at: Stamp,
    /// What.
    pub sight: Sight,
}

/// The kernel would not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why: an `errno` value.
    pub errno: i32,
    /// `EMSGSIZE`: what would have fitted, if known.
    pub mtu: Option<u32>,
}

impl From<&Error> for Refusal {
    fn from(error: &Error) -> Self {
        let errno = match error.cause {
            Cause::Os(errno) | Cause::NotPermitted { errno, .. } => errno,
            _ => libc::EINVAL,
        };
        Self { errno, mtu: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_clock_is_believed_within_reason() {
        let stamp = |user, kernel| Stamp { user: Time::from_nanos(user), kernel, own: false };
        let nanos = Duration::from_nanos;
        assert_eq!(stamp(100, Some(5)).until(stamp(900, Some(605))), (nanos(600), Clock::Kernel));
        assert_eq!(stamp(100, Some(5)).until(stamp(900, Some(60_605))), (nanos(800), Clock::User));
        assert_eq!(stamp(100, Some(5)).until(stamp(900, Some(4))), (nanos(800), Clock::User));
        let own = Stamp::departure(Time::from_nanos(100), 5);
        assert_eq!(own.until(stamp(900, Some(605))), (nanos(600), Clock::User));
        assert_eq!(stamp(100, None).until(stamp(900, Some(605))), (nanos(800), Clock::User));
    }
}
