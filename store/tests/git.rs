//! The `git` source against real repositories: the suite that every source passes, in place and over HTTPS, and what only
//! git has: references, several files, who made it and when.

#![cfg(feature = "git")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

mod forge;
mod server;
mod suite;

use std::time::{Duration, SystemTime};

use engine::Selector;
use forge::{Forge, Repository, TOKEN, git_is_missing};
use hoist_store::{BUILT_IN, Origin, Source, State, Store, find};
use serde_json::{Map, Value, json};
use suite::{Backend, answer, becomes, document, flags, open, serves, settings, until};

/// A file in a repository, in place or behind a server.
struct Git {
    repository: Repository,
    forge: Option<Forge>,
    query: &'static str,
    options: Map<String, Value>,
}

impl Git {
    fn in_place() -> Self {
        let options = Map::from_iter([("interval".to_owned(), json!(1))]);
        Self { repository: Repository::new(), forge: None, query: "ref=main&path=flags.json", options }
    }

    async fn over_https() -> Self {
        let mut git = Self::in_place();
        let forge = Forge::start(git.repository.folder()).await;
        git.set("certPath", json!(forge.certificate()));
        git.set("username", json!("me"));
        git.set("token", json!(TOKEN));
        Self { forge: Some(forge), ..git }
    }

    fn set(&mut self, option: &str, value: Value) {
        self.options.insert(option.to_owned(), value);
    }

    fn at(self, query: &'static str) -> Self {
        Self { query, ..self }
    }
}

impl Backend for Git {
    fn follow(&self) -> (Origin, Box<dyn Source>) {
        let uri = match &self.forge {
            Some(forge) => forge.uri(self.query),
            None => self.repository.uri(self.query),
        };
        forge::follow(&uri, &self.options)
    }

    fn put(&mut self, document: &str) {
        self.repository.come_back();
        self.repository.put("flags.json", document);
    }

    fn vanish(&mut self) -> bool {
        self.repository.vanish()
    }
}

#[tokio::test]
async fn suite_in_place() {
    if !git_is_missing() {
        suite::play(Git::in_place()).await;
    }
}

#[tokio::test]
async fn suite_over_https_with_a_token() {
    if !git_is_missing() {
        suite::play(Git::over_https().await).await;
    }
}

#[tokio::test]
async fn a_version_knows_its_commit_its_author_and_its_time() {
    if git_is_missing() {
        return;
    }
    let git = Git::over_https().await;
    let first = git.repository.put("flags.json", &document("one"));
    let store = open(&git);
    serves(&store, "one").await;
    let status = becomes(&store, State::Ok).await;
    assert_eq!(status.origin_revision.as_deref(), Some(&*first));
    let authorship = status.authorship.expect("an author");
    assert_eq!((&*authorship.author, &*authorship.subject), ("Ada <ada@example.com>", "Change flags"));
    assert!(SystemTime::now().duration_since(authorship.at).is_ok_and(|age| age.as_secs() < 600));
    // Another commit with the same flags is no change, and is the one that is in service all the same.
    let mut generations = store.subscribe();
    generations.mark_unchanged();
    let second = git.repository.put("unrelated.txt", "text");
    until("the other commit is known", &store, |store| {
        store.sources()[0].origin_revision.as_deref() == Some(&*second)
    })
    .await;
    assert!(!generations.has_changed().expect("open"), "no new generation");
    assert!(!format!("{:?}", store.sources()).contains(TOKEN));
}

#[tokio::test]
async fn branches_tags_and_commits_are_followed() {
    if git_is_missing() {
        return;
    }
    let git = Git::over_https().await;
    let commit = git.repository.put("flags.json", &document("first"));
    git.repository.git(&["tag", "-a", "v1", "-m", "One"]);
    git.repository.git(&["push", "-q", "origin", "v1"]);
    git.repository.git(&["checkout", "-q", "-b", "team/blue"]);
    git.repository.put("flags.json", &document("blue"));
    git.repository.git(&["checkout", "-q", "main"]);
    git.repository.put("flags.json", &document("main"));
    for (reference, variant) in [
        ("", "main"),
        ("&ref=main", "main"),
        ("&ref=refs/heads/team/blue", "blue"),
        ("&ref=team/blue", "blue"),
        ("&ref=v1", "first"),
        ("&ref=refs/tags/v1", "first"),
        (&format!("&ref={commit}"), "first"),
    ] {
        let query = format!("path=flags.json{reference}");
        for uri in [git.repository.uri(&query), git.forge.as_ref().expect("a forge").uri(&query)] {
            let origin = Origin::new("git", &uri, git.options.clone());
            let source = (find(BUILT_IN, "git").expect("git").build)(&origin).expect("good options");
            serves(&Store::open(settings(), vec![(origin, source)]), variant).await;
        }
    }
    let git = git.at("ref=nowhere&path=flags.json");
    let status = becomes(&open(&git), State::Unreachable).await;
    assert!(status.error.is_some_and(|error| error.contains("no branch and no tag `nowhere`")));
}

