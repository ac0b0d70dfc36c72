//! The settings of `hoistd start`, one row each: the flag, its short form, its variable and its key in the file follow from it.

use clap::{Arg, ArgAction};

/// How many values a setting holds, and so how its text is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One value; the last one given counts.
    One,
    /// `true` or `false`; the bare flag means `true`.
    Switch,
    /// A list.
    Many,
    /// Keys and values.
    Map,
}

/// One row of [`SETTINGS`].
#[derive(Debug)]
pub struct Setting {
    /// Long flag and key in the configuration file.
    pub name: &'static str,
    /// Short flag.
    pub short: Option<char>,
    /// How its text is split.
    pub kind: Kind,
    /// What stands for its value in the help.
    pub value: &'static str,
    /// Value when it is set nowhere, as text.
    pub default: &'static str,
    /// Prefix of its environment variable.
    prefix: &'static str,
    /// One sentence for the help.
    pub help: &'static str,
}

/// Settings that flagd has too, by the same name.
const FLAGD: &str = "FLAGD_";
/// Settings of hoist alone.
const HOISTD: &str = "HOISTD_";

/// Every setting of `hoistd start` but `--config`, in the order of the help. `debug` is a flag of every command.
pub const SETTINGS: &[Setting] = &[
    one("port", Some('p'), "PORT", "8013", "Evaluation port: gRPC, gRPC-Web and Connect"),
    one("management-port", Some('m'), "PORT", "8014", "Management port: health, readiness and metrics"),
    one("sync-port", Some('g'), "PORT", "8015", "gRPC sync port"),
    one("ofrep-port", Some('r'), "PORT", "8016", "OFREP port"),
    one("socket-path", Some('d'), "PATH", "", "Unix socket to serve evaluation on instead of a port"),
    one("sync-socket-path", Some('e'), "PATH", "", "Unix socket to serve sync on instead of a port"),
    one("server-cert-path", Some('c'), "FILE", "", "TLS certificate (PEM) of the evaluation and sync ports"),
    one("server-key-path", Some('k'), "FILE", "", "TLS key (PEM) of the evaluation and sync ports"),
    many("uri", Some('f'), "URI", "Flag source such as file:flags.json; repeatable, a later one wins"),
    one(
        "sources",
        Some('s'),
        "JSON",
        "",
        "Flag sources with options, as a JSON list; they follow every --uri",
    ),
    many("cors-origin", Some('C'), "ORIGIN", "Origin that browsers may call from; none given allows all"),
    one("log-format", Some('z'), "FORMAT", "console", "Log format: console or json"),
    one("metrics-exporter", Some('t'), "NAME", "", "Send metrics elsewhere than to Prometheus: otel"),
    one(
        "otel-collector-uri",
        Some('o'),
        "TARGET",
        "",
        "OpenTelemetry collector (OTLP over gRPC); also sends traces",
    ),
    one("otel-cert-path", Some('D'), "FILE", "", "TLS certificate shown to the collector"),
    one("otel-key-path", Some('K'), "FILE", "", "TLS key for the collector"),
    one("otel-ca-path", Some('A'), "FILE", "", "Certificate authority of the collector"),
    one(
        "otel-reload-interval",
        Some('I'),
        "DURATION",
        "1h",
        "How often the collector's TLS files are read again",
    ),
    map("context-value", Some('X'), "KEY=VALUE", "Context laid over that of every request; repeatable"),
    map(
        "context-from-header",
        Some('H'),
        "HEADER=KEY",
        "Header whose value becomes a context value; repeatable",
    ),
    one("stream-deadline", None, "DURATION", "0", "Longest life of an event or sync stream; 0 for no limit"),
    switch("disable-sync-metadata", "false", "Refuse GetMetadata on the sync port"),
    one("max-request-body", Some('B'), "BYTES", "1000000", "Largest request body; 0 for no limit"),
    one("max-request-header", Some('R'), "BYTES", "1000000", "Largest request header; 0 for 1 MiB"),
    one(
        "keep-alive-min-time",
        None,
        "DURATION",
        "30s",
        "Accepted as flagd's, and ignored: no sync client is sent away for pinging too often",
    ),
    switch(
        "keep-alive-permit-without-stream",
        "true",
        "Accepted as flagd's, and ignored: pings without a stream are always allowed",
    ),
    map("sync-provider-args", None, "KEY=VALUE", "Accepted from the OpenFeature Operator, and ignored"),
    own(
        "fractional",
        "ALGORITHM",
        "v2",
        "Bucketing of `fractional`: v2 (as flagd today) or v3 (CBOR)",
        Kind::One,
    ),
    own("ofrep-tls", "BOOL", "false", "Serve OFREP with the server's TLS certificate", Kind::Switch),
    own("strict", "BOOL", "false", "Refuse a whole flag document for any problem in it", Kind::Switch),
    own("max-document-bytes", "BYTES", "67108864", "Largest flag document", Kind::One),
    own("max-flags", "NUMBER", "200000", "Most flags of one document", Kind::One),
    own(
        "unleash-port",
        "PORT",
        "",
        "Port for the SDKs of Unleash, which get the flags of Unleash sources from here; off unless given",
        Kind::One,
    ),
    own(
        "translations",
        "WHICH",
        "exact",
        "Which translations of other vendors' flags sync clients get: exact, approximate (both), or all",
        Kind::One,
    ),
    own(
        "state-dir",
        "DIR",
        "",
        "Where accepted documents are kept, for a start without their sources",
        Kind::One,
    ),
    own(
        "cache-dir",
        "DIR",
        "",
        "Where repositories of git sources are kept; else in the state directory, or a temporary one",
        Kind::One,
    ),
    own(
        "hook-secret-path",
        "FILE",
        "",
        "Secret of POST /hooks/git on the management port; without one nothing is there",
        Kind::One,
    ),
    own("generations", "NUMBER", "5", "Documents of each source kept in the state directory", Kind::One),
    own(
        "on-missing-source",
        "WHAT",
        "exit",
        "What a start does without a source and without a copy of it: exit or wait",
        Kind::One,
    ),
    own(
        "readiness",
        "POLICY",
        "stale-ok",
        "When /readyz says ready: fresh, stale-ok, or max-age=DURATION out of touch with a source",
        Kind::One,
    ),
    own(
        "stale-after",
        "DURATION",
        "1m",
        "How long a source may be in trouble before its flags count as stale",
        Kind::One,
    ),
    own(
        "stale-answers",
        "HOW",
        "metadata",
        "How answers say that they are stale: off, metadata, or reason (both)",
        Kind::One,
    ),
    own(
        "shrink-hold",
        "DURATION",
        "30s",
        "How long a document that removes most flags waits before it is taken",
        Kind::One,
    ),
    own("allow-shrink", "BOOL", "false", "Take documents that remove most flags at once", Kind::Switch),
    own(
        "shutdown-timeout",
        "DURATION",
        "5s",
        "How long open requests may take to end on shutdown",
        Kind::One,
    ),
];

