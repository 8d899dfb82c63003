//! Server-sent events (WHATWG HTML section 9.2), from pieces of a stream.

use std::sync::Arc;

use crate::error::{Cause, Error, Result};

/// What one event may cost.
const MOST: usize = 16 * 1024 * 1024;

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its type, `message` if the server gave none.
    pub event: String,
    /// Its lines.
    pub data: String,
    /// The last id that the server gave, with this event or before.
    pub id: Arc<str>,
    /// How many milliseconds to wait before connecting again, if the server said so with this event.
    pub retry: Option<u64>,
}

/// Reads events.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    after_cr: bool,
    begun: bool,
    event: String,
    data: String,
    id: Arc<str>,
    retry: Option<u64>,
    found: Vec<Event>,
}

impl Parser {
    /// Brings bytes of the stream.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        for byte in bytes {
            match byte {
                b'\n' if self.after_cr => self.after_cr = false,
                b'\n' | b'\r' => {
                    self.after_cr = *byte == b'\r';
                    let line = std::mem::take(&mut self.line);
                    self.take(&line);
                }
                byte => {
                    self.after_cr = false;
                    self.line.push(*byte);
                }
            }
            let length = self.line.len() + self.data.len() + self.event.len() + self.id.len();
            if length > MOST {
                let cause = Cause::TooLarge { what: "event", length: length as u64, limit: MOST as u64 };
                return Err(Error::new("event stream", cause));
            }
        }
        Ok(())
    }

    /// Takes the events that are complete.
    pub fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.found)
    }

    fn take(&mut self, line: &[u8]) {
        let line = if self.begun { line } else { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) };
        self.begun = true;
        if line.is_empty() {
            let (event, mut data) = (std::mem::take(&mut self.event), std::mem::take(&mut self.data));
            let retry = self.retry.take();
            if data.is_empty() {
                return;
            }
            data.pop();
            let event = if event.is_empty() { "message".to_owned() } else { event };
            self.found.push(Event { event, data, id: Arc::clone(&self.id), retry });
            return;
        }
        let text = String::from_utf8_lossy(line);
        let (field, value) = text.split_once(':').unwrap_or((&text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => self.id = value.into(),
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry = value.parse().ok().or(self.retry)
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_cut_gives_the_same() {
        let stream = "\u{feff}: hello\ndata: a\r\ndata:b\rid: 7\r\n\r\nevent: x\nretry: 10\ndata\n\n\ndata: lost";
        for cut in 1..stream.len() {
            let mut parser = Parser::default();
            for piece in stream.as_bytes().chunks(cut) {
                parser.feed(piece).expect("small");
            }
            let events = parser.events();
            assert_eq!(events.len(), 2, "{cut}");
            assert_eq!((&*events[0].event, &*events[0].data, &*events[0].id), ("message", "a\nb", "7"));
            assert_eq!((&*events[1].event, &*events[1].data, events[1].retry), ("x", "", Some(10)));
        }
    }

    #[test]
    fn a_long_id_is_kept_once() {
        let mut parser = Parser::default();
        let id = "x".repeat(1 << 20);
        parser.feed(format!("id: {id}\n{}", "data: a\n\n".repeat(1000)).as_bytes()).expect("small");
        let events = parser.events();
        assert_eq!(events.len(), 1000);
        assert!(events.iter().all(|event| Arc::ptr_eq(&event.id, &events[0].id)));
        assert!(parser.feed(format!("event: {}\n", "x".repeat(MOST - (1 << 20))).as_bytes()).is_err());
    }
}
