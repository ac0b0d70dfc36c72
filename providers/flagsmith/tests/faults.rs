//! What the vendor's Rust engine gets wrong and the server does not (contract 2.4): one test each, by number.

#![allow(clippy::expect_used, clippy::panic)]

use hoist_provider_flagsmith::rules::{Cause, Compiled, Feature, Finding, Identity, compile};
use serde_json::{Map, Value, json};

fn compiled(document: Value) -> Compiled {
    compile(serde_json::from_value(document).expect("a document"))
}

/// A document with the feature `f`, off, and on in a segment of one condition.
fn with_condition(operator: &str, property: &str, value: &Value) -> Compiled {
    let feature = json!({"id": 1, "name": "f", "type": "STANDARD"});
    let condition = json!({"operator": operator, "property_": property, "value": value});
    compiled(json!({
        "api_key": "env",
        "project": {"segments": [{
            "id": 7, "name": "s",
            "rules": [{"type": "ALL", "rules": [{"type": "ANY", "rules": [], "conditions": [condition]}], "conditions": []}],
            "feature_states": [{"feature": feature, "enabled": true, "django_id": 2, "feature_segment": {"priority": 0}}]
        }]},
        "feature_states": [{"feature": feature, "enabled": false, "django_id": 1}]
    }))
}

fn holds(operator: &str, property: &str, value: &str, traits: Value) -> bool {
    let compiled = with_condition(operator, property, &json!(value));
    let traits: Map<String, Value> = serde_json::from_value(traits).expect("an object");
    compiled.features[0].decide(Some(&Identity { identifier: "user", traits: &traits })).enabled()
}

/// A multivariate feature: options as (number, share, value).
fn multivariate(seed: i64, options: &[(i64, f64, &str)], more: Value) -> Feature {
    let options: Vec<Value> = options
        .iter()
        .map(|(id, share, value)| {
            json!({"id": id, "percentage_allocation": share,
                   "multivariate_feature_option": {"id": id, "key": value, "value": value}})
        })
        .collect();
    let mut document = json!({
        "api_key": "env",
        "project": {"segments": []},
        "feature_states": [{"feature": {"id": 1, "name": "f", "type": "MULTIVARIATE"}, "enabled": true,
                            "feature_state_value": "ctl", "django_id": seed,
                            "multivariate_feature_state_values": options}]
    });
    let fields = more.as_object().expect("an object").clone();
    document.as_object_mut().expect("an object").extend(fields);
    compiled(document).features.pop().expect("the feature")
}

fn variant<'f>(feature: &'f Feature, identifier: &str) -> Option<&'f str> {
    feature.decide(Some(&Identity { identifier, traits: &() })).variant()
}

/// An identity whose share of the state `seed` is what is wanted.
fn identity_with(seed: i64, wanted: impl Fn(f64) -> bool) -> String {
    let feature = multivariate(seed, &[], json!({}));
    let percentage = |identifier: &str| {
        let decision = feature.decide(Some(&Identity { identifier, traits: &() }));
        decision.split.expect("a split").percentage
    };
    (0..200_000).map(|n| format!("user-{n}")).find(|who| wanted(percentage(who))).expect("one of so many")
}

#[test]
fn fault_1_a_pattern_matches_from_the_start() {
    assert!(holds("REGEX", "email", "[a-z]+@ex", json!({"email": "bob@example.com"})));
    assert!(!holds("REGEX", "email", "xample", json!({"email": "bob@example.com"})));
    assert!(holds("REGEX", "email", "b|xample", json!({"email": "bob"})));
    assert!(
        !holds("REGEX", "email", "x|xample", json!({"email": "bob@example.com"})),
        "either side is anchored"
    );
    assert!(
        holds("REGEX", "email", "(?=.*@)bob", json!({"email": "bob@example.com"})),
        "look-around is known"
    );
    assert!(holds("REGEX", "beta", "True", json!({"beta": true})), "booleans print as Python prints them");
}

#[test]
fn fault_2_members_of_in_are_read_from_json_and_never_trimmed() {
    assert!(holds("IN", "region", "[\"uk\",\"de\"]", json!({"region": "de"})));
    assert!(!holds("IN", "region", "us, eu", json!({"region": "eu"})));
    assert!(holds("IN", "region", "us, eu", json!({"region": " eu"})));
    assert!(
        holds("IN", "region", "[broken,eu", json!({"region": "eu"})),
        "what is no JSON is split at commas"
    );
    assert!(holds("IN", "age", "18,30", json!({"age": 30})));
    assert!(!holds("IN", "beta", "True,1", json!({"beta": true})), "booleans are in no list");
    let listed = with_condition("IN", "region", &json!(["de", 5]));
    let traits = json!({"region": "5"}).as_object().expect("an object").clone();
    assert!(listed.features[0].decide(Some(&Identity { identifier: "u", traits: &traits })).enabled());
}

