//! A user agent: settings and connections that outlive a request, and [`Fetch`], the machine of one request.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::ClientConfig;

use super::connect::Place;
use super::dial::{Dial, Route};
use super::pool::{self, Checkout, Connection, Permit, Pool, Ticket};
use super::talk::{Body, Heard, Opening, Patience, Talk};
use super::tls::{self, Identity, Verify};
use crate::engine::{Operation, Step, Time, Timer, Wait};
use crate::error::{Cause, Error, Result};
use crate::http::exchange::Exchange;
use crate::http::head::{self, Headers, Limits, ResponseHead};
use crate::http::url::{Scheme, Target};
use crate::http::wire::Wire;
use crate::sys;

/// What does not change between the requests of a client.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What a peer's head may cost.
    pub limits: Limits,
    /// How many connections.
    pub pool: pool::Limits,
    /// Which TLS servers are believed.
    pub verify: Verify,
    /// The certificate that is shown to them.
    pub identity: Option<Identity>,
}

/// A user agent.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    pool: Pool,
    tls: OnceLock<Arc<ClientConfig>>,
}

impl Client {
    /// A client without connections.
    pub fn new(settings: Settings) -> Self {
        Self { pool: Pool::new(settings.pool), settings, tls: OnceLock::new() }
    }

    /// The connections.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    fn tls(&self) -> Result<Arc<ClientConfig>> {
        if let Some(config) = self.tls.get() {
            return Ok(Arc::clone(config));
        }
        let config = tls::config(&self.settings.verify, self.settings.identity.as_ref())?;
        Ok(Arc::clone(self.tls.get_or_init(|| config)))
    }
}

/// How long what may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Name, connection and TLS.
    pub connect: Option<Duration>,
    /// Without a byte from the peer.
    pub read: Option<Duration>,
    /// Without the peer taking a byte.
    pub write: Option<Duration>,
    /// For a free connection.
    pub pool: Option<Duration>,
    /// Everything together.
    pub total: Option<Duration>,
}

/// One request, as the caller wants it.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method, a token.
    pub method: String,
    /// What is asked for.
    pub target: Target,
    /// The fields; Host, Content-Length and Transfer-Encoding are added where they are not given.
    pub headers: Headers,
    /// What is sent.
    pub body: Body,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// Whether the response is given when its head is there, its body to be read by the caller.
    pub stream: bool,
    /// How many bytes of content are taken into memory.
    pub most_content: u64,
    /// How many bytes each way are kept to be shown.
    pub wire: usize,
}

/// When what was reached, counted from the start of the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// The name was resolved.
    pub dns: Option<Duration>,
    /// The socket was connected.
    pub connect: Option<Duration>,
    /// TLS was agreed on.
    pub tls: Option<Duration>,
    /// The last byte of the request was with the kernel.
    pub sent: Option<Duration>,
    /// The first byte of the answer was here.
    pub first_byte: Option<Duration>,
    /// The last one was.
    pub done: Option<Duration>,
    /// Whether the connection had carried an exchange before.
    pub reused: bool,
}

/// What a request gave.
#[derive(Debug)]
pub struct Response {
    /// What was asked for.
    pub target: Target,
    /// With which method.
    pub method: String,
    /// The fields that were sent.
    pub sent_headers: Headers,
    /// The head.
    pub head: ResponseHead,
    /// The interim responses before it.
    pub informational: Vec<ResponseHead>,
    /// The content, unless the body is still to be read.
    pub content: Vec<u8>,
    /// The fields after the content.
    pub trailers: Headers,
    /// When what was reached.
    pub timings: Timings,
    /// The bytes both ways.
    pub wire: Wire,
    /// Whom the connection led to.
    pub peer: String,
    /// When the request began, on the clock of the wire's pieces.
    pub began: Time,
    /// The body that is still to be read.
    pub reading: Option<Box<Reading>>,
}

/// One request: from the URL to the response.
pub struct Fetch {
    client: Arc<Client>,
    call: Call,
    total: Timer,
    began: Option<Time>,
    state: State,
    timings: Timings,
    sent_headers: Headers,
    retried: bool,
}

enum State {
    Begin,
    Queued { ticket: Ticket, until: Option<Time> },
    Dialling { dial: Box<Dial>, permit: Option<Permit>, route: Arc<Route>, until: Option<Time> },
    Talking(Box<Talk>),
    Reading(Box<Response>),
    Over,
}

