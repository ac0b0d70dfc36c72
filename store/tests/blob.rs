//! The `s3`, `gcs` and `azblob` sources against an HTTP server whose every answer a test decides: the suite that every
//! source passes, and what only object stores can do wrong. Servers that stand in for each cloud are asked in the package `tests`.

#![cfg(feature = "blob")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

mod server;
mod suite;

use std::time::Duration;

use hoist_store::{BUILT_IN, Origin, Source, State, Store, find};
use serde_json::{Map, Value, json};
use server::{Answer, Server};
use suite::matrix::{Fault, Faulty, matrix};
use suite::{Backend, becomes, document, open, serves, until};

/// An object in a bucket named `bucket`.
struct Object {
    server: Server,
    provider: &'static str,
    query: &'static str,
    key: &'static str,
    environment: Map<String, Value>,
    options: Map<String, Value>,
}

impl Object {
    async fn new(provider: &'static str) -> Self {
        Self::over(provider, Server::start(false).await)
    }

    fn over(provider: &'static str, server: Server) -> Self {
        let url = server.url("");
        let account = url.strip_prefix("http://").unwrap_or(&url).to_owned();
        let environment = match provider {
            "s3" => json!({
                "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "hunter2", "AWS_ENDPOINT_URL": url,
                "AWS_REGION": "eu-west-1",
            }),
            "gcs" => json!({"STORAGE_EMULATOR_HOST": url}),
            _ => json!({
                "AZURE_STORAGE_ACCOUNT": "me", "AZURE_STORAGE_KEY": "aHVudGVyMg==", "AZURE_STORAGE_DOMAIN": account,
                "AZURE_STORAGE_PROTOCOL": "http",
            }),
        };
        Self {
            server,
            provider,
            query: if provider == "s3" { "?use_path_style=true" } else { "" },
            key: "flags.json",
            environment: environment.as_object().cloned().expect("an object"),
            options: Map::from_iter([("timeoutS".to_owned(), json!(9))]),
        }
    }

    fn origin(&self) -> Origin {
        let mut options = self.options.clone();
        options.insert("interval".to_owned(), json!(1));
        options.insert("environment".to_owned(), Value::Object(self.environment.clone()));
        let scheme = if self.provider == "gcs" { "gs" } else { self.provider };
        Origin::new(self.provider, &format!("{scheme}://bucket/{}{}", self.key, self.query), options)
    }

    fn path(&self, at: usize) -> String {
        self.server.script().seen[at].0.uri.to_string()
    }

    fn header(&self, at: usize, name: &str) -> Option<String> {
        let script = self.server.script();
        let (head, _) = script.seen.get(at)?;
        head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    }

    fn requests(&self) -> usize {
        self.server.script().seen.len()
    }
}

impl Backend for Object {
    fn follow(&self) -> (Origin, Box<dyn Source>) {
        let origin = self.origin();
        let kind = find(BUILT_IN, self.provider).expect("it is built in");
        let source = (kind.build)(&origin).expect("good options");
        (origin, source)
    }

    fn put(&mut self, document: &str) {
        let mut script = self.server.script();
        script.always = None;
        script.document = Some(document.to_owned());
    }

    fn vanish(&mut self) -> bool {
        self.server.script().document = None;
        true
    }
}

#[tokio::test]
async fn suite_s3() {
    suite::play(Object::new("s3").await).await;
}

#[tokio::test]
async fn suite_gcs() {
    suite::play(Object::new("gcs").await).await;
}

#[tokio::test]
async fn suite_azblob() {
    suite::play(Object::new("azblob").await).await;
}

#[tokio::test]
async fn each_cloud_is_asked_in_its_own_way() {
    for (provider, path, signed) in [
        ("s3", "/bucket/a%20b/flags.json", "AWS4-HMAC-SHA256 Credential=key/"),
        ("gcs", "/bucket/a%20b%2Fflags%2Ejson", ""),
        ("azblob", "/me/bucket/a%20b/flags.json", "SharedKey me:"),
    ] {
        let mut object = Object { key: "a b/flags.json", ..Object::new(provider).await };
        object.put(&document("one"));
        let store = open(&object);
        serves(&store, "one").await;
        assert_eq!(object.path(0), path);
        let authorization = object.header(0, "authorization").unwrap_or_default();
        assert!(authorization.starts_with(signed), "{provider}: {authorization}");
        assert!(!format!("{:?}", store.sources()).contains("hunter2"));
        // The first request has nothing to compare with, the next ones do.
        until("a 304", &store, |_| object.server.script().not_modified > 0).await;
        assert_eq!(object.header(0, "if-none-match"), None);
        assert_eq!(store.sources()[0].state, State::Ok);
    }
}