/// What `key` answers in the flag set `set`.
fn in_set(store: &Store, set: &str, key: &str) -> Option<String> {
    answer(store, &Selector::parse(&format!("flagSetId={set}")).expect("a selector"), key)
}

#[tokio::test]
async fn a_directory_or_a_glob_is_a_document_of_several_files() {
    if git_is_missing() {
        return;
    }
    let git = Git::in_place().at("path=envs/**/*.json&flagSet=directory");
    git.repository.write("envs/prod/a.json", &flags([("a", "prod"), ("b", "prod")]));
    git.repository.write("envs/test/a.json", &flags([("a", "test")]));
    git.repository.write("envs/test/.hidden.json", "garbage");
    git.repository.write("envs/README.md", "text");
    git.repository.push();
    let store = open(&git);
    until("both sets", &store, |store| store.sources()[0].flags == 3).await;
    assert_eq!(in_set(&store, "prod", "a").as_deref(), Some("prod"));
    assert_eq!(in_set(&store, "test", "a").as_deref(), Some("test"));

    // A broken flag is named with file, line and column, and stays what it was; one file more adds to the others.
    let broken = "{\"flags\": {\n  \"a\": {\"variants\": {\"x\": 1}, \"defaultVariant\": \"y\"}}}";
    git.repository.write("envs/test/a.json", broken);
    git.repository.write("envs/test/z.json", &flags([("z", "more")]));
    git.repository.push();
    until("the new file", &store, |store| in_set(store, "test", "z").is_some()).await;
    assert_eq!(in_set(&store, "test", "a").as_deref(), Some("test"));
    // Flags can be evaluated a moment before the status says what came with them.
    until("the problem", &store, |store| store.sources()[0].problems.total > 0).await;
    let status = becomes(&store, State::Ok).await;
    let problem = &status.problems.list[0];
    assert_eq!(problem.file.as_deref(), Some("envs/test/a.json"));
    assert_eq!(problem.place.map(|place| place.line), Some(2));

    // A file that is no document at all refuses the commit and says which.
    git.repository.put("envs/prod/a.json", "{\"flags\": {\n");
    let error = becomes(&store, State::Refused).await.error.expect("an error");
    assert!(error.starts_with("envs/prod/a.json: ") && error.contains("line 2"), "{error}");
    assert_eq!(in_set(&store, "prod", "b").as_deref(), Some("prod"));
}

#[tokio::test]
async fn a_directory_takes_what_is_right_in_it() {
    if git_is_missing() {
        return;
    }
    let git = Git::over_https().await.at("path=flags/&flagSet=file");
    git.repository.write("flags/blue.yaml", "flags:\n  a: {variants: {blue: 1}, defaultVariant: blue}\n");
    git.repository.write("flags/red.json", &flags([("a", "red")]));
    git.repository.write("flags/deeper/green.json", &flags([("a", "green")]));
    git.repository.push();
    let store = open(&git);
    until("both files", &store, |store| store.sources()[0].flags == 2).await;
    assert_eq!(in_set(&store, "blue", "a").as_deref(), Some("blue"));
    assert_eq!(in_set(&store, "red", "a").as_deref(), Some("red"));
    assert_eq!(in_set(&store, "green", "a"), None);
    // Gone from the repository, gone from the store.
    git.repository.git(&["rm", "-q", "flags/red.json"]);
    git.repository.push();
    until("the file is gone", &store, |store| in_set(store, "red", "a").is_none()).await;
}

#[tokio::test]
async fn news_are_fetched_at_once() {
    if git_is_missing() {
        return;
    }
    let mut git = Git::over_https().await;
    git.set("interval", json!(3_600));
    git.put(&document("one"));
    let store = open(&git);
    serves(&store, "one").await;
    let asked = git.forge.as_ref().expect("a forge").requests();
    git.put(&document("two"));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(git.forge.as_ref().expect("a forge").requests(), asked, "not asked without news");
    store.kick(|origin| origin.provider() == "git");
    serves(&store, "two").await;
}

#[test]
fn what_cannot_work_is_refused_before_anything_starts() {
    let build = |uri: &str, options: Value| {
        let origin = Origin::new("git", uri, options.as_object().cloned().unwrap_or_default());
        let built = (find(BUILT_IN, "git").expect("git").build)(&origin);
        built.err().map(|error| error.to_string()).unwrap_or_default()
    };
    for (uri, options, says) in [
        ("git+https://h/r.git", json!({}), "path=..."),
        ("git+http://h/r.git?path=f", json!({"token": "hunter2"}), "use git+https"),
        ("git+http://me:hunter2@h/r.git?path=f", json!({}), "use git+https"),
        ("git+ssh://git@h/r.git?path=f", json!({"token": "hunter2"}), "identityPath"),
        ("git+https://h/r.git?path=f", json!({"token": "hunter2", "tokenPath": "/t"}), "one of them"),
        ("git+https://h/r.git?path=f&token=hunter2", json!({}), "ref, path and flagSet"),
    ] {
        let said = build(uri, options);
        assert!(said.contains(says) && !said.contains("hunter2"), "{uri}: {said}");
    }
    assert_eq!(build("git+http://127.0.0.1/r.git?path=f", json!({"token": "hunter2"})), "");
}
