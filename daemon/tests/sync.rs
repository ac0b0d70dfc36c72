//! The sync service as gRPC clients see it: the document, when it comes, and who gets which.

#![allow(clippy::expect_used, clippy::panic)]
#![allow(deprecated, reason = "clients still send the selector in the message")]

mod served;

use std::time::Duration;

use hoistd::config::Translations;
use hoistd::light::Enrichment;
use hoistd::services::sync::{Sync, routes};
use proto::flagd::sync::v1 as current;
use proto::sync::v1 as legacy;
use proto::{Kind, Struct, Value};
use serde_json::{Value as Json, json};
use served::{Served, Wire};
use tokio::sync::watch;
use tonic::{Code, Request, Streaming};

type Client = current::flag_sync_service_client::FlagSyncServiceClient<Wire>;
type Legacy = legacy::flag_sync_service_client::FlagSyncServiceClient<Wire>;

const ONE: &str = r#"{"metadata":{"flagSetId":"set","owner":"team"},"$evaluators":{"joe":{"==":[{"var":"user"},"joe"]}},"flags":{
    "b":{"variants":{"on":true},"targeting":{"if":[{ "$ref" : "joe" },"on",null]},"state":"ENABLED","note":"dropped"},
    "a":{"state":"off","defaultVariant":"x","variants":{"x":1.0},"metadata":{"v":null,"owner":"me"}}}}"#;
const TWO: &str =
    r#"{"flags":[{"key":"z","state":"DISABLED","variants":{"on":true},"defaultVariant":"on"}]}"#;

struct World {
    served: Served,
    open: watch::Sender<bool>,
    client: Client,
    legacy: Legacy,
}

async fn world(deadline: Option<Duration>, disable_metadata: bool) -> World {
    let served = Served::new(&[("one.json", ONE), ("two.json", TWO)], Enrichment::default()).await;
    let open = watch::Sender::new(true);
    let wire = Wire::new(routes(Sync {
        store: served.store.clone(),
        context: vec![("region".to_owned(), "eu".to_owned())],
        open: open.subscribe(),
        closing: served.closing.subscribe(),
        stream_deadline: deadline,
        disable_metadata,
        translations: Translations::Exact,
        streams: served.telemetry.streams.clone(),
    }));
    World { served, open, client: Client::new(wire.clone()), legacy: Legacy::new(wire) }
}

fn request(selector: &str) -> current::SyncFlagsRequest {
    current::SyncFlagsRequest { selector: selector.into(), ..Default::default() }
}

fn context() -> Option<Struct> {
    let eu = Value { kind: Some(Kind::StringValue("eu".into())) };
    Some(Struct { fields: [("region".to_owned(), eu)].into() })
}

/// The flags of the next message.
async fn next(stream: &mut Streaming<current::SyncFlagsResponse>) -> Json {
    let message = tokio::time::timeout(Duration::from_secs(30), stream.message()).await.expect("in time");
    let message = message.expect("no error").expect("a message");
    assert_eq!(message.sync_context, context());
    let mut document: Json = serde_json::from_slice(&message.flag_configuration).expect("JSON");
    assert_eq!(document.as_object().map(serde_json::Map::len), Some(1), "nothing beside the flags");
    document["flags"].take()
}

fn keys(flags: &Json) -> Vec<&str> {
    flags.as_object().expect("flags").keys().map(String::as_str).collect()
}

