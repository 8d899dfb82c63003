//! The client's side of a SOCKS 5 handshake (RFC 1928, RFC 1929), fed with bytes.

use std::net::SocketAddr;

use crate::error::{Error, Result};

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
        if matches!(&destination, Destination::Name(name, _) if !short(name.as_bytes())) {
            return Err(Error::invalid("url", "a SOCKS proxy takes names of at most 255 bytes"));
        }
        let outgoing = if credentials.is_some() { vec![5, 2, 0, 2] } else { vec![5, 1, 0] };
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
                [_, _, _, 1, ..] => 10,
                [_, _, _, 4, ..] => 22,
                [_, _, _, 3, length, ..] => 7 + usize::from(*length),
                _ => 5,
            },
            Stage::Done => 0,
        };
        total.saturating_sub(have.len())
    }

    /// Looks at the bytes of the current message; true when the tunnel stands. Empties `have` once it is complete.
    pub fn handle_input(&mut self, have: &mut Vec<u8>) -> Result<bool> {
        if self.wanted(have) > 0 {
            return Ok(false);
        }
        let message = std::mem::take(have);
        match (self.stage, &*message) {
            (Stage::Method, [5, 0]) => self.ask(),
            (Stage::Method, [5, 2]) => match &self.credentials {
                Some((user, password)) => {
                    self.outgoing.push(1);
                    for part in [user, password] {
                        self.outgoing.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
                        self.outgoing.extend_from_slice(part);
                    }
                    self.stage = Stage::Password;
                }
                None => return Err(refused("it wants user and password")),
            },
            (Stage::Method, [5, _]) => return Err(refused("it takes none of our ways to authenticate")),
            (Stage::Password, [_, 0]) => self.ask(),
            (Stage::Password, _) => return Err(refused("user or password are wrong")),
            (Stage::Reply, [5, 0, ..]) => {
                self.stage = Stage::Done;
                return Ok(true);
            }
            (Stage::Reply, [5, code, ..]) => return Err(refused(reply(*code))),
            _ => return Err(Error::malformed("SOCKS reply", "it is not of version 5")),
        }
        Ok(false)
    }

    fn ask(&mut self) {
        self.outgoing.extend_from_slice(&[5, 1, 0]);
        let port = match &self.destination {
            Destination::Address(SocketAddr::V4(address)) => {
                self.outgoing.push(1);
                self.outgoing.extend_from_slice(&address.ip().octets());
                address.port()
            }
            Destination::Address(SocketAddr::V6(address)) => {
                self.outgoing.push(4);
                self.outgoing.extend_from_slice(&address.ip().octets());
                address.port()
            }
            Destination::Name(name, port) => {
                self.outgoing.push(3);
                self.outgoing.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
                self.outgoing.extend_from_slice(name.as_bytes());
                *port
            }
        };
        self.outgoing.extend_from_slice(&port.to_be_bytes());
        self.stage = Stage::Reply;
    }
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
