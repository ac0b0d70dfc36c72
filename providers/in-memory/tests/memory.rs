//! Flags of a test, as the SDK's client and as our own handle see them.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use hoist_provider_in_memory::{Flag, InMemory};
use kit::{Evaluate, EventKind, Type, error};
use open_feature::{
    EvaluationContext, EvaluationErrorCode, EvaluationReason, FlagMetadata, OpenFeature, StructValue, Value,
};

fn nobody() -> EvaluationContext {
    EvaluationContext::default()
}

#[tokio::test]
async fn every_kind_of_flag() {
    let object = StructValue::default().with_field("list", vec![1, 2]);
    let flags = InMemory::new()
        .with("bool", true)
        .with("int", 3)
        .with("float", 0.5)
        .with("text", "hi")
        .with("object", object.clone())
        .with("list", vec!["a"])
        .with("off", Flag::from(true).disabled())
        .with("none", Flag::from(true).without_default())
        .with("broken", Flag::failing(error::parse("bad rule")))
        .with("lost", Flag::variants([("a", 1)], "b"))
        .with(
            "rule",
            Flag::variants([("a", 1)], "a")
                .variant("b", 2)
                .targeting(|context| context.targeting_key.clone())
                .metadata(FlagMetadata::default().with_value("owner", "shop")),
        );
    let provider = flags.provider();
    let ask = provider.handle();
    assert!(ask.bool("bool", false, &nobody()));
    assert_eq!(ask.int("int", 0, &nobody()), 3);
    assert_eq!(ask.float("int", 0.0, &nobody()), 3.0);
    assert_eq!(ask.float("float", 0.0, &nobody()), 0.5);
    assert_eq!(ask.string("text", "", &nobody()), "hi");
    assert_eq!(ask.object("object", &nobody()), Ok(object));
    assert_eq!(ask.decode("list", &nobody()), Ok(vec!["a".to_owned()]));
    for (key, reason) in [("off", EvaluationReason::Disabled), ("none", EvaluationReason::Default)] {
        let details = ask.details(key, false, &nobody());
        assert_eq!((details.value, details.reason, details.error), (false, reason, None), "{key}");
    }
    for (key, code) in [
        ("broken", EvaluationErrorCode::ParseError),
        ("lost", EvaluationErrorCode::General("GENERAL".to_owned())),
        ("absent", EvaluationErrorCode::FlagNotFound),
        ("text", EvaluationErrorCode::TypeMismatch),
    ] {
        assert_eq!(ask.get::<bool>(key, &nobody()).unwrap_err().code, code, "{key}");
    }

    let mut api = OpenFeature::default();
    api.set_provider(provider).await;
    let client = api.create_client();
    let bob = nobody().with_targeting_key("b");
    let details = client.get_int_details("rule", Some(&bob), None).await.unwrap();
    assert_eq!((details.value, details.variant.as_deref()), (2, Some("b")));
    assert_eq!(details.reason, Some(EvaluationReason::TargetingMatch));
    assert_eq!(details.flag_metadata.values.len(), 1);
    let fallen = client.get_int_details("rule", None, None).await.unwrap();
    assert_eq!((fallen.value, fallen.reason), (1, Some(EvaluationReason::Default)));
}

#[tokio::test]
async fn changes_are_told_and_seen_at_once() {
    let flags = InMemory::new().with("a", 1);
    let (one, other) = (flags.provider(), flags.provider());
    let mut events = one.events();
    assert_eq!(events.next().await.unwrap().kind, EventKind::Ready);
    let before = one.snapshot().unwrap();
    flags.set("a", 2);
    assert_eq!(other.int("a", 0, &nobody()), 2);
    assert_eq!(before.int("a", 0, &nobody()), 1);
    flags.replace([("b", 3)]);
    assert!(!flags.remove("a") && flags.remove("b"));
    let mut told = Vec::new();
    for _ in 0..3 {
        let mut keys = events.next().await.unwrap().flags_changed.unwrap().to_vec();
        keys.sort();
        told.push(keys);
    }
    assert_eq!(told, [vec!["a"], vec!["a", "b"], vec!["b"]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tests_that_share_a_provider_do_not_meet() {
    let flags = InMemory::new().with("n", 0).with("kept", true);
    let mut api = OpenFeature::default();
    api.set_provider(flags.provider()).await;
    let client = Arc::new(api.create_client());
    let tests = (1..=8).map(|n| {
        let (flags, client) = (flags.clone(), Arc::clone(&client));
        tokio::spawn(async move {
            let inner = flags.clone();
            flags
                .scope([("n", n)], async move {
                    for _ in 0..100 {
                        assert_eq!(client.get_int_value("n", None, None).await, Ok(n));
                        tokio::task::yield_now().await;
                    }
                    let nested = inner.scope_sync([("m", n + 1)], || {
                        let ask = inner.provider();
                        (ask.int("n", 0, &nobody()), ask.int("m", 0, &nobody()))
                    });
                    assert_eq!(nested, (n, n + 1));
                    assert_eq!(client.get_bool_value("kept", None, None).await, Ok(true));
                })
                .await;
        })
    });
    for test in tests.collect::<Vec<_>>() {
        test.await.unwrap();
    }
    assert_eq!(client.get_int_value("n", None, None).await, Ok(0));
    let other = InMemory::new().with("n", 7);
    let seen = flags.scope_sync([("n", 1)], || other.provider().int("n", 0, &nobody()));
    assert_eq!(seen, 7, "another store is another store");
}

#[tokio::test]
async fn what_was_asked_is_recorded() {
    let flags = InMemory::new().with("a", true);
    assert!(flags.provider().bool("a", false, &nobody()));
    assert!(flags.evaluations().is_empty());

    let flags = flags.recording();
    let provider = flags.provider();
    let ann = nobody().with_targeting_key("ann");
    assert!(provider.bool("a", false, &ann));
    assert_eq!(provider.int("b", 0, &ann), 0);
    let asked = flags.evaluations();
    assert_eq!(asked.len(), 2);
    assert_eq!((asked[0].key.as_str(), asked[0].want, &asked[0].context), ("a", Type::Bool, &ann));
    assert_eq!(asked[0].outcome.as_ref().unwrap().value, Some(Value::Bool(true)));
    assert_eq!(asked[1].outcome.as_ref().unwrap_err().code, EvaluationErrorCode::FlagNotFound);
    assert!(flags.evaluations().is_empty());
    for _ in 0..10_100 {
        provider.bool("a", false, &ann);
    }
    assert_eq!(flags.evaluations().len(), 10_000);
}
