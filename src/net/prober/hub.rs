//! One raw ICMP socket for all pingers of the process that want it alike: a family, a network namespace, a set of options.
//!
//! Every raw socket of a machine is offered every ICMP message, and a filter that rejects costs time too; so pingers sit
//! at one socket, each with an identifier of its own, and whoever looks at it hands out what came for the others. One of
//! those who wait, the lead, watches the socket; the others are woken by events. Who stops waiting passes the lead on;
//! should it vanish instead, the others look by themselves after [`LEASE`]. No lock is held while waiting.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::time::Duration;

use socket2::{SockAddr, Socket};

use super::echo::Echo;
use super::filter;
use super::option::{self as common, Options, descriptor};
use super::stamp::Departures;
use crate::engine::Time;
use crate::error::{Error, Result};
use crate::packet::icmp::{self, Message, Version};
use crate::packet::ip;
use crate::probe::observation::{Observation, Sight, Stamp};
use crate::sys::event::Event;
use crate::sys::message::{self, Extended, Queue};
use crate::sys::{clock, netlink, option};

/// How long the lead is believed to be alive, and the others wait at most.
pub const LEASE: Duration = Duration::from_millis(250);

/// How many messages one look takes: clocks and signals get their turn in between.
const AT_ONCE: usize = 256;

/// How many observations are kept for a pinger that does not take them; a socket's buffer is not without end either.
const KEPT: usize = 4096;

/// Bytes of receive buffer asked for: there may be a hundred pingers. The kernel gives what `net.core.rmem_max` allows.
const BUFFER: usize = 1 << 20;

/// Which pingers can share a socket.
#[derive(Clone, Debug, PartialEq)]
struct Kind {
    v6: bool,
    /// Device and inode of the thread's network namespace.
    place: Option<(u64, u64)>,
    interface: Option<u32>,
    options: Options,
}

impl Kind {
    fn of(target: SocketAddr, options: &Options) -> Self {
        let place = std::fs::metadata("/proc/thread-self/ns/net").ok().map(|place| (place.dev(), place.ino()));
        let interface = options.interface.as_deref().and_then(netlink::interface_index);
        // Each probe carries its own TTL.
        let options = Options { ttl: None, privileged: None, ..options.clone() };
        Self { v6: target.is_ipv6(), place, interface, options }
    }
}

/// A raw socket and who sits at it.
#[derive(Debug)]
pub struct Hub {
    kind: Kind,
    /// The process that opened it: a child of fork(2) leaves it alone.
    process: u32,
    socket: Socket,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    seats: HashMap<u16, Seat>,
    departures: Option<Departures<(u16, u16)>>,
    lead: Option<u16>,
    /// When the lead last looked.
    looked: Time,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Seat {
    echo: Echo,
    event: Arc<Event>,
    signalled: bool,
    waiting: bool,
    seen: Vec<Observation>,
}

impl Seat {
    fn wake(&mut self) {
        if self.waiting && !self.signalled {
            // It fails only if the counter is at its limit, and then the descriptor is readable.
            let _ = self.event.signal();
            self.signalled = true;
        }
    }
}

/// The hubs there are, and the process that last held the lock: a child of fork(2) can inherit it held by nobody.
static HUBS: Mutex<Vec<Weak<Hub>>> = Mutex::new(Vec::new());
static HOLDER: AtomicU32 = AtomicU32::new(0);

/// The list of hubs; none if its lock was lost in a fork.
fn hubs() -> Option<MutexGuard<'static, Vec<Weak<Hub>>>> {
    let own = std::process::id();
    loop {
        let guard = match HUBS.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) if HOLDER.load(Ordering::Acquire) == own => {
                std::thread::yield_now();
                continue;
            }
            Err(TryLockError::WouldBlock) => return None,
        };
        HOLDER.store(own, Ordering::Release);
        return Some(guard);
    }
}

impl Hub {
    /// Takes a seat for `echo`, whose identifier nobody else has, at a socket that suits `options`.
    pub fn sit(target: SocketAddr, options: &Options, echo: &Echo, event: &Arc<Event>) -> Result<Arc<Self>> {
        let kind = Kind::of(target, options);
        let mut hubs = hubs();
        if let Some(hubs) = &mut hubs {
            hubs.retain(|hub| hub.strong_count() > 0);
            let own = std::process::id();
            for hub in hubs.iter().filter_map(Weak::upgrade) {
                if hub.process == own && hub.kind == kind && hub.add(echo, event)? {
                    return Ok(hub);
                }
            }
        }
        let hub = Arc::new(Self::open(target, kind)?);
        hub.add(echo, event)?;
        if let Some(hubs) = &mut hubs {
            hubs.push(Arc::downgrade(&hub));
        }
        Ok(hub)
    }

