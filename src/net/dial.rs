//! From nothing to a stream that speaks HTTP with an origin: connect, then TLS.

use std::sync::Arc;

use rustls::ClientConfig;

use super::connect::{Connect, Place};
use super::stream::{Io, Stream};
use super::tls;
use crate::engine::{Operation, Step, Time};
use crate::error::Result;
use crate::http::url::{Origin, Scheme};
use crate::sys;

/// How an origin is reached. Connections with the same route are interchangeable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// Whom the requests are for.
    pub origin: Origin,
    /// Where the connection goes.
    pub place: Place,
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
    state: State,
}

enum State {
    Connecting(Box<Connect>),
    Securing(Dialled),
    Over,
}

impl Dial {
    /// An attempt to make the connection of `route`; `config` is there if its origin speaks TLS.
    pub fn new(route: Route, config: Option<Arc<ClientConfig>>) -> Self {
        let connect = Connect::new(route.place.clone());
        Self { route, config, state: State::Connecting(Box::new(connect)) }
    }
}

impl Operation for Dial {
    type Output = Dialled;

    fn step(&mut self, now: Time) -> Result<Step<Dialled>> {
        loop {
            match &mut self.state {
                State::Connecting(connect) => match connect.step(now)? {
                    Step::Wait(wait) => return Ok(Step::Wait(wait)),
                    Step::Done(connected) => {
                        let mut stream = Stream::socket(connected.socket);
                        if let (Scheme::Https, Some(config)) = (self.route.origin.scheme, &self.config) {
                            stream = Stream::tls(stream, tls::session(config, &self.route.origin.host)?);
                        }
                        self.state = State::Securing(Dialled {
                            stream,
                            peer: connected.peer,
                            resolved: connected.resolved,
                            connected: sys::clock::now(),
                            secured: None,
                        });
                    }
                },
                State::Securing(dialled) => {
                    if dialled.stream.handshake().map_err(|error| error.at(self.route.origin.authority()))?
                        == Io::Blocked
                    {
                        return Ok(Step::Wait(dialled.stream.wait(true, false)));
                    }
                    if self.route.origin.scheme == Scheme::Https {
                        dialled.secured = Some(sys::clock::now());
                    }
                    if let State::Securing(dialled) = std::mem::replace(&mut self.state, State::Over) {
                        return Ok(Step::Done(dialled));
                    }
                }
                State::Over => return Ok(Step::Wait(crate::engine::Wait::sleep(now))),
            }
        }
    }
}
