//! How one value is read, and what is said of a bad one.

use std::time::Duration;

use super::{World, file, flags, message, variable, write};
use crate::config::{Config, Otel, TlsPair, Traces, duration, management_port};

#[test]
fn durations_are_gos() {
    let cases = [
        ("30s", Some(30_000)),
        ("1h", Some(3_600_000)),
        ("1m30s", Some(90_000)),
        ("1.5s", Some(1_500)),
        ("100ms", Some(100)),
        (".5s", Some(500)),
        ("+1s", Some(1_000)),
        ("0", Some(0)),
        ("5", None),
        ("", None),
        ("s", None),
        ("1", None),
        ("-1s", None),
        ("1 s", None),
        ("1d", None),
        (".s", None),
        ("9999999h", None),
    ];
    for (text, millis) in cases {
        assert_eq!(duration(text), millis.map(Duration::from_millis), "{text}");
    }
}

#[test]
fn ports_are_never_wrapped_or_guessed() {
    let rule = "a port is a whole number from 0 to 65535";
    assert_eq!(message(flags(&["-p", "70000"])), format!(r#"invalid value "70000": {rule} (from --port)"#));
    assert_eq!(message(flags(&["-p", "-1"])), format!(r#"invalid value "-1": {rule} (from --port)"#));
    assert_eq!(
        message(variable("FLAGD_PORT", "http")),
        format!(r#"invalid value "http": {rule} (from environment variable FLAGD_PORT)"#)
    );
    assert_eq!(
        message(file("c.yaml", "sync-port: 70000")),
        format!(r#"invalid value "70000": {rule} (from `sync-port` in c.yaml)"#)
    );
    assert_eq!(flags(&["-p0"]).unwrap().listen.port, 0);
}

#[test]
fn readiness_and_generations_say_what_they_may_be() {
    for wrong in ["ready", "max-age=", "max-age=10", "max-age"] {
        let said = message(flags(&["--readiness", wrong]));
        assert!(said.contains("max-age=10m") && said.contains("--readiness"), "{said}");
    }
    for wrong in ["0", "-1", "1001"] {
        assert!(message(flags(&["--generations", wrong])).contains("from 1 to 1000"), "{wrong}");
    }
}

#[test]
fn a_kubernetes_service_link_is_no_port() {
    let config = variable("FLAGD_PORT", "tcp://10.0.0.1:8013").unwrap();
    assert_eq!(config.listen.port, 8013);
    assert_eq!(
        config.warnings,
        [r#"ignoring FLAGD_PORT="tcp://10.0.0.1:8013": a Kubernetes service link, not a port"#]
    );
    assert_eq!(variable("FLAGD_SYNC_PORT", "tcp://10.0.0.1:8015").unwrap().listen.sync_port, 8015);
}

#[test]
fn other_variables_are_nothing_to_us() {
    let config = World {
        variables: &[
            ("FLAGD_EVALUATOR", "json"),
            ("FLAGD_RESOLVER", "rpc"),
            ("FLAGD_PORT_8013_TCP", "x"),
            ("PORT", "1"),
        ],
        ..World::default()
    };
    assert_eq!(config.read().unwrap().listen.port, 8013);
    assert_eq!(variable("FLAGD_PORT", "").unwrap().listen.port, 8013);
}

#[test]
fn booleans_are_gos() {
    for (word, expected) in
        [("--strict", true), ("--strict=1", true), ("--strict=F", false), ("--strict=True", true)]
    {
        assert_eq!(flags(&[word]).unwrap().strict, expected, "{word}");
    }
    assert!(!flags(&["--keep-alive-permit-without-stream=false"]).unwrap().keep_alive.permit_without_stream);
    assert_eq!(
        message(flags(&["--strict=yes"])),
        r#"invalid value "yes": must be true or false (from --strict)"#
    );
    let yaml = message(file("c.yaml", "strict: on"));
    assert_eq!(yaml, r#"invalid value "on": must be true or false (from `strict` in c.yaml)"#);
}

#[test]
fn debug_in_the_file_counts() {
    assert!(file("c.yaml", "debug: true").unwrap().debug);
    assert!(variable("FLAGD_DEBUG", "true").unwrap().debug);
}

#[test]
fn maps_split_as_flagd_splits_them() {
    let values = |words: &[&str]| format!("{:?}", flags(words).unwrap().context_values);
    assert_eq!(values(&["-X", "a=b,c=d", "-X", "e=f"]), r#"{"a": "b", "c": "d", "e": "f"}"#);
    assert_eq!(values(&["-X", "e=a=b"]), r#"{"e": "a=b"}"#);
    assert_eq!(values(&["-X", "a=b,c"]), r#"{"a": "b,c"}"#);
    assert_eq!(
        message(flags(&["-X", "nothing"])),
        r#""nothing" must be formatted as key=value (from --context-value)"#
    );
    let env = variable("FLAGD_CONTEXT_VALUE", "a=b,camelKey=d").unwrap();
    assert_eq!(format!("{:?}", env.context_values), r#"{"a": "b", "camelKey": "d"}"#);
    assert!(message(variable("FLAGD_CONTEXT_VALUE", "{")).starts_with("not a JSON object: "));
    assert!(
        message(variable("FLAGD_CONTEXT_VALUE", r#"{"a":[1]}"#))
            .starts_with(r#"the value of "a" is not text"#)
    );
    assert_eq!(
        message(flags(&["-H", "a b=c"])),
        r#""a b" is not a header name (from --context-from-header)"#
    );
}

#[test]
fn tls_needs_both_files() {
    let pair = flags(&["-c", "a.pem", "-k", "b.pem", "--ofrep-tls"]).unwrap().listen;
    assert_eq!(pair.tls, Some(TlsPair { cert: "a.pem".into(), key: "b.pem".into() }));
    assert!(pair.ofrep_tls);
    assert_eq!(
        message(flags(&["-c", "a.pem"])),
        "server-cert-path is set but server-key-path is missing; set both or neither (from --server-cert-path)"
    );
    assert_eq!(
        message(variable("FLAGD_SERVER_KEY_PATH", "k")),
        "server-key-path is set but server-cert-path is missing; set both or neither \
         (from environment variable FLAGD_SERVER_KEY_PATH)"
    );
    assert!(
        message(flags(&["--otel-key-path", "k"]))
            .starts_with("otel-key-path is set but otel-cert-path is missing")
    );
    assert_eq!(
        message(variable("HOISTD_OFREP_TLS", "true")),
        "needs server-cert-path and server-key-path (from environment variable HOISTD_OFREP_TLS)"
    );
}

#[test]
fn limits_have_flagds_meaning_of_zero() {
    assert_eq!(flags(&["-B", "0"]).unwrap().max_request_body, None);
    assert_eq!(flags(&["-B", "-1"]).unwrap().max_request_body, None);
    assert_eq!(flags(&["-R", "0"]).unwrap().max_request_header, 1024 * 1024);
    assert_eq!(flags(&["--stream-deadline", "0"]).unwrap().stream_deadline, None);
    assert!(message(flags(&["--max-document-bytes=0"])).starts_with("must be at least 1"));
}

#[test]
fn choices_name_what_there_is() {
    assert_eq!(
        message(flags(&["-z", "xml"])),
        r#"invalid value "xml": must be console or json (from --log-format)"#
    );
    assert_eq!(
        message(flags(&["--fractional", "v4"])),
        r#"invalid value "v4": must be v2 or v3 (from --fractional)"#
    );
    assert!(
        message(flags(&["-I", "5"])).starts_with(r#"invalid value "5": a duration is a number with a unit"#)
    );
}

#[test]
fn the_operators_arguments_are_accepted() {
    let config = flags(&[
        "--management-port",
        "8014",
        "--port",
        "8013",
        "--sources",
        r#"[{"uri":"/etc/flagd/ns_name/ns_name.flagd.json","provider":"file"}]"#,
        "--sync-provider-args",
        "a=b",
        "--sync-provider-args",
        "c=d",
        "--metrics-exporter",
        "otel",
        "--otel-collector-uri",
        "otel:4317",
        "--context-value",
        "a=b",
        "--context-from-header",
        "H=k",
        "--cors-origin",
        "http://o",
        "--ofrep-port",
        "8016",
    ]);
    assert_eq!(config.unwrap().origins.len(), 1);
}

#[test]
fn words_after_start_are_ignored_and_the_last_flag_wins() {
    assert_eq!(flags(&["some", "-p", "1", "words", "-p", "2", "here"]).unwrap().listen.port, 2);
}

#[test]
fn a_named_file_must_exist_and_parse() {
    let absent = World { config: Some("/nowhere/hoist.yaml".into()), ..World::default() }.read();
    assert_eq!(
        absent.unwrap_err().to_string(),
        "configuration file /nowhere/hoist.yaml: No such file or directory (os error 2) (from --config)"
    );
    for (name, text, expected) in [
        ("c.yaml", "port: [", "not valid YAML"),
        ("c.json", "{\"port\": }", "not valid JSON: expected value at line 1 column 10"),
        ("c.toml", "port = 1\nuri = ", "not valid TOML at line 2"),
        ("c.ini", "port=1", "unknown extension \"ini\", use .yaml, .yml, .json or .toml"),
        ("c.yaml", "just text", "must hold keys and values"),
    ] {
        let error = file(name, text).unwrap_err().to_string();
        assert!(error.contains(expected), "{name}: {error}");
        assert!(error.starts_with("configuration file /"), "{error}");
    }
    assert!(file("c.yaml", "").is_ok());
}

#[test]
fn every_format_says_the_same() {
    for (name, text) in [
        ("c.yaml", "port: 1\nuri: [file:a]\ncontext-value: {camelKey: x}\ndebug: true"),
        ("c.yml", "PORT: '1'\nuri: file:a\ncontext-value: camelKey=x\ndebug: 'true'"),
        ("c.json", r#"{"port": 1, "uri": ["file:a"], "context-value": {"camelKey": "x"}, "debug": true}"#),
        ("c.toml", "port = 1\nuri = [\"file:a\"]\ndebug = true\n[context-value]\ncamelKey = \"x\""),
    ] {
        let config = file(name, text).unwrap();
        assert_eq!(config.listen.port, 1, "{name}");
        assert_eq!(config.origins[0].uri.expose(), "a", "{name}");
        assert_eq!(config.context_values["camelKey"], "x", "{name}");
        assert!(config.debug && config.warnings.is_empty(), "{name}: {:?}", config.warnings);
        assert!(config.file.unwrap().ends_with(name));
    }
}

#[test]
fn the_home_file_is_used_when_it_exists() {
    let home = tempfile::tempdir().unwrap();
    let read = || World { variables: &[("HOME", home.path().to_str().unwrap())], ..World::default() }.read();
    assert_eq!(read().unwrap().listen.port, 8013);
    let path = write(home.path(), ".agent.yaml", "port: 9\nprot: 1\n");
    let config = read().unwrap();
    assert_eq!(config.listen.port, 9);
    assert_eq!(config.warnings, [format!(r#"ignoring unknown key "prot" in {}"#, path.display())]);
}

#[test]
fn a_home_that_cannot_be_read_is_no_mistake() {
    let home = tempfile::NamedTempFile::new().unwrap();
    let variables = &[("HOME", home.path().to_str().unwrap())];
    assert!(World { variables, ..World::default() }.read().is_ok());
}

#[test]
fn no_source_is_an_error_that_says_what_to_do() {
    let error = Config::read(&Default::default(), &Default::default()).unwrap_err().to_string();
    assert!(
        error.starts_with("no sync implementation set: name a flag source, such as --uri file:flags.json"),
        "{error}"
    );
}

#[test]
fn the_health_check_asks_the_port_that_the_daemon_uses() {
    let environment = [("FLAGD_MANAGEMENT_PORT".to_owned(), "9000".to_owned())].into_iter().collect();
    assert_eq!(management_port(None, &environment).unwrap(), 9000);
    assert_eq!(management_port(Some("1"), &environment).unwrap(), 1);
    assert_eq!(management_port(None, &Default::default()).unwrap(), 8014);
    assert!(
        management_port(Some("x"), &environment)
            .unwrap_err()
            .to_string()
            .contains("(from --management-port)")
    );
}

fn otel(words: &[&str], variables: &[(&str, &str)]) -> Otel {
    World { flags: words, variables, config: None }.read().unwrap().otel
}

#[test]
fn telemetry_goes_where_settings_or_variables_say() {
    let of = |words: &[&str], variables: &[(&str, &str)]| {
        let otel = otel(&[&["-f", "file:a.json"], words].concat(), variables);
        (otel.metrics, otel.traces)
    };
    let collector = |at: &str| Traces::Collector(at.to_owned());
    let some = |at: &str| Some(at.to_owned());
    assert_eq!(of(&[], &[]), (None, Traces::Off));
    assert_eq!(of(&["-t", "prometheus"], &[]), (None, Traces::Off));
    assert_eq!(of(&["-t", "otel", "-o", "c:1"], &[]), (some("c:1"), collector("c:1")));
    assert_eq!(of(&["-o", "c:1"], &[]), (None, collector("c:1")));
    assert_eq!(of(&["-t", "otel"], &[]), (some("http://localhost:4317"), Traces::Off));
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://all:4317");
    assert_eq!(of(&["-o", "c:1"], &[endpoint]), (None, collector("https://all:4317")));
    let both = [("OTEL_METRICS_EXPORTER", "otlp"), ("OTEL_TRACES_EXPORTER", "otlp"), endpoint];
    assert_eq!(of(&[], &both), (some("https://all:4317"), collector("https://all:4317")));
    assert_eq!(of(&["-t", "otel", "-o", "c:1"], &[("OTEL_SDK_DISABLED", "true")]), (None, Traces::Off));
    let agent = [("DD_AGENT_HOST", "10.0.0.9"), ("DD_ENV", "prod")];
    let Traces::Datadog(datadog) = of(&["-o", "c:1"], &agent).1 else { panic!("Datadog wins") };
    assert_eq!((&*datadog.url, datadog.env.as_deref()), ("http://10.0.0.9:8126", Some("prod")));
    assert_eq!(of(&[], &[agent[0], ("DD_TRACE_ENABLED", "false")]).1, Traces::Off);
}

#[test]
fn variables_say_more_about_telemetry_and_its_secrets_stay_hidden() {
    let otel = otel(
        &["-f", "file:a.json"],
        &[
            ("OTEL_EXPORTER_OTLP_HEADERS", "Api-Key=hunter2%3D,x=y"),
            ("OTEL_RESOURCE_ATTRIBUTES", "team=checkout,service.version=9"),
            ("OTEL_SERVICE_NAME", "flags"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "250"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
        ],
    );
    assert_eq!(otel.headers[0].0, "api-key");
    assert_eq!(otel.headers[0].1.expose(), "hunter2=");
    assert!(!format!("{otel:?}").contains("hunter2"));
    let shown: Vec<_> = otel.resource.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(shown, ["service.name=flags", "service.version=9", "team=checkout"]);
    assert_eq!(otel.interval, Duration::from_millis(250));
    assert!(otel.warnings[0].contains("zipkin"), "{:?}", otel.warnings);
}
