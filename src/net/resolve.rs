//! Names to addresses, as an operation that never blocks its driver.
//!
//! Numbers are answered at once. A name is looked up by getaddrinfo(3) on a thread of its own, which signals an eventfd
//! that the operation watches; so a deadline, Ctrl-C and an event loop work as everywhere else. A lookup that is given
//! up runs on, unseen, until the resolver's own timeout. What is found is never empty.

use std::ffi::CString;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::engine::{Operation, Step, Time, Timer, Wait};
use crate::error::{Cause, Error, Result};
use crate::sys;
use crate::sys::event::Event;
use crate::sys::names::{Failure, Hints};

/// Which addresses will do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Family {
    /// Either, in the order that RFC 6724 prefers.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl Family {
    /// Whether `address` is of this family.
    pub fn admits(self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }

    fn number(self) -> i32 {
        match self {
            Self::Any => libc::AF_UNSPEC,
            Self::V4 => libc::AF_INET,
            Self::V6 => libc::AF_INET6,
        }
    }
}

/// The address that `host` spells, if it is one: `192.0.2.1`, `2001:db8::1`, `fe80::1%eth0`, `fe80::1%3`, `[::1]`.
pub fn numeric(host: &str, port: u16) -> Option<SocketAddr> {
    let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, port));
    }
    let (address, zone) = host.split_once('%')?;
    let by_name = || CString::new(zone).ok().and_then(|zone| sys::names::interface_index(&zone));
    let scope = zone.parse().ok().or_else(by_name)?;
    Some(SocketAddrV6::new(address.parse().ok()?, port, 0, scope).into())
}

/// Finds the addresses of a host: at least one, each once, best first.
#[derive(Debug)]
pub struct Resolve {
    host: String,
    port: u16,
    family: Family,
    timer: Timer,
    lookup: Option<Arc<Lookup>>,
}

#[derive(Debug)]
struct Lookup {
    done: Event,
    answer: Mutex<Option<std::result::Result<Vec<SocketAddr>, Failure>>>,
}

impl Resolve {
    /// A search for `host`, a number or a name (not ASCII: by IDNA), whose addresses will carry `port`.
    pub fn new(host: &str, port: u16, family: Family, timeout: Option<Duration>) -> Self {
        Self { host: host.to_owned(), port, family, timer: Timer::new(timeout), lookup: None }
    }

    fn fail(&self, cause: Cause) -> Error {
        Error::new("resolve", cause).at(&self.host)
    }

    fn start(&self) -> Result<Arc<Lookup>> {
        let name = if self.host.is_ascii() {
            self.host.clone()
        } else {
            match url::Host::parse(&self.host) {
                Ok(url::Host::Domain(name)) => name,
                Ok(other) => other.to_string(),
                Err(error) => {
                    let reason = format!("{:?} is not a host name: {error}", self.host);
                    return Err(self.fail(Cause::Invalid { what: "host", reason }));
                }
            }
        };
        let reason = "a host name is not empty and has no NUL byte in it";
        let name = CString::new(name)
            .ok()
            .filter(|name| !name.is_empty())
            .ok_or_else(|| self.fail(Cause::Invalid { what: "host", reason: reason.to_owned() }))?;
        let os = |error: &std::io::Error| Error::os("resolve", error).at(&self.host);
        let lookup = Arc::new(Lookup { done: Event::new().map_err(|error| os(&error))?, answer: Mutex::new(None) });
        let (theirs, port) = (Arc::clone(&lookup), self.port);
        let hints = Hints { family: self.family.number(), kind: libc::SOCK_STREAM, ..Hints::default() };
        std::thread::Builder::new()
            .name("eyesocket-resolve".to_owned())
            .spawn(move || {
                let answer = sys::names::addresses(&name, port, hints);
                *theirs.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
                // The counter of a fresh eventfd cannot overflow, and there is nobody to tell.
                drop(theirs.done.signal());
            })
            .map_err(|error| os(&error))?;
        Ok(lookup)
    }
}

