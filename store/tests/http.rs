//! The `http` source against a real server: the suite that every source passes, and what only HTTP can do wrong.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

mod server;
mod suite;

use std::time::Duration;

use hoist_store::{BUILT_IN, Origin, Source, State, Store, find};
use serde_json::{Map, Value, json};
use server::{Answer, Server};
use suite::{Backend, becomes, document, open, serves, until};

/// A document behind a URL.
struct Http {
    server: Server,
    path: &'static str,
    options: Map<String, Value>,
}

impl Http {
    async fn new(tls: bool, options: Value) -> Self {
        let server = Server::start(tls).await;
        let mut options = options.as_object().cloned().unwrap_or_default();
        options.insert("interval".to_owned(), json!(1));
        if let Some(certificate) = server.certificate() {
            options.insert("certPath".to_owned(), json!(certificate));
        }
        Self { server, path: "/flags.json", options }
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

impl Backend for Http {
    fn follow(&self) -> (Origin, Box<dyn Source>) {
        let origin = Origin::new("http", &self.server.url(self.path), self.options.clone());
        let kind = find(BUILT_IN, "http").expect("http is built in");
        let source = (kind.build)(&origin).expect("good options");
        (origin, source)
    }

    fn put(&mut self, document: &str) {
        self.server.script().document = Some(document.to_owned());
    }

    fn vanish(&mut self) -> bool {
        self.server.script().document = None;
        true
    }
}

#[tokio::test]
async fn suite_over_http() {
    suite::play(Http::new(false, json!({})).await).await;
}

#[tokio::test]
async fn suite_over_https() {
    suite::play(Http::new(true, json!({})).await).await;
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_not_trusted() {
    let mut http = Http::new(true, json!({})).await;
    http.put(&document("one"));
    http.options.remove("certPath");
    let status = becomes(&open(&http), State::Unreachable).await;
    assert!(status.error.as_deref().is_some_and(|error| error.contains("certificate")), "{status:?}");
}

#[tokio::test]
async fn an_unchanged_document_is_asked_for_by_its_etag() {
    let mut http = Http::new(false, json!({})).await;
    http.put(&document("one"));
    let store = open(&http);
    serves(&store, "one").await;
    until("a 304", &store, |_| http.server.script().not_modified > 0).await;
    assert_eq!(http.header(0, "if-none-match"), None, "the first request has nothing to compare with");
    assert_eq!(store.sources()[0].state, State::Ok);
}

/// A vendor's document, whose versions are told apart by date.
async fn dated(server: &Server) -> Store {
    let options = json!({"interval": 1}).as_object().expect("an object").clone();
    let origin = Origin::new("vendor", &server.url("/all"), options);
    let (http, schedule) =
        hoist_store::Http::of_vendor(&origin, origin.name(), Default::default()).expect("good options");
    let poll = hoist_store::Poll::new(http.by_date("x-exact".parse().expect("a name")), schedule);
    Store::open(suite::settings(), vec![(origin, Box::new(poll))])
}

#[tokio::test]
async fn a_vendors_document_is_asked_for_by_its_date() {
    let server = Server::start(false).await;
    let written = |second: u8, exact: &str| {
        let date = format!("Thu, 01 Jan 2026 00:00:{second:02} GMT");
        server.script().dated = Some((date, "x-exact", exact.to_owned()));
    };
    written(1, "1.5");
    server.script().document = Some(document("one"));
    let store = dated(&server).await;
    serves(&store, "one").await;
    until("a 304", &store, |_| server.script().not_modified > 0).await;
    let asked = |at: usize| server.script().seen[at].0.headers.get("if-modified-since").cloned();
    assert_eq!(asked(0), None);
    assert_eq!(asked(1), Some("Thu, 01 Jan 2026 00:00:01 GMT".parse().expect("a value")));
    written(2, "2.25");
    server.script().document = Some(document("two"));
    serves(&store, "two").await;
    // A refused version is asked for again, whole.
    let before = server.script().seen.len();
    written(3, "3.5");
    server.script().document = Some("{".to_owned());
    becomes(&store, State::Refused).await;
    until("asked again", &store, |_| server.script().seen.len() >= before + 2).await;
    let last = server.script().seen.len() - 1;
    assert_eq!(asked(last), None);
}

#[tokio::test]
async fn of_two_versions_in_one_second_the_second_is_seen() {
    let server = Server::start(false).await;
    let now = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(3600));
    server.script().dated = Some((now.clone(), "x-exact", "1.1".to_owned()));
    server.script().document = Some(document("one"));
    let store = dated(&server).await;
    serves(&store, "one").await;
    server.script().dated = Some((now, "x-exact", "1.9".to_owned()));
    server.script().document = Some(document("two"));
    serves(&store, "two").await;
}

#[tokio::test]
async fn the_etag_of_a_refused_document_is_not_remembered() {
    let mut http = Http::new(false, json!({})).await;
    http.put("{");
    let store = open(&http);
    becomes(&store, State::Refused).await;
    until("asked again", &store, |_| http.requests() >= 2).await;
    assert_eq!(http.header(1, "if-none-match"), None);
    assert_eq!(http.server.script().not_modified, 0);
}

#[tokio::test]
async fn credentials_and_headers_are_sent_and_not_shown() {
    let options =
        json!({"authHeader": "Bearer hunter2", "headers": {"X-Team": "blue", "Accept": "application/yaml"}});
    let mut http = Http::new(false, options).await;
    http.put(&document("one"));
    let store = open(&http);
    serves(&store, "one").await;
    assert_eq!(http.header(0, "authorization").as_deref(), Some("Bearer hunter2"));
    assert_eq!(http.header(0, "x-team").as_deref(), Some("blue"));
    assert_eq!(http.header(0, "accept").as_deref(), Some("application/yaml"));
    assert!(!format!("{:?}", store.sources()).contains("hunter2"));
}

#[tokio::test]
async fn the_media_type_decides_where_the_path_says_nothing() {
    let mut http = Http::new(false, json!({})).await;
    http.path = "/flags";
    http.server.script().content_type = "application/yaml; charset=utf-8";
    http.put("flags:\n  flag:\n    state: ENABLED\n    defaultVariant: on\n    variants: {on: 1}\n");
    let store = open(&http);
    serves(&store, "on").await;
    http.server.script().content_type = "text/html";
    http.put("<html>");
    let status = becomes(&store, State::Unreachable).await;
    assert!(status.error.is_some_and(|error| error.contains("unsupported file format: 'text/html'")));
}

#[tokio::test]
async fn faults_keep_the_last_good_document() {
    let mut http = Http::new(false, json!({"timeoutS": 1})).await;
    http.put(&document("one"));
    let store = open(&http);
    serves(&store, "one").await;
    let broken = Answer::Status(500, Vec::new(), "oh".to_owned());
    for (fault, says) in [
        (broken, "500"),
        (Answer::Truncated, ""),
        (Answer::Drip, "time"),
        (Answer::Hang, "time"),
        (Answer::Status(401, Vec::new(), String::new()), "check authHeader"),
    ] {
        http.server.script().always = Some(fault.clone());
        let status = becomes(&store, State::Unreachable).await;
        assert!(status.error.as_deref().is_some_and(|error| error.contains(says)), "{fault:?}: {status:?}");
        assert!(status.ready);
        serves(&store, "one").await;
        http.server.script().always = None;
        becomes(&store, State::Ok).await;
    }
}

#[tokio::test]
async fn a_body_without_end_costs_no_more_than_the_limit() {
    let mut http = Http::new(false, json!({})).await;
    http.put(&document("one"));
    http.server.script().next.push_back(Answer::Endless);
    let settings = hoist_store::Settings { max_bytes: 1 << 20, ..suite::settings() };
    let store = Store::open(settings, vec![http.follow()]);
    let status = becomes(&store, State::Refused).await;
    assert!(status.error.as_deref().is_some_and(|error| error.contains("1048576")), "{status:?}");
    serves(&store, "one").await;
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let mut http = Http::new(false, json!({})).await;
    http.put(&document("one"));
    http.server.script().next.push_back(Answer::Status(
        429,
        vec![("retry-after", "2".to_owned())],
        String::new(),
    ));
    let store = open(&http);
    becomes(&store, State::Unreachable).await;
    let asked = std::time::Instant::now();
    serves(&store, "one").await;
    assert!(asked.elapsed() > Duration::from_millis(1900), "{:?}", asked.elapsed());
    assert_eq!(http.requests(), 2);
}

#[tokio::test]
async fn redirects_stay_on_the_scheme_and_keep_credentials_at_home() {
    let other = Server::start(false).await;
    other.script().document = Some(document("moved"));
    let to = |url: String| Answer::Status(302, vec![("location", url)], String::new());

    let plain = Http::new(false, json!({})).await;
    plain.server.script().always = Some(to(other.url("/flags.json")));
    serves(&open(&plain), "moved").await;

    let secured = Http::new(false, json!({"authHeader": "Bearer hunter2"})).await;
    secured.server.script().always = Some(to(other.url("/flags.json")));
    let asked = other.script().seen.len();
    let status = becomes(&open(&secured), State::Unreachable).await;
    assert!(status.error.as_deref().is_some_and(|error| error.contains("another host")), "{status:?}");
    assert_eq!(other.script().seen.len(), asked, "the other host was never asked");

    let tls = Http::new(true, json!({})).await;
    tls.server.script().always = Some(to(other.url("/flags.json")));
    let status = becomes(&open(&tls), State::Unreachable).await;
    assert!(status.error.as_deref().is_some_and(|error| error.contains("from https to http")), "{status:?}");

    let circle = Http::new(false, json!({})).await;
    circle.server.script().always = Some(to("/flags.json".to_owned()));
    let status = becomes(&open(&circle), State::Unreachable).await;
    assert!(status.error.as_deref().is_some_and(|error| error.contains("redirects")), "{status:?}");
}

#[tokio::test]
async fn tokens_are_fetched_kept_and_renewed() {
    let tokens = Server::start(false).await;
    let token = |name: &str| {
        Answer::Status(200, Vec::new(), json!({"access_token": name, "expires_in": 3600}).to_string())
    };
    tokens.script().next.extend([token("first"), token("second")]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("client-id"), "me\n").expect("a writable file");
    std::fs::write(folder.path().join("client-secret"), "a&b\n").expect("a writable file");
    let oauth = json!({"oauth": {"folder": folder.path(), "tokenUrl": tokens.url("/token")}});
    let mut http = Http::new(false, oauth).await;
    http.put(&document("one"));
    let store = open(&http);
    serves(&store, "one").await;
    assert_eq!(http.header(0, "authorization").as_deref(), Some("Bearer first"));
    let sent = tokens.script().seen[0].1.clone();
    assert_eq!(sent, "client_id=me&client_secret=a%26b&grant_type=client_credentials");
    until("asked again", &store, |_| http.requests() >= 2).await;
    assert_eq!(tokens.script().seen.len(), 1, "one token lasts");

    // A token that is refused is replaced, with credentials read anew.
    std::fs::write(folder.path().join("client-secret"), "rotated").expect("a writable file");
    http.server.script().next.push_back(Answer::Status(401, Vec::new(), String::new()));
    http.put(&document("two"));
    serves(&store, "two").await;
    let last = http.requests() - 1;
    assert_eq!(http.header(last, "authorization").as_deref(), Some("Bearer second"));
    assert!(tokens.script().seen[1].1.contains("client_secret=rotated"));
}
