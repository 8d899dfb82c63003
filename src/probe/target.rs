//! What a sweep is pointed at: addresses, networks, names; endless supplies of them, never held in memory at once.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::{Error, Result};

/// A network of more hosts than this is a mistake: at a million probes a second it takes more than an hour.
pub const LARGEST_NETWORK: u128 = 1 << 32;

/// One word of the input, as far as it is understood without asking anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The hosts from the first to the last address, which are of one family.
    Hosts(IpAddr, IpAddr),
    /// A name.
    Name(String),
}

impl Target {
    /// Reads `192.0.2.1`, `192.0.2.1-192.0.2.9`, `192.0.2.0/24` (without its network and broadcast address, where it has
    /// some), or a name.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if let Ok(address) = text.parse() {
            return Ok(Self::Hosts(address, address));
        }
        if let Some((first, last)) = text.split_once('-')
            && let (Ok(first), Ok(last)) = (first.trim().parse::<IpAddr>(), last.trim().parse::<IpAddr>())
        {
            let bad = |reason| Error::invalid("target", format!("{text:?} is not a range: {reason}"));
            if first.is_ipv4() != last.is_ipv4() {
                return Err(bad("its ends are of two families"));
            }
            let count = number(last).checked_sub(number(first)).ok_or_else(|| bad("it ends before it begins"))?;
            if count >= LARGEST_NETWORK {
                return Err(bad("it has more than 2^32 hosts"));
            }
            return Ok(Self::Hosts(first, last));
        }
        let Some((base, length)) = text.split_once('/') else {
            return if text.is_empty() {
                Err(Error::invalid("target", "an empty text is neither an address nor a name"))
            } else {
                Ok(Self::Name(text.to_owned()))
            };
        };
        let bad = |reason: String| Error::invalid("target", format!("{text:?} is not a network: {reason}"));
        let base: IpAddr = base.parse().map_err(|_| bad(format!("{base:?} is not an address")))?;
        let bits = if base.is_ipv4() { 32 } else { 128 };
        let length: u32 = length
            .parse()
            .ok()
            .filter(|&length| length <= bits)
            .ok_or_else(|| bad(format!("a prefix length is a number up to {bits}")))?;
        let host = u128::MAX.checked_shr(128 - (bits - length)).unwrap_or(0);
        if host >= LARGEST_NETWORK {
            let reason = format!("{text} has 2^{} hosts; sweep networks of at most 2^32", bits - length);
            return Err(Error::invalid("target", reason));
        }
        let (mut first, mut last) = (number(base) & !host, number(base) | host);
        if base.is_ipv4() && length < 31 {
            (first, last) = (first + 1, last - 1);
        }
        Ok(Self::Hosts(address(first, base), address(last, base)))
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

fn address(number: u128, like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from(number as u32)),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(number)),
    }
}

/// The hosts of the targets that were given, in their order; names are taken out one by one.
#[derive(Debug, Default)]
pub struct Supply {
    targets: VecDeque<Target>,
}

/// What comes next out of a [`Supply`].
#[derive(Debug, PartialEq, Eq)]
pub enum Supplied {
    /// An address.
    Host(IpAddr),
    /// A name, to be resolved.
    Name(String),
}

impl Supply {
    /// Adds a target at the end.
    pub fn push(&mut self, target: Target) {
        self.targets.push_back(target);
    }

    /// How many targets wait; a network is one.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }
}

impl Iterator for Supply {
    type Item = Supplied;

    fn next(&mut self) -> Option<Supplied> {
        match self.targets.pop_front()? {
            Target::Name(name) => Some(Supplied::Name(name)),
            Target::Hosts(first, last) => {
                if number(first) < number(last) {
                    self.targets.push_front(Target::Hosts(address(number(first) + 1, first), last));
                }
                Some(Supplied::Host(first))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(texts: &[&str]) -> Vec<String> {
        let mut supply = Supply::default();
        texts.iter().for_each(|text| supply.push(Target::parse(text).expect("a target")));
        supply
            .map(|next| match next {
                Supplied::Host(address) => address.to_string(),
                Supplied::Name(name) => name,
            })
            .collect()
    }

    #[test]
    fn addresses_networks_and_names() {
        assert_eq!(hosts(&["192.0.2.0/30", "::1", "example"]), ["192.0.2.1", "192.0.2.2", "::1", "example"]);
        assert_eq!(hosts(&["192.0.2.9/31"]), ["192.0.2.8", "192.0.2.9"]);
        assert_eq!(hosts(&["192.0.2.9/32", "fd00::/127"]), ["192.0.2.9", "fd00::", "fd00::1"]);
        assert_eq!(hosts(&["10.0.0.0/16"]).len(), 65_534);
        assert_eq!(hosts(&["192.0.2.9-192.0.2.10", "a-b"]), ["192.0.2.9", "192.0.2.10", "a-b"]);
        assert_eq!(hosts(&["255.255.255.254/31"]), ["255.255.255.254", "255.255.255.255"]);
    }

    #[test]
    fn what_cannot_be_swept() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "fd00::/64",
            "::/0",
            "a/b",
            "10.0.0.0/-1",
            "fd00::/96x",
            "10.0.0.2-10.0.0.1",
            "10.0.0.1-::1",
        ] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
        let error = Target::parse("fd00::/64").expect_err("too many").to_string();
        assert!(error.contains("2^64 hosts"), "{error}");
        assert!(Target::parse("0.0.0.0/0").is_ok());
        assert!(Target::parse("fd00::/97").is_ok());
    }
}