    fn open(target: SocketAddr, kind: Kind) -> Result<Self> {
        let socket = common::raw_socket(target)?;
        let v6 = target.is_ipv6();
        let fd = descriptor(&socket);
        let set = |result: io::Result<()>| result.map_err(|error| Error::os("setsockopt", &error).at(target.ip()));
        set(socket.attach_filter(&filter::echo(Version::of(target.ip()), &[])))?;
        if kind.options.receive_buffer.is_none() {
            set(socket.set_recv_buffer_size(BUFFER))?;
        }
        common::prepare(&socket, target, &kind.options, 0)?;
        set(option::receive_ttl(fd, v6))?;
        if !v6 {
            set(socket.set_broadcast(true))?;
        }
        // A system that has no stamps has clocks all the same.
        let departures = kind.options.stamps.then(|| Departures::start(fd)).flatten();
        if departures.is_none() {
            // Without it, arrivals are stamped by a reading of our own.
            let _ = option::stamp_arrivals(fd);
        }
        let state =
            State { seats: HashMap::new(), departures, lead: None, looked: Time::default(), buffer: vec![0; 65_536] };
        Ok(Self { kind, process: std::process::id(), socket, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this is the process that opened it.
    pub fn is_here(&self) -> bool {
        self.process == std::process::id()
    }

    /// Another descriptor of the socket: loops know callbacks by descriptors, and each lead brings its own.
    pub fn another(&self) -> Result<Socket> {
        self.socket.try_clone().map_err(|error| Error::os("dup", &error))
    }

    /// Whether departures are stamped.
    pub fn has_departures(&self) -> bool {
        self.state().departures.is_some()
    }

    /// Adds a seat; whether there was room.
    fn add(&self, echo: &Echo, event: &Arc<Event>) -> Result<bool> {
        let mut state = self.state();
        if state.seats.len() >= filter::MOST {
            return Ok(false);
        }
        let seat =
            Seat { echo: echo.clone(), event: Arc::clone(event), signalled: false, waiting: false, seen: Vec::new() };
        state.seats.insert(echo.identifier, seat);
        self.listen(&state).map_err(|error| Error::os("attach filter", &error))?;
        Ok(true)
    }

    /// Gives a seat back.
    pub fn leave(&self, identifier: u16) {
        let mut state = self.state();
        state.seats.remove(&identifier);
        // The wider filter that stays if this fails lets through what nobody takes.
        let _ = self.listen(&state);
        state.pass_on(identifier);
    }

    /// Lets through what concerns those who sit here.
    fn listen(&self, state: &State) -> io::Result<()> {
        let identifiers: Vec<u16> = state.seats.keys().copied().collect();
        let version = if self.kind.v6 { Version::V6 } else { Version::V4 };
        self.socket.attach_filter(&filter::echo(version, &identifiers))
    }

    /// Sends the probe `key` of a pinger.
    pub fn send(
        &self,
        identifier: u16,
        key: u16,
        packet: &[u8],
        destination: &SockAddr,
        ttl: Option<u8>,
    ) -> io::Result<Stamp> {
        let mut state = self.state();
        let at = Stamp::departure(clock::now(), clock::real());
        let ttl = ttl.map(|ttl| (self.kind.v6, ttl));
        if let Err(error) = message::send(descriptor(&self.socket), packet, Some(destination), ttl) {
            if error.kind() != ErrorKind::WouldBlock {
                // The kernel's numbering of departures may have moved on: start it anew.
                let _ = self.read(&mut state, Queue::Errors);
                let again = state.departures.take().and_then(|_| Departures::restart(descriptor(&self.socket)));
                state.departures = again;
            }
            return Err(error);
        }
        if let Some(departures) = &mut state.departures {
            departures.sent((identifier, key));
        }
        Ok(at)
    }

    /// Looks at the socket, hands out what came, and gives what is there for this pinger.
    pub fn receive(&self, identifier: u16, seen: &mut Vec<Observation>) -> Result<()> {
        let mut state = self.state();
        if let Some(seat) = state.seats.get_mut(&identifier) {
            seat.waiting = false;
            if std::mem::take(&mut seat.signalled) {
                seat.event.clear();
            }
        }
        let errors = if state.departures.is_some() { self.read(&mut state, Queue::Errors) } else { Ok(()) };
        let data = self.read(&mut state, Queue::Data);
        if state.lead == Some(identifier) {
            state.looked = clock::now();
        }
        if let Some(seat) = state.seats.get_mut(&identifier) {
            seen.append(&mut seat.seen);
        }
        errors.and(data)
    }

    /// A pinger will wait now: whether it is the lead, and until when at most.
    pub fn wait(&self, identifier: u16) -> (bool, Option<Time>) {
        let now = clock::now();
        let mut state = self.state();
        let State { seats, lead, looked, .. } = &mut *state;
        let alone = seats.len() == 1;
        let Some(seat) = seats.get_mut(&identifier) else { return (true, Some(now)) };
        seat.waiting = true;
        let gone = now.since(*looked) > 2 * LEASE;
        if lead.is_none_or(|lead| lead == identifier || gone) {
            *lead = Some(identifier);
            *looked = now;
        }
        let until = if seat.seen.is_empty() { (!alone).then(|| now.after(LEASE)) } else { Some(now) };
        (*lead == Some(identifier), until)
    }

    /// A pinger does not wait any more.
    pub fn rest(&self, identifier: u16) {
        let mut state = self.state();
        if let Some(seat) = state.seats.get_mut(&identifier) {
            seat.waiting = false;
        }
        state.pass_on(identifier);
    }

    fn read(&self, state: &mut State, queue: Queue) -> Result<()> {
        let mut buffer = std::mem::take(&mut state.buffer);
        let mut result = Ok(());
        for _ in 0..AT_ONCE {
            match message::receive(descriptor(&self.socket), &mut buffer, queue) {
                Ok(got) => {
                    let at = Stamp { user: clock::now(), kernel: got.stamp, own: false };
                    match (queue, got.error, got.address) {
                        (Queue::Errors, Some(error), _) if error.is_stamp() => state.departure(error, at),
                        (Queue::Data, _, Some(from)) => {
                            self.arrived(state, &buffer[..got.length], from, got.ttl, at);
                        }
                        _ => {}
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => {
                    result = Err(Error::os("recvmsg", &error));
                    break;
                }
            }
        }
        state.buffer = buffer;
        result
    }

    fn arrived(&self, state: &mut State, bytes: &[u8], from: SocketAddr, ttl: Option<u8>, at: Stamp) {
        let (ttl, bytes) = match self.kind.v6 {
            true => (ttl, bytes),
            false => match ip::parse(bytes) {
                Some((header, body)) => (Some(header.ttl), body),
                None => return,
            },
        };
        let version = if self.kind.v6 { Version::V6 } else { Version::V4 };
        let Some(message) = icmp::parse(version, bytes) else { return };
        let identifier = match &message {
            Message::EchoReply(echo) => echo.identifier,
            Message::Error(_, Some(quoted)) => match quoted.echo() {
                Some((identifier, _)) => identifier,
                None => return,
            },
            _ => return,
        };
        let Some(seat) = state.seats.get_mut(&identifier) else { return };
        if let Some(observation) = seat.echo.arrived(message, bytes, from.ip(), ttl, at) {
            seat.take(observation);
        }
    }
}

impl Seat {
    fn take(&mut self, observation: Observation) {
        if self.seen.len() < KEPT {
            self.seen.push(observation);
        }
        self.wake();
    }
}

impl State {
    fn departure(&mut self, error: Extended, at: Stamp) {
        let Some((identifier, key)) = self.departures.as_ref().and_then(|departures| departures.key(error.data)) else {
            return;
        };
        if let Some(seat) = self.seats.get_mut(&identifier) {
            let source = seat.echo.target;
            // Nobody waits for the stamp of a departure alone.
            if seat.seen.len() < KEPT {
                seat.seen.push(Observation { key, source, at, sight: Sight::Departure });
            }
        }
    }

    /// If this pinger had the lead, another that waits gets it.
    fn pass_on(&mut self, identifier: u16) {
        if self.lead != Some(identifier) {
            return;
        }
        self.lead = None;
        if let Some(next) = self.seats.values_mut().find(|seat| seat.waiting) {
            next.wake();
        }
    }
}
