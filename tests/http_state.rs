//! The cases of the IETF's http-state working group, from `data/http_state.txt`.

#![expect(clippy::expect_used, clippy::panic, reason = "a test's own table")]

use eyesocket::http::cookies::Jar;
use eyesocket::http::head::Headers;
use eyesocket::http::url::Target;

/// When the cases were written: their dates lie before and behind it.
const NOW: i64 = 1_300_000_000;
const SERVER: &str = "http://home.example.org/cookie-parser";

#[derive(Default)]
struct Case {
    name: String,
    set: Vec<Vec<u8>>,
    to: Option<String>,
    cookie: Vec<u8>,
    bis: Option<Vec<u8>>,
}

fn bytes(text: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some((front, escaped)) = rest.split_once('\\') {
        out.extend_from_slice(front.as_bytes());
        let (byte, used) = match escaped.strip_prefix('x') {
            Some(digits) => (u8::from_str_radix(&digits[..2], 16).expect("two digits"), 3),
            None => (b'\\', 1),
        };
        out.push(byte);
        rest = &escaped[used..];
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in include_str!("data/http_state.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "case" {
            cases.push(Case { name: rest.to_owned(), ..Case::default() });
            continue;
        }
        let case = cases.last_mut().expect("a case first");
        match word {
            "set" => case.set.push(bytes(rest)),
            "to" => case.to = Some(rest.to_owned()),
            "cookie" => case.cookie = bytes(rest),
            "bis" => case.bis = Some(bytes(rest)),
            other => panic!("{other}: not a word of this table"),
        }
    }
    cases
}

/// The Cookie field that goes back.
fn answer(case: &Case) -> Vec<u8> {
    let server = Target::parse(&format!("{SERVER}?{}", case.name)).expect("a URL");
    let mut headers = Headers::new();
    for line in &case.set {
        headers.push(b"Set-Cookie", line);
    }
    let mut jar = Jar::default();
    jar.hear(&server, &headers, NOW);
    let back = format!("/cookie-parser-result?{}", case.name);
    let to = server.join(case.to.as_deref().unwrap_or(&back)).expect("a URL");
    jar.field(&to, None, NOW).unwrap_or_default()
}

#[test]
fn what_goes_back() {
    let cases = cases();
    assert_eq!(cases.len(), 222);
    let mut wrong = Vec::new();
    for case in &cases {
        let expected = case.bis.as_ref().unwrap_or(&case.cookie);
        let got = answer(case);
        if got != *expected {
            let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let set: Vec<String> = case.set.iter().map(|line| show(line)).collect();
            wrong.push(format!("{}: {set:?} to {:?}: {:?}, not {:?}", case.name, case.to, show(&got), show(expected)));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
