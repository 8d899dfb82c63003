//! What is secret: the one table of header fields and of names in queries and forms whose values are not shown.
//!
//! Used by everything that shows an exchange: errors, reprs, the record of the wire, archives. A name counts by its words,
//! so that `X-Auth-Token`, `authToken` and `auth_token` are one. Data that is asked for by name is never touched.

use std::ops::Range;

use super::url::percent_decoded;

pub mod body;

/// Header fields that are secret whole.
const FIELDS: [&str; 8] = [
    "authorization",
    "proxy-authorization",
    "authentication-info",
    "proxy-authentication-info",
    "cookie",
    "cookie2",
    "set-cookie",
    "set-cookie2",
];

/// What ends a word that names a secret.
const ENDINGS: [&str; 17] = [
    "accesskey",
    "apikey",
    "authkey",
    "authorization",
    "cookie",
    "credential",
    "credentials",
    "jwt",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "secret",
    "secretkey",
    "sessid",
    "sessionid",
    "token",
];

/// Words that are a secret's name alone.
const WORDS: [&str; 4] = ["auth", "pass", "pwd", "session"];

/// What a key is for, if it is not one of a table or cache.
const KEYS: [&str; 16] = [
    "access",
    "account",
    "api",
    "app",
    "auth",
    "client",
    "encryption",
    "functions",
    "license",
    "master",
    "private",
    "secret",
    "shared",
    "signing",
    "subscription",
    "user",
];

/// What else is a secret in a query or a form: it stands there to prove something.
const PARAMETERS: [&str; 11] =
    ["assertion", "code", "hmac", "key", "otp", "pin", "samlresponse", "sid", "sig", "signature", "ticket"];

/// What a hidden value is shown as.
pub const HIDDEN: &str = "[secure]";

/// Whether the value of the header field `name` is secret.
pub fn field(name: &[u8]) -> bool {
    let name = name.trim_ascii();
    // Says whether there may be credentials, not which.
    let policy = name.len() > 15 && name[..15].eq_ignore_ascii_case(b"access-control-");
    !policy && (FIELDS.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes())) || named(name))
}

/// Whether the value of `name`, as it stands in a query or a form, is secret.
pub fn parameter(name: &[u8]) -> bool {
    let name = String::from_utf8_lossy(name).replace('+', " ");
    let name = percent_decoded(&name);
    // The last word says what a value is: `X-Amz-Signature`, `user[pin]`.
    let last = words(&name).pop();
    let proves =
        |word: &String| PARAMETERS.contains(&&**word) && (word != "key" && word != "code" || words(&name).len() == 1);
    named(&name) || last.as_ref().is_some_and(proves)
}

/// Whether the value of `name`, as it stands in data, is secret: what only a query's brevity makes one is not.
pub fn member(name: &[u8]) -> bool {
    const PROVES: [&str; 7] = ["assertion", "hmac", "otp", "pin", "samlresponse", "sig", "signature"];
    named(name) || words(name).last().is_some_and(|word| PROVES.contains(&&**word))
}

fn named(name: &[u8]) -> bool {
    let words = words(name);
    words.iter().enumerate().any(|(at, word)| {
        let key = word == "key" && at > 0 && KEYS.contains(&&*words[at - 1]);
        key || WORDS.contains(&&**word) || ENDINGS.iter().any(|ending| word.ends_with(ending))
    })
}

/// The words of a name, in lower case: `X-Auth-Token`, `x_auth_token` and `xAuthToken` have the same three.
fn words(name: &[u8]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut within, mut small) = (false, false);
    for byte in name.iter().take(128) {
        if !byte.is_ascii_alphanumeric() {
            (within, small) = (false, false);
            continue;
        }
        if !within || small && byte.is_ascii_uppercase() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(char::from(byte.to_ascii_lowercase()));
        }
        (within, small) = (true, byte.is_ascii_lowercase());
    }
    words
}

/// What is searched for secret values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// A URL, or what was meant for one, or prose that holds some.
    Prose,
    /// A line of a head.
    Line,
    /// A form.
    Form,
}

/// Where secret values are: passwords, and what secret parameters are set to.
fn values(text: &[u8], kind: Text) -> Vec<Range<usize>> {
    let form = kind == Text::Form;
    let ends = |byte: u8| byte.is_ascii_whitespace() || b"&#;\"'<>,".contains(&byte);
    let mut found = Vec::new();
    // Where a name begins, and whether it is a parameter of the path, which ends where the path's segment does.
    let mut start = form.then_some((0, false));
    for (at, byte) in text.iter().enumerate() {
        match (byte, start) {
            (b'=', Some((begun, path))) => {
                start = None;
                let stops = |byte: &u8| ends(*byte) || path && matches!(byte, b'?' | b'/');
                let length = text[at + 1..].iter().position(stops).unwrap_or(text.len() - at - 1);
                if length > 0 && parameter(&text[begun..at]) {
                    found.push(at + 1..at + 1 + length);
                }
            }
            (b';', _) => start = Some((at + 1, true)),
            (b'?' | b'&' | b'#', _) => start = Some((at + 1, false)),
            (b'\n', _) if form => start = Some((at + 1, false)),
            (byte, _) if ends(*byte) => start = None,
            _ => {}
        }
    }
    for authority in authorities(text, kind) {
        let stops = |byte: &u8| byte.is_ascii_whitespace() || b"/\\?#\"'<>".contains(byte);
        let end = text[authority.at..].iter().position(stops).map_or(text.len(), |length| authority.at + length);
        if let Some(at) = memchr::memrchr(b'@', &text[authority.at..end]) {
            let colon = memchr::memchr(b':', &text[authority.at..authority.at + at]);
            // What is no URL for sure may be an address of mail.
            let Some(begins) = colon.map(|colon| colon + 1).or(authority.sure.then_some(0)) else { continue };
            let secret = authority.at + begins..authority.at + at;
            found.retain(|range| range.end <= secret.start || range.start >= secret.end);
            found.push(secret);
        }
    }
    found.retain(|range| !range.is_empty());
    found.sort_by_key(|range| range.start);
    found
}