/// `--debug`, which every command accepts.
pub const DEBUG: Setting = Setting { short: Some('x'), ..switch("debug", "false", "Log at debug level") };

const fn one(
    name: &'static str,
    short: Option<char>,
    value: &'static str,
    default: &'static str,
    help: &'static str,
) -> Setting {
    Setting { name, short, kind: Kind::One, value, default, prefix: FLAGD, help }
}

const fn many(name: &'static str, short: Option<char>, value: &'static str, help: &'static str) -> Setting {
    Setting { name, short, kind: Kind::Many, value, default: "", prefix: FLAGD, help }
}

const fn map(name: &'static str, short: Option<char>, value: &'static str, help: &'static str) -> Setting {
    Setting { name, short, kind: Kind::Map, value, default: "", prefix: FLAGD, help }
}

const fn switch(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { name, short: None, kind: Kind::Switch, value: "BOOL", default, prefix: FLAGD, help }
}

const fn own(
    name: &'static str,
    value: &'static str,
    default: &'static str,
    help: &'static str,
    kind: Kind,
) -> Setting {
    Setting { name, short: None, kind, value, default, prefix: HOISTD, help }
}

impl Setting {
    /// Its environment variable: `FLAGD_` or `HOISTD_` and the flag in capitals.
    pub fn variable(&self) -> String {
        format!("{}{}", self.prefix, self.name.to_ascii_uppercase().replace('-', "_"))
    }

    /// Its command-line argument. Values stay text: what they mean is decided once for flags, variables and the file.
    pub(crate) fn arg(&self) -> Arg {
        let arg = Arg::new(self.name).long(self.name).value_name(self.value).help(self.help_text());
        let arg = match self.short {
            Some(short) => arg.short(short),
            None => arg,
        };
        match self.kind {
            Kind::Switch => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
            Kind::One => arg.num_args(1).allow_hyphen_values(true),
            Kind::Many | Kind::Map => arg.num_args(1).allow_hyphen_values(true).action(ArgAction::Append),
        }
    }

    fn help_text(&self) -> String {
        let variable = self.variable();
        match self.default {
            "" => format!("{} [env: {variable}]", self.help),
            default => format!("{} [env: {variable}] [default: {default}]", self.help),
        }
    }
}
