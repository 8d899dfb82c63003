//! A ping: probes at an interval to one host, each with its own time to wait for an answer.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::observation::{Clock, Manner, Observation, Probe, Refusal, Sight, Stamp};
use super::statistics::Statistics;
use super::{Next, Session};
use crate::engine::Time;
use crate::packet::icmp::IcmpError;

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many probes; none: until told to stop.
    pub count: Option<u64>,
    /// From one probe to the next. Zero: the next goes when the last is answered or given up.
    pub interval: Duration,
    /// How long each probe waits for its answer.
    pub timeout: Duration,
    /// How long the whole may take.
    pub deadline: Option<Duration>,
    /// How long to go on listening after the last probe has ended: for further answers.
    pub linger: Duration,
}

/// An answer to a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Which probe, counted from 1.
    pub number: u64,
    /// How long it took.
    pub time: Duration,
    /// By which clock.
    pub clock: Clock,
    /// Who answered.
    pub source: IpAddr,
    /// How.
    pub manner: Manner,
    /// The TTL or hop limit it came with.
    pub ttl: Option<u8>,
    /// Its size in bytes.
    pub size: usize,
    /// The probe had been answered before.
    pub duplicate: bool,
    /// The probe had been given up.
    pub late: bool,
    /// A later probe had been answered before.
    pub out_of_order: bool,
    /// It repeats less than was sent.
    pub truncated: bool,
    /// The first byte of the payload that is not as sent.
    pub corrupted_at: Option<usize>,
    /// Its checksum is right.
    pub checksum_ok: bool,
    /// It came from another address than the probe went to.
    pub wrong_source: bool,
}

/// What there is to tell of a ping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An answer.
    Reply(Reply),
    /// A router or the host reports an error.
    Error {
        /// Which probe, counted from 1.
        number: u64,
        /// How long it took.
        time: Duration,
        /// By which clock.
        clock: Clock,
        /// Who reports.
        source: IpAddr,
        /// What.
        error: IcmpError,
    },
    /// This machine would not send.
    Refused {
        /// Which probe, counted from 1.
        number: u64,
        /// Why.
        refusal: Refusal,
    },
    /// No answer in time.
    Silence {
        /// Which probe, counted from 1.
        number: u64,
    },
}

/// What has been counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Probes that went out.
    pub sent: u64,
    /// Probes answered in time.
    pub received: u64,
    /// Further answers.
    pub duplicates: u64,
    /// Answers after their time.
    pub late: u64,
    /// Error reports, and probes that this machine would not send.
    pub errors: u64,
    /// Probes that still wait.
    pub open: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Answered,
    GivenUp,
    Failed,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    number: u64,
    sent: Stamp,
    state: State,
}

/// The session.
#[derive(Debug)]
pub struct Ping {
    plan: Plan,
    target: IpAddr,
    any_source: bool,
    started: Option<Time>,
    next: u64,
    due: Time,
    highest: u64,
    entries: HashMap<u16, Entry>,
    waiting: VecDeque<(Time, u64)>,
    /// When all was sent and ended, if so.
    ended: Option<Time>,
    events: VecDeque<Event>,
    counts: Counts,
    statistics: Statistics,
    kernel_clock: u64,
}

impl Ping {
    /// A ping of `target`.
    pub fn new(plan: Plan, target: IpAddr) -> Self {
        let any_source = match target {
            IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast() || v4.is_unspecified(),
            IpAddr::V6(v6) => v6.is_multicast() || v6.is_unspecified(),
        };
        Self {
            plan,
            target,
            any_source,
            started: None,
            next: 1,
            due: Time::default(),
            highest: 0,
            entries: HashMap::new(),
            waiting: VecDeque::new(),
            ended: None,
            events: VecDeque::new(),
            counts: Counts::default(),
            statistics: Statistics::default(),
            kernel_clock: 0,
        }
    }

    /// What has been counted so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The times of the answers so far.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// How many of the times are by the kernel's clock.
    pub fn kernel_clock(&self) -> u64 {
        self.kernel_clock
    }

    fn give_up(&mut self, now: Time) {
        while let Some(&(deadline, number)) = self.waiting.front() {
            let open = self.open(number);
            if open && deadline > now {
                break;
            }
            self.waiting.pop_front();
            if open {
                self.close(number as u16, State::GivenUp);
                self.events.push_back(Event::Silence { number });
            }
        }
    }

    fn open(&self, number: u64) -> bool {
        self.entries.get(&(number as u16)).is_some_and(|entry| entry.number == number && entry.state == State::Open)
    }

    fn close(&mut self, key: u16, state: State) {
        if let Some(entry) = self.entries.get_mut(&key) {
            if entry.state == State::Open {
                self.counts.open -= 1;
            }
            entry.state = state;
        }
    }
}

