//! `/metrics`: what telemetry has counted, and the state of the sources beside it.

use std::io::Write;
use std::time::UNIX_EPOCH;

use flate2::Compression;
use flate2::write::GzEncoder;
use store::{SourceStatus, State, Store};

use crate::telemetry::{Exposition, Kind, Telemetry};

/// Everything that `/metrics` shows.
pub fn families(store: &Store, telemetry: &Telemetry) -> Exposition {
    let mut out = Exposition::default();
    telemetry.render(&mut out);
    flags(&mut out, store);
    overrides(&mut out, store);
    sources(&mut out, &store.sources());
    out
}

/// The text compressed; `None` if that fails, which writing to memory does not.
pub(super) fn gzip(text: &str) -> Option<Vec<u8>> {
    let mut zipped = GzEncoder::new(Vec::new(), Compression::fast());
    zipped.write_all(text.as_bytes()).ok()?;
    zipped.finish().ok()
}

fn flags(out: &mut Exposition, store: &Store) {
    let snapshot = store.read();
    let help = "Which set of flags is in service; grows with every change.";
    out.family("hoistd_snapshot_generation", Kind::Gauge, help).sample(&[], snapshot.generation());
    let enabled = snapshot.flags().iter().filter(|flag| flag.enabled()).count();
    out.family("hoistd_flags", Kind::Gauge, "Flags in service, of all sources.")
        .sample(&[("state", "enabled")], enabled)
        .sample(&[("state", "disabled")], snapshot.flags().len() - enabled);
    let help = "Whether the daemon is ready, as --readiness has it.";
    out.family("hoistd_ready", Kind::Gauge, help).sample(&[], u8::from(store.ready()));
}

fn overrides(out: &mut Exposition, store: &Store) {
    let overrides = store.overrides();
    let help = "Flags of which everybody gets one variant because an operator says so.";
    out.family("hoistd_overrides", Kind::Gauge, help).sample(&[], overrides.len());
    let help = "When such an override ends.";
    out.family("hoistd_override_end_timestamp_seconds", Kind::Gauge, help);
    for one in &overrides {
        let set = one.flag_set.as_deref().unwrap_or_default();
        out.sample(&[("flag", &*one.key), ("flag_set", set), ("variant", &*one.variant)], one.until);
    }
}

/// One family about sources: its name, its help and what it says about one of them.
type Family = (&'static str, Kind, &'static str, fn(&SourceStatus) -> Option<f64>);

const FAMILIES: [Family; 13] = [
    ("hoistd_source_up", Kind::Gauge, "Whether the source's latest document is in service.", |status| {
        Some(if status.state == State::Ok { 1.0 } else { 0.0 })
    }),
    (
        "hoistd_source_last_success_timestamp_seconds",
        Kind::Gauge,
        "When the source last showed the document in service.",
        |status| Some(status.last_success?.at.duration_since(UNIX_EPOCH).ok()?.as_secs_f64()),
    ),
    ("hoistd_source_last_success_age_seconds", Kind::Gauge, "How long ago that was.", |status| {
        Some(status.last_success?.since.elapsed().as_secs_f64())
    }),
    (
        "hoistd_source_revision_timestamp_seconds",
        Kind::Gauge,
        "When the version in service was made, where the origin knows: a commit's time.",
        |status| Some(status.authorship.as_ref()?.at.duration_since(UNIX_EPOCH).ok()?.as_secs_f64()),
    ),
    ("hoistd_source_stale", Kind::Gauge, "Whether the source's flags may be out of date.", |status| {
        Some(f64::from(u8::from(status.stale.is_some())))
    }),
    (
        "hoistd_source_held",
        Kind::Gauge,
        "Whether a document waits for confirmation because it removes most flags.",
        |status| Some(f64::from(u8::from(status.state == State::Held))),
    ),
    (
        "hoistd_source_rolled_back",
        Kind::Gauge,
        "Whether an operator has an earlier document served than the source's latest.",
        |status| Some(f64::from(u8::from(status.rolled_back.is_some()))),
    ),
    (
        "hoistd_source_copy_timestamp_seconds",
        Kind::Gauge,
        "When the document of the newest copy on disk was accepted.",
        |status| Some(status.copied.as_ref()?.at?.duration_since(UNIX_EPOCH).ok()?.as_secs_f64()),
    ),
    (
        "hoistd_source_copy_errors_total",
        Kind::Counter,
        "Copies that could not be written to disk.",
        |status| Some(status.copied.as_ref()?.failures as f64),
    ),
    (
        "hoistd_source_flags",
        Kind::Gauge,
        "Flags in service of the source, shadowed ones included.",
        |status| Some(status.flags as f64),
    ),
    ("hoistd_source_problems", Kind::Gauge, "Problems in the source's latest document.", |status| {
        Some(status.problems.total as f64)
    }),
    ("hoistd_source_shadowed_flags", Kind::Gauge, "Flags that a later source defines too.", |status| {
        Some(status.shadowed.total as f64)
    }),
    ("hoistd_source_errors_total", Kind::Counter, "Documents of the source that were refused.", |status| {
        Some(status.refused as f64)
    }),
];

fn sources(out: &mut Exposition, sources: &[SourceStatus]) {
    for (name, kind, help, value) in FAMILIES {
        out.family(name, kind, help);
        for (priority, status) in sources.iter().enumerate() {
            // A source may be configured twice; its place in the order keeps the series apart.
            let priority = priority.to_string();
            let labels = [("source", &*status.origin), ("kind", &*status.kind), ("priority", &*priority)];
            if let Some(value) = value(status) {
                out.sample(&labels, value);
            }
        }
    }
}
