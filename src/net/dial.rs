//! From nothing to a stream that speaks HTTP with an origin: connect, pass the proxy, agree on TLS.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::ClientConfig;

use super::connect::{Connect, Place};
use super::resolve::{Family, Resolve};
use super::stream::{Io, Stream};
use super::tls;
use crate::engine::{Operation, Step, Time, Wait};
use crate::error::{Cause, Error, Result};
use crate::http::auth::Asker;
use crate::http::body::Framing;
use crate::http::exchange::{Event, Exchange};
use crate::http::head::{self, Headers, Limits, ResponseHead};
use crate::http::proxy::{Kind, Proxy};
use crate::http::socks::{Destination, Handshake};
use crate::http::url::{Origin, Scheme};
use crate::sys;

/// How an origin is reached. Connections with the same route are interchangeable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// Whom the requests are for.
    pub origin: Origin,
    /// Where the connection goes: the origin, or what stands in for it.
    pub place: Place,
    /// What is in between.
    pub proxy: Option<Proxy>,
}

/// A stream that is ready for a request.
#[derive(Debug)]
pub struct Dialled {
    /// The stream.
    pub stream: Stream,
    /// Whom the socket is connected to.
    pub peer: String,
    /// When the name was resolved.
    pub resolved: Time,
    /// When the socket was connected.
    pub connected: Time,
    /// When TLS was agreed on, if it was asked for.
    pub secured: Option<Time>,
}

/// Makes the connection of a route; its deadline is its owner's.
pub struct Dial {
    route: Route,
    config: Option<Arc<ClientConfig>>,
    limits: Limits,
    state: State,
    made: Option<Dialled>,
    /// A number of ours that nobody can foretell, for proofs.
    cnonce: u64,
    /// How many proofs (of Digest) the proxy has been given after challenges.
    proofs: u32,
    /// The next of them.
    proof: Option<String>,
}

/// How much of the content of a refusal is read, to keep the connection for the next attempt.
const MOST_OF_A_REFUSAL: u64 = 64 * 1024;

enum State {
    Connecting(Box<Connect>),
    /// The proxy's own TLS.
    SecuringProxy,
    /// SOCKS with names resolved here.
    Resolving(Box<Resolve>),
    Tunnelling(Box<Tunnel>),
    Securing,
}

enum Passage {
    Blocked(Wait),
    /// The tunnel stands.
    Open,
    /// The proxy says who may pass: its refusal's content comes next.
    Refused(ResponseHead),
    /// That is over; whether the connection can be used for another attempt.
    Over(bool),
}

enum Tunnel {
    Connect { exchange: Exchange, outgoing: Vec<u8>, sent: usize, input: Vec<u8>, at: usize, refusing: bool },
    Socks { handshake: Handshake, outgoing: Vec<u8>, sent: usize, input: Vec<u8> },
}

impl Dial {
    /// An attempt to make the connection of `route`; `config` is there if anything in it speaks TLS, `cnonce` is a number
    /// that nobody can foretell.
    pub fn new(route: Route, config: Option<Arc<ClientConfig>>, limits: Limits, cnonce: u64) -> Self {
        let state = Self::connecting(&route);
        Self { route, config, limits, state, made: None, cnonce, proofs: 0, proof: None }
    }

    fn connecting(route: &Route) -> State {
        let place = match &route.proxy {
            Some(proxy) => Place::Tcp(proxy.host.clone(), proxy.port),
            None => route.place.clone(),
        };
        State::Connecting(Box::new(Connect::new(place)))
    }

    fn secure(&mut self, host: &str) -> Result<()> {
        let config = self.config.as_ref().ok_or_else(|| Error::invalid("verify", "no TLS settings"))?;
        let session = tls::session(config, host)?;
        if let Some(mut made) = self.made.take() {
            made.stream = Stream::tls(made.stream, session);
            self.made = Some(made);
        }
        Ok(())
    }

