//! The sessions of probing on a virtual clock, before a network that does whatever it likes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use eyesocket::engine::Time;
use eyesocket::packet::icmp::{IcmpError, Version};
use eyesocket::probe::observation::{Manner, Observation, Refusal, Sight, Stamp};
use eyesocket::probe::ping::{Event, Ping, Plan};
use eyesocket::probe::sweep::{self, Host, Outcome, Sweep};
use eyesocket::probe::{Next, Session};
use proptest::prelude::*;

const HOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1));

/// What the network does with a probe: answers after so many milliseconds, each from the host or not.
#[derive(Clone, Debug)]
enum Fate {
    Refused,
    Answers(Vec<(u64, u8)>),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        1 => Just(Fate::Refused),
        9 => prop::collection::vec((0_u64..400, 0_u8..6), 0..4).prop_map(Fate::Answers),
    ]
}

fn at(millis: u64) -> Time {
    Time::from_nanos(millis * 1_000_000)
}

fn sight(kind: u8) -> Sight {
    match kind {
        0 => Sight::Error { error: IcmpError::new(Version::V4, 3, 1, 0), quoted_ttl: None, guessed: None },
        1 => Sight::Error { error: IcmpError::new(Version::V4, 5, 1, 7), quoted_ttl: None, guessed: None },
        2 => Sight::Departure,
        _ => Sight::Reply {
            manner: Manner::Echo,
            ttl: Some(64),
            size: 64,
            truncated: false,
            corrupted_at: None,
            checksum_ok: true,
        },
    }
}

