//! A traceroute: probes with growing TTLs, and what the routers on the way say.
//!
//! All probes of a flow look alike to load balancers (Augustin et al., "Avoiding traceroute anomalies with Paris
//! traceroute", 2006). With `multipath`, each hop is asked by as many flows as are needed to be 95 % sure that all its
//! addresses were seen (the MDA of the same authors, 2007), for balancers that spread flows evenly.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::multipath::probes_for;
use super::observation::{Clock, Manner, Observation, Probe, Refusal, Sight, Stamp};
use super::{Next, Session};
use crate::engine::Time;
use crate::packet::icmp::IcmpError;

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The first TTL.
    pub first: u8,
    /// The last TTL.
    pub last: u8,
    /// Probes a hop.
    pub probes: u16,
    /// How long each waits.
    pub timeout: Duration,
    /// At least so long from one probe to the next.
    pub interval: Duration,
    /// How many may wait at a time, and of one flow.
    pub window: usize,
    /// How many of one flow may wait at a time.
    pub flow_window: usize,
    /// All probes of one flow; else each of its own.
    pub paris: bool,
    /// As many flows a hop as it takes to see all its addresses.
    pub multipath: bool,
    /// Bytes of payload.
    pub size: usize,
    /// Bytes of headers before the payload: set to follow reports of smaller MTUs down.
    pub follow_mtu: Option<usize>,
}

/// How a probe ended at a hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The target answered.
    Reached(Manner),
    /// Somebody reports an error.
    Error(IcmpError),
    /// Nobody says anything in time.
    Silence,
    /// This machine would not send.
    Refused(Refusal),
}

/// What there is to tell of a traceroute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The probe's TTL.
    pub ttl: u8,
    /// Which of the probes with this TTL, from 0.
    pub query: u16,
    /// Its flow.
    pub flow: u16,
    /// How it ended.
    pub outcome: Outcome,
    /// Who says so.
    pub source: Option<IpAddr>,
    /// How long it took, and by which clock.
    pub time: Option<(Duration, Clock)>,
    /// The TTL that the answer came with.
    pub reply_ttl: Option<u8>,
    /// The TTL that the probe had left when it was quoted.
    pub quoted_ttl: Option<u8>,
    /// Bytes of payload that it carried.
    pub size: usize,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    ttl: u8,
    query: u16,
    flow: u16,
    size: usize,
    sent: Stamp,
    deadline: Time,
}

/// How a hop stands.
#[derive(Clone, Debug, Default)]
struct Hop {
    asked: u16,
    again: Vec<u16>,
    addresses: Vec<IpAddr>,
}

/// The session.
#[derive(Debug)]
pub struct Trace {
    plan: Plan,
    target: IpAddr,
    hops: BTreeMap<u8, Hop>,
    /// The TTL beyond which there is nothing to ask.
    limit: u8,
    /// Added to the flows' numbers on the wire: another one is another set of flows.
    shift: u16,
    key: u16,
    size: usize,
    due: Time,
    waiting: HashMap<u16, Waiting>,
    events: VecDeque<Event>,
    chosen: Option<(u8, u16)>,
}

impl Trace {
    /// A traceroute to `target`.
    pub fn new(plan: Plan, target: IpAddr) -> Self {
        Self {
            plan,
            target,
            hops: BTreeMap::new(),
            limit: plan.last,
            shift: 0,
            key: 0,
            size: plan.size,
            due: Time::default(),
            waiting: HashMap::new(),
            events: VecDeque::new(),
            chosen: None,
        }
    }

    /// How many probes the hop with that TTL needs by what is known of it.
    fn wanted(&self, hop: &Hop) -> u16 {
        if self.plan.multipath {
            probes_for(hop.addresses.len().max(1)).max(self.plan.probes)
        } else {
            self.plan.probes
        }
    }

    fn flow(&self, query: u16) -> u16 {
        match (self.plan.multipath, self.plan.paris) {
            (true, _) => query,
            (false, true) => 0,
            (false, false) => self.key,
        }
    }

    /// The next probe to send: what has to be sent again first, then hop by hop.
    fn choose(&mut self) -> Option<(u8, u16)> {
        for ttl in self.plan.first..=self.limit {
            let hop = self.hops.get(&ttl).cloned().unwrap_or_default();
            if let Some(&query) = hop.again.first() {
                return Some((ttl, query));
            }
            if hop.asked < self.wanted(&hop) {
                return Some((ttl, hop.asked));
            }
        }
        None
    }

