//! Asks the engine the way a daemon does, through documents alone.
#![allow(dead_code, reason = "each test uses its part")]
#![allow(clippy::expect_used, clippy::panic, reason = "a broken harness is a failed test")]

pub(crate) mod random;

use std::cell::Cell;
use std::io::Read;
use std::sync::Arc;

use hoist_engine::{
    Attributes, Bump, Context, Definition, Fault, Options, Selector, Snapshot, Steps, compile,
};
use serde_json::{Value, json};

/// What a flag answered.
#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    /// A variant's name and the reason.
    Variant(Option<String>, &'static str),
    Parse,
    General,
}

impl Answer {
    pub(crate) fn variant(name: &str, reason: &'static str) -> Self {
        Self::Variant(Some(name.to_owned()), reason)
    }
}

/// A question about one flag.
pub(crate) struct Asked {
    pub(crate) key: &'static str,
    pub(crate) context: Value,
}

/// A document being served.
pub(crate) struct Served {
    snapshot: Snapshot,
}

/// A context that is not laid out.
#[derive(Debug)]
struct Kept<'f> {
    fields: &'f [(&'f str, hoist_engine::Value<'f>)],
    looked_up: Cell<usize>,
}

impl Attributes for Kept<'_> {
    fn get(&self, key: &str) -> Option<hoist_engine::Value<'_>> {
        self.looked_up.set(self.looked_up.get() + 1);
        self.fields.iter().rev().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }

    fn len(&self) -> usize {
        self.fields.len()
    }

    fn visit<'s>(&'s self, visit: &mut dyn FnMut(&'s str, hoist_engine::Value<'s>)) {
        self.fields.iter().for_each(|(key, value)| visit(key, *value));
    }
}

/// The time of every test.
pub(crate) const NOW: u64 = 1_700_000_000;

impl Served {
    pub(crate) fn new(document: &str, options: &Options) -> Self {
        let definition = Definition::parse(document).expect("a flag document");
        let compiled = compile(&definition, &Arc::from("test"), options, None);
        Self { snapshot: Snapshot::fold([&compiled.layer], 1) }
    }

    /// What OFREP would answer, as far as the engine decides it.
    pub(crate) fn ofrep(&self, key: &str, context: &Value) -> Value {
        let Some(flag) = self.snapshot.find(&Selector::Any, key) else {
            return json!([404, {"errorCode": "FLAG_NOT_FOUND"}]);
        };
        let bump = Bump::new();
        let Some(hoist_engine::Value::Map(fields)) = Some(hoist_engine::Value::from_json(context, &bump))
        else {
            panic!("a context is an object")
        };
        let context = Context::new(fields);
        let resolution = flag.resolve(&context, NOW, &bump, &mut ());
        let kept = Kept { fields, looked_up: Cell::new(0) };
        let again = Context::kept(&kept);
        let again = flag.resolve(&again, NOW, &bump, &mut ()).map(|same| format!("{same:?}"));
        assert_eq!(
            again,
            resolution.map(|same| format!("{same:?}")),
            "{key} over attributes looked up one by one"
        );
        assert!(kept.looked_up.get() <= flag.reads(), "{key} looks up more than {}", flag.reads());
        let watched = flag.resolve(&context, NOW, &bump, &mut Steps::default());
        assert_eq!(format!("{watched:?}"), format!("{resolution:?}"), "{key} while somebody watches");
        match resolution {
            Ok(resolution) => {
                let mut body = json!({"reason": resolution.reason.as_str()});
                if let Some(variant) = resolution.variant {
                    body["value"] = serde_json::from_str(variant.json()).expect("JSON");
                    body["variant"] = variant.name().into();
                }
                json!([200, body])
            }
            Err(Fault::Parse) => json!([400, {"errorCode": "PARSE_ERROR"}]),
            Err(Fault::UnknownVariant | Fault::TargetingKeyMissing) => json!([400, {"errorCode": "GENERAL"}]),
        }
    }
}

