//! Every operator of every type, as the server compares (contract 1.2, "Constraints").

#![allow(clippy::expect_used, clippy::panic)]

use hoist_provider_flipt::rules::{Body, Question, compile, read, switch};
use serde_json::{Map, Value, json};

/// Whether somebody with `value` (`null`: without it) is in a segment of this one constraint.
fn holds(kind: &str, operator: &str, right: &Value, value: &Value) -> bool {
    let constraint = json!({"type": format!("{kind}_CONSTRAINT_COMPARISON_TYPE"), "property": "p", "operator": operator, "value": right});
    let snapshot = json!({"flags": [{"key": "f", "type": "BOOLEAN_FLAG_TYPE", "enabled": false, "rollouts": [
        {"rank": 1, "segment": {"value": true, "segments": [{"key": "s", "constraints": [constraint]}]}}]}]});
    let compiled = compile(read(serde_json::from_value(snapshot).expect("a snapshot")));
    let flag = &compiled.flags[0];
    let mut attributes = Map::new();
    let mut entity = "";
    match value {
        Value::Null => {}
        value if kind == "ENTITY_ID" => entity = value.as_str().expect("text"),
        value => drop(attributes.insert("p".to_owned(), value.clone())),
    }
    let Body::Boolean(rollouts) = flag.body() else { panic!("a boolean flag") };
    switch(flag, rollouts, &Question { entity, attributes: &attributes }).enabled
}

fn check(kind: &str, rows: &[(&str, &str, Value, bool)]) {
    for (operator, right, value, expected) in rows {
        assert_eq!(
            holds(kind, operator, &json!(right), value),
            *expected,
            "{kind} {value} {operator} {right:?}"
        );
    }
}

#[test]
fn text() {
    let rows = [
        ("eq", "foo", json!("foo"), true),
        ("eq", "foo", json!("foo "), false),
        ("eq", "Foo", json!("foo"), false),
        ("eq", "", json!(""), false),
        ("eq", "", Value::Null, false),
        ("neq", "foo", json!("bar"), true),
        ("neq", "foo", json!("foo"), false),
        ("neq", "foo", json!(""), false),
        ("neq", "foo", Value::Null, false),
        ("empty", "", json!(" \t\n"), true),
        ("empty", "", Value::Null, true),
        ("empty", "", json!("x"), false),
        ("notempty", "", json!("x"), true),
        ("notempty", "", json!("  "), false),
        ("notempty", "", Value::Null, false),
        ("prefix", "fo", json!("  foo"), true),
        ("prefix", " fo", json!(" foo"), false),
        ("suffix", "oo", json!("foo \n"), true),
        ("suffix", "oo", json!("food"), false),
        ("contains", "o", json!("foo"), true),
        ("contains", "z", json!("foo"), false),
        ("notcontains", "z", json!("foo"), true),
        ("notcontains", "o", json!("foo"), false),
        ("notcontains", "z", Value::Null, false),
        ("isoneof", "[\"foo\", \"bar\"]", json!("bar"), true),
        ("isoneof", "[\"foo\", \"bar\"]", json!("baz"), false),
        ("isoneof", "[\"f\\u006fo\"]", json!("foo"), true),
        ("isoneof", "foo", json!("foo"), false),
        ("isoneof", "[1]", json!("1"), false),
        ("isnotoneof", "[\"foo\"]", json!("baz"), true),
        ("isnotoneof", "[\"foo\"]", json!("foo"), false),
        ("isnotoneof", "[\"foo\"]", Value::Null, false),
        ("isnotoneof", "oops", json!("foo"), false),
        ("isoneof", " [\"foo\"] ", json!("foo"), true),
        ("isoneof", "null", json!("null"), false),
        ("isnotoneof", "null", json!("foo"), true),
        ("isnotoneof", "[null]", json!("null"), true),
        ("like", "foo", json!("foo"), false),
    ];
    check("STRING", &rows);
    check("ENTITY_ID", &rows);
    check(
        "STRING",
        &[
            ("eq", "30", json!(30), true),
            ("eq", "31.5", json!(31.5), true),
            ("eq", "true", json!(true), true),
        ],
    );
    check("STRING", &[("eq", "[1,{\"a\":null}]", json!([1, {"a": null}]), true)]);
}

