//! Where a 3xx response sends us, and what may go along (RFC 9110 section 15.4).
//!
//! What belongs to one origin stays there: on a change of scheme, host or port only fields on a short list go along.

use std::borrow::Cow;

use super::head::{self, Headers, ResponseHead};
use super::url::{Scheme, Target};
use crate::error::{Cause, Error, Result};

/// Fields that say nothing about who asks, and so may follow to another origin.
const FREE: [&str; 8] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "pragma",
    "range",
    "user-agent",
];

/// Fields that describe a body, and so go when it goes.
const OF_THE_BODY: [&str; 10] = [
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-type",
    "content-digest",
    "digest",
    "expect",
    "trailer",
    "transfer-encoding",
];

/// Fields that a client adds to whatever it sends.
const ADDED: [&str; 5] = ["host", "cookie", "content-length", "transfer-encoding", "proxy-authorization"];

/// How redirections are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// They may lead from https to http.
    pub insecure: bool,
    /// The method stays where others ask for anew with GET; the body goes all the same, as curl's `-X` has it.
    pub keep_method: bool,
}

/// The request that follows a redirection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// Its method.
    pub method: Cow<'static, str>,
    /// Its URL.
    pub target: Target,
    /// Its fields.
    pub headers: Headers,
    /// Whether the body is sent again.
    pub keeps_body: bool,
    /// Whether it goes to the same scheme, host and port, so that credentials may.
    pub same_origin: bool,
}

/// A byte that is not ASCII as a URL has it, RFC 3986 section 2.1.
fn escaped(byte: u8) -> String {
    if byte.is_ascii() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
}

/// What to do after `answer` came to a request: `None` where it is no redirection.
///
/// From https to http is an error unless `policy` allows it.
pub fn next(
    answer: &ResponseHead,
    method: &str,
    target: &Target,
    headers: &Headers,
    policy: Policy,
) -> Result<Option<Next>> {
    if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = answer.headers.get("location").filter(|location| !location.is_empty()) else {
        return Ok(None);
    };
    // Bytes that are no text are the server's own, and go back to it as they are.
    let location = match std::str::from_utf8(location) {
        Ok(text) => text.to_owned(),
        Err(_) => location.iter().map(|byte| escaped(*byte)).collect(),
    };
    let to = target.join(&location).map_err(|error| match &error.cause {
        Cause::Invalid { reason, .. } => Error::malformed("Location", reason.clone()),
        _ => error,
    })?;
    if !policy.insecure && target.origin().scheme == Scheme::Https && to.origin().scheme == Scheme::Http {
        return Err(Error::malformed(
            "redirection",
            format!("it leads from https to {to}, where everybody can read along"),
        ));
    }
    // What is asked for anew, without the body (RFC 9110 sections 15.4.2 to 15.4.4).
    let to_get = match answer.status {
        301 | 302 => method == "POST" || policy.keep_method,
        303 => method != "HEAD",
        _ => false,
    };
    let same_origin = to.origin() == target.origin();
    let mut kept = Headers::new();
    for (name, value) in headers.iter() {
        let is = |list: &[&str]| list.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        // A body that is sent again is described again, to whomever it goes.
        let described = !to_get && is(&OF_THE_BODY);
        let goes = if same_origin { !(to_get && is(&OF_THE_BODY)) } else { is(&FREE) || described };
        if goes && !name.eq_ignore_ascii_case(b"host") || (same_origin && name.eq_ignore_ascii_case(b"host")) {
            kept.push(name, value);
        }
    }
    Ok(Some(Next {
        method: head::method(if to_get && !policy.keep_method { "GET" } else { method }),
        target: to,
        headers: kept,
        keeps_body: !to_get,
        same_origin,
    }))
}

/// The same of a request whose fields are known as they went out: what a client adds by itself is not in it.
pub fn by_hand(answer: &ResponseHead, method: &str, target: &Target, sent: &Headers) -> Result<Option<Next>> {
    let mut next = next(answer, method, target, sent, Policy::default())?;
    if let Some(next) = &mut next {
        ADDED.iter().for_each(|name| next.headers.remove(name));
    }
    Ok(next)
}
