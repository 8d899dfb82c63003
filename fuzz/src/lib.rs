//! What each fuzz target does with its bytes, and what must hold.
//!
//! `make fuzz TARGET=NAME` explores (cargo-fuzz does too, on nightly); `cargo test -p eyesocket-fuzz --no-default-features`
//! holds the same functions against a fixed seed, and the gate runs it.

use std::net::IpAddr;
use std::time::Duration;

use eyesocket::engine::Time;
use eyesocket::http::coding;
use eyesocket::http::cookies::Jar;
use eyesocket::http::exchange::{Event, Exchange};
use eyesocket::http::head::{self, Headers, Limits};
use eyesocket::http::secret;
use eyesocket::http::socks::{Destination, Handshake};
use eyesocket::http::sse::Parser;
use eyesocket::http::url::Target;
use eyesocket::http::{auth, charset};
use eyesocket::net::prober::echo::Echo;
use eyesocket::packet::{icmp, ip, pretty, transport};
use eyesocket::probe::observation::{Observation, Stamp};
use eyesocket::probe::path_mtu::PathMtu;
use eyesocket::probe::payload::Payload;
use eyesocket::probe::ping::Ping;
use eyesocket::probe::trace::Trace;
use eyesocket::probe::{Next, Session, path_mtu, ping, trace};
use eyesocket::table::StateSet;
use eyesocket::table::netlink::{Family, Query};
use eyesocket::table::row::Protocol;

pub mod framing;

/// What became of a response: statuses of its heads, its content, and how it ended.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    heads: Vec<u16>,
    content: Vec<u8>,
    ended: bool,
    refused: bool,
    complete_at_close: bool,
}

fn read_response(method: &str, pieces: &[&[u8]]) -> Outcome {
    let limits = Limits { line: 256, head: 1024, fields: 16, informational: 3, lf_only: true };
    let mut exchange = Exchange::new(method, limits);
    let mut outcome =
        Outcome { heads: Vec::new(), content: Vec::new(), ended: false, refused: false, complete_at_close: false };
    let (mut input, mut at) = (Vec::new(), 0);
    'pieces: for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            let before = at;
            let event = exchange.handle_input(&input, &mut at);
            assert!(before <= at && at <= input.len(), "used {before}..{at} of {}", input.len());
            match event {
                Ok(Event::More) => break,
                Ok(Event::Informational(head) | Event::Head(head)) => outcome.heads.push(head.status),
                Ok(Event::Data(range)) => {
                    assert!(range.start < range.end && range.end <= at, "an empty or unread piece of content");
                    outcome.content.extend_from_slice(&input[range]);
                }
                Ok(Event::End) => {
                    outcome.ended = true;
                    break 'pieces;
                }
                Err(_) => {
                    outcome.refused = true;
                    break 'pieces;
                }
            }
        }
    }
    outcome.complete_at_close = !outcome.refused && exchange.handle_end_of_input().is_ok();
    outcome
}

/// A response means the same however the network cuts it. The first two bytes choose the method and the cuts.
pub fn http_response(data: &[u8]) {
    let [method, seed, rest @ ..] = data else { return };
    let method = ["GET", "HEAD", "CONNECT", "POST"][usize::from(method % 4)];
    let whole = read_response(method, &[rest]);
    let size = 1 + usize::from(seed % 7);
    let cut = read_response(method, &rest.chunks(size).collect::<Vec<_>>());
    assert_eq!(whole, cut, "{method}, whole and in pieces of {size}");
}

/// Packets from the network are read, or not, and printed on one line of text.
pub fn packet(data: &[u8]) {
    let line = pretty::packet(data);
    assert!(!line.contains('\n'), "{line:?}");
    if let Some((header, rest)) = ip::parse(data) {
        assert!(header.length + rest.len() == data.len());
    }
    for version in [icmp::Version::V4, icmp::Version::V6] {
        if let Some(message) = icmp::parse(version, data) {
            let line = pretty::message(&message, data.len());
            assert!(!line.contains('\n'), "{line:?}");
        }
    }
    let body = ip::parse(data).map_or(data, |(_, body)| body);
    if let Some(answer) = transport::answer(body) {
        assert!(answer.accepted || body[13] & 0x14 == 0x14);
    }
    for target in [IpAddr::from([10, 88, 0, 1]), IpAddr::from([0xfd88, 0, 0, 0, 0, 0, 0, 1])] {
        probe(body, target);
    }
}

