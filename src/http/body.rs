//! Where a body ends (RFC 9112 section 6), and reading it: Content-Length, chunked coding, the end of the connection.
//!
//! The chunk reader is our own and strict: digits, extension, CRLF and trailers are exactly what section 7.1 allows,
//! with caps on what an extension or a trailer may cost.

use std::ops::Range;

use memchr::memchr;

use super::head::{self, Headers, Limits, Lines, ResponseHead};
use crate::error::{Cause, Error, Result};
use crate::framing::chunked;

/// How the end of a response body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    Empty,
    /// So many bytes.
    Length(u64),
    /// Chunks, the last one empty.
    Chunked,
    /// Everything until the peer closes.
    UntilClose,
}

/// What a response head says of its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// How its end is known.
    pub framing: Framing,
    /// Transfer codings below `chunked`, in the order they were applied.
    pub codings: Vec<String>,
    /// Both framings were given: the connection must not be used again (RFC 9112 section 6.3).
    pub ambiguous: bool,
}

/// The framing of the response `head` to a request with `method`.
pub fn framing(method: &str, head: &ResponseHead) -> Result<Announced> {
    let of = |framing| Announced { framing, codings: Vec::new(), ambiguous: false };
    let length = content_length(&head.headers)?;
    let coded = head.headers.contains("transfer-encoding");
    let tunnel = method == "CONNECT" && (200..300).contains(&head.status);
    if method == "HEAD" || head.status < 200 || matches!(head.status, 204 | 304) || tunnel {
        return Ok(of(Framing::Empty));
    }
    if coded {
        let mut codings = Vec::new();
        for coding in head.headers.list("transfer-encoding") {
            codings.push(String::from_utf8_lossy(coding).to_ascii_lowercase());
        }
        let chunked = codings.iter().filter(|coding| *coding == "chunked").count();
        if codings.is_empty() || chunked > 1 || (chunked == 1 && codings.last().is_none_or(|last| last != "chunked")) {
            return Err(Error::malformed("Transfer-Encoding", "`chunked` must come last, and once"));
        }
        if head.minor == 0 {
            return Err(Error::malformed("Transfer-Encoding", "it has no meaning in HTTP/1.0"));
        }
        let framing = if chunked == 1 { Framing::Chunked } else { Framing::UntilClose };
        codings.retain(|coding| coding != "chunked" && coding != "identity");
        return Ok(Announced { framing, codings, ambiguous: length.is_some() });
    }
    Ok(of(length.map_or(Framing::UntilClose, Framing::Length)))
}

/// The Content-Length, if there is one: digits only, and the same value wherever it is repeated.
pub fn content_length(headers: &Headers) -> Result<Option<u64>> {
    let mut length = None;
    for value in headers.all("content-length") {
        for member in value.split(|byte| *byte == b',') {
            let member = member.trim_ascii();
            let parsed = decimal(member).ok_or_else(|| {
                let text = String::from_utf8_lossy(&member[..member.len().min(32)]).into_owned();
                Error::malformed("Content-Length", format!("{text:?} is not a number of bytes"))
            })?;
            if length.is_some_and(|length| length != parsed) {
                return Err(Error::malformed("Content-Length", "two different values"));
            }
            length = Some(parsed);
        }
    }
    Ok(length)
}

fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// How the body of a request is framed: as the caller's own fields say, which must be true, else as fits best.
///
/// `length` is what is known of the body beforehand, `Some(0)` where there is none.
pub fn request_framing(headers: &Headers, length: Option<u64>) -> Result<Framing> {
    let (mut lengths, mut codings) = (headers.all("content-length"), headers.all("transfer-encoding"));
    match (lengths.next(), codings.next()) {
        (None, None) => Ok(match length {
            Some(0) => Framing::Empty,
            Some(length) => Framing::Length(length),
            None => Framing::Chunked,
        }),
        (Some(_), Some(_)) => {
            Err(Error::invalid("header", "Content-Length and Transfer-Encoding exclude each other; leave one out"))
        }
        (Some(given), None) => {
            let given = if lengths.next().is_none() { decimal(given) } else { None };
            match (given, length) {
                (Some(given), Some(length)) if given != length => Err(Error::invalid(
                    "header",
                    format!("Content-Length is {given}, the body has {length} bytes; leave it out, it is added"),
                )),
                (Some(given), _) => Ok(Framing::Length(given)),
                (None, _) => Err(Error::invalid("header", "Content-Length is one number of bytes, given once")),
            }
        }
        (None, Some(coding)) if codings.next().is_none() && coding.eq_ignore_ascii_case(b"chunked") => {
            Ok(Framing::Chunked)
        }
        (None, Some(_)) => Err(Error::invalid("header", "Transfer-Encoding of a request can only be chunked")),
    }
}

/// A whole body as one chunk and the last, empty one.
pub fn one_chunk(body: &[u8]) -> Vec<u8> {
    let mut chunked = Vec::new();
    if !body.is_empty() {
        chunked.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
        chunked.extend_from_slice(body);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    chunked
}

/// What a reader found next in its input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// These bytes of the input are content.
    Data(Range<usize>),
    /// The input is used up; more is needed.
    More,
    /// The body is complete.
    End,
}

/// Reads one body from the bytes of a connection.
#[derive(Debug)]
pub struct Reader {
    state: State,
    received: u64,
    trailers: Headers,
}

#[derive(Debug)]
enum State {
    Ended,
    Length(u64),
    Chunked(Chunks),
    UntilClose,
}

impl Reader {
    /// A reader for a body framed so.
    pub fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::Empty | Framing::Length(0) => State::Ended,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Chunked(Chunks::default()),
            Framing::UntilClose => State::UntilClose,
        };
        Self { state, received: 0, trailers: Headers::new() }
    }

    /// Takes the next piece from `input`, beginning at `at`, and moves `at` behind it: at most `most` bytes of content.
    pub fn next(&mut self, input: &[u8], at: &mut usize, most: usize, limits: &Limits) -> Result<Piece> {
        let rest = (input.len() - *at).min(most);
        let take = match &mut self.state {
            State::Ended => return Ok(Piece::End),
            State::Length(left) => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(rest);
                *left -= take as u64;
                if *left == 0 {
                    self.state = State::Ended;
                }
                take
            }
            State::UntilClose => rest,
            State::Chunked(chunks) => match chunks.next(input, at, most, limits)? {
                Found::Data(take) => take,
                Found::More => return Ok(Piece::More),
                Found::End(trailers) => {
                    self.trailers = trailers;
                    self.state = State::Ended;
                    return Ok(Piece::End);
                }
            },
        };
        if take == 0 {
            return Ok(Piece::More);
        }
        let start = *at;
        *at += take;
        self.received += take as u64;
        Ok(Piece::Data(start..*at))
    }

    /// How many bytes that are all content are sure to come next, so that they may be read past the buffer.
    pub fn sure(&self) -> u64 {
        match &self.state {
            State::Length(left) => *left,
            State::Chunked(Chunks { part: Part::Data(left), .. }) => *left,
            State::UntilClose => u64::MAX,
            State::Ended | State::Chunked(_) => 0,
        }
    }

    /// So many bytes of what [`Reader::sure`] promised were read past the buffer.
    pub fn took(&mut self, count: usize) {
        let count = count as u64;
        self.received += count;
        match &mut self.state {
            State::Length(left) => {
                *left = left.saturating_sub(count);
                if *left == 0 {
                    self.state = State::Ended;
                }
            }
            State::Chunked(chunks) => chunks.took(count),
            State::Ended | State::UntilClose => {}
        }
    }

    /// The peer has closed: fine where that is the end, truncated elsewhere.
    pub fn end_of_input(&mut self) -> Result<()> {
        let wanted = match &self.state {
            State::Ended => return Ok(()),
            State::UntilClose => {
                self.state = State::Ended;
                return Ok(());
            }
            State::Length(left) => usize::try_from(self.received + left).ok(),
            State::Chunked(_) => None,
        };
        let mut error = Error::new("body", Cause::Truncated { wanted });
        error.came = usize::try_from(self.received).ok();
        Err(error)
    }

    /// Whether the body is complete.
    pub fn ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// How many bytes of content have come.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Takes the trailer fields.
    pub fn take_trailers(&mut self) -> Headers {
        std::mem::take(&mut self.trailers)
    }
}

