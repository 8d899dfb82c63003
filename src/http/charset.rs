//! Which characters the bytes of a text are: by byte order mark, by the charset parameter, by the type, else UTF-8.

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8};

/// The value of the parameter `name` of a Content-Type or similar field.
pub fn parameter(field: &str, name: &str) -> Option<String> {
    let mut rest = field.split_once(';')?.1;
    loop {
        let (word, tail) = rest.split_once('=')?;
        let word = word.rsplit(';').next().unwrap_or(word).trim();
        let tail = tail.trim_start();
        let (value, after) = match tail.strip_prefix('"') {
            Some(inside) => {
                let mut value = String::new();
                let mut characters = inside.char_indices();
                let mut end = inside.len();
                while let Some((at, character)) = characters.next() {
                    match character {
                        '"' => {
                            end = at + 1;
                            break;
                        }
                        '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
                        character => value.push(character),
                    }
                }
                (value, &inside[end..])
            }
            None => {
                let end = tail.find(';').unwrap_or(tail.len());
                (tail[..end].trim().to_owned(), &tail[end..])
            }
        };
        if word.eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = after;
    }
}

/// The encoding of a text with this Content-Type; `fallback` where neither the bytes nor the type say.
pub fn encoding(bytes: &[u8], content_type: Option<&str>, fallback: Option<&str>) -> &'static Encoding {
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        return encoding;
    }
    let named = content_type.and_then(|field| parameter(field, "charset"));
    named.as_deref().and_then(labelled).or_else(|| fallback.and_then(labelled)).unwrap_or(UTF_8)
}

/// By a label of the WHATWG's, or one that differs in hyphens and underscores, such as Python's `latin-1`.
fn labelled(label: &str) -> Option<&'static Encoding> {
    Encoding::for_label(label.as_bytes()).or_else(|| Encoding::for_label(label.replace(['-', '_'], "").as_bytes()))
}

/// The text, what cannot be decoded as U+FFFD.
pub fn decode(bytes: &[u8], encoding: &'static Encoding) -> String {
    encoding.decode(bytes).0.into_owned()
}

/// Text that comes in pieces, cut anywhere; what cannot be decoded is U+FFFD.
pub struct Pieces(Decoder);

impl Pieces {
    /// A byte order mark has the first word here too.
    pub fn new(content_type: Option<&str>, fallback: Option<&str>) -> Self {
        Self(encoding(b"", content_type, fallback).new_decoder())
    }

    /// The text that is complete with this piece; all of it with the last one.
    pub fn decode(&mut self, mut bytes: &[u8], last: bool) -> String {
        let mut text = String::new();
        loop {
            text.reserve(self.0.max_utf8_buffer_length(bytes.len()).unwrap_or(bytes.len()).max(16));
            let (result, read, _) = self.0.decode_to_string(bytes, &mut text, last);
            bytes = &bytes[read..];
            if result == CoderResult::InputEmpty {
                return text;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels() {
        for (field, name) in [
            ("text/html; charset=utf-8", "UTF-8"),
            ("text/html;charset=\"ISO-8859-1\"", "windows-1252"),
            ("text/html; a=\"charset=x\"; CHARSET=gbk ; b=c", "GBK"),
            ("text/html", "UTF-8"),
            ("text/html; charset=no-such", "UTF-8"),
        ] {
            assert_eq!(encoding(b"x", Some(field), None).name(), name, "{field}");
        }
        assert_eq!(encoding(b"\xff\xfex\0", Some("text/html; charset=utf-8"), None).name(), "UTF-16LE");
    }

    #[test]
    fn pieces_are_the_whole() {
        let texts: [(&[u8], &str); 5] = [
            ("\u{feff}a\u{e4}\u{20ac}\u{1f600}".as_bytes(), "text/plain"),
            (b"\xff\xfeh\0i\0=\xd8\0\xde", "text/plain"),
            (b"\xfe\xff\0h\0i", "text/plain; charset=utf-8"),
            (b"\x93\xfa\x96{\x8c", "text/plain; charset=shift_jis"),
            (b"a\xe2\x82", "text/plain; charset=utf-8"),
        ];
        for (bytes, field) in texts {
            let whole = decode(bytes, encoding(bytes, Some(field), None));
            for cut in 0..=bytes.len() {
                let mut pieces = Pieces::new(Some(field), None);
                let text = pieces.decode(&bytes[..cut], false) + &pieces.decode(&bytes[cut..], true);
                assert_eq!(text, whole, "{field}, cut at {cut}");
            }
        }
    }
}
