//! Contexts as rules see them, answers as the SDK sees them.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::sync::Arc;

use engine::{Definition, Options, Selector, Snapshot, compile};
use hoist_provider_local::FlagsView;
use kit::{Evaluate, Type};
use open_feature::{
    EvaluationContext, EvaluationContextFieldValue, EvaluationErrorCode, EvaluationReason, FlagMetadata,
    StructValue, Value,
};
use serde_json::json;
use time::macros::datetime;

fn view(flags: &serde_json::Value) -> FlagsView {
    let document = json!({ "flags": flags, "metadata": {"team": "shop", "tier": 1} }).to_string();
    let definition = Definition::parse(&document).unwrap();
    let compiled = compile(&definition, &Arc::from("flags.json"), &Options::default(), None);
    assert!(compiled.problems.is_empty(), "{:?}", compiled.problems);
    FlagsView::new(Arc::new(Snapshot::fold([&compiled.layer], 1)))
}

fn targeted(rule: &serde_json::Value) -> FlagsView {
    view(&json!({"f": {
        "state": "ENABLED", "variants": {"yes": true, "no": false}, "defaultVariant": "no",
        "targeting": {"if": [rule, "yes", null]},
    }}))
}

#[test]
fn rules_see_every_kind_of_attribute() {
    let inner = StructValue::default().with_field("ids", vec![1, 2]).with_field("plan", "pro");
    let context = EvaluationContext::default()
        .with_targeting_key("ann")
        .with_custom_field("beta", true)
        .with_custom_field("age", 41)
        .with_custom_field("score", 0.5)
        .with_custom_field("mail", "ann@example.com")
        .with_custom_field("since", datetime!(2024-02-29 12:30 +2))
        .with_custom_field("account", EvaluationContextFieldValue::new_struct(inner.clone()))
        .with_custom_field("list", EvaluationContextFieldValue::new_struct(Value::from(vec!["a", "b"])))
        .with_custom_field("json", EvaluationContextFieldValue::new_struct(json!({"a": [{"b": 7}]})))
        .with_custom_field(
            "map",
            EvaluationContextFieldValue::new_struct(HashMap::from([(
                "account".to_owned(),
                Value::from(inner),
            )])),
        );
    for rule in [
        json!({"===": [{"var": "targetingKey"}, "ann"]}),
        json!({"===": [{"var": "beta"}, true]}),
        json!({"===": [{"var": "age"}, 41]}),
        json!({"===": [{"var": "score"}, 0.5]}),
        json!({"ends_with": [{"var": "mail"}, "@example.com"]}),
        json!({"===": [{"var": "since"}, "2024-02-29T10:30:00Z"]}),
        json!({"===": [{"var": "account.plan"}, "pro"]}),
        json!({"===": [{"var": "account.ids.1"}, 2]}),
        json!({"in": ["b", {"var": "list"}]}),
        json!({"===": [{"var": "json.a.0.b"}, 7]}),
        json!({"===": [{"var": "map.account.ids.0"}, 1]}),
        json!({"===": [{"var": "$flagd.flagKey"}, "f"]}),
        json!({">": [{"var": "$flagd.timestamp"}, 1_700_000_000]}),
    ] {
        let details = targeted(&rule).details("f", false, &context);
        assert!(details.value, "{rule}: {details:?}");
        assert_eq!(details.reason, EvaluationReason::TargetingMatch);
        let nobody = EvaluationContext::default();
        let absent = targeted(&rule).details("f", true, &nobody);
        assert_eq!(absent.value, rule.to_string().contains("$flagd"), "{rule}: {absent:?}");
    }
}

#[test]
fn the_targeting_key_wins_over_a_field_of_its_name() {
    let view = targeted(&json!({"===": [{"var": "targetingKey"}, "ann"]}));
    let field = EvaluationContext::default().with_custom_field("targetingKey", "ann");
    assert!(view.bool("f", false, &field));
    assert!(!view.bool("f", true, &field.with_targeting_key("bob")));
}

#[test]
fn attributes_are_found_wherever_they_are_looked_up() {
    let view = targeted(
        &json!({"and": [{"var": "beta"}, {"<": [{"var": "age"}, 42]}, {"ends_with": [{"var": "mail"}, "com"]},
        {"===": [{"var": "targetingKey"}, "ann"]}, {"!": {"var": "absent"}}]}),
    );
    let scalars = EvaluationContext::default()
        .with_targeting_key("ann")
        .with_custom_field("targetingKey", "bob")
        .with_custom_field("beta", true)
        .with_custom_field("age", 41)
        .with_custom_field("score", 0.5)
        .with_custom_field("mail", "ann@example.com");
    let json = EvaluationContextFieldValue::new_struct(json!([]));
    assert!(view.bool("f", false, &scalars), "in the SDK's map");
    assert!(view.bool("f", false, &scalars.clone().with_custom_field("list", json)), "laid out");
    let over = json!({"beta": false}).as_object().unwrap().clone();
    assert!(!view.laid_over(Arc::new(over)).bool("f", true, &scalars), "under the operator's own");
}

