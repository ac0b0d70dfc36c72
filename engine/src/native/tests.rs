use serde_json::json;

use super::*;
use crate::{Layer, Notes, Selector, Snapshot, Steps};

/// Half of the users get `blue`, the others `red`; by type it is on or a text.
#[derive(Debug)]
struct Halves {
    on: [Variant; 2],
    colours: [Variant; 2],
    facts: crate::Metadata,
}

impl Native for Halves {
    fn decide<'a>(&'a self, question: &Question<'a>, watch: &mut Watch<'_>) -> Result<Resolution<'a>, Fault> {
        let key = match question.context.get("targetingKey") {
            Some(crate::Value::Str(key)) => key,
            _ => return Err(Fault::TargetingKeyMissing),
        };
        let at = key.len() % 2;
        watch.tell("length", crate::Value::Num(key.len() as f64));
        let variant = self.variant_as(at, question.want).unwrap_or(&self.colours[at]);
        Ok(Resolution { variant: Some(variant), reason: Reason::Split, metadata: Some(&self.facts) })
    }

    fn variant_as(&self, at: usize, want: Type) -> Option<&Variant> {
        if want == Type::Bool { self.on.get(at) } else { self.colours.get(at) }
    }
}

fn flag(text: &str, fidelity: Fidelity) -> Flag {
    let source: Arc<str> = Arc::from("vendor");
    let colours = || [Variant::new("blue", json!("b")), Variant::new("red", json!("r"))];
    let facts = json!({"rule": "halves", "team": "theirs"});
    let metadata = json!({"team": "ours", "flagSetId": "shop"});
    Flag::of_native(NativeFlag {
        key: "colour",
        source: &source,
        enabled: true,
        variants: colours().into(),
        default: Some(0),
        metadata: metadata.as_object().expect("an object").clone(),
        text,
        rules: Arc::new(Halves {
            on: [Variant::new("blue", json!(true)), Variant::new("red", json!(true))],
            colours: colours(),
            facts: crate::Metadata::new(facts.as_object().expect("an object")),
        }),
        translation: Translation {
            enabled: true,
            variants: vec![("blue".into(), json!("b")), ("red".into(), json!("r"))],
            default: Some("blue".into()),
            targeting: Some(json!({"fractional": [["blue", 50], ["red", 50]]})),
            fidelity,
            mentions: Vec::new(),
        },
    })
}

