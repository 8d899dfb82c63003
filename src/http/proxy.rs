//! Which way a request goes: directly or through a proxy, by settings or by the environment's variables.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use ::url::Url;

use super::auth::{Asked, Auth, Digest};
use super::url::{Origin, Scheme, percent_decoded};
use crate::error::{Error, Result};

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// HTTP, in the clear.
    Http,
    /// HTTP over TLS.
    Https,
    /// SOCKS 5 (RFC 1928); names are resolved here.
    Socks5,
    /// SOCKS 5; names are resolved by the proxy.
    Socks5h,
}

/// A user and a password.
type Password = (Vec<u8>, Vec<u8>);

/// A proxy. Its credentials go to it alone.
#[derive(Clone)]
pub struct Proxy {
    /// How it is spoken to.
    pub kind: Kind,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User and password for it, as SOCKS sends them.
    pub credentials: Option<Password>,
    /// What proves to it, when it speaks HTTP, who asks.
    pub auth: Option<Arc<Auth>>,
}

impl Proxy {
    fn identity(&self) -> (Kind, &str, u16, Option<&Password>, Option<*const Auth>) {
        (self.kind, &self.host, self.port, self.credentials.as_ref(), self.auth.as_ref().map(Arc::as_ptr))
    }
}

impl PartialEq for Proxy {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Proxy {}

impl Hash for Proxy {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proxy({:?} {}:{})", self.kind, self.host, self.port)
    }
}

impl Proxy {
    /// Reads `[scheme://][user:password@]host[:port]`; without a scheme it is http.
    pub fn parse(text: &str) -> Result<Self> {
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let wrong = |reason: &str| {
            let shown = whole.rsplit_once('@').map_or(&*whole, |(_, host)| host);
            Error::invalid("proxy", format!("{shown:?}: {reason}"))
        };
        if whole.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(wrong("it holds a control character"));
        }
        let (scheme, rest) = whole.split_once("://").unwrap_or_default();
        let (kind, port) = match &*scheme.to_ascii_lowercase() {
            "http" => (Kind::Http, 80),
            "https" => (Kind::Https, 443),
            "socks5" => (Kind::Socks5, 1080),
            "socks5h" => (Kind::Socks5h, 1080),
            _ => return Err(wrong("the scheme must be http, https, socks5 or socks5h")),
        };
        // The special schemes get their hosts checked; a port that is the scheme's default must not get lost.
        let url = Url::parse(&format!("https://{rest}")).map_err(|error| wrong(&error.to_string()))?;
        let host = match url.host() {
            Some(::url::Host::Domain(name)) => name.to_owned(),
            Some(::url::Host::Ipv4(address)) => address.to_string(),
            Some(::url::Host::Ipv6(address)) => address.to_string(),
            None => return Err(wrong("it names no host")),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let port = if authority.ends_with(":443") { 443 } else { url.port().unwrap_or(port) };
        let credentials = (!url.username().is_empty() || url.password().is_some())
            .then(|| (percent_decoded(url.username()), percent_decoded(url.password().unwrap_or_default())));
        let auth = credentials.as_ref().map(|(user, password)| Arc::new(Auth::Either(Digest::new(user, password))));
        Ok(Self { kind, host, port, credentials, auth })
    }

    /// The same with credentials that its URL does not hold.
    pub fn with_auth(mut self, auth: Arc<Auth>) -> Result<Self> {
        if self.auth.is_some() {
            return Err(Error::invalid("proxy", "credentials are both in the URL and in auth=; give them once"));
        }
        if matches!(self.kind, Kind::Socks5 | Kind::Socks5h) {
            let Auth::Basic { user, password } = &*auth else {
                return Err(Error::invalid("proxy", "SOCKS knows a user and a password: auth=(user, password)"));
            };
            self.credentials = Some((user.clone(), password.clone()));
        }
        self.auth = Some(match &*auth {
            Auth::Basic { user, password } => Arc::new(Auth::Either(Digest::new(user, password))),
            _ => auth,
        });
        Ok(self)
    }

    /// Whether requests go to it as they are, with their whole URL, and not through a tunnel.
    pub fn forwards(&self, origin: &Origin) -> bool {
        matches!(self.kind, Kind::Http | Kind::Https) && origin.scheme == Scheme::Http
    }

    /// The value of a Proxy-Authorization field, before any challenge to the request with `method` and `uri`.
    pub fn authorization(&self, method: &str, uri: &str, body: Option<&[u8]>, cnonce: u64) -> Option<String> {
        self.auth.as_ref()?.opening(&self.asked(method, uri, body, cnonce))
    }

    /// What a proof for it is about.
    pub fn asked<'a>(&'a self, method: &'a str, uri: &'a str, body: Option<&'a [u8]>, cnonce: u64) -> Asked<'a> {
        Asked { host: &self.host, method, uri, body, cnonce }
    }
}

/// Which proxy is for which requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For http URLs.
    pub http: Option<Proxy>,
    /// For https URLs.
    pub https: Option<Proxy>,
    /// Hosts that are reached directly, as NO_PROXY lists them.
    pub none: Vec<String>,
}

