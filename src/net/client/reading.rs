//! A body that is read piece by piece, as it comes.

use std::sync::Arc;

use crate::engine::{Step, Time, Timer, Wait};
use crate::error::{Cause, Error, Result};
use crate::http::coding::Decoder;
use crate::http::head::ResponseHead;
use crate::http::url::Target;
use crate::http::wire::Wire;
use crate::net::pool::Connection;
use crate::net::sink::Sink;
use crate::net::talk::Talk;
use crate::sys;

use super::{Client, Response, located};

/// How much is read at once to be decoded.
const ENCODED_PIECE: usize = 64 * 1024;
/// How much of a body that nobody wants is read for the connection's sake.
const REST: u64 = 64 * 1024;
/// How much content is read before the clock, signals and other tasks have their turn.
pub(super) const STEP_CONTENT: usize = 4 * 1024 * 1024;

/// How much of a body is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// What comes first, at most so many bytes.
    AtMost(usize),
    /// So many bytes; fewer only at the end of the body.
    Exactly(usize),
    /// All that is left, as far as the call allows content in memory.
    Rest,
}

/// Room for what comes first of a body whose length nobody tells: it may be little.
const NEXT_ROOM: usize = 64 * 1024;
/// Room for content whose length nobody tells.
const FIRST_ROOM: usize = 128 * 1024;

/// A body that is being read.
pub struct Reading {
    pub(super) talk: Option<Box<Talk>>,
    pub(super) client: Arc<Client>,
    pub(super) total: Timer,
    pub(super) began: Time,
    pub(super) target: Target,
    pub(super) raw: Vec<u8>,
    pub(super) clear: Vec<u8>,
    pub(super) decoder: Option<Decoder>,
    pub(super) ended: bool,
    pub(super) most_content: u64,
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reading({})", self.target)
    }
}

impl Reading {
    /// Brings `amount` of the content into `sink`, which nobody else fills; `Done(true)` at the end. With `raw`, content
    /// codings stay on.
    pub fn fill(&mut self, now: Time, sink: &mut dyn Sink, amount: Amount, raw: bool) -> Result<Step<bool>> {
        let target = match amount {
            // The end of the body is found behind its last byte.
            Amount::AtMost(_) => self.coming(amount, raw).max(1),
            Amount::Exactly(most) => most,
            Amount::Rest => usize::MAX,
        };
        let mut room = STEP_CONTENT;
        loop {
            let have = sink.bytes().len();
            if have >= target || (have > 0 && matches!(amount, Amount::AtMost(_))) {
                return Ok(Step::Done(false));
            }
            if room == 0 {
                return Ok(Step::Wait(Wait::sleep(now)));
            }
            let step = self.step(now, sink, room.min(target - have), raw)?;
            let length = sink.bytes().len() as u64;
            if amount == Amount::Rest && length > self.most_content {
                return Err(Error::new("body", Cause::TooLarge { what: "content", length, limit: self.most_content }));
            }
            match step {
                Step::Done(false) => room = room.saturating_sub(sink.bytes().len() - have),
                step => return Ok(step),
            }
        }
    }

    /// How many bytes `amount` will be, as far as that can be told: what to have room for.
    pub fn coming(&self, amount: Amount, raw: bool) -> usize {
        let known = if raw || self.decoder.is_none() { self.left() } else { None };
        let known = known.map(|left| usize::try_from(left).unwrap_or(usize::MAX));
        match amount {
            Amount::AtMost(most) => known.unwrap_or(NEXT_ROOM).min(most),
            Amount::Exactly(most) => known.unwrap_or(FIRST_ROOM).min(most),
            // Beyond the limit it will be refused.
            Amount::Rest => known.filter(|left| *left as u64 <= self.most_content).unwrap_or(FIRST_ROOM),
        }
    }

    /// Appends content to `sink`, at most `most` bytes; `Done(true)` at the end. With `raw`, content codings stay on.
    pub fn step(&mut self, now: Time, sink: &mut dyn Sink, most: usize, raw: bool) -> Result<Step<bool>> {
        let step = if self.inherited() {
            let reason = "its connection belongs to the process that opened it: ask again in this one";
            Err(Error::invalid("response", reason))
        } else if self.total.expired(now) {
            Err(Error::new("reading the body from", Cause::TimedOut))
        } else if raw || self.decoder.is_none() {
            self.content(now, sink, most)
        } else {
            self.decoded(now, sink, most)
        };
        match step {
            Ok(Step::Wait(wait)) => Ok(Step::Wait(wait.until(self.total.deadline()))),
            Ok(done) => Ok(done),
            Err(error) => Err(located(error, &self.target.origin().authority())),
        }
    }

