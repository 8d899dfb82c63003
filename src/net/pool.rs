//! Connections kept alive between requests, safe for threads and tasks.
//!
//! A connection is in the pool or with exactly one exchange. It is taken out again only if it is quiet: bytes that came
//! while it was idle, or an end, close it, so nothing unasked for can answer the next request. A connection stays with the
//! process that opened it: a child of fork(2) begins with an empty pool, and what it inherited it closes without a word.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::dial::Route;
use super::stream::Stream;
use crate::engine::{Descriptor, Time};
use crate::error::{Error, Result};
use crate::sys::event::Event;
use crate::sys::process;

/// How many connections, and how long they are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once, idle ones included; `None` is no limit.
    pub connections: Option<usize>,
    /// Idle connections at once; `None` is no limit.
    pub idle: Option<usize>,
    /// How long a connection may be idle; `None` is for ever.
    pub expiry: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: Some(100), idle: Some(100), expiry: Some(Duration::from_secs(30)) }
    }
}

/// A connection and what belongs to it.
#[derive(Debug)]
pub struct Connection {
    /// Its bytes.
    pub stream: Stream,
    /// Bytes that were received and not used yet, from `at` on.
    pub input: Vec<u8>,
    /// See `input`.
    pub at: usize,
    /// Whom the socket is connected to.
    pub peer: Arc<str>,
    /// Where it leads.
    pub route: Arc<Route>,
    /// How many exchanges it has carried.
    pub exchanges: u64,
    permit: Permit,
}

impl Connection {
    /// A new connection, counted by `permit`.
    pub fn new(stream: Stream, peer: Arc<str>, route: Arc<Route>, permit: Permit) -> Self {
        Self { stream, input: Vec::new(), at: 0, peer, route, exchanges: 0, permit }
    }
}

impl Connection {
    /// Whether a parent process opened it, which may be using it.
    pub fn inherited(&self) -> bool {
        self.permit.inherited()
    }

    /// Says goodbye before it is closed, where the protocol has a word for it.
    pub fn farewell(&mut self) {
        if !self.inherited() {
            self.stream.farewell();
        }
    }

    /// The stream and what had come but was not used.
    pub fn into_parts(mut self) -> (Stream, Vec<u8>) {
        self.input.drain(..self.at);
        (self.stream, self.input)
    }
}

/// The right to have one connection open; gives itself back.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Shared>,
    generation: u32,
}

impl Permit {
    fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), generation: process::generation() }
    }

    fn inherited(&self) -> bool {
        self.generation != process::generation()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.inherited() {
            return;
        }
        let mut state = self.shared.state();
        state.open = state.open.saturating_sub(1);
        state.wake();
    }
}

/// What the pool has for a route.
#[derive(Debug)]
pub enum Checkout {
    /// A connection that is still good.
    Reuse(Box<Connection>),
    /// The right to open one.
    Open(Permit),
    /// Nothing before the ticket's descriptor becomes readable: then ask again.
    Full(Ticket),
}

/// A place in the queue.
#[derive(Debug)]
pub struct Ticket {
    event: Arc<Event>,
    shared: Arc<Shared>,
}

impl Ticket {
    /// Becomes readable when it is time to ask again.
    pub fn descriptor(&self) -> Descriptor {
        self.event.descriptor()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        let queued = state.queue.len();
        state.queue.retain(|event| !Arc::ptr_eq(event, &self.event));
        // Was called already: somebody else may need the turn that this one does not take or has taken.
        if state.queue.len() == queued {
            state.wake();
        }
    }
}

/// The connections of one client.
#[derive(Debug)]
pub struct Pool {
    limits: Limits,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    idle: Vec<(Time, Box<Connection>)>,
    open: usize,
    queue: VecDeque<Arc<Event>>,
    closed: bool,
    /// Of which process all this is.
    generation: u32,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = process::generation();
        if state.generation != generation {
            // Dropping what is inherited closes this process's descriptors, and does no more.
            *state = State { closed: state.closed, generation, ..State::default() };
        }
        state
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(event) = self.queue.pop_front() {
            // A fresh eventfd takes its first signal.
            drop(event.signal());
        }
    }
}

impl Pool {
    /// An empty pool.
    pub fn new(limits: Limits) -> Self {
        let state = State { generation: process::generation(), ..State::default() };
        Self { limits, shared: Arc::new(Shared(Mutex::new(state))) }
    }

    /// The newest idle connection of `route` that is quiet (unless it must be `fresh`), or the right to open one, or a
    /// place in the queue.
    pub fn checkout(&self, route: &Arc<Route>, fresh: bool, now: Time) -> Result<Checkout> {
        // Connections to be closed are dropped behind the lock, for their permits take it.
        let mut closing = Vec::new();
        let answer = self.pick(route, fresh, now, &mut closing);
        drop(closing);
        answer
    }

    fn pick(&self, route: &Arc<Route>, fresh: bool, now: Time, closing: &mut Vec<Connection>) -> Result<Checkout> {
        loop {
            if fresh {
                break;
            }
            let candidate = {
                let mut state = self.shared.state();
                if let Some(expiry) = self.limits.expiry {
                    while state.idle.first().is_some_and(|(since, _)| now.since(*since) >= expiry) {
                        closing.push(*state.idle.remove(0).1);
                    }
                }
                state
                    .idle
                    .iter()
                    .rposition(|(_, connection)| Arc::ptr_eq(&connection.route, route) || connection.route == *route)
                    .map(|at| state.idle.remove(at).1)
            };
            match candidate {
                Some(mut connection) => {
                    if connection.at == connection.input.len() && connection.stream.quiet() {
                        connection.input.clear();
                        connection.at = 0;
                        return Ok(Checkout::Reuse(connection));
                    }
                    closing.push(*connection);
                }
                None => break,
            }
        }
        closing.clear();
        let mut state = self.shared.state();
        if self.limits.connections.is_some_and(|limit| state.open >= limit) {
            if state.idle.is_empty() {
                let event = Arc::new(Event::new().map_err(|error| Error::os("eventfd", &error))?);
                state.queue.push_back(Arc::clone(&event));
                return Ok(Checkout::Full(Ticket { event, shared: Arc::clone(&self.shared) }));
            }
            // An idle connection elsewhere makes room.
            closing.push(*state.idle.remove(0).1);
        }
        state.open += 1;
        Ok(Checkout::Open(Permit::new(&self.shared)))
    }

    /// Keeps a connection whose exchange is complete and left nothing over.
    pub fn give_back(&self, mut connection: Box<Connection>, now: Time) {
        let mut surplus = None;
        let mut state = self.shared.state();
        if state.closed || self.limits.idle == Some(0) || connection.inherited() {
            surplus = Some(connection);
        } else {
            connection.at = 0;
            connection.input.clear();
            connection.input.shrink_to(64 * 1024);
            state.idle.push((now, connection));
            if self.limits.idle.is_some_and(|limit| state.idle.len() > limit) {
                surplus = Some(state.idle.remove(0).1);
            }
            state.wake();
        }
        drop(state);
        if let Some(mut surplus) = surplus {
            surplus.farewell();
        }
    }

    /// Closes what is idle, and everything else as soon as its exchange is over.
    pub fn close(&self) {
        let idle = {
            let mut state = self.shared.state();
            state.closed = true;
            std::mem::take(&mut state.idle)
        };
        for (_, mut connection) in idle {
            connection.farewell();
        }
    }

    /// How many connections are open, and how many of them idle.
    pub fn counts(&self) -> (usize, usize) {
        let state = self.shared.state();
        (state.open, state.idle.len())
    }
}