#[test]
fn what_cannot_be_read_is_named_where_it_matters() {
    struct Opaque;
    let context =
        EvaluationContext::default().with_custom_field("o", EvaluationContextFieldValue::new_struct(Opaque));
    let error = targeted(&json!({"var": "x"})).get::<bool>("f", &context).unwrap_err();
    assert_eq!(error.code, EvaluationErrorCode::InvalidContext);
    assert!(error.message.unwrap().contains("attribute `o`"));
    let fixed = view(&json!({"f": {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on"}}));
    assert_eq!(fixed.get("f", &context), Ok(true), "a static flag looks at no context");
}

#[test]
fn answers_carry_all_that_the_flag_says() {
    let view = view(&json!({
        "object": {"state": "ENABLED", "variants": {"v": {"a": [1, {"b": null, "c": 1.5}]}}, "defaultVariant": "v",
            "metadata": {"tier": 2}},
        "number": {"state": "ENABLED", "variants": {"v": -3.7}, "defaultVariant": "v"},
        "big": {"state": "ENABLED", "variants": {"v": 9_007_199_254_740_993_i64}, "defaultVariant": "v"},
        "whole": {"state": "ENABLED", "variants": {"v": 640}, "defaultVariant": "v"},
        "off": {"state": "DISABLED", "variants": {"v": true}, "defaultVariant": "v"},
        "none": {"state": "ENABLED", "variants": {"v": true}},
    }));
    let nobody = EvaluationContext::default();
    let details = view.details("object", StructValue::default(), &nobody);
    let inner = StructValue::default().with_field("c", 1.5);
    let list = Value::Array(vec![Value::Int(1), inner.into()]);
    assert_eq!(details.value, StructValue::default().with_field("a", list));
    assert_eq!((details.variant.as_deref(), details.reason), (Some("v"), EvaluationReason::Static));
    assert_eq!(details.metadata, FlagMetadata::default().with_value("team", "shop").with_value("tier", 2));
    let decoded: serde_json::Value = view.decode("object", &nobody).unwrap();
    assert_eq!(decoded, json!({"a": [1, {"b": null, "c": 1.5}]}));

    assert_eq!((view.int("number", 0, &nobody), view.float("number", 0.0, &nobody)), (-3, -3.7));
    assert_eq!((view.int("whole", 0, &nobody), view.float("whole", 0.0, &nobody)), (640, 640.0));
    let inexact = view.get::<i64>("big", &nobody).unwrap_err();
    assert_eq!(inexact.code, EvaluationErrorCode::TypeMismatch, "the engine keeps doubles, as flagd does");

    for (key, reason) in [("off", EvaluationReason::Disabled), ("none", EvaluationReason::Default)] {
        let details = view.details(key, true, &nobody);
        assert_eq!((details.value, details.reason.clone(), details.error), (true, reason.clone(), None));
        let error = view.get::<bool>(key, &nobody).unwrap_err();
        assert_eq!(kit::error::default_reason(&error), Some(reason));
    }
    assert_eq!(view.get::<bool>("absent", &nobody).unwrap_err().code, EvaluationErrorCode::FlagNotFound);
    assert_eq!(view.get::<bool>("number", &nobody).unwrap_err().code, EvaluationErrorCode::TypeMismatch);
}

#[test]
fn the_operators_attributes_lie_on_top_and_selectors_select() {
    let view = targeted(&json!({"===": [{"var": "site"}, "eu"]}));
    let context = EvaluationContext::default().with_custom_field("site", "us");
    assert!(!view.bool("f", true, &context));
    let over = json!({"site": "eu"}).as_object().unwrap().clone();
    assert!(view.clone().laid_over(Arc::new(over)).bool("f", false, &context));
    assert!(view.clone().selecting(&Selector::Source("flags.json")).find("f").is_some());
    assert!(view.selecting(&Selector::Source("other.json")).find("f").is_none());
}

#[test]
fn whoever_asks_while_being_answered_is_answered() {
    let view = targeted(&json!({"var": "beta"}));
    let context = EvaluationContext::default().with_custom_field("beta", true);
    let both = view.evaluate("f", Type::Bool, &context, |_| view.bool("f", false, &context));
    assert_eq!(both, Ok(true));
}
