//! Documents as flags of the engine: what clients of every type get, why, and how true the translation is.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::path::Path;
use std::sync::Arc;

use engine::{Bump, Context, Fidelity, Flag, Question, Reason, Selector, Snapshot, Type, Value};
use hoist_provider_flagsmith::reader::EnvironmentDocument;
use hoist_provider_flagsmith::{Booleans, Mapping, Usage};
use serde_json::{Value as Json, json};
use store::{Reader, Reading};

const GOLDENS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/goldens/flagsmith-2.265.0");

fn golden(name: &str) -> Option<Json> {
    let Ok(text) = std::fs::read_to_string(Path::new(GOLDENS).join(name)) else {
        println!("skipped: no ../shared/goldens/flagsmith-2.265.0/{name}");
        return None;
    };
    Some(serde_json::from_str(&text).expect("JSON"))
}

fn compiled(document: &Json, mapping: Mapping, usage: Option<Arc<Usage>>) -> engine::Compiled {
    let text = document.to_string();
    let (source, options) = (Arc::from("flagsmith"), engine::Options::default());
    let reading = Reading { text: &text, source: &source, options: &options, previous: None, flag_set: None };
    EnvironmentDocument::new(mapping, usage).read(&reading).expect("a document")
}

fn served(document: &Json, mapping: Mapping) -> Snapshot {
    Snapshot::fold([&compiled(document, mapping, None).layer], 1)
}

fn flag<'s>(snapshot: &'s Snapshot, key: &str) -> &'s Flag {
    snapshot.find(&Selector::Any, key).unwrap_or_else(|| panic!("no flag {key}"))
}

type Answer = (Option<(String, Json)>, Reason);

