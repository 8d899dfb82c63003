//! One socket of the kernel, and its line as ss(8) writes it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::tcp::State;

/// The transport protocol of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// RFC 9293.
    Tcp,
    /// RFC 768. Linux gives these sockets TCP's states: ESTABLISHED when connected, CLOSED otherwise.
    Udp,
}

impl Protocol {
    /// The number of the protocol in an IP header.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// What a socket's timer is for; `Display` is ss(8)'s word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimerKind {
    /// Retransmission, early retransmission, or the tail loss probe.
    Retransmit,
    /// The next keepalive probe (RFC 9293, section 3.8.4).
    Keepalive,
    /// The end of TIME-WAIT, or of an orphaned FIN-WAIT-2.
    TimeWait,
    /// The next probe of a closed window (RFC 9293, section 3.8.6.1).
    Persist,
    /// A number that this version does not know.
    Other(u8),
}

impl TimerKind {
    /// The kind of `idiag_timer`; `None` for 0, no timer.
    pub fn from_linux(number: u8) -> Option<Self> {
        match number {
            0 => None,
            1 => Some(Self::Retransmit),
            2 => Some(Self::Keepalive),
            3 => Some(Self::TimeWait),
            4 => Some(Self::Persist),
            other => Some(Self::Other(other)),
        }
    }
}

impl fmt::Display for TimerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Retransmit => "on",
            Self::Keepalive => "keepalive",
            Self::TimeWait => "timewait",
            Self::Persist => "persist",
            Self::Other(_) => "unknown",
        })
    }
}

/// A running timer of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timer {
    /// What it is for.
    pub kind: TimerKind,
    /// When it ends, from now.
    pub expires: Duration,
    /// How many times the kernel has already retransmitted or probed.
    pub retransmits: u8,
}

impl fmt::Display for Timer {
    /// As `ss -o` has it: `timer:(timewait,46sec,0)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "timer:({},{},{})", self.kind, Remaining(self.expires), self.retransmits)
    }
}

/// ss(8)'s way with a remaining time: coarser the longer it is; `6.621ms` is its spelling of 6.621 seconds.
struct Remaining(Duration);

impl fmt::Display for Remaining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.subsec_millis();
        match (self.0.as_secs() / 60, self.0.as_secs() % 60) {
            (0, 0) if milliseconds == 0 => Ok(()),
            (0, 0) => write!(f, "{milliseconds:03}ms"),
            (0, seconds @ 1..=9) if milliseconds > 0 => write!(f, "{seconds}.{milliseconds:03}ms"),
            (0, seconds) => write!(f, "{seconds}sec"),
            (minutes @ 1..=9, seconds @ 1..) => write!(f, "{minutes}min{seconds}sec"),
            (minutes, _) => write!(f, "{minutes}min"),
        }
    }
}

/// A socket as the kernel described it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// Its protocol.
    pub protocol: Protocol,
    /// Its state; see [`Protocol::Udp`].
    pub state: State,
    /// Bytes received and not read yet; of a listener, connections waiting for accept(2).
    pub recv_q: u32,
    /// Bytes sent and not acknowledged yet; of a listener, the most connections that may wait.
    pub send_q: u32,
    /// Its own address; port 0 is none.
    pub local: SocketAddr,
    /// The peer's address; port 0 is none.
    pub peer: SocketAddr,
    /// The timer that runs, if one does.
    pub timer: Option<Timer>,
    /// The user it belongs to; 0 where the socket has outlived its owner (TIME-WAIT).
    pub uid: u32,
    /// Its number in the file system, the N of `/proc/PID/fd`'s `socket:[N]`; 0 where no process holds it.
    pub inode: u32,
    /// The kernel's own number for it (`sk:` of `ss -e`).
    pub cookie: u64,
    /// The index of the interface it is bound to (`SO_BINDTODEVICE`), or of its link-local scope; 0 for any.
    pub interface: u32,
    /// That interface's name, where it could be learnt.
    pub interface_name: Option<String>,
    /// An IPv6 socket takes IPv4 as well unless this is set (`IPV6_V6ONLY`); `None` where the kernel did not say.
    pub v6_only: Option<bool>,
}