#[test]
fn fault_3_an_identity_override_keeps_its_multivariate_value() {
    let value = json!({"id": 9, "percentage_allocation": 100.0,
                       "multivariate_feature_option": {"id": 4, "key": "B", "value": "b"}});
    let state = json!({"feature": {"id": 1, "name": "f", "type": "MULTIVARIATE"}, "enabled": true,
                       "feature_state_value": "ctl", "django_id": 5, "multivariate_feature_state_values": [value]});
    let overrides = json!({"identity_overrides": [{"identifier": "vip", "identity_features": [state]}]});
    let feature = multivariate(1, &[(3, 0.0, "A")], overrides);
    let decision = feature.decide(Some(&Identity { identifier: "vip", traits: &() }));
    assert_eq!((decision.value(), decision.variant()), (&json!("b"), Some("B")));
    assert!(matches!(decision.cause, Cause::Identity));
    assert_eq!(variant(&feature, "other"), Some("control"));
}

#[test]
fn fault_4_a_share_ends_before_its_limit() {
    let exactly_half = 4999.0 / 9998.0 * 100.0;
    let who = identity_with(11, |percentage| percentage == exactly_half);
    assert_eq!(variant(&multivariate(11, &[(1, 50.0, "A")], json!({})), &who), Some("control"));
    assert_eq!(variant(&multivariate(11, &[(1, 50.0, "A"), (2, 50.0, "B")], json!({})), &who), Some("B"));
    // A segment's percentage, on the other hand, includes its limit.
    let segment = |percent: &str| {
        let compiled = with_condition("PERCENTAGE_SPLIT", "id", &json!(percent));
        move |id: &str| {
            let traits = json!({"id": id}).as_object().expect("an object").clone();
            compiled.features[0].decide(Some(&Identity { identifier: "u", traits: &traits })).enabled()
        }
    };
    let (at, below) = (segment("50"), segment("49.99999"));
    let edge = (0..200_000).map(|n| format!("t{n}")).find(|id| at(id) && !below(id));
    assert!(edge.is_some(), "an id at exactly 50 is in a split of 50");
}

#[test]
fn fault_5_a_hundred_is_hashed_again() {
    // "3,1627" hashes to exactly 100 and "3,1627,3,1627" to 6.9: control without the second look.
    let document = json!({
        "api_key": "env",
        "project": {"segments": [{
            "id": 3, "name": "s",
            "rules": [{"type": "ALL", "conditions": [{"operator": "PERCENTAGE_SPLIT", "property_": "id", "value": "7"}]}],
            "feature_states": [{"feature": {"id": 1, "name": "f"}, "enabled": true, "django_id": 2}]
        }]},
        "feature_states": [{"feature": {"id": 1, "name": "f"}, "enabled": false, "django_id": 1}]
    });
    let compiled = self::compiled(document);
    let traits = json!({"id": "1627"}).as_object().expect("an object").clone();
    assert!(compiled.features[0].decide(Some(&Identity { identifier: "u", traits: &traits })).enabled());
}

#[test]
fn fault_6_modulo_is_floored() {
    assert!(holds("MODULO", "n", "3|2", json!({"n": -4})));
    assert!(!holds("MODULO", "n", "3|-1", json!({"n": -4})));
    assert!(holds("MODULO", "n", "1.5|0.5", json!({"n": 2.0})));
    assert!(!holds("MODULO", "n", "0|0", json!({"n": 2})), "the server fails on a division by zero");
}

#[test]
fn fault_7_numbers_contain_nothing() {
    assert!(!holds("CONTAINS", "n", "2", json!({"n": 123})));
    assert!(!holds("NOT_CONTAINS", "n", "9", json!({"n": 123})));
    assert!(!holds("CONTAINS", "n", "2", json!({"n": "123"})), "text that looks like a number is one");
    assert!(holds("CONTAINS", "n", "2", json!({"n": "a123"})));
}

