//! The questions that every provider is asked. Capability decides which; what is left out is listed with the reason.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kit::{EventKind, EventStream, Handle, State, Type, error};
use open_feature::{
    Client, EvaluationContext, EvaluationContextFieldValue, EvaluationErrorCode, FlagMetadata, OpenFeature,
    StructValue,
};

use super::flags;
use crate::backend::{Backend, Control, Started, Work};
use crate::capability::Capability::{self, *};

/// How long anything may take that needs a backend.
const SOON: Duration = Duration::from_secs(30);

/// One question.
struct Case {
    name: &'static str,
    needs: &'static [Capability],
    run: fn(Scene) -> Work<'static, ()>,
}

const CASES: &[Case] = &[
    Case { name: "registration is instant, readiness comes", needs: &[], run: |s| Box::pin(readiness(s)) },
    Case { name: "booleans, whole numbers and text", needs: &[], run: |s| Box::pin(scalars(s)) },
    Case { name: "floats", needs: &[Floats], run: |s| Box::pin(floats(s)) },
    Case { name: "objects keep their shape", needs: &[Objects], run: |s| Box::pin(objects(s)) },
    Case { name: "an absent flag is FLAG_NOT_FOUND", needs: &[], run: |s| Box::pin(absent(s)) },
    Case { name: "another type is TYPE_MISMATCH", needs: &[Types], run: |s| Box::pin(mismatch(s)) },
    Case { name: "variants are named", needs: &[Variants], run: |s| Box::pin(variants(s)) },
    Case { name: "metadata arrives", needs: &[Metadata], run: |s| Box::pin(metadata(s)) },
    Case { name: "the caller's default stands", needs: &[DefaultStands], run: |s| Box::pin(defaults(s)) },
    Case { name: "rules see the context", needs: &[Targeting], run: |s| Box::pin(targeting(s)) },
    Case { name: "rules see nested attributes", needs: &[NestedContext], run: |s| Box::pin(nested(s)) },
    Case { name: "context levels are merged", needs: &[Targeting], run: |s| Box::pin(levels(s)) },
    Case { name: "a change is told and seen", needs: &[Change], run: |s| Box::pin(change(s)) },
    Case { name: "a change names its flags", needs: &[ChangedKeys], run: |s| Box::pin(changed_keys(s)) },
    Case { name: "many ask at once", needs: &[], run: |s| Box::pin(many(s)) },
    Case { name: "answers without await", needs: &[Synchronous], run: |s| Box::pin(synchronous(s)) },
    Case { name: "an outage is told and survived", needs: &[Outage], run: |s| Box::pin(outage(s)) },
    Case { name: "shutdown stops it and nothing panics", needs: &[], run: |s| Box::pin(shutdown(s)) },
];

/// Asks `backend` everything that it can be asked. Prints what was and what was not.
pub async fn run(backend: &Backend) {
    let mut failed = Vec::new();
    for case in CASES {
        let lack = backend.lacks.iter().find(|(capability, _)| case.needs.contains(capability));
        if let Some((capability, why)) = lack {
            println!("ignored  {}: {}: lacks {capability}: {why}", backend.name, case.name);
            continue;
        }
        let (start, work) = (backend.start, case.run);
        // A task of its own, so that one failure leaves the others to be asked.
        let outcome = tokio::spawn(async move { work(Scene::of(start().await).await).await }).await;
        match outcome {
            Ok(()) => println!("passed   {}: {}", backend.name, case.name),
            Err(_) => {
                println!("FAILED   {}: {}", backend.name, case.name);
                failed.push(case.name);
            }
        }
    }
    for (capability, why) in backend.lacks {
        let known = CASES.iter().any(|case| case.needs.contains(capability));
        assert!(known, "{}: lacks {capability} ({why}), which no case needs", backend.name);
    }
    assert!(failed.is_empty(), "{}: {failed:?}", backend.name);
}

/// A registered provider with an API of its own.
struct Scene {
    api: OpenFeature,
    client: Arc<Client>,
    handle: Handle<kit::Erased>,
    events: EventStream,
    at_once: Option<crate::backend::AtOnce>,
    control: Box<dyn Control>,
    registered: Duration,
}

impl Scene {
    async fn of(started: Started) -> Self {
        let Started { provider, at_once, control } = started;
        let (handle, events) = (provider.handle(), provider.events());
        let mut api = OpenFeature::default();
        let before = Instant::now();
        api.set_provider(provider).await;
        let registered = before.elapsed();
        let client = Arc::new(api.create_client());
        handle.ready(SOON).await.unwrap();
        Self { api, client, handle, events, at_once, control, registered }
    }

    async fn bool(&self, key: &str, context: &EvaluationContext) -> Result<bool, EvaluationErrorCode> {
        self.client.get_bool_value(key, Some(context), None).await.map_err(|error| error.code)
    }

