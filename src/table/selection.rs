//! What a listing is asked for: ss(8)'s options, turned into questions to the kernel.

use super::netlink::{Family, Query};
use super::row::Protocol;
use super::{Filter, StateSet};

/// Which sockets. No protocol chosen means both, and so with the families.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// TCP (`-t`).
    pub tcp: bool,
    /// UDP (`-u`).
    pub udp: bool,
    /// IPv4 (`-4`).
    pub ipv4: bool,
    /// IPv6 (`-6`).
    pub ipv6: bool,
    /// Only listeners (`-l`).
    pub listening: bool,
    /// In any state (`-a`).
    pub all: bool,
}

impl Selection {
    /// The states: those of the filter, else those of the options.
    pub fn states(&self, filter: &Filter) -> StateSet {
        filter.states.unwrap_or(match (self.all, self.listening) {
            (true, _) => StateSet::ALL,
            (false, true) => StateSet::listening(),
            (false, false) => StateSet::default_shown(),
        })
    }

    /// The questions, in ss(8)'s order: UDP before TCP, IPv4 before IPv6.
    pub fn questions(&self, filter: &Filter) -> Vec<Query> {
        let states = self.states(filter);
        let protocols = chosen([(self.udp, Protocol::Udp), (self.tcp, Protocol::Tcp)]);
        let families = chosen([(self.ipv4, Family::V4), (self.ipv6, Family::V6)]);
        protocols
            .iter()
            .flat_map(|protocol| families.iter().map(|family| Query { protocol: *protocol, family: *family, states }))
            .collect()
    }
}

fn chosen<T: Copy>(options: [(bool, T); 2]) -> Vec<T> {
    let none = options.iter().all(|(wanted, _)| !wanted);
    options.into_iter().filter(|(wanted, _)| *wanted || none).map(|(_, value)| value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::State;

    #[test]
    fn nothing_chosen_is_everything() {
        let questions = Selection::default().questions(&Filter::any());
        let pairs: Vec<_> = questions.iter().map(|query| (query.protocol, query.family)).collect();
        let (udp, tcp) = (Protocol::Udp, Protocol::Tcp);
        assert_eq!(pairs, [(udp, Family::V4), (udp, Family::V6), (tcp, Family::V4), (tcp, Family::V6)]);
        let six = Selection { tcp: true, ipv6: true, ..Selection::default() };
        assert_eq!(six.questions(&Filter::any()).len(), 1);
    }

    #[test]
    fn states_come_from_the_filter_before_the_options() {
        let listening = Selection { listening: true, ..Selection::default() };
        assert_eq!(listening.states(&Filter::any()), StateSet::listening());
        assert_eq!(listening.states(&Filter::parse("state time-wait").unwrap()), StateSet::of(State::TimeWait));
        let all = Selection { all: true, ..listening };
        assert_eq!(all.states(&Filter::any()), StateSet::ALL);
        let shown = Selection::default().states(&Filter::any());
        let hidden: Vec<_> = State::ALL.into_iter().filter(|state| !shown.has(*state)).collect();
        assert_eq!(hidden, [State::Closed, State::Listen, State::SynReceived, State::TimeWait]);
    }
}