/// Where user and password of a URL may stand, if it has them.
struct Authority {
    at: usize,
    sure: bool,
}

/// Where in `text` authorities of URLs begin: behind `://` and what people write in its place, and where a word begins.
fn authorities(text: &[u8], kind: Text) -> Vec<Authority> {
    let slash = |byte: &u8| matches!(byte, b'/' | b'\\');
    let behind = |at: usize| at + text[at..].iter().take_while(|byte| slash(byte)).count();
    let mut found: Vec<Authority> = Vec::new();
    for (at, byte) in text.iter().enumerate() {
        let sure = text[at..].starts_with(b"://");
        if sure || kind == Text::Prose && *byte == b':' && text.get(at + 1).is_some_and(slash) {
            found.push(Authority { at: behind(at + 1), sure });
            continue;
        }
        let first = at == 0 || text[at - 1].is_ascii_whitespace() || b"\"'<>".contains(&text[at - 1]);
        // One slash alone begins a path.
        if kind == Text::Prose && first && behind(at) != at + 1 {
            found.push(Authority { at: behind(at), sure: false });
        }
    }
    found
}

/// The same text with secret values hidden.
pub fn shown(text: &str, kind: Text) -> String {
    let (mut shown, mut at) = (String::new(), 0);
    for range in values(text.as_bytes(), kind) {
        // Values begin and end beside ASCII.
        shown.push_str(text.get(at..range.start).unwrap_or_default());
        shown.push_str(HIDDEN);
        at = range.end;
    }
    shown.push_str(text.get(at..).unwrap_or_default());
    shown
}

/// Overwrites secret values in place, so that what is behind them keeps its place.
fn overwrite(text: &mut [u8], kind: Text) {
    for range in values(text, kind) {
        text[range].fill(b'*');
    }
}

/// Overwrites what is secret in lines of a head: values of secret fields, and of secret parameters in all others.
pub fn overwrite_lines(lines: &mut [u8]) {
    for line in lines.split_mut(|byte| *byte == b'\n') {
        let length = line.strip_suffix(b"\r").map_or(line.len(), <[u8]>::len);
        let line = &mut line[..length];
        match memchr::memchr(b':', line).filter(|colon| field(&line[..*colon])) {
            Some(colon) => {
                let value = line[colon + 1..].iter().take_while(|byte| byte.is_ascii_whitespace()).count() + colon + 1;
                // Which scheme it is may be told: the word before the blank.
                let scheme =
                    line[..colon].len() >= 13 && line[colon - 13..colon].eq_ignore_ascii_case(b"authorization");
                let word = line[value..].iter().position(|byte| *byte == b' ').filter(|_| scheme);
                let secret = word.map_or(value, |word| value + word + 1);
                line[secret..].fill(b'*');
            }
            None => overwrite(line, Text::Line),
        }
    }
}

/// The value of the first field `name` of a head.
fn field_of<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let lines = head.split(|byte| *byte == b'\n').skip(1);
    let value = lines.filter_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        line[..colon].eq_ignore_ascii_case(name.as_bytes()).then_some(&line[colon + 1..])
    });
    value.take(1).find_map(|value| std::str::from_utf8(value).ok()).map(str::trim)
}

/// Overwrites what is secret in a request as it was sent: in its head, and in its body as far as [`body::overwrite`] goes.
pub fn overwrite_request(sent: &mut [u8]) {
    let end = memchr::memmem::find(sent, b"\r\n\r\n").map_or(sent.len(), |end| end + 4);
    let (head, content) = sent.split_at_mut(end);
    if let Some(kind) = field_of(head, "content-type") {
        let chunked = field_of(head, "transfer-encoding").is_some();
        let spans = if chunked { body::chunks(content) } else { std::iter::once(0..content.len()).collect() };
        body::overwrite_spans(content, &spans, kind);
    }
    overwrite_lines(head);
}

/// Overwrites what is secret in a response as it came: in all that is not content, and in content as a request's.
pub fn overwrite_response(received: &mut [u8], content: &[(usize, usize)]) {
    let whole = (received.len(), received.len());
    let mut at = 0;
    let mut kind = None;
    for (start, end) in content.iter().copied().chain([whole]) {
        if let Some(between) = received.get_mut(at..start) {
            if kind.is_none() && start < whole.0 {
                // Behind the heads of interim responses is that of the final one.
                let head = memchr::memmem::rfind(between, b"HTTP/").map_or(&between[..], |head| &between[head..]);
                let plain = field_of(head, "content-encoding").is_none();
                kind = Some(field_of(head, "content-type").filter(|_| plain).unwrap_or_default().to_owned());
            }
            overwrite_lines(between);
        }
        at = end;
    }
    let length = received.len();
    let spans = content.iter().map(|(start, end)| *start..*end);
    let spans: Vec<_> = spans.filter(|span| span.start <= span.end && span.end <= length).collect();
    body::overwrite_spans(received, &spans, &kind.unwrap_or_default());
}
