//! A namespace with a flag for every comparison and of every shape, and people who differ in all that the flags look at.

use serde_json::{Map, Value, json};

/// How many people there are.
pub(crate) const CONTEXTS: usize = 1_000;

/// Comparisons: type, operators, what they compare with, and what contexts have.
type Family = (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

const FAMILIES: [Family; 5] = [
    (
        "STRING",
        &["eq", "neq", "empty", "notempty", "prefix", "suffix", "contains", "notcontains"],
        TEXTS,
        TEXTS,
    ),
    (
        "ENTITY_ID",
        &["eq", "neq", "empty", "notempty", "prefix", "suffix", "contains", "notcontains"],
        TEXTS,
        TEXTS,
    ),
    (
        "NUMBER",
        &["eq", "neq", "present", "notpresent", "lt", "lte", "gt", "gte"],
        &["30", "-1.5", "1e3", "0x1p4"],
        NUMBERS,
    ),
    ("BOOLEAN", &["true", "false", "present", "notpresent"], &[""], TRUTHS),
    (
        "DATETIME",
        &["eq", "neq", "present", "notpresent", "lt", "lte", "gt", "gte"],
        &["2024-01-01", "2024-01-01T01:00:00.5+01:00"],
        DATES,
    ),
];
const TEXTS: &[&str] =
    &["foo", "Foo", "foo ", "\u{a0}foo", "foobar", "o", "", " ", "日本", "é", "e\u{301}", "a\"b", "null"];
const NUMBERS: &[&str] = &[
    "30",
    "30.5",
    "-1.5",
    "1e3",
    "1000",
    " 30",
    "30 ",
    "+30",
    "0x10",
    "0x1p4",
    "16",
    "inf",
    "-Infinity",
    "NaN",
    "1_000",
    "1e999",
    "",
    " ",
    "３０",
];
const TRUTHS: &[&str] = &["1", "t", "TRUE", "True", "tRUE", "0", "f", "False", "yes", "", " true"];
const DATES: &[&str] = &[
    "2024-01-01",
    "2024-01-01T00:00:00Z",
    "2024-01-01T00:00:00.5Z",
    "2024-01-01T00:00:00,5Z",
    "2024-01-01T01:00:00+01:00",
    "2023-12-31T24:00:00Z",
    "2024-02-30",
    "2024-1-1",
    "2024-01-01 ",
    "2024-01-01T5:00:00Z",
    "soon",
    "",
    "2025-06-01T00:00:00Z",
];

/// A namespace with a flag for every comparison, and flags of every shape.
pub(crate) fn features() -> Value {
    let mut segments = vec![json!({"key": "everybody", "name": "e", "match_type": "ANY_MATCH_TYPE"})];
    let mut flags = vec![json!({"key": "switch", "name": "s", "type": "BOOLEAN_FLAG_TYPE", "enabled": true})];
    let mut compared = |kind: &str, operator: &str, at: usize, value: Value| {
        let key = format!("{kind}-{operator}-{at}");
        let constraint = json!({"type": format!("{kind}_COMPARISON_TYPE"), "property": kind, "operator": operator, "value": value});
        segments.push(
            json!({"key": key, "name": key, "match_type": "ALL_MATCH_TYPE", "constraints": [constraint]}),
        );
        flags.push(json!({"key": key, "name": key, "type": "BOOLEAN_FLAG_TYPE", "enabled": false,
            "rollouts": [{"segment": {"key": key, "value": true}}]}));
    };
    for (kind, operators, values, _) in FAMILIES {
        for operator in operators {
            for (at, value) in values.iter().enumerate() {
                compared(kind, operator, at, json!(value));
            }
        }
    }
    for operator in ["isoneof", "isnotoneof"] {
        compared("STRING", operator, 0, json!(["foo", "日本", " "]));
        compared("ENTITY_ID", operator, 0, json!([]));
        compared("NUMBER", operator, 0, json!([30, 16.0, -1.5]));
    }
    let mut combined = |key: &str, how: &str, operators: [(&str, &str, &str); 2]| {
        let constraints = operators.map(|(kind, operator, value)| json!({"type": format!("{kind}_COMPARISON_TYPE"), "property": kind, "operator": operator, "value": value}));
        segments.push(json!({"key": key, "name": key, "match_type": how, "constraints": constraints}));
    };
    combined("any", "ANY_MATCH_TYPE", [("STRING", "contains", "o"), ("NUMBER", "gt", "30")]);
    combined("all", "ALL_MATCH_TYPE", [("BOOLEAN", "present", ""), ("DATETIME", "gte", "2024-01-01")]);
    flags.extend(shapes());
    json!({"version": "1.6", "namespace": "shop", "segments": segments, "flags": flags})
}

/// Shares, thresholds, several rules and segments, default variants, attachments, what is off.
fn shapes() -> Vec<Value> {
    let variants = json!([{"key": "a", "attachment": {"n": [1, 2.5, null]}}, {"key": "b ü", "attachment": [1]}, {"key": "3.5"}]);
    let shared = |key: &str, shares: &[f64], default: bool, enabled: bool, segment: Value| {
        let mut variants = variants.clone();
        variants[2]["default"] = default.into();
        let shares = shares
            .iter()
            .zip(["a", "b ü", "3.5"])
            .map(|(share, key)| json!({"variant": key, "rollout": share}));
        json!({"key": key, "name": key, "type": "VARIANT_FLAG_TYPE", "enabled": enabled, "variants": variants,
            "rules": [{"segment": segment, "distributions": shares.collect::<Vec<_>>()}]})
    };
    let several =
        |operator: &str| json!({"keys": ["any", "all"], "operator": format!("{operator}_SEGMENT_OPERATOR")});
    let boolean = |key: &str, enabled: bool, rollouts: Value| json!({"key": key, "name": key, "type": "BOOLEAN_FLAG_TYPE", "enabled": enabled, "rollouts": rollouts});
    let mut twice = shared("twice", &[0.1, 99.9], false, true, several("AND"));
    let second = json!({"segment": "any", "distributions": [{"variant": "3.5", "rollout": 100}]});
    twice["rules"].as_array_mut().expect("rules").push(second);
    let mut bare = shared("bare", &[], true, true, json!("everybody"));
    bare["rules"] = json!([]);
    vec![
        shared("even", &[50.0, 50.0], false, true, json!("everybody")),
        shared("thirds", &[33.33, 33.33, 33.34], false, true, json!("everybody")),
        shared("uneven", &[10.0, 0.0, 20.0], true, true, json!("everybody")),
        shared("nothing", &[0.0, 0.0], true, true, json!("any")),
        shared("nobody", &[0.0], false, true, json!("any")),
        shared("both", &[12.5, 80.0, 40.0], true, true, several("AND")),
        shared("either", &[50.0, 30.0, 20.0], false, true, several("OR")),
        shared("off", &[100.0], true, false, json!("everybody")),
        twice,
        bare,
        boolean("share", false, json!([{"threshold": {"percentage": 33.3, "value": true}}])),
        boolean(
            "shares",
            true,
            json!([{"threshold": {"percentage": 5, "value": true}}, {"threshold": {"percentage": 70, "value": false}}]),
        ),
        boolean(
            "mixed",
            true,
            json!([{"segment": {"keys": ["all", "any"], "operator": "AND_SEGMENT_OPERATOR", "value": false}},
            {"threshold": {"percentage": 99.5, "value": false}}]),
        ),
    ]
}

/// Whoever asks: the same in every run.
pub(crate) fn contexts() -> Vec<Map<String, Value>> {
    let mut dice = 11_u64;
    let mut roll = |sides: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) as usize % sides
    };
    let mut one = || {
        let mut context = Map::new();
        for (kind, _, _, texts) in FAMILIES {
            if kind != "ENTITY_ID" && roll(8) > 0 {
                context.insert(kind.to_owned(), texts[roll(texts.len())].into());
            }
        }
        let entity = if roll(2) == 0 {
            format!("user-{}", roll(100_000))
        } else {
            TEXTS[roll(TEXTS.len())].to_owned()
        };
        context.insert("targetingKey".to_owned(), entity.into());
        context
    };
    (0..CONTEXTS).map(|_| one()).collect()
}
