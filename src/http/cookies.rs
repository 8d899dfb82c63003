//! Cookies as RFC 6265bis has them: taken from Set-Cookie, given back to whom they belong.
//!
//! The clock is the caller's: seconds since 1970. Public suffixes (compiled in) take no cookies for what is below them;
//! a plain connection cannot touch a Secure cookie; every domain and the whole jar have caps.

use std::net::IpAddr;

use super::head::Headers;
use super::url::{Scheme, Target};
use crate::error::{Error, Result};

/// Caps of RFC 6265bis section 5.6 and of the jar.
const MOST_NAME_AND_VALUE: usize = 4096;
const MOST_ATTRIBUTE: usize = 1024;
const MOST_OF_A_DOMAIN: usize = 180;
const MOST: usize = 3000;
/// Servers take heads of 8 KiB; beyond that a neighbour's cookies would keep us from a host.
const MOST_OF_A_FIELD: usize = 8000;
/// The longest life, in seconds: 400 days.
const LONGEST: i64 = 400 * 24 * 3600;

/// A cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// Its name.
    pub name: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
    /// The host it belongs to, or the domain whose hosts all get it.
    pub domain: String,
    /// Whether only that host itself gets it.
    pub host_only: bool,
    /// The path below which it is sent.
    pub path: String,
    /// Whether it is sent over TLS only.
    pub secure: bool,
    /// Whether scripts are kept from it (of no meaning here, kept for the record).
    pub http_only: bool,
    /// When it ends, in seconds since 1970; `None`: with the session.
    pub expires: Option<i64>,
    created: u64,
}

/// A jar.
#[derive(Clone, Debug, Default)]
pub struct Jar {
    cookies: Vec<Cookie>,
    clock: u64,
}

impl Jar {
    /// The cookies that have not ended at `now`.
    pub fn iter(&self, now: i64) -> impl Iterator<Item = &Cookie> {
        self.cookies.iter().filter(move |cookie| cookie.lives(now))
    }

    /// Whether there is none at all.
    pub fn is_empty(&self) -> bool {
        self.cookies.is_empty()
    }

    /// Removes those that `pick` names.
    pub fn remove(&mut self, pick: impl Fn(&Cookie) -> bool) {
        self.cookies.retain(|cookie| !pick(cookie));
    }

    /// Puts a cookie in: the caller's own, of whatever domain. One of a public suffix goes to that host alone.
    pub fn put(&mut self, mut cookie: Cookie) {
        cookie.host_only |= is_listed_suffix(&cookie.domain);
        self.clock += 1;
        cookie.created = self.clock;
        if let Some(at) = self.cookies.iter().position(|had| had.same(&cookie)) {
            cookie.created = self.cookies[at].created;
            self.cookies[at] = cookie;
        } else {
            self.cookies.push(cookie);
        }
    }

    /// Takes what a response from `target` sets.
    pub fn hear(&mut self, target: &Target, headers: &Headers, now: i64) {
        for line in headers.all("set-cookie") {
            if let Some(cookie) = parse(line, target, now) {
                self.store(cookie, target, now);
            }
        }
    }

    fn store(&mut self, cookie: Cookie, target: &Target, now: i64) {
        let secure_origin = secure(target);
        self.cookies.retain(|had| had.lives(now));
        let shadowed = self.cookies.iter().any(|had| {
            had.secure
                && had.name == cookie.name
                && (domain_matches(&had.domain, &cookie.domain) || domain_matches(&cookie.domain, &had.domain))
                && path_matches(&cookie.path, &had.path)
        });
        if !secure_origin && shadowed {
            return;
        }
        if !cookie.lives(now) {
            self.cookies.retain(|had| !had.same(&cookie));
            return;
        }
        let owner = registered(&cookie.domain).to_owned();
        self.put(cookie);
        // Flooding: what was set first goes first, the owner's own before anybody else's, however many hosts it has.
        while self.cookies.iter().filter(|had| registered(&had.domain) == owner).count() > MOST_OF_A_DOMAIN {
            self.evict(|had| registered(&had.domain) == owner);
        }
        while self.cookies.len() > MOST {
            self.evict(|_| true);
        }
    }

    fn evict(&mut self, of: impl Fn(&Cookie) -> bool) {
        let oldest = self.cookies.iter().enumerate().filter(|(_, had)| of(had));
        let oldest = oldest.min_by_key(|(_, had)| (had.secure, had.created)).map(|(at, _)| at);
        if let Some(at) = oldest {
            self.cookies.remove(at);
        }
    }