#[tokio::test]
async fn the_etag_of_a_refused_document_is_not_remembered() {
    let mut object = Object::new("s3").await;
    object.put("{");
    let store = open(&object);
    becomes(&store, State::Refused).await;
    until("asked again", &store, |_| object.requests() >= 2).await;
    assert_eq!(object.header(1, "if-none-match"), None);
}

#[tokio::test]
async fn yaml_is_told_by_the_name_of_the_object() {
    let mut object = Object { key: "flags.yaml", ..Object::new("gcs").await };
    object.put("flags:\n  flag:\n    state: ENABLED\n    defaultVariant: on\n    variants: {on: 1}\n");
    serves(&open(&object), "on").await;
}

#[tokio::test]
async fn what_goes_wrong_is_said_and_the_old_document_stays() {
    tokio::join!(goes_wrong("s3"), goes_wrong("gcs"), goes_wrong("azblob"));
}

async fn goes_wrong(provider: &'static str) {
    let denied = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>no</Message></Error>";
    let mut object = Object::new(provider).await;
    object.options.insert("timeoutS".to_owned(), json!(1));
    object.put(&document("one"));
    let store = open(&object);
    serves(&store, "one").await;
    let status = |status, body: &str| Answer::Status(status, Vec::new(), body.to_owned());
    for (fault, says) in [
        (status(403, denied), "403 Forbidden (AccessDenied); check "),
        (status(401, ""), "401"),
        (status(404, ""), "check the bucket and the name of the object"),
        (status(500, ""), "500"),
        (status(503, ""), "503"),
        (status(301, ""), ""),
        (Answer::Truncated, ""),
        (Answer::Drip, ""),
        (Answer::Hang, "no answer within 1s"),
    ] {
        object.server.script().always = Some(fault.clone());
        let status = becomes(&store, State::Unreachable).await;
        let error = status.error.clone().unwrap_or_default();
        assert!(error.contains(says) && error.contains("bucket/flags.json"), "{provider} {fault:?}: {error}");
        assert!(!error.contains("hunter2") && error.len() < 600, "{error}");
        assert!(status.ready);
        serves(&store, "one").await;
        object.server.script().always = None;
        becomes(&store, State::Ok).await;
    }
}

#[tokio::test]
async fn nobody_there_is_said_in_few_words() {
    let mut object = Object::new("s3").await;
    object.environment.insert("AWS_ENDPOINT_URL".to_owned(), json!("http://127.0.0.1:1"));
    let status = becomes(&open(&object), State::Unreachable).await;
    let error = status.error.unwrap_or_default();
    assert!(error.contains("127.0.0.1: ") && error.contains("refused"), "{error}");
    assert!(error.len() < 200, "{error}");
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let mut object = Object::new("s3").await;
    object.put(&document("one"));
    let later = vec![("retry-after", "2".to_owned())];
    object.server.script().next.push_back(Answer::Status(503, later, String::new()));
    let store = open(&object);
    becomes(&store, State::Unreachable).await;
    let asked = std::time::Instant::now();
    serves(&store, "one").await;
    assert!(asked.elapsed() > Duration::from_millis(1900), "{:?}", asked.elapsed());
    assert_eq!(object.requests(), 2);
}

#[tokio::test]
async fn an_object_without_end_costs_no_more_than_the_limit() {
    let mut object = Object::new("azblob").await;
    object.put(&document("one"));
    object.server.script().next.push_back(Answer::Status(
        200,
        vec![("etag", "\"0\"".to_owned())],
        " ".repeat(2 << 20),
    ));
    let settings = hoist_store::Settings { max_bytes: 1 << 20, ..suite::settings() };
    let store = Store::open(settings, vec![object.follow()]);
    let status = becomes(&store, State::Refused).await;
    assert!(status.error.as_deref().is_some_and(|error| error.contains("1048576")), "{status:?}");
    serves(&store, "one").await;
}