#[tokio::test]
async fn the_document_is_what_strict_clients_accept() {
    let mut world = world(None, false).await;
    let stream = world.client.sync_flags(request("")).await.expect("a stream");
    let flags = next(&mut stream.into_inner()).await;
    assert_eq!(
        flags,
        json!({
            "a": {"state": "ENABLED", "defaultVariant": "x", "variants": {"x": 1}, "source": "one.json",
                "metadata": {"flagSetId": "set", "owner": "me"}},
            "b": {"state": "ENABLED", "defaultVariant": "", "variants": {"on": true}, "source": "one.json",
                "targeting": {"if": [{"==": [{"var": "user"}, "joe"]}, "on", null]},
                "metadata": {"flagSetId": "set", "owner": "team"}},
            "z": {"state": "DISABLED", "defaultVariant": "on", "variants": {"on": true}, "source": "two.json"},
        })
    );
    assert_eq!(keys(&flags), ["a", "b", "z"], "sorted");
    let order: Vec<&str> = flags["b"].as_object().expect("a flag").keys().map(String::as_str).collect();
    assert_eq!(order, ["state", "defaultVariant", "variants", "targeting", "source", "metadata"]);
}

#[tokio::test]
async fn the_header_goes_before_the_message_even_when_empty() {
    let mut world = world(None, false).await;
    let mut fetch = async |header: Option<&str>, body: &str| {
        let message = current::FetchAllFlagsRequest { selector: body.into(), ..Default::default() };
        let mut request = Request::new(message);
        if let Some(header) = header {
            request.metadata_mut().insert("flagd-selector", header.parse().expect("text"));
        }
        let answer = world.client.fetch_all_flags(request).await?.into_inner();
        Ok::<Json, tonic::Status>(serde_json::from_slice(&answer.flag_configuration).expect("JSON"))
    };
    let found = fetch(None, "source=two.json").await.expect("flags");
    assert_eq!(keys(&found["flags"]), ["z"]);
    let found = fetch(Some("one.json"), "source=two.json").await.expect("flags");
    assert_eq!(keys(&found["flags"]), ["a", "b"]);
    let found = fetch(Some(""), "source=two.json").await.expect("flags");
    assert_eq!(keys(&found["flags"]), ["a", "b", "z"]);
    let found = fetch(None, "flagSetId=").await.expect("flags");
    assert_eq!(keys(&found["flags"]), ["z"], "flags of no set");
    assert_eq!(fetch(None, "nowhere").await.expect("nothing"), json!({"flags": {}}));
    let status = fetch(None, "foo=bar").await.expect_err("no selector");
    let text = "invalid selector key \"foo\", valid keys: \"flagSetId\", \"source\"";
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, text));
}

#[tokio::test]
async fn a_message_comes_when_the_selected_flags_differ_and_only_then() {
    let mut world = world(None, false).await;
    let mut two = world.client.sync_flags(request("source=two.json")).await.expect("a stream").into_inner();
    let mut none = world.client.sync_flags(request("nowhere")).await.expect("a stream").into_inner();
    assert_eq!(keys(&next(&mut two).await), ["z"]);
    assert_eq!(next(&mut none).await, json!({}), "an empty selection is told at once");
    let mut news = world.served.store.subscribe();
    world.served.documents[0].set(ONE.replace("1.0", "2.0"));
    news.changed().await.expect("a change");
    world.served.documents[1].set(TWO.replace("\"on\":true", "\"on\":false"));
    assert_eq!(
        next(&mut two).await["z"]["variants"]["on"],
        json!(false),
        "the other source's change was no message"
    );
    world.served.closing.send_replace(true);
    for stream in [&mut two, &mut none] {
        assert!(stream.message().await.expect("a clean end").is_none(), "and nothing in between");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_answered_before_the_flags_are_there() {
    let mut world = world(Some(Duration::from_secs(30)), false).await;
    world.open.send_replace(false);
    let open = world.open.clone();
    let begin = tokio::time::Instant::now();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(3)).await;
        open.send_replace(true);
    });
    let stream = world.client.sync_flags(request("")).await.expect("a stream");
    assert_eq!(begin.elapsed().as_secs(), 3);
    let mut stream = stream.into_inner();
    assert_eq!(keys(&next(&mut stream).await), ["a", "b", "z"]);
    let end = stream.message().await.expect_err("the deadline");
    assert_eq!(
        (end.code(), end.message()),
        (Code::DeadlineExceeded, "stream closed due to server-side timeout")
    );
}

