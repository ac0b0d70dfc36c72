//! Repositories that are rewritten, broken, hostile or gone: flags are answered from the last good commit, the status says
//! why, and the source recovers by itself. docs/resilience.md has the table.

#![cfg(feature = "git")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

mod forge;
mod server;
mod suite;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use engine::Selector;
use forge::{Fault, TOKEN, World, git_is_missing};
use hoist_store::{Served, Settings, State};
use serde_json::json;
use suite::{answer, becomes, document, serves, settings, until};

/// What may happen to a cache: its name, and what does it.
type Harm = (&'static str, fn(&Path));

fn packs(cache: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(cache.join("objects/pack")).expect("packs").flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "pack"))
        .collect()
}

#[tokio::test]
async fn rewritten_history_and_a_deleted_branch() {
    if git_is_missing() {
        return;
    }
    let world = World::new().await;
    let repository = &world.repository;
    repository.put("flags.json", &document("one"));
    let store = world.open();
    serves(&store, "one").await;
    // The branch is made anew: nothing of its past is left.
    repository.git(&["checkout", "-q", "--orphan", "anew"]);
    repository.git(&["commit", "-q", "--allow-empty", "-m", "Anew"]);
    repository.git(&["branch", "-q", "-M", "anew", "main"]);
    repository.put("flags.json", &document("two"));
    serves(&store, "two").await;
    // An older commit is forced back.
    let older = repository.git(&["rev-parse", "HEAD"]);
    repository.put("flags.json", &document("three"));
    serves(&store, "three").await;
    repository.git(&["reset", "-q", "--hard", &older]);
    repository.git(&["push", "-q", "--force", "origin", "main"]);
    serves(&store, "two").await;
    // The branch is deleted, and comes back.
    repository.git(&["push", "-q", "origin", "HEAD:refs/heads/other"]);
    fs::remove_file(repository.bare().join("refs/heads/main")).expect("deleted");
    let status = becomes(&store, State::Unreachable).await;
    assert!(status.error.is_some_and(|error| error.contains("no branch and no tag `main`")));
    assert_eq!(answer(&store, &Selector::Any, "flag").as_deref(), Some("two"));
    repository.put("flags.json", &document("four"));
    serves(&store, "four").await;
    assert_eq!(becomes(&store, State::Ok).await.error, None);
}

#[tokio::test]
async fn servers_that_fail() {
    if git_is_missing() {
        return;
    }
    let world = World::new().await;
    world.repository.put("flags.json", &document("one"));
    let store = world.open();
    serves(&store, "one").await;
    for (fault, says) in [
        (Fault::Status(500), "500"),
        (Fault::Status(401), "check username and token"),
        (Fault::Status(404), "check the URL"),
        (Fault::Hang, "no answer within 2s"),
        (Fault::Cut, ""),
        (Fault::Page, ""),
    ] {
        world.forge.set(fault);
        let status = becomes(&store, State::Unreachable).await;
        let error = status.error.unwrap_or_default();
        assert!(error.contains(says) && error.contains("git+https://localhost"), "{fault:?}: {error}");
        assert_eq!(answer(&store, &Selector::Any, "flag").as_deref(), Some("one"), "{fault:?}");
        world.forge.set(Fault::None);
        becomes(&store, State::Ok).await;
    }
    assert!(!format!("{:?}", store.sources()).contains(TOKEN));
}

#[tokio::test]
async fn a_token_that_is_wrong_may_be_replaced_in_its_file() {
    if git_is_missing() {
        return;
    }
    let mut world = World::new().await;
    world.repository.put("flags.json", &document("one"));
    let path = world.cache.path().join("token");
    fs::write(&path, "wrong\n").expect("written");
    world.options.remove("token");
    world.options.insert("tokenPath".to_owned(), json!(path));
    let store = world.open();
    let status = becomes(&store, State::Unreachable).await;
    assert!(status.error.as_deref().is_some_and(|error| error.contains("401")), "{status:?}");
    fs::write(&path, format!("{TOKEN}\n")).expect("written");
    serves(&store, "one").await;
}