    fn content(&mut self, now: Time, sink: &mut dyn Sink, most: usize) -> Result<Step<bool>> {
        let Some(talk) = &mut self.talk else { return Ok(Step::Done(true)) };
        talk.step_content(now, sink, most)
    }

    fn decoded(&mut self, now: Time, sink: &mut dyn Sink, most: usize) -> Result<Step<bool>> {
        loop {
            let Some(decoder) = &mut self.decoder else { return Ok(Step::Done(true)) };
            let mut clear = std::mem::take(&mut self.clear);
            clear.clear();
            let decoded = decoder.decode(&mut clear, most.min(ENCODED_PIECE));
            let moved = sink.extend(&clear);
            self.clear = clear;
            moved?;
            if decoded? {
                return Ok(Step::Done(false));
            }
            if self.ended {
                decoder.finish()?;
                return Ok(Step::Done(true));
            }
            let mut raw = std::mem::take(&mut self.raw);
            raw.clear();
            let step = self.content(now, &mut raw, ENCODED_PIECE);
            if let Some(decoder) = &mut self.decoder {
                decoder.feed(&raw);
            }
            self.raw = raw;
            match step? {
                Step::Wait(wait) => return Ok(Step::Wait(wait)),
                Step::Done(ended) => self.ended = ended,
            }
        }
    }

    /// Whether a parent process opened the connection.
    pub fn inherited(&self) -> bool {
        self.talk.as_ref().is_some_and(|talk| talk.inherited())
    }

    /// When the whole call has to be over.
    pub fn deadline(&self) -> Option<Time> {
        self.total.deadline()
    }

    /// How much of it may be kept in memory.
    pub fn most_content(&self) -> u64 {
        self.most_content
    }

    /// Ends the connection under whoever waits for it; a parent process's goes on.
    pub fn end(&self) {
        if let Some(talk) = self.talk.as_ref().filter(|talk| !talk.inherited()) {
            talk.end();
        }
    }

    /// How many bytes of content are still to come, codings on, if that is known.
    pub fn left(&self) -> Option<u64> {
        self.talk.as_ref().and_then(|talk| talk.content_left())
    }

    /// The interim responses so far.
    pub fn informational(&self) -> &[ResponseHead] {
        self.talk.as_ref().map_or(&[], |talk| &talk.informational)
    }

    /// Whether the connection speaks another protocol from here on.
    pub fn switched(&self) -> bool {
        self.talk.as_ref().is_some_and(|talk| talk.exchange().switched())
    }

    /// Takes the connection away from HTTP, with what had come already (after 101, or 2xx to CONNECT).
    pub fn detach(&mut self) -> Option<Box<Connection>> {
        self.talk.take().map(|talk| talk.finish().0)
    }

    /// Gives up what is unread. A connection on which the rest of the body has come already, and is not long, is kept.
    pub fn give_up(&mut self, response: &mut Response) {
        let worth = |talk: &Talk| !talk.exchange().switched() && talk.content_left().is_none_or(|left| left <= REST);
        let mut rest = Vec::new();
        while let Some(talk) = self.talk.as_mut().filter(|talk| !talk.inherited() && worth(talk))
            && rest.len() as u64 <= REST
        {
            match talk.step_content(sys::clock::now(), &mut rest, ENCODED_PIECE) {
                Ok(Step::Done(false)) => {}
                Ok(Step::Done(true)) => return self.finish(response),
                Ok(Step::Wait(_)) | Err(_) => return,
            }
        }
    }

    /// Puts what the end of the body tells into `response` and the connection back into the pool.
    pub fn finish(&mut self, response: &mut Response) {
        let now = sys::clock::now();
        self.tell(response);
        let Some(talk) = self.talk.take() else { return };
        response.timings.done = Some(now.since(self.began));
        let (mut connection, good) = talk.finish();
        if good {
            self.client.pool.give_back(connection, now);
        } else {
            connection.farewell();
        }
    }

    /// Puts what was said so far into `response`, before nothing more is read.
    pub fn tell(&mut self, response: &mut Response) {
        let Some(talk) = &mut self.talk else { return };
        response.trailers = talk.take_trailers();
        // The rest of the request may have gone out while the answer was read.
        response.timings.sent = response.timings.sent.or(talk.sent.map(|time| time.since(self.began)));
        response.informational = std::mem::take(&mut talk.informational);
        response.wire = std::mem::take(&mut talk.wire);
    }

    /// What was said so far.
    pub fn wire(&self) -> Option<&Wire> {
        self.talk.as_ref().map(|talk| &talk.wire)
    }
}
