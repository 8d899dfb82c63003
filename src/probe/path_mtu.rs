//! The largest packet that gets through unfragmented: RFC 1191 and RFC 8201 by their reports where they come, and by
//! RFC 4821's search, sizes between what gets through and what does not, where they are swallowed.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use super::observation::{Observation, Probe, Refusal, Sight, Stamp};
use super::{Next, Session};
use crate::engine::Time;
use crate::packet::icmp::IcmpError;

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The size to start from: the MTU of the first link.
    pub start: usize,
    /// The size that every link carries: 68 (RFC 791), 1280 (RFC 8200).
    pub floor: usize,
    /// Bytes of headers in these sizes.
    pub headers: usize,
    /// How long a probe waits.
    pub timeout: Duration,
    /// How many probes of one size may be lost before it is taken not to fit.
    pub tries: u8,
}

/// What a probe of some size has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It got through.
    Fits {
        /// Bytes of the whole packet.
        size: usize,
    },
    /// Somebody on the way, or this machine (none), says how much fits.
    TooBig {
        /// Bytes of the whole packet.
        size: usize,
        /// What would fit.
        mtu: Option<u32>,
        /// Who says so.
        source: Option<IpAddr>,
    },
    /// Nobody says anything.
    Silence {
        /// Bytes of the whole packet.
        size: usize,
    },
    /// Another error: the host is not to be reached.
    Unreachable {
        /// Who says so.
        source: IpAddr,
        /// What.
        error: IcmpError,
    },
    /// This machine would not send.
    Refused(Refusal),
}

/// The session.
#[derive(Debug)]
pub struct PathMtu {
    plan: Plan,
    /// What is known to fit, and what is known, or taken, not to.
    fits: Option<usize>,
    too_big: usize,
    size: usize,
    lost: u8,
    key: u16,
    waiting: Option<(u16, Time)>,
    over: bool,
    events: VecDeque<Event>,
}

impl PathMtu {
    /// A search.
    pub fn new(plan: Plan) -> Self {
        let start = plan.start.max(plan.floor);
        Self {
            plan,
            fits: None,
            too_big: start + 1,
            size: start,
            lost: 0,
            key: 0,
            waiting: None,
            over: false,
            events: VecDeque::new(),
        }
    }

    /// The largest size that got through; none: nothing did.
    pub fn found(&self) -> Option<usize> {
        self.fits
    }

    fn next_size(&mut self) {
        let fits = self.fits.unwrap_or(self.plan.floor - 1);
        if fits + 1 >= self.too_big {
            self.over = true;
        } else if self.fits.is_none() && self.too_big > self.plan.floor + 1 {
            // Something has to be heard from the host before silence about large packets means anything.
            self.size = self.plan.floor;
        } else {
            self.size = fits + (self.too_big - fits) / 2;
        }
        self.lost = 0;
    }

    fn shrink(&mut self, mtu: Option<u32>) {
        self.too_big = self.too_big.min(self.size);
        match mtu.map(|mtu| mtu as usize) {
            Some(mtu) if (self.plan.floor..self.size).contains(&mtu) => {
                self.too_big = self.too_big.min(mtu + 1);
                self.size = mtu;
                self.lost = 0;
            }
            _ => self.next_size(),
        }
    }
}

impl Session for PathMtu {
    type Event = Event;

    fn poll(&mut self, now: Time) -> Next {
        if let Some((_, deadline)) = self.waiting {
            if now < deadline {
                return Next::Wait(deadline);
            }
            self.waiting = None;
            self.lost += 1;
            self.events.push_back(Event::Silence { size: self.size });
            if self.lost >= self.plan.tries {
                self.too_big = self.too_big.min(self.size);
                if self.size <= self.plan.floor {
                    self.over = true;
                } else {
                    self.next_size();
                }
            }
        }
        if self.over {
            return Next::Done;
        }
        let size = self.size.saturating_sub(self.plan.headers);
        Next::Send(Probe { key: self.key, ttl: None, size: Some(size), flow: 0 })
    }

