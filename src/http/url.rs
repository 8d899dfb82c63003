//! What is asked for, from whom: an `http` or `https` URL, taken apart (WHATWG URL, UTS-46 for names).
//!
//! Odd spellings of IPv4 addresses become canonical, control characters are refused where other parsers drop them, and
//! no text made here shows a password.

use std::fmt;
use std::sync::{Arc, LazyLock};

use ::url::{Host, Url};

use super::secret::{self, Text};
use crate::error::{Error, Result};

/// The scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// The port where the URL names none.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// As in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Scheme, host and port: what a connection, a credential or a header list belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The scheme.
    pub scheme: Scheme,
    /// The host, an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Origin {
    /// `host` or `host:port`, as the Host field has it (RFC 9110 section 7.2).
    pub fn host_field(&self) -> String {
        let host = bracketed(&self.host);
        if self.port == self.scheme.default_port() { host } else { format!("{host}:{}", self.port) }
    }

    /// `host:port`, as CONNECT and people want it.
    pub fn authority(&self) -> String {
        format!("{}:{}", bracketed(&self.host), self.port)
    }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// A URL that can be asked for.
#[derive(Clone, PartialEq, Eq)]
pub struct Target(Arc<Parts>);

#[derive(PartialEq, Eq)]
struct Parts {
    /// With [`MARK`] behind the host where `marked`.
    url: Url,
    origin: Origin,
    marked: bool,
}

/// A registered name may end in digits (RFC 3986 section 3.2.2), which the WHATWG parser takes for a broken IPv4 address:
/// such a host carries this while it is in the parser's hands.
const MARK: &str = "-x";

impl Target {
    /// Reads `text`, an absolute `http` or `https` URL.
    pub fn parse(text: &str) -> Result<Self> {
        check_text(text)?;
        match Url::parse(text) {
            Ok(url) => Self::new(url, false),
            Err(::url::ParseError::InvalidIpv4Address) => {
                let refused = || invalid(text, "invalid IPv4 address");
                Self::new(Url::parse(&marked(text).ok_or_else(refused)?).map_err(|_| refused())?, true)
            }
            Err(::url::ParseError::RelativeUrlWithoutBase) => {
                Err(invalid(text, "it names no scheme; begin with http:// or https://"))
            }
            Err(error) => Err(invalid(text, &error.to_string())),
        }
    }

    /// A target that is nobody's, to be replaced.
    pub fn nowhere() -> Self {
        static NOWHERE: LazyLock<Option<Target>> = LazyLock::new(|| Target::parse("http://nowhere.invalid/").ok());
        NOWHERE.clone().unwrap_or_else(|| unreachable!("a literal URL"))
    }

    /// Reads `reference` relative to this URL (RFC 3986 section 5), keeping the fragment if it has none (RFC 9110
    /// section 10.2.2).
    pub fn join(&self, reference: &str) -> Result<Self> {
        check_text(reference)?;
        let mut url = match self.0.url.join(reference) {
            Ok(url) => url,
            Err(::url::ParseError::InvalidIpv4Address) => return Self::parse(reference),
            Err(error) => return Err(invalid(reference, &error.to_string())),
        };
        if url.fragment().is_none() {
            url.set_fragment(self.0.url.fragment());
        }
        let marked = self.0.marked && url.host_str() == self.0.url.host_str();
        Self::new(url, marked)
    }

    fn new(url: Url, marked: bool) -> Result<Self> {
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            other => return Err(invalid(url.as_str(), &format!("{other:?} is not http or https"))),
        };
        let host = match url.host() {
            Some(Host::Domain(name)) if marked => name.trim_end_matches(MARK).to_owned(),
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => return Err(invalid(url.as_str(), "it names no host")),
        };
        let port = url.port().unwrap_or(scheme.default_port());
        if port == 0 {
            return Err(invalid(url.as_str(), "port 0 cannot be connected to"));
        }
        Ok(Self(Arc::new(Parts { url, origin: Origin { scheme, host, port }, marked })))
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// Path and query as a request line has them.
    pub fn path_and_query(&self) -> &str {
        &self.0.url[::url::Position::BeforePath..::url::Position::AfterQuery]
    }

    /// The path.
    pub fn path(&self) -> &str {
        self.0.url.path()
    }

    /// Scheme, authority without userinfo, path and query: the target in a request to a proxy.
    pub fn absolute_form(&self) -> String {
        format!("{}://{}{}", self.0.origin.scheme.as_str(), self.0.origin.host_field(), self.path_and_query())
    }

    /// User and password in the URL, decoded, if there are any.
    pub fn credentials(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let (user, password) = (self.0.url.username(), self.0.url.password());
        if user.is_empty() && password.is_none() {
            return None;
        }
        Some((percent_decoded(user), percent_decoded(password.unwrap_or_default())))
    }

    /// The same URL without user and password.
    #[must_use]
    pub fn without_credentials(&self) -> Self {
        let mut url = self.0.url.clone();
        // Neither fails for a URL that has a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        Self(Arc::new(Parts { url, origin: self.0.origin.clone(), marked: self.0.marked }))
    }

    /// The whole URL, its password included.
    pub fn text(&self) -> String {
        self.unmarked(self.0.url.as_str())
    }

    fn unmarked(&self, text: &str) -> String {
        match self.0.marked {
            true => text.replacen(&format!("{}{MARK}", self.0.origin.host), &self.0.origin.host, 1),
            false => text.to_owned(),
        }
    }