#[tokio::test]
async fn credentials_are_read_anew_once_they_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("credentials");
    let keys = |id: &str| format!("[team]\naws_access_key_id = {id}\naws_secret_access_key = hunter2\n");
    std::fs::write(&path, keys("first")).expect("a file");
    let mut object = Object::new("s3").await;
    object.query = "?use_path_style=true&profile=team";
    object.environment.retain(|name, _| !name.starts_with("AWS_ACCESS") && !name.starts_with("AWS_SECRET"));
    object.environment.insert("AWS_SHARED_CREDENTIALS_FILE".to_owned(), json!(path));
    object.put(&document("one"));
    let store = open(&object);
    serves(&store, "one").await;
    assert!(object.header(0, "authorization").is_some_and(|text| text.contains("Credential=first/")));
    std::fs::write(&path, keys("second")).expect("a file");
    object.server.script().next.push_back(Answer::Status(403, Vec::new(), String::new()));
    object.put(&document("two"));
    serves(&store, "two").await;
    let last = object.requests() - 1;
    assert!(object.header(last, "authorization").is_some_and(|text| text.contains("Credential=second/")));
    std::fs::remove_file(&path).expect("a file");
    object.server.script().next.push_back(Answer::Status(403, Vec::new(), String::new()));
    until("no profile", &store, |store| {
        store.sources()[0].error.as_deref().is_some_and(|error| error.contains("no profile team"))
    })
    .await;
}

#[tokio::test]
async fn tls_takes_an_authority_of_the_operators_own() {
    let server = Server::start(true).await;
    let certificate = server.certificate().cloned().expect("a certificate");
    let mut object = Object::over("s3", server);
    object.put(&document("one"));
    let status = becomes(&open(&object), State::Unreachable).await;
    assert!(status.error.as_deref().is_some_and(|error| error.contains("certificate")), "{status:?}");
    object.options.insert("certPath".to_owned(), json!(certificate));
    serves(&open(&object), "one").await;
}

#[test]
fn odd_uris_and_parameters_are_refused_before_anything_starts() {
    for (provider, uri, says) in [
        ("s3", "s3://", "must name a bucket and an object"),
        ("s3", "s3://b/../flags.json", "no name for an object"),
        (
            "s3",
            "s3://b/flags.json?regoin=eu",
            "unknown parameter \"regoin\" after `?`; there are region, endpoint",
        ),
        ("s3", "s3://b/flags.json?endpoint=%00", "endpoint"),
        ("s3", "s3://b/flags.toml", "unsupported file format: 'toml'"),
        ("gcs", "gs://b/flags.json?anonymous=x", "anonymous must be true or false"),
        ("azblob", "azblob://c/flags.json", "AZURE_STORAGE_ACCOUNT"),
    ] {
        let origin = Origin::new(provider, uri, Map::new());
        let error = (find(BUILT_IN, provider).expect("it is built in").build)(&origin).err();
        let error = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(says), "{uri}: {error}");
    }
}

matrix!(s3, Object::new("s3").await);
matrix!(gcs, Object::new("gcs").await);
matrix!(azblob, Object::new("azblob").await);

impl Faulty for Object {
    fn speak_yaml(&mut self) {
        self.key = "flags.yaml";
    }

    fn hurry(&mut self) {
        self.options.insert("timeoutS".to_owned(), json!(1));
    }

    fn suffer(&mut self, fault: Fault) -> Option<State> {
        let always = match fault {
            Fault::Down => return self.vanish().then_some(State::Unreachable),
            Fault::Hangs => Answer::Hang,
            Fault::Errors => Answer::Status(500, Vec::new(), "oops".to_owned()),
            Fault::CutOff => Answer::Truncated,
            Fault::Drip => Answer::Drip,
            // Objects are replaced whole, so this is all there is of it until somebody uploads the rest.
            Fault::HalfWritten => {
                let two = document("two");
                self.put(&two[..two.len() / 2]);
                return Some(State::Refused);
            }
        };
        self.server.script().always = Some(always);
        Some(State::Unreachable)
    }
}