    /// The proxy is reached: what is said to it.
    fn pass(&mut self) -> Result<()> {
        let origin = self.route.origin.clone();
        self.state = match &self.route.proxy {
            None => return self.arrive(),
            Some(proxy) if proxy.forwards(&origin) => return self.arrive(),
            Some(proxy) => match proxy.kind {
                Kind::Http | Kind::Https => {
                    let authority = origin.authority();
                    let mut headers = Headers::new();
                    headers.push(b"Host", authority.as_bytes());
                    let opening = || proxy.authorization("CONNECT", &authority, Some(b""), self.cnonce);
                    if let Some(value) = self.proof.take().or_else(opening) {
                        headers.push(b"Proxy-Authorization", value.as_bytes());
                    }
                    let mut outgoing = Vec::new();
                    head::encode_request("CONNECT", &authority, &headers, &mut outgoing);
                    let exchange = Exchange::new("CONNECT", self.limits);
                    State::Tunnelling(Box::new(Tunnel::Connect {
                        exchange,
                        outgoing,
                        sent: 0,
                        input: Vec::new(),
                        at: 0,
                        refusing: false,
                    }))
                }
                Kind::Socks5 => match origin.host.parse::<IpAddr>() {
                    Ok(address) => self.socks(Destination::Address(SocketAddr::new(address, origin.port)))?,
                    Err(_) => State::Resolving(Box::new(Resolve::new(&origin.host, origin.port, Family::Any, None))),
                },
                Kind::Socks5h => match origin.host.parse::<IpAddr>() {
                    Ok(address) => self.socks(Destination::Address(SocketAddr::new(address, origin.port)))?,
                    Err(_) => self.socks(Destination::Name(origin.host, origin.port))?,
                },
            },
        };
        Ok(())
    }

    fn socks(&self, destination: Destination) -> Result<State> {
        let credentials = self.route.proxy.as_ref().and_then(|proxy| proxy.credentials.clone());
        let mut handshake = Handshake::new(destination, credentials)?;
        let outgoing = handshake.outgoing();
        Ok(State::Tunnelling(Box::new(Tunnel::Socks { handshake, outgoing, sent: 0, input: Vec::new() })))
    }

    /// The proxy does not let us pass: what can be proved to it after this answer.
    fn refused(&mut self, head: &ResponseHead) -> Result<()> {
        let Some(proxy) = &self.route.proxy else { return Ok(()) };
        let authority = self.route.origin.authority();
        let proof = proxy.auth.as_ref().filter(|_| head.status == 407).and_then(|auth| {
            let asked = proxy.asked("CONNECT", &authority, Some(b""), self.cnonce);
            auth.retort(Asker::Proxy, &head.headers, self.proofs, &asked)
        });
        if proof.is_none() {
            let reason = String::from_utf8_lossy(&head.reason).into_owned();
            let mut told = format!("the proxy refuses to connect: {} {reason}", head.status);
            if head.status == 407 {
                told.push_str(&remedy(&Asker::Proxy.schemes(&head.headers), proxy.auth.is_some()));
            }
            return Err(Error::malformed("proxy reply", told));
        }
        self.proof = proof;
        self.proofs += 1;
        Ok(())
    }

    /// The way to the origin is open.
    fn arrive(&mut self) -> Result<()> {
        if self.route.origin.scheme == Scheme::Https {
            self.secure(&self.route.origin.host.clone())?;
        }
        self.state = State::Securing;
        Ok(())
    }
}

impl Operation for Dial {
    type Output = Dialled;

    fn step(&mut self, now: Time) -> Result<Step<Dialled>> {
        let authority = self.route.origin.authority();
        self.advance(now).map_err(|error| if error.address.is_none() { error.at(authority) } else { error })
    }
}

impl Dial {
    fn advance(&mut self, now: Time) -> Result<Step<Dialled>> {
        loop {
            if let State::Connecting(connect) = &mut self.state {
                let connected = match connect.step(now)? {
                    Step::Wait(wait) => return Ok(Step::Wait(wait)),
                    Step::Done(connected) => connected,
                };
                self.made = Some(Dialled {
                    stream: Stream::socket(connected.socket),
                    peer: connected.peer,
                    resolved: connected.resolved,
                    connected: sys::clock::now(),
                    secured: None,
                });
                match &self.route.proxy {
                    Some(proxy) if proxy.kind == Kind::Https => {
                        let host = proxy.host.clone();
                        self.secure(&host)?;
                        self.state = State::SecuringProxy;
                    }
                    _ => self.pass()?,
                }
                continue;
            }
            if let State::Resolving(lookup) = &mut self.state {
                match lookup.step(now)? {
                    Step::Wait(wait) => return Ok(Step::Wait(wait)),
                    Step::Done(found) => {
                        let address = found.first().copied().ok_or_else(|| Error::invalid("url", "no address"))?;
                        self.state = self.socks(Destination::Address(address))?;
                    }
                }
                continue;
            }
            let Some(made) = &mut self.made else {
                return Err(Error::new("connect", Cause::Interrupted));
            };
            match &mut self.state {
                State::SecuringProxy => {
                    if made.stream.handshake()? == Io::Blocked {
                        return Ok(Step::Wait(made.stream.wait(true, false)));
                    }
                    self.pass()?;
                }
                State::Tunnelling(tunnel) => match tunnel.step(&mut made.stream)? {
                    Passage::Blocked(wait) => return Ok(Step::Wait(wait)),
                    Passage::Open => self.arrive()?,
                    Passage::Refused(head) => self.refused(&head)?,
                    Passage::Over(true) => self.pass()?,
                    Passage::Over(false) => {
                        self.made = None;
                        self.state = Self::connecting(&self.route);
                    }
                },
                State::Securing => {
                    if made.stream.handshake()? == Io::Blocked {
                        return Ok(Step::Wait(made.stream.wait(true, false)));
                    }
                    if self.route.origin.scheme == Scheme::Https {
                        made.secured = Some(sys::clock::now());
                    }
                    if let Some(made) = self.made.take() {
                        return Ok(Step::Done(made));
                    }
                }
                State::Connecting(_) | State::Resolving(_) => {}
            }
        }
    }
}