#[tokio::test]
async fn metadata_is_the_static_context_unless_switched_off() {
    let mut open = world(None, false).await;
    let answer = open.client.get_metadata(current::GetMetadataRequest {}).await.expect("metadata");
    assert_eq!(answer.into_inner().metadata, context());
    let mut closed = world(None, true).await;
    let status = closed.client.get_metadata(current::GetMetadataRequest {}).await.expect_err("refused");
    assert_eq!((status.code(), status.message()), (Code::Unimplemented, "metadata endpoint disabled"));
}

#[tokio::test]
async fn the_first_form_is_the_same_flags_marked_as_all() {
    let mut world = world(None, false).await;
    let request = legacy::SyncFlagsRequest { selector: "two.json".into(), ..Default::default() };
    let mut stream = world.legacy.sync_flags(request).await.expect("a stream").into_inner();
    let message = stream.message().await.expect("no error").expect("a message");
    assert_eq!(message.state(), legacy::SyncState::All);
    let document: Json = serde_json::from_slice(&message.flag_configuration).expect("JSON");
    assert_eq!(keys(&document["flags"]), ["z"]);
}

/// Documents of Unleash, from memory.
struct Vendor(store::Memory);

#[async_trait::async_trait]
impl store::Source for Vendor {
    async fn follow(
        &mut self,
        feed: &mut store::Feed<'_>,
    ) -> Result<std::convert::Infallible, store::SourceError> {
        self.0.follow(feed).await
    }

    fn reader(&self) -> std::sync::Arc<dyn store::Reader> {
        let origin = store::Origin::new("unleash", "vendor", serde_json::Map::new());
        (unleash::source::DIALECT.reader)(&origin).expect("a reader without options")
    }
}

#[tokio::test]
async fn flags_of_other_vendors_go_out_as_translations_that_say_how_true_they_are() {
    let strategy =
        |name: &str, strategy: Json| json!({"name": name, "enabled": true, "strategies": [strategy]});
    let share = json!({"name": "flexibleRollout", "parameters": {"rollout": "30", "stickiness": "default"}});
    let pattern = json!({"contextName": "email", "operator": "REGEX", "value": "^a"});
    let document = json!({"features": [
        strategy("all", json!({"name": "default"})),
        strategy("share", share),
        strategy("pattern", json!({"name": "default", "constraints": [pattern]})),
    ]});
    let (memory, _handle) = store::Memory::new(document.to_string(), store::Format::Json);
    let origin = store::Origin::new("unleash", "vendor", serde_json::Map::new());
    let settings = store::Settings::new(std::time::SystemTime::now);
    let vendors = std::sync::Arc::new(store::Store::open(settings, vec![(origin, Box::new(Vendor(memory)))]));
    vendors.first_load().await;
    let served = Served::new(&[("one.json", ONE)], Enrichment::default()).await;
    for (translations, expected) in [
        (Translations::Exact, &["all"][..]),
        (Translations::Approximate, &["all", "share"]),
        (Translations::All, &["all", "pattern", "share"]),
    ] {
        let open = watch::Sender::new(true);
        let mut client = Client::new(Wire::new(routes(Sync {
            store: std::sync::Arc::clone(&vendors),
            context: Vec::new(),
            open: open.subscribe(),
            closing: served.closing.subscribe(),
            stream_deadline: None,
            disable_metadata: false,
            translations,
            streams: served.telemetry.streams.clone(),
        })));
        let answer = client.fetch_all_flags(current::FetchAllFlagsRequest::default()).await.expect("flags");
        let document: Json = serde_json::from_slice(&answer.into_inner().flag_configuration).expect("JSON");
        let flags = &document["flags"];
        assert_eq!(keys(flags), expected);
        for (key, fidelity) in [("all", "exact"), ("share", "approximate"), ("pattern", "unsupported")] {
            if expected.contains(&key) {
                assert_eq!(flags[key]["metadata"]["translation"], fidelity, "{key}");
            }
        }
    }
}
