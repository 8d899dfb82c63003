//! One request and its answer on one connection: sends while it listens, so an early answer is heard.
//!
//! Stepped for the head first, then for content until the end; gives the connection back if it may be used again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::opening::{Body, Opening, Patience};
use super::pool::Connection;
use super::sink::Sink;
use super::stream::{self, Io};
use crate::engine::{Interest, Step, Time, Wait, Woken};
use crate::error::{Cause, Error, Fault, Result};
use crate::http::body::Framing;
use crate::http::exchange::{Event, Exchange};
use crate::http::head::{Headers, ResponseHead};
use crate::http::wire::{Direction, Wire};
use crate::sys;

mod early;

/// What stepping for the head gave.
#[derive(Debug)]
pub enum Heard {
    /// The head of the final response.
    Head(ResponseHead),
    /// All that was fed has been sent; more is wanted before anything else can happen.
    Hungry,
}

/// Body bytes up to this size travel with the head in one piece.
const TOGETHER: usize = 16 * 1024;
/// How long a peer is waited for that was asked with `Expect: 100-continue` (RFC 9110 section 10.1.1).
const CONTINUE_WAIT: Duration = Duration::from_secs(1);
/// The first and the largest piece that is read at once into the input buffer.
const FIRST_READ: usize = 16 * 1024;
const LARGE_READ: usize = 256 * 1024;
/// The largest piece that is read at once past the input buffer.
const DIRECT_READ: usize = 1024 * 1024;

/// One request and its answer.
pub struct Talk {
    connection: Box<Connection>,
    exchange: Exchange,
    pending: Vec<u8>,
    pending_at: usize,
    body: Body,
    body_at: usize,
    fed_left: Option<u64>,
    fed_all: bool,
    close: bool,
    hold: Option<Hold>,
    patience: Patience,
    progress: Time,
    next_read: usize,
    /// What came while the blocking driver waited; at the end of the input buffer and noted nowhere yet.
    taken: Option<io::Result<usize>>,
    /// Whether the rest of the request is sent while the answer is read.
    going_on: bool,
    /// Why no more of the request can be sent; the answer may be here all the same.
    broken: Option<Error>,
    /// The head of an answer that came before all was sent.
    answer: Option<ResponseHead>,
    /// The interim responses that came.
    pub informational: Vec<ResponseHead>,
    /// The bytes both ways.
    pub wire: Wire,
    /// When the last byte of the request was taken by the kernel.
    pub sent: Option<Time>,
    /// When the first byte of the answer came.
    pub first_byte: Option<Time>,
}

/// The body waits for 100 (Continue).
#[derive(Clone, Copy, Debug)]
enum Hold {
    Asked,
    Until(Time),
}

impl Talk {
    /// Begins to say `opening` on `connection`.
    pub fn new(connection: Box<Connection>, exchange: Exchange, opening: Opening, now: Time) -> Box<Self> {
        let Opening { head, body, expect, close, patience, wire } = opening;
        // Made where it stays: it is large.
        let mut talk = Box::new(Self {
            connection,
            exchange,
            pending: head,
            pending_at: 0,
            fed_left: if let Body::Fed(length) = body { length } else { None },
            // Also one whose length is known is asked until its end: there may be more of it than was said.
            fed_all: !matches!(body, Body::Fed(_)),
            close,
            body,
            body_at: 0,
            hold: expect.then_some(Hold::Asked),
            patience,
            progress: now,
            next_read: FIRST_READ,
            taken: None,
            going_on: false,
            broken: None,
            answer: None,
            informational: Vec::new(),
            wire,
            sent: None,
            first_byte: None,
        });
        if talk.hold.is_none() && (1..=TOGETHER).contains(&talk.body.bytes().len()) {
            let body = std::mem::replace(&mut talk.body, Body::Empty);
            talk.pending.extend_from_slice(body.bytes());
        }
        talk
    }

    /// Whom the socket is connected to.
    pub fn peer(&self) -> Arc<str> {
        Arc::clone(&self.connection.peer)
    }

    /// Whether a parent process opened the connection.
    pub fn inherited(&self) -> bool {
        self.connection.inherited()
    }

    /// Ends the socket, not its descriptor: who waits for it wakes up.
    pub fn end(&self) {
        // It fails only where the peer has ended it.
        drop(sys::socket::shutdown(self.connection.stream.descriptor().0, libc::SHUT_RDWR));
    }

