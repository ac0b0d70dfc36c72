//! Server-sent events, from bytes as they come (WHATWG HTML, 9.2.6), within bounds.

use std::time::Duration;

/// How many bytes a line, and the data of an event, may have.
const LONGEST: usize = 64 << 10;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) kind: String,
    pub(super) data: String,
}

/// A line or an event that is longer than any honest one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// What is read so far.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    after_return: bool,
    begun: bool,
    event: Event,
    has_data: bool,
    /// The id of the last event, for the next connection.
    pub(super) last_id: Option<String>,
    /// How long the server wants to be left alone before the next connection.
    pub(super) retry: Option<Duration>,
}

impl Parser {
    /// Reads on; gives the events that are complete.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for &byte in bytes {
            let is_rest_of_end = byte == b'\n' && self.after_return;
            self.after_return = byte == b'\r';
            match byte {
                b'\n' if is_rest_of_end => {}
                b'\n' | b'\r' => events.extend(self.end_line()?),
                _ if self.line.len() >= LONGEST => return Err(TooLong),
                _ => self.line.push(byte),
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Result<Option<Event>, TooLong> {
        let bytes = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&bytes);
        let text = if self.begun { &*text } else { text.strip_prefix('\u{feff}').unwrap_or(&text) };
        self.begun = true;
        if text.is_empty() {
            let event = std::mem::take(&mut self.event);
            return Ok(std::mem::take(&mut self.has_data).then_some(event));
        }
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => {
                if self.event.data.len() + value.len() >= LONGEST {
                    return Err(TooLong);
                }
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
                self.has_data = true;
            }
            "event" => value.clone_into(&mut self.event.kind),
            "id" if !value.contains('\0') => self.last_id = Some(value.to_owned()),
            "retry" => self.retry = value.parse().ok().map(Duration::from_millis).or(self.retry),
            _ => {}
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, data: &str) -> Event {
        Event { kind: kind.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn events_are_the_same_however_they_are_cut() {
        let text = "\u{feff}retry: 250\r\n: hello\r\rid: 7\ndata: a\ndata\ndata:b\n\nevent: x\ndata: c\r\n\r\nid\nevent: y\n\ndata: cut";
        let expected = [event("", "a\n\nb"), event("x", "c")];
        for size in 1..text.len() {
            let mut parser = Parser::default();
            let events: Vec<Event> = text
                .as_bytes()
                .chunks(size)
                .flat_map(|bytes| parser.read(bytes).expect("short lines"))
                .collect();
            assert_eq!(events, expected, "cut at {size}");
            assert_eq!(parser.retry, Some(Duration::from_millis(250)));
            assert_eq!(parser.last_id.as_deref(), Some(""));
        }
    }

    #[test]
    fn nothing_grows_without_end() {
        let line = vec![b'x'; LONGEST + 1];
        assert_eq!(Parser::default().read(&line), Err(TooLong));
        let mut parser = Parser::default();
        let line = format!("data: {}\n", "x".repeat(LONGEST / 2));
        assert_eq!(parser.read(line.as_bytes()), Ok(Vec::new()));
        assert_eq!(parser.read(line.as_bytes()), Err(TooLong));
    }
}
