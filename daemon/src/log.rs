//! The log: lines on stderr, for people or, as JSON, with the keys that flagd's log has (contract 1.1).

use std::fmt;
use std::io::IsTerminal;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::subscriber::set_global_default;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::{Identity, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

use crate::config::LogFormat;
use crate::telemetry::SPANS;

/// Sends what the daemon has to say to stderr from now on, and whatever `also` wants to where it wants it. A log that is
/// set up already stays.
pub fn start<L>(format: LogFormat, debug: bool, also: Option<L>)
where
    L: Layer<Registry> + Send + Sync,
{
    let level = if debug { Level::DEBUG } else { Level::INFO };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let wanted = filter_fn(move |metadata| *metadata.level() <= level && metadata.target() != SPANS)
        .with_max_level_hint(level);
    let registry = tracing_subscriber::registry().with(also);
    let set = match format {
        LogFormat::Console => set_global_default(registry.with(lines.with_filter(wanted))),
        LogFormat::Json => set_global_default(registry.with(lines.event_format(Json).with_filter(wanted))),
    };
    if set.is_err() {
        tracing::debug!("a log is set up already");
    }
}

/// Nothing beside the log.
pub const ALONE: Option<Identity> = None;

/// `{"level":"info","ts":"...","msg":"...",...}`
struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut line = Line(Map::new());
        line.0.insert("level".to_owned(), level(*event.metadata().level()).into());
        line.0.insert("ts".to_owned(), time.into());
        line.0.insert("msg".to_owned(), "".into());
        event.record(&mut line);
        writeln!(out, "{}", Value::Object(line.0))
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG | Level::TRACE => "debug",
    }
}

/// A line as it fills.
struct Line(Map<String, Value>);

impl Line {
    fn put(&mut self, field: &Field, value: Value) {
        let name = if field.name() == "message" { "msg" } else { field.name() };
        self.0.insert(name.to_owned(), value);
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
}