impl Session for Ping {
    type Event = Event;

    fn poll(&mut self, now: Time) -> Next {
        let started = *self.started.get_or_insert(now);
        if self.next == 1 {
            self.due = started;
        }
        self.give_up(now);
        let end = self.plan.deadline.map(|deadline| started.after(deadline));
        if end.is_some_and(|end| now >= end) {
            return Next::Done;
        }
        let more = self.plan.count.is_none_or(|count| self.next <= count);
        let ready = if self.plan.interval.is_zero() { self.counts.open == 0 } else { now >= self.due };
        if more && ready {
            return Next::Send(Probe { key: self.next as u16, ttl: None, size: None, flow: 0 });
        }
        let answer = self.waiting.front().map(|&(deadline, _)| deadline);
        let due = (more && !self.plan.interval.is_zero()).then_some(self.due);
        let next = [answer, due].into_iter().flatten().min();
        let until = next.or_else(|| {
            let last = self.ended.get_or_insert(now).after(self.plan.linger);
            (now < last).then_some(last)
        });
        match until {
            Some(until) => Next::Wait(end.map_or(until, |end| end.min(until))),
            None => Next::Done,
        }
    }

    fn sent(&mut self, probe: &Probe, at: Stamp) {
        let number = self.next;
        self.next += 1;
        self.counts.sent += 1;
        self.counts.open += 1;
        self.entries.insert(probe.key, Entry { number, sent: at, state: State::Open });
        self.waiting.push_back((at.user.after(self.plan.timeout), number));
        // A pace is kept, from the first departure on; what was missed (the machine slept) is not made up for by a burst.
        let due = if number == 1 { at.user } else { self.due };
        self.due = due.after(self.plan.interval).max(at.user);
    }

    fn refused(&mut self, probe: &Probe, refusal: Refusal, now: Time) {
        let number = self.next;
        self.next += 1;
        self.counts.sent += 1;
        self.counts.errors += 1;
        self.entries.insert(probe.key, Entry { number, sent: Stamp::user(now), state: State::Failed });
        self.due = self.due.after(self.plan.interval).max(now);
        self.events.push_back(Event::Refused { number, refusal });
    }