#[test]
fn numbers() {
    check(
        "NUMBER",
        &[
            ("eq", "30", json!("30"), true),
            ("eq", "30", json!("30.0"), true),
            ("eq", "30.5", json!("30.5"), true),
            ("eq", "30", json!(30), true),
            ("eq", "3e1", json!("0x1ep0"), true),
            ("eq", "30", json!(" 30"), false),
            ("eq", "30", json!("thirty"), false),
            ("eq", "thirty", json!("30"), false),
            ("eq", "0", json!(""), false),
            ("eq", "0", Value::Null, false),
            ("neq", "30", json!("31"), true),
            ("neq", "30", json!("30"), false),
            ("neq", "30", json!("x"), false),
            ("neq", "30", Value::Null, false),
            ("lt", "10", json!("-1.5"), true),
            ("lt", "10", json!("10"), false),
            ("lte", "10", json!("10"), true),
            ("gt", "10", json!("11"), true),
            ("gt", "10", json!("10"), false),
            ("gte", "10", json!(10.0), true),
            ("gte", "10", json!(9.99), false),
            ("present", "", json!("x"), true),
            ("present", "", json!(" "), false),
            ("notpresent", "", Value::Null, true),
            ("notpresent", "", json!(0), false),
            ("isoneof", "[3, 3.5, 4]", json!("3.50"), true),
            ("isoneof", "[3]", json!(3), true),
            ("isoneof", "[\"3\"]", json!("3"), false),
            ("isnotoneof", "[3]", json!("4"), true),
            ("isnotoneof", "[3]", json!("x"), false),
            ("isnotoneof", "oops", json!("4"), false),
            ("isoneof", "[null]", json!("-0"), true),
            ("isnotoneof", "null", json!("4"), true),
            ("isnotoneof", "[1e400]", json!("4"), false),
            ("prefix", "3", json!("30"), false),
        ],
    );
}

#[test]
fn booleans() {
    check(
        "BOOLEAN",
        &[
            ("true", "", json!("true"), true),
            ("true", "", json!(true), true),
            ("true", "", json!("T"), true),
            ("true", "", json!("1"), true),
            ("true", "", json!(1), true),
            ("true", "", json!("tRUE"), false),
            ("true", "", json!("yes"), false),
            ("true", "", json!("false"), false),
            ("true", "", Value::Null, false),
            ("false", "", json!("F"), true),
            ("false", "", json!(0), true),
            ("false", "", json!("no"), false),
            ("false", "", Value::Null, false),
            ("present", "", json!(false), true),
            ("notpresent", "", json!(false), false),
            ("notpresent", "", Value::Null, true),
            ("eq", "true", json!("true"), false),
        ],
    );
}

#[test]
fn points_in_time() {
    check(
        "DATETIME",
        &[
            ("eq", "2006-01-02T15:04:05Z", json!("2006-01-02T16:04:05+01:00"), true),
            ("eq", "2006-01-02", json!("2006-01-02T00:00:00Z"), true),
            ("eq", "2006-01-02", json!("2006-01-02T00:00:00.000000001Z"), false),
            ("neq", "2006-01-02", json!("2006-01-03"), true),
            ("neq", "2006-01-02", json!("soon"), false),
            ("neq", "soon", json!("2006-01-02"), false),
            ("lt", "2006-01-02", json!("2006-01-01T23:59:59.9Z"), true),
            ("lte", "2006-01-02", json!("2006-01-02"), true),
            ("gt", "2006-01-02", json!("2006-01-02T00:00:00.1Z"), true),
            ("gt", "2006-01-02", json!("2006-01-02"), false),
            ("gte", "2006-01-02", json!("2006-01-02"), true),
            ("gte", "2006-01-02", Value::Null, false),
            ("present", "", json!("x"), true),
            ("notpresent", "", json!(" "), true),
            ("isoneof", "[]", json!("2006-01-02"), false),
        ],
    );
}

#[test]
fn any_and_all() {
    let constraint = |value: &str| json!({"type": "STRING_CONSTRAINT_COMPARISON_TYPE", "property": value, "operator": "eq", "value": value});
    let segment = |key: &str, how: &str, values: &[&str]| {
        json!({"key": key, "matchType": format!("{how}_SEGMENT_MATCH_TYPE"),
               "constraints": values.iter().map(|value| constraint(value)).collect::<Vec<_>>()})
    };
    let on = |operator: &str, segments: Value, have: &[&str]| {
        let snapshot = json!({"flags": [{"key": "f", "type": "BOOLEAN_FLAG_TYPE", "enabled": false, "rollouts": [
            {"rank": 1, "segment": {"value": true, "segmentOperator": format!("{operator}_SEGMENT_OPERATOR"), "segments": segments}}]}]});
        let compiled = compile(read(serde_json::from_value(snapshot).expect("a snapshot")));
        let attributes: Map<String, Value> = have.iter().map(|key| ((*key).to_owned(), json!(key))).collect();
        let Body::Boolean(rollouts) = compiled.flags[0].body() else { panic!("a boolean flag") };
        switch(&compiled.flags[0], rollouts, &Question { entity: "", attributes: &attributes }).enabled
    };
    let all = segment("all", "ALL", &["a", "b"]);
    let any = segment("any", "ANY", &["c", "d"]);
    assert!(on("OR", json!([all]), &["a", "b"]) && !on("OR", json!([all]), &["a"]));
    assert!(on("OR", json!([any]), &["d"]) && !on("OR", json!([any]), &["a"]));
    assert!(on("OR", json!([all, any]), &["c"]) && !on("AND", json!([all, any]), &["c"]));
    assert!(on("AND", json!([all, any]), &["a", "b", "c"]));
    for how in ["ALL", "ANY"] {
        assert!(
            on("OR", json!([segment("empty", how, &[])]), &[]),
            "everybody is in a segment without constraints"
        );
    }
    assert!(on("AND", json!([]), &[]) && !on("OR", json!([]), &[]));
    assert!(on("AND", json!([all, all]), &["a", "b"]) && !on("AND", json!([all, all]), &["a"]));
}