impl Row {
    /// The state in ss(8)'s words: `ESTAB`, `UNCONN`, `SYN-RECV`, and RFC 9293's for the rest.
    pub fn state_word(&self) -> &'static str {
        match self.state {
            State::Established => "ESTAB",
            State::Closed => "UNCONN",
            State::SynReceived => "SYN-RECV",
            other => other.rfc(),
        }
    }

    /// The local address as ss(8) writes it, with the interface it is bound to: `127.0.0.1%lo:5500`, `*:80`.
    pub fn local_text(&self) -> String {
        endpoint(self.local, self.interface_text().as_deref(), self.v6_only == Some(false))
    }

    /// The peer's address as ss(8) writes it; no peer is `0.0.0.0:*` or `[::]:*`.
    pub fn peer_text(&self) -> String {
        endpoint(self.peer, None, self.v6_only == Some(false))
    }

    fn interface_text(&self) -> Option<String> {
        match (&self.interface_name, self.interface) {
            (Some(name), _) => Some(name.clone()),
            (None, 0) => None,
            (None, index) => Some(format!("if{index}")),
        }
    }
}

/// `dual`: an unspecified IPv6 address stands for both families, which ss(8) writes `*`.
fn endpoint(address: SocketAddr, interface: Option<&str>, dual: bool) -> String {
    let host = match address.ip() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) if v6.is_unspecified() && dual => "*".to_owned(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    };
    let scope = interface.map(|name| format!("%{name}")).unwrap_or_default();
    match address.port() {
        0 => format!("{host}{scope}:*"),
        port => format!("{host}{scope}:{port}"),
    }
}

impl fmt::Display for Row {
    /// Its line: protocol, state, queues, addresses, timer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}  {}  {}", self.protocol, self.state_word(), self.recv_q, self.send_q)?;
        write!(f, "  {}  {}", self.local_text(), self.peer_text())?;
        self.timer.map_or(Ok(()), |timer| write!(f, "  {timer}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remaining(milliseconds: u64) -> String {
        Remaining(Duration::from_millis(milliseconds)).to_string()
    }

    #[test]
    fn times_are_written_as_ss_writes_them() {
        let expected = [
            (0, ""),
            (7, "007ms"),
            (400, "400ms"),
            (1_000, "1sec"),
            (6_621, "6.621ms"),
            (10_900, "10sec"),
            (46_000, "46sec"),
            (60_000, "1min"),
            (119_300, "1min59sec"),
            (600_000, "10min"),
            (659_000, "10min"),
            (7_200_000, "120min"),
        ];
        for (milliseconds, text) in expected {
            assert_eq!(remaining(milliseconds), text, "{milliseconds} ms");
        }
    }

    fn row() -> Row {
        Row {
            protocol: Protocol::Tcp,
            state: State::TimeWait,
            recv_q: 0,
            send_q: 0,
            local: "127.0.0.1:45977".parse().unwrap(),
            peer: "127.0.0.1:3306".parse().unwrap(),
            timer: Some(Timer { kind: TimerKind::TimeWait, expires: Duration::from_secs(46), retransmits: 0 }),
            uid: 0,
            inode: 0,
            cookie: 1,
            interface: 0,
            interface_name: None,
            v6_only: None,
        }
    }

    #[test]
    fn the_articles_line() {
        assert_eq!(
            row().to_string(),
            "tcp  TIME-WAIT  0  0  127.0.0.1:45977  127.0.0.1:3306  timer:(timewait,46sec,0)"
        );
    }

    #[test]
    fn wildcards_scopes_and_mapped_addresses() {
        let any6 = "[::]:80".parse().unwrap();
        let none6 = "[::]:0".parse().unwrap();
        let listener = Row { state: State::Listen, local: any6, peer: none6, v6_only: Some(true), ..row() };
        assert_eq!((listener.local_text(), listener.peer_text()), ("[::]:80".into(), "[::]:*".into()));
        let dual = Row { v6_only: Some(false), ..listener };
        assert_eq!((dual.local_text(), dual.peer_text()), ("*:80".into(), "*:*".into()));
        let mapped = Row { local: "[::ffff:127.0.0.1]:3306".parse().unwrap(), ..row() };
        assert_eq!(mapped.local_text(), "[::ffff:127.0.0.1]:3306");
        let bound = Row { interface: 1, interface_name: Some("lo".into()), ..row() };
        assert_eq!(bound.local_text(), "127.0.0.1%lo:45977");
        let nameless = Row { interface: 7, ..row() };
        assert_eq!(nameless.local_text(), "127.0.0.1%if7:45977");
    }
}