impl Served {
    /// The text that a rule's outcome has, quotes removed as flagd does, or the error.
    pub(crate) fn outcome(&self, key: &str, context: &Value) -> String {
        let flag = self.snapshot.find(&Selector::Any, key).expect("the flag compiles");
        let bump = Bump::new();
        let hoist_engine::Value::Map(fields) = hoist_engine::Value::from_json(context, &bump) else {
            panic!("a context is an object")
        };
        let context = Context::new(fields);
        let mut steps = Steps::default();
        match flag.resolve(&context, NOW, &bump, &mut steps) {
            Err(Fault::Parse) => "!PARSE_ERROR".to_owned(),
            Ok(_) | Err(Fault::UnknownVariant | Fault::TargetingKeyMissing) => {
                let outcome = steps.finish().into_iter().next().and_then(|step| step.outcome);
                let Some(outcome) = outcome else { return "d".to_owned() };
                text(&outcome).replace('"', "")
            }
        }
    }
}

/// The part of an OFREP answer that the engine decides.
pub(crate) fn comparable(answer: &Value) -> Value {
    let mut body = answer[1].clone();
    let fields = body.as_object_mut().expect("an object");
    for name in ["key", "metadata", "errorDetails"] {
        fields.remove(name);
    }
    if fields.get("variant").is_some_and(|variant| variant == "") {
        fields.remove("variant");
    }
    json!([answer[0], serde_json::from_str::<Value>(&text(&body)).expect("JSON")])
}

/// JSON text with the numbers as doubles.
pub(crate) fn text(value: &Value) -> String {
    let mut text = String::new();
    hoist_engine::write_json(value, &mut text);
    text
}

/// What `flag` answers.
pub(crate) fn resolve(flag: &Value, context: &Value, options: &Options) -> Answer {
    resolve_as(&Asked { key: "flag", context: context.clone() }, flag, options)
}

pub(crate) fn resolve_as(asked: &Asked, flag: &Value, options: &Options) -> Answer {
    outcome(asked, flag, options).0
}

/// What comes out of a rule, as a witness sees it.
pub(crate) fn evaluate(rule: &Value, data: &Value, options: &Options) -> Result<Value, ()> {
    let flag = json!({"state": "ENABLED", "variants": {"d": 1}, "defaultVariant": "d", "targeting": rule});
    let context = if data.is_null() { json!({}) } else { data.clone() };
    match outcome(&Asked { key: "f", context }, &flag, options) {
        (Answer::Parse, _) => Err(()),
        (_, steps) => steps.into_iter().next().and_then(|step| step.outcome).ok_or(()),
    }
}

fn outcome(asked: &Asked, flag: &Value, options: &Options) -> (Answer, Vec<hoist_engine::Step>) {
    let document = json!({"flags": {asked.key: flag}}).to_string();
    let served = Served::new(&document, options);
    let flag = served.snapshot.find(&Selector::Any, asked.key).expect("the flag compiles");
    let bump = Bump::new();
    let hoist_engine::Value::Map(fields) = hoist_engine::Value::from_json(&asked.context, &bump) else {
        panic!("a context is an object")
    };
    let context = Context::new(fields);
    let mut steps = Steps::default();
    let answer = match flag.resolve(&context, NOW, &bump, &mut steps) {
        Ok(resolution) => Answer::Variant(
            resolution.variant.map(|variant| variant.name().to_owned()),
            resolution.reason.as_str(),
        ),
        Err(Fault::Parse) => Answer::Parse,
        Err(Fault::UnknownVariant | Fault::TargetingKeyMissing) => Answer::General,
    };
    (answer, steps.finish())
}

/// The JSON in a compressed file.
pub(crate) fn gunzip(path: &str) -> Value {
    let file = std::fs::File::open(path).expect("the file is there");
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("gzip of text");
    serde_json::from_str(&text).expect("JSON")
}
