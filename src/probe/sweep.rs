//! A sweep: one probe to each of very many hosts, again where nothing came back, an answer or a reason for each.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::Time;
use crate::packet::icmp::IcmpError;

/// How often a probe is sent again, without counting, because this machine had no room for answers while it waited.
const FREE_TRIES: u8 = 16;

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How often a silent host is asked again.
    pub retries: u8,
    /// How long each probe waits.
    pub timeout: Duration,
    /// Probes a second; none: as fast as it goes.
    pub rate: Option<f64>,
    /// How many probes may wait at a time, at most 32768.
    pub window: usize,
}

/// Whom to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its place in the input.
    pub number: u64,
    /// Its name, where it came by name.
    pub name: Option<Arc<str>>,
    /// Its address.
    pub address: IpAddr,
}

/// How it is with a host.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It answered.
    Reply {
        /// How long that took.
        time: Duration,
        /// The TTL or hop limit of the answer.
        ttl: Option<u8>,
    },
    /// Something answered in its place, from another address.
    WrongSource {
        /// How long that took.
        time: Duration,
    },
    /// Somebody reports an error.
    Error(IcmpError),
    /// Nothing came.
    Silence,
    /// Nothing came, but this machine lost answers for lack of room: nobody knows.
    Unknown,
    /// This machine would not send: an errno.
    Refused(i32),
    /// The name is not known: a text.
    Unresolved(String),
}

/// The result for one host.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Its place in the input.
    pub number: u64,
    /// Its name, where it came by name.
    pub name: Option<Arc<str>>,
    /// Its address; none if the name is not known.
    pub address: Option<IpAddr>,
    /// How it is.
    pub outcome: Outcome,
    /// Who said so.
    pub source: Option<IpAddr>,
    /// How many probes it took.
    pub tries: u16,
}

#[derive(Clone, Debug)]
struct Slot {
    host: Host,
    serial: u32,
    sent: Time,
    /// How many answers the kernel had dropped by then.
    dropped: u32,
    tries: u16,
    free: u8,
}

#[derive(Clone, Debug)]
struct Again {
    host: Host,
    tries: u16,
    free: u8,
}

/// The session. Keys wrap; a serial number in the payload tells an old answer from a new one.
#[derive(Debug)]
pub struct Sweep {
    plan: Plan,
    slots: Vec<Option<Box<Slot>>>,
    open: usize,
    key: u16,
    serial: u32,
    waiting: VecDeque<(Time, u16, u32)>,
    again: VecDeque<Again>,
    fresh: VecDeque<Host>,
    verdicts: VecDeque<Verdict>,
    pace: Option<(Time, u64)>,
}

/// What to send: to whom, with which key and serial number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// To whom.
    pub address: IpAddr,
    /// ICMP's sequence number.
    pub key: u16,
    /// Goes into the payload.
    pub serial: u32,
}

impl Sweep {
    /// How many probes may wait at a time, at the most.
    pub const WINDOW: usize = 32_768;

    /// A sweep of nobody yet.
    pub fn new(plan: Plan) -> Self {
        let window = plan.window.clamp(1, Self::WINDOW);
        Self {
            plan: Plan { window, ..plan },
            slots: vec![None; 65_536],
            open: 0,
            key: 0,
            serial: 0,
            waiting: VecDeque::new(),
            again: VecDeque::new(),
            fresh: VecDeque::new(),
            verdicts: VecDeque::new(),
            pace: None,
        }
    }

    /// Adds a host.
    pub fn push(&mut self, host: Host) {
        self.fresh.push_back(host);
    }

    /// Adds a name that is not known.
    pub fn unresolved(&mut self, number: u64, name: Arc<str>, text: String) {
        let outcome = Outcome::Unresolved(text);
        self.verdicts.push_back(Verdict { number, name: Some(name), address: None, outcome, source: None, tries: 0 });
    }

    /// How many hosts have not been asked yet.
    pub fn fresh(&self) -> usize {
        self.fresh.len()
    }

    /// Whether nothing is to be sent and nothing waited for.
    pub fn is_idle(&self) -> bool {
        self.open == 0 && self.again.is_empty() && self.fresh.is_empty()
    }

    /// How many results there are to take.
    pub fn verdicts(&self) -> usize {
        self.verdicts.len()
    }

    /// Takes the results.
    pub fn take(&mut self) -> Vec<Verdict> {
        self.verdicts.drain(..).collect()
    }

