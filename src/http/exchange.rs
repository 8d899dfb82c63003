//! One request's answer on one connection: interim responses, the final head, the body, and whether the connection may
//! be used again. Fed with the connection's bytes; holds none.

use std::borrow::Cow;
use std::ops::Range;

use super::body::{self, Announced, Framing, Piece, Reader};
use super::head::{self, Headers, Limits, Lines, ResponseHead};
use crate::error::{Cause, Error, Result};

/// What came next.
#[derive(Debug)]
pub enum Event {
    /// The input is used up; more is needed.
    More,
    /// A response with status 1xx other than 101; the final one follows.
    Informational(ResponseHead),
    /// The head of the final response.
    Head(ResponseHead),
    /// These bytes of the input are content.
    Data(Range<usize>),
    /// The response is complete.
    End,
}

/// The answer to one request.
///
/// `handle_*` methods bring what the network did and give what it means; the rest are getters.
#[derive(Debug)]
pub struct Exchange {
    connect: bool,
    method: Cow<'static, str>,
    limits: Limits,
    lines: Lines,
    informational: usize,
    announced: Option<Announced>,
    reader: Option<Reader>,
    keep_alive: bool,
    switched: bool,
}

impl Exchange {
    /// Expects the answer to a request with `method`.
    pub fn new(method: &str, limits: Limits) -> Self {
        Self {
            connect: method == "CONNECT",
            method: head::method(method),
            limits,
            lines: Lines::default(),
            informational: 0,
            announced: None,
            reader: None,
            keep_alive: false,
            switched: false,
        }
    }

    /// The connection's bytes from the first that is not used yet are `input[*at..]`; moves `at` behind what it used.
    pub fn handle_input(&mut self, input: &[u8], at: &mut usize) -> Result<Event> {
        self.handle_some_input(input, at, usize::MAX)
    }

    /// The same, with at most `most` bytes of content (and at least one) taken as [`Event::Data`].
    pub fn handle_some_input(&mut self, input: &[u8], at: &mut usize, most: usize) -> Result<Event> {
        if let Some(reader) = &mut self.reader {
            return Ok(match reader.next(input, at, most.max(1), &self.limits)? {
                Piece::Data(range) => Event::Data(range),
                Piece::More => Event::More,
                Piece::End => Event::End,
            });
        }
        let block = &input[*at..];
        let expected = b"HTTP/1.";
        let seen = block.len().min(expected.len());
        if block[..seen] != expected[..seen] {
            return Err(head::not_http(block));
        }
        let Some(length) = self.lines.end(block, "response head", self.limits.lf_only, &self.limits)? else {
            return Ok(Event::More);
        };
        let head = head::parse_response(&block[..length])?;
        *at += length;
        self.lines.next_block();
        if head.status < 200 && head.status != 101 {
            self.informational += 1;
            if self.informational > self.limits.informational {
                return Err(Error::malformed(
                    "response",
                    format!("more than {} interim (1xx) responses", self.limits.informational),
                ));
            }
            return Ok(Event::Informational(head));
        }
        self.begin_body(&head)?;
        Ok(Event::Head(head))
    }

    fn begin_body(&mut self, head: &ResponseHead) -> Result<()> {
        let announced = body::framing(&self.method, head)?;
        self.switched = if self.connect { (200..300).contains(&head.status) } else { head.status == 101 };
        self.keep_alive = wants_keep_alive(head)
            && !announced.ambiguous
            // Who writes such heads is not trusted with the bounds of a second response.
            && !self.lines.bare()
            && !self.switched
            && announced.framing != Framing::UntilClose;
        self.reader = Some(Reader::new(announced.framing));
        self.announced = Some(announced);
        Ok(())
    }

    /// The peer has closed its side.
    pub fn handle_end_of_input(&mut self) -> Result<()> {
        self.keep_alive = false;
        match &mut self.reader {
            Some(reader) => reader.end_of_input(),
            None => Err(Error::new("response head", Cause::Truncated { wanted: None })),
        }
    }

    /// How many bytes that are all content are sure to come next, so that they may be read past the input buffer.
    pub fn sure(&self) -> u64 {
        self.reader.as_ref().map_or(0, Reader::sure)
    }

    /// So many of them were.
    pub fn handle_content(&mut self, count: usize) {
        if let Some(reader) = &mut self.reader {
            reader.took(count);
        }
    }

    /// How the body's end is known, once the head is there.
    pub fn framing(&self) -> Option<Framing> {
        self.announced.as_ref().map(|announced| announced.framing)
    }

    /// The transfer codings below `chunked`, in the order they were applied.
    pub fn transfer_codings(&self) -> &[String] {
        self.announced.as_ref().map_or(&[], |announced| &announced.codings)
    }

    /// How many bytes of content have come (transfer and content codings still on).
    pub fn received(&self) -> u64 {
        self.reader.as_ref().map_or(0, Reader::received)
    }

    /// Whether the response is complete.
    pub fn ended(&self) -> bool {
        self.reader.as_ref().is_some_and(Reader::ended)
    }

    /// Whether the connection may carry another exchange; only if nothing is left over when the response is complete.
    pub fn keep_alive(&self) -> bool {
        self.keep_alive && self.ended()
    }

    /// Whether the connection speaks another protocol from here on (101, or 2xx to CONNECT).
    pub fn switched(&self) -> bool {
        self.switched
    }

    /// Takes the trailer fields of a complete response.
    pub fn take_trailers(&mut self) -> Headers {
        self.reader.as_mut().map(Reader::take_trailers).unwrap_or_default()
    }
}

/// RFC 9112 section 9.3.
fn wants_keep_alive(head: &ResponseHead) -> bool {
    !head.headers.lists("connection", "close") && (head.minor >= 1 || head.headers.lists("connection", "keep-alive"))
}
