//! Every setting: flag over variable over file over default.

use super::{World, write};
use crate::args::SETTINGS;
use crate::config::Config;

/// A setting, its default, three other values with the last as YAML, and how the outcome is read back.
struct Row {
    name: &'static str,
    default: &'static str,
    flag: (&'static str, &'static str),
    variable: (&'static str, &'static str),
    file: (&'static str, &'static str),
    seen: fn(&Config) -> String,
}

/// A row whose values read back as they are written.
const fn same(
    name: &'static str,
    default: &'static str,
    [flag, variable, file]: [&'static str; 3],
    seen: fn(&Config) -> String,
) -> Row {
    Row { name, default, flag: (flag, flag), variable: (variable, variable), file: (file, file), seen }
}

fn show(value: impl std::fmt::Debug) -> String {
    format!("{value:?}").replace('"', "")
}

fn path(value: Option<&std::path::PathBuf>) -> String {
    value.map(|path| path.display().to_string()).unwrap_or_default()
}

const ROWS: &[Row] = &[
    same("port", "8013", ["1", "2", "3"], |c| show(c.listen.port)),
    same("management-port", "8014", ["1", "2", "3"], |c| show(c.listen.management_port)),
    same("sync-port", "8015", ["1", "2", "3"], |c| show(c.listen.sync_port)),
    same("ofrep-port", "8016", ["1", "2", "3"], |c| show(c.listen.ofrep_port)),
    same("socket-path", "", ["/a", "/b", "/c"], |c| path(c.listen.socket_path.as_ref())),
    same("sync-socket-path", "", ["/a", "/b", "/c"], |c| path(c.listen.sync_socket_path.as_ref())),
    Row {
        name: "uri",
        default: "[]",
        flag: ("file:a,file:b", "[a, b]"),
        variable: ("file:c file:d,file:e", "[c, d, e]"),
        file: ("[\"file:f\", \"file:g\"]", "[f, g]"),
        seen: |c| show(c.origins.iter().map(|origin| origin.uri.clone()).collect::<Vec<_>>()),
    },
    Row {
        name: "sources",
        default: "[]",
        flag: (r#"[{"uri":"a","provider":"file"}]"#, "[a]"),
        variable: (r#"[{"uri":"b","provider":"file"}]"#, "[b]"),
        file: ("[{uri: c, provider: file}]", "[c]"),
        seen: |c| show(c.origins.iter().map(|origin| origin.uri.clone()).collect::<Vec<_>>()),
    },
    Row {
        name: "cors-origin",
        default: "[]",
        flag: ("a,b", "[a, b]"),
        variable: ("c d", "[c, d]"),
        file: ("[e]", "[e]"),
        seen: |c| show(&c.cors_origins),
    },
    Row {
        name: "log-format",
        default: "Console",
        flag: ("json", "Json"),
        variable: ("json", "Json"),
        file: ("json", "Json"),
        seen: |c| show(c.log_format),
    },
    Row {
        name: "metrics-exporter",
        default: "false",
        flag: ("otel", "true"),
        variable: ("prometheus", "false"),
        file: ("otel", "true"),
        seen: |c| show(c.otel.export_metrics),
    },
    same("otel-collector-uri", "", ["a:1", "b:2", "c:3"], |c| {
        c.otel.collector_uri.clone().unwrap_or_default()
    }),
    same("otel-ca-path", "", ["a", "b", "c"], |c| path(c.otel.ca_path.as_ref())),
    same("otel-reload-interval", "3600s", ["1s", "2s", "3s"], |c| show(c.otel.reload_interval)),
    Row {
        name: "context-value",
        default: "{}",
        flag: ("aB=1,c=2", "{aB: 1, c: 2}"),
        variable: (r#"{"aB": "1"}"#, "{aB: 1}"),
        file: ("{camelKey: x, n: 1}", "{camelKey: x, n: 1}"),
        seen: |c| show(&c.context_values),
    },
    Row {
        name: "context-from-header",
        default: "{}",
        flag: ("X-A=a", "{X-A: a}"),
        variable: ("X-B=b,X-C=c", "{X-B: b, X-C: c}"),
        file: ("{X-D: d}", "{X-D: d}"),
        seen: |c| show(&c.context_from_header),
    },
    same("stream-deadline", "0ns", ["1s", "2s", "3s"], |c| show(c.stream_deadline.unwrap_or_default())),
    same("disable-sync-metadata", "false", ["true", "false", "true"], |c| show(c.disable_sync_metadata)),
    same("max-request-body", "1000000", ["1", "2", "3"], |c| show(c.max_request_body.unwrap_or_default())),
    same("max-request-header", "1000000", ["1", "2", "3"], |c| show(c.max_request_header)),
    same("keep-alive-min-time", "30s", ["1s", "2s", "3s"], |c| show(c.keep_alive.min_time)),
    same("keep-alive-permit-without-stream", "true", ["false", "true", "false"], |c| {
        show(c.keep_alive.permit_without_stream)
    }),
    Row {
        name: "fractional",
        default: "V2",
        flag: ("v3", "V3"),
        variable: ("v2", "V2"),
        file: ("v3", "V3"),
        seen: |c| show(c.fractional),
    },
    same("strict", "false", ["true", "false", "true"], |c| show(c.strict)),
    same("max-document-bytes", "67108864", ["1", "2", "3"], |c| show(c.max_document_bytes)),
    same("max-flags", "200000", ["1", "2", "3"], |c| show(c.max_flags)),
    Row {
        name: "translations",
        default: "Exact",
        flag: ("all", "All"),
        variable: ("approximate", "Approximate"),
        file: ("exact", "Exact"),
        seen: |c| show(c.translations),
    },
    same("state-dir", "", ["/a", "/b", "/c"], |c| path(c.resilience.state_dir.as_ref())),
    Row {
        name: "translations",
        default: "Exact",
        flag: ("approximate", "Approximate"),
        variable: ("all", "All"),
        file: ("exact", "Exact"),
        seen: |c| show(c.translations),
    },
    same("cache-dir", "", ["/a", "/b", "/c"], |c| path(c.cache_dir.as_ref())),
    same("hook-secret-path", "", ["/a", "/b", "/c"], |c| path(c.hook_secret.as_ref())),
    same("generations", "5", ["1", "2", "3"], |c| show(c.resilience.generations)),
    Row {
        name: "on-missing-source",
        default: "false",
        flag: ("wait", "true"),
        variable: ("exit", "false"),
        file: ("wait", "true"),
        seen: |c| show(c.resilience.wait_for_sources),
    },
    Row {
        name: "readiness",
        default: "StaleOk",
        flag: ("fresh", "Fresh"),
        variable: ("max-age=10m", "MaxAge(600s)"),
        file: ("stale-ok", "StaleOk"),
        seen: |c| show(c.resilience.readiness),
    },
    same("stale-after", "60s", ["1s", "2s", "3s"], |c| show(c.resilience.stale_after)),
    Row {
        name: "stale-answers",
        default: "Metadata",
        flag: ("reason", "Reason"),
        variable: ("off", "Plain"),
        file: ("metadata", "Metadata"),
        seen: |c| show(c.resilience.stale_answers),
    },
    same("shrink-hold", "30s", ["1s", "2s", "3s"], |c| show(c.resilience.shrink_hold.unwrap_or_default())),
    same("allow-shrink", "false", ["true", "false", "true"], |c| show(c.resilience.shrink_hold.is_none())),
    same("shutdown-timeout", "5s", ["1s", "2s", "3s"], |c| show(c.shutdown_timeout)),
];

/// Settings that only make sense in pairs or with a source of their kind, or mean nothing; `values` has their tests.
const ELSEWHERE: &[&str] = &[
    "server-cert-path",
    "server-key-path",
    "otel-cert-path",
    "otel-key-path",
    "ofrep-tls",
    "sync-provider-args",
    "unleash-port",
];

#[test]
fn the_table_has_every_setting() {
    for setting in SETTINGS {
        let here = ROWS.iter().any(|row| row.name == setting.name);
        assert!(here != ELSEWHERE.contains(&setting.name), "{}", setting.name);
    }
}

#[test]
fn flag_over_variable_over_file_over_default() {
    let folder = tempfile::tempdir().unwrap();
    for row in ROWS {
        let setting = SETTINGS.iter().find(|setting| setting.name == row.name).unwrap();
        let variable = setting.variable();
        for sets in 0..8_u8 {
            let (by_flag, by_variable, by_file) = (sets & 4 != 0, sets & 2 != 0, sets & 1 != 0);
            let flag = format!("--{}={}", row.name, row.flag.0);
            let text = format!("{}: {}\n", row.name, row.file.0);
            let seen = World {
                flags: if by_flag { &[&flag] } else { &[] },
                variables: if by_variable { &[(&variable, row.variable.0)] } else { &[] },
                config: by_file.then(|| write(folder.path(), "c.yaml", &text)),
            };
            let expected = match (by_flag, by_variable, by_file) {
                (true, ..) => row.flag.1,
                (false, true, _) => row.variable.1,
                (false, false, true) => row.file.1,
                (false, false, false) => row.default,
            };
            let config = seen.read().unwrap_or_else(|error| panic!("{}: {error}", row.name));
            assert_eq!((row.seen)(&config), expected, "{} set by {sets:03b}", row.name);
        }
    }
}

#[test]
fn short_flags_mean_the_long_ones() {
    for setting in SETTINGS {
        let Some(short) = setting.short else { continue };
        let Some(row) = ROWS.iter().find(|row| row.name == setting.name) else { continue };
        for words in [
            vec![format!("-{short}"), row.flag.0.to_owned()],
            vec![format!("-{short}{}", row.flag.0)],
            vec![format!("-{short}={}", row.flag.0)],
            vec![format!("--{}", setting.name), row.flag.0.to_owned()],
        ] {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            assert_eq!((row.seen)(&super::flags(&words).unwrap()), row.flag.1, "{words:?}");
        }
    }
}