fn ask(flag: &Flag, want: Type, context: &Json) -> Answer {
    let bump = Bump::new();
    let fields = context.as_object().expect("an object");
    let attributes: Vec<(&str, Value<'_>)> =
        fields.iter().map(|(name, value)| (name.as_str(), Value::from_json(value, &bump))).collect();
    let context = Context::new(&attributes);
    let question = Question { want, context: &context, now: 0, bump: &bump, bulk: false };
    let resolution = flag.answer(&question, &mut ()).expect("an answer");
    let variant = resolution.variant.map(|variant| (variant.name().to_owned(), variant.value().clone()));
    (variant, resolution.reason)
}

#[test]
fn flags_answer_what_the_server_decided() {
    let (Some(document), Some(identities)) = (golden("environment-document.json"), golden("identities.json"))
    else {
        return;
    };
    let by_state = served(&document, Mapping::default());
    let by_value = served(&document, Mapping { value_when_disabled: true, ..Mapping::default() });
    let mut decisions = 0;
    for case in identities["cases"].as_array().expect("cases") {
        let mut context = case["traits"].clone();
        context["targetingKey"] = case["identifier"].clone();
        for (key, expected) in case["flags"].as_object().expect("flags") {
            decisions += 1;
            let (variant, reason) = ask(flag(&by_state, key), Type::Bool, &context);
            let (name, value) = variant.expect("a boolean is always there");
            assert_eq!(value, expected["enabled"], "{key} for {context}");
            if let Some(variant) = expected["variant"].as_str() {
                assert_eq!(name, variant, "{key} for {context}");
            }
            if expected["enabled"] == false {
                assert_eq!(reason, Reason::Disabled, "{key} for {context}");
            } else if expected["by_segment"] == true {
                assert!(matches!(reason, Reason::TargetingMatch | Reason::Split), "{key}: {reason:?}");
            }
            let (variant, _) = ask(flag(&by_value, key), Type::String, &context);
            assert_eq!(variant.map(|(_, value)| value).as_ref(), Some(&expected["value"]), "{key}");
        }
    }
    assert_eq!(decisions, 2580);
}

#[test]
fn without_a_targeting_key_the_environment_answers() {
    let (Some(document), Some(flags)) = (golden("environment-document.json"), golden("flags.json")) else {
        return;
    };
    let served = served(&document, Mapping { value_when_disabled: true, ..Mapping::default() });
    for expected in flags.as_array().expect("flags") {
        let key = expected["feature"]["name"].as_str().expect("a name");
        for nobody in [json!({"region": "eu"}), json!({"targetingKey": ""})] {
            let (on, _) = ask(flag(&served, key), Type::Bool, &nobody);
            assert_eq!(on.map(|(_, value)| value).as_ref(), Some(&expected["enabled"]), "{key}");
            let (value, _) = ask(flag(&served, key), Type::String, &nobody);
            let value = value.map(|(_, value)| value);
            assert_eq!(value.as_ref(), Some(&expected["feature_state_value"]), "{key}");
        }
    }
}

/// One feature of each kind, and a segment of the region `eu`.
fn document(value: Json, enabled: bool) -> Json {
    let state = |id: i64, name: &str, value: &Json, enabled: bool| {
        json!({"feature": {"id": id, "name": name, "type": "STANDARD"}, "enabled": enabled,
            "feature_state_value": value, "django_id": id})
    };
    let mut targeted = state(2, "targeted", &json!("eu"), true);
    targeted["feature_segment"] = json!({"priority": 0});
    let condition = json!({"operator": "EQUAL", "property_": "region", "value": "eu"});
    json!({
        "api_key": "env", "name": "Test",
        "project": {
            "server_key_only_feature_ids": [4],
            "segments": [{"id": 9, "name": "europe", "feature_states": [targeted],
                "rules": [{"type": "ALL", "rules": [], "conditions": [condition]}]}]
        },
        "feature_states": [
            state(1, "plain", &value, enabled),
            state(2, "targeted", &json!("rest"), true),
            state(3, "vip", &json!("no"), false),
            state(4, "secret", &json!(1), true),
        ],
        "identity_overrides": [{"identifier": "ann", "identity_features": [state(3, "vip", &json!("yes"), true)]}],
    })
}

#[test]
fn each_type_gets_what_it_can_be() {
    let rows: [(Json, Type, Json); 12] = [
        (json!("text"), Type::Bool, json!(true)),
        (json!("text"), Type::String, json!("text")),
        (json!("text"), Type::Number, json!("text")),
        (json!("7"), Type::Number, json!(7.0)),
        (json!(" 1.5 "), Type::Number, json!(1.5)),
        (json!(7), Type::Number, json!(7)),
        (json!("{\"a\": [1]}"), Type::Object, json!({"a": [1]})),
        (json!("[1]"), Type::Object, json!([1])),
        (json!("7"), Type::Object, json!("7")),
        (json!("text"), Type::Any, json!("text")),
        (json!(null), Type::Any, json!(true)),
        (json!(null), Type::String, json!(null)),
    ];
    for (value, want, expected) in rows {
        let served = served(&document(value.clone(), true), Mapping::default());
        let (variant, reason) = ask(flag(&served, "plain"), want, &json!({}));
        assert_eq!(variant, Some(("default".to_owned(), expected)), "{value} as {want:?}");
        assert_eq!(reason, Reason::Static);
    }
}

#[test]
fn what_is_off_leaves_the_callers_default() {
    let off = |mapping: Mapping, value: Json, want| {
        let served = served(&document(value, false), mapping);
        let (variant, reason) = ask(flag(&served, "plain"), want, &json!({}));
        assert_eq!(reason, Reason::Disabled);
        variant.map(|(_, value)| value)
    };
    assert_eq!(off(Mapping::default(), json!("text"), Type::Bool), Some(json!(false)));
    assert_eq!(off(Mapping::default(), json!("text"), Type::String), None);
    assert_eq!(off(Mapping::default(), json!("text"), Type::Any), None);
    assert_eq!(off(Mapping::default(), json!(null), Type::Any), Some(json!(false)));
    let by_value = Mapping { booleans: Booleans::Value, ..Mapping::default() };
    assert_eq!(off(by_value, json!(true), Type::Bool), None);
    let all = Mapping { value_when_disabled: true, ..Mapping::default() };
    assert_eq!(off(all, json!("text"), Type::String), Some(json!("text")));
}

#[test]
fn reasons_say_who_decided() {
    let served = served(&document(json!("x"), true), Mapping::default());
    let asked = |key: &str, context: Json| {
        let (variant, reason) = ask(flag(&served, key), Type::String, &context);
        (variant.map(|(_, value)| value), reason)
    };
    let eu = json!({"targetingKey": "bob", "region": "eu"});
    assert_eq!(asked("targeted", eu), (Some(json!("eu")), Reason::TargetingMatch));
    let nested = json!({"targetingKey": "bob", "region": "us", "traits": {"region": "eu"}});
    assert_eq!(asked("targeted", nested), (Some(json!("eu")), Reason::TargetingMatch));
    assert_eq!(asked("targeted", json!({"targetingKey": "bob"})), (Some(json!("rest")), Reason::Default));
    assert_eq!(asked("vip", json!({"targetingKey": "ann"})), (Some(json!("yes")), Reason::TargetingMatch));
    assert_eq!(asked("vip", json!({"targetingKey": "bob"})), (None, Reason::Disabled));
}

#[test]
fn options_of_the_source_show() {
    let plain = served(&document(json!("x"), true), Mapping::default());
    assert!(plain.find(&Selector::Any, "secret").is_none(), "clients must not see it");
    let mapping = Mapping { server_key_only: true, flag_set: Some("shop".to_owned()), ..Mapping::default() };
    let all = served(&document(json!("x"), true), mapping);
    assert!(all.find(&Selector::FlagSet("shop"), "secret").is_some());
    let facts = flag(&all, "plain").metadata().entries();
    assert!(facts.iter().any(|(name, value)| &**name == "flagsmith.featureId" && *value == 1), "{facts:?}");
}

#[test]
fn evaluations_are_counted_and_bulk_is_not() {
    let usage = Arc::new(Usage::default());
    let compiled = compiled(&document(json!("x"), true), Mapping::default(), Some(Arc::clone(&usage)));
    let served = Snapshot::fold([&compiled.layer], 1);
    for bulk in [false, true, false] {
        let (context, bump) = (Context::default(), Bump::new());
        let question = Question { want: Type::Bool, context: &context, now: 0, bump: &bump, bulk };
        flag(&served, "plain").answer(&question, &mut ()).expect("an answer");
    }
    assert_eq!(usage.take().into_iter().collect::<Vec<_>>(), [("plain".into(), 2)]);
}

/// The translation of a flag, compiled as a client would.
fn translated(flag: &Flag) -> Snapshot {
    let text = format!("{{\"flags\": {{{}: {}}}}}", json!(flag.key()), flag.definition());
    let definition = engine::Definition::parse(&text).expect("a flag document");
    let compiled = engine::compile(&definition, &Arc::from("t"), &engine::Options::default(), None);
    assert_eq!(compiled.problems, []);
    Snapshot::fold([&compiled.layer], 1)
}

#[test]
fn a_translation_that_is_called_exact_is() {
    let (Some(document), Some(identities)) = (golden("environment-document.json"), golden("identities.json"))
    else {
        return;
    };
    let served = served(&document, Mapping::default());
    let (mut exact, mut wrong) = (0, Vec::new());
    for native in served.select(&Selector::Any) {
        let translation = native.translation().expect("a native flag");
        if translation.fidelity != Fidelity::Exact {
            assert!(!translation.fidelity.reasons().is_empty());
            continue;
        }
        exact += 1;
        let theirs = translated(native);
        for case in identities["cases"].as_array().expect("cases") {
            let mut context = case["traits"].clone();
            context["targetingKey"] = case["identifier"].clone();
            // Flagd knows one kind of number.
            let value = |answer: Answer| answer.0.map(|(_, value)| value.as_f64().map_or(value, Json::from));
            let ours = value(ask(native, Type::Any, &context));
            let told = value(ask(flag(&theirs, native.key()), Type::Any, &context));
            if ours != told {
                wrong.push(format!("{} for {context}: {told:?}, not {ours:?}", native.key()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(exact >= 5, "{exact} of {}", served.select(&Selector::Any).count());
}

#[test]
fn translations_say_what_is_lost() {
    let with = |operator: &str, value: &str| {
        let mut document = document(json!("x"), true);
        document["project"]["segments"][0]["rules"][0]["conditions"][0] =
            json!({"operator": operator, "property_": "region", "value": value});
        flag(&served(&document, Mapping::default()), "targeted")
            .translation()
            .expect("a native flag")
            .fidelity
            .as_str()
    };
    for (operator, value, fidelity) in [
        ("EQUAL", "eu", "exact"),
        ("IN", "eu,us", "exact"),
        ("CONTAINS", "e", "exact"),
        ("IS_SET", "", "exact"),
        ("GREATER_THAN", "1.2.0:semver", "exact"),
        ("PERCENTAGE_SPLIT", "50", "approximate"),
        ("MODULO", "3|1", "approximate"),
        ("REGEX", "e.*", "unsupported"),
    ] {
        assert_eq!(with(operator, value), fidelity, "{operator}");
    }
}
