//! Percent files as flags: who gets them, what is wrong with them, and how true the translation is.

#![allow(clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use engine::{
    Bump, Compiled, Context, Fault, Fidelity, Layer, Question, Reason, Selector, Snapshot, Type, Value,
};
use hoist_provider_percent_file::{DIALECT, rules};
use serde_json::{Map, Value as Json, json};
use store::{Origin, Reading};

fn read(text: &str, previous: Option<&Layer>) -> Result<Compiled, engine::Malformed> {
    let options = Map::from_iter([("flagSetId".to_owned(), json!("shop"))]);
    let reader = (DIALECT.reader)(&Origin::new("file", "flags.json", options)).expect("a reader");
    let (source, options) = (Arc::from("flags.json"), engine::Options::default());
    reader.read(&Reading { text, source: &source, options: &options, previous, flag_set: None })
}

fn answer(compiled: &Compiled, key: &str, subject: Option<&str>) -> Result<(bool, Reason), Fault> {
    let snapshot = Snapshot::fold([&compiled.layer], 1);
    let flag = snapshot.find(&Selector::FlagSet("shop"), key).unwrap_or_else(|| panic!("no flag {key}"));
    let attributes: Vec<_> =
        subject.map(|subject| ("targetingKey", Value::Str(subject))).into_iter().collect();
    let (context, bump) = (Context::new(&attributes), Bump::new());
    let question = Question { want: Type::Bool, context: &context, now: 0, bump: &bump, bulk: false };
    let resolution = flag.answer(&question, &mut ())?;
    let variant = resolution.variant.expect("a variant");
    assert_eq!(variant.name(), if *variant.value() == json!(true) { "on" } else { "off" });
    Ok((*variant.value() == json!(true), resolution.reason))
}

fn one(enabled: bool, percent: Json) -> Compiled {
    let flag = json!({"key": "checkout", "enabled": enabled, "rolloutPercent": percent});
    read(&json!({"schemaVersion": 1, "flags": [flag]}).to_string(), None).expect("a document")
}

#[test]
fn nobody_and_everybody_need_no_subject() {
    for (enabled, percent, expected) in [
        (false, 50, (false, Reason::Disabled)),
        (false, 0, (false, Reason::Disabled)),
        (true, 0, (true, Reason::Static)),
        (true, 100, (true, Reason::Static)),
        (true, 250, (true, Reason::Static)),
    ] {
        assert_eq!(answer(&one(enabled, percent.into()), "checkout", None), Ok(expected), "{percent}");
        assert_eq!(answer(&one(enabled, percent.into()), "checkout", Some("ann")), Ok(expected));
    }
}

#[test]
fn a_share_is_by_bucket() {
    for n in 0..300 {
        let subject = format!("user-{n}");
        let bucket = rules::bucket("checkout", &subject);
        for percent in [1, bucket.max(1), bucket + 1, 99] {
            let expected = (bucket < percent, if percent < 100 { Reason::Split } else { Reason::Static });
            let got = answer(&one(true, percent.to_string().into()), "checkout", Some(&subject));
            assert_eq!(
                got,
                Ok(if percent < 100 { expected } else { (true, Reason::Static) }),
                "{subject} {percent}"
            );
        }
    }
    assert_eq!(answer(&one(true, 50.into()), "checkout", None), Err(Fault::TargetingKeyMissing));
}

#[test]
fn a_bad_flag_keeps_its_last_good_self_and_its_neighbours_live() {
    let good = read(r#"{"flags": [{"key": "a", "enabled": true}, {"key": "b", "enabled": true}]}"#, None);
    let good = good.expect("a document");
    let text = "{\"flags\": [\n {\"key\": \"a\", \"enabled\": true, \"rolloutPercent\": -1},\n {\"key\": \"b\"},\n {}]}";
    let next = read(text, Some(&good.layer)).expect("a document");
    assert_eq!(answer(&next, "a", None), Ok((true, Reason::Static)), "the last good one");
    assert_eq!(answer(&next, "b", None), Ok((false, Reason::Disabled)));
    let told: Vec<_> = next
        .problems
        .iter()
        .map(|problem| (problem.flag.as_deref(), problem.place.map(|place| place.line)))
        .collect();
    assert_eq!(told, [(Some("a"), Some(2)), (None, Some(4))]);
}

#[test]
fn of_two_flags_with_one_key_the_later_counts() {
    let text = r#"{"flags": [{"key": "a", "enabled": true}, {"key": "a"}]}"#;
    let compiled = read(text, None).expect("a document");
    assert_eq!(answer(&compiled, "a", None), Ok((false, Reason::Disabled)));
    assert_eq!(compiled.problems.len(), 1);
}

#[test]
fn what_is_no_percent_file_is_refused_with_its_place() {
    for text in ["[]", "{\"flags\": {}}", "{\"flags\": ["] {
        let error = read(text, None).expect_err(text);
        assert!(error.message.starts_with("not a percent file") && error.place.is_some(), "{error}");
    }
    assert_eq!(read("{}", None).expect("an empty one").layer.flags().len(), 0);
}

#[test]
fn translations_are_exact_but_for_shares() {
    let fidelity = |enabled, percent: u32| {
        let compiled = one(enabled, percent.into());
        let flag = Arc::clone(&compiled.layer.flags()[0]);
        let text = format!("{{\"flags\": {{\"checkout\": {}}}}}", flag.definition());
        let definition = engine::Definition::parse(&text).expect("a flag document");
        let theirs = engine::compile(&definition, &Arc::from("t"), &engine::Options::default(), None);
        assert_eq!(theirs.problems, []);
        (flag.translation().expect("a native flag").fidelity.clone(), Arc::clone(&theirs.layer.flags()[0]))
    };
    for (enabled, percent, on) in [(true, 0, true), (true, 100, true), (false, 50, false)] {
        let (fidelity, flag) = fidelity(enabled, percent);
        assert_eq!(fidelity, Fidelity::Exact);
        assert_eq!(flag.default_variant().map(|variant| variant.value().clone()), Some(json!(on)));
    }
    assert!(matches!(fidelity(true, 50).0, Fidelity::Approximate(reasons) if reasons.len() == 1));
}
