//! The filter language of ss(8): `state NAME`, `exclude NAME`, then comparisons with `and`, `or`, `not`, `( )`.
//!
//! `src|dst [=|!=] HOST[/BITS][:PORT]` and `sport|dport [=|!=|<|<=|>|>=] [:]PORT`. Two things are left out on purpose and
//! are errors that say so: names of hosts and services (nothing here resolves), and what is not about addresses (`dev`,
//! `fwmark`, `cgroup`, `autobound`).

use std::net::IpAddr;

use super::{Condition, Filter, Network, Order, Side, StateSet};
use crate::error::{Error, Result};

impl Filter {
    /// Reads a filter; an empty text is [`Filter::any`].
    pub fn parse(text: &str) -> Result<Self> {
        let words = words(text)?;
        let mut parser = Parser { words: &words, depth: 0 };
        let states = parser.states()?;
        let condition = if parser.words.is_empty() { None } else { Some(parser.either()?) };
        match parser.words.first() {
            None => Ok(Self { states, condition }),
            Some(word) => Err(wrong(format!("{word:?} is one too many; is a \"(\" missing?"))),
        }
    }
}

impl Order {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "=" | "==" | "eq" => Self::Equal,
            "!=" | "ne" | "neq" => Self::NotEqual,
            "<" | "lt" => Self::Less,
            "<=" | "le" | "leq" => Self::LessOrEqual,
            ">" | "gt" => Self::Greater,
            ">=" | "ge" | "geq" => Self::GreaterOrEqual,
            _ => return None,
        })
    }
}

/// How deep "not" and "(" may be nested.
const DEPTH: u32 = 64;

/// The words of a filter: parentheses and operators stand alone, whatever the spaces.
fn words(text: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let operator = |c: char| "()=!<>&|".contains(c);
        let length = match first {
            '(' | ')' => 1,
            '=' | '!' | '<' | '>' => 1 + usize::from(rest[1..].starts_with('=')),
            '&' | '|' => 1 + usize::from(rest[1..].starts_with(first)),
            _ => rest.find(|c: char| c.is_whitespace() || operator(c)).unwrap_or(rest.len()),
        };
        words.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    match words.len() {
        0..=4096 => Ok(words),
        many => Err(wrong(format!("it has {many} words; at most 4096 are read"))),
    }
}