/// What stepping a fetch gave.
#[derive(Debug)]
pub enum Fetched {
    /// The response.
    Response(Box<Response>),
    /// The next piece of a fed body is wanted: feed it and step again.
    Hungry,
}

/// How much content is read in one step before the clock is looked at again.
const STEP_CONTENT: usize = 4 * 1024 * 1024;

impl Fetch {
    /// The machine of `call`.
    pub fn new(client: Arc<Client>, call: Call) -> Result<Self> {
        head::check_method(&call.method)?;
        head::check_target(call.target.path_and_query())?;
        Ok(Self {
            client,
            total: Timer::new(call.timeouts.total),
            call,
            began: None,
            state: State::Begin,
            timings: Timings::default(),
            sent_headers: Headers::new(),
            retried: false,
        })
    }

    /// The next piece of a fed body, after [`Fetched::Hungry`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.state {
            State::Talking(talk) => talk.feed(bytes),
            _ => Ok(()),
        }
    }

    /// The fed body is complete.
    pub fn feed_end(&mut self) -> Result<()> {
        match &mut self.state {
            State::Talking(talk) => talk.feed_end(),
            _ => Ok(()),
        }
    }

    fn route(&self) -> Route {
        let origin = self.call.target.origin().clone();
        Route { place: Place::Tcp(origin.host.clone(), origin.port), origin }
    }

    /// The head as it goes out.
    fn head(&mut self) -> Vec<u8> {
        let mut headers = Headers::new();
        if !self.call.headers.contains("host") {
            headers.push(b"Host", self.call.target.origin().host_field().as_bytes());
        }
        for (name, value) in self.call.headers.iter() {
            headers.push(name, value);
        }
        if !headers.contains("content-length") && !headers.contains("transfer-encoding") {
            let length = match &self.call.body {
                Body::Fed(None) => {
                    headers.push(b"Transfer-Encoding", b"chunked");
                    None
                }
                Body::Fed(length) => *length,
                Body::Bytes(_) => Some(self.call.body.bytes().len() as u64),
                Body::Empty => matches!(&*self.call.method, "POST" | "PUT" | "PATCH").then_some(0),
            };
            if let Some(length) = length {
                headers.push(b"Content-Length", length.to_string().as_bytes());
            }
        }
        let mut bytes = Vec::new();
        head::encode_request(&self.call.method, self.call.target.path_and_query(), &headers, &mut bytes);
        self.sent_headers = headers;
        bytes
    }

    fn begin(&mut self, now: Time) -> Result<()> {
        let route = self.route();
        self.state = match self.client.pool.checkout(&route, self.retried, now)? {
            Checkout::Reuse(connection) => self.talk(connection, now),
            Checkout::Full(ticket) => {
                State::Queued { ticket, until: self.call.timeouts.pool.map(|time| now.after(time)) }
            }
            Checkout::Open(permit) => self.dial(route, permit, now)?,
        };
        Ok(())
    }

    fn dial(&mut self, route: Route, permit: Permit, now: Time) -> Result<State> {
        let config = if route.origin.scheme == Scheme::Https { Some(self.client.tls()?) } else { None };
        Ok(State::Dialling {
            dial: Box::new(Dial::new(route.clone(), config)),
            permit: Some(permit),
            route: Arc::new(route),
            until: self.call.timeouts.connect.map(|time| now.after(time)),
        })
    }

    fn talk(&mut self, connection: Box<Connection>, now: Time) -> State {
        let head = self.head();
        let exchange = Exchange::new(&self.call.method, self.client.settings.limits);
        let patience = Patience { read: self.call.timeouts.read, write: self.call.timeouts.write };
        let expect = self.sent_headers.list("expect").any(|value| value.eq_ignore_ascii_case(b"100-continue"));
        let wire = Wire::new(self.call.wire);
        let body = self.call.body.clone();
        self.timings.reused = connection.exchanges > 0;
        let opening = Opening { head, body, expect, patience, wire };
        State::Talking(Box::new(Talk::new(connection, exchange, opening, now)))
    }

    /// Whether a failure on a connection that had been idle may be tried once more on a new one.
    fn may_retry(&self, talk: &Talk) -> bool {
        let idempotent = matches!(&*self.call.method, "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS" | "TRACE");
        talk.reused()
            && !self.retried
            && idempotent
            && talk.first_byte.is_none()
            && !matches!(self.call.body, Body::Fed(_))
    }

    fn respond(&mut self, talk: Box<Talk>, head: ResponseHead) -> Box<Response> {
        let began = self.began.unwrap_or_default();
        let since = |time: Option<Time>| time.map(|time| time.since(began));
        self.timings.sent = since(talk.sent);
        self.timings.first_byte = since(talk.first_byte);
        Box::new(Response {
            target: self.call.target.clone(),
            method: self.call.method.clone(),
            sent_headers: std::mem::take(&mut self.sent_headers),
            head,
            informational: Vec::new(),
            content: Vec::new(),
            trailers: Headers::new(),
            timings: self.timings,
            wire: Wire::default(),
            peer: talk.peer().to_owned(),
            began,
            reading: Some(Box::new(Reading {
                talk: Some(talk),
                client: Arc::clone(&self.client),
                total: self.total,
                began,
                peer: self.call.target.origin().authority(),
            })),
        })
    }

    fn advance(&mut self, now: Time) -> Result<Step<Fetched>> {
        loop {
            match &mut self.state {
                State::Begin => self.begin(now)?,
                State::Queued { ticket, until } => {
                    let (descriptor, until) = (ticket.descriptor(), *until);
                    if until.is_some_and(|until| now >= until) {
                        return Err(Error::new("waiting for a free connection", Cause::TimedOut));
                    }
                    let route = self.route();
                    match self.client.pool.checkout(&route, self.retried, now)? {
                        Checkout::Reuse(connection) => self.state = self.talk(connection, now),
                        Checkout::Open(permit) => self.state = self.dial(route, permit, now)?,
                        Checkout::Full(fresh) => {
                            // The old place in the queue is kept until its turn came.
                            let signalled = sys::poll::poll(&Wait::readable(descriptor), Some(Duration::ZERO));
                            if let (State::Queued { ticket, .. }, Ok(true)) = (&mut self.state, signalled) {
                                *ticket = fresh;
                            }
                            if let State::Queued { ticket, until } = &self.state {
                                return Ok(Step::Wait(Wait::readable(ticket.descriptor()).until(*until)));
                            }
                        }
                    }
                }
                State::Dialling { dial, permit, route, until } => {
                    let dialled = match dial.step(now)? {
                        Step::Done(dialled) => dialled,
                        Step::Wait(_) if until.is_some_and(|until| now >= until) => {
                            return Err(Error::new("connecting to", Cause::TimedOut));
                        }
                        Step::Wait(wait) => return Ok(Step::Wait(wait.until(*until))),
                    };
                    let (began, route) = (self.began.unwrap_or_default(), Arc::clone(route));
                    let Some(permit) = permit.take() else {
                        return Err(Error::new("connect", Cause::Interrupted));
                    };
                    self.timings.dns = Some(dialled.resolved.since(began));
                    self.timings.connect = Some(dialled.connected.since(began));
                    self.timings.tls = dialled.secured.map(|time| time.since(began));
                    let connection = Connection::new(dialled.stream, dialled.peer, route, permit);
                    self.state = self.talk(Box::new(connection), now);
                }
                State::Talking(talk) => {
                    let heard = match talk.step_head(now) {
                        Ok(Step::Wait(wait)) => return Ok(Step::Wait(wait)),
                        Ok(Step::Done(heard)) => heard,
                        Err(error) => {
                            let State::Talking(talk) = std::mem::replace(&mut self.state, State::Begin) else {
                                return Err(error);
                            };
                            if broken(&error) && self.may_retry(&talk) {
                                self.retried = true;
                                continue;
                            }
                            self.state = State::Over;
                            return Err(error);
                        }
                    };
                    let head = match heard {
                        Heard::Hungry => return Ok(Step::Done(Fetched::Hungry)),
                        Heard::Head(head) => head,
                    };
                    let State::Talking(talk) = std::mem::replace(&mut self.state, State::Over) else {
                        return Err(Error::new("fetch", Cause::Interrupted));
                    };
                    let response = self.respond(talk, head);
                    if self.call.stream {
                        return Ok(Step::Done(Fetched::Response(response)));
                    }
                    self.state = State::Reading(response);
                }
                State::Reading(response) => {
                    let Some(reading) = &mut response.reading else {
                        return Err(Error::new("fetch", Cause::Interrupted));
                    };
                    let step = reading.step(now, &mut response.content, STEP_CONTENT);
                    let (length, limit) = (response.content.len() as u64, self.call.most_content);
                    if length > limit {
                        let cause = Cause::TooLarge { what: "content", length, limit };
                        return Err(Error::new("body", cause).with_partial(std::mem::take(&mut response.content)));
                    }
                    match step {
                        Ok(Step::Wait(wait)) => return Ok(Step::Wait(wait)),
                        Ok(Step::Done(false)) => {}
                        Ok(Step::Done(true)) => {
                            let State::Reading(mut response) = std::mem::replace(&mut self.state, State::Over) else {
                                return Err(Error::new("fetch", Cause::Interrupted));
                            };
                            if let Some(reading) = response.reading.take() {
                                reading.finish(&mut response);
                            }
                            return Ok(Step::Done(Fetched::Response(response)));
                        }
                        Err(error) => return Err(error.with_partial(std::mem::take(&mut response.content))),
                    }
                }
                State::Over => return Err(Error::new("fetch", Cause::Interrupted)),
            }
        }
    }
}