    fn observe(&mut self, observation: Observation) {
        let Observation { key, source, at, sight } = observation;
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let Entry { number, sent, state } = *entry;
        let (time, clock) = sent.until(at);
        match sight {
            Sight::Departure => entry.sent = Stamp { user: sent.user, ..at },
            Sight::Reply { manner, ttl, size, truncated, corrupted_at, checksum_ok } => {
                let reply = Reply {
                    number,
                    time,
                    clock,
                    source,
                    manner,
                    ttl,
                    size,
                    duplicate: state == State::Answered,
                    late: state == State::GivenUp || (state == State::Open && time > self.plan.timeout),
                    out_of_order: number < self.highest,
                    truncated,
                    corrupted_at,
                    checksum_ok,
                    wrong_source: !self.any_source && source != self.target,
                };
                self.highest = self.highest.max(number);
                if reply.duplicate {
                    self.counts.duplicates += 1;
                } else {
                    if reply.late {
                        self.counts.late += 1;
                    } else {
                        self.counts.received += 1;
                        self.statistics.add(time);
                        self.kernel_clock += u64::from(clock == Clock::Kernel);
                    }
                    self.close(key, State::Answered);
                }
                self.events.push_back(Event::Reply(reply));
            }
            Sight::Error { error, .. } => {
                self.counts.errors += 1;
                if !error.is_advice() && state == State::Open {
                    self.close(key, State::Failed);
                }
                self.events.push_back(Event::Error { number, time, clock, source, error });
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

    const HOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn at(millis: u64) -> Time {
        Time::from_nanos(millis * 1_000_000)
    }

    fn ping(count: u64, interval: u64, timeout: u64) -> Ping {
        let millis = Duration::from_millis;
        let plan = Plan {
            count: Some(count),
            interval: millis(interval),
            timeout: millis(timeout),
            deadline: None,
            linger: Duration::ZERO,
        };
        Ping::new(plan, HOST)
    }

    fn send(ping: &mut Ping, now: u64) -> u16 {
        let Next::Send(probe) = ping.poll(at(now)) else { panic!("a probe is due at {now}") };
        ping.sent(&probe, Stamp::user(at(now)));
        probe.key
    }

    fn reply(ping: &mut Ping, key: u16, now: u64) -> Reply {
        let sight = Sight::Reply {
            manner: Manner::Echo,
            ttl: Some(64),
            size: 64,
            truncated: false,
            corrupted_at: None,
            checksum_ok: true,
        };
        ping.observe(Observation { key, source: HOST, at: Stamp::user(at(now)), sight });
        match ping.event() {
            Some(Event::Reply(reply)) => reply,
            other => panic!("a reply, not {other:?}"),
        }
    }

    #[test]
    fn probes_keep_the_interval_and_answers_end_it() {
        let mut ping = ping(2, 1000, 300);
        let first = send(&mut ping, 5);
        assert_eq!(ping.poll(at(5)), Next::Wait(at(305)));
        assert_eq!(reply(&mut ping, first, 25).time, Duration::from_millis(20));
        assert_eq!(ping.poll(at(25)), Next::Wait(at(1005)));
        let second = send(&mut ping, 1005);
        assert!(!reply(&mut ping, second, 1010).duplicate);
        assert_eq!(ping.poll(at(1010)), Next::Done);
        assert_eq!(ping.counts(), Counts { sent: 2, received: 2, ..Counts::default() });
    }

    #[test]
    fn a_first_departure_that_was_held_up_moves_the_second() {
        let mut ping = ping(2, 50, 40);
        let Next::Send(probe) = ping.poll(at(0)) else { panic!("the first is due") };
        ping.sent(&probe, Stamp::user(at(30)));
        assert_eq!(ping.poll(at(50)), Next::Wait(at(70)), "the first waits still, and the second is not due");
        assert_eq!(ping.poll(at(70)), Next::Wait(at(80)));
        assert_eq!(ping.event(), Some(Event::Silence { number: 1 }));
        send(&mut ping, 80);
    }

    #[test]
    fn silence_then_a_late_answer_then_its_duplicate() {
        let mut ping = ping(2, 1000, 300);
        let first = send(&mut ping, 0);
        assert_eq!(ping.poll(at(300)), Next::Wait(at(1000)));
        assert_eq!(ping.event(), Some(Event::Silence { number: 1 }));
        let late = reply(&mut ping, first, 400);
        assert!(late.late && !late.duplicate);
        let twice = reply(&mut ping, first, 410);
        assert!(twice.duplicate && !twice.late);
        assert_eq!(ping.counts(), Counts { sent: 1, late: 1, duplicates: 1, ..Counts::default() });
    }

    #[test]
    fn it_lingers_for_the_last_ones_duplicate() {
        let mut ping = ping(1, 1000, 300);
        ping.plan.linger = Duration::from_millis(50);
        let key = send(&mut ping, 0);
        reply(&mut ping, key, 20);
        assert_eq!(ping.poll(at(20)), Next::Wait(at(70)));
        assert!(reply(&mut ping, key, 30).duplicate);
        assert_eq!(ping.poll(at(30)), Next::Wait(at(70)));
        assert_eq!(ping.poll(at(70)), Next::Done);
    }

    #[test]
    fn order_and_source() {
        let mut ping = ping(2, 10, 1000);
        let (first, second) = (send(&mut ping, 0), send(&mut ping, 10));
        assert!(!reply(&mut ping, second, 20).out_of_order);
        assert!(reply(&mut ping, first, 21).out_of_order);
    }

    #[test]
    fn an_error_ends_its_probe_but_advice_does_not() {
        let mut ping = ping(1, 10, 1000);
        let key = send(&mut ping, 0);
        let error = |kind| Observation {
            key,
            source: HOST,
            at: Stamp::user(at(1)),
            sight: Sight::Error {
                error: IcmpError::new(crate::packet::icmp::Version::V4, kind, 1, 0),
                quoted_ttl: None,
                guessed: None,
            },
        };
        ping.observe(error(5));
        assert_eq!(ping.counts().open, 1);
        ping.observe(error(3));
        assert_eq!(ping.poll(at(2)), Next::Done);
        assert_eq!(ping.counts(), Counts { sent: 1, errors: 2, ..Counts::default() });
    }

    #[test]
    fn interval_zero_waits_for_the_answer() {
        let mut ping = ping(2, 0, 100);
        let first = send(&mut ping, 0);
        assert_eq!(ping.poll(at(1)), Next::Wait(at(100)));
        reply(&mut ping, first, 2);
        send(&mut ping, 2);
        assert_eq!(ping.poll(at(102)), Next::Done);
    }

    #[test]
    fn sequence_numbers_wrap_around() {
        let mut ping = ping(70_000, 1, 1);
        for number in 1..=70_000_u64 {
            let key = send(&mut ping, number);
            assert_eq!(reply(&mut ping, key, number).number, number);
        }
        assert_eq!(ping.counts().received, 70_000);
    }

    #[test]
    fn foreign_keys_are_nobodys() {
        let mut ping = ping(1, 1, 1);
        ping.observe(Observation { key: 9, source: HOST, at: Stamp::default(), sight: Sight::Departure });
        assert_eq!(ping.event(), None);
    }
}
