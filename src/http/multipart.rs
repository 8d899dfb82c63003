//! Bodies of several parts, `multipart/form-data` (RFC 7578).

use super::head::{check_name, check_value};
use crate::error::{Error, Result};

/// One field of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// The field's name.
    pub name: &'a str,
    /// The file's name, if it is a file.
    pub filename: Option<&'a str>,
    /// What it is, `text/plain` if nothing is said.
    pub content_type: Option<&'a str>,
    /// More fields of the part, names and values.
    pub headers: &'a [(&'a [u8], &'a [u8])],
    /// The bytes.
    pub content: &'a [u8],
}

/// The body with these parts, between lines of `boundary`.
pub fn encode(parts: &[Part<'_>], boundary: &str) -> Result<Vec<u8>> {
    if boundary.is_empty() || boundary.len() > 70 || !boundary.bytes().all(|byte| super::head::token(&[byte])) {
        return Err(Error::invalid("boundary", "it has to be 1 to 70 letters, digits and -_."));
    }
    let mut body = Vec::with_capacity(parts.iter().map(|part| part.content.len() + 256).sum());
    for part in parts {
        body.extend_from_slice(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"").as_bytes());
        body.extend_from_slice(quoted("name", part.name)?.as_bytes());
        if let Some(filename) = part.filename {
            body.extend_from_slice(b"\"; filename=\"");
            body.extend_from_slice(quoted("filename", filename)?.as_bytes());
        }
        body.extend_from_slice(b"\"\r\n");
        if let Some(content_type) = part.content_type {
            check_value(b"Content-Type", content_type.as_bytes())?;
            body.extend_from_slice(format!("Content-Type: {content_type}\r\n").as_bytes());
        }
        for (name, value) in part.headers {
            check_name(name)?;
            check_value(name, value)?;
            for piece in [name, &b": "[..], value.trim_ascii(), b"\r\n"] {
                body.extend_from_slice(piece);
            }
        }
        body.extend_from_slice(b"\r\n");
        body.extend_from_slice(part.content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok(body)
}

/// As browsers do it (WHATWG HTML, multipart/form-data encoding algorithm); other control characters are refused.
fn quoted(what: &'static str, text: &str) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' => out.push_str("%22"),
            '\r' => out.push_str("%0D"),
            '\n' => out.push_str("%0A"),
            other if other.is_ascii_control() => {
                return Err(Error::invalid(what, format!("{text:?} holds a control character")));
            }
            other => out.push(other),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_a_field() {
        let part = Part { name: "a\"\r\nX: 1", filename: Some("f\n"), content_type: None, headers: &[], content: b"x" };
        let body = encode(std::slice::from_ref(&part), "b").expect("encoded");
        let expected =
            "--b\r\nContent-Disposition: form-data; name=\"a%22%0D%0AX: 1\"; filename=\"f%0A\"\r\n\r\nx\r\n--b--\r\n";
        assert_eq!(String::from_utf8_lossy(&body), expected);
        assert!(encode(&[Part { name: "a\0", ..part.clone() }], "b").is_err());
        assert!(encode(&[Part { content_type: Some("a/b\r\nX: 1"), ..part.clone() }], "b").is_err());
        assert!(encode(&[Part { headers: &[(b"X", b"1\r\nY: 2")], ..part.clone() }], "b").is_err());
        assert!(encode(&[Part { headers: &[(b"X:", b"1")], ..part.clone() }], "b").is_err());
        let more = encode(&[Part { headers: &[(b"X", b"1")], ..part.clone() }], "b").expect("encoded");
        assert!(String::from_utf8_lossy(&more).contains("\"\r\nX: 1\r\n\r\nx\r\n"));
        assert!(encode(&[part], "b\r\n").is_err());
    }
}