    /// The whole URL as it may be shown: no userinfo, no value of a secret parameter.
    pub fn shown(&self) -> String {
        secret::shown(&self.redacted(), Text::Prose)
    }

    /// The whole URL without what proves who asks.
    pub fn redacted(&self) -> String {
        if self.0.url.password().is_none() && self.0.url.username().is_empty() {
            return self.text();
        }
        let mut url = self.without_credentials().0.url.clone();
        let _ = url.set_username("...");
        self.unmarked(url.as_str())
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.shown()).finish()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

/// The URL with [`MARK`] behind its host, if that is a name and not an attempt at an IPv4 address.
fn marked(text: &str) -> Option<String> {
    let start = text.find("//")? + 2;
    let end = text[start..].find(['/', '?', '#']).map_or(text.len(), |length| start + length);
    let host_start = text[start..end].rfind('@').map_or(start, |at| start + at + 1);
    let host_end = text[host_start..end].find(':').map_or(end, |length| host_start + length);
    let host = &text[host_start..host_end];
    let named = |label: &str| {
        label.bytes().any(|byte| byte.is_ascii_alphabetic() && !byte.is_ascii_hexdigit() && byte | 32 != b'x')
    };
    let plain = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    // A last label in hexadecimal is an address to some resolvers, and a name to none.
    let decimal = host
        .trim_end_matches('.')
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    (plain && decimal && host.split('.').any(named))
        .then(|| format!("{}{MARK}{}", &text[..host_end], &text[host_end..]))
}

/// `%41` to `A`; other bytes stay.
pub fn percent_decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = match bytes[at..] {
            [b'%', high, low, ..] => hex(high).zip(hex(low)),
            _ => None,
        };
        match pair {
            Some((high, low)) => {
                out.push(high << 4 | low);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

/// The WHATWG parser drops tabs and line breaks and takes `\` for `/`: what two parsers read differently is refused.
fn check_text(text: &str) -> Result<()> {
    if text.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(invalid(text, "it holds a control character"));
    }
    let authority = text.split_once("//").map_or("", |(_, rest)| rest);
    let authority = &authority[..authority.find(['/', '?', '#']).unwrap_or(authority.len())];
    if authority.contains('\\') {
        return Err(invalid(text, "a backslash in the host part"));
    }
    Ok(())
}

/// Names the URL without what may be a password: everything up to the last `@` of the authority.
fn invalid(text: &str, reason: &str) -> Error {
    let slash = |character: char| matches!(character, '/' | '\\');
    // Also where the scheme is missing or its slashes are not as they should be.
    let scheme = text.find(':').filter(|colon| text[colon + 1..].starts_with(slash)).map_or(0, |colon| colon + 1);
    let authority = text.len() - text[scheme..].trim_start_matches(slash).len();
    let shown: String = match text.rfind('@') {
        Some(at) if at > authority => format!("{}...{}", &text[..authority], &text[at..]),
        _ => text.to_owned(),
    };
    let shown: String = secret::shown(&shown, Text::Prose).chars().take(200).collect();
    Error::invalid("url", format!("{shown:?}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_addresses_become_canonical() {
        for (text, host) in [
            ("http://0x7f.1/", "127.0.0.1"),
            ("http://2130706433/", "127.0.0.1"),
            ("http://0177.0.0.01/", "127.0.0.1"),
            ("http://[::ffff:127.0.0.1]/", "::ffff:127.0.0.1"),
            ("http://EXAMPLE.com/", "example.com"),
            ("http://b\u{fc}cher.example/", "xn--bcher-kva.example"),
            ("http://\u{ff11}27.0.0.1/", "127.0.0.1"),
        ] {
            let parsed = Target::parse(text).map(|target| target.origin().host.clone());
            assert_eq!(parsed.as_deref(), Ok(host).as_ref().map(|host| *host), "{text}");
        }
    }

    #[test]
    fn names_that_end_in_digits() {
        let target = Target::parse("http://u:p@site.com.12:80/a?b#c").expect("a name");
        assert_eq!(target.origin().host, "site.com.12");
        assert_eq!(target.absolute_form(), "http://site.com.12/a?b");
        assert_eq!(target.text(), "http://u:p@site.com.12/a?b#c");
        let next = target.join("/d").expect("relative");
        assert_eq!((next.origin(), &*next.text()), (target.origin(), "http://u:p@site.com.12/d#c"));
        assert_eq!(
            target.join("http://other.example/").map(|next| next.origin().host.clone()),
            Ok("other.example".into())
        );
        for broken in [
            "http://1.2.3.4.5/",
            "http://256.256.256.256/",
            "http://0x1.2.3.4.5/",
            "http://1.2.3.999/",
            "http://name.0x1/",
            "http://name.0x/",
        ] {
            assert!(Target::parse(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn what_is_refused_shows_no_password() {
        for text in [
            "http://user:secret@host\n/",
            "http://user:secret@ho st/",
            "ftp://user:secret@host/",
            "http://user:secret@evil\\@good/",
            "http://user:secret@host:0/",
            "http://user:secret@host:99999/",
        ] {
            let error = Target::parse(text).expect_err(text).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        let target = Target::parse("http://user:secret@host/").expect("fine");
        assert!(!format!("{target} {target:?}").contains("secret"));
    }
}
