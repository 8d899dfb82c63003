//! Header fields, request heads to bytes and response heads from bytes (RFC 9112 sections 2 to 5).
//!
//! Strict both ways: what we would send is checked before a byte goes out (CR, LF, NUL and other control characters have
//! no place in a head), what comes must end every line with CRLF, fold nothing and stay within [`Limits`].

use std::borrow::Cow;
use std::mem::MaybeUninit;

use memchr::memchr2;

use crate::error::{Cause, Error, Result};

/// How much of a peer's head we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one line, without its CRLF.
    pub line: usize,
    /// Bytes of a whole head or of all trailer lines.
    pub head: usize,
    /// Field lines of a head; at most [`MAX_FIELDS`].
    pub fields: usize,
    /// Interim responses (1xx) before the final one.
    pub informational: usize,
    /// Whether a response may end every line of its heads in LF alone (RFC 9112 section 2.2: a MAY).
    pub lf_only: bool,
}

/// What [`Limits::fields`] can be at most.
pub const MAX_FIELDS: usize = 512;

impl Default for Limits {
    fn default() -> Self {
        Self { line: 64 * 1024, head: 256 * 1024, fields: 256, informational: 16, lf_only: true }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    name: (u32, u32),
    value: (u32, u32),
}

/// Header fields in the order of the wire, names in the spelling of the wire, found without regard to case.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct Headers {
    bytes: Vec<u8>,
    fields: Vec<Field>,
    /// Which lengths names have, a bit each: most questions are about fields that are not there.
    lengths: u64,
}

/// The bit of a name's length.
fn length_bit(name: &[u8]) -> u64 {
    1 << (name.len() % 64)
}

impl Headers {
    /// No fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Name and value of each field.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|field| (self.slice(field.name), self.slice(field.value)))
    }

    /// The values of all fields named `name`.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.candidates(name)
            .filter(move |(have, _)| have.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// All fields, or none where no name is as long.
    fn candidates(&self, name: &str) -> impl Iterator<Item = (&[u8], &[u8])> {
        let fields = if self.lengths & length_bit(name.as_bytes()) == 0 { &[] } else { &*self.fields };
        fields.iter().map(|field| (self.slice(field.name), self.slice(field.value)))
    }

    /// The value of the first field named `name`.
    #[inline]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.candidates(name).find(|(have, _)| have.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// The first value as text, if it is ASCII or UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Whether a field is named `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The members of a comma-separated list field, over all its lines, trimmed and without empty ones.
    pub fn list<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.all(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|member| !member.is_empty())
    }

    /// Whether the list field `name` has `member`, in any case.
    pub fn lists(&self, name: &str, member: &str) -> bool {
        self.contains(name) && self.list(name).any(|have| have.eq_ignore_ascii_case(member.as_bytes()))
    }

    /// Adds a field at the end, unchecked.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.lengths |= length_bit(name);
        let name = self.store(name);
        let value = self.store(value);
        self.fields.push(Field { name, value });
    }

    /// Adds a field that is to be sent: an error if a peer could read it as more than one.
    pub fn add(&mut self, name: &[u8], value: &[u8]) -> Result<()> {
        check_name(name)?;
        check_value(name, value)?;
        self.push(name, value.trim_ascii());
        Ok(())
    }

    /// Replaces all fields named `name` by one.
    pub fn set(&mut self, name: &str, value: &[u8]) {
        self.remove(name);
        self.push(name.as_bytes(), value);
    }

    /// Removes all fields named `name`.
    pub fn remove(&mut self, name: &str) {
        let bytes = std::mem::take(&mut self.bytes);
        let within = |(start, end): (u32, u32)| &bytes[start as usize..end as usize];
        self.fields.retain(|field| !within(field.name).eq_ignore_ascii_case(name.as_bytes()));
        self.lengths = self.fields.iter().fold(0, |lengths, field| lengths | length_bit(within(field.name)));
        self.bytes = bytes;
    }

    fn store(&mut self, bytes: &[u8]) -> (u32, u32) {
        let start = position(self.bytes.len());
        self.bytes.extend_from_slice(bytes);
        (start, position(self.bytes.len()))
    }

    fn slice(&self, (start, end): (u32, u32)) -> &[u8] {
        &self.bytes[start as usize..end as usize]
    }
}

/// Heads are far below 4 GiB (see [`Limits::head`]); a caller's own oversized field is cut off here, never wrapped.
fn position(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// tchar of RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether `text` is a token.
pub fn token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_token(*byte))
}

/// A field name to be sent must be a token.
pub fn check_name(name: &[u8]) -> Result<()> {
    if token(name) {
        return Ok(());
    }
    Err(Error::invalid(
        "header name",
        format!("{:?} is not a token (letters, digits and !#$%&'*+-.^_`|~)", String::from_utf8_lossy(name)),
    ))
}