/// Whether the connection died under us, as idle ones do.
fn broken(error: &Error) -> bool {
    match error.cause {
        Cause::Os(errno) => matches!(errno, libc::ECONNRESET | libc::EPIPE | libc::ECONNABORTED | libc::ENOTCONN),
        Cause::Truncated { .. } => true,
        _ => false,
    }
}

/// The same error with the peer named, where it is not yet.
fn located(error: Error, peer: &str) -> Error {
    if error.address.is_none() && !matches!(error.cause, Cause::Invalid { .. }) { error.at(peer) } else { error }
}

impl Operation for Fetch {
    type Output = Fetched;

    /// After [`Fetched::Hungry`] the machine is fed and stepped again.
    fn step(&mut self, now: Time) -> Result<Step<Fetched>> {
        self.began.get_or_insert(now);
        let deadline = self.total.start(now);
        let step = if self.total.expired(now) {
            Err(Error::new(self.activity(), Cause::TimedOut).with_partial(self.partial()))
        } else {
            self.advance(now)
        };
        match step {
            Ok(Step::Wait(wait)) => Ok(Step::Wait(wait.until(deadline))),
            Ok(done) => Ok(done),
            Err(error) => {
                self.state = State::Over;
                Err(located(error, &self.call.target.origin().authority()))
            }
        }
    }