fn ask<R>(
    flag: &Flag,
    want: Type,
    key: Option<&str>,
    look: impl FnOnce(Result<Resolution<'_>, Fault>) -> R,
) -> R {
    let attributes: Vec<_> = key.map(|key| ("targetingKey", crate::Value::Str(key))).into_iter().collect();
    let (context, bump) = (Context::new(&attributes), Bump::new());
    look(flag.answer(&Question { want, context: &context, now: 0, bump: &bump, bulk: false }, &mut ()))
}

fn json_of(flag: &Flag, want: Type, key: Option<&str>) -> String {
    ask(flag, want, key, |answer| {
        answer.map_or_else(
            |fault| fault.to_string(),
            |answer| format!("{} {}", answer.variant.map_or("-", Variant::json), answer.reason),
        )
    })
}

#[test]
fn a_native_flag_answers_by_its_own_rules_and_by_type() {
    let flag = flag("1", Fidelity::Exact);
    assert_eq!(json_of(&flag, Type::Any, Some("ab")), "\"b\" SPLIT");
    assert_eq!(json_of(&flag, Type::String, Some("abc")), "\"r\" SPLIT");
    assert_eq!(json_of(&flag, Type::Bool, Some("abc")), "true SPLIT");
    assert_eq!(json_of(&flag, Type::Any, None), Fault::TargetingKeyMissing.to_string());
    assert!(!flag.is_static());
}

#[test]
fn an_answer_adds_facts_and_the_flags_own_stand() {
    let flag = flag("1", Fidelity::Exact);
    let facts = ask(&flag, Type::Any, Some("a"), |answer| {
        let more = answer.expect("an answer").metadata;
        flag.metadata().with(more).map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>()
    });
    assert_eq!(facts, [r#"flagSetId="shop""#, r#"rule="halves""#, r#"team="ours""#]);
}

#[test]
fn it_lives_in_snapshots_and_is_explained() {
    let flag = Arc::new(flag("1", Fidelity::Exact));
    let layer: Layer = [Arc::clone(&flag)].into_iter().collect();
    let snapshot = Snapshot::fold([&layer], 1);
    let found = snapshot.find(&Selector::parse("flagSetId=shop").expect("a selector"), "colour");
    assert!(found.is_some_and(|found| Arc::ptr_eq(found, &flag)));
    let attributes = [("targetingKey", crate::Value::Str("abc"))];
    let (context, bump, mut steps) = (Context::new(&attributes), Bump::new(), Steps::default());
    flag.resolve(&context, 0, &bump, &mut steps).expect("an answer");
    let steps = steps.finish();
    assert_eq!((steps[0].operator, steps[0].outcome.as_ref()), ("length", Some(&json!(3.0))));
}

#[test]
fn its_definition_is_the_translation_and_says_how_true_it_is() {
    let flag = flag("1", Fidelity::Approximate(vec!["other buckets".to_owned()]));
    let definition: Value = serde_json::from_str(flag.definition()).expect("JSON");
    assert_eq!(
        definition["metadata"],
        json!({"flagSetId": "shop", "team": "ours", "translation": "approximate"})
    );
    assert_eq!(definition["targeting"]["fractional"][0][0], "blue");
    assert_eq!(flag.metadata().json(), r#"{"flagSetId":"shop","team":"ours"}"#);
}

#[test]
fn versions_are_told_apart_by_the_vendors_text() {
    let (one, two) = (flag("1", Fidelity::Exact), flag("2", Fidelity::Exact));
    assert_eq!(one.definition(), two.definition());
    assert_ne!(one.native_version(), two.native_version());
    assert_eq!(one.native_version(), flag("1", Fidelity::Exact).native_version());
}

#[test]
fn notes_lie_over_native_flags_too() {
    let flag = flag("1", Fidelity::Unsupported(Vec::new()));
    let metadata = [("stale", json!(true))];
    let stale = flag.noted(&Notes { metadata: &metadata, reason: Some(Reason::Stale), variant: None });
    assert_eq!(json_of(&stale, Type::Any, Some("ab")), "\"b\" STALE");
    let said: Value = serde_json::from_str(stale.definition()).expect("JSON");
    let expected = json!({"flagSetId": "shop", "stale": true, "team": "ours", "translation": "unsupported"});
    assert_eq!(
        (&said["metadata"], &said["targeting"]),
        (&expected, &json!({"fractional": [["blue", 50], ["red", 50]]}))
    );

    let fixed = stale.noted(&Notes { metadata: &[], reason: None, variant: Some(1) });
    assert_eq!(json_of(&fixed, Type::Any, Some("ab")), "\"r\" STALE");
    assert_eq!(json_of(&fixed, Type::Bool, None), "true STALE");
    let said: Value = serde_json::from_str(fixed.definition()).expect("JSON");
    assert_eq!((&said["defaultVariant"], &said["metadata"]["translation"]), (&json!("red"), &json!("exact")));
    assert!(said.get("targeting").is_none() && fixed.is_static() && !fixed.varies());
}

#[test]
fn a_bad_flag_keeps_its_last_good_self() {
    let mut first = Harvest::new(None);
    first.add("colour", Ok(flag("1", Fidelity::Exact)));
    let first = first.finish().layer;
    let mut second = Harvest::new(Some(&first));
    second.add("colour", Err(Problem::error("/features/0", "broken")));
    second.add("new", Err(Problem::error("/features/1", "broken too")));
    let second = second.finish();
    assert!(Arc::ptr_eq(&second.layer.flags()[0], &first.flags()[0]));
    assert_eq!(second.layer.flags().len(), 1);
    let about: Vec<_> = second.problems.iter().map(|problem| problem.flag.as_deref()).collect();
    assert_eq!(about, [Some("colour"), Some("new")]);
}
