//! What the server says of its own accord (v2): a snapshot a line, for as long as the connection lives (contract 1.2).

use std::fmt;
use std::time::{Duration, Instant};

use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use store::Schedule;

/// A stream that was opened is well again after so long.
const SETTLED: Duration = Duration::from_secs(60);
/// The longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// How long a server without streams is left alone: it may be replaced by one that has them.
const WITHOUT: Duration = Duration::from_secs(600);

/// The snapshots of a connection, as they come.
pub(crate) struct Lines {
    answer: Response,
    buffer: Vec<u8>,
    /// How much of the buffer is known to have no end of a line.
    searched: usize,
    most: usize,
}

/// Why there is nothing more to read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The connection.
    Gone(String),
    /// A message larger than a document may be.
    TooLarge,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(why) => f.write_str(why),
            Self::TooLarge => f.write_str("a message is too large"),
        }
    }
}

#[derive(Deserialize)]
struct Message<'m> {
    #[serde(borrow)]
    result: Option<&'m RawValue>,
    error: Option<Complaint>,
}

#[derive(Deserialize)]
struct Complaint {
    #[serde(default)]
    message: String,
}

impl Lines {
    /// Reads `answer`; a message has at most `most` bytes.
    pub(crate) fn new(answer: Response, most: usize) -> Self {
        Self { answer, buffer: Vec::new(), searched: 0, most }
    }

    /// The next snapshot. What was read so far is kept if the future is dropped.
    pub(crate) async fn next(&mut self) -> Result<Vec<u8>, Ended> {
        loop {
            while let Some(end) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=self.searched + end).collect();
                self.searched = 0;
                if !line.trim_ascii().is_empty() {
                    return snapshot(&line);
                }
            }
            self.searched = self.buffer.len();
            // The envelope takes its share.
            if self.buffer.len() > self.most.saturating_add(1024) {
                return Err(Ended::TooLarge);
            }
            let gone = |error: reqwest::Error| Ended::Gone(error.without_url().to_string());
            match self.answer.chunk().await.map_err(gone)? {
                Some(piece) => self.buffer.extend_from_slice(&piece),
                None if self.buffer.trim_ascii().is_empty() => return Err(Ended::Gone("closed".to_owned())),
                None => return Err(Ended::Gone("closed in the middle of a message".to_owned())),
            }
        }
    }
}

fn snapshot(line: &[u8]) -> Result<Vec<u8>, Ended> {
    let message: Message<'_> = serde_json::from_slice(line)
        .map_err(|error| Ended::Gone(format!("a message that cannot be read: {error}")))?;
    match message {
        Message { result: Some(result), .. } => Ok(result.get().as_bytes().to_vec()),
        Message { error: Some(error), .. } => {
            Err(Ended::Gone(format!("the server says: {:?}", error.message)))
        }
        _ => Err(Ended::Gone("a message without a result".to_owned())),
    }
}

/// When it is worth trying to stream.
#[derive(Debug, Default)]
pub(crate) struct Prospect {
    failures: u32,
    not_before: Option<Instant>,
}

impl Prospect {
    /// How long until the next attempt.
    pub(crate) fn wait(&self) -> Duration {
        self.not_before.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()))
    }

    /// The server has no streams, or does not give them to us.
    pub(crate) fn refused(&mut self, status: StatusCode) {
        match status {
            StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_ACCEPTABLE
            | StatusCode::NOT_IMPLEMENTED => self.pause(WITHOUT),
            _ => self.failed(Duration::ZERO),
        }
    }

    /// A stream ended that had lived for `lived`, or did not come about.
    pub(crate) fn failed(&mut self, lived: Duration) {
        self.failures = if lived >= SETTLED { 0 } else { self.failures.saturating_add(1) };
        let pause = Duration::from_secs(1 << self.failures.min(16)).min(LONGEST_PAUSE);
        self.pause(pause);
    }

    fn pause(&mut self, pause: Duration) {
        let pause = Schedule::every(pause).wait(std::time::SystemTime::UNIX_EPOCH);
        self.not_before = Instant::now().checked_add(pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_snapshots_or_the_end() {
        assert_eq!(snapshot(b"{\"result\": {\"flags\": []}}\n"), Ok(b"{\"flags\": []}".to_vec()));
        let said = |line: &str| match snapshot(line.as_bytes()) {
            Err(Ended::Gone(why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(said(r#"{"error":{"code":5,"message":"no such namespace"}}"#).contains("no such namespace"));
        assert!(said("{}").contains("without a result"));
        assert!(said("<html>").contains("cannot be read"));
    }

    #[test]
    fn streams_that_fail_are_tried_less_and_less_often() {
        let mut prospect = Prospect::default();
        assert_eq!(prospect.wait(), Duration::ZERO);
        prospect.failed(Duration::ZERO);
        assert!((1.7..=2.3).contains(&prospect.wait().as_secs_f64()), "{prospect:?}");
        (0..40).for_each(|_| prospect.failed(Duration::from_secs(1)));
        assert!((269.0..=331.0).contains(&prospect.wait().as_secs_f64()), "{prospect:?}");
        prospect.failed(SETTLED);
        assert!(prospect.wait() < Duration::from_secs(2), "{prospect:?}");
        prospect.refused(StatusCode::NOT_FOUND);
        assert!(prospect.wait() > Duration::from_secs(500), "{prospect:?}");
    }
}
