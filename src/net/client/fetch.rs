//! The machine of one request: from the URL over redirections, proofs and second attempts to the response.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::{Operation, Step, Time, Timer, Wait};
use crate::error::{Cause, Error, Result};
use crate::http::auth::{self};
use crate::http::body::Framing;
use crate::http::coding::Decoder;
use crate::http::exchange::Exchange;
use crate::http::head::{self, Headers, ResponseHead};
use crate::http::proxy::Kind;
use crate::http::redirect;
use crate::http::url::Scheme;
use crate::http::wire::Wire;
use crate::net::connect::Place;
use crate::net::dial::{Dial, Route};
use crate::net::pool::{Checkout, Connection, Permit, Ticket};
use crate::net::talk::{Body, Heard, Opening, Patience, Talk};
use crate::sys;

use super::{Call, Client, Content, Reading, Response, Timings, located, unix_time};

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
    authorization: Option<String>,
    redirects: u32,
    history: Vec<Response>,
    after: Option<After>,
    /// The body waits for the challenge that Digest will get first.
    probing: bool,
    probed: bool,
}

/// What follows once a response that is not the last is read.
enum After {
    Redirect(Box<redirect::Next>),
    Authorize(String),
    /// There was no challenge: now the body.
    Whole,
}

/// How much of the body of a response that is not the last is read, to keep its connection.
const MOST_OF_A_REDIRECTION: usize = 256 * 1024;

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
            authorization: None,
            redirects: 0,
            history: Vec::new(),
            after: None,
            probing: false,
            probed: false,
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
        let settings = &self.client.settings;
        let origin = self.call.target.origin().clone();
        let instead = match &settings.unix {
            Some(path) => Some(Place::Unix(path.clone())),
            None if settings.instead.is_empty() => None,
            None => settings.instead.get(&(origin.host.clone(), origin.port)).cloned(),
        };
        let place = instead.unwrap_or_else(|| {
            // Names below localhost are this host, whatever a resolver thinks (RFC 6761 section 6.3).
            let host = if origin.host.ends_with(".localhost") { "localhost" } else { &origin.host };
            Place::Tcp(host.to_owned(), origin.port)
        });
        let proxy = if settings.unix.is_some() { None } else { settings.proxies.pick(&origin).cloned() };
        Route { origin, place, proxy }
    }

    /// The head as it goes out.
    fn head(&mut self, route: &Route) -> Vec<u8> {
        let call = &self.call;
        let mut headers = Headers::new();
        if !call.headers.contains("host") {
            headers.push(b"Host", call.target.origin().host_field().as_bytes());
        }
        let mut cookies =
            self.client.with_jar(|jar| if jar.is_empty() { None } else { jar.field(&call.target, unix_time()) });
        for (name, value) in call.headers.iter() {
            match cookies.take_if(|_| name.eq_ignore_ascii_case(b"cookie")) {
                None => headers.push(name, value),
                Some(jar) => headers.push(name, &[value, &jar].join(&b"; "[..])),
            }
        }
        if let Some(cookies) = cookies {
            headers.push(b"Cookie", &cookies);
        }
        if !headers.contains("authorization") {
            let nonce = self.client.random.hash_one(sys::clock::now());
            let target = call.target.path_and_query();
            let ours = || {
                call.auth.as_ref().and_then(|auth| {
                    auth.opening(&call.target.origin().host, &call.method, target, call.body.bytes(), nonce)
                })
            };
            let urls = || call.target.credentials().map(|(user, password)| auth::basic(&user, &password));
            let value = match self.authorization.take() {
                Some(value) => Some(value),
                None if call.auth.is_some() => ours(),
                None => urls(),
            };
            if let Some(value) = value {
                headers.push(b"Authorization", value.as_bytes());
            }
        }
        let forwarded = route.proxy.as_ref().filter(|proxy| proxy.forwards(&route.origin));
        if let Some(value) = forwarded.and_then(|proxy| proxy.authorization()) {
            headers.push(b"Proxy-Authorization", value.as_bytes());
        }
        let awaits = !self.probed && call.auth.as_ref().is_some_and(|auth| auth.awaits_challenge());
        let bytes = matches!(call.body, Body::Bytes(_)) && !call.body.bytes().is_empty();
        let probing = awaits && bytes && !headers.contains("authorization") && !headers.contains("transfer-encoding");
        if probing {
            headers.set("Content-Length", b"0");
            headers.remove("expect");
        } else if !headers.contains("content-length") && !headers.contains("transfer-encoding") {
            let length = match &call.body {
                Body::Fed(None) => {
                    headers.push(b"Transfer-Encoding", b"chunked");
                    None
                }
                Body::Fed(length) => *length,
                Body::Bytes(_) => Some(call.body.bytes().len() as u64),
                Body::Empty => matches!(&*call.method, "POST" | "PUT" | "PATCH").then_some(0),
            };
            if let Some(length) = length {
                headers.push(b"Content-Length", length.to_string().as_bytes());
            }
        }
        self.probing = probing;
        let mut bytes = Vec::new();
        match forwarded {
            Some(_) => head::encode_request(&call.method, &call.target.absolute_form(), &headers, &mut bytes),
            None => head::encode_request(&call.method, call.target.path_and_query(), &headers, &mut bytes),
        }
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
        let tls =
            route.origin.scheme == Scheme::Https || route.proxy.as_ref().is_some_and(|proxy| proxy.kind == Kind::Https);
        let config = if tls { Some(self.client.tls()?) } else { None };
        Ok(State::Dialling {
            dial: Box::new(Dial::new(route.clone(), config, self.client.settings.limits)),
            permit: Some(permit),
            route: Arc::new(route),
            until: self.call.timeouts.connect.map(|time| now.after(time)),
        })
    }

    fn talk(&mut self, connection: Box<Connection>, now: Time) -> State {
        let route = Arc::clone(&connection.route);
        let head = self.head(&route);
        let exchange = Exchange::new(&self.call.method, self.client.settings.limits);
        let patience = Patience { read: self.call.timeouts.read, write: self.call.timeouts.write };
        let expect = self.sent_headers.list("expect").any(|value| value.eq_ignore_ascii_case(b"100-continue"));
        let wire = Wire::new(self.call.wire);
        let body = if self.probing { Body::Empty } else { self.call.body.clone() };
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

    fn respond(&mut self, talk: Box<Talk>, head: ResponseHead) -> Result<Box<Response>> {
        let decoder = self.decoder(&talk, &head)?;
        let began = self.began.unwrap_or_default();
        let since = |time: Option<Time>| time.map(|time| time.since(began));
        self.timings.sent = since(talk.sent);
        self.timings.first_byte = since(talk.first_byte);
        Ok(Box::new(Response {
            target: self.call.target.clone(),
            method: self.call.method.clone(),
            sent_headers: std::mem::take(&mut self.sent_headers),
            head,
            informational: Vec::new(),
            content: Content::default(),
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
                raw: Vec::new(),
                clear: Vec::new(),
                decoder,
                ended: false,
            })),
            history: Vec::new(),
        }))
    }

    /// What undoes the codings of the body, if there is one and it has any.
    fn decoder(&self, talk: &Talk, head: &ResponseHead) -> Result<Option<Decoder>> {
        let exchange = talk.exchange();
        let transfer = exchange.transfer_codings();
        if exchange.framing() == Some(Framing::Empty) || exchange.switched() {
            return Ok(None);
        }
        let content = head.headers.list("content-encoding").filter(|_| self.call.decode);
        let decoder = Decoder::new(content.chain(transfer.iter().map(String::as_bytes)))?;
        if decoder.is_none() && !transfer.is_empty() {
            return Err(Error::malformed("Transfer-Encoding", format!("{} is not known here", transfer.join(", "))));
        }
        Ok(decoder)
    }

    /// Whether this head is not the last word: what follows it.
    fn follow_up(&mut self, head: &ResponseHead) -> Result<Option<After>> {
        let call = &self.call;
        if head.headers.contains("set-cookie") {
            self.client.with_jar(|jar| jar.hear(&call.target, &head.headers, unix_time()));
        }
        let fed = matches!(call.body, Body::Fed(_));
        if let (401, Some(auth), false) = (head.status, &call.auth, fed || call.headers.contains("authorization")) {
            let nonce = self.client.random.hash_one(sys::clock::now());
            let target = call.target.path_and_query();
            let value = auth.retort(&head.headers, &call.method, target, call.body.bytes(), nonce);
            if let Some(value) = value {
                return Ok(Some(After::Authorize(value)));
            }
        }
        if self.probing && (200..300).contains(&head.status) {
            return Ok(Some(After::Whole));
        }
        if !call.follow {
            return Ok(None);
        }
        let next = redirect::next(head, &call.method, &call.target, &call.headers, call.insecure_redirects)?;
        let Some(next) = next else { return Ok(None) };
        if self.redirects >= call.most_redirects {
            let reason = format!("more than {} in a row; the last one leads to {}", call.most_redirects, next.target);
            return Err(Error::malformed("redirection", reason));
        }
        if fed && next.keeps_body {
            return Err(Error::malformed("redirection", "a body in pieces cannot be sent a second time"));
        }
        self.redirects += 1;
        Ok(Some(After::Redirect(Box::new(next))))
    }

    /// A response that is not the last is read: on to the next request.
    fn go_on(&mut self, mut response: Box<Response>, after: After) {
        if let Some(reading) = response.reading.take() {
            reading.finish(&mut response);
        }
        self.history.push(*response);
        self.retried = false;
        self.timings = Timings::default();
        match after {
            After::Authorize(value) => self.authorization = Some(value),
            After::Whole => self.probed = true,
            After::Redirect(next) => {
                if !next.same_origin {
                    self.call.auth = self.call.auth.take().filter(|auth| auth.travels());
                }
                if !next.keeps_body {
                    self.call.body = Body::Empty;
                }
                self.call.method = next.method;
                self.call.headers = Arc::new(next.headers);
                self.call.target = next.target;
            }
        }
        self.state = State::Begin;
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
                    self.after = self.follow_up(&head)?;
                    let worth_reading = talk.exchange().framing() != Some(Framing::UntilClose)
                        && talk.content_left().is_none_or(|left| left <= MOST_OF_A_REDIRECTION as u64);
                    let mut response = self.respond(talk, head)?;
                    if let Some(after) = self.after.take_if(|_| !worth_reading) {
                        self.go_on(response, after);
                        continue;
                    }
                    if self.call.stream && self.after.is_none() {
                        response.history = std::mem::take(&mut self.history);
                        return Ok(Step::Done(Fetched::Response(response)));
                    }
                    self.state = State::Reading(response);
                }
                State::Reading(response) => {
                    let Some(reading) = &mut response.reading else {
                        return Err(Error::new("fetch", Cause::Interrupted));
                    };
                    let coming = reading.left().filter(|left| *left <= self.call.most_content).unwrap_or(0);
                    response.content.settle(self.call.store.as_ref(), coming);
                    let step = reading.step(now, &mut *response.content.sink, STEP_CONTENT, false);
                    let over = || Error::new("fetch", Cause::Interrupted);
                    if self.after.is_some() {
                        let enough = response.content.bytes().len() > MOST_OF_A_REDIRECTION;
                        match step {
                            Ok(Step::Wait(wait)) if !enough => return Ok(Step::Wait(wait)),
                            Ok(Step::Done(false)) if !enough => continue,
                            Err(error) if error.cause == Cause::TimedOut => return Err(error),
                            // What such a body says, and how it ends, is of no interest.
                            _ => {}
                        }
                        let State::Reading(response) = std::mem::replace(&mut self.state, State::Over) else {
                            return Err(over());
                        };
                        if let Some(after) = self.after.take() {
                            self.go_on(response, after);
                        }
                        continue;
                    }
                    let (length, limit) = (response.content.bytes().len() as u64, self.call.most_content);
                    if length > limit {
                        let cause = Cause::TooLarge { what: "content", length, limit };
                        return Err(Error::new("body", cause).with_partial(response.content.take()));
                    }
                    match step {
                        Ok(Step::Wait(wait)) => return Ok(Step::Wait(wait)),
                        Ok(Step::Done(false)) => {}
                        Ok(Step::Done(true)) => {
                            let State::Reading(mut response) = std::mem::replace(&mut self.state, State::Over) else {
                                return Err(over());
                            };
                            response.history = std::mem::take(&mut self.history);
                            if let Some(reading) = response.reading.take() {
                                reading.finish(&mut response);
                            }
                            return Ok(Step::Done(Fetched::Response(response)));
                        }
                        Err(error) => return Err(error.with_partial(response.content.take())),
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
            State::Reading(response) => response.content.take(),
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
