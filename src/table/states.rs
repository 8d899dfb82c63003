//! Sets of TCP states, as the words of ss(8) name them and as sock_diag(7) takes them.

use std::fmt;

use crate::error::{Error, Result};
use crate::tcp::State;

/// A set of states.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StateSet(u16);

impl StateSet {
    /// Every state.
    pub const ALL: Self = Self(0x0ffe);
    /// No state.
    pub const NONE: Self = Self(0);

    /// The set of one state.
    pub const fn of(state: State) -> Self {
        Self(1 << state.linux())
    }

    /// Whether `state` is in it.
    pub const fn has(self, state: State) -> bool {
        self.0 & Self::of(state).0 != 0
    }

    /// What is in it, in the order of RFC 9293.
    pub fn iter(self) -> impl Iterator<Item = State> {
        State::ALL.into_iter().filter(move |state| self.has(*state))
    }

    /// What is in either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this and not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What ss(8) shows when it is not told: sockets that have a peer which still answers.
    pub const fn default_shown() -> Self {
        Self::ALL.without(Self::listening()).without(Self::bucket())
    }

    /// What `ss -l` shows: TCP listeners, and UDP sockets without a peer.
    pub const fn listening() -> Self {
        Self::of(State::Listen).or(Self::of(State::Closed))
    }

    /// What the kernel keeps as small records: TIME-WAIT and SYN-RECEIVED.
    pub const fn bucket() -> Self {
        Self::of(State::TimeWait).or(Self::of(State::SynReceived))
    }

    /// `idiag_states`: bit N is the state with the Linux number N. Request sockets (`TCP_NEW_SYN_RECV`) go with SYN-RECEIVED.
    pub const fn linux(self) -> u32 {
        let new_syn_received = if self.has(State::SynReceived) { 1 << 12 } else { 0 };
        self.0 as u32 | new_syn_received
    }

    /// The set of a word of ss(8) or RFC 9293, in any case and with `-` or `_`.
    pub fn parse(word: &str) -> Result<Self> {
        let connected = Self::ALL.without(Self::listening());
        let plain = word.to_ascii_lowercase().replace('_', "-");
        Ok(match plain.as_str() {
            "all" => Self::ALL,
            "connected" => connected,
            "synchronized" => connected.without(Self::of(State::SynSent)),
            "bucket" => Self::bucket(),
            "big" => Self::ALL.without(Self::bucket()),
            "estab" => Self::of(State::Established),
            "syn-recv" => Self::of(State::SynReceived),
            "listening" => Self::of(State::Listen),
            "close" | "unconn" | "unconnected" => Self::of(State::Closed),
            "fin-wait1" => Self::of(State::FinWait1),
            "fin-wait2" => Self::of(State::FinWait2),
            plain => match State::ALL.into_iter().find(|state| state.rfc().eq_ignore_ascii_case(plain)) {
                Some(state) => Self::of(state),
                None => {
                    return Err(Error::invalid(
                        "filter",
                        format!(
                            "{word:?} is not a state; it is one of established, syn-sent, syn-recv, fin-wait-1, \
                         fin-wait-2, time-wait, closed, close-wait, last-ack, listening, closing, or all, connected, \
                         synchronized, bucket, big"
                        ),
                    ));
                }
            },
        })
    }
}

impl fmt::Debug for StateSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