    fn sent(&mut self, probe: &Probe, at: Stamp) {
        self.waiting = Some((probe.key, at.user.after(self.plan.timeout)));
        self.key = self.key.wrapping_add(1);
    }

    fn refused(&mut self, _probe: &Probe, refusal: Refusal, _now: Time) {
        if refusal.errno == libc::EMSGSIZE {
            self.events.push_back(Event::TooBig { size: self.size, mtu: refusal.mtu, source: None });
            self.shrink(refusal.mtu);
        } else {
            self.events.push_back(Event::Refused(refusal));
            self.over = true;
        }
    }

    fn observe(&mut self, observation: Observation) {
        if self.waiting.is_none_or(|(key, _)| key != observation.key) {
            return;
        }
        match observation.sight {
            Sight::Departure => {}
            Sight::Reply { .. } => {
                self.waiting = None;
                self.events.push_back(Event::Fits { size: self.size });
                self.fits = Some(self.size);
                self.next_size();
            }
            Sight::Error { error, .. } if error.is_too_big() => {
                self.waiting = None;
                let source = Some(observation.source);
                self.events.push_back(Event::TooBig { size: self.size, mtu: error.mtu, source });
                self.shrink(error.mtu);
            }
            Sight::Error { error, .. } if error.is_advice() => {}
            Sight::Error { error, .. } => {
                self.waiting = None;
                self.events.push_back(Event::Unreachable { source: observation.source, error });
                self.over = true;
            }
        }
    }

    fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::packet::icmp::Version;
    use crate::probe::observation::Manner;

    const HOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 9));

    /// A path of links with these MTUs, whose routers say so or do not; gives what is found and how many probes it took.
    fn search(links: &[usize], speak: bool, say_mtu: bool) -> (Option<usize>, u32) {
        let plan = Plan { start: 9000, floor: 68, headers: 28, timeout: Duration::from_secs(1), tries: 2 };
        let (mut session, mut now, mut count) = (PathMtu::new(plan), Time::default(), 0);
        loop {
            match session.poll(now) {
                Next::Done => return (session.found(), count),
                Next::Wait(until) => now = until,
                Next::Send(probe) => {
                    count += 1;
                    session.sent(&probe, Stamp::user(now));
                    let size = probe.size.expect("a search sets it") + 28;
                    let sight = match links.iter().find(|&&mtu| mtu < size) {
                        None => Sight::Reply {
                            manner: Manner::Echo,
                            ttl: None,
                            size,
                            truncated: false,
                            corrupted_at: None,
                            checksum_ok: true,
                        },
                        Some(_) if !speak => continue,
                        Some(&mtu) => {
                            let mtu = if say_mtu { mtu as u32 } else { 0 };
                            Sight::Error {
                                error: IcmpError::new(Version::V4, 3, 4, mtu),
                                quoted_ttl: None,
                                guessed: None,
                            }
                        }
                    };
                    session.observe(Observation { key: probe.key, source: HOST, at: Stamp::user(now), sight });
                }
            }
        }
    }

    #[test]
    fn reports_are_followed_in_as_many_steps_as_there_are_falls() {
        assert_eq!(search(&[9000, 1500, 1400], true, true), (Some(1400), 3));
        assert_eq!(search(&[9000], true, true), (Some(9000), 1));
    }

    #[test]
    fn a_silent_host_is_not_found() {
        assert_eq!(search(&[10], false, false).0, None);
    }

    proptest! {
        #[test]
        fn any_path_is_measured_whatever_its_routers_say(mtus in proptest::collection::vec(68_usize..9001, 1..5), speak: bool, say: bool) {
            let (found, count) = search(&mtus, speak, say);
            prop_assert_eq!(found, mtus.iter().copied().min());
            prop_assert!(count < 40);
        }
    }
}
