//! The cases of the vendor's public client harness, over flags of our own that reproduce them; entities and buckets are
//! the harness's.

#![allow(clippy::expect_used, clippy::panic)]

use hoist_provider_flipt::features::{self, Document};
use hoist_provider_flipt::rules::{Body, Cause, Compiled, Flag, Question, compile, switch};
use serde_json::{Map, Value, json};
use store::Format;

fn venus() -> Compiled {
    let text = include_bytes!("venus.features.yaml");
    let json = store::json_text(text, Format::Yaml, 1 << 20).expect("YAML");
    let document: Document = serde_json::from_str(&json).expect("features");
    let mut namespaces = features::read(vec![document]);
    let (key, flags) = namespaces.pop().expect("a namespace");
    assert_eq!((key.as_str(), namespaces.len()), ("venus", 0));
    let compiled = compile(flags);
    assert_eq!(compiled.findings, []);
    compiled
}

fn flag<'f>(compiled: &'f Compiled, key: &str) -> &'f Flag {
    compiled.flags.iter().find(|flag| flag.key() == key).expect("the flag")
}

/// Match, segments, reason and variant of a variant flag; enabled, segments and reason of a boolean one.
fn evaluated(flag: &Flag, question: &Question<'_>) -> Value {
    let told = |cause: Cause<'_>| match cause {
        Cause::Default => (false, vec![], "DEFAULT"),
        Cause::Unknown => (false, vec![], "UNKNOWN"),
        Cause::Disabled => (false, vec![], "FLAG_DISABLED"),
        Cause::Segments(segments, _) => {
            (true, segments.matching(question).map(str::to_owned).collect(), "MATCH")
        }
        Cause::Share(_) => (true, vec![], "MATCH"),
    };
    match flag.body() {
        Body::Variant(variants) => {
            let chosen = variants.choose(flag, question);
            let (matched, segments, reason) = told(chosen.cause);
            json!([matched, segments, reason, chosen.variant.map(|variant| variant.key())])
        }
        Body::Boolean(rollouts) => {
            let switched = switch(flag, rollouts, question);
            let (_, segments, reason) = told(switched.cause);
            json!([switched.enabled, segments, reason])
        }
    }
}