    /// How many probes may go out now by the rate.
    fn allowed(&mut self, now: Time) -> u64 {
        let Some(rate) = self.plan.rate else { return u64::MAX };
        let (start, sent) = *self.pace.get_or_insert((now, 0));
        let due = (now.since(start).as_secs_f64() * rate) as u64 + 1;
        let allowed = due.saturating_sub(sent);
        // After a pause no burst: at most 20 ms' worth.
        let most = ((rate * 0.02) as u64).max(1);
        if allowed > most {
            self.pace = Some((start, due - most));
        }
        allowed.min(most)
    }

    /// The next probe to send, if one may go now; say how it went by [`Sweep::sent`] or [`Sweep::refused`].
    pub fn order(&mut self, now: Time) -> Option<Order> {
        if self.open >= self.plan.window || (self.again.is_empty() && self.fresh.is_empty()) || self.allowed(now) == 0 {
            return None;
        }
        while self.slots[usize::from(self.key)].is_some() {
            self.key = self.key.wrapping_add(1);
        }
        let host = self.again.front().map(|again| &again.host).or(self.fresh.front())?;
        Some(Order { address: host.address, key: self.key, serial: self.serial })
    }

    fn next(&mut self) -> Option<Again> {
        self.again.pop_front().or_else(|| self.fresh.pop_front().map(|host| Again { host, tries: 0, free: FREE_TRIES }))
    }

    /// The ordered probe has gone out.
    pub fn sent(&mut self, at: Time, dropped: u32) {
        let Some(Again { host, tries, free }) = self.next() else { return };
        let slot = Slot { host, serial: self.serial, sent: at, dropped, tries: tries + 1, free };
        self.waiting.push_back((at.after(self.plan.timeout), self.key, self.serial));
        self.slots[usize::from(self.key)] = Some(Box::new(slot));
        self.open += 1;
        self.key = self.key.wrapping_add(1);
        self.serial = self.serial.wrapping_add(1);
        if let Some((_, sent)) = &mut self.pace {
            *sent += 1;
        }
    }

    /// The kernel would not send the ordered probe.
    pub fn refused(&mut self, errno: i32) {
        if let Some(Again { host, tries, .. }) = self.next() {
            self.verdict(host, Outcome::Refused(errno), None, tries + 1);
        }
    }

    fn verdict(&mut self, host: Host, outcome: Outcome, source: Option<IpAddr>, tries: u16) {
        let Host { number, name, address } = host;
        self.verdicts.push_back(Verdict { number, name, address: Some(address), outcome, source, tries });
    }

    fn take_slot(&mut self, key: u16, fits: impl Fn(&Slot) -> bool) -> Option<Box<Slot>> {
        let slot = self.slots[usize::from(key)].take_if(|slot| fits(slot))?;
        self.open -= 1;
        Some(slot)
    }

    /// An answer came, at `at`; `since` gives the time from a departure to it.
    pub fn reply(&mut self, key: u16, serial: u32, source: IpAddr, ttl: Option<u8>, since: impl Fn(Time) -> Duration) {
        let Some(slot) = self.take_slot(key, |slot| slot.serial == serial) else { return };
        let time = since(slot.sent);
        let outcome =
            if source == slot.host.address { Outcome::Reply { time, ttl } } else { Outcome::WrongSource { time } };
        self.verdict(slot.host, outcome, Some(source), slot.tries);
    }

    /// An error report came about a probe to `target`.
    pub fn error(&mut self, key: u16, target: Option<IpAddr>, source: IpAddr, error: IcmpError) {
        if error.is_advice() {
            return;
        }
        let Some(slot) = self.take_slot(key, |slot| target.is_none_or(|target| target == slot.host.address)) else {
            return;
        };
        self.verdict(slot.host, Outcome::Error(error), Some(source), slot.tries);
    }

    /// Gives up what has waited long enough; `dropped` is how many answers the kernel has dropped so far.
    pub fn give_up(&mut self, now: Time, dropped: u32) {
        while let Some(&(deadline, key, serial)) = self.waiting.front() {
            let open = self.slots[usize::from(key)].as_ref().is_some_and(|slot| slot.serial == serial);
            if open && deadline > now {
                break;
            }
            self.waiting.pop_front();
            let Some(slot) = (if open { self.take_slot(key, |_| true) } else { None }) else { continue };
            let Slot { host, dropped: before, tries, free, .. } = *slot;
            let lost_here = dropped != before;
            if lost_here && free > 0 {
                self.again.push_back(Again { host, tries, free: free - 1 });
            } else if tries <= u16::from(self.plan.retries) + u16::from(FREE_TRIES - free) {
                self.again.push_back(Again { host, tries, free });
            } else {
                let outcome = if lost_here { Outcome::Unknown } else { Outcome::Silence };
                self.verdict(host, outcome, None, tries);
            }
        }
    }