/// What all chunk extensions of a body may cost together.
const EXTENSIONS: usize = 16 * 1024;
/// What one chunk line may cost: sixteen digits and an extension.
const CHUNK_LINE: usize = 4 * 1024;

#[derive(Debug, Default)]
struct Chunks {
    part: Part,
    extensions: usize,
    lines: Lines,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailers,
}

enum Found {
    Data(usize),
    More,
    End(Headers),
}

impl Chunks {
    fn next(&mut self, input: &[u8], at: &mut usize, most: usize, limits: &Limits) -> Result<Found> {
        loop {
            let rest = &input[*at..];
            match self.part {
                Part::Size => {
                    let Some(newline) = memchr(b'\n', rest) else {
                        if rest.len() > CHUNK_LINE {
                            return Err(malformed("the line with the size does not end"));
                        }
                        begins(rest)?;
                        return Ok(Found::More);
                    };
                    let line =
                        rest[..newline].strip_suffix(b"\r").ok_or_else(|| malformed("LF alone after the size"))?;
                    let size = self.size(line)?;
                    *at += newline + 1;
                    self.part = if size == 0 { Part::Trailers } else { Part::Data(size) };
                }
                Part::Data(left) => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len()).min(most);
                    if take == 0 {
                        return Ok(Found::More);
                    }
                    self.took(take as u64);
                    return Ok(Found::Data(take));
                }
                Part::DataEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        *at += 2;
                        self.part = Part::Size;
                    }
                    [] | [b'\r'] => return Ok(Found::More),
                    _ => return Err(malformed("no CRLF after a chunk's data")),
                },
                Part::Trailers => {
                    let Some(length) = self.lines.end(rest, "trailer", false, limits)? else {
                        return Ok(Found::More);
                    };
                    let trailers = head::parse_trailers(&rest[..length])?;
                    *at += length;
                    return Ok(Found::End(trailers));
                }
            }
        }
    }

    fn took(&mut self, count: u64) {
        if let Part::Data(left) = self.part {
            self.part = match left.saturating_sub(count) {
                0 => Part::DataEnd,
                left => Part::Data(left),
            };
        }
    }

    /// The size of a chunk from its line without CRLF: `1*HEXDIG [ chunk-ext ]`.
    fn size(&mut self, line: &[u8]) -> Result<u64> {
        let (size, extension) = chunked::size(line)?;
        self.extensions += extension;
        if extension > 0 && (line.len() > CHUNK_LINE || self.extensions > EXTENSIONS) {
            return Err(malformed("the extensions are too long"));
        }
        Ok(size)
    }
}

/// Whether `line`, whose end is still to come, can become a chunk line: what cannot is refused before its end comes.
fn begins(line: &[u8]) -> Result<()> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    match line[digits..] {
        [] | [b';' | b' ' | b'\t' | b'\r', ..] if digits > 0 || line.is_empty() => {}
        _ => return Err(malformed("the size is not a hexadecimal number")),
    }
    match memchr(b'\r', line) {
        Some(at) if at + 1 < line.len() => Err(malformed("a CR without LF after the size")),
        _ => Ok(()),
    }
}

fn malformed(reason: &'static str) -> Error {
    Error::malformed("chunk", reason)
}