    /// Whether the connection had carried an exchange before.
    pub fn reused(&self) -> bool {
        self.connection.exchanges > 0
    }

    /// The next piece of a fed body.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        match (&mut self.fed_left, &self.body) {
            (Some(left), _) => {
                *left = left
                    .checked_sub(bytes.len() as u64)
                    .ok_or_else(|| Error::invalid("content", "it gives more bytes than its Content-Length says"))?;
                self.pending.extend_from_slice(bytes);
            }
            (None, Body::Fed(_)) if !bytes.is_empty() => {
                self.pending.extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
                self.pending.extend_from_slice(bytes);
                self.pending.extend_from_slice(b"\r\n");
            }
            (None, _) => {}
        }
        Ok(())
    }

    /// The fed body is complete.
    pub fn feed_end(&mut self) -> Result<()> {
        match self.fed_left {
            Some(0) => {}
            Some(left) => {
                return Err(Error::invalid("content", format!("it ends {left} bytes before its Content-Length")));
            }
            None if !self.fed_all => self.pending.extend_from_slice(b"0\r\n\r\n"),
            None => {}
        }
        self.fed_all = true;
        Ok(())
    }

    /// Sends and listens until the final head is there, or a fed body runs dry.
    pub fn step_head(&mut self, now: Time) -> Result<Step<Heard>> {
        loop {
            if let Some(head) = self.answer.take() {
                return self.step_rest(head, now);
            }
            let (mut writing, mut held) = (false, None);
            if self.sent.is_none() {
                match self.send(now)? {
                    // No answer can be here yet: looking for it would be a system call for nothing.
                    Sending::Done if self.connection.input.is_empty() && self.connection.stream.is_socket() => {
                        let wait = self.connection.stream.wait(true, false);
                        return self.wait(wait, now, self.patience.read, "receive").map(Step::Wait);
                    }
                    Sending::Done | Sending::Broken => {}
                    Sending::Blocked => writing = true,
                    Sending::Held(until) => held = Some(until),
                    // All that was said of it is sent; whether it ends here is known before the answer counts.
                    Sending::Hungry if self.fed_left == Some(0) => return Ok(Step::Done(Heard::Hungry)),
                    Sending::Hungry => {
                        match self.hear(now)? {
                            Step::Done(Some(head)) => self.answer = Some(head),
                            Step::Done(None) | Step::Wait(_) => return Ok(Step::Done(Heard::Hungry)),
                        }
                        continue;
                    }
                }
            }
            match self.listen(now, writing, held)? {
                Step::Done(Heard::Hungry) => {}
                Step::Done(Heard::Head(head)) => self.answer = Some(head),
                wait @ Step::Wait(_) => return Ok(wait),
            }
        }
    }

    /// Hears what there is. `Heard::Hungry` here means: an interim response changed what can be sent.
    fn listen(&mut self, now: Time, writing: bool, until: Option<Time>) -> Result<Step<Heard>> {
        match self.hear(now)? {
            Step::Done(Some(head)) => Ok(Step::Done(Heard::Head(head))),
            Step::Done(None) => Ok(Step::Done(Heard::Hungry)),
            Step::Wait(wait) => {
                let wait =
                    if writing { wait.and(self.connection.stream.descriptor(), Interest::Writable) } else { wait };
                let patience = if writing { self.patience.write } else { self.patience.read };
                self.wait(wait, now, patience, if writing { "send" } else { "receive" })
                    .map(|wait| Step::Wait(wait.until(until)))
            }
        }
    }

    fn wait(&self, wait: Wait, now: Time, patience: Option<Duration>, operation: &'static str) -> Result<Wait> {
        let deadline = patience.map(|patience| self.progress.after(patience));
        if deadline.is_some_and(|deadline| now >= deadline) {
            return Err(Error::new(operation, Cause::TimedOut));
        }
        Ok(wait.until(deadline))
    }

    /// Sends on. A peer that takes no more may have answered before (RFC 9112 section 9.5), so that is heard first.
    fn send(&mut self, now: Time) -> Result<Sending> {
        if self.broken.is_some() {
            return Ok(Sending::Broken);
        }
        match self.send_rest(now) {
            Err(error) if matches!(error.cause, Cause::Os(_)) && error.fault() == Fault::Remote => {
                self.broken = Some(error);
                Ok(Sending::Broken)
            }
            sending => sending,
        }
    }

    fn send_rest(&mut self, now: Time) -> Result<Sending> {
        loop {
            if self.pending_at < self.pending.len() {
                match self.connection.stream.write(&self.pending[self.pending_at..])? {
                    Io::Blocked => return Ok(Sending::Blocked),
                    Io::Ready(count) if count == self.pending.len() => {
                        self.wire.note_sent(now, std::mem::take(&mut self.pending));
                        self.progress = now;
                    }
                    Io::Ready(count) => {
                        self.wire.note(now, Direction::Sent, &self.pending[self.pending_at..self.pending_at + count]);
                        self.pending_at += count;
                        self.progress = now;
                        continue;
                    }
                }
            }
            self.pending.clear();
            self.pending_at = 0;
            if !self.body.bytes().is_empty() || !self.fed_all {
                match self.hold {
                    Some(Hold::Asked) => {
                        let until = now.after(CONTINUE_WAIT);
                        self.hold = Some(Hold::Until(until));
                        return Ok(Sending::Held(until));
                    }
                    Some(Hold::Until(until)) if now < until => return Ok(Sending::Held(until)),
                    Some(Hold::Until(_)) | None => self.hold = None,
                }
            }
            let bytes = self.body.bytes();
            if self.body_at < bytes.len() {
                match self.connection.stream.write(&bytes[self.body_at..])? {
                    Io::Blocked => return Ok(Sending::Blocked),
                    Io::Ready(count) => {
                        self.wire.note(now, Direction::Sent, &bytes[self.body_at..self.body_at + count]);
                        self.body_at += count;
                        self.progress = now;
                        continue;
                    }
                }
            }
            if self.connection.stream.flush()? == Io::Blocked {
                return Ok(Sending::Blocked);
            }
            if !self.fed_all {
                return Ok(Sending::Hungry);
            }
            self.sent = Some(sys::clock::now());
            return Ok(Sending::Done);
        }
    }

    /// Reads until a final head is there: `Done(None)` after an interim response.
    fn hear(&mut self, now: Time) -> Result<Step<Option<ResponseHead>>> {
        loop {
            if self.taken.is_none() {
                let connection = &mut *self.connection;
                let heard = self.exchange.handle_input(&connection.input, &mut connection.at);
                match heard.map_err(|error| error.with_partial(connection.input[connection.at..].to_vec()))? {
                    Event::Informational(head) => {
                        if head.status == 100 {
                            self.hold = None;
                        }
                        self.informational.push(head);
                        return Ok(Step::Done(None));
                    }
                    Event::Head(head) => return Ok(Step::Done(Some(head))),
                    Event::More => {}
                    // Before the head there is no content.
                    Event::Data(_) | Event::End => {
                        return Err(Error::malformed("response", "content before the head"));
                    }
                }
            }
            match self.fill(now) {
                Ok(Io::Ready(0)) => {
                    self.exchange.handle_end_of_input().map_err(|error| self.unheard(error))?;
                    return Ok(Step::Done(None));
                }
                Ok(Io::Ready(_)) => {}
                Ok(Io::Blocked) => return Ok(Step::Wait(self.connection.stream.wait(true, false))),
                Err(error) => return Err(self.unheard(error)),
            }
        }
    }

    /// Waits for the rest of the head, as the last step at `now` said, and takes what comes; None where there is more to wait
    /// for, or not long enough. See [`crate::engine::Operation::receive`].
    pub fn receive(&mut self, wait: &Wait, now: Time) -> Option<Woken> {
        let long = wait.deadline.is_none_or(|deadline| deadline.since(now) > 2 * stream::WAIT);
        if self.sent.is_none() || self.answer.is_some() || !long {
            return None;
        }
        self.tidy();
        let connection = &mut *self.connection;
        match connection.stream.wait_append(&mut connection.input, self.next_read) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Some(Woken::Signal),
            taken => {
                self.taken = Some(taken);
                Some(Woken::Step)
            }
        }
    }

    /// Lets go of input that is used.
    fn tidy(&mut self) {
        let connection = &mut *self.connection;
        if connection.at > 0 {
            if connection.at == connection.input.len() {
                connection.input.clear();
            } else {
                connection.input.drain(..connection.at);
            }
            connection.at = 0;
        }
    }

    /// Reads once into the input buffer.
    fn fill(&mut self, now: Time) -> Result<Io<usize>> {
        let read = match self.taken.take() {
            Some(taken) => Io::Ready(taken.map_err(|error| Error::os("recv", &error))?),
            None => {
                self.tidy();
                self.connection.stream.read_append(&mut self.connection.input, self.next_read)?
            }
        };
        let input = &self.connection.input;
        if let Io::Ready(count) = read {
            if count == self.next_read {
                self.next_read = (self.next_read * 2).min(LARGE_READ);
            }
            self.wire.note(now, Direction::Received, &input[input.len() - count..]);
            self.progress = now;
            if self.first_byte.is_none() && count > 0 {
                // It was here when this step began, or came after what this step sent.
                self.first_byte = Some(self.sent.map_or(now, |sent| sent.max(now)));
            }
        }
        Ok(read)
    }

    /// Appends content to `sink`, at most `most` bytes; `Done(true)` at the end of the body, `Done(false)` when `sink` has
    /// grown.
    pub fn step_content(&mut self, now: Time, sink: &mut dyn Sink, most: usize) -> Result<Step<bool>> {
        let before = sink.bytes().len();
        loop {
            let going_on = self.going_on && self.sent.is_none();
            let writing = going_on && matches!(self.send(now)?, Sending::Blocked);
            let connection = &mut *self.connection;
            let wanted = most.saturating_sub(sink.bytes().len() - before);
            match self.exchange.handle_some_input(&connection.input, &mut connection.at, wanted)? {
                Event::Data(range) => {
                    let rest = connection.input.len() - range.end;
                    self.wire.note_content(range.len(), rest);
                    sink.extend(&connection.input[range])?;
                    if sink.bytes().len() - before >= most {
                        return Ok(Step::Done(false));
                    }
                }
                Event::End if writing && now < self.linger() => {
                    let wait = Wait::default().and(self.connection.stream.descriptor(), Interest::Writable);
                    return Ok(Step::Wait(wait.until(Some(self.linger()))));
                }
                Event::End => return Ok(Step::Done(true)),
                Event::More => {
                    if sink.bytes().len() > before {
                        return Ok(Step::Done(false));
                    }
                    match self.take(now, sink, most)? {
                        Io::Ready(0) => self.end_content()?,
                        Io::Ready(_) => {}
                        Io::Blocked => {
                            let mut wait = self.connection.stream.wait(true, false);
                            if writing {
                                wait = wait.and(self.connection.stream.descriptor(), Interest::Writable);
                            }
                            return self.wait(wait, now, self.patience.read, "receive").map(Step::Wait);
                        }
                    }
                    if sink.bytes().len() > before {
                        return Ok(Step::Done(self.exchange.ended() && !writing));
                    }
                }
                Event::Informational(_) | Event::Head(_) => {
                    return Err(Error::malformed("response", "a head within the content"));
                }
            }
        }
    }

    /// Reads past the input buffer where all that comes is content, else into it.
    fn take(&mut self, now: Time, sink: &mut dyn Sink, most: usize) -> Result<Io<usize>> {
        let connection = &mut *self.connection;
        let sure = usize::try_from(self.exchange.sure()).unwrap_or(usize::MAX);
        if sure < FIRST_READ || connection.at < connection.input.len() {
            return self.fill(now);
        }
        let filled = sink.bytes().len();
        let read = sink.read(&mut connection.stream, sure.min(most).min(DIRECT_READ))?;
        if let Io::Ready(count) = read {
            self.wire.note(now, Direction::Received, &sink.bytes()[filled..]);
            self.wire.note_content(count, 0);
            self.exchange.handle_content(count);
            self.progress = now;
        }
        Ok(read)
    }

    /// The exchange.
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// How many bytes of content are still to come, if that is known.
    pub fn content_left(&self) -> Option<u64> {
        match self.exchange.framing() {
            Some(Framing::Length(_)) => Some(self.exchange.sure()),
            Some(Framing::Empty) => Some(0),
            _ => None,
        }
    }

    /// Takes the trailer fields.
    pub fn take_trailers(&mut self) -> Headers {
        self.exchange.take_trailers()
    }

    /// Ends the talk: the connection, and whether another exchange may use it.
    pub fn finish(mut self: Box<Self>) -> (Box<Connection>, bool) {
        self.connection.exchanges += 1;
        let said = self.sent.is_some();
        let nothing_over = self.connection.at == self.connection.input.len();
        let good = said && nothing_over && !self.close && self.exchange.keep_alive();
        (self.connection, good)
    }
}

enum Sending {
    Done,
    Blocked,
    Held(Time),
    Hungry,
    /// The peer takes no more.
    Broken,
}
