//! What is secret in a body, by its type: forms, JSON, forms in parts. Bytes are overwritten, none moves; a body may be cut
//! anywhere, by chunks or by the end of what was kept of it.

use std::ops::Range;

use super::{Text, member, parameter, values};
use crate::http::charset;

/// Where the content of chunks lies in `body`, as far as they are as we write them.
pub fn chunks(body: &[u8]) -> Vec<Range<usize>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(line) = memchr::memmem::find(&body[at..], b"\r\n") {
        let size = std::str::from_utf8(&body[at..at + line]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let Some(size) = size.filter(|size| *size > 0) else { break };
        let begin = at + line + 2;
        let end = begin.saturating_add(size).min(body.len());
        found.push(begin..end);
        at = end.saturating_add(2).min(body.len());
    }
    found
}

/// Overwrites what is secret in a body of that type which lies in `spans` of `bytes`, in their order.
pub fn overwrite_spans(bytes: &mut [u8], spans: &[Range<usize>], content_type: &str) {
    let mut body: Vec<u8> = spans.iter().flat_map(|span| &bytes[span.clone()]).copied().collect();
    overwrite(&mut body, content_type);
    let mut rest = &body[..];
    for span in spans {
        let (part, behind) = rest.split_at(span.len());
        bytes[span.clone()].copy_from_slice(part);
        rest = behind;
    }
}

/// Overwrites what is secret in a body of that type: fields of a form, members of JSON, parts of a form in parts.
pub fn overwrite(body: &mut [u8], content_type: &str) {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match &*kind {
        "application/x-www-form-urlencoded" => values(body, Text::Form).into_iter().for_each(|range| hide(body, range)),
        "multipart/form-data" => {
            if let Some(boundary) = charset::parameter(content_type, "boundary") {
                parts(body, format!("--{boundary}").as_bytes());
            }
        }
        "application/json" | "application/x-ndjson" | "application/jsonl" => json(body),
        other if other.ends_with("+json") => json(body),
        _ => {}
    }
}

fn hide(body: &mut [u8], range: Range<usize>) {
    body[range].fill(b'*');
}

/// Parts with secret names, RFC 7578 section 4.2.
fn parts(body: &mut [u8], delimiter: &[u8]) {
    let begins: Vec<_> = memchr::memmem::find_iter(body, delimiter).collect();
    for (index, begin) in begins.iter().enumerate() {
        let end = begins.get(index + 1).map_or(body.len(), |next| next.saturating_sub(2));
        let Some(part) = body.get(begin + delimiter.len()..end) else { continue };
        let Some(head) = memchr::memmem::find(part, b"\r\n\r\n") else { continue };
        let lines = String::from_utf8_lossy(&part[..head]);
        let mut fields = lines.split("\r\n").filter_map(|line| line.split_once(':'));
        let named = fields.find(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"));
        let name = named.and_then(|(_, value)| charset::parameter(value, "name"));
        if name.is_some_and(|name| parameter(name.as_bytes())) {
            hide(body, begin + delimiter.len() + head + 4..end);
        }
    }
}

/// Values of members with secret names, RFC 8259.
fn json(text: &mut [u8]) {
    let mut at = 0;
    while let Some(quote) = memchr::memchr(b'"', &text[at..]) {
        let (begin, end) = (at + quote + 1, string_end(text, at + quote + 1));
        at = (end + 1).min(text.len());
        if let Some(value) = value_of(text, end)
            && member(&unescaped(&text[begin..end]))
        {
            at = hide_value(text, value);
        }
    }
}

/// Where a string ends that has begun before `at`: at its quote, or where the text does.
fn string_end(text: &[u8], mut at: usize) -> usize {
    while let Some(next) = memchr::memchr2(b'"', b'\\', &text[at.min(text.len())..]) {
        at += next;
        if text[at] == b'"' {
            return at;
        }
        at += 2;
    }
    text.len()
}

fn behind_blanks(text: &[u8], at: usize) -> usize {
    let at = at.min(text.len());
    at + text[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Where the value begins whose name's quote is at `end`; None if the string is no name.
fn value_of(text: &[u8], end: usize) -> Option<usize> {
    let colon = behind_blanks(text, end + 1);
    (text.get(colon) == Some(&b':')).then(|| behind_blanks(text, colon + 1))
}

fn unescaped(name: &[u8]) -> Vec<u8> {
    let (mut plain, mut at) = (Vec::new(), 0);
    while let Some(byte) = name.get(at) {
        let code = name.get(at..at + 6).and_then(|escape| escape.strip_prefix(b"\\u"));
        let code = code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        match code {
            Some(code) => (plain.push(code), at += 6).1,
            None => (plain.push(*byte), at += 1).1,
        }
    }
    plain
}

/// Overwrites the scalars of the value at `at`, names and what is no secret left; gives where it ends.
fn hide_value(text: &mut [u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                let end = string_end(text, at + 1);
                if depth == 0 || value_of(text, end).is_none() {
                    hide(text, at + 1..end);
                }
                at = (end + 1).min(text.len());
            }
            b'{' | b'[' => (depth, at) = (depth + 1, at + 1),
            b'}' | b']' => (depth, at) = (depth.saturating_sub(1), at + 1),
            b'-' | b'0'..=b'9' => {
                let number = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
                let end = at + text[at..].iter().take_while(number).count();
                hide(text, at..end);
                at = end;
            }
            b',' if depth == 0 => return at,
            _ => {
                at += 1;
                continue;
            }
        }
        if depth == 0 {
            return at;
        }
    }
    at
}