    /// What goes into the Cookie field of a request to `target` beside `said`, the caller's own: no name that is in it.
    pub fn field(&self, target: &Target, said: Option<&[u8]>, now: i64) -> Option<Vec<u8>> {
        let name = |pair: &[u8]| blank_trimmed(pair.split(|byte| *byte == b'=').next().unwrap_or_default()).to_vec();
        let said: Vec<_> = said.unwrap_or_default().split(|byte| *byte == b';').map(name).collect();
        let host = &target.origin().host;
        let mut goes: Vec<&Cookie> = self
            .iter(now)
            .filter(
                |cookie| if cookie.host_only { cookie.domain == *host } else { domain_matches(&cookie.domain, host) },
            )
            .filter(|cookie| path_matches(target.path(), &cookie.path))
            .filter(|cookie| !cookie.secure || secure(target))
            .filter(|cookie| cookie.name.is_empty() || !said.contains(&cookie.name))
            .collect();
        goes.sort_by_key(|cookie| (std::cmp::Reverse(cookie.path.len()), cookie.created));
        let mut field = Vec::new();
        for cookie in goes {
            if field.len() + cookie.name.len() + cookie.value.len() + 3 > MOST_OF_A_FIELD {
                continue;
            }
            if !field.is_empty() {
                field.extend_from_slice(b"; ");
            }
            field.extend_from_slice(&cookie.name);
            if !cookie.name.is_empty() {
                field.push(b'=');
            }
            field.extend_from_slice(&cookie.value);
        }
        (!field.is_empty()).then_some(field)
    }
}

impl Cookie {
    /// A cookie of the session for a domain and everything below it, or for one host.
    pub fn new(name: &[u8], value: &[u8], domain: &str, host_only: bool, path: &str) -> Self {
        Self {
            name: name.to_vec(),
            value: value.to_vec(),
            domain: domain.to_ascii_lowercase(),
            host_only,
            path: path.to_owned(),
            secure: false,
            http_only: false,
            expires: None,
            created: 0,
        }
    }

    fn lives(&self, now: i64) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }

    fn same(&self, other: &Self) -> bool {
        self.name == other.name
            && self.domain == other.domain
            && self.host_only == other.host_only
            && self.path == other.path
    }
}

/// A cookie of the caller's own must be sendable in one field.
pub fn check_cookie(name: &[u8], value: &[u8]) -> Result<()> {
    let bad = |byte: &u8| *byte < 0x20 || *byte == 0x7f || *byte == b';';
    let told = String::from_utf8_lossy(name);
    if name.iter().any(|byte| bad(byte) || *byte == b'=') {
        return Err(Error::invalid("cookie", format!("the name {told:?} holds =, ; or a control character")));
    }
    if value.iter().any(bad) {
        return Err(Error::invalid("cookie", format!("the value of {told:?} holds ; or a control character")));
    }
    Ok(())
}

