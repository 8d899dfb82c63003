//! Which sockets a listing shows, by their states and addresses; [`parse`] reads it from the language of ss(8).

mod parse;

use std::net::{IpAddr, SocketAddr};

use super::row::Row;
use super::states::StateSet;

/// Which sockets to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// In these states; `None` where the text names none, and the caller's default holds.
    pub states: Option<StateSet>,
    condition: Option<Condition>,
}

/// An address and how many of its leading bits count.
type Network = (IpAddr, u8);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    Port { side: Side, order: Order, port: u16 },
    Host { side: Side, network: Option<Network>, port: Option<u16> },
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Local,
    Peer,
}

impl Side {
    const fn of(self, row: &Row) -> SocketAddr {
        match self {
            Self::Local => row.local,
            Self::Peer => row.peer,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    const fn holds(self, left: u16, right: u16) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

impl Condition {
    fn holds(&self, row: &Row) -> bool {
        match self {
            Self::Port { side, order, port } => order.holds(side.of(row).port(), *port),
            Self::Host { side, network, port } => {
                let address = side.of(row);
                network.is_none_or(|(network, bits)| within(address.ip(), network, bits))
                    && port.is_none_or(|port| port == address.port())
            }
            Self::Not(inner) => !inner.holds(row),
            Self::And(left, right) => left.holds(row) && right.holds(row),
            Self::Or(left, right) => left.holds(row) || right.holds(row),
        }
    }
}

/// Whether `address` (IPv4, IPv6, or IPv4 inside IPv6) is in the network of `bits` leading bits.
fn within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let network_part = |value: u128, width: u32| value.checked_shr(width - u32::from(bits)).unwrap_or(0);
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => network_part(a.to_bits().into(), 32) == network_part(b.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => network_part(a.to_bits(), 128) == network_part(b.to_bits(), 128),
        (IpAddr::V6(a), IpAddr::V4(_)) => a.to_ipv4_mapped().is_some_and(|a| within(a.into(), network, bits)),
        (IpAddr::V4(_), IpAddr::V6(_)) => false,
    }
}

impl Filter {
    /// A filter that lets every address through.
    pub const fn any() -> Self {
        Self { states: None, condition: None }
    }

    /// Whether the addresses of `row` pass; its state is looked at only where the text names states.
    pub fn passes(&self, row: &Row) -> bool {
        self.states.is_none_or(|states| states.has(row.state))
            && self.condition.as_ref().is_none_or(|condition| condition.holds(row))
    }
}
