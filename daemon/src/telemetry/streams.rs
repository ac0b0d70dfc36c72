//! The streams of the sync service: how many are open, how long they lived and how they ended (contract 8.1).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::exposition::{Exposition, Kind};
use super::shards::lock;

/// How many (selector, provider) pairs are told apart. Both come from clients.
const LIMIT: usize = 200;
/// Characters of a client's text that become a label.
const LONGEST: usize = 128;
const OVERFLOW: &str = "__overflow__";
const BOUNDS: [f64; 10] = [30.0, 60.0, 120.0, 300.0, 480.0, 600.0, 1200.0, 1800.0, 3600.0, 10800.0];

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The daemon closed it, as in a shutdown.
    Normal,
    /// It reached `--stream-deadline`.
    Deadline,
    /// The client went away.
    Client,
    /// It could not go on.
    Error,
}

impl End {
    fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal_close",
            Self::Deadline => "deadline_exceeded",
            Self::Client => "client_disconnect",
            Self::Error => "error",
        }
    }
}

/// Counts streams by who follows what.
#[derive(Debug, Default)]
pub struct Streams {
    followers: Mutex<BTreeMap<Follower, Figures>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Follower {
    selector: Box<str>,
    provider: Box<str>,
}

#[derive(Debug, Default)]
struct Figures {
    open: u64,
    ended: BTreeMap<End, ([u64; BOUNDS.len() + 1], f64)>,
}

/// An open stream. Dropped without a word, it counts as left by the client.
#[derive(Debug)]
pub struct OpenStream {
    streams: Arc<Streams>,
    follower: Follower,
    since: Instant,
    end: End,
}

impl Streams {
    /// Counts a stream in. `selector` and `provider` are as the client sent them, empty when it sent none.
    pub fn open(self: &Arc<Self>, selector: &str, provider: &str) -> OpenStream {
        let mut follower = Follower { selector: label(selector), provider: label(provider) };
        let mut followers = lock(&self.followers);
        if followers.len() >= LIMIT && !followers.contains_key(&follower) {
            follower = Follower { selector: OVERFLOW.into(), provider: OVERFLOW.into() };
        }
        followers.entry(follower.clone()).or_default().open += 1;
        OpenStream { streams: Arc::clone(self), follower, since: Instant::now(), end: End::Client }
    }

    /// How many streams are open.
    pub fn open_now(&self) -> u64 {
        lock(&self.followers).values().map(|figures| figures.open).sum()
    }

    pub(super) fn render(&self, out: &mut Exposition) {
        let followers = lock(&self.followers);
        let help = "Measures the number of currently active gRPC sync streaming connections.";
        out.family("feature_flag_flagd_sync_active_streams", Kind::Gauge, help);
        for (follower, figures) in &*followers {
            out.sample(&follower.labels(), figures.open);
        }
        let help = "Measures the duration of gRPC sync streaming connections.";
        out.family("feature_flag_flagd_sync_stream_duration_seconds", Kind::Histogram, help);
        for (follower, figures) in &*followers {
            for (end, (counts, sum)) in &figures.ended {
                let mut labels = follower.labels();
                labels.push(("reason", end.as_str()));
                out.histogram(&labels, &BOUNDS, counts, *sum);
            }
        }
    }
}

impl Follower {
    fn labels(&self) -> Vec<(&str, &str)> {
        let both = [("selector", &*self.selector), ("provider_id", &*self.provider)];
        both.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }
}

impl OpenStream {
    /// Says how the stream ends.
    pub fn end(mut self, end: End) {
        self.end = end;
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let seconds = self.since.elapsed().as_secs_f64();
        let mut followers = lock(&self.streams.followers);
        let Some(figures) = followers.get_mut(&self.follower) else { return };
        figures.open = figures.open.saturating_sub(1);
        let (counts, sum) = figures.ended.entry(self.end).or_default();
        counts[BOUNDS.partition_point(|bound| *bound < seconds)] += 1;
        *sum += seconds;
    }
}

fn label(text: &str) -> Box<str> {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => text[..end].into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(streams: &Streams) -> String {
        let mut out = Exposition::default();
        streams.render(&mut out);
        out.finish()
    }

    #[test]
    fn a_stream_is_open_until_it_ends_for_a_reason() {
        let streams = Arc::new(Streams::default());
        let first = streams.open("source=a", "");
        let second = streams.open("source=a", "");
        assert!(text(&streams).contains("feature_flag_flagd_sync_active_streams{selector=\"source=a\"} 2\n"));
        first.end(End::Deadline);
        drop(second);
        let text = text(&streams);
        assert!(text.contains("feature_flag_flagd_sync_active_streams{selector=\"source=a\"} 0\n"), "{text}");
        for reason in ["deadline_exceeded", "client_disconnect"] {
            let count = format!(
                "feature_flag_flagd_sync_stream_duration_seconds_count{{selector=\"source=a\",reason=\"{reason}\"}} 1\n"
            );
            assert!(text.contains(&count), "{text}");
        }
    }

    #[test]
    fn clients_cannot_make_series_without_end() {
        let streams = Arc::new(Streams::default());
        for selector in 0..LIMIT * 2 {
            drop(streams.open(&selector.to_string(), &"x".repeat(1000)));
        }
        let text = text(&streams);
        let gauges = text.lines().filter(|line| line.starts_with("feature_flag_flagd_sync_active_streams{"));
        assert_eq!(gauges.count(), LIMIT + 1);
        assert!(!text.contains(&"x".repeat(LONGEST + 1)));
    }
}
