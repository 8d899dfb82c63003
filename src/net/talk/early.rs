//! Answers that come before the request is sent, and connections that break under it: nothing that was said is lost.

use std::time::Duration;

use super::{Heard, Sending, Talk};
use crate::engine::{Interest, Step, Time};
use crate::error::{Cause, Error, Result};
use crate::http::body::Framing;
use crate::http::head::ResponseHead;
use crate::net::stream::Io;

/// How long a peer that has answered in full may take nothing of what is left of the request, at most.
const LINGER: Duration = Duration::from_secs(1);
/// How much of an answer is kept while the request is still sent.
const AHEAD: usize = 1024 * 1024;
const FED_AHEAD: usize = 16 * 1024 * 1024;

impl Talk {
    /// Gives the head, once the rest is sent if the peer means to read it: it has accepted what it saw of the request, as
    /// servers do that answer while they read. What comes meanwhile is kept.
    pub(super) fn step_rest(&mut self, head: ResponseHead, now: Time) -> Result<Step<Heard>> {
        let accepted = head.status < 300 && !self.exchange.switched() && self.hold.is_none();
        if self.sent.is_some() || !accepted {
            return Ok(Step::Done(Heard::Head(head)));
        }
        self.going_on = true;
        let hungry = match self.send(now)? {
            Sending::Done | Sending::Broken | Sending::Held(_) => return Ok(Step::Done(Heard::Head(head))),
            Sending::Hungry if self.fed_left == Some(0) => {
                self.answer = Some(head);
                return Ok(Step::Done(Heard::Hungry));
            }
            Sending::Hungry => true,
            Sending::Blocked => false,
        };
        // Pieces cannot go on once the caller has the answer.
        let most = if self.fed_all { AHEAD } else { FED_AHEAD };
        let full = loop {
            if self.connection.input.len() - self.connection.at >= most {
                break true;
            }
            match self.fill(now) {
                Ok(Io::Ready(1..)) => {}
                Ok(Io::Blocked) => break false,
                Ok(Io::Ready(_)) => return Ok(Step::Done(Heard::Head(head))),
                Err(error) => {
                    self.broken = Some(error);
                    return Ok(Step::Done(Heard::Head(head)));
                }
            }
        };
        // A whole body goes on while the content is read.
        let until = self.complete().then(|| self.linger());
        if until.is_some_and(|until| now >= until) || full && self.fed_all && !hungry {
            return Ok(Step::Done(Heard::Head(head)));
        }
        if hungry {
            self.answer = Some(head);
            return Ok(Step::Done(Heard::Hungry));
        }
        let wait = self.connection.stream.wait(!full, full);
        let wait = wait.and(self.connection.stream.descriptor(), Interest::Writable);
        let wait = match until {
            Some(_) => wait.until(until),
            None => self.wait(wait, now, self.patience.write, "send")?,
        };
        self.answer = Some(head);
        Ok(Step::Wait(wait))
    }

    /// Until when a peer that has answered in full is waited for: a deadline must not take the answer away, which is here.
    pub(super) fn linger(&self) -> Time {
        let left = self.patience.over.map(|over| over.since(self.progress) / 2);
        let most = [Some(LINGER), self.patience.write, left].into_iter().flatten().min();
        self.progress.after(most.unwrap_or(LINGER))
    }

    /// Whether all of the answer is here.
    fn complete(&self) -> bool {
        let rest = &self.connection.input[self.connection.at..];
        match self.exchange.framing() {
            Some(Framing::Length(_)) => rest.len() as u64 >= self.exchange.sure(),
            Some(Framing::Chunked) => rest.ends_with(b"0\r\n\r\n"),
            Some(Framing::Empty) => true,
            Some(Framing::UntilClose) | None => false,
        }
    }

    /// The error of an answer that does not come: if there is nothing of it, what ended sending is the reason.
    pub(super) fn unheard(&mut self, error: Error) -> Error {
        let rest = &self.connection.input[self.connection.at..];
        match self.broken.take_if(|_| self.first_byte.is_none() && !matches!(error.cause, Cause::Tls(_))) {
            Some(reason) => reason,
            None => error.with_partial(rest.to_vec()),
        }
    }

    /// The peer has closed: after a reset, that is no end of a body that ends with the connection.
    pub(super) fn end_content(&mut self) -> Result<()> {
        let reset = self.broken.as_ref().is_some_and(|error| error.cause != Cause::Os(libc::EPIPE));
        if reset && self.exchange.framing() == Some(Framing::UntilClose) {
            let mut error = Error::new("body", Cause::Truncated { wanted: None });
            error.came = usize::try_from(self.exchange.received()).ok();
            return Err(error);
        }
        self.exchange.handle_end_of_input()
    }
}