/// A field value to be sent must not hold what ends a line or a string.
pub fn check_value(name: &[u8], value: &[u8]) -> Result<()> {
    match value.iter().find(|byte| forbidden_in_value(**byte)) {
        None if value.len() < u32::MAX as usize / 4 => Ok(()),
        None => Err(Error::invalid("header value", "longer than any peer would take")),
        Some(byte) => Err(Error::invalid(
            "header value",
            format!("{}: the control character {byte:#04x} cannot be sent", String::from_utf8_lossy(name)),
        )),
    }
}

fn forbidden_in_value(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t') || byte == 0x7f
}

/// A Host of the caller's own is one, and nothing that servers read differently (RFC 9112 section 3.2).
pub fn check_host(headers: &Headers) -> Result<()> {
    let mut hosts = headers.all("host");
    let Some(host) = hosts.next() else { return Ok(()) };
    if hosts.next().is_some() {
        return Err(Error::invalid("header", "Host is given once; leave it out, it is added"));
    }
    if host.iter().all(|byte| byte.is_ascii_graphic() && !b"/\\?#@,".contains(byte)) {
        return Ok(());
    }
    Err(Error::invalid("header", format!("Host {:?} is no host and port", String::from_utf8_lossy(host))))
}

/// A method to be sent must be a token.
pub fn check_method(method: &str) -> Result<()> {
    if token(method.as_bytes()) {
        return Ok(());
    }
    Err(Error::invalid("method", format!("{method:?} is not a token like GET")))
}

/// The method `text`; those of RFC 9110 and RFC 5789 are known and take no memory.
pub fn method(text: &str) -> Cow<'static, str> {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"];
    match KNOWN.iter().find(|known| **known == text) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(text.to_owned()),
    }
}

/// A request target to be sent: visible ASCII only.
pub fn check_target(target: &str) -> Result<()> {
    if !target.is_empty() && target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Error::invalid("request target", format!("{target:?} holds characters that must be percent-encoded")))
}

/// Appends a request head to `out`. Everything in it has been checked when it was put together.
pub fn encode_request(method: &str, target: &str, headers: &Headers, out: &mut Vec<u8>) {
    out.reserve(method.len() + target.len() + headers.bytes.len() + 4 * headers.len() + 16);
    out.extend_from_slice(method.as_bytes());
    out.push(b' ');
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    encode_fields(headers, out);
    out.extend_from_slice(b"\r\n");
}

/// Appends field lines to `out`.
pub fn encode_fields(headers: &Headers, out: &mut Vec<u8>) {
    for (name, value) in headers.iter() {
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
}

/// The head of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// The minor version: 1 for HTTP/1.1, 0 for HTTP/1.0.
    pub minor: u8,
    /// The status code, 100 to 599.
    pub status: u16,
    /// The reason phrase, as it came.
    pub reason: Cow<'static, [u8]>,
    /// The fields.
    pub headers: Headers,
}

/// Finds the end of a block of lines that an empty line ends, as the bytes come in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lines {
    line_start: usize,
    scanned: usize,
    count: usize,
    bare: Option<bool>,
}

impl Lines {
    /// Looks on in `input`, which holds all bytes since the block's first. The block's length, once its end is there.
    ///
    /// All lines end with CRLF, or (where `bare` allows what RFC 9112 section 2.2 calls a MAY) all with LF: a mixture,
    /// which two readers cut differently, and blocks above `limits` are errors as soon as they are seen.
    pub fn end(&mut self, input: &[u8], what: &'static str, bare: bool, limits: &Limits) -> Result<Option<usize>> {
        let lone = |at: usize| Err(Error::malformed(what, format!("a CR without LF at byte {at} of a line")));
        let mut scanned = input.len();
        while let Some(offset) = memchr2(b'\r', b'\n', &input[self.scanned..]) {
            let end = self.scanned + offset;
            let alone = input[end] == b'\n';
            let newline = end + usize::from(!alone);
            match input.get(newline) {
                Some(b'\n') => {}
                Some(_) => return lone(end - self.line_start),
                // What follows the CR is still to come.
                None => {
                    scanned = end;
                    break;
                }
            }
            if alone && (!bare || self.bare == Some(false)) || !alone && self.bare == Some(true) {
                return Err(Error::malformed(what, "a line ends with LF alone, not with CRLF"));
            }
            self.bare = Some(alone);
            let length = end - self.line_start;
            self.scanned = newline + 1;
            self.line_start = newline + 1;
            self.check(length, newline + 1, limits)?;
            if length == 0 {
                return Ok(Some(newline + 1));
            }
            self.count += 1;
            // The status line is a line too.
            if self.count > limits.fields + 1 {
                return Err(Error::malformed(what, format!("more than {} lines", limits.fields)));
            }
        }
        self.scanned = scanned;
        self.check(input.len() - self.line_start, input.len(), limits)?;
        Ok(None)
    }

    /// Begins the next block, whose lines must end as those before it do.
    pub fn next_block(&mut self) {
        *self = Self { bare: self.bare, ..Self::default() };
    }

    /// Whether the lines end with LF alone.
    pub fn bare(&self) -> bool {
        self.bare == Some(true)
    }