struct Parser<'a> {
    words: &'a [String],
    depth: u32,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> &'a str {
        self.words.first().map_or("", String::as_str)
    }

    fn next(&mut self, wanted: &str) -> Result<&'a str> {
        let (first, rest) =
            self.words.split_first().ok_or_else(|| wrong(format!("it ends where {wanted} should be")))?;
        self.words = rest;
        Ok(first)
    }

    fn take(&mut self, any: &[&str]) -> bool {
        let there = any.contains(&self.peek());
        self.words = &self.words[usize::from(there)..];
        there
    }

    fn states(&mut self) -> Result<Option<StateSet>> {
        let mut states = None;
        loop {
            if self.take(&["state"]) {
                let named = StateSet::parse(self.next("a state")?)?;
                states = Some(states.unwrap_or(StateSet::NONE).or(named));
            } else if self.take(&["exclude", "excl"]) {
                let named = StateSet::parse(self.next("a state")?)?;
                states = Some(states.unwrap_or(StateSet::ALL).without(named));
            } else {
                return Ok(states);
            }
        }
    }

    fn either(&mut self) -> Result<Condition> {
        let mut left = self.both()?;
        while self.take(&["or", "|", "||"]) {
            left = Condition::Or(Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    /// "and" may be left out.
    fn both(&mut self) -> Result<Condition> {
        let mut left = self.one()?;
        while self.take(&["and", "&", "&&"]) || !matches!(self.peek(), "" | ")" | "or" | "|" | "||") {
            left = Condition::And(Box::new(left), Box::new(self.one()?));
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Condition> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(wrong(format!("it is nested deeper than {DEPTH}")));
        }
        let condition = self.predicate();
        self.depth -= 1;
        condition
    }

    fn predicate(&mut self) -> Result<Condition> {
        match self.next("a comparison")? {
            "not" | "!" => Ok(Condition::Not(Box::new(self.one()?))),
            "(" => {
                let inner = self.either()?;
                if self.take(&[")"]) { Ok(inner) } else { Err(wrong("a \"(\" is not closed")) }
            }
            "sport" => self.port(Side::Local),
            "dport" => self.port(Side::Peer),
            "src" => self.host(Side::Local),
            "dst" => self.host(Side::Peer),
            "state" | "exclude" | "excl" => Err(wrong("states come before the comparisons")),
            word @ ("dev" | "fwmark" | "cgroup" | "autobound") => Err(wrong(format!(
                "{word:?} is not known here; what is: state, exclude, src, dst, sport, dport, and, or, not, ( )"
            ))),
            word => Err(wrong(format!(
                "{word:?} is not a word of the filter language; try \"state time-wait\", \"sport = :80\", \"dst 127.0.0.0/8\""
            ))),
        }
    }

    fn order(&mut self) -> Order {
        match Order::parse(self.peek()) {
            Some(order) => {
                self.words = &self.words[1..];
                order
            }
            None => Order::Equal,
        }
    }

    fn port(&mut self, side: Side) -> Result<Condition> {
        let order = self.order();
        let word = self.next("a port")?;
        Ok(Condition::Port { side, order, port: port(word.strip_prefix(':').unwrap_or(word))? })
    }

    fn host(&mut self, side: Side) -> Result<Condition> {
        let order = self.order();
        let (network, port) = host(self.next("an address")?)?;
        let condition = Condition::Host { side, network, port };
        match order {
            Order::Equal => Ok(condition),
            Order::NotEqual => Ok(Condition::Not(Box::new(condition))),
            _ => Err(wrong("addresses are compared with = and != only")),
        }
    }
}

fn port(word: &str) -> Result<u16> {
    word.parse().map_err(|_| wrong(format!("{word:?} is not a port; give its number, 0 to 65535")))
}

/// `ADDRESS`, `ADDRESS/BITS`, either with `:PORT`; IPv6 in brackets where a port follows; `*` for any.
fn host(word: &str) -> Result<(Option<Network>, Option<u16>)> {
    let (address, port_word) = match word.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((address, ""))) => (address.to_owned(), None),
        Some(Some((address, after))) => match after.split_once(':') {
            Some((bits, port)) => (format!("{address}{bits}"), Some(port)),
            None => (format!("{address}{after}"), None),
        },
        Some(None) => return Err(wrong(format!("{word:?}: the \"[\" is not closed"))),
        None => match word.rsplit_once(':') {
            Some((address, port)) if !address.contains(':') => (address.to_owned(), Some(port)),
            _ => (word.to_owned(), None),
        },
    };
    let network = match address.as_str() {
        "" | "*" => None,
        address => Some(network(address)?),
    };
    let port = match port_word {
        None | Some("*" | "") => None,
        Some(word) => Some(port(word)?),
    };
    Ok((network, port))
}

fn network(text: &str) -> Result<Network> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let address: IpAddr =
        address.parse().map_err(|_| wrong(format!("{address:?} is not an IP address; names are not resolved here")))?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    match bits.map_or(Ok(most), str::parse) {
        Ok(bits) if bits <= most => Ok((address, bits)),
        _ => Err(wrong(format!("{text:?}: a prefix of this address has 0 to {most} bits"))),
    }
}