#[test]
fn fault_8_shares_are_laid_in_the_order_of_their_numbers() {
    let sorted = multivariate(11, &[(1, 50.0, "A"), (2, 50.0, "B")], json!({}));
    let unsorted = multivariate(11, &[(2, 50.0, "B"), (1, 50.0, "A")], json!({}));
    for n in 0..200 {
        let who = format!("user-{n}");
        assert_eq!(variant(&sorted, &who), variant(&unsorted, &who), "{who}");
    }
}

#[test]
fn shares_without_numbers_go_by_their_uuid() {
    let option = |uuid: &str, value: &str| {
        json!({"id": null, "mv_fs_value_uuid": uuid, "percentage_allocation": 50.0,
               "multivariate_feature_option": {"id": 1, "key": value, "value": value}})
    };
    let feature = |options: Value| {
        compiled(json!({
            "api_key": "env", "project": {},
            "feature_states": [{"feature": {"id": 1, "name": "f", "type": "MULTIVARIATE"}, "enabled": true,
                                "featurestate_uuid": "6f", "multivariate_feature_state_values": options}]
        }))
        .features
        .pop()
        .expect("the feature")
    };
    let (low, high) = ("00000000-0000-4000-8000-00000000000a", "b0000000-0000-4000-8000-000000000000");
    let (a, b) = (
        feature(json!([option(low, "A"), option(high, "B")])),
        feature(json!([option(high, "B"), option(low, "A")])),
    );
    let variants: Vec<_> = (0..50).map(|n| variant(&a, &n.to_string())).collect();
    assert_eq!(variants, (0..50).map(|n| variant(&b, &n.to_string())).collect::<Vec<_>>());
    assert!(variants.contains(&Some("A")) && variants.contains(&Some("B")));
}

#[test]
fn the_strongest_segment_wins_and_the_first_of_equals() {
    let state = |value: &str, priority: Value| {
        json!({"feature": {"id": 1, "name": "f"}, "enabled": true, "feature_state_value": value, "django_id": 2,
               "feature_segment": priority})
    };
    let everybody = json!([{"type": "ALL"}]);
    let segment = |id: i64, value: &str, priority: Value| json!({"id": id, "name": value, "rules": everybody, "feature_states": [state(value, priority)]});
    let value = |segments: Value| {
        let compiled = compiled(json!({
            "api_key": "env", "project": {"segments": segments}, "feature_states": [state("default", Value::Null)]
        }));
        compiled.features[0].decide(Some(&Identity { identifier: "u", traits: &() })).value().clone()
    };
    let at = |priority: i64| json!({"priority": priority});
    assert_eq!(value(json!([segment(1, "weak", at(5)), segment(2, "strong", at(1))])), "strong");
    assert_eq!(value(json!([segment(1, "first", at(1)), segment(2, "second", at(1))])), "first");
    assert_eq!(value(json!([segment(1, "none", Value::Null), segment(2, "some", at(99))])), "some");
    let empty = json!({"id": 1, "name": "x", "rules": [], "feature_states": [state("x", at(0))]});
    assert_eq!(value(json!([empty])), "default", "nobody is in a segment without rules");
}

#[test]
fn a_broken_part_breaks_its_feature_alone() {
    let compiled = compiled(json!({
        "api_key": "env",
        "project": {"segments": [{
            "id": 1, "name": "odd", "rules": [{"type": "SOME"}],
            "feature_states": [{"feature": {"id": 2, "name": "b"}, "enabled": true, "django_id": 3}]
        }]},
        "feature_states": [
            {"feature": {"id": 1, "name": "a"}, "enabled": "yes"},
            {"feature": {"id": 2, "name": "b"}, "enabled": true},
            {"feature": {"id": 3, "name": "c"}, "enabled": true}
        ]
    }));
    let served: Vec<&str> = compiled.features.iter().map(Feature::name).collect();
    assert_eq!(served, ["c"]);
    let about = |finding: &Finding| (finding.feature.as_deref().map(str::to_owned), finding.is_error);
    let found: Vec<_> = compiled.findings.iter().map(about).collect();
    assert_eq!(found, [(Some("b".to_owned()), true), (Some("a".to_owned()), true)]);
}

#[test]
fn what_can_never_match_is_said() {
    for (operator, value) in
        [("REGEX", "(unclosed"), ("MODULO", "x"), ("PERCENTAGE_SPLIT", "many"), ("BETWEEN", "1,2")]
    {
        let compiled = with_condition(operator, "p", &json!(value));
        assert_eq!(compiled.findings.len(), 1, "{operator}");
        assert!(!compiled.findings[0].is_error);
        assert!(compiled.findings[0].message.contains("never matches"), "{}", compiled.findings[0].message);
    }
}