#[tokio::test]
async fn a_cache_that_is_broken_is_made_anew() {
    if git_is_missing() {
        return;
    }
    let world = World::new().await;
    world.repository.put("flags.json", &document("one"));
    serves(&world.open(), "one").await;
    let breaking: [Harm; 6] = [
        ("packs of garbage", |cache| {
            for pack in packs(cache) {
                fs::remove_file(&pack).expect("removed");
                fs::write(pack, vec![7; 5_000]).expect("written");
            }
        }),
        ("no packs", |cache| fs::remove_dir_all(cache.join("objects")).expect("removed")),
        ("no head", |cache| fs::remove_file(cache.join("HEAD")).expect("removed")),
        ("a broken configuration", |cache| fs::write(cache.join("config"), "[[[").expect("written")),
        ("locks of a process that was killed", |cache| {
            fs::create_dir_all(cache.join("refs/hoist")).expect("made");
            for lock in ["refs/hoist/branch.lock", "shallow.lock", "packed-refs.lock"] {
                fs::write(cache.join(lock), "").expect("written");
            }
        }),
        ("many packs", |cache| {
            (0..40).for_each(|at| {
                fs::write(cache.join(format!("objects/pack/{at}.pack")), "").expect("written")
            });
        }),
    ];
    for (at, (name, harm)) in breaking.into_iter().enumerate() {
        harm(&world.cache_at_rest().await);
        // Once for what is known already, at a start, and once for news.
        let store = world.open();
        until(name, &store, |store| store.sources()[0].ready).await;
        harm(&world.caches().remove(0));
        let variant = format!("v{at}");
        world.repository.put("flags.json", &document(&variant));
        serves(&store, &variant).await;
        assert_eq!(becomes(&store, State::Ok).await.error, None, "{name}");
    }
    assert!(packs(&world.caches()[0]).len() < 10, "what has gathered is gone");
}

#[tokio::test]
async fn a_cache_that_somebody_has_is_left_to_them() {
    if git_is_missing() {
        return;
    }
    let world = World::new().await;
    world.repository.put("flags.json", &document("one"));
    let (first, second) = (world.open(), world.open());
    serves(&first, "one").await;
    serves(&second, "one").await;
    assert_eq!(world.caches().len(), 2);
    drop((first, second));
    world.cache_at_rest().await;
    // What is known is not fetched again after a restart: the server is asked for its references, and no more.
    let asked = world.forge.requests();
    let store = world.open();
    serves(&store, "one").await;
    assert!(world.forge.requests() - asked <= 2, "{}", world.forge.requests() - asked);
}

#[tokio::test]
async fn links_lead_within_the_repository_and_nowhere_else() {
    if git_is_missing() {
        return;
    }
    let world = World::new().await;
    let repository = &world.repository;
    let work = repository.folder().join("work");
    repository.write("base/flags.json", &document("base"));
    fs::create_dir_all(work.join("envs/prod")).expect("folders");
    symlink("../../base/flags.json", work.join("envs/prod/flags.json")).expect("a link");
    symlink("../base", work.join("envs/all")).expect("a link");
    symlink("/etc", work.join("envs/etc")).expect("a link");
    symlink("../../../../../../etc/hostname", work.join("envs/up.json")).expect("a link");
    symlink("loop.json", work.join("envs/loop.json")).expect("a link");
    fs::write(repository.folder().join("secret.json"), document("secret")).expect("written");
    symlink("../../secret.json", work.join("envs/secret.json")).expect("a link");
    repository.push();
    for path in ["envs/prod/flags.json", "envs/all/flags.json", "envs/prod/", "envs/prod/*.json"] {
        serves(&world.open_at(&format!("path={path}"), settings()), "base").await;
    }
    for (path, says) in [
        ("envs/etc/hostname", "out of the repository"),
        ("envs/up.json", "out of the repository"),
        ("envs/secret.json", "out of the repository"),
        ("envs/", "link"),
        ("envs/loop.json", "more than 16 links"),
        ("envs/none.json", "leads to no"),
        ("envs/prod/flags.json/x", "leads to no"),
        ("none/**", "matches no"),
    ] {
        let store = world.open_at(&format!("path={path}"), settings());
        let error = becomes(&store, State::Refused).await.error.unwrap_or_default();
        assert!(error.contains(says), "{path}: {error}");
    }
}