    fn give_up(&mut self, now: Time) {
        let mut over: Vec<u16> = self.waiting.iter().filter(|(_, w)| w.deadline <= now).map(|(&key, _)| key).collect();
        over.sort_unstable();
        for key in over {
            if let Some(waiting) = self.waiting.remove(&key) {
                self.tell(&waiting, Outcome::Silence, None, None, (None, None));
            }
        }
    }

    fn tell(
        &mut self,
        waiting: &Waiting,
        outcome: Outcome,
        source: Option<IpAddr>,
        at: Option<Stamp>,
        ttls: (Option<u8>, Option<u8>),
    ) {
        let &Waiting { ttl, query, flow, size, sent, .. } = waiting;
        let time = at.map(|at| sent.until(at));
        let (reply_ttl, quoted_ttl) = ttls;
        self.events.push_back(Event { ttl, query, flow, outcome, source, time, reply_ttl, quoted_ttl, size });
    }

    /// An error quotes too little to tell of which probe of its flow it is. So what is under way begins again, by other
    /// flows (what still comes of the old ones is nobody's) and one probe of a flow at a time, which leaves no doubt.
    fn begin_again(&mut self) {
        self.plan.flow_window = 1;
        self.shift = 1 << 15;
        for Waiting { ttl, query, .. } in std::mem::take(&mut self.waiting).into_values() {
            let again = &mut self.hops.entry(ttl).or_default().again;
            again.push(query);
            again.sort_unstable();
        }
    }

    /// The one probe of a flow that waits.
    fn only(&self, flow: u16) -> Option<u16> {
        self.waiting.iter().find(|(_, waiting)| waiting.flow ^ self.shift == flow).map(|(&key, _)| key)
    }

    /// Remembers who is at a hop.
    fn note(&mut self, ttl: u8, source: IpAddr) {
        let hop = self.hops.entry(ttl).or_default();
        if !hop.addresses.contains(&source) {
            hop.addresses.push(source);
        }
    }
}

impl Session for Trace {
    type Event = Event;

    fn poll(&mut self, now: Time) -> Next {
        self.give_up(now);
        let first = self.waiting.values().map(|waiting| waiting.deadline).min();
        let chosen = self.choose();
        self.chosen = chosen;
        let Some((ttl, query)) = chosen else { return first.map_or(Next::Done, Next::Wait) };
        let flow = self.flow(query);
        let same = self.waiting.values().filter(|waiting| waiting.flow == flow).count();
        if self.waiting.len() >= self.plan.window || same >= self.plan.flow_window {
            return first.map_or(Next::Done, Next::Wait);
        }
        if now < self.due {
            return Next::Wait(first.map_or(self.due, |first| first.min(self.due)));
        }
        Next::Send(Probe { key: self.key, ttl: Some(ttl), size: Some(self.size), flow: flow ^ self.shift })
    }

    fn sent(&mut self, probe: &Probe, at: Stamp) {
        let Some((ttl, query)) = self.chosen.take() else { return };
        let hop = self.hops.entry(ttl).or_default();
        if hop.again.first() == Some(&query) {
            hop.again.remove(0);
        } else {
            hop.asked += 1;
        }
        let deadline = at.user.after(self.plan.timeout);
        let waiting = Waiting { ttl, query, flow: probe.flow ^ self.shift, size: self.size, sent: at, deadline };
        self.waiting.insert(probe.key, waiting);
        self.key = self.key.wrapping_add(1);
        self.due = at.user.after(self.plan.interval);
    }

    fn refused(&mut self, probe: &Probe, refusal: Refusal, now: Time) {
        if let (libc::EMSGSIZE, Some(mtu), Some(headers)) = (refusal.errno, refusal.mtu, self.plan.follow_mtu) {
            let smaller = (mtu as usize).saturating_sub(headers);
            if smaller < self.size {
                self.size = smaller;
                return;
            }
        }
        self.sent(probe, Stamp::user(now));
        if let Some(waiting) = self.waiting.remove(&probe.key) {
            // What this machine will not do for one probe, it will not do for the next.
            self.limit = self.limit.min(waiting.ttl);
            self.tell(&waiting, Outcome::Refused(refusal), None, None, (None, None));
        }
    }