    fn check(&self, line: usize, total: usize, limits: &Limits) -> Result<()> {
        let too_large = |what, length: usize, limit: usize| {
            Err(Error::new("parse", Cause::TooLarge { what, length: length as u64, limit: limit as u64 }))
        };
        if line > limits.line.saturating_add(1) {
            return too_large("header line", line, limits.line);
        }
        if total > limits.head {
            return too_large("head", total, limits.head);
        }
        Ok(())
    }
}

/// Reads a complete response head, the empty line included.
pub fn parse_response(block: &[u8]) -> Result<ResponseHead> {
    if !block.starts_with(b"HTTP/1.") {
        return Err(not_http(block));
    }
    let mut slots = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut response, block, &mut slots);
    match parsed {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(Error::malformed("response head", "it ends too early")),
        Err(error) => return Err(Error::malformed("response head", describe(error))),
    }
    let status = response.code.unwrap_or_default();
    if !(100..=599).contains(&status) {
        return Err(Error::malformed("status line", format!("status {status} is outside 100 to 599")));
    }
    let reason = match response.reason.unwrap_or_default() {
        // httparse leaves out a reason with bytes above 0x7f: take it from the line itself.
        "" => {
            let line = block.split(|byte| *byte == b'\r' || *byte == b'\n').next().unwrap_or_default();
            line.get(13..).unwrap_or_default()
        }
        reason => reason.as_bytes(),
    };
    Ok(ResponseHead {
        minor: response.version.unwrap_or(1),
        status,
        reason: known_reason(reason).map_or_else(|| reason.to_vec().into(), Cow::Borrowed),
        headers: collect(response.headers, block.len())?,
    })
}

/// The reasons that most responses have, which so take no memory.
fn known_reason(reason: &[u8]) -> Option<&'static [u8]> {
    Some(match reason {
        b"" => b"",
        b"OK" => b"OK",
        b"Created" => b"Created",
        b"No Content" => b"No Content",
        b"Partial Content" => b"Partial Content",
        b"Found" => b"Found",
        b"Not Modified" => b"Not Modified",
        b"Not Found" => b"Not Found",
        _ => return None,
    })
}

/// Fields that frame, route or prove a message, or say what its content is: behind the content they come too late, and a
/// sender must not put them there (RFC 9110 section 6.5.1).
const NO_TRAILERS: [&str; 22] = [
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "host",
    "keep-alive",
    "location",
    "proxy-authenticate",
    "proxy-authorization",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "via",
    "warning",
    "www-authenticate",
];

/// Reads trailer lines, the empty line at their end included. Fields that have no place there are left out.
pub fn parse_trailers(block: &[u8]) -> Result<Headers> {
    check_carriage_returns(block, "trailer")?;
    let mut slots = [httparse::EMPTY_HEADER; MAX_FIELDS];
    match httparse::parse_headers(block, &mut slots) {
        Ok(httparse::Status::Complete((_, headers))) => {
            let mut trailers = collect(headers, block.len())?;
            for name in NO_TRAILERS {
                if trailers.contains(name) {
                    trailers.remove(name);
                }
            }
            Ok(trailers)
        }
        Ok(httparse::Status::Partial) => Err(Error::malformed("trailer", "it ends too early")),
        Err(error) => Err(Error::malformed("trailer", describe(error))),
    }
}

fn collect(parsed: &[httparse::Header<'_>], length: usize) -> Result<Headers> {
    let mut headers =
        Headers { bytes: Vec::with_capacity(length), fields: Vec::with_capacity(parsed.len()), lengths: 0 };
    for field in parsed {
        if field.value.iter().any(|byte| forbidden_in_value(*byte)) {
            return Err(Error::malformed("header value", format!("{} holds a control character", field.name)));
        }
        headers.push(field.name.as_bytes(), field.value.trim_ascii());
    }
    Ok(headers)
}

/// Every CR must stand before an LF; a lone one is read differently by different parsers.
fn check_carriage_returns(block: &[u8], what: &'static str) -> Result<()> {
    for at in memchr::memchr_iter(b'\r', block) {
        if block.get(at + 1) != Some(&b'\n') {
            return Err(Error::malformed(what, "a CR without LF"));
        }
    }
    Ok(())
}

/// The error for bytes that cannot begin a response.
pub fn not_http(bytes: &[u8]) -> Error {
    let start: String = bytes.iter().take(24).flat_map(|byte| byte.escape_ascii()).map(char::from).collect();
    Error::malformed("status line", format!("the reply begins with \"{start}\", not with HTTP/1.0 or HTTP/1.1"))
}

fn describe(error: httparse::Error) -> &'static str {
    match error {
        httparse::Error::HeaderName => "a header name with a character that is not allowed, or a folded line",
        httparse::Error::HeaderValue => "a header value with a control character",
        httparse::Error::NewLine => "a line break in a wrong place",
        httparse::Error::Status => "the status is not three digits and a reason",
        httparse::Error::Token => "a character that is not allowed",
        httparse::Error::TooManyHeaders => "too many header lines",
        httparse::Error::Version => "not HTTP/1.0 or HTTP/1.1",
    }
}