/// TLS, or a loopback that nobody can listen in on.
fn secure(target: &Target) -> bool {
    let host = &*target.origin().host;
    target.origin().scheme == Scheme::Https
        || host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// RFC 6265bis section 5.1.3.
fn domain_matches(domain: &str, host: &str) -> bool {
    host == domain
        || (host.strip_suffix(domain).is_some_and(|front| front.ends_with('.')) && host.parse::<IpAddr>().is_err())
}

/// RFC 6265bis section 5.1.4.
fn path_matches(request: &str, path: &str) -> bool {
    request == path || (request.starts_with(path) && (path.ends_with('/') || request[path.len()..].starts_with('/')))
}

fn default_path(target: &Target) -> String {
    let path = target.path();
    match path.rfind('/') {
        None | Some(0) => "/".to_owned(),
        Some(end) => path[..end].to_owned(),
    }
}

/// The name that was registered, whose hosts have one owner; the host itself where there is none.
fn registered(domain: &str) -> &str {
    match domain.parse::<IpAddr>() {
        Ok(_) => domain,
        Err(_) => psl::domain_str(domain).unwrap_or(domain),
    }
}

fn is_public_suffix(domain: &str) -> bool {
    psl::suffix(domain.as_bytes()).is_some_and(|suffix| suffix.as_bytes().len() == domain.len())
}

/// Whether the list names it: a name that it does not know (`lan`) may well be the caller's own network.
fn is_listed_suffix(domain: &str) -> bool {
    psl::suffix(domain.as_bytes()).is_some_and(|suffix| suffix.is_known() && suffix.as_bytes().len() == domain.len())
}

/// RFC 6265bis sections 5.6 and 5.7; `None` where the cookie is to be ignored.
fn parse(line: &[u8], target: &Target, now: i64) -> Option<Cookie> {
    if line.iter().any(|byte| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f) {
        return None;
    }
    let mut parts = line.split(|byte| *byte == b';');
    let pair = parts.next().unwrap_or_default();
    let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
        Some(at) => (blank_trimmed(&pair[..at]), blank_trimmed(&pair[at + 1..])),
        None => (&b""[..], blank_trimmed(pair)),
    };
    if name.len() + value.len() > MOST_NAME_AND_VALUE || (name.is_empty() && value.is_empty()) {
        return None;
    }
    let origin = target.origin();
    let mut cookie = Cookie::new(name, value, &origin.host, true, &default_path(target));
    let (mut max_age, mut expires, mut domain, mut path_given) = (None, None, None, false);
    for attribute in parts {
        let (name, value) = match attribute.iter().position(|byte| *byte == b'=') {
            Some(at) => (blank_trimmed(&attribute[..at]), blank_trimmed(&attribute[at + 1..])),
            None => (blank_trimmed(attribute), &b""[..]),
        };
        if value.len() > MOST_ATTRIBUTE {
            continue;
        }
        match &*name.to_ascii_lowercase() {
            b"expires" => expires = date(value).or(expires),
            b"max-age" => max_age = age(value).or(max_age),
            b"domain" => domain = Some(String::from_utf8_lossy(value).to_ascii_lowercase()),
            b"path" => {
                path_given = value.first() == Some(&b'/');
                cookie.path = match path_given {
                    true => String::from_utf8_lossy(value).into_owned(),
                    false => default_path(target),
                };
            }
            b"secure" => cookie.secure = true,
            b"httponly" => cookie.http_only = true,
            _ => {}
        }
    }
    cookie.expires = match max_age {
        Some(seconds) => Some(if seconds <= 0 { i64::MIN } else { now.saturating_add(seconds.min(LONGEST)) }),
        None => expires.map(|expires| expires.min(now.saturating_add(LONGEST))),
    };
    if let Some(given) =
        domain.as_deref().map(|domain| domain.strip_prefix('.').unwrap_or(domain)).filter(|d| !d.is_empty())
    {
        let domain = match ::url::Host::parse(given) {
            Ok(host) => host.to_string(),
            Err(_) => return None,
        };
        let domain = domain.trim_start_matches('[').trim_end_matches(']').to_owned();
        if is_public_suffix(&domain) {
            // A host that is itself a public suffix keeps its own cookies to itself.
            if domain != origin.host {
                return None;
            }
        } else {
            if !domain_matches(&domain, &origin.host) {
                return None;
            }
            cookie.host_only = false;
            cookie.domain = domain;
        }
    }
    if cookie.secure && !secure(target) {
        return None;
    }
    let prefixed = |prefix: &str| {
        let named = if cookie.name.is_empty() { &cookie.value } else { &cookie.name };
        named.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    let host_ok = cookie.secure && cookie.host_only && domain.is_none() && path_given && cookie.path == "/";
    if (prefixed("__secure-") && !cookie.secure) || (prefixed("__host-") && !host_ok) {
        return None;
    }
    // A nameless cookie must not pass for one with a prefix.
    if cookie.name.is_empty() && (prefixed("__secure-") || prefixed("__host-")) {
        return None;
    }
    Some(cookie)
}

fn blank_trimmed(bytes: &[u8]) -> &[u8] {
    let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let start = bytes.iter().position(|byte| !blank(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    &bytes[start..end]
}

/// `-?DIGIT+`; what is too large is as large as can be.
fn age(value: &[u8]) -> Option<i64> {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let text = std::str::from_utf8(value).ok()?;
    Some(text.parse().unwrap_or(if text.starts_with('-') { i64::MIN } else { i64::MAX }))
}

/// The date algorithm of RFC 6265bis section 5.1.1, as seconds since 1970.
pub fn date(text: &[u8]) -> Option<i64> {
    let delimiter = |byte: &u8| matches!(byte, 0x09 | 0x20..=0x2f | 0x3b..=0x40 | 0x5b..=0x60 | 0x7b..=0x7e);
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in text.split(|byte| delimiter(byte)).filter(|token| !token.is_empty()) {
        if time.is_none() {
            time = clock(token);
            if time.is_some() {
                continue;
            }
        }
        if day.is_none() {
            day = number(token, 1, 2);
            if day.is_some() {
                continue;
            }
        }
        if month.is_none() {
            let names = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
            let start = token.get(..3).map(<[u8]>::to_ascii_lowercase);
            month =
                start.and_then(|start| names.iter().position(|name| name.as_bytes() == start)).map(|at| at as i64 + 1);
            if month.is_some() {
                continue;
            }
        }
        if year.is_none() {
            year = number(token, 2, 4);
        }
    }
    let ((hour, minute, second), day, month, mut year) = (time?, day?, month?, year?);
    if (70..=99).contains(&year) {
        year += 1900;
    } else if (0..=69).contains(&year) {
        year += 2000;
    }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let days_in_month = longest[usize::try_from(month - 1).ok()?];
    if !(1..=days_in_month).contains(&day) || year < 1601 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days since 1970-01-01 of the proleptic Gregorian calendar, with March as the first month of a year.
    let (shifted, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

/// Digits at the start of a token, `least` to `most` of them, then none.
fn number(token: &[u8], least: usize, most: usize) -> Option<i64> {
    let digits = token.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(least..=most).contains(&digits) {
        return None;
    }
    std::str::from_utf8(&token[..digits]).ok()?.parse().ok()
}

/// `1*2DIGIT ":" 1*2DIGIT ":" 1*2DIGIT`, anything behind it.
fn clock(token: &[u8]) -> Option<(i64, i64, i64)> {
    let mut fields = token.splitn(3, |byte| *byte == b':');
    let (hour, minute, rest) = (fields.next()?, fields.next()?, fields.next()?);
    let whole = |field: &[u8]| if field.iter().all(u8::is_ascii_digit) { number(field, 1, 2) } else { None };
    Some((whole(hour)?, whole(minute)?, number(rest, 1, 2)?))
}
