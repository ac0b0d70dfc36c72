//! What operators do: override a flag for a while, go back to an earlier document.

#![allow(clippy::expect_used, reason = "a test that cannot go on says why")]

mod suite;

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use engine::{Bump, Context, Reason, Selector};
use hoist_store::{ChangeKind, Served, Settings, State, Store, Wanted, diff};
use suite::on_disk::OnDisk;
use suite::{Backend, answer, becomes, document, serves, settings, until};
use tempfile::TempDir;

/// Two flag sets, a rule, and a flag that is switched off.
const FLAGS: &str = r#"{"flags": {
  "ruled": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off",
            "targeting": {"if": [{"in": ["@x.com", {"var": "email"}]}, "on", null]}},
  "resting": {"state": "DISABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off"},
  "both": {"state": "ENABLED", "variants": {"a": 1, "b": 2}, "defaultVariant": "a", "metadata": {"flagSetId": "left"}}}}"#;

fn keeping(state: &Path) -> Settings {
    Settings { state_dir: Some(state.to_path_buf()), ..settings() }
}

fn wanted(key: &str, variant: &str) -> Wanted {
    Wanted {
        key: key.to_owned(),
        flag_set: None,
        variant: variant.to_owned(),
        author: "me".to_owned(),
        reason: "the shop burns".to_owned(),
        duration: Duration::from_secs(3_600),
    }
}

/// Variant, reason and metadata of an answer.
fn told(store: &Store, key: &str) -> (Option<String>, Reason, String) {
    let snapshot = store.read();
    let flag = snapshot.find(&Selector::Any, key).expect("the flag");
    let (context, bump) = (Context::new(&[]), Bump::new());
    let resolution = flag.resolve(&context, 0, &bump, &mut ()).expect("an answer");
    let variant = resolution.variant.map(|variant| variant.name().to_owned());
    (variant, resolution.reason, flag.metadata().json().to_owned())
}

async fn start(settings: Settings, file: &OnDisk) -> Store {
    let store = Store::open(settings, vec![file.follow()]);
    store.first_load().await;
    store
}