    fn observe(&mut self, observation: Observation) {
        let Observation { key, source, at, sight } = observation;
        if sight == Sight::Departure {
            if let Some(waiting) = self.waiting.get_mut(&key) {
                waiting.sent = Stamp { user: waiting.sent.user, ..at };
            }
            return;
        }
        let key = match sight {
            Sight::Error { guessed: Some(_), .. } if self.plan.flow_window > 1 => return self.begin_again(),
            Sight::Error { guessed: Some(flow), .. } => match self.only(flow) {
                Some(key) => key,
                None => return,
            },
            _ => key,
        };
        let advice = matches!(&sight, Sight::Error { error, .. } if error.is_advice());
        let waiting = if advice { self.waiting.get(&key).copied() } else { self.waiting.remove(&key) };
        let Some(waiting) = waiting else { return };
        match sight {
            Sight::Departure => {}
            Sight::Reply { manner, ttl, .. } => {
                self.note(waiting.ttl, source);
                self.limit = self.limit.min(waiting.ttl);
                self.tell(&waiting, Outcome::Reached(manner), Some(source), Some(at), (ttl, None));
            }
            Sight::Error { error, quoted_ttl, .. } => {
                let smaller = match (error.is_too_big(), error.mtu, self.plan.follow_mtu) {
                    (true, Some(mtu), Some(headers)) => Some((mtu as usize).saturating_sub(headers)),
                    _ => None,
                };
                match smaller {
                    Some(smaller) if smaller < waiting.size => {
                        self.size = self.size.min(smaller);
                        self.hops.entry(waiting.ttl).or_default().again.push(waiting.query);
                    }
                    _ => {
                        self.note(waiting.ttl, source);
                        // The way ends here: whoever says "unreachable" says it of all that is beyond.
                        if !(error.is_time_exceeded() || error.is_advice()) || source == self.target {
                            self.limit = self.limit.min(waiting.ttl);
                        }
                    }
                }
                self.tell(&waiting, Outcome::Error(error), Some(source), Some(at), (None, quoted_ttl));
            }
        }
    }

    fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::icmp::Version;

