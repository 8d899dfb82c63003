//! The states of a connection (RFC 9293, section 3.3.2), and the numbers and names that Linux has for them.

use std::fmt;

/// A state of a TCP connection. `Display` is the spelling of RFC 9293.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// No connection at all.
    Closed,
    /// Waiting for a connection request from any peer.
    Listen,
    /// Has sent a SYN, waits for the peer's.
    SynSent,
    /// Has sent and received a SYN, waits for the acknowledgment of its own.
    SynReceived,
    /// Open: data flows both ways.
    Established,
    /// Has sent a FIN, which is not acknowledged yet.
    FinWait1,
    /// Its FIN is acknowledged; waits for the peer's.
    FinWait2,
    /// The peer has sent a FIN; waits for the local user to close.
    CloseWait,
    /// Both have sent a FIN; waits for the acknowledgment of its own.
    Closing,
    /// Has received a FIN and then sent its own; waits for its acknowledgment.
    LastAck,
    /// Waits (2 MSL) until the peer must have seen the acknowledgment of its FIN, and old segments are gone.
    TimeWait,
}

impl State {
    /// All of them, in the order of RFC 9293.
    pub const ALL: [Self; 11] = [
        Self::Closed,
        Self::Listen,
        Self::SynSent,
        Self::SynReceived,
        Self::Established,
        Self::FinWait1,
        Self::FinWait2,
        Self::CloseWait,
        Self::Closing,
        Self::LastAck,
        Self::TimeWait,
    ];

    /// The name in RFC 9293: "SYN-RECEIVED".
    pub const fn rfc(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Listen => "LISTEN",
            Self::SynSent => "SYN-SENT",
            Self::SynReceived => "SYN-RECEIVED",
            Self::Established => "ESTABLISHED",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::CloseWait => "CLOSE-WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST-ACK",
            Self::TimeWait => "TIME-WAIT",
        }
    }

    /// The number that Linux gives it (`include/net/tcp_states.h`), as in `struct tcp_info` and `/proc/net/tcp`.
    pub const fn linux(self) -> u8 {
        match self {
            Self::Established => 1,
            Self::SynSent => 2,
            Self::SynReceived => 3,
            Self::FinWait1 => 4,
            Self::FinWait2 => 5,
            Self::TimeWait => 6,
            Self::Closed => 7,
            Self::CloseWait => 8,
            Self::LastAck => 9,
            Self::Listen => 10,
            Self::Closing => 11,
        }
    }

    /// The state of a Linux number. `TCP_NEW_SYN_RECV` (12), a request socket, is SYN-RECEIVED as well;
    /// `TCP_BOUND_INACTIVE` (13) is CLOSED.
    pub fn from_linux(number: u8) -> Option<Self> {
        match number {
            12 => Some(Self::SynReceived),
            13 => Some(Self::Closed),
            _ => Self::ALL.into_iter().find(|state| state.linux() == number),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.rfc())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linux_numbers_are_the_kernels() {
        let numbers: Vec<u8> = State::ALL.into_iter().map(State::linux).collect();
        assert_eq!(numbers, [7, 10, 2, 3, 1, 4, 5, 8, 11, 9, 6]);
    }

    #[test]
    fn a_linux_number_gives_its_state_back() {
        for state in State::ALL {
            assert_eq!(State::from_linux(state.linux()), Some(state));
        }
        assert_eq!(State::from_linux(12), Some(State::SynReceived));
        assert_eq!(State::from_linux(0), None);
        assert_eq!(State::from_linux(14), None);
    }
}