#[tokio::test]
async fn an_override_is_a_change_and_so_is_its_end() {
    let mut file = OnDisk::new();
    file.put(FLAGS);
    let store = start(settings(), &file).await;
    let (before, mut generations) = (store.read().clone(), store.subscribe());
    generations.mark_unchanged();
    let done = store.override_flag(wanted("ruled", "on")).expect("an override");
    assert!(done.forgetful.is_some_and(|why| why.contains("state directory")), "nothing to keep it in");
    assert!(generations.has_changed().expect("open"));
    let changes = diff(&before, &store.read(), &Selector::Any);
    assert_eq!(changes, [("ruled".into(), ChangeKind::Update)]);
    let (variant, reason, metadata) = told(&store, "ruled");
    assert_eq!((variant.as_deref(), reason), (Some("on"), Reason::Static));
    assert!(
        metadata.contains(r#""override":"the shop burns","overrideBy":"me","overrideUntil":"20"#),
        "{metadata}"
    );
    assert_eq!(told(&store, "resting").1, Reason::Disabled);
    store.override_flag(wanted("resting", "on")).expect("a flag that is switched off is on again");
    assert_eq!(told(&store, "resting").0.as_deref(), Some("on"));
    // A new document changes nothing about it.
    file.put(&FLAGS.replace("@x.com", "@y.com"));
    until("the new document", &store, |store| store.sources()[0].accepted == 2).await;
    assert_eq!(told(&store, "ruled").0.as_deref(), Some("on"));
    store.override_flag(wanted("ruled", "off")).expect("a later override takes the place of an earlier one");
    assert_eq!((told(&store, "ruled").0.as_deref(), store.overrides().len()), (Some("off"), 2));
    store.clear_override("ruled", None, "me").expect("cleared");
    assert_eq!(told(&store, "ruled").1, Reason::Default);
    assert!(!told(&store, "ruled").2.contains("override"));
}

#[tokio::test]
async fn what_cannot_be_overridden_is_refused_with_a_hint() {
    let mut file = OnDisk::new();
    let both = FLAGS.replace(
        "\"both\"",
        "\"other\": {\"state\": \"ENABLED\", \"variants\": {\"a\": 1}, \"defaultVariant\": \"a\"}, \"both\"",
    );
    file.put(&both);
    let mut second = OnDisk::new();
    second.put(r#"{"flags": {"both": {"state": "ENABLED", "variants": {"a": 1}, "defaultVariant": "a"}}}"#);
    let store = Store::open(settings(), vec![file.follow(), second.follow()]);
    store.first_load().await;
    let refused = |wanted| store.override_flag(wanted).expect_err("refused").to_string();
    assert_eq!(refused(wanted("rulde", "on")), "no flag `rulde`; did you mean `ruled`?");
    assert_eq!(
        refused(wanted("ruled", "onn")),
        "flag `ruled` has no variant `onn`, only `on`, `off`; did you mean `on`?"
    );
    assert_eq!(
        refused(wanted("both", "a")),
        "flag `both` is in more than one flag set; say which: ``, `left` (`` is none)"
    );
    let of = |set: &str| Wanted { flag_set: Some(set.to_owned()), ..wanted("both", "a") };
    assert_eq!(refused(of("right")), "no flag `both` in flag set `right`");
    assert!(refused(Wanted { reason: " ".to_owned(), ..wanted("ruled", "on") }).contains("a reason"));
    let month = Duration::from_secs(31 * 86_400);
    assert!(refused(Wanted { duration: month, ..wanted("ruled", "on") }).contains("30 days"));
    assert_eq!(
        store.clear_override("ruled", None, "me").expect_err("none").to_string(),
        "no override of flag `ruled`"
    );
    store.override_flag(of("left")).expect("the set is named");
    store.override_flag(of("")).expect("no set is named so");
    assert!(store.clear_override("both", None, "me").expect_err("two").to_string().contains("say which"));
    assert_eq!(store.clear_override("both", Some(""), "me").expect("one").what.flag_set, None);
}

#[tokio::test]
async fn overrides_are_bounded() {
    let mut file = OnDisk::new();
    let keys: Vec<String> = (0..101).map(|number| format!("flag-{number}")).collect();
    file.put(&suite::flags(keys.iter().map(|key| (key.as_str(), "one"))));
    let store = start(settings(), &file).await;
    for key in &keys[..100] {
        store.override_flag(wanted(key, "one")).expect("room");
    }
    let refused = store.override_flag(wanted(&keys[100], "one")).expect_err("no room").to_string();
    assert!(refused.starts_with("there are 100 overrides already"), "{refused}");
    store.override_flag(wanted(&keys[0], "one")).expect("the same flag again needs no room");
}

#[tokio::test]
async fn overrides_outlive_a_restart_but_not_their_time() {
    static LATER: AtomicI64 = AtomicI64::new(0);
    fn clock() -> SystemTime {
        SystemTime::now() + Duration::from_secs(LATER.load(Ordering::Relaxed).unsigned_abs())
    }
    let (state, mut file) = (TempDir::new().expect("a directory"), OnDisk::new());
    file.put(FLAGS);
    let store = start(keeping(state.path()), &file).await;
    assert_eq!(store.override_flag(wanted("ruled", "on")).expect("an override").forgetful, None);
    let short = Wanted { duration: Duration::from_secs(1), ..wanted("resting", "on") };
    store.override_flag(short).expect("an override");
    drop(store);
    let store = start(Settings { clock, ..keeping(state.path()) }, &file).await;
    assert_eq!(told(&store, "ruled").0.as_deref(), Some("on"));
    until("the short one is over", &store, |store| told(store, "resting").1 == Reason::Disabled).await;
    // The clock jumps past the end, with nobody to say so.
    let mut generations = store.subscribe();
    generations.mark_unchanged();
    LATER.store(3_700, Ordering::Relaxed);
    file.put(&FLAGS.replace("@x.com", "@y.com"));
    until("over", &store, |store| store.overrides().is_empty()).await;
    assert!(generations.has_changed().expect("open"));
    assert_eq!(told(&store, "ruled").1, Reason::Default);
    let kept = || std::fs::read_to_string(state.path().join("overrides")).expect("a file");
    until("noted on disk", &store, |_| kept().ends_with("[]")).await;
    drop(store);
    // This clock is an hour behind.
    let store = start(keeping(state.path()), &file).await;
    assert!(store.overrides().is_empty(), "what is over is over");
    std::fs::write(state.path().join("overrides"), "hoist-overrides/1 nonsense\n[]").expect("write");
    drop(store);
    assert!(start(keeping(state.path()), &file).await.overrides().is_empty(), "what is broken is ignored");
}

#[tokio::test]
async fn an_override_of_what_is_gone_waits_for_its_return() {
    let mut file = OnDisk::new();
    file.put(&suite::flags([("flag", "one"), ("other", "one")]));
    let store = start(settings(), &file).await;
    store.override_flag(wanted("flag", "one")).expect("an override");
    file.put(&suite::flags([("other", "one")]));
    until("gone", &store, |store| store.sources()[0].flags == 1).await;
    assert!(!store.overrides()[0].applies(&store.read()));
    file.put(&suite::flags([("flag", "one"), ("other", "one")]));
    until("back", &store, |store| store.sources()[0].flags == 2).await;
    assert!(store.overrides()[0].applies(&store.read()));
    assert!(told(&store, "flag").2.contains("override"));
}

/// Puts documents one after the other, each until it is on disk.
async fn history(store: &Store, file: &mut OnDisk, variants: &[&str]) {
    for variant in variants {
        let before = store.sources()[0].copied.clone().expect("copies").kept;
        file.put(&document(variant));
        serves(store, variant).await;
        until("kept", store, |store| {
            store.sources()[0].copied.as_ref().is_some_and(|copied| copied.kept > before)
        })
        .await;
    }
}

#[tokio::test]
async fn going_back_lasts_until_the_origin_has_something_new() {
    let (state, mut file) = (TempDir::new().expect("a directory"), OnDisk::new());
    file.put(&document("one"));
    let store = start(keeping(state.path()), &file).await;
    until("kept", &store, |store| store.sources()[0].copied.as_ref().is_some_and(|copied| copied.kept > 0))
        .await;
    history(&store, &mut file, &["two", "three"]).await;
    let went = store.roll_back(None, 1, "me").swap_remove(0).1.expect("an earlier document");
    assert_eq!(went.forgetful, None);
    serves(&store, "two").await;
    let status = becomes(&store, State::RolledBack).await;
    assert_eq!((status.served, status.stale.is_some(), store.ready()), (Served::Copy, false, true));
    assert_eq!(&*status.rolled_back.expect("told").author, "me");
    // Further back, and no further than there is.
    store.roll_back(None, 1, "me").swap_remove(0).1.expect("another earlier document");
    serves(&store, "one").await;
    let refused = store.roll_back(None, 1, "me").swap_remove(0).1.expect_err("the first").to_string();
    assert_eq!(refused, "cannot go back by 1: 0 earlier documents are kept (--generations)");
    // The origin shows the same again: that changes nothing.
    file.rename_over(&document("three"));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(answer(&store, &Selector::Any, "flag").as_deref(), Some("one"));
    history(&store, &mut file, &["four"]).await;
    let status = becomes(&store, State::Ok).await;
    assert_eq!((status.rolled_back, status.served), (None, Served::Origin));
}

#[tokio::test]
async fn going_back_outlives_a_restart_with_the_origin_or_without() {
    let (state, mut file) = (TempDir::new().expect("a directory"), OnDisk::new());
    file.put(&document("one"));
    let store = start(keeping(state.path()), &file).await;
    until("kept", &store, |store| store.sources()[0].copied.as_ref().is_some_and(|copied| copied.kept > 0))
        .await;
    history(&store, &mut file, &["two", "three"]).await;
    store.roll_back(None, 2, "me").swap_remove(0).1.expect("an earlier document");
    serves(&store, "one").await;
    drop(store);
    let store = start(keeping(state.path()), &file).await;
    becomes(&store, State::RolledBack).await;
    assert_eq!(answer(&store, &Selector::Any, "flag").as_deref(), Some("one"));
    // The copy is stale for the moment until the origin is seen.
    let seen = |store: &Store| store.sources()[0].stale.is_none();
    until("fresh", &store, seen).await;
    assert!(store.sources()[0].rolled_back.is_some());
    drop(store);
    file.vanish();
    let store = start(keeping(state.path()), &file).await;
    becomes(&store, State::Unreachable).await;
    assert_eq!(answer(&store, &Selector::Any, "flag").as_deref(), Some("one"));
    // The origin comes back with what was gone back behind: still one. Released: three.
    file.put(&document("three"));
    becomes(&store, State::RolledBack).await;
    assert_eq!(answer(&store, &Selector::Any, "flag").as_deref(), Some("one"));
    assert_eq!(store.roll_forward(None).len(), 1);
    serves(&store, "three").await;
    becomes(&store, State::Ok).await;
    assert!(store.roll_forward(None).is_empty(), "there is nothing more to release");
    drop(store);
    let store = start(keeping(state.path()), &file).await;
    assert_eq!(
        (answer(&store, &Selector::Any, "flag").as_deref(), store.sources()[0].state),
        (Some("three"), State::Ok)
    );
}

#[tokio::test]
async fn without_a_state_directory_there_is_no_way_back() {
    let mut file = OnDisk::new();
    file.put(&document("one"));
    let store = start(settings(), &file).await;
    let refused = store.roll_back(None, 1, "me").swap_remove(0).1.expect_err("nothing kept").to_string();
    assert_eq!(refused, "earlier documents are kept only with --state-dir");
    assert!(store.roll_back(Some("another"), 1, "me").is_empty());
}
