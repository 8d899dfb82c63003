//! The chunked coding of HTTP/1.1 (RFC 9112 section 7.1) as a format: a frame is a chunk, the last chunk ends the stream.
//!
//! Strict: one to sixteen digits, extensions by the grammar and within limits, CRLF and nothing else. Trailer fields are
//! passed over; who wants them reads the body with the HTTP part.

use memchr::memchr;

use super::scan::{Found, Scan, Skip};
use crate::error::{Error, Result};

/// What one line may cost: sixteen digits and an extension, or a trailer field.
const MOST_LINE: usize = 4 * 1024;
/// What all extensions of a stream may cost together.
const MOST_EXTENSIONS: usize = 16 * 1024;
/// What all trailer fields may cost together.
const MOST_TRAILERS: usize = 64 * 1024;

/// What ends a stream of chunks.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// What ends a chunk.
pub const LINE_END: &[u8] = b"\r\n";

/// What says how a message is framed, routed, allowed or read comes before it: RFC 9110 section 6.5.1.
const NO_TRAILERS: [&str; 12] = [
    "authorization",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "host",
    "proxy-authenticate",
    "proxy-authorization",
    "set-cookie",
    "trailer",
    "transfer-encoding",
    "www-authenticate",
];

/// Appends to `out` what ends a stream of chunks, with the trailer fields of RFC 9112 section 7.1.2, as names and values.
pub fn end(trailers: &[(Vec<u8>, Vec<u8>)], out: &mut Vec<u8>) -> Result<()> {
    let mut lines = b"0\r\n".to_vec();
    let before = lines.len();
    for (name, value) in trailers {
        let shown = || name.escape_ascii().to_string().chars().take(100).collect::<String>();
        let refused = |reason: String| Err(Error::invalid("trailers", reason));
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return refused(format!("\"{}\" is no field name, which is a token of RFC 9110", shown()));
        }
        if NO_TRAILERS.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes())) {
            return refused(format!("{} belongs before the content; a peer may refuse it behind", shown()));
        }
        if !value.iter().all(|byte| is_content(*byte)) {
            return refused(format!("the value of {} has control characters; it is one line of text", shown()));
        }
        if name.len() + value.len() + 4 > MOST_LINE {
            return refused(format!("{} is longer than {MOST_LINE} bytes, which peers may not take", shown()));
        }
        for part in [name.as_slice(), b": ", value, LINE_END] {
            lines.extend_from_slice(part);
        }
    }
    lines.extend_from_slice(LINE_END);
    if lines.len() - before > MOST_TRAILERS {
        return Err(Error::invalid("trailers", format!("more than {MOST_TRAILERS} bytes; peers may not take them")));
    }
    out.append(&mut lines);
    Ok(())
}

/// Appends `frame` as a chunk to `out`.
pub fn encode(frame: &[u8], out: &mut Vec<u8>) -> Result<()> {
    if frame.is_empty() {
        return Err(Error::invalid(
            "frame",
            "an empty chunk would end the stream; that is what end() and send_end() are for",
        ));
    }
    out.extend_from_slice(format!("{:x}\r\n", frame.len()).as_bytes());
    out.extend_from_slice(frame);
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Looks for chunks.
#[derive(Debug)]
pub struct Scanner {
    max_frame: usize,
    scanned: usize,
    extensions: usize,
    /// Those of the chunk that is coming.
    coming: usize,
    /// Bytes of trailer lines so far, once the last chunk has come.
    trailers: Option<usize>,
}

impl Scanner {
    /// At the beginning of a stream.
    pub fn new(max_frame: usize) -> Self {
        Self { max_frame, scanned: 0, extensions: 0, coming: 0, trailers: None }
    }

    /// The first line of `input` without its CRLF; `None` if its end has not come.
    fn line<'a>(&mut self, input: &'a [u8]) -> Result<Option<&'a [u8]>> {
        let seen = &input[..input.len().min(MOST_LINE)];
        match memchr(b'\n', &seen[self.scanned.min(seen.len())..]) {
            Some(offset) => {
                let newline = self.scanned + offset;
                self.scanned = 0;
                let line = input[..newline].strip_suffix(b"\r");
                line.map(Some).ok_or_else(|| malformed("a line ends with LF alone, not with CRLF"))
            }
            None if input.len() >= MOST_LINE => Err(malformed("a line is too long")),
            None => {
                self.scanned = input.len();
                Ok(None)
            }
        }
    }

    fn trailer(&mut self, input: &[u8], before: usize) -> Result<Found> {
        let Some(line) = self.line(input)? else { return Ok(Found::More { least: input.len() + 1 }) };
        let size = line.len() + 2;
        let all = before + size;
        if all > MOST_TRAILERS {
            return Err(malformed("the trailer fields are too long"));
        }
        self.trailers = Some(all);
        if line.is_empty() {
            return Ok(Found::End { size });
        }
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        if name.len() == line.len() || name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return Err(malformed("a trailer line is not `name: value`"));
        }
        Ok(Found::Nothing { size })
    }
}