impl Tunnel {
    fn step(&mut self, stream: &mut Stream) -> Result<Passage> {
        loop {
            let (outgoing, sent) = match self {
                Self::Connect { outgoing, sent, .. } | Self::Socks { outgoing, sent, .. } => (outgoing, sent),
            };
            while *sent < outgoing.len() {
                match stream.write(&outgoing[*sent..])? {
                    Io::Ready(count) => *sent += count,
                    Io::Blocked => return Ok(Passage::Blocked(stream.wait(false, true))),
                }
            }
            if stream.flush()? == Io::Blocked {
                return Ok(Passage::Blocked(stream.wait(false, true)));
            }
            let closed = |came: &[u8]| {
                Error::new("proxy handshake", Cause::Truncated { wanted: None }).with_partial(came.to_vec())
            };
            match self {
                Self::Connect { exchange, input, at, refusing, .. } => match exchange.handle_input(input, at)? {
                    Event::Head(_) if exchange.switched() => {
                        if *at < input.len() {
                            return Err(Error::malformed("proxy reply", "bytes of the tunnel before it was used"));
                        }
                        return Ok(Passage::Open);
                    }
                    Event::Head(head) => {
                        *refusing = true;
                        return Ok(Passage::Refused(head));
                    }
                    Event::Informational(_) => {}
                    Event::More if *refusing && exchange.framing() == Some(Framing::UntilClose) => {
                        return Ok(Passage::Over(false));
                    }
                    Event::More => {
                        input.drain(..*at);
                        *at = 0;
                        match stream.read_append(input, 4096) {
                            Ok(Io::Blocked) => return Ok(Passage::Blocked(stream.wait(true, false))),
                            Ok(Io::Ready(0)) | Err(_) if *refusing => return Ok(Passage::Over(false)),
                            Ok(Io::Ready(0)) => return Err(closed(input)),
                            Ok(Io::Ready(_)) => {}
                            Err(error) => return Err(error),
                        }
                    }
                    Event::Data(_) if exchange.received() > MOST_OF_A_REFUSAL => return Ok(Passage::Over(false)),
                    Event::Data(_) => {}
                    Event::End => {
                        return Ok(Passage::Over(exchange.keep_alive() && *at == input.len() && stream.quiet()));
                    }
                },
                Self::Socks { handshake, outgoing, sent, input } => {
                    let wanted = handshake.wanted(input);
                    if wanted > 0 {
                        match stream.read_append(input, wanted)? {
                            Io::Ready(0) => return Err(closed(input)),
                            Io::Ready(_) => {}
                            Io::Blocked => return Ok(Passage::Blocked(stream.wait(true, false))),
                        }
                    }
                    if handshake.handle_input(input)? {
                        if !stream.quiet() {
                            return Err(Error::malformed("proxy reply", "bytes of the tunnel before it was used"));
                        }
                        return Ok(Passage::Open);
                    }
                    let more = handshake.outgoing();
                    if !more.is_empty() {
                        (*outgoing, *sent) = (more, 0);
                    }
                }
            }
        }
    }
}

/// What may help against a 407 that asks for these schemes.
fn remedy(schemes: &[String], gave: bool) -> String {
    let known = schemes.iter().any(|scheme| matches!(&**scheme, "basic" | "digest"));
    match (schemes, known, gave) {
        ([], ..) => String::new(),
        (_, true, true) => "; it refuses the user and password".to_owned(),
        (_, true, false) => format!("; give it a user and a password: {}", schemes.join(", ")),
        (_, false, _) => format!("; it asks for {}, of which none is spoken here", schemes.join(", ")),
    }
}
