//! The client's side of a SOCKS 5 handshake (RFC 1928, RFC 1929), fed with bytes.

use std::net::SocketAddr;

use crate::error::{Error, Result};

/// Ways to authenticate (RFC 1928 section 3).
const NO_AUTHENTICATION: u8 = 0;
const PASSWORD: u8 = 2;
/// Types of addresses (RFC 1928 section 4).
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Where the proxy is to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// An address.
    Address(SocketAddr),
    /// A name that the proxy resolves, and a port.
    Name(String, u16),
}

/// A handshake: send [`Handshake::outgoing`], feed what comes until [`Handshake::handle_input`] says it is done.
#[derive(Debug)]
pub struct Handshake {
    destination: Destination,
    credentials: Option<(Vec<u8>, Vec<u8>)>,
    stage: Stage,
    outgoing: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Method,
    Password,
    Reply,
    Done,
}

impl Handshake {
    /// A handshake towards `destination`.
    pub fn new(destination: Destination, credentials: Option<(Vec<u8>, Vec<u8>)>) -> Result<Self> {
        let short = |bytes: &[u8]| bytes.len() <= 255;
        if credentials.as_ref().is_some_and(|(user, password)| !short(user) || !short(password)) {
            return Err(Error::invalid("proxy", "SOCKS user and password have at most 255 bytes each"));
        }
        if matches!(&destination, Destination::Name(name, _) if name.is_empty() || !short(name.as_bytes())) {
            return Err(Error::invalid("url", "a SOCKS proxy takes names of 1 to 255 bytes"));
        }
        let outgoing =
            if credentials.is_some() { vec![5, 2, NO_AUTHENTICATION, PASSWORD] } else { vec![5, 1, NO_AUTHENTICATION] };
        Ok(Self { destination, credentials, stage: Stage::Method, outgoing })
    }

    /// Takes what is to be sent.
    pub fn outgoing(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.outgoing)
    }

    /// How many bytes are wanted next: a handshake must not read what belongs to the tunnel.
    pub fn wanted(&self, have: &[u8]) -> usize {
        let total = match self.stage {
            Stage::Method | Stage::Password => 2,
            Stage::Reply => match have {
                [_, _, _, IPV4, ..] => 10,
                [_, _, _, IPV6, ..] => 22,
                [_, _, _, NAME, length, ..] => 7 + usize::from(*length),
                [_, _, _, NAME] => 5,
                _ => 4,
            },
            Stage::Done => 0,
        };
        total.saturating_sub(have.len())
    }

    /// Looks at the bytes of the current message; true when the tunnel stands. Empties `have` once it is complete.
    pub fn handle_input(&mut self, have: &mut Vec<u8>) -> Result<bool> {
        self.check(have)?;
        if self.wanted(have) > 0 {
            return Ok(false);
        }
        let message = std::mem::take(have);
        match (self.stage, message.get(1), &self.credentials) {
            (Stage::Method, Some(&PASSWORD), Some((user, password))) => {
                self.outgoing.push(1);
                for part in [user, password] {
                    self.outgoing.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
                    self.outgoing.extend_from_slice(part);
                }
                self.stage = Stage::Password;
            }
            (Stage::Method | Stage::Password, ..) => self.ask(),
            (Stage::Reply | Stage::Done, ..) => {
                self.stage = Stage::Done;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Looks at each field as soon as it is there: who refuses need not say the rest.
    fn check(&self, have: &[u8]) -> Result<()> {
        match (self.stage, have) {
            (_, []) | (Stage::Done, _) => Ok(()),
            // Some servers answer with SOCKS's version where RFC 1929 has its own.
            (Stage::Password, [version, ..]) if !matches!(version, 1 | 5) => Err(malformed("it is not of version 1")),
            (Stage::Method | Stage::Reply, [version, ..]) if *version != 5 => Err(malformed("it is not of version 5")),
            (_, [_]) => Ok(()),
            (Stage::Method, [_, NO_AUTHENTICATION, ..]) => Ok(()),
            (Stage::Method, [_, PASSWORD, ..]) if self.credentials.is_some() => Ok(()),
            (Stage::Method, [_, PASSWORD, ..]) => Err(refused("it wants user and password")),
            (Stage::Method, _) => Err(refused("it takes none of our ways to authenticate")),
            (Stage::Password, [_, status, ..]) if *status != 0 => Err(refused("user or password are wrong")),
            (Stage::Reply, [_, code, ..]) if *code != 0 => Err(refused(reply(*code))),
            (Stage::Reply, [_, _, reserved, ..]) if *reserved != 0 => Err(malformed("its reserved byte is not 0")),
            (Stage::Reply, [_, _, _, kind, ..]) if !matches!(*kind, IPV4 | NAME | IPV6) => {
                Err(malformed(format!("there is no address type {kind}")))
            }
            (Stage::Password | Stage::Reply, _) => Ok(()),
        }
    }

    fn ask(&mut self) {
        self.outgoing.extend_from_slice(&[5, 1, 0]);
        let port = match &self.destination {
            Destination::Address(SocketAddr::V4(address)) => {
                self.outgoing.push(IPV4);
                self.outgoing.extend_from_slice(&address.ip().octets());
                address.port()
            }
            Destination::Address(SocketAddr::V6(address)) => {
                self.outgoing.push(IPV6);
                self.outgoing.extend_from_slice(&address.ip().octets());
                address.port()
            }
            Destination::Name(name, port) => {
                self.outgoing.push(NAME);
                self.outgoing.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
                self.outgoing.extend_from_slice(name.as_bytes());
                *port
            }
        };
        self.outgoing.extend_from_slice(&port.to_be_bytes());
        self.stage = Stage::Reply;
    }
}

fn malformed(reason: impl Into<String>) -> Error {
    Error::malformed("SOCKS reply", reason)
}

fn refused(reason: &str) -> Error {
    Error::malformed("SOCKS reply", format!("the proxy refuses: {reason}"))
}

/// The codes of RFC 1928 section 6.
fn reply(code: u8) -> &'static str {
    match code {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "an unknown reason",
    }
}