/// A packet as the answer to probes under way: whatever it says, sessions go on and end.
fn probe(body: &[u8], target: IpAddr) {
    let version = icmp::Version::of(target);
    let Some(message) = icmp::parse(version, body) else { return };
    if let icmp::Message::Error(_, Some(quoted)) = &message {
        let _ = transport::mark(quoted);
    }
    let payload = Payload::new(32, None, 1);
    let echo = Echo { identifier: 0x1234, target, payload, steady: true, sees_checksums: target.is_ipv4() };
    let at = Stamp::user(Time::from_nanos(1_000));
    let Some(seen) = echo.arrived(message, body, target, Some(9), at) else { return };
    let (second, none) = (Duration::from_secs(1), Duration::ZERO);
    let plan = ping::Plan { count: Some(2), interval: none, timeout: second, deadline: None, linger: none };
    finish(Ping::new(plan, target), &seen);
    let plan = path_mtu::Plan { start: 1500, floor: 1280, headers: 48, timeout: second, tries: 2 };
    finish(PathMtu::new(plan), &seen);
    let plan = trace::Plan {
        first: 1,
        last: 4,
        probes: 2,
        timeout: second,
        interval: none,
        window: 4,
        flow_window: 4,
        paris: true,
        multipath: false,
        size: 1400,
        follow_mtu: Some(48),
    };
    finish(Trace::new(plan, target), &seen);
}

/// Runs a session whose every probe is answered by `seen`, twice, under the probe's key and its own.
fn finish(mut session: impl Session, seen: &Observation) {
    let mut now = Time::from_nanos(1);
    for _ in 0..10_000 {
        while session.event().is_some() {}
        match session.poll(now) {
            Next::Done => return,
            Next::Wait(until) => {
                assert!(until > now, "a wait for the past never ends");
                now = until;
            }
            Next::Send(probe) => {
                session.sent(&probe, Stamp::user(now));
                session.observe(seen.clone());
                session.observe(Observation { key: probe.key, ..seen.clone() });
            }
        }
    }
    panic!("it goes on for ever");
}

/// The kernel's table, also one that the kernel would not send.
pub fn netlink(data: &[u8]) {
    for (protocol, family) in [(Protocol::Tcp, Family::V4), (Protocol::Udp, Family::V6)] {
        let query = Query { protocol, family, states: StateSet::default_shown() };
        let mut rows = Vec::new();
        // What matters is that it answers; most bytes are refused.
        let answer = query.read(1, data, &mut rows);
        assert!(answer.is_err() || rows.len() <= data.len());
    }
}

/// What strangers write into single fields: URLs, cookies, challenges, media types, events, codings.
pub fn http_fields(data: &[u8]) {
    /// What is shown of an exchange differs from it in stars alone.
    fn hides_in_place(data: &[u8]) {
        let (mut sent, mut received) = (data.to_vec(), data.to_vec());
        secret::overwrite_request(&mut sent);
        secret::overwrite_response(&mut received, &[(data.len() / 4, data.len() / 2)]);
        for shown in [sent, received] {
            let mut pairs = shown.iter().zip(data);
            assert!(shown.len() == data.len() && pairs.all(|(shown, said)| shown == said || *shown == b'*'));
        }
    }

    /// A SOCKS proxy's messages mean the same however the network cuts them, and no byte beyond them is asked for.
    fn shakes_hands(data: &[u8]) {
        let shake = |most: usize| {
            let destination = Destination::Name("name.example".to_owned(), 80);
            let mut handshake =
                Handshake::new(destination, Some((b"u".to_vec(), b"p".to_vec()))).map_err(|_| 0_usize)?;
            let (mut have, mut at) = (Vec::new(), 0);
            loop {
                let take = handshake.wanted(&have).min(most).min(data.len() - at);
                if take == 0 {
                    return Ok(None);
                }
                have.extend_from_slice(&data[at..at + take]);
                at += take;
                match handshake.handle_input(&mut have) {
                    Ok(true) => return Ok(Some(at)),
                    Ok(false) => {}
                    Err(_) => return Err(0),
                }
            }
        };
        assert_eq!(shake(1), shake(usize::MAX));
    }

    let text = String::from_utf8_lossy(data);
    if let Ok(target) = Target::parse(&text) {
        let again = Target::parse(&target.text()).map(|target| target.text());
        assert_eq!(again.as_deref(), Ok(&*target.text()), "{text:?}");
        assert!(head::check_target(target.path_and_query()).is_ok(), "{text:?}");
    }
    let mut headers = Headers::new();
    headers.push(b"Set-Cookie", data);
    if let Ok(target) = Target::parse("https://www.example.com/a/b") {
        let mut jar = Jar::default();
        jar.hear(&target, &headers, 0);
        if let Some(field) = jar.field(&target, headers.get("cookie"), 0) {
            assert!(head::check_value(b"Cookie", &field).is_ok(), "{field:?}");
        }
    }
    auth::challenges(data);
    hides_in_place(data);
    shakes_hands(data);
    drop(charset::parameter(&text, "charset"));
    let mut parser = Parser::default();
    let read = parser.feed(data);
    assert!(read.is_ok() && parser.events().len() <= data.len());
    for name in [&b"gzip"[..], b"deflate", b"br", b"zstd"] {
        let Ok(Some(mut decoder)) = coding::Decoder::new([name].into_iter()) else { continue };
        decoder.feed(data);
        let mut sink = Vec::new();
        while sink.len() < 1 << 20 && matches!(decoder.decode(&mut sink, 4096), Ok(true)) {}
    }
}