#[tokio::test]
async fn trees_that_no_git_would_write_do_no_harm() {
    if git_is_missing() {
        return;
    }
    let world = World::new().await;
    let repository = &world.repository;
    repository.put("flags.json", &document("one"));
    let store = world.open_at("path=**", settings());
    serves(&store, "one").await;
    // A tree with entries called `..` and `.git`, as an attacker would make one by hand.
    let blob = repository.git(&["rev-parse", "HEAD:flags.json"]);
    let hex = |id: &str| -> Vec<u8> {
        (0..40).step_by(2).map(|at| u8::from_str_radix(&id[at..at + 2], 16).expect("hex")).collect()
    };
    let mut tree = Vec::new();
    for name in ["..", ".git", "../../evil.json", "flags.json"] {
        tree.extend_from_slice(format!("100644 {name}\0").as_bytes());
        tree.extend_from_slice(&hex(&blob));
    }
    fs::write(repository.folder().join("work/tree"), tree).expect("written");
    let tree = repository.git(&["hash-object", "-t", "tree", "-w", "--literally", "tree"]);
    let commit = repository.git(&["commit-tree", &tree, "-m", "Evil"]);
    repository.git(&["push", "-q", "--force", "origin", &format!("{commit}:refs/heads/main")]);
    until("looked at", &store, |store| {
        let status = &store.sources()[0];
        status.origin_revision.as_deref() == Some(&*commit) || status.error.is_some()
    })
    .await;
    serves(&store, "one").await;
    assert!(
        !repository.folder().join("evil.json").exists() && !world.cache.path().join("evil.json").exists()
    );
}

#[tokio::test]
async fn too_much_is_refused() {
    if git_is_missing() {
        return;
    }
    let world = World::new().await;
    world.repository.put("flags.json", &document("one"));
    let store = world.open_at("path=flags.json", Settings { max_bytes: 100_000, ..settings() });
    serves(&store, "one").await;
    let large = format!("{}{}", document("large"), " ".repeat(100_000));
    world.repository.put("flags.json", &large);
    let error = becomes(&store, State::Refused).await.error.unwrap_or_default();
    assert!(error.contains("flags.json") && error.contains("larger than 100000 bytes"), "{error}");
    assert_eq!(answer(&store, &Selector::Any, "flag").as_deref(), Some("one"));
    world.repository.put("flags.json", &document("two"));
    serves(&store, "two").await;
    for at in 0..1_001 {
        world.repository.write(&format!("many/{at}.json"), "{}");
    }
    world.repository.push();
    let many = world.open_at("path=many/", settings());
    let error = becomes(&many, State::Refused).await.error.unwrap_or_default();
    assert!(error.contains("more than 1000 files"), "{error}");
}

#[tokio::test]
async fn a_start_without_the_server_serves_the_copy_of_several_files() {
    if git_is_missing() {
        return;
    }
    let world = World::new().await;
    let state = tempfile::tempdir().expect("a directory");
    let with_state = || Settings { state_dir: Some(state.path().to_owned()), ..settings() };
    let commit = world.repository.put("flags/a.json", &document("one"));
    let store = world.open_at("path=flags/", with_state());
    serves(&store, "one").await;
    until("a copy", &store, |store| {
        store.sources()[0].copied.as_ref().is_some_and(|copied| copied.at.is_some())
    })
    .await;
    drop(store);
    world.forge.set(Fault::Status(503));
    let store = world.open_at("path=flags/", with_state());
    serves(&store, "one").await;
    until("a status that says so", &store, |store| store.sources()[0].served != Served::Nothing).await;
    let status = store.sources().swap_remove(0);
    assert_eq!((status.served, status.origin_revision.as_deref()), (Served::Copy, Some(&*commit)));
    assert_eq!(status.authorship.expect("an author").author, "Ada <ada@example.com>");
    world.forge.set(Fault::None);
    until("fresh", &store, |store| store.sources()[0].served == Served::Origin).await;
}
