//! The machine of one request: from the URL over redirections, proofs and second attempts to the response.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::{Operation, Step, Time, Timer, Wait, Woken};
use crate::error::{Cause, Error, Result};
use crate::http::auth::Asker;
use crate::http::body::{self, Framing};
use crate::http::head::{self, Headers};
use crate::http::proxy::Kind;
use crate::http::redirect;
use crate::http::url::Scheme;
use crate::net::dial::{Dial, Route};
use crate::net::opening::Body;
use crate::net::pool::{Checkout, Connection, Permit, Ticket};
use crate::net::talk::{Heard, Talk};
use crate::sys;

use super::reading::STEP_CONTENT;
use super::{Call, Client, Response, Timings, located};

/// One request: from the URL to the response.
pub struct Fetch {
    pub(super) client: Arc<Client>,
    pub(super) call: Call,
    pub(super) total: Timer,
    pub(super) began: Option<Time>,
    pub(super) state: State,
    pub(super) timings: Timings,
    pub(super) sent_headers: Arc<Headers>,
    pub(super) framing: Framing,
    pub(super) retried: bool,
    pub(super) authorization: Option<String>,
    /// How many proofs (of Digest) this request has been given after challenges.
    pub(super) proofs: u32,
    /// The next proof for a proxy that forwards, and how many it has been given.
    pub(super) proxy_authorization: Option<String>,
    pub(super) proxy_proofs: u32,
    pub(super) redirects: u32,
    pub(super) history: Vec<Response>,
    pub(super) after: Option<After>,
    /// The body waits for the challenge that Digest will get first.
    pub(super) probing: bool,
    pub(super) probed: bool,
    /// Whether some of a fed body has been asked for, and whether it is asked for from its beginning again.
    pub(super) fed: bool,
    pub(super) anew: bool,
}

/// What follows once a response that is not the last is read.
pub(super) enum After {
    Redirect(Box<redirect::Next>),
    Authorize(Asker, String),
    /// There was no challenge: now the body.
    Whole,
    /// The peer does not meet expectations: the same without `Expect` (RFC 9110 section 10.1.1).
    Unexpecting,
}

/// How much of the body of a response that is not the last is read, to keep its connection.
const MOST_OF_A_REDIRECTION: usize = 256 * 1024;

pub(super) enum State {
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

impl Fetch {
    /// The machine of `call`.
    pub fn new(client: Arc<Client>, call: Call) -> Result<Self> {
        head::check_method(&call.method)?;
        head::check_target(call.target.path_and_query())?;
        let framing = body::request_framing(&call.headers, call.body.length())?;
        head::check_host(&call.headers)?;
        Ok(Self {
            framing,
            client,
            total: Timer::new(call.timeouts.total),
            sent_headers: Arc::clone(&call.headers),
            call,
            began: None,
            state: State::Begin,
            timings: Timings::default(),
            retried: false,
            authorization: None,
            proofs: 0,
            proxy_authorization: None,
            proxy_proofs: 0,
            redirects: 0,
            history: Vec::new(),
            after: None,
            probing: false,
            probed: false,
            fed: false,
            anew: false,
        })
    }

    /// Says whether a fed body can be fed from its beginning again.
    pub fn rewinds(&mut self, rewinds: bool) {
        self.call.rewinds = rewinds;
    }

    /// The next piece of a fed body, after [`Fetched::Hungry`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        let fed = match &mut self.state {
            State::Talking(talk) => talk.feed(bytes),
            _ => Ok(()),
        };
        fed.inspect_err(|_| self.abandon())
    }

    /// Whether what is wanted next is the first piece again, for another attempt. To be asked before feeding.
    pub fn take_anew(&mut self) -> bool {
        std::mem::take(&mut self.anew)
    }

    /// The fed body is complete.
    pub fn feed_end(&mut self) -> Result<()> {
        let ended = match &mut self.state {
            State::Talking(talk) => talk.feed_end(),
            _ => Ok(()),
        };
        ended.inspect_err(|_| self.abandon())
    }

    /// Gives up: the connection is closed, whoever still holds the machine.
    pub fn abandon(&mut self) {
        self.state = State::Over;
    }

    fn begin(&mut self, now: Time) -> Result<()> {
        let route = self.client.route(&self.call.target);
        self.state = match self.client.pool.checkout(&route, self.retried, now)? {
            Checkout::Reuse(connection) => self.talk(connection, now),
            Checkout::Full(ticket) => {
                State::Queued { ticket, until: self.call.timeouts.pool.map(|time| now.after(time)) }
            }
            Checkout::Open(permit) => self.dial(route, permit, now)?,
        };
        Ok(())
    }

    fn dial(&mut self, route: Arc<Route>, permit: Permit, now: Time) -> Result<State> {
        let tls =
            route.origin.scheme == Scheme::Https || route.proxy.as_ref().is_some_and(|proxy| proxy.kind == Kind::Https);
        let config = if tls { Some(self.client.tls()?) } else { None };
        Ok(State::Dialling {
            dial: Box::new(Dial::new(Route::clone(&route), config, self.client.settings.limits, self.client.nonce())),
            permit: Some(permit),
            route,
            until: self.call.timeouts.connect.map(|time| now.after(time)),
        })
    }

    /// Whether a failure on a connection that had been idle may be tried once more on a new one.
    fn may_retry(&self, talk: &Talk) -> bool {
        let idempotent = matches!(&*self.call.method, "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS" | "TRACE");
        talk.reused()
            && !self.retried
            && idempotent
            && talk.first_byte.is_none()
            && (self.call.rewinds || !matches!(self.call.body, Body::Fed(_)))
    }

    fn advance(&mut self, now: Time) -> Result<Step<Fetched>> {
        let mut room = STEP_CONTENT;
        loop {
            match &mut self.state {
                State::Begin => self.begin(now)?,
                State::Queued { ticket, until } => {
                    let (descriptor, until) = (ticket.descriptor(), *until);
                    if until.is_some_and(|until| now >= until) {
                        return Err(Error::new("waiting for a free connection", Cause::TimedOut));
                    }
                    let route = self.client.route(&self.call.target);
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
                    let connection = Connection::new(dialled.stream, dialled.peer.into(), route, permit);
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
                        Heard::Hungry => {
                            self.fed = true;
                            return Ok(Step::Done(Fetched::Hungry));
                        }
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
                    let had = response.content.bytes().len();
                    let step = reading.step(now, response.content.sink(), room, false);
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
                        Ok(Step::Done(false)) => {
                            room = room.saturating_sub(response.content.bytes().len() - had);
                            if room == 0 {
                                return Ok(Step::Wait(Wait::sleep(now)));
                            }
                        }
                        Ok(Step::Done(true)) => {
                            let State::Reading(mut response) = std::mem::replace(&mut self.state, State::Over) else {
                                return Err(over());
                            };
                            response.history = std::mem::take(&mut self.history);
                            if let Some(mut reading) = response.reading.take() {
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

    fn receive(&mut self, wait: &Wait, now: Time) -> Option<Woken> {
        match &mut self.state {
            State::Talking(talk) => talk.receive(wait, now),
            _ => None,
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
        match &self.state {
            State::Begin | State::Over => "request to",
            State::Queued { .. } => "waiting for a free connection to",
            State::Dialling { .. } => "connecting to",
            State::Talking(talk) if talk.sent.is_none() => "send",
            State::Talking(_) => "waiting for the response of",
            State::Reading(_) => "reading the body from",
        }
    }
}
