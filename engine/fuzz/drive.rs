//! What the fuzz targets do with their input; the corpora run through it as ordinary tests too.

use std::sync::Arc;

use hoist_engine::{Bucketing, Bump, Context, Definition, Options, Steps, Value, compile};

/// The first line is a flag's targeting, the rest a context. Any answer is right as long as there is one, and the same one
/// whoever watches.
pub(crate) fn rule(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (targeting, context) = text.split_once('\n').unwrap_or((text, "{}"));
    let document = format!(
        r#"{{"flags": {{"f": {{"state": "ENABLED", "variants": {{"a": 1, "true": 2}}, "defaultVariant": "a",
        "targeting": {targeting}}}}}, "$evaluators": {{"e": {{"in": ["a", {{"var": "s"}}]}}, "l": [1, {{"var": "x"}}]}}}}"#
    );
    let (Ok(definition), Ok(context)) = (Definition::parse(&document), serde_json::from_str(context)) else {
        return;
    };
    for bucketing in [Bucketing::V2, Bucketing::V3] {
        let options = Options { bucketing, ..Options::default() };
        let compiled = compile(&definition, &Arc::from("fuzz"), &options, None);
        let Some(flag) = compiled.layer.flags().first() else { return };
        let bump = Bump::new();
        let Value::Map(fields) = Value::from_json(&context, &bump) else { return };
        let context = Context::new(fields);
        let told = |resolution: hoist_engine::Resolution<'_>| {
            (resolution.variant.map(|variant| variant.name().to_owned()), resolution.reason)
        };
        let alone = flag.resolve(&context, 1, &bump, &mut ()).map(told);
        let watched = flag.resolve(&context, 1, &bump, &mut Steps::default()).map(told);
        assert_eq!(alone, watched);
    }
}

/// A document of any kind is refused or compiled. Compiled again over itself nothing changes, what is handed out is JSON,
/// and every problem can be found in the text.
pub(crate) fn document(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(definition) = Definition::parse(text) else { return };
    let (source, options) = (Arc::from("fuzz"), Options::default());
    let first = compile(&definition, &source, &options, None);
    for flag in first.layer.flags() {
        assert!(
            serde_json::from_str::<serde_json::Value>(flag.definition()).is_ok(),
            "{}",
            flag.definition()
        );
    }
    for problem in &first.problems {
        assert!(hoist_engine::locate(text, &problem.path).is_some(), "{problem}");
    }
    let again = compile(&definition, &source, &options, Some(&first.layer));
    assert_eq!(again.problems, first.problems);
    assert_eq!(again.layer.flags().len(), first.layer.flags().len());
    for (new, old) in again.layer.flags().iter().zip(first.layer.flags()) {
        assert!(Arc::ptr_eq(new, old));
    }
}