    /// Asks again and again until the state `is` wanted.
    async fn ask_until(&self, what: &str, is: impl Fn(State) -> bool) {
        let deadline = Instant::now() + SOON;
        while !is(self.handle.state()) {
            let state = self.handle.state();
            assert!(Instant::now() < deadline, "no {what} in {SOON:?}; the provider is {state}");
            let _ = self.bool("on", &nobody()).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for an event that `is` wanted, past others.
    async fn event(&mut self, what: &str, is: impl Fn(&kit::Event) -> bool) -> kit::Event {
        let deadline = tokio::time::Instant::now() + SOON;
        loop {
            match tokio::time::timeout_at(deadline, self.events.next()).await {
                Ok(Some(event)) if is(&event) => return event,
                Ok(Some(_)) => {}
                Ok(None) => panic!("the events ended before {what}"),
                Err(_) => panic!("no {what} in {SOON:?}; the provider is {}", self.handle.state()),
            }
        }
    }
}

fn nobody() -> EvaluationContext {
    EvaluationContext::default()
}

async fn readiness(mut scene: Scene) {
    assert!(scene.registered < Duration::from_millis(200), "it held the SDK for {:?}", scene.registered);
    let ready = scene.event("READY", |event| event.kind == EventKind::Ready).await;
    assert_eq!(ready.state, State::Ready);
    assert_eq!(scene.handle.state(), State::Ready);
    assert_eq!(&*ready.provider, scene.api.provider_metadata().await.name);
}

async fn scalars(scene: Scene) {
    assert_eq!(scene.bool("on", &nobody()).await, Ok(true));
    assert_eq!(scene.bool("off", &nobody()).await, Ok(false));
    for (key, expected) in [("int", 7), ("negative", -3), ("large", flags::LARGE)] {
        assert_eq!(scene.client.get_int_value(key, None, None).await, Ok(expected), "{key}");
    }
    for (key, expected) in [("text", flags::TEXT), ("empty", "")] {
        assert_eq!(scene.client.get_string_value(key, None, None).await, Ok(expected.to_owned()), "{key}");
    }
}

async fn floats(scene: Scene) {
    assert_eq!(scene.client.get_float_value("float", None, None).await, Ok(0.5));
    assert_eq!(
        scene.client.get_float_value("int", None, None).await,
        Ok(7.0),
        "a whole number is a float too"
    );
}

async fn objects(scene: Scene) {
    let object = scene.client.get_struct_value::<StructValue>("object", None, None).await.unwrap();
    assert_eq!(object, flags::object_value());
}

async fn absent(scene: Scene) {
    assert_eq!(scene.bool("no-such-flag", &nobody()).await, Err(EvaluationErrorCode::FlagNotFound));
    let absent = scene.client.get_struct_value::<StructValue>("no-such-flag", None, None).await;
    assert_eq!(absent.unwrap_err().code, EvaluationErrorCode::FlagNotFound);
}

async fn mismatch(scene: Scene) {
    let wrong = [
        scene.client.get_bool_value("text", None, None).await.map(drop),
        scene.client.get_int_value("text", None, None).await.map(drop),
        scene.client.get_string_value("on", None, None).await.map(drop),
        scene.client.get_struct_value::<StructValue>("int", None, None).await.map(drop),
    ];
    for (n, outcome) in wrong.into_iter().enumerate() {
        assert_eq!(outcome.unwrap_err().code, EvaluationErrorCode::TypeMismatch, "question {n}");
    }
}

async fn variants(scene: Scene) {
    let details = scene.client.get_bool_details("on", None, None).await.unwrap();
    assert_eq!(details.variant.as_deref(), Some("v"));
    assert_eq!(details.flag_key, "on");
    assert!(details.reason.is_some());
}

async fn metadata(scene: Scene) {
    let details = scene.client.get_bool_details("described", None, None).await.unwrap();
    let expected = FlagMetadata::default()
        .with_value("owner", "shop")
        .with_value("tier", 2)
        .with_value("share", 0.5)
        .with_value("beta", true);
    assert_eq!(details.flag_metadata, expected);
}

async fn defaults(scene: Scene) {
    for (key, word) in [("disabled", "DISABLED"), ("undecided", "DEFAULT")] {
        let error = scene.client.get_bool_value(key, None, None).await.unwrap_err();
        assert_eq!(error.code, EvaluationErrorCode::General(word.to_owned()), "{key}");
        let answer = scene.handle.resolve(key, Type::Bool, &nobody()).await;
        assert!(
            matches!(&answer, Ok(answer) if answer.value.is_none() && answer.reason.to_string() == word),
            "{key}: {answer:?}"
        );
        assert!(error::default_reason(&error).is_some());
    }
}

async fn targeting(scene: Scene) {
    let ann = nobody().with_targeting_key("ann");
    assert_eq!(scene.bool("by-key", &ann).await, Ok(true));
    assert_eq!(scene.bool("by-key", &nobody().with_targeting_key("bob")).await, Ok(false));
    assert_eq!(scene.bool("by-key", &nobody()).await, Ok(false));
    assert_eq!(scene.bool("by-plan", &nobody().with_custom_field("plan", "pro")).await, Ok(true));
    assert_eq!(scene.bool("by-age", &nobody().with_custom_field("age", 41)).await, Ok(true));
    assert_eq!(scene.bool("by-age", &nobody().with_custom_field("age", 40.5)).await, Ok(true));
    assert_eq!(scene.bool("by-age", &nobody().with_custom_field("age", 40)).await, Ok(false));
}

async fn nested(scene: Scene) {
    let account = |role: &str| {
        let account = StructValue::default().with_field("roles", vec!["user", role]);
        nobody().with_custom_field("account", EvaluationContextFieldValue::new_struct(account))
    };
    assert_eq!(scene.bool("by-nested", &account("admin")).await, Ok(true));
    assert_eq!(scene.bool("by-nested", &account("guest")).await, Ok(false));
}

async fn levels(mut scene: Scene) {
    let global = nobody().with_targeting_key("bob").with_custom_field("plan", "pro");
    scene.api.set_evaluation_context(global).await;
    assert_eq!(scene.bool("by-plan", &nobody()).await, Ok(true));
    assert_eq!(scene.bool("by-key", &nobody()).await, Ok(false));
    assert_eq!(scene.bool("by-key", &nobody().with_targeting_key("ann")).await, Ok(true));
    assert_eq!(scene.bool("by-plan", &nobody().with_custom_field("plan", "free")).await, Ok(false));
}

async fn change(mut scene: Scene) {
    for on in [true, false, true] {
        scene.control.toggle(on);
        scene.event("change", |event| event.kind == EventKind::ConfigurationChanged).await;
        // What is told is true: whoever asks after the event sees the new value.
        let deadline = Instant::now() + SOON;
        while scene.bool("toggle", &nobody()).await != Ok(on) {
            assert!(Instant::now() < deadline, "told, but never seen: {on}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(scene.bool("on", &nobody()).await, Ok(true));
    }
}

async fn changed_keys(mut scene: Scene) {
    scene.control.toggle(true);
    let event = scene.event("change", |event| event.kind == EventKind::ConfigurationChanged).await;
    assert_eq!(event.flags_changed.as_deref(), Some(&["toggle".to_owned()][..]));
    assert_eq!(scene.bool("toggle", &nobody()).await, Ok(true), "who hears of a change sees it");
}

async fn many(scene: Scene) {
    let tasks = (0..8).map(|n| {
        let client = Arc::clone(&scene.client);
        tokio::spawn(async move {
            for _ in 0..50 {
                assert_eq!(client.get_int_value("int", None, None).await, Ok(7), "task {n}");
                assert_eq!(client.get_bool_value("off", None, None).await, Ok(false), "task {n}");
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

async fn synchronous(scene: Scene) {
    let at_once = scene.at_once.as_ref().unwrap();
    assert!(at_once("on", false, &nobody()));
    assert!(!at_once("off", true, &nobody()));
    assert!(at_once("no-such-flag", true, &nobody()));
    assert!(at_once("disabled", true, &nobody()) && !at_once("disabled", false, &nobody()));
    for key in ["ann", "bob"] {
        let context = nobody().with_targeting_key(key);
        assert_eq!(scene.bool("by-key", &context).await, Ok(at_once("by-key", false, &context)), "{key}");
    }
}

async fn outage(mut scene: Scene) {
    scene.control.away(true);
    // A provider that keeps no connection learns of it when it asks.
    scene.ask_until("loss", |state| matches!(state, State::Stale | State::Error)).await;
    let lost = scene.event("loss", |event| matches!(event.state, State::Stale | State::Error)).await;
    assert!(lost.message.is_some(), "{lost:?}");
    for _ in 0..20 {
        let before = Instant::now();
        // A value, a kept value or an error: anything but waiting for ever or a panic.
        let _ = scene.bool("on", &nobody()).await;
        assert!(before.elapsed() < Duration::from_secs(10), "it kept the caller for {:?}", before.elapsed());
    }
    scene.control.away(false);
    scene.ask_until("return", |state| state == State::Ready).await;
    scene.event("READY", |event| event.kind == EventKind::Ready).await;
    assert_eq!(scene.bool("on", &nobody()).await, Ok(true));
}

async fn shutdown(mut scene: Scene) {
    scene.api.shutdown().await;
    while scene.events.next().await.is_some() {}
    assert_eq!(scene.handle.state(), State::NotReady);
    let error = scene.handle.resolve("on", Type::Bool, &nobody()).await.unwrap_err();
    assert_eq!(error.code, EvaluationErrorCode::ProviderNotReady);
    if let Some(at_once) = &scene.at_once {
        assert!(at_once("off", true, &nobody()), "the default stands after shutdown");
    }
}