    const TARGET: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 9));

    fn plan() -> Plan {
        Plan {
            first: 1,
            last: 30,
            probes: 2,
            timeout: Duration::from_secs(1),
            interval: Duration::ZERO,
            window: 6,
            flow_window: 6,
            paris: true,
            multipath: false,
            size: 32,
            follow_mtu: None,
        }
    }

    fn router(ttl: u8, branch: u8) -> IpAddr {
        IpAddr::from([10, 0, branch, ttl])
    }

    /// Runs a trace over a path of `length` hops, whose routers are `at(ttl, flow)`; none: silence.
    fn run(plan: Plan, length: u8, at: impl Fn(u8, u16) -> Option<IpAddr>) -> Vec<Event> {
        let (mut trace, mut now, mut events) = (Trace::new(plan, TARGET), 0, Vec::new());
        let mut wire: VecDeque<Observation> = VecDeque::new();
        loop {
            let next = trace.poll(Time::from_nanos(now));
            events.extend(std::iter::from_fn(|| trace.event()));
            match next {
                Next::Done => break,
                Next::Send(probe) => {
                    trace.sent(&probe, Stamp::user(Time::from_nanos(now)));
                    let ttl = probe.ttl.expect("a trace sets it");
                    let sight = if ttl >= length {
                        Sight::Reply {
                            manner: Manner::Echo,
                            ttl: Some(60),
                            size: 40,
                            truncated: false,
                            corrupted_at: None,
                            checksum_ok: true,
                        }
                    } else {
                        Sight::Error {
                            error: IcmpError::new(Version::V4, 11, 0, 0),
                            quoted_ttl: Some(1),
                            guessed: None,
                        }
                    };
                    let source = if ttl >= length { Some(TARGET) } else { at(ttl, probe.flow) };
                    wire.extend(source.map(|source| Observation {
                        key: probe.key,
                        source,
                        at: Stamp::user(Time::from_nanos(now + 1000)),
                        sight,
                    }));
                }
                Next::Wait(until) => match wire.pop_front() {
                    Some(observation) => trace.observe(observation),
                    None => now = until.as_nanos(),
                },
            }
        }
        events.sort_by_key(|event| (event.ttl, event.query));
        events
    }

    #[test]
    fn hop_by_hop_to_the_target_and_no_further() {
        let events = run(plan(), 4, |ttl, _| Some(router(ttl, 0)));
        let seen: Vec<_> =
            events.iter().filter(|event| event.ttl <= 4).map(|event| (event.ttl, event.source)).collect();
        let hops = [router(1, 0), router(2, 0), router(3, 0), TARGET];
        let wanted: Vec<_> = (1..=4).flat_map(|ttl| [(ttl, Some(hops[usize::from(ttl) - 1])); 2]).collect();
        assert_eq!(seen, wanted);
        // What was under way when the target answered is not more than a window.
        assert!(events.len() <= 8 + 6, "{}", events.len());
        assert!(events.iter().all(|event| event.flow == 0));
    }

    #[test]
    fn a_silent_hop_is_a_hop() {
        let events = run(plan(), 3, |ttl, _| (ttl != 2).then(|| router(ttl, 0)));
        let silent: Vec<_> = events.iter().filter(|event| event.outcome == Outcome::Silence).map(|e| e.ttl).collect();
        assert_eq!(silent, [2, 2]);
    }

    #[test]
    fn multipath_asks_until_it_is_sure() {
        let plan = Plan { multipath: true, window: 100, flow_window: 100, ..plan() };
        let events = run(plan, 3, |ttl, flow| Some(router(ttl, (flow % 2) as u8)));
        let at = |ttl| events.iter().filter(|event| event.ttl == ttl).count();
        assert_eq!(at(1), usize::from(probes_for(2)));
        assert!(at(3) >= 6);
    }

    #[test]
    fn where_errors_do_not_say_of_which_probe_one_at_a_time_goes() {
        // Routers of one flow all answer with the same words, and the second is silent.
        let (mut trace, mut now, mut events) = (Trace::new(plan(), TARGET), 0, Vec::new());
        let mut wire: VecDeque<(u16, Observation)> = VecDeque::new();
        let mut most = 0;
        loop {
            let next = trace.poll(Time::from_nanos(now));
            events.extend(std::iter::from_fn(|| trace.event()));
            match next {
                Next::Done => break,
                Next::Send(probe) => {
                    now += 1000;
                    trace.sent(&probe, Stamp::user(Time::from_nanos(now)));
                    let ttl = probe.ttl.expect("a trace sets it");
                    let (source, sight) = match ttl {
                        2 => continue,
                        1 | 3 => {
                            let error = IcmpError::new(Version::V4, 11, 0, 0);
                            (router(ttl, 0), Sight::Error { error, quoted_ttl: None, guessed: Some(probe.flow) })
                        }
                        _ => {
                            let error = IcmpError::new(Version::V4, 3, 3, 0);
                            (TARGET, Sight::Error { error, quoted_ttl: None, guessed: Some(probe.flow) })
                        }
                    };
                    let at = Stamp::user(Time::from_nanos(now + 500));
                    // The key is a guess, and a bad one.
                    wire.push_back((probe.flow, Observation { key: 0, source, at, sight }));
                    most = most.max(wire.iter().filter(|(flow, _)| *flow == 1 << 15).count());
                }
                Next::Wait(until) => match wire.pop_front() {
                    Some((_, observation)) => trace.observe(observation),
                    None => now = until.as_nanos(),
                },
            }
        }
        events.sort_by_key(|event| (event.ttl, event.query));
        let seen: Vec<_> = events.iter().map(|event| (event.ttl, event.source)).collect();
        let wanted: Vec<_> = [(1, Some(router(1, 0))), (2, None), (3, Some(router(3, 0))), (4, Some(TARGET))]
            .into_iter()
            .flat_map(|hop| [hop; 2])
            .collect();
        assert_eq!((seen, most), (wanted, 1));
        assert!(events.iter().all(|event| event.flow == 0));
    }

    #[test]
    fn smaller_mtus_are_followed() {
        let plan = Plan { probes: 1, last: 2, window: 1, size: 1472, follow_mtu: Some(28), ..plan() };
        let mut trace = Trace::new(plan, TARGET);
        let Next::Send(probe) = trace.poll(Time::default()) else { panic!("a probe") };
        trace.sent(&probe, Stamp::default());
        let error = IcmpError::new(Version::V4, 3, 4, 1300);
        let sight = Sight::Error { error, quoted_ttl: None, guessed: None };
        trace.observe(Observation { key: probe.key, source: router(1, 0), at: Stamp::default(), sight });
        let Next::Send(again) = trace.poll(Time::default()) else { panic!("the probe again") };
        assert_eq!((again.ttl, again.size), (Some(1), Some(1272)));
    }
}