impl Proxies {
    /// The proxy that is asked for with what proves who asks, else those of `environment`, else none.
    pub fn choose(
        proxy: Option<(&str, Option<Arc<Auth>>)>,
        environment: Option<&HashMap<String, String>>,
    ) -> Result<Self> {
        match (proxy, environment) {
            // Nothing after the scheme is how people write "none".
            (Some(("" | "http://", _)), _) => Ok(Self::default()),
            (Some((proxy, None)), _) => Ok(Self::all(Proxy::parse(proxy)?)),
            (Some((proxy, Some(auth))), _) => Ok(Self::all(Proxy::parse(proxy)?.with_auth(auth)?)),
            (None, Some(environment)) => Self::from_environment(|name| environment.get(name).cloned()),
            (None, None) => Ok(Self::default()),
        }
    }

    /// One proxy for everything.
    pub fn all(proxy: Proxy) -> Self {
        Self { http: Some(proxy.clone()), https: Some(proxy), none: Vec::new() }
    }

    /// Reads the environment, given as a function from a variable's name to its value.
    ///
    /// `http_proxy` counts in lower case only: in upper case a web server's client can set it (CVE-2016-5385).
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let first = |names: &[&str]| -> Result<Option<Proxy>> {
            let value = names.iter().find_map(|name| variable(name).filter(|value| !value.is_empty()));
            value.map(|value| Proxy::parse(&value)).transpose()
        };
        let none = variable("no_proxy").or_else(|| variable("NO_PROXY")).unwrap_or_default();
        Ok(Self {
            http: first(&["http_proxy", "all_proxy", "ALL_PROXY"])?,
            https: first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?,
            none: none
                .split([',', ' '])
                .map(str::trim)
                .filter(|one| !one.is_empty())
                .map(str::to_ascii_lowercase)
                .collect(),
        })
    }

    /// The proxy for requests to `origin`.
    pub fn pick(&self, origin: &Origin) -> Option<&Proxy> {
        if self.none.iter().any(|pattern| excludes(pattern, origin)) {
            return None;
        }
        match origin.scheme {
            Scheme::Http => self.http.as_ref(),
            Scheme::Https => self.https.as_ref(),
        }
    }
}

/// `*`, a name or a domain above it, an address, a network `address/bits`; each may end with `:port`.
fn excludes(pattern: &str, origin: &Origin) -> bool {
    if pattern == "*" {
        return true;
    }
    let host = origin.host.trim_end_matches('.').to_ascii_lowercase();
    let address: Option<IpAddr> = host.parse().ok();
    if let (Some((network, bits)), Some(address)) = (pattern.split_once('/'), address) {
        return within(network, bits, address).unwrap_or(false);
    }
    let (name, port) = match pattern.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, port.parse::<u16>().ok()),
        _ => (pattern, None),
    };
    if port.is_some_and(|port| port != origin.port) {
        return false;
    }
    let name = name.trim_start_matches('[').trim_end_matches(']');
    if let Some(address) = address {
        return name.parse::<IpAddr>().is_ok_and(|listed| listed == address);
    }
    let name = name.trim_start_matches("*.").trim_start_matches('.').trim_end_matches('.');
    !name.is_empty() && (host == name || host.strip_suffix(name).is_some_and(|front| front.ends_with('.')))
}

fn within(network: &str, bits: &str, address: IpAddr) -> Option<bool> {
    let bits: u32 = bits.parse().ok()?;
    match (network.parse().ok()?, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            Some(u32::from(network) & mask == u32::from(address) & mask)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            Some(u128::from(network) & mask == u128::from(address) & mask)
        }
        _ => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(host: &str, port: u16) -> Origin {
        Origin { scheme: Scheme::Http, host: host.to_owned(), port }
    }

    #[test]
    fn no_proxy_patterns() {
        for (pattern, host, port, excluded) in [
            ("*", "a.example", 80, true),
            ("example.com", "example.com", 80, true),
            ("example.com", "www.example.com", 80, true),
            (".example.com", "www.example.com", 80, true),
            ("example.com", "badexample.com", 80, false),
            ("example.com:81", "example.com", 80, false),
            ("example.com:80", "example.com.", 80, true),
            ("127.0.0.0/8", "127.1.2.3", 80, true),
            ("127.0.0.0/8", "128.0.0.1", 80, false),
            ("10.0.0.0/8", "10.example", 80, false),
            ("::1", "::1", 80, true),
            ("[::1]:81", "::1", 80, false),
            ("fe80::/10", "fe80::1", 80, true),
            ("1.2.3.4", "1.2.3.4", 80, true),
        ] {
            assert_eq!(excludes(pattern, &origin(host, port)), excluded, "{pattern} {host}:{port}");
        }
    }

    #[test]
    fn spellings() {
        let proxy = Proxy::parse("user:p%40ss@proxy.example").expect("a proxy");
        assert_eq!((proxy.kind, &*proxy.host, proxy.port), (Kind::Http, "proxy.example", 80));
        assert_eq!(proxy.credentials, Some((b"user".to_vec(), b"p@ss".to_vec())));
        assert_eq!(Proxy::parse("socks5h://[::1]").map(|proxy| (proxy.kind, proxy.port)), Ok((Kind::Socks5h, 1080)));
        assert_eq!(Proxy::parse("http://p:443").map(|proxy| proxy.port), Ok(443));
        let refused = Proxy::parse("ftp://user:secret@p").expect_err("not a proxy's scheme").to_string();
        assert!(!refused.contains("secret"), "{refused}");
    }

    #[test]
    fn http_proxy_in_upper_case_does_not_count() {
        let found = Proxies::from_environment(|name| (name == "HTTP_PROXY").then(|| "p:1".to_owned()));
        assert_eq!(found, Ok(Proxies::default()));
    }
}