#[test]
fn harness() {
    let venus = venus();
    for (key, entity, context, expected) in [
        (
            "flag_variant_string_eq",
            "user-1",
            json!({"env": "prod"}),
            json!([true, ["seg_string_eq"], "MATCH", "on"]),
        ),
        ("flag_variant_string_eq", "user-2", json!({"env": "dev"}), json!([false, [], "DEFAULT", "off"])),
        (
            "flag_variant_number_gt",
            "user-3",
            json!({"age": "30"}),
            json!([true, ["seg_number_gt"], "MATCH", "high"]),
        ),
        (
            "flag_variant_number_gt",
            "user-3",
            json!({"age": 30}),
            json!([true, ["seg_number_gt"], "MATCH", "high"]),
        ),
        (
            "flag_variant_boolean_true",
            "user-4",
            json!({"beta": "true"}),
            json!([true, ["seg_boolean_true"], "MATCH", "enabled"]),
        ),
        (
            "flag_variant_datetime_gt",
            "user-5",
            json!({"ts": "2025-01-02T00:00:00Z"}),
            json!([true, ["seg_datetime_gt"], "MATCH", "future"]),
        ),
        (
            "flag_variant_entity_prefix",
            "user-123",
            json!({}),
            json!([true, ["seg_entity_prefix"], "MATCH", "match"]),
        ),
        (
            "flag_variant_any",
            "user-6",
            json!({"env": "prod", "age": "10"}),
            json!([true, ["seg_any_match"], "MATCH", "match"]),
        ),
        (
            "flag_variant_all",
            "user-7",
            json!({"env": "prod", "age": "30"}),
            json!([true, ["seg_all_match"], "MATCH", "match"]),
        ),
        (
            "flag_variant_all",
            "user-8",
            json!({"env": "prod", "age": "10"}),
            json!([false, [], "DEFAULT", "nomatch"]),
        ),
        ("flag_variant_disabled", "user-9", json!({}), json!([false, [], "FLAG_DISABLED", null])),
        (
            "flag_boolean_segment",
            "user-10",
            json!({"env": "prod"}),
            json!([true, ["seg_string_eq"], "MATCH"]),
        ),
        ("flag_boolean_segment", "user-11", json!({"env": "dev"}), json!([true, [], "MATCH"])),
        ("flag_boolean_segment", "user-14", json!({"env": "dev"}), json!([false, [], "DEFAULT"])),
        ("flag_boolean_default", "user-12", json!({}), json!([true, [], "DEFAULT"])),
        (
            "flag_variant_string_eq",
            "user-13",
            json!({"env": "prod"}),
            json!([true, ["seg_string_eq"], "MATCH", "on"]),
        ),
        (
            "flag_boolean_segment",
            "user-14",
            json!({"env": "prod"}),
            json!([true, ["seg_string_eq"], "MATCH"]),
        ),
        (
            "flag_cumulative_rounding",
            "user-100",
            json!({"target": "yes"}),
            json!([true, ["seg_cumulative"], "MATCH", "variant3"]),
        ),
        (
            "flag_cumulative_rounding",
            "user-500",
            json!({"target": "yes"}),
            json!([true, ["seg_cumulative"], "MATCH", "variant1"]),
        ),
        (
            "flag_cumulative_rounding",
            "user-994",
            json!({"target": "yes"}),
            json!([true, ["seg_cumulative"], "MATCH", "variant2"]),
        ),
        (
            "flag_boolean_segment",
            "user-20",
            json!({"env": "prod"}),
            json!([true, ["seg_string_eq"], "MATCH"]),
        ),
        (
            "flag_no_distribution",
            "e13e0294-fef5-47d9-8fc5-3acc8bff8321",
            json!({"target": "yes"}),
            json!([true, ["seg_no_dist"], "MATCH", "variant1"]),
        ),
        (
            "flag_no_distribution",
            "7dcb6f47-234c-47cb-8179-4ad9c6dc9f5b",
            json!({"target": "yes"}),
            json!([true, ["seg_no_dist"], "MATCH", "variant1"]),
        ),
        (
            "flag_no_distribution",
            "d278c4a2-fe9c-4ebe-b2df-57e343eada7e",
            json!({"target": "yes"}),
            json!([true, ["seg_no_dist"], "MATCH", "variant2"]),
        ),
        (
            "flag_no_distribution",
            "e13e0294-fef5-47d9-8fc5-3acc8bff832",
            json!({"target": "yes"}),
            json!([true, ["seg_no_dist"], "MATCH", "variant2"]),
        ),
    ] {
        let attributes: &Map<String, Value> = context.as_object().expect("an object");
        let got = evaluated(flag(&venus, key), &Question { entity, attributes });
        assert_eq!(got, expected, "{key} for {entity} with {context}");
    }
    assert!(venus.flags.iter().all(|flag| flag.key() != "flag_missing"));
}

#[test]
fn a_rule_that_matches_without_shares_keeps_the_default() {
    let rule = json!({"id": "r", "rank": 1, "segments": [{"key": "all"}], "distributions": [{"variantKey": "b", "rollout": 0}]});
    for (default, variant) in [(json!({"key": "a"}), json!("a")), (Value::Null, Value::Null)] {
        let snapshot =
            json!({"flags": [{"key": "f", "enabled": true, "defaultVariant": default, "rules": [rule]}]});
        let compiled = compiled(snapshot);
        let question = Question { entity: "u", attributes: &() };
        assert_eq!(evaluated(&compiled.flags[0], &question), json!([true, ["all"], "MATCH", variant]));
    }
}

fn compiled(snapshot: Value) -> Compiled {
    compile(hoist_provider_flipt::rules::read(serde_json::from_value(snapshot).expect("a snapshot")))
}

