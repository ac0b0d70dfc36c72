//! Notes: what an operator has to say of a flag beyond its definition, laid over it for a while.

use std::sync::Arc;

use serde_json::Value;

use crate::compile::metadata::Merged;
use crate::compile::payload::{Payload, push_end};
use crate::flag::{Flag, Reason, Shelf};
use crate::native::Foreign;

/// What is laid over a flag.
#[derive(Clone, Copy, Debug)]
pub struct Notes<'n> {
    /// Metadata by key, over the flag's own: strings, numbers and booleans.
    pub metadata: &'n [(&'n str, Value)],
    /// Said in place of the reason of every answer that has a variant.
    pub reason: Option<Reason>,
    /// The position of a variant that every context gets, whatever the rule says and even if the flag is switched off.
    pub variant: Option<usize>,
}

impl Flag {
    /// The flag with `notes` over it, its definition included, so that clients which evaluate themselves see the same.
    /// The reason alone is not part of definitions.
    ///
    /// A position beyond the variants is ignored.
    pub fn noted(&self, notes: &Notes<'_>) -> Flag {
        let variant = notes.variant.filter(|at| *at < self.variants.len());
        let native = self.native.as_deref().map(|native| match variant {
            Some(at) => Box::new(native.fixed_to(at, &self.variants)),
            None => Box::new(native.clone()),
        });
        let merged = Merged::with_notes(&self.metadata, notes.metadata);
        let mut exported = notes.metadata.to_vec();
        exported.extend(native.as_deref().map(Foreign::said));
        let exported = Merged::with_notes(&self.metadata, &exported);
        let definition = match variant {
            Some(at) => self.fixed_to(at, &exported),
            None => self.with_metadata(&exported),
        };
        Flag {
            key: self.key.clone(),
            flag_set: self.flag_set.clone(),
            source: Arc::clone(&self.source),
            enabled: self.enabled || variant.is_some(),
            variants: Arc::clone(&self.variants),
            default: variant.or(self.default),
            rule: self.rule.clone().filter(|_| variant.is_none()),
            native,
            metadata: Arc::new(merged.metadata()),
            definition: definition.into(),
            fingerprint: self.fingerprint,
            warnings: Box::default(),
            reason: notes.reason.or(self.reason),
            shelf: Shelf::default(),
        }
    }

    /// The definition with other metadata: the last of its fields.
    fn with_metadata(&self, merged: &Merged<'_>) -> String {
        let mut end = String::new();
        let said: Vec<_> = self.native.as_deref().map(Foreign::said).into_iter().collect();
        push_end(&Merged::with_notes(&self.metadata, &said), &mut end);
        let mut text = self.definition.strip_suffix(&end).unwrap_or(&self.definition).to_owned();
        push_end(merged, &mut text);
        text
    }

    fn fixed_to(&self, at: usize, merged: &Merged<'_>) -> String {
        let payload = Payload {
            enabled: true,
            default: Some(self.variants[at].name()),
            variants: self.variants.iter().map(|variant| (variant.name(), variant.value())).collect(),
            targeting: None,
            source: &self.source,
            metadata: merged,
        };
        payload.text()
    }
}

#[cfg(test)]
mod tests {
    use bumpalo::Bump;
    use serde_json::json;

    use super::*;
    use crate::{Context, Definition, Options, compile};

    const FLAG: &str = r#"{"flags": {"a": {"state": "DISABLED", "variants": {"on": 1, "off": 0}, "defaultVariant": "off",
        "targeting": {"if": [true, "on"]}, "metadata": {"owner": "me", "list": [1], "stale": "of mine"}}},
        "metadata": {"flagSetId": "s"}}"#;

    fn flag(text: &str) -> Arc<Flag> {
        let definition = Definition::parse(text).expect("a definition");
        let compiled = compile(&definition, &Arc::from("here"), &Options::default(), None);
        Arc::clone(&compiled.layer.flags()[0])
    }

    fn answer(flag: &Flag) -> (Option<String>, Reason) {
        let (context, bump) = (Context::new(&[]), Bump::new());
        let resolution = flag.resolve(&context, 0, &bump, &mut ()).expect("an answer");
        (resolution.variant.map(|variant| variant.json().to_owned()), resolution.reason)
    }

    #[test]
    fn metadata_and_reason_are_laid_over() {
        let flag = flag(&FLAG.replace("DISABLED", "ENABLED"));
        let metadata = [("stale", json!(true))];
        let noted = flag.noted(&Notes { metadata: &metadata, reason: Some(Reason::Stale), variant: None });
        assert_eq!(answer(&flag), (Some("1".to_owned()), Reason::TargetingMatch));
        assert_eq!(answer(&noted), (Some("1".to_owned()), Reason::Stale));
        assert_eq!(noted.metadata().json(), r#"{"flagSetId":"s","list":[1],"owner":"me","stale":true}"#);
        let expected = flag.definition().replace("\"of mine\"", "true");
        assert_eq!(noted.definition(), expected);
        assert_eq!((noted.flag_set(), noted.key(), noted.source()), (Some("s"), "a", "here"));
    }

    #[test]
    fn metadata_comes_to_a_flag_without() {
        let flag =
            flag(r#"{"flags": {"a": {"state": "ENABLED", "variants": {"on": 1}, "defaultVariant": "on"}}}"#);
        let metadata = [("stale", json!(true))];
        let noted = flag.noted(&Notes { metadata: &metadata, reason: None, variant: None });
        let expected = flag.definition().replace("\"here\"}", r#""here","metadata":{"stale":true}}"#);
        assert_eq!(noted.definition(), expected);
    }

    #[test]
    fn a_variant_is_fixed_whatever_the_rule_says() {
        let flag = flag(FLAG);
        let metadata = [("override", json!("fire"))];
        let noted = flag.noted(&Notes { metadata: &metadata, reason: None, variant: Some(0) });
        assert_eq!(answer(&flag), (None, Reason::Disabled));
        assert_eq!(answer(&noted), (Some("1".to_owned()), Reason::Static));
        let again: serde_json::Value = serde_json::from_str(noted.definition()).expect("JSON");
        assert_eq!(
            (&again["state"], &again["defaultVariant"], &again["targeting"], &again["metadata"]["override"]),
            (&json!("ENABLED"), &json!("on"), &json!(null), &json!("fire"))
        );
        let beyond = flag.noted(&Notes { metadata: &[], reason: None, variant: Some(9) });
        assert_eq!(beyond.definition(), flag.definition());
    }
}