    /// When there is something to do again, if nothing comes.
    pub fn next_time(&mut self, now: Time) -> Option<Time> {
        let timeout = self.waiting.front().map(|&(deadline, _, _)| deadline);
        let more = !(self.again.is_empty() && self.fresh.is_empty()) && self.open < self.plan.window;
        let pace = match (more, self.plan.rate) {
            // In steps of a millisecond: what is due by then goes together.
            (true, Some(rate)) => Some(now.after(Duration::from_secs_f64((1.0 / rate).clamp(0.001, 3600.0)))),
            (true, None) => Some(now),
            _ => None,
        };
        [timeout, pace].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::icmp::Version;

    fn at(millis: u64) -> Time {
        Time::from_nanos(millis * 1_000_000)
    }

    fn sweep(hosts: u8, retries: u8, rate: Option<f64>) -> Sweep {
        let mut sweep = Sweep::new(Plan { retries, timeout: Duration::from_millis(100), rate, window: 1000 });
        for number in 0..hosts {
            sweep.push(Host { number: number.into(), name: None, address: IpAddr::from([192, 0, 2, number]) });
        }
        sweep
    }

    fn send_all(sweep: &mut Sweep, now: u64, dropped: u32) -> Vec<Order> {
        let mut orders = Vec::new();
        while let Some(order) = sweep.order(at(now)) {
            sweep.sent(at(now), dropped);
            orders.push(order);
        }
        orders
    }

    #[test]
    fn an_answer_an_error_and_silence() {
        let mut sweep = sweep(3, 1, None);
        let orders = send_all(&mut sweep, 0, 0);
        let [a, b, c] = orders[..] else { panic!("three") };
        sweep.reply(a.key, a.serial, a.address, Some(64), |sent| at(7).since(sent));
        sweep.error(b.key, Some(b.address), b.address, IcmpError::new(Version::V4, 3, 1, 0));
        sweep.give_up(at(100), 0);
        let again = send_all(&mut sweep, 100, 0);
        assert_eq!(again.iter().map(|order| order.address).collect::<Vec<_>>(), [c.address]);
        sweep.give_up(at(200), 0);
        assert!(sweep.is_idle());
        let verdicts = sweep.take();
        assert_eq!(verdicts[0].outcome, Outcome::Reply { time: Duration::from_millis(7), ttl: Some(64) });
        assert!(matches!(verdicts[1].outcome, Outcome::Error(_)));
        assert_eq!((&verdicts[2].outcome, verdicts[2].tries), (&Outcome::Silence, 2));
    }

    #[test]
    fn what_we_lost_is_never_the_hosts_silence() {
        let mut sweep = sweep(1, 0, None);
        send_all(&mut sweep, 0, 0);
        // An answer was dropped while it waited: ask again, and this time nothing was dropped.
        sweep.give_up(at(100), 1);
        let again = send_all(&mut sweep, 100, 1);
        assert_eq!(again.len(), 1);
        sweep.reply(again[0].key, again[0].serial, again[0].address, None, |_| Duration::ZERO);
        assert!(matches!(sweep.take()[0].outcome, Outcome::Reply { .. }));
    }

    #[test]
    fn and_if_we_go_on_losing_nobody_knows() {
        let mut sweep = sweep(1, 0, None);
        for round in 0..100 {
            send_all(&mut sweep, round * 100, round as u32);
            sweep.give_up(at(round * 100 + 100), round as u32 + 1);
        }
        let verdicts = sweep.take();
        assert_eq!(verdicts.len(), 1);
        assert_eq!(verdicts[0].outcome, Outcome::Unknown);
    }

    #[test]
    fn old_and_foreign_answers_are_nobodys() {
        let mut sweep = sweep(1, 0, None);
        let order = send_all(&mut sweep, 0, 0)[0];
        sweep.reply(order.key, order.serial.wrapping_add(1), order.address, None, |_| Duration::ZERO);
        sweep.error(order.key, Some(IpAddr::from([9, 9, 9, 9])), order.address, IcmpError::new(Version::V4, 3, 1, 0));
        assert_eq!(sweep.verdicts(), 0);
        sweep.reply(order.key, order.serial, IpAddr::from([9, 9, 9, 9]), None, |_| Duration::ZERO);
        assert!(matches!(sweep.take()[0].outcome, Outcome::WrongSource { .. }));
    }

    #[test]
    fn the_rate_is_kept() {
        let mut sweep = sweep(200, 0, Some(1000.0));
        let sent: usize = (0..100).map(|now| send_all(&mut sweep, now, 0).len()).sum();
        assert_eq!(sent, 100);
        // After a pause no burst.
        assert_eq!(send_all(&mut sweep, 1000, 0).len(), 20);
    }
}
