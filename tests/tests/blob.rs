//! Objects in three clouds: the suite that every source passes, and the daemon, against a server of each.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../../store/tests/suite/mod.rs"]
mod suite;

use std::time::{Duration, Instant};

use hoist_store::{BUILT_IN, Origin, Source, find};
use serde_json::{Map, Value, json};
use suite::{Backend, document};
use tests::clouds::{CLOUDS, Cloud};
use tests::world::{DaemonOptions, http};

/// An object of a cloud, asked for every second.
struct Object(Cloud);

impl Backend for Object {
    fn follow(&self) -> (Origin, Box<dyn Source>) {
        let told: Map<String, Value> =
            self.0.environment.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let options = [("interval", json!(1)), ("environment", Value::Object(told))];
        let options = options.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
        let origin = Origin::new(self.0.provider, &self.0.uri("flags.json"), options);
        let source = (find(BUILT_IN, self.0.provider).expect("it is built in").build)(&origin);
        (origin, source.expect("good options"))
    }

    fn put(&mut self, document: &str) {
        self.0.put("flags.json", document.as_bytes());
    }

    fn vanish(&mut self) -> bool {
        self.0.delete("flags.json");
        true
    }
}

/// Starts the server at that place of the list, or says why not.
fn started(at: usize) -> Option<Cloud> {
    match CLOUDS[at]() {
        Ok(cloud) => Some(cloud),
        Err(why) => {
            println!("skipped: {why}");
            None
        }
    }
}

async fn suite_of(at: usize) {
    if let Some(cloud) = started(at) {
        suite::play(Object(cloud)).await;
    }
}

#[tokio::test]
async fn suite_s3_of_moto() {
    suite_of(0).await;
}

#[tokio::test]
async fn suite_gcs_of_fake_gcs_server() {
    suite_of(1).await;
}

#[tokio::test]
async fn suite_azblob_of_azurite() {
    suite_of(2).await;
}

#[test]
fn a_daemon_serves_from_a_bucket_and_follows_it() {
    let Some(cloud) = started(1) else { return };
    cloud.put("flags.json", document("one").as_bytes());
    let source = json!([{"uri": cloud.uri("flags.json"), "provider": cloud.provider, "interval": 1}]);
    let mut options = DaemonOptions::new(["--sources".to_owned(), source.to_string()]);
    options.env = cloud.environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
    let daemon = options.start();
    let asks = |variant: &str| {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let answer =
                http::post(daemon.ports().ofrep, "/ofrep/v1/evaluate/flags/flag", &json!({"context": {}}));
            let answer = answer.expect("the daemon answers");
            if answer.status == 200 && answer.json()["variant"] == variant {
                return;
            }
            assert!(Instant::now() < deadline, "not {variant} after 10 s: {}", answer.text());
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    asks("one");
    cloud.put("flags.json", document("two").as_bytes());
    asks("two");
    cloud.delete("flags.json");
    let troubled = || {
        http::get(daemon.ports().management, "/readyz?verbose")
            .is_ok_and(|ready| ready.text().contains("404"))
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    while !troubled() {
        assert!(Instant::now() < deadline, "the missing object does not show in /readyz");
        std::thread::sleep(Duration::from_millis(50));
    }
    asks("two");
}
