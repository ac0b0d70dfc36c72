//! All flags at one moment, under one context.

use std::collections::HashMap;

use bytes::Bytes;
use http::HeaderValue;
use open_feature::EvaluationContext;

use crate::model::Evaluation;

/// What the server said of all flags.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub(super) flags: HashMap<String, Evaluation>,
    /// The context it holds for.
    pub(super) context: EvaluationContext,
    /// The question it answers.
    pub(super) body: Bytes,
    pub(super) etag: Option<HeaderValue>,
}

impl Snapshot {
    /// Takes the flags of an answer; of two with one key the first counts. One without a key is no flag.
    pub(super) fn new(
        evaluations: Vec<Evaluation>,
        context: EvaluationContext,
        body: Bytes,
        etag: Option<HeaderValue>,
    ) -> Self {
        let mut flags = HashMap::with_capacity(evaluations.len());
        for evaluation in evaluations {
            if let Some(key) = evaluation.key.clone() {
                flags.entry(key).or_insert(evaluation);
            }
        }
        Self { flags, context, body, etag }
    }

    /// Whether `context` says nothing but what the flags were asked for with.
    pub(super) fn covers(&self, context: &EvaluationContext) -> bool {
        let key = context.targeting_key.is_none() || context.targeting_key == self.context.targeting_key;
        key && context
            .custom_fields
            .iter()
            .all(|(name, value)| self.context.custom_fields.get(name) == Some(value))
    }

    /// Keys whose answer is another one than in `before`, sorted.
    pub(super) fn changed_since(&self, before: &Self) -> Vec<String> {
        let others = |(key, flag): &(&String, &Evaluation)| before.flags.get(*key) != Some(*flag);
        let gone = before.flags.keys().filter(|key| !self.flags.contains_key(*key));
        let mut keys: Vec<String> =
            self.flags.iter().filter(others).map(|(key, _)| key).chain(gone).cloned().collect();
        keys.sort();
        keys
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn snapshot(flags: Value) -> Snapshot {
        let context = EvaluationContext::default().with_targeting_key("u").with_custom_field("a", 1);
        let flags = serde_json::from_value(flags).expect("flags");
        Snapshot::new(flags, context, Bytes::new(), None)
    }

    #[test]
    fn changes_are_named() {
        let before =
            snapshot(json!([{"key": "a", "value": 1}, {"key": "b", "value": 1}, {"key": "c", "value": 1}]));
        let after =
            snapshot(json!([{"key": "a", "value": 1}, {"key": "b", "value": 2}, {"key": "d"}, {"value": 9}]));
        assert_eq!(after.changed_since(&before), ["b", "c", "d"]);
        assert!(after.changed_since(&after).is_empty());
    }

    #[test]
    fn of_two_flags_with_one_key_the_first_counts() {
        let snapshot = snapshot(json!([{"key": "a", "value": 1}, {"key": "a", "value": 2}]));
        assert_eq!(snapshot.flags["a"].value, Some(json!(1)));
    }

    #[test]
    fn a_context_is_covered_if_it_says_nothing_new() {
        let snapshot = snapshot(json!([]));
        let context = EvaluationContext::default;
        for (context, covered) in [
            (context(), true),
            (context().with_targeting_key("u").with_custom_field("a", 1), true),
            (context().with_targeting_key("v"), false),
            (context().with_custom_field("a", 2), false),
            (context().with_custom_field("b", 1), false),
        ] {
            assert_eq!(snapshot.covers(&context), covered, "{context:?}");
        }
    }
}
