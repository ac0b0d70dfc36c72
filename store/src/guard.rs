//! The shrink guard: a document that takes most flags away is more often an accident than a decision.

use std::collections::HashSet;

use engine::Layer;
use foldhash::fast::RandomState;

use crate::change::apart;

/// From how many flags on losing most of them is suspicious; below, only losing all of them is.
const MANY: usize = 20;

/// Why `after` should not follow `before` unasked: it has no flags left, or lacks more than half of 20 or more.
pub(crate) fn suspicion(before: &Layer, after: &Layer) -> Option<String> {
    let total = before.flags().len();
    let (before, after) = apart(before.flags(), after.flags());
    if before.len() * 2 <= total {
        return None;
    }
    let keys: HashSet<&str, RandomState> = after.iter().map(|flag| flag.key()).collect();
    let lost = before.iter().filter(|flag| !keys.contains(flag.key())).count();
    let empty = lost == total && keys.is_empty();
    let halved = total >= MANY && lost * 2 > total;
    (empty || halved).then(|| format!("it removes {lost} of {total} flags"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn layer(keys: std::ops::Range<usize>) -> Layer {
        let flags: Vec<String> = keys
            .map(|key| format!(r#""{key}": {{"variants": {{"on": true}}, "defaultVariant": "on"}}"#))
            .collect();
        let text = format!("{{\"flags\": {{{}}}}}", flags.join(","));
        let definition = engine::Definition::parse(&text).expect("a definition");
        engine::compile(&definition, &Arc::from("test"), &engine::Options::default(), None).layer
    }

    #[test]
    fn what_is_suspicious() {
        for (before, after, suspicious) in [
            (0..0, 0..0, false),
            (0..1, 0..0, true),
            (0..1, 1..2, false),
            (0..19, 0..1, false),
            (0..19, 0..0, true),
            (0..20, 0..10, false),
            (0..20, 0..9, true),
            (0..20, 20..40, true),
            (0..20, 0..100, false),
        ] {
            let found = suspicion(&layer(before.clone()), &layer(after.clone()));
            assert_eq!(found.is_some(), suspicious, "{before:?} -> {after:?}: {found:?}");
        }
        assert_eq!(suspicion(&layer(0..20), &layer(0..9)).as_deref(), Some("it removes 11 of 20 flags"));
    }
}
