//! Replies from other parsers' tests and what we make of them: the table in `data/http_replies.txt`, and the characters
//! that Web Platform Tests put into every place of a head.

#![expect(clippy::expect_used, clippy::panic, reason = "a test's own table")]

use eyesocket::error::Cause;
use eyesocket::http::exchange::{Event, Exchange};
use eyesocket::http::head::Limits;

struct Case {
    name: String,
    method: String,
    reply: Vec<u8>,
    verdict: String,
}

fn bytes(text: &str) -> Vec<u8> {
    let text = text
        .replace("{ok}", "HTTP/1.1 200 OK\\r\\n")
        .replace("{chunked}", "HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n");
    let (mut out, mut rest) = (Vec::new(), &*text);
    while let Some((front, escaped)) = rest.split_once('\\') {
        out.extend_from_slice(front.as_bytes());
        let (byte, used) = match escaped.as_bytes()[0] {
            b'r' => (b'\r', 1),
            b'n' => (b'\n', 1),
            b't' => (b'\t', 1),
            b'\\' => (b'\\', 1),
            b'x' => (u8::from_str_radix(&escaped[1..3], 16).expect("two digits"), 3),
            other => panic!("\\{} is no escape of this table", char::from(other)),
        };
        out.push(byte);
        rest = &escaped[used..];
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in include_str!("data/http_replies.txt").lines().filter(|line| !line.is_empty()) {
        let rest = line.get(2..).unwrap_or_default();
        match (line.as_bytes()[0], cases.last_mut()) {
            (b'#' | b'*', _) => {}
            (b'<', Some(case)) => case.reply = bytes(rest),
            (b'=', Some(case)) => case.verdict = rest.to_owned(),
            _ => {
                let method = line.split_once('[').map_or("GET", |(_, method)| method.trim_end_matches(']'));
                let (name, method) = (line.to_owned(), method.to_owned());
                cases.push(Case { name, method, reply: Vec::new(), verdict: String::new() });
            }
        }
    }
    cases
}

/// What becomes of `reply` when it comes in pieces of `cut` bytes and the peer then closes.
fn verdict(method: &str, reply: &[u8], cut: usize) -> String {
    let mut exchange = Exchange::new(method, Limits::default());
    let (mut input, mut at, mut content, mut status) = (Vec::new(), 0, Vec::new(), 0);
    let (mut pieces, mut ended) = (reply.chunks(cut), false);
    while !ended {
        let step = match exchange.handle_input(&input, &mut at) {
            Ok(Event::More) => match pieces.next() {
                Some(piece) => {
                    input.extend_from_slice(piece);
                    Ok(())
                }
                None => exchange.handle_end_of_input().map(|()| ended = true),
            },
            Ok(Event::Informational(_)) => Ok(()),
            Ok(Event::Head(head)) => {
                status = head.status;
                Ok(())
            }
            Ok(Event::Data(range)) => {
                content.extend_from_slice(&input[range]);
                Ok(())
            }
            Ok(Event::End) => {
                ended = true;
                Ok(())
            }
            Err(error) => Err(error),
        };
        match step.map_err(|error| error.cause.clone()) {
            Ok(()) => {}
            Err(Cause::Truncated { .. }) => return "cut".to_owned(),
            Err(_) => return "refused".to_owned(),
        }
    }
    let left = reply.len() - at;
    let kept = exchange.keep_alive();
    let end = match left {
        0 if kept => "kept".to_owned(),
        0 => "closed".to_owned(),
        left => format!("left {left}"),
    };
    format!("{status} \"{}\" {end}", content.escape_ascii())
}

#[test]
fn what_becomes_of_them() {
    let cases = cases();
    assert!(cases.len() > 150, "{}", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        for cut in [case.reply.len().max(1), 1] {
            let got = verdict(&case.method, &case.reply, cut);
            if got != case.verdict {
                wrong.push(format!("{}, in pieces of {cut}: {got}, not {}", case.name, case.verdict));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// fetch/h1-parsing: each of these characters in each place of a head.
const PLACES: [(&str, &str, &str); 17] = [
    ("first", "", "HTTP/1.1 200 OK\r\nX-Frame-Options: DENY\r\n"),
    ("in-http", "HT", "TP/1.1 200 OK\r\nX-Frame-Options: DENY\r\n"),
    ("before-slash", "HTTP", "/1.1 200 OK\r\nX-Frame-Options: DENY\r\n"),
    ("after-slash", "HTTP/", "1.1 200 OK\r\nX-Frame-Options: DENY\r\n"),
    ("before-dot", "HTTP/1", ".1 200 OK\r\nX-Frame-Options: DENY\r\n"),
    ("after-dot", "HTTP/1.", "1 200 OK\r\nX-Frame-Options: DENY\r\n"),
    ("after-ver", "HTTP/1.1", " 200 OK\r\nX-Frame-Options: DENY\r\n"),
    ("before-num", "HTTP/1.1 ", "200 OK\r\nX-Frame-Options: DENY\r\n"),
    ("after-num", "HTTP/1.1 200", " OK\r\nX-Frame-Options: DENY\r\n"),
    ("before-reason", "HTTP/1.1 200 ", "OK\r\nX-Frame-Options: DENY\r\n"),
    ("after-reason", "HTTP/1.1 200 OK", "\r\nX-Frame-Options: DENY\r\n"),
    ("leading", "HTTP/1.1 200 OK\r\n", "X-Frame-Options: DENY\r\n"),
    ("in-name", "HTTP/1.1 200 OK\r\nX-Frame", "-Options: DENY\r\n"),
    ("before-colon", "HTTP/1.1 200 OK\r\nX-Frame-Options", ": DENY\r\n"),
    ("after-colon", "HTTP/1.1 200 OK\r\nX-Frame-Options:", " DENY\r\n"),
    ("in-value", "HTTP/1.1 200 OK\r\nX-Frame-Options: DE", "NY\r\n"),
    ("after-value", "HTTP/1.1 200 OK\r\nX-Frame-Options: DENY", "\r\n"),
];

/// What is valid all the same, by RFC 9112 sections 4 and 5: a reason is any text (blanks and colons included), a value
/// too, and blanks around a value are no part of it. Browsers are asked to refuse these as well; a user agent that does
/// could not talk to servers that keep to the RFC.
const VALID: [(char, &[&str]); 3] = [
    ('\t', &["before-reason", "after-reason", "after-colon", "in-value", "after-value"]),
    (' ', &["after-num", "before-reason", "after-reason", "after-colon", "in-value", "after-value"]),
    (':', &["before-reason", "after-reason", "in-name", "before-colon", "after-colon", "in-value", "after-value"]),
];

#[test]
fn a_character_in_each_place() {
    let mut wrong = Vec::new();
    for symbol in ['\n', '\r', '\t', ' ', '\0', ':'] {
        for (place, before, after) in PLACES {
            let reply = format!("{before}{symbol}{after}Content-Length: 5\r\n\r\nTest.");
            let valid = VALID.iter().any(|(valid, places)| *valid == symbol && places.contains(&place));
            let expected = if valid { "200 \"Test.\" kept" } else { "refused" };
            for cut in [reply.len(), 1] {
                let got = verdict("GET", reply.as_bytes(), cut);
                if got != expected {
                    wrong.push(format!("{symbol:?} {place} in pieces of {cut}: {got}, not {expected}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
