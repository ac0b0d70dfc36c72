//! Where flags live.

use std::time::Duration;

use super::{World, file, flags, message, variable};
use crate::config::given::Places;
use crate::config::{OriginConfig, Provider, entry};

/// All fields of the entries of `sources`, also of providers that this build lacks.
fn entries(json: &str) -> Result<Vec<OriginConfig>, String> {
    let mut args = crate::args::StartArgs::default();
    args.given.insert("sources", vec![json.to_owned()]);
    let places = Places { args: &args, environment: &Default::default(), file: None };
    entry::read(&places.get("sources")).map_err(|error| error.to_string())
}

#[test]
fn a_uri_names_its_provider() {
    let cases = [
        ("file:/a.json", Provider::File, "/a.json", false),
        ("file://a", Provider::File, "//a", false),
        ("core.openfeature.dev/ns/name", Provider::Kubernetes, "ns/name", false),
        ("http://h/x?y=1", Provider::Http, "http://h/x?y=1", false),
        ("https://h", Provider::Http, "https://h", false),
        ("grpc://h:1", Provider::Grpc, "h:1", false),
        ("grpcs://h:1", Provider::Grpc, "h:1", true),
        ("envoy://h:1/service", Provider::Grpc, "envoy://h:1/service", false),
        ("dns:h:1", Provider::Grpc, "dns:h:1", false),
        ("gs://bucket/object", Provider::Gcs, "gs://bucket/object", false),
        ("azblob://container/object", Provider::Azblob, "azblob://container/object", false),
        ("s3://bucket/object", Provider::S3, "s3://bucket/object", false),
        ("git+https://h/r.git?path=f", Provider::Git, "git+https://h/r.git?path=f", false),
        ("git+file:///r.git?path=f", Provider::Git, "git+file:///r.git?path=f", false),
    ];
    for (uri, provider, stored, tls) in cases {
        let origin = OriginConfig::parse(uri).unwrap_or_else(|| panic!("{uri}"));
        assert_eq!((origin.provider, origin.uri.expose(), origin.tls), (provider, stored, tls), "{uri}");
    }
    for uri in ["flags.json", "s3://bucket", "s3:///x", "gs://", "ftp://h/x", "core.openfeature.dev"] {
        assert!(OriginConfig::parse(uri).is_none(), "{uri}");
    }
}

#[test]
fn a_uri_without_a_scheme_gets_flagds_words_and_a_hint() {
    assert_eq!(
        message(flags(&["-f", "flags.json"])),
        "invalid sync uri argument: flags.json, must start with 'file:', 'http(s)://', 'grpc(s)://', 'gs://', \
         'azblob://', 's3://' or 'core.openfeature.dev'; for a file write file:flags.json (from --uri)"
    );
    let secret = message(variable("FLAGD_URI", "ftp://me:hidden@host/x?sig=hidden"));
    assert!(!secret.contains("hidden") && secret.contains("host/x"), "{secret}");
}

#[test]
fn an_empty_uri_is_no_source() {
    assert_eq!(flags(&["-f", ""]).unwrap().origins, []);
}