/// Contract 1.2, "Worked examples".
#[test]
fn worked_examples() {
    let everybody = json!([{"key": "all", "matchType": "ALL_SEGMENT_MATCH_TYPE", "constraints": []}]);
    let shares = |shares: &[(&str, f64)]| -> Value {
        let of = |(key, rollout): &(&str, f64)| json!({"variantKey": key, "rollout": rollout});
        json!({"flags": [{"key": "foo", "enabled": true, "type": "VARIANT_FLAG_TYPE", "rules": [{
            "id": "1", "rank": 1, "segmentOperator": "OR_SEGMENT_OPERATOR", "segments": everybody,
            "distributions": shares.iter().map(of).collect::<Vec<_>>()}]}]})
    };
    let halves = compiled(shares(&[("variant1", 50.0), ("variant2", 50.0)]));
    let thirds = compiled(shares(&[("variant1", 33.33), ("variant2", 33.33), ("variant3", 33.34)]));
    for (flags, entity, variant) in [
        (&halves, "1", "variant1"),
        (&halves, "2", "variant2"),
        (&halves, "10", "variant1"),
        (&halves, "01", "variant2"),
        // The vendor's own client engine rounds the bound to 667 and says variant2.
        (&thirds, "user-169", "variant3"),
    ] {
        let got = evaluated(&flags.flags[0], &Question { entity, attributes: &() });
        assert_eq!(got, json!([true, ["all"], "MATCH", variant]), "{entity}");
    }
    let threshold = |percentage: f64, value: bool| {
        compiled(json!({"flags": [{"key": "test-flag", "enabled": true, "type": "BOOLEAN_FLAG_TYPE",
            "rollouts": [{"rank": 1, "threshold": {"percentage": percentage, "value": value}}]}]}))
    };
    let question = Question { entity: "test-entity", attributes: &() };
    assert_eq!(evaluated(&threshold(5.0, false).flags[0], &question), json!([true, [], "DEFAULT"]));
    assert_eq!(evaluated(&threshold(70.0, false).flags[0], &question), json!([false, [], "MATCH"]));
    assert_eq!(
        evaluated(&threshold(65.0, false).flags[0], &question),
        json!([true, [], "DEFAULT"]),
        "65 is not below 65"
    );
}

/// Contract 1.2, "v1 snapshot defect".
#[test]
fn rules_that_a_first_version_repeats_count_once() {
    let rule = |id: &str, rank: i64| {
        let share =
            |variant: &str, rollout: f64| json!({"ruleId": id, "variantKey": variant, "rollout": rollout});
        let shares = [share("a", 30.0), share("b", 70.0)];
        let doubled = [shares.as_slice(), shares.as_slice()].concat();
        json!({"id": id, "rank": rank, "segmentOperator": "AND_SEGMENT_OPERATOR", "segments": [{"key": "x"}, {"key": "y"}],
               "distributions": doubled})
    };
    let repeated = json!({"flags": [{"key": "f", "enabled": true, "rules": [rule("r", 1), rule("r", 1)]}]});
    let compiled = compiled(repeated);
    let Body::Variant(variants) = compiled.flags[0].body() else { panic!("a variant flag") };
    assert_eq!(variants.rules().len(), 1);
    let bounds: Vec<u32> = variants.rules()[0].buckets().iter().map(|(bound, _)| *bound).collect();
    assert_eq!(bounds, [300, 1000], "not [150, 500, 650, 1000]");
}

#[test]
fn a_broken_flag_breaks_alone() {
    let compiled = compiled(json!({"flags": [
        {"key": "odd", "type": "SOMETHING_ELSE"},
        {"key": "unordered", "enabled": true, "rules": [{"rank": 2}, {"rank": 1}]},
        {"key": "good", "enabled": true, "type": "BOOLEAN_FLAG_TYPE"},
        {"key": "good", "enabled": false, "type": "BOOLEAN_FLAG_TYPE"},
        {"key": "unknown", "enabled": true, "type": "BOOLEAN_FLAG_TYPE", "rollouts": [{"segment": {"value": true,
            "segments": [{"key": "s", "constraints": [{"type": "UNKNOWN_CONSTRAINT_COMPARISON_TYPE", "operator": "eq"}]}]}}]}
    ]}));
    let keys: Vec<&str> = compiled.flags.iter().map(Flag::key).collect();
    assert_eq!(keys, ["good", "unknown"]);
    let told: Vec<_> =
        compiled.findings.iter().map(|found| (found.flag.as_deref().unwrap_or(""), found.is_error)).collect();
    assert_eq!(told, [("odd", true), ("unordered", true), ("good", false), ("unknown", false)]);
    assert!(!compiled.flags[0].enabled(), "the last counts");
    let nobody = evaluated(&compiled.flags[1], &Question { entity: "u", attributes: &() });
    assert_eq!(nobody, json!([true, [], "DEFAULT"]));
}