fn wrong(reason: impl Into<String>) -> Error {
    Error::invalid("filter", reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Row;
    use crate::table::row::Protocol;
    use crate::tcp::State;

    fn row(local: &str, peer: &str) -> Row {
        Row {
            protocol: Protocol::Tcp,
            state: State::Established,
            recv_q: 0,
            send_q: 0,
            local: local.parse().unwrap(),
            peer: peer.parse().unwrap(),
            timer: None,
            uid: 0,
            inode: 0,
            cookie: 0,
            interface: 0,
            interface_name: None,
            v6_only: None,
        }
    }

    fn passes(text: &str) -> bool {
        Filter::parse(text).unwrap().passes(&row("127.0.0.1:5500", "10.1.2.3:40000"))
    }

    fn reason(text: &str) -> String {
        Filter::parse(text).unwrap_err().to_string()
    }

    fn states(text: &str) -> Vec<State> {
        let set = Filter::parse(text).unwrap().states.unwrap();
        State::ALL.into_iter().filter(|state| set.has(*state)).collect()
    }

    #[test]
    fn the_articles_filter() {
        assert_eq!(states("state time-wait"), [State::TimeWait]);
        assert_eq!(states("state TIME_WAIT"), [State::TimeWait]);
        assert_eq!(StateSet::of(State::TimeWait).linux(), 1 << 6);
    }

    #[test]
    fn states_add_up_and_exclude_takes_away() {
        assert_eq!(states("state fin-wait-1 state fin-wait-2"), [State::FinWait1, State::FinWait2]);
        assert_eq!(states("state bucket exclude time-wait"), [State::SynReceived]);
        assert_eq!(states("exclude big"), [State::SynReceived, State::TimeWait]);
        assert_eq!(states("exclude listening").len(), 10);
        assert_eq!(states("state all").len(), 11);
        assert_eq!(states("state connected").len(), 9);
        assert_eq!(states("state synchronized").len(), 8);
        assert!(Filter::parse("").unwrap().states.is_none());
        assert_eq!(Filter::parse("").unwrap(), Filter::any());
    }

    #[test]
    fn every_rfc_name_is_a_state() {
        for state in State::ALL {
            assert_eq!(StateSet::parse(state.rfc()).unwrap(), StateSet::of(state));
        }
    }

    #[test]
    fn syn_received_asks_for_request_sockets_too() {
        assert_eq!(StateSet::of(State::SynReceived).linux(), 1 << 3 | 1 << 12);
    }

    #[test]
    fn ports() {
        for text in [
            "sport = :5500",
            "sport = 5500",
            "sport :5500",
            "sport 5500",
            "sport=:5500",
            "sport eq 5500",
            "dport != 80",
            "dport > 1024",
            "dport gt 1024",
            "sport <= 5500",
            "sport lt 5501",
            "sport >= :5500",
        ] {
            assert!(passes(text), "{text}");
            assert!(!passes(&format!("not {text}")), "not {text}");
            assert!(!passes(&format!("!({text})")), "!({text})");
        }
    }

    #[test]
    fn hosts() {
        for text in [
            "src 127.0.0.1",
            "src = 127.0.0.1",
            "src 127.0.0.0/8",
            "dst 10.1.2.3:40000",
            "dst 10.0.0.0/8:40000",
            "dst :40000",
            "dst *:40000",
            "dst *",
            "src 0.0.0.0/0",
            "dst != 10.1.2.4",
            "src 127.0.0.1:*",
        ] {
            assert!(passes(text), "{text}");
        }
        for text in ["src 127.0.0.2", "dst 10.1.2.3:1", "src [::1]", "src ::/0", "dst 11.0.0.0/8"] {
            assert!(!passes(text), "{text}");
        }
    }

    #[test]
    fn ipv6_and_ipv4_inside_it() {
        let six = row("[2001:db8::1]:443", "[::ffff:127.0.0.1]:50000");
        for text in [
            "src [2001:db8::1]",
            "src 2001:db8::1",
            "src [2001:db8::]/32",
            "src [2001:db8::]/32:443",
            "src [2001:db8::1]:443",
            "dst 127.0.0.1",
            "dst 127.0.0.0/8:50000",
            "dst ::ffff:127.0.0.1",
        ] {
            assert!(Filter::parse(text).unwrap().passes(&six), "{text}");
        }
        assert!(!Filter::parse("src 127.0.0.1").unwrap().passes(&six));
        assert!(!Filter::parse("src [2001:db9::]/32").unwrap().passes(&six));
    }

    #[test]
    fn precedence_and_the_and_between() {
        assert!(passes("sport 1 and sport 2 or sport 5500"));
        assert!(!passes("sport 1 and ( sport 2 or sport 5500 )"));
        assert!(passes("sport 5500 dport 40000"));
        assert!(!passes("sport 5500 dport 40001"));
        assert!(passes("not sport 1 && not dport 2 || sport 3"));
        assert!(passes("( dport = :ssh or sport = :5500 )".replace(":ssh", ":22").as_str()));
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(reason("state sleeping").contains("\"sleeping\" is not a state"));
        assert!(reason("state").contains("ends where a state should be"));
        assert!(reason("sport = :ssh").contains("give its number"));
        assert!(reason("sport 65536").contains("0 to 65535"));
        assert!(reason("dst example.org").contains("not resolved"));
        assert!(reason("dst 10.0.0.0/33").contains("0 to 32 bits"));
        assert!(reason("dst < 10.0.0.1").contains("= and != only"));
        assert!(reason("dst [::1").contains("not closed"));
        assert!(reason("( sport 1").contains("not closed"));
        assert!(reason("sport 1 )").contains("one too many"));
        assert!(reason("sport 1 state closed").contains("states come before"));
        assert!(reason("fwmark = 1").contains("not known here"));
        assert!(reason("established").contains("not a word"));
        assert!(reason(&"(".repeat(10_000)).contains("4096"));
        assert!(reason(&"( ".repeat(4_000)).contains("nested deeper"));
        assert!(reason("sport = ;:é").contains("not a port"));
    }
}