#[test]
fn uris_come_before_sources_whatever_their_order() {
    let config =
        flags(&["-s", r#"[{"uri":"c","provider":"file"}]"#, "-f", "file:a", "-f", "file:b", "-f", "file:a"])
            .unwrap();
    let uris: Vec<&str> = config.origins.iter().map(|origin| origin.uri.expose()).collect();
    assert_eq!(uris, ["a", "b", "a", "c"]);
}

#[test]
fn an_entry_is_read_in_any_case_and_without_its_scheme() {
    let origin = &entries(
        r#"[{"URI": "grpcs://h:1", "Provider": "grpc", "certPath": "ca.pem", "providerid": "me", "selector": "s",
             "maxMsgSize": 10, "incrementalUpdates": true, "headers": {"a": "b"}, "future": {"x": 1}, "timeoutS": null}]"#,
    )
    .unwrap()[0];
    assert_eq!((origin.uri.expose(), origin.tls, origin.incremental_updates), ("h:1", true, true));
    assert_eq!(origin.cert_path.as_deref(), Some("ca.pem".as_ref()));
    assert_eq!(origin.provider_id.as_deref(), Some("me"));
    assert_eq!((origin.max_message_bytes, origin.timeout), (Some(10), None));
    assert_eq!(origin.headers["a"].expose(), "b");
    for (uri, provider, stored) in [
        ("file:x", "file", "x"),
        ("file:x", "fsnotify", "x"),
        ("file:x", "fileinfo", "x"),
        ("core.openfeature.dev/ns/n", "kubernetes", "ns/n"),
        ("https://h/x", "http", "https://h/x"),
        ("grpc://h:1", "grpc", "h:1"),
    ] {
        let json = format!(r#"[{{"uri":"{uri}","provider":"{provider}"}}]"#);
        assert_eq!(entries(&json).unwrap()[0].uri.expose(), stored, "{json}");
    }
}

#[test]
fn http_options_are_read() {
    let origin = &entries(
        r#"[{"uri": "https://h", "provider": "http", "authHeader": "Basic x", "bearerToken": "t", "interval": 60,
             "intervalSeed": "s", "timeoutS": 3,
             "oauth": {"clientID": "i", "clientSecret": "c", "tokenURL": "https://t", "reloadDelayS": 4}}]"#,
    )
    .unwrap()[0];
    assert_eq!(origin.authorization.as_ref().unwrap().expose(), "Basic x");
    assert_eq!((origin.interval, origin.timeout), (Duration::from_secs(60), Some(Duration::from_secs(3))));
    let oauth = origin.oauth.as_ref().unwrap();
    assert_eq!((oauth.client_id.as_deref(), oauth.token_url.expose()), (Some("i"), "https://t"));
    assert_eq!(oauth.reload_delay, Duration::from_secs(4));
    let operators =
        &entries(r#"[{"uri": "https://h", "provider": "http", "bearerToken": "t", "interval": 0}]"#).unwrap()
            [0];
    assert_eq!(operators.authorization.as_ref().unwrap().expose(), "Bearer t");
    assert_eq!(operators.interval, Duration::from_secs(5));
}