impl Scan for Scanner {
    fn next(&mut self, input: &[u8]) -> Result<Found> {
        if let Some(before) = self.trailers {
            return self.trailer(input, before);
        }
        let Some(line) = self.line(input)? else { return Ok(Found::More { least: input.len() + 1 }) };
        let (length, extension) = size(line)?;
        if self.extensions + extension > MOST_EXTENSIONS {
            return Err(malformed("the extensions are too long"));
        }
        let header = line.len() + 2;
        if length == 0 {
            self.trailers = Some(0);
            return Ok(Found::Nothing { size: header });
        }
        if length > self.max_frame as u64 {
            self.extensions += extension;
            let size = length.saturating_add(header as u64);
            return Ok(Found::TooLarge { length, skip: Skip::Bytes { size, end: LINE_END } });
        }
        let end = header + length as usize;
        let behind = &input[end.min(input.len())..];
        match behind {
            [b'\r', b'\n', ..] => {
                self.extensions += extension;
                Ok(Found::Frame { size: end + 2, content: header..end, tag: 0 })
            }
            [] => {
                self.coming = extension;
                Ok(Found::Coming { size: end + LINE_END.len(), content: header..end, tag: 0 })
            }
            [b'\r'] => Ok(Found::More { least: end + 2 }),
            _ => Err(malformed("no CRLF after a chunk's data")),
        }
    }

    fn passed(&mut self) {
        self.extensions += std::mem::take(&mut self.coming);
    }
}

/// The size in a chunk's first line, without its CRLF, and the length of its extension.
pub fn size(line: &[u8]) -> Result<(u64, usize)> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    if digits == 0 || digits > 16 {
        return Err(malformed("the size is not one to sixteen hexadecimal digits"));
    }
    let value = line[..digits]
        .iter()
        .fold(0_u64, |size, byte| size << 4 | u64::from(char::from(*byte).to_digit(16).unwrap_or_default()));
    if value > i64::MAX as u64 {
        return Err(malformed("the size is beyond any length"));
    }
    let extension = &line[digits..];
    if extension_syntax(extension).is_none() {
        return Err(malformed("the extension is not ;name=value"));
    }
    Ok((value, extension.len()))
}

/// `*( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )`, RFC 9112 section 7.1.1.
fn extension_syntax(extension: &[u8]) -> Option<()> {
    let mut rest = extension;
    while !rest.is_empty() {
        rest = name(blank(blank(rest).strip_prefix(b";")?))?;
        if let Some(value) = blank(rest).strip_prefix(b"=") {
            let value = blank(value);
            rest = match value.strip_prefix(b"\"") {
                Some(quoted) => quoted_string(quoted)?,
                None => name(value)?,
            };
        }
    }
    Some(())
}

fn blank(text: &[u8]) -> &[u8] {
    let count = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &text[count..]
}

/// What is behind the token that `text` begins with.
fn name(text: &[u8]) -> Option<&[u8]> {
    let count = text.iter().take_while(|byte| is_token(**byte)).count();
    (count > 0).then_some(&text[count..])
}

/// What is behind the closing quote.
fn quoted_string(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        text = match text {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', escaped, rest @ ..] if is_content(*escaped) => rest,
            [byte, rest @ ..] if *byte != b'\\' && is_content(*byte) => rest,
            _ => return None,
        }
    }
}

/// What a field value or a quoted string may have, RFC 9110 section 5.5.
fn is_content(byte: u8) -> bool {
    byte == b'\t' || (byte >= 0x20 && byte != 0x7f)
}

/// `tchar` of RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn malformed(reason: &'static str) -> Error {
    Error::malformed("chunk", reason)
}
