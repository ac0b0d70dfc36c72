//! Flags as the engine asks them, and beside their translations wherever those are said to be exact.

#![allow(clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use engine::{Bump, Context, Definition, Flag, Harvest, Options, Question, Reason, Type, Value};
use hoist_provider_flipt::features::{self, Document};
use hoist_provider_flipt::{Mapping, Values, flags, rules};
use serde_json::{Value as Json, json};
use store::Format;

fn venus(mapping: &Mapping) -> Vec<Arc<Flag>> {
    let text = include_bytes!("venus.features.yaml");
    let json = store::json_text(text, Format::Yaml, 1 << 20).expect("YAML");
    let document: Document = serde_json::from_str(&json).expect("features");
    let mut harvest = Harvest::new(None);
    for (namespace, read) in features::read(vec![document]) {
        flags(&mut harvest, &namespace, read, &Arc::from("features.yaml"), mapping);
    }
    let compiled = harvest.finish();
    assert!(compiled.problems.is_empty(), "{:?}", compiled.problems);
    compiled.layer.flags().to_vec()
}

fn find(flags: &[Arc<Flag>], key: &str) -> Arc<Flag> {
    Arc::clone(flags.iter().find(|flag| flag.key() == key).expect("the flag"))
}

/// Variant, value, reason and what the answer adds to the metadata.
fn asked(flag: &Flag, context: &Json, want: Type) -> (Json, Json, Reason, Json) {
    let bump = Bump::new();
    let attributes: Vec<(&str, Value<'_>)> = context
        .as_object()
        .expect("an object")
        .iter()
        .map(|(name, value)| (name.as_str(), Value::from_json(value, &bump)))
        .collect();
    let context = Context::new(&attributes);
    let question = Question { want, context: &context, now: 0, bump: &bump, bulk: false };
    let answer = flag.answer(&question, &mut ());
    let answer = answer.unwrap_or_else(|fault| panic!("{fault:?} of {} for {context:?}", flag.definition()));
    let (name, value) = answer
        .variant
        .map_or((json!(null), json!(null)), |variant| (json!(variant.name()), variant.value().clone()));
    let told = answer.metadata.map_or("{}", |metadata| metadata.json());
    (name, value, answer.reason, serde_json::from_str(told).expect("JSON"))
}

#[test]
fn a_variant_is_its_key_or_its_attachment() {
    let attachment = json!({"size": [1, 2.5], "deep": {"on": true}});
    let context = json!({"targetingKey": "user-100", "target": "yes"});
    let flags = venus(&Mapping::default());
    let flag = find(&flags, "flag_cumulative_rounding");
    let (name, value, reason, told) = asked(&flag, &context, Type::Any);
    assert_eq!((name, value, reason), (json!("variant3"), json!("variant3"), Reason::TargetingMatch));
    assert_eq!(told["flipt.segments"], "seg_cumulative");
    let told: Json = serde_json::from_str(told["flipt.attachment"].as_str().expect("text")).expect("JSON");
    assert_eq!(told, attachment);
    assert_eq!(asked(&flag, &context, Type::Object).1, attachment);
    assert_eq!(asked(&flag, &context, Type::String).1, "variant3");
    let other = json!({"targetingKey": "user-500", "target": "yes"});
    assert_eq!(asked(&flag, &other, Type::Object).1, "variant1", "no attachment: not an object");
    let (name, _, reason, told) = asked(&flag, &json!({"targetingKey": "user-100"}), Type::Any);
    assert_eq!((name, reason, told), (json!(null), Reason::Default, json!({})), "no default variant");

    let attached = venus(&Mapping { values: Values::Attachment, ..Mapping::default() });
    let flag = find(&attached, "flag_cumulative_rounding");
    assert_eq!(asked(&flag, &context, Type::Any).1, attachment);
    assert_eq!(asked(&flag, &context, Type::String).1, "variant3");
    assert_eq!(asked(&flag, &other, Type::Any).1, "variant1");
}

#[test]
fn booleans_tell_why() {
    let flags = venus(&Mapping::default());
    let flag = find(&flags, "flag_boolean_segment");
    let ask = |context: Json| asked(&flag, &context, Type::Bool);
    let (_, value, reason, told) = ask(json!({"targetingKey": "user-10", "env": "prod"}));
    assert_eq!((value, reason), (json!(true), Reason::TargetingMatch));
    assert_eq!(told, json!({"flipt.segments": "seg_string_eq"}));
    let (_, value, reason, _) = ask(json!({"targetingKey": "user-11", "env": "dev"}));
    assert_eq!((value, reason), (json!(true), Reason::Split));
    let (_, value, reason, _) = ask(json!({"targetingKey": "user-14", "env": "dev"}));
    assert_eq!((value, reason), (json!(false), Reason::Default));
    let (name, value, reason, _) = asked(&find(&flags, "flag_boolean_default"), &json!({}), Type::Bool);
    assert_eq!((name, value, reason), (json!("true"), json!(true), Reason::Static));
}

#[test]
fn translations_are_as_careful_about_what_is_compared_with() {
    let flag = |(key, (kind, operator, value)): (usize, &(&str, &str, &str))| {
        let constraint = json!({"type": format!("{kind}_CONSTRAINT_COMPARISON_TYPE"), "property": "p", "operator": operator, "value": value});
        json!({"key": key.to_string(), "type": "BOOLEAN_FLAG_TYPE", "rollouts": [
            {"rank": 1, "segment": {"value": true, "segments": [{"key": "s", "constraints": [constraint]}]}}]})
    };
    let rows = [
        ("STRING", "isnotoneof", "oops"),
        ("STRING", "isnotoneof", "null"),
        ("STRING", "isoneof", "[null, \"x\"]"),
        ("NUMBER", "isnotoneof", "[\"1\"]"),
        ("NUMBER", "isoneof", "[null, 2]"),
        ("NUMBER", "neq", "NaN"),
        ("NUMBER", "lt", "inf"),
    ];
    let snapshot = json!({"flags": rows.iter().enumerate().map(flag).collect::<Vec<_>>()});
    let read = rules::read(serde_json::from_value(snapshot).expect("a snapshot"));
    let mut harvest = Harvest::new(None);
    flags(&mut harvest, "default", read, &Arc::from("snapshot"), &Mapping::default());
    let mut exact = 0;
    for flag in harvest.finish().layer.flags() {
        let Some(translated) = exactly_translated(flag) else { continue };
        exact += 1;
        let values = [json!("x"), json!(""), json!(" "), json!(0), json!(2), json!(3)];
        for value in values.iter().filter(|value| value.is_string() == (rows[exact - 1].0 == "STRING")) {
            let ask = |flag: &Flag| asked(flag, &json!({"targetingKey": "u", "p": value}), Type::Bool).1;
            assert_eq!(ask(flag), ask(&translated), "{:?} for {value}", rows[exact - 1]);
        }
    }
    assert_eq!(exact, 5, "there is no JSON for the last two");
}

#[test]
fn of_two_flags_with_one_key_the_last_counts() {
    let snapshot = json!({"flags": [
        {"key": "f", "type": "BOOLEAN_FLAG_TYPE", "enabled": true},
        {"key": "g", "type": "BOOLEAN_FLAG_TYPE", "enabled": true},
        {"key": "f", "type": "VARIANT_FLAG_TYPE", "enabled": true, "defaultVariant": {"key": "a"}}]});
    let read = rules::read(serde_json::from_value(snapshot).expect("a snapshot"));
    let mut harvest = Harvest::new(None);
    flags(&mut harvest, "default", read, &Arc::from("snapshot"), &Mapping::default());
    let compiled = harvest.finish();
    assert_eq!(compiled.layer.flags().len(), 2);
    assert_eq!(asked(&find(compiled.layer.flags(), "f"), &json!({}), Type::Any).1, "a");
    assert!(compiled.problems[0].message.contains("the last counts"), "{:?}", compiled.problems);
}

#[test]
fn segments_are_told_as_far_as_they_are_few() {
    let segments = |count: usize| -> Vec<Json> {
        (0..count).map(|at| json!({"key": format!("s{at}"), "constraints": []})).collect()
    };
    let told = |count: usize| {
        let share = json!({"variantKey": "a", "variantAttachment": "[1]", "rollout": 100});
        let rule = json!({"rank": 1, "segments": segments(count), "distributions": [share]});
        let snapshot = json!({"flags": [{"key": "f", "enabled": true, "rules": [rule]}]});
        let read = rules::read(serde_json::from_value(snapshot).expect("a snapshot"));
        let mut harvest = Harvest::new(None);
        flags(&mut harvest, "default", read, &Arc::from("snapshot"), &Mapping::default());
        asked(&harvest.finish().layer.flags()[0], &json!({}), Type::Any).3
    };
    assert_eq!(told(2), json!({"flipt.segments": "s0,s1", "flipt.attachment": "[1]"}));
    assert_eq!(told(4), json!({"flipt.segments": "s0,s1,s2,s3", "flipt.attachment": "[1]"}));
    assert_eq!(told(5), json!({"flipt.attachment": "[1]"}), "too many to be told");
}

#[test]
fn what_is_off_leaves_the_callers_default() {
    let flags = venus(&Mapping::default());
    let flag = find(&flags, "flag_variant_disabled");
    let (name, _, reason, _) = asked(&flag, &json!({"targetingKey": "user-9"}), Type::Any);
    assert_eq!((name, reason, flag.enabled()), (json!(null), Reason::Disabled, false));
}

#[test]
fn a_namespace_is_a_flag_set() {
    let flag = find(&venus(&Mapping::default()), "flag_boolean_default");
    assert_eq!(flag.flag_set(), Some("venus"));
    let metadata: Json = serde_json::from_str(flag.metadata().json()).expect("JSON");
    assert_eq!((&metadata["flipt.namespace"], &metadata["owner"]), (&json!("venus"), &json!("growth")));
    let mapping = Mapping { flag_set: Some("ours".to_owned()), ..Mapping::default() };
    assert_eq!(find(&venus(&mapping), "flag_boolean_default").flag_set(), Some("ours"));
}

/// Contexts of the types that the constraints are about: to Flipt everything is text, and `5` is `"5"`.
fn contexts() -> Vec<Json> {
    let mut contexts = Vec::new();
    for key in ["user-1", "user-2", "guest"] {
        for env in [None, Some("prod"), Some("dev"), Some("")] {
            for age in [None, Some(json!(10)), Some(json!(21)), Some(json!(30.5))] {
                for beta in [None, Some(json!(true)), Some(json!(false)), Some(json!("T"))] {
                    let mut context = json!({"targetingKey": key});
                    context.as_object_mut().expect("an object").extend(
                        [("env", env.map(Json::from)), ("age", age.clone()), ("beta", beta)]
                            .into_iter()
                            .filter_map(|(name, value)| Some((name.to_owned(), value?))),
                    );
                    contexts.push(context);
                }
            }
        }
    }
    contexts
}

/// The translation of a flag that is said to be exact.
fn exactly_translated(flag: &Flag) -> Option<Arc<Flag>> {
    let definition: Json = serde_json::from_str(flag.definition()).expect("JSON");
    let fidelity = &definition["metadata"]["translation"];
    if fidelity != "exact" {
        assert_eq!(fidelity, "approximate", "{definition}");
        return None;
    }
    let text = json!({"flags": {flag.key(): definition}}).to_string();
    let translated = Definition::parse(&text).expect("a definition");
    let compiled = engine::compile(&translated, &Arc::from("translated"), &Options::default(), None);
    assert!(compiled.problems.is_empty(), "{}: {:?}", flag.key(), compiled.problems);
    Some(find(compiled.layer.flags(), flag.key()))
}

#[test]
fn exact_translations_decide_the_same() {
    let mut exact = Vec::new();
    let flags = venus(&Mapping::default());
    for flag in &flags {
        let Some(translated) = exactly_translated(flag) else { continue };
        exact.push(flag.key());
        for context in contexts() {
            let (name, value, ..) = asked(flag, &context, Type::Any);
            let (other_name, other_value, ..) = asked(&translated, &context, Type::Any);
            assert_eq!((name, value), (other_name, other_value), "{} for {context}", flag.key());
        }
    }
    assert_eq!(
        exact,
        [
            "flag_variant_string_eq",
            "flag_variant_number_gt",
            "flag_variant_boolean_true",
            "flag_variant_entity_prefix",
            "flag_variant_any",
            "flag_variant_all",
            "flag_variant_disabled",
            "flag_boolean_default",
        ]
    );
}