#[test]
fn what_is_wrong_with_an_entry_is_said_without_its_secrets() {
    let cases = [
        ("nope", "error parsing sync providers: expected ident at line 1 column 2"),
        (
            "{}",
            r#"error parsing sync providers: must be a list such as [{"uri": "flags.json", "provider": "file"}]"#,
        ),
        ("[1]", "error parsing sync providers: entry 1 is not an object"),
        (r#"[{"provider":"file"}]"#, "sync provider argument parse: uri is a required field (entry 1)"),
        (
            r#"[{"uri":"a","provider":"file"},{"uri":"b"}]"#,
            "sync provider argument parse: provider is a required field (entry 2)",
        ),
        (
            r#"[{"uri":"a","provider":"ftp"}]"#,
            "could not create sync sources from config: could not create sync provider: invalid sync provider: \"ftp\", must \
             be one of with 'file', 'fsnotify', 'fileinfo', 'kubernetes', 'http', 'grpc', 'gcs', 'azblob', 's3' or 'git', or of \
             'unleash', 'flagsmith', 'flipt', 'flipt-file' or 'percent-file'",
        ),
        (r#"[{"uri":"a","provider":"http","authHeader":12345}]"#, "entry 1: authHeader must be text"),
        (
            r#"[{"uri":"a","provider":"http","interval":-5}]"#,
            "entry 1: interval must be a whole number of seconds, 0 or more",
        ),
        (r#"[{"uri":"a","provider":"grpc","tls":"yes"}]"#, "entry 1: tls must be true or false"),
        (r#"[{"uri":"a","provider":"http","oauth":{}}]"#, "entry 1 oauth: tokenUrl is missing"),
    ];
    for (json, expected) in cases {
        assert_eq!(entries(json).unwrap_err(), format!("{expected} (from --sources)"), "{json}");
    }
}

#[test]
fn options_that_cannot_work_are_refused_before_anything_starts() {
    let refused = |json: &str| message(flags(&["-s", json]));
    assert_eq!(
        refused(r#"[{"uri":"https://h","provider":"http","interval":90000}]"#),
        "https://h: polling interval 90000s exceeds maximum 86400s (from --sources)"
    );
    assert_eq!(
        refused(r#"[{"uri":"h:1","provider":"grpc","certPath":"ca.pem"}]"#),
        r#"h:1: certPath is set but tls is not; set "tls": true (from --sources)"#
    );
    assert_eq!(
        message(flags(&["-f", "azblob://c/o"])),
        "azblob://c/o: set the environment variable AZURE_STORAGE_ACCOUNT to the account's name (from --uri)"
    );
}

#[test]
fn the_file_may_hold_sources_as_text_or_as_a_list() {
    for text in
        ["sources: '[{\"uri\":\"a\",\"provider\":\"file\"}]'", "sources:\n- uri: a\n  PROVIDER: file\n"]
    {
        assert_eq!(file("c.yaml", text).unwrap().origins[0].uri.expose(), "a", "{text}");
    }
    assert_eq!(
        message(file("c.yaml", "sources:\n- uri: a\n")),
        "sync provider argument parse: provider is a required field (entry 1) (from `sources` in c.yaml)"
    );
}

#[test]
fn secrets_do_not_show() {
    let world = World {
        flags: &[
            "-s",
            r#"[{"uri":"x","provider":"file","authHeader":"hidden","headers":{"k":"hidden"},
            "oauth":{"clientSecret":"hidden","tokenUrl":"https://u:hidden@t/?k=hidden"}}]"#,
        ],
        ..World::default()
    };
    let shown = format!("{:?}", world.read().unwrap());
    assert!(!shown.contains("hidden"), "{shown}");
}

#[test]
fn a_repository_has_options_of_its_own() {
    let json = r#"[{"uri": "git+https://h/r.git?path=f", "provider": "git", "username": "me", "tokenPath": "/t",
        "certPath": "/ca", "identityPath": "/i", "knownHostsPath": "/k", "interval": 7}]"#;
    let origin = &entries(json).unwrap()[0];
    let repository = &origin.repository;
    assert_eq!((repository.username.as_deref(), origin.interval), (Some("me"), Duration::from_secs(7)));
    assert_eq!(repository.token_path.as_deref(), Some("/t".as_ref()));
    assert_eq!(repository.identity_path.as_deref(), Some("/i".as_ref()));
    assert_eq!(repository.known_hosts_path.as_deref(), Some("/k".as_ref()));
    let plain = flags(&["-f", "git+https://h/r.git?path=f", "--state-dir", "/state"]).unwrap();
    assert_eq!(plain.origins[0].interval, Duration::from_secs(30));
    assert_eq!(plain.origins[0].repository.cache_dir.as_deref(), Some("/state/git".as_ref()));
    let cached =
        flags(&["-f", "git+https://h/r.git?path=f", "--state-dir=/state", "--cache-dir=/c"]).unwrap();
    assert_eq!(cached.origins[0].repository.cache_dir.as_deref(), Some("/c".as_ref()));
}

#[test]
fn a_token_may_come_from_a_variable_that_is_meant_for_it() {
    let json = |name: &str| {
        format!(r#"[{{"uri": "git+https://h/r.git?path=f", "provider": "git", "tokenEnv": "{name}"}}]"#)
    };
    let read = |name: &str| {
        let text = json(name);
        let world = World {
            flags: &["-s", &text],
            variables: &[("HOISTD_SECRET_GIT", "hunter2"), ("HOME", "/nowhere")],
            ..World::default()
        };
        world.read()
    };
    let config = read("HOISTD_SECRET_GIT").unwrap();
    assert_eq!(config.origins[0].repository.token.as_ref().unwrap().expose(), "hunter2");
    assert!(!format!("{config:?}").contains("hunter2"));
    assert!(message(read("HOISTD_SECRET_NONE")).contains("HOISTD_SECRET_NONE is not set"));
    assert!(message(read("HOME")).contains("must begin with HOISTD_SECRET_"));
}

#[test]
fn a_repositorys_address_is_shown_with_what_is_no_secret() {
    let shown = |uri: &str| super::super::Address::from(uri.to_owned()).to_string();
    let uri = "git+https://me:hidden@h/r.git?ref=main&path=flags/";
    assert_eq!(shown(uri), "git+https://<redacted>@h/r.git?ref=main&path=flags/");
    assert_eq!(shown("git+https://h/r.git?path=f&token=hidden"), "git+https://h/r.git?<redacted>");
}

#[test]
fn the_port_for_sdks_of_unleash_needs_a_source_of_unleash() {
    let refused = message(flags(&["-f", "file:a.json", "--unleash-port", "1"]));
    assert_eq!(
        refused,
        "needs a source of Unleash, such as --uri unleash+https://host/api (from --unleash-port)"
    );
    let taken = flags(&["-f", "unleash+https://h/api", "--unleash-port", "1"]).unwrap();
    assert_eq!(taken.listen.unleash_port, Some(1));
    assert_eq!(flags(&["-f", "unleash+https://h/api"]).unwrap().listen.unleash_port, None);
}

#[test]
fn origins_of_other_vendors_take_their_variables_and_options_of_their_own() {
    let given = |variables: &[(&str, &str)], flags: &[&str]| {
        World { flags, variables, config: None }.read().unwrap().origins.swap_remove(0)
    };
    let token = [("UNLEASH_API_TOKEN", "default:development.hunter2")];
    let origin = given(&token, &["-f", "unleash+https://h/api"]);
    assert_eq!((origin.provider, origin.uri.expose()), (Provider::Unleash, "https://h/api"));
    assert_eq!(origin.authorization.as_ref().unwrap().expose(), "default:development.hunter2");
    let flipt = given(&[("FLIPT_TOKEN", "hunter2")], &["-f", "flipt+https://h"]);
    assert_eq!(flipt.authorization.unwrap().expose(), "Bearer hunter2");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "ser.hunter2\n").unwrap();
    let by_file = [("FLAGSMITH_ENVIRONMENT_KEY_FILE", file.to_str().unwrap())];
    let flagsmith = given(&by_file, &["-f", "flagsmith+https://h/api/v1/"]);
    assert_eq!(flagsmith.authorization.unwrap().expose(), "ser.hunter2");
    let entry = r#"[{"uri":"unleash+https://h/api","provider":"unleash","authHeader":"mine","appName":"shop","Interval":9}]"#;
    let origin = given(&token, &["-s", entry]);
    assert_eq!(origin.authorization.as_ref().unwrap().expose(), "mine");
    assert_eq!(
        serde_json::Value::Object(origin.own.expose().clone()),
        serde_json::json!({"appName": "shop"})
    );
    assert!(!format!("{origin:?}").contains("shop") && !format!("{origin:?}").contains("mine"));
}

#[test]
fn the_files_of_other_vendors_live_wherever_files_can() {
    let read =
        |flags: &[&str]| World { flags, variables: &[], config: None }.read().unwrap().origins.swap_remove(0);
    let git = "git+https://h/r.git?path=features.yaml";
    for (flags, provider, uri) in [
        (&["-f", "flipt-file:features.yaml"][..], Provider::File, "features.yaml"),
        (&["-f", "flipt-file:file:features.yaml"], Provider::File, "features.yaml"),
        (&["-f", &format!("flipt-file:{git}")], Provider::Git, git),
        (&["-f", "flipt-file:s3://b/features.yaml"], Provider::S3, "s3://b/features.yaml"),
        (
            &["-s", r#"[{"provider":"flipt-file","uri":"a.yaml","values":"attachment"}]"#],
            Provider::File,
            "a.yaml",
        ),
        (
            &["-s", &format!(r#"[{{"provider":"flipt-file","uri":"{git}","token":"hunter2"}}]"#)],
            Provider::Git,
            git,
        ),
    ] {
        let origin = read(flags);
        assert_eq!(
            (origin.provider, origin.uri.expose(), origin.form),
            (provider, uri, Some("flipt-file")),
            "{flags:?}"
        );
        assert!(origin.is_of_vendor());
        if provider == Provider::Git {
            // All that goes for a repository goes for it.
            assert_eq!(origin.interval.as_secs(), 30);
        }
    }
    let own = read(&["-s", r#"[{"provider":"flipt-file","uri":"a.yaml","values":"attachment"}]"#]).own;
    assert_eq!(serde_json::Value::Object(own.expose().clone()), serde_json::json!({"values": "attachment"}));
    assert_eq!(read(&["-f", "file:flipt-file"]).form, None);
    let jwt =
        World { flags: &["-f", "flipt+https://h"], variables: &[("FLIPT_TOKEN", "JWT ey.x")], config: None };
    let origin = jwt.read().unwrap().origins.swap_remove(0);
    assert_eq!(origin.authorization.unwrap().expose(), "JWT ey.x");
}
