//! Several sources folded into one view: who wins, who is seen by which selector, and in which order (contract 3.11, 6.5).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use hoist_engine::{Definition, Layer, Options, Selector, Snapshot, compile};

/// A layer of flags given as `key` or `key@set`.
fn layer(source: &str, flags: &[&str]) -> Layer {
    let flags: Vec<String> = flags
        .iter()
        .map(|flag| {
            let (key, set) = flag.split_once('@').unwrap_or((flag, ""));
            let metadata =
                if set.is_empty() { "{}".to_owned() } else { format!(r#"{{"flagSetId": "{set}"}}"#) };
            format!(
                r#"{{"key": "{key}", "state": "ENABLED", "variants": {{"on": 1}}, "metadata": {metadata}}}"#
            )
        })
        .collect();
    // In a document a key is unique, so flags of one key in several sets come from several documents.
    let layers = flags.into_iter().map(|flag| {
        let text = format!(r#"{{"flags": [{flag}]}}"#);
        let definition = Definition::parse(&text).unwrap();
        compile(&definition, &Arc::from(source), &Options::default(), None).layer
    });
    layers.flat_map(|layer| layer.flags().to_vec()).collect()
}

fn selector(text: &str) -> Selector<'_> {
    Selector::parse(text).unwrap()
}

/// The flags that `selector` means, as `key@set<source`.
fn select(snapshot: &Snapshot, text: &str) -> Vec<String> {
    let shown = snapshot
        .select(&selector(text))
        .map(|flag| format!("{}@{}<{}", flag.key(), flag.flag_set().unwrap_or_default(), flag.source()));
    shown.collect()
}

fn source_of<'s>(snapshot: &'s Snapshot, text: &str, key: &str) -> Option<&'s str> {
    snapshot.find(&selector(text), key).map(|flag| flag.source())
}

#[test]
fn the_last_source_wins_and_the_loser_stays_visible() {
    let (low, high) = (layer("low", &["a", "b", "c@set"]), layer("high", &["b", "c@set", "d"]));
    let both = Snapshot::fold([&low, &high], 7);
    assert_eq!(both.generation(), 7);
    assert_eq!(select(&both, ""), ["a@<low", "b@<high", "d@<high", "c@set<high"]);
    assert_eq!(select(&both, "low"), ["a@<low", "b@<low", "c@set<low"]);
    assert_eq!(select(&both, "source=high"), ["b@<high", "d@<high", "c@set<high"]);
    assert_eq!(both.flags().len(), 6);
    assert_eq!(source_of(&both, "", "b"), Some("high"));
    assert_eq!(source_of(&both, "low", "b"), Some("low"));

    let without = Snapshot::fold([&low, &Layer::default()], 8);
    assert_eq!(source_of(&without, "", "b"), Some("low"), "it comes back");
    assert_eq!(source_of(&without, "source=high", "b"), None);
}

#[test]
fn a_key_in_several_sets_means_the_stronger_source_then_the_greater_set() {
    let (low, high) = (layer("low", &["a@z", "b@y", "b@x", "b"]), layer("high", &["a@m"]));
    let snapshot = Snapshot::fold([&low, &high], 1);
    let set = |text, key| snapshot.find(&selector(text), key).and_then(|flag| flag.flag_set());
    assert_eq!(set("", "a"), Some("m"), "priority before set");
    assert_eq!(set("", "b"), Some("y"), "the greatest set among equals");
    assert_eq!(set("flagSetId=z", "a"), Some("z"));
    assert_eq!(select(&snapshot, "flagSetId=z"), ["a@z<low"]);
    assert_eq!(select(&snapshot, "flagSetId=x"), ["b@x<low"]);
    assert_eq!(select(&snapshot, "flagSetId="), ["b@<low"], "the empty id means no set");
    assert_eq!(select(&snapshot, ""), ["a@m<high", "b@y<low"]);
    assert_eq!(select(&snapshot, "low"), ["b@y<low", "a@z<low"]);
}

#[test]
fn what_is_unknown_means_nothing() {
    let snapshot = Snapshot::fold([&layer("s", &["a"])], 1);
    for text in ["flagSetId=none", "source=", "none", "flagSetId=a,source=s"] {
        assert!(select(&snapshot, text).is_empty(), "{text}");
        assert!(snapshot.find(&selector(text), "a").is_none(), "{text}");
    }
    assert!(snapshot.find(&Selector::Any, "").is_none());
    assert!(Snapshot::default().find(&Selector::Any, "a").is_none());
    assert_eq!(Snapshot::default().select(&Selector::Any).count(), 0);
}

#[test]
fn finds_every_one_of_many() {
    let flags: Vec<String> = (0..500).map(|at| format!("flag-{at}@set-{}", at % 7)).collect();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let snapshot = Snapshot::fold([&layer("s", &flags)], 1);
    for at in 0..500 {
        let (key, set) = (format!("flag-{at}"), format!("set-{}", at % 7));
        for selector in [Selector::Any, Selector::Source("s"), Selector::FlagSet(&set)] {
            assert_eq!(snapshot.find(&selector, &key).map(|flag| flag.key()), Some(key.as_str()));
        }
        assert!(snapshot.find(&Selector::FlagSet("set-7"), &key).is_none());
    }
}

#[test]
fn flags_come_in_the_order_of_their_keys_however_long_these_are() {
    let keys = [
        "a",
        r"a\u0000",
        r"a\u0000b",
        "ab",
        "the-same-beginning",
        "the-same-beginning-1",
        "the-same-beginning-10",
        "the-same-beginning-2",
        "the-same-beginning-é",
        "é",
    ];
    let mut mixed = keys;
    mixed.reverse();
    mixed.swap(1, 6);
    let snapshot = Snapshot::fold([&layer("s", &mixed)], 1);
    let found: Vec<String> =
        snapshot.flags().iter().map(|flag| flag.key().replace('\0', r"\u0000")).collect();
    assert_eq!(found, keys);
}