impl Operation for Resolve {
    type Output = Vec<SocketAddr>;

    fn step(&mut self, now: Time) -> Result<Step<Vec<SocketAddr>>> {
        let deadline = self.timer.start(now);
        let lookup = match &self.lookup {
            Some(lookup) => lookup,
            None => match numeric(&self.host, self.port) {
                Some(address) if self.family.admits(address.ip()) => return Ok(Step::Done(vec![address])),
                Some(_) => {
                    let text = "Address family for hostname not supported".to_owned();
                    return Err(self.fail(Cause::Unresolved { code: sys::names::EAI_ADDRFAMILY, text }));
                }
                None => {
                    let lookup = self.start()?;
                    self.lookup.insert(lookup)
                }
            },
        };
        let answer = lookup.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        match answer {
            Some(Ok(found)) if found.is_empty() => {
                let text = "No address associated with hostname".to_owned();
                Err(self.fail(Cause::Unresolved { code: libc::EAI_NODATA, text }))
            }
            Some(Ok(found)) => Ok(Step::Done(found)),
            Some(Err(Failure::Resolver(code, text))) => Err(self.fail(Cause::Unresolved { code, text })),
            Some(Err(Failure::System(error))) => Err(Error::os("resolve", &error).at(&self.host)),
            None if self.timer.expired(now) => Err(self.fail(Cause::TimedOut)),
            None => Ok(Step::Wait(Wait::readable(lookup.done.descriptor()).until(deadline))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::drive::{self, System};

    fn resolve(host: &str, family: Family, timeout: Option<Duration>) -> Result<Vec<SocketAddr>> {
        drive::block(&mut Resolve::new(host, 80, family, timeout), &mut System::new(|| false))
    }

    #[test]
    fn numbers_are_answered_at_once() {
        for (host, wanted) in [("192.0.2.1", "192.0.2.1:80"), ("::1", "[::1]:80"), ("[::1]", "[::1]:80")] {
            let mut operation = Resolve::new(host, 80, Family::Any, Some(Duration::ZERO));
            let address: SocketAddr = wanted.parse().expect("a literal");
            assert_eq!(operation.step(Time::default()), Ok(Step::Done(vec![address])));
        }
    }

    #[test]
    fn a_zone_is_a_name_or_a_number() {
        let by_name = numeric("fe80::1%lo", 1);
        assert_eq!(by_name, numeric("fe80::1%1", 1));
        assert!(matches!(by_name, Some(SocketAddr::V6(address)) if address.scope_id() == 1));
        assert_eq!(numeric("fe80::1%no-such-interface", 1), None);
    }

    #[test]
    fn the_wrong_family_is_an_error() {
        let error = resolve("::1", Family::V4, None).expect_err("not IPv4");
        assert!(matches!(error.cause, Cause::Unresolved { code: sys::names::EAI_ADDRFAMILY, .. }));
    }

    #[test]
    fn localhost_is_this_host() {
        let found = resolve("localhost", Family::V4, None).expect("in /etc/hosts everywhere");
        assert!(!found.is_empty() && found.iter().all(|address| address.ip().is_loopback() && address.port() == 80));
    }

    #[test]
    fn an_unusable_name_is_the_callers_fault() {
        for host in ["", "a\0b", "ex ample\u{fc}"] {
            let error = resolve(host, Family::Any, None).expect_err("unusable");
            assert!(matches!(error.cause, Cause::Invalid { what: "host", .. }), "{host:?}: {error}");
        }
    }

    #[test]
    fn an_unknown_name_says_what_the_resolver_says() {
        let error = resolve("no-such-host.invalid", Family::Any, None).expect_err("RFC 2606 reserves .invalid");
        assert!(matches!(&error.cause, Cause::Unresolved { text, .. } if !text.is_empty()), "{error}");
        assert_eq!(error.address.as_deref(), Some("no-such-host.invalid"));
    }
}