proptest! {
    #[test]
    fn a_ping_ends_and_its_figures_add_up(fates in prop::collection::vec(fate(), 1..30), interval in 0_u64..150, timeout in 0_u64..300, linger in 0_u64..100) {
        let count = fates.len() as u64;
        let millis = Duration::from_millis;
        let plan = Plan { count: Some(count), interval: millis(interval), timeout: millis(timeout), deadline: None, linger: millis(linger) };
        let (mut ping, mut now, mut events) = (Ping::new(plan, HOST), 0, Vec::new());
        let mut wire: Vec<(u64, Observation)> = Vec::new();
        let mut fates = fates.into_iter();
        loop {
            let next = ping.poll(at(now));
            events.extend(std::iter::from_fn(|| ping.event()));
            match next {
                Next::Done => break,
                Next::Send(probe) => match fates.next() {
                    Some(Fate::Answers(answers)) => {
                        ping.sent(&probe, Stamp::user(at(now)));
                        wire.extend(answers.into_iter().map(|(after, kind)| {
                            let source = if kind == 5 { OTHER } else { HOST };
                            let at = Stamp::user(at(now + after));
                            (now + after, Observation { key: probe.key, source, at, sight: sight(kind) })
                        }));
                    }
                    _ => ping.refused(&probe, Refusal { errno: 1, mtu: None }, at(now)),
                },
                Next::Wait(until) => {
                    let until = until.as_nanos().div_ceil(1_000_000);
                    prop_assert!(until > now, "a wait for the past never ends");
                    match wire.iter().enumerate().min_by_key(|(_, (when, _))| *when) {
                        Some((first, &(when, _))) if when <= until => {
                            now = now.max(when);
                            ping.observe(wire.remove(first).1);
                        }
                        _ => now = until,
                    }
                }
            }
        }
        events.extend(std::iter::from_fn(|| ping.event()));
        let counts = ping.counts();
        let number = |wanted: fn(&Event) -> bool| events.iter().filter(|event| wanted(event)).count() as u64;
        prop_assert_eq!(counts.sent, count);
        prop_assert_eq!(counts.open, 0);
        prop_assert_eq!(counts.received, number(|e| matches!(e, Event::Reply(r) if !r.duplicate && !r.late)));
        prop_assert_eq!(counts.duplicates, number(|e| matches!(e, Event::Reply(r) if r.duplicate)));
        prop_assert_eq!(counts.late, number(|e| matches!(e, Event::Reply(r) if r.late)));
        prop_assert_eq!(counts.errors, number(|e| matches!(e, Event::Error { .. } | Event::Refused { .. })));
        prop_assert!(counts.received <= counts.sent);
        // Each probe has one end: answered in time, silent, refused, or else an error that it met.
        let mut ends: HashMap<u64, u32> = HashMap::new();
        for event in &events {
            match event {
                Event::Silence { number } | Event::Refused { number, .. } => *ends.entry(*number).or_default() += 1,
                Event::Reply(reply) if !reply.duplicate && !reply.late => *ends.entry(reply.number).or_default() += 1,
                _ => {}
            }
        }
        let failed = |number| events.iter().any(|event| {
            matches!(event, Event::Error { number: n, error, .. } if *n == number && !error.is_advice())
        });
        for number in 1..=count {
            let ends = ends.get(&number).copied().unwrap_or(0);
            prop_assert!(ends == 1 || ends == 0 && failed(number), "probe {number} ended {ends} times");
        }
    }

    #[test]
    fn a_sweep_gives_every_host_one_verdict(
        answers in prop::collection::vec((prop::option::of(0_u64..300), 0_u8..4), 1..60),
        retries in 0_u8..3,
        window in 1_usize..20,
        rate in prop::option::of(50.0..5000.0),
        losses in prop::collection::vec(any::<bool>(), 1..10),
    ) {
        let mut sweep = Sweep::new(sweep::Plan { retries, timeout: Duration::from_millis(100), rate, window });
        for number in 0..answers.len() {
            let address = IpAddr::from([192, 0, 2, number as u8]);
            sweep.push(Host { number: number as u64, name: None, address });
        }
        let (mut now, mut dropped, mut turn) = (0_u64, 0_u32, 0);
        let mut wire: Vec<(u64, sweep::Order, u8)> = Vec::new();
        let mut sent: HashMap<IpAddr, u32> = HashMap::new();
        while !sweep.is_idle() {
            prop_assert!(now < 10_000_000, "it goes on for ever");
            while let Some(order) = sweep.order(at(now)) {
                sweep.sent(at(now), dropped);
                *sent.entry(order.address).or_default() += 1;
                let IpAddr::V4(v4) = order.address else { unreachable!("they are all IPv4") };
                if let (Some(after), kind) = answers[usize::from(v4.octets()[3])] {
                    wire.push((now + after, order, kind));
                }
            }
            now += 1;
            let (due, later): (Vec<_>, Vec<_>) = wire.into_iter().partition(|(when, _, _)| *when <= now);
            wire = later;
            for (_, order, kind) in due {
                match kind {
                    0 => sweep.error(order.key, Some(order.address), HOST, IcmpError::new(Version::V4, 3, 1, 0)),
                    1 => sweep.reply(order.key, order.serial, OTHER, None, |sent| at(now).since(sent)),
                    _ => sweep.reply(order.key, order.serial, order.address, Some(9), |sent| at(now).since(sent)),
                }
            }
            turn += 1;
            dropped += u32::from(turn % 97 == 0 && losses[turn / 97 % losses.len()]);
            sweep.give_up(at(now), dropped);
        }
        let mut verdicts = sweep.take();
        verdicts.sort_by_key(|verdict| verdict.number);
        prop_assert_eq!(verdicts.iter().map(|v| v.number).collect::<Vec<_>>(), (0..answers.len() as u64).collect::<Vec<_>>());
        for (verdict, (after, kind)) in verdicts.iter().zip(&answers) {
            let address = verdict.address.expect("all have one");
            prop_assert_eq!(u32::from(verdict.tries), sent[&address]);
            match &verdict.outcome {
                Outcome::Reply { time, .. } => prop_assert!(*kind > 1 && *time <= Duration::from_millis(101)),
                Outcome::Silence => prop_assert!(after.is_none_or(|after| after >= 99)),
                Outcome::Error(_) => prop_assert_eq!(*kind, 0),
                Outcome::WrongSource { .. } => prop_assert!(*kind == 1),
                Outcome::Unknown => prop_assert!(dropped > 0),
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }
}