    fn partial(&mut self) -> Vec<u8> {
        match &mut self.state {
            State::Reading(response) => std::mem::take(&mut response.content),
            _ => Vec::new(),
        }
    }
}

impl Fetch {
    fn activity(&self) -> &'static str {
        match self.state {
            State::Begin | State::Over => "request to",
            State::Queued { .. } => "waiting for a free connection to",
            State::Dialling { .. } => "connecting to",
            State::Talking(_) => "waiting for the response of",
            State::Reading(_) => "reading the body from",
        }
    }
}

/// A body that is being read.
pub struct Reading {
    talk: Option<Box<Talk>>,
    client: Arc<Client>,
    total: Timer,
    began: Time,
    peer: String,
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reading({})", self.peer)
    }
}

impl Reading {
    /// Appends content to `sink`, about `most` bytes; `Done(true)` at the end.
    pub fn step(&mut self, now: Time, sink: &mut Vec<u8>, most: usize) -> Result<Step<bool>> {
        let Some(talk) = &mut self.talk else { return Ok(Step::Done(true)) };
        let step = if self.total.expired(now) {
            Err(Error::new("reading the body from", Cause::TimedOut))
        } else {
            talk.step_content(now, sink, most)
        };
        match step {
            Ok(Step::Wait(wait)) => Ok(Step::Wait(wait.until(self.total.deadline()))),
            Ok(done) => Ok(done),
            Err(error) => Err(located(error, &self.peer)),
        }
    }

    /// Puts what the end of the body tells into `response` and the connection back into the pool.
    pub fn finish(mut self, response: &mut Response) {
        let Some(mut talk) = self.talk.take() else { return };
        let now = sys::clock::now();
        response.trailers = talk.take_trailers();
        response.timings.done = Some(now.since(self.began));
        response.informational = std::mem::take(&mut talk.informational);
        response.wire = std::mem::take(&mut talk.wire);
        self.release(talk, now);
    }

    fn release(&self, talk: Box<Talk>, now: Time) {
        let (mut connection, good) = talk.finish();
        if good {
            self.client.pool.give_back(connection, now);
        } else {
            connection.stream.farewell();
        }
    }
}
