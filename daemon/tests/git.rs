//! `hoistd doctor` and `hoistd diff` on git repositories, in place and by way of a server.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::print_stdout)]

#[path = "../../store/tests/forge/repository.rs"]
mod repository;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use repository::{Repository, git_is_missing};
use serde_json::{Value, json};

const FREE: [&str; 8] = ["-p", "0", "-m", "0", "-g", "0", "-r", "0"];
/// Takes the place of `ssh`: every host is this machine.
const SSH: &str = "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done\nexec sh -c \"$3\"\n";

/// A document with one flag that is on, or named wrongly.
fn document(flag: &str, default: &str) -> String {
    let flags = json!({flag: {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": default}});
    json!({ "flags": flags }).to_string()
}

/// Runs the daemon's program beside a repository, with a stand-in for `ssh` and places for its temporary files.
fn run(repository: &Repository, words: &[&str]) -> Output {
    let folder = repository.folder();
    let ssh = folder.join("bin/ssh");
    if !ssh.exists() {
        fs::create_dir_all(folder.join("bin")).unwrap();
        fs::create_dir_all(folder.join("tmp")).unwrap();
        fs::write(&ssh, SSH).unwrap();
        fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = std::env::var("PATH").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hoistd"));
    command.args(words).current_dir(folder).env_clear().env("TMPDIR", folder.join("tmp"));
    command.env("HOME", folder).env("PATH", format!("{}:{path}", folder.join("bin").display()));
    command.output().unwrap()
}

/// The address of the repository by way of `ssh`.
fn by_ssh(repository: &Repository, query: &str) -> String {
    format!("git+ssh://git@flags.example{}?{query}", repository.bare().display())
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

/// What `doctor` finds of these sources.
fn checks(repository: &Repository, sources: &[&str], more: &[&str]) -> Vec<Value> {
    let mut words = [&["doctor", "--format", "json"], &FREE[..], more].concat();
    words.extend(sources.iter().flat_map(|source| ["-f", source]));
    let output = run(repository, &words);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    report["checks"].as_array().unwrap().clone()
}

fn find<'c>(checks: &'c [Value], level: &str, what: &str, text: &str) -> &'c Value {
    let fits = |check: &&Value| {
        check["level"] == level && check["what"] == what && check["message"].as_str().unwrap().contains(text)
    };
    checks.iter().find(fits).unwrap_or_else(|| panic!("no {level} {what} {text:?} in {checks:#?}"))
}

#[test]
fn doctor_says_which_commit_there_is_and_what_is_wrong_with_its_files() {
    if git_is_missing() {
        return;
    }
    let repository = Repository::new();
    repository.write("flags/a.json", &document("a", "on"));
    let commit = repository.put("flags/b.json", &document("b", "on"));
    for uri in [repository.uri("ref=main&path=flags/"), by_ssh(&repository, "ref=main&path=flags/")] {
        let found = checks(&repository, &[&uri], &[]);
        let well = find(&found, "ok", "source", "2 flags in ");
        let said = well["message"].as_str().unwrap();
        assert!(said.contains("0 problems") && said.contains(&commit) && said.contains("Ada"), "{said}");
        assert!(well["where"].as_str().unwrap().ends_with("?ref=main&path=flags/"), "{well}");
    }
    repository.put("flags/b.json", &document("b", "nowhere"));
    let found = checks(&repository, &[&repository.uri("path=flags/")], &[]);
    find(&found, "ok", "source", "1 flags in ");
    find(&found, "error", "flags", "b.json");
}

#[test]
fn doctor_says_why_a_repository_gives_nothing_and_shows_no_token() {
    if git_is_missing() {
        return;
    }
    let repository = Repository::new();
    repository.put("flags.json", &document("a", "on"));
    repository.put("broken.json", "{\"flags\": {");
    let none = repository.uri("ref=none&path=flags.json");
    let path = repository.uri("path=nowhere.json");
    let broken = repository.uri("path=broken.json");
    let away = "git+https://me:hunter2@127.0.0.1:1/flags.git?path=flags.json";
    let found = checks(&repository, &[&none, &path, &broken, away], &["--timeout", "5s"]);
    let advice = find(&found, "error", "source", "no branch and no tag `none`")["advice"].clone();
    assert!(advice.as_str().unwrap().contains("ref and path"), "{advice}");
    find(&found, "error", "source", "nowhere.json");
    let broken = find(&found, "error", "source", "EOF while parsing");
    assert!(broken["where"].as_str().unwrap().ends_with("broken.json"), "{broken}");
    find(&found, "error", "source", "refused");
    assert!(!format!("{found:?}").contains("hunter2"), "{found:#?}");
}

#[test]
fn doctor_leaves_nothing_behind_in_the_daemons_cache_and_says_whether_it_can_be_written() {
    if git_is_missing() {
        return;
    }
    let repository = Repository::new();
    repository.put("flags.json", &document("a", "on"));
    let uri = by_ssh(&repository, "path=flags.json");
    let cache = repository.folder().join("cache");
    fs::create_dir(&cache).unwrap();
    let with = |place: &Path| checks(&repository, &[&uri], &["--cache-dir", place.to_str().unwrap()]);
    let found = with(&cache);
    find(&found, "ok", "source", "1 flags in ");
    find(&found, "ok", "cache", "can be written");
    assert_eq!((entries(&cache), entries(&repository.folder().join("tmp"))), (0, 0));
    let file = repository.folder().join("work/flags.json");
    find(&with(&file), "error", "cache", "is no directory");
}

#[test]
fn diff_compares_two_references_and_leaves_nothing_behind() {
    if git_is_missing() {
        return;
    }
    let repository = Repository::new();
    repository.write("flags/same.json", &document("same", "on"));
    repository.put("flags/a.json", &document("a", "on"));
    repository.git(&["push", "-q", "origin", "HEAD:refs/heads/release"]);
    repository.put("flags/a.json", &document("a", "off"));
    let by = |ref_: &str| by_ssh(&repository, &format!("ref={ref_}&path=flags/"));
    let here = |ref_: &str| repository.uri(&format!("ref={ref_}&path=flags/"));
    for (before, after) in [(here("release"), here("main")), (by("release"), by("main"))] {
        let output = run(&repository, &["diff", &before, &after]);
        let shown = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{shown} {}", String::from_utf8_lossy(&output.stderr));
        assert!(shown.contains("1 flag changed\n~ a\n"), "{shown}");
        assert!(shown.contains("defaultVariant: \"on\" -> \"off\""), "{shown}");
        assert_eq!(run(&repository, &["diff", &after, &after]).status.code(), Some(0));
    }
    assert_eq!(entries(&repository.folder().join("tmp")), 0);
    // A commit of old beside a working copy, as a change is looked at before it is pushed.
    let commit = repository.git(&["rev-parse", "main~1"]);
    let old = repository.uri(&format!("ref={commit}&path=flags/a.json"));
    let output = run(&repository, &["diff", &old, "work/flags/a.json"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn diff_says_which_file_is_broken() {
    if git_is_missing() {
        return;
    }
    let repository = Repository::new();
    repository.write("flags/a.json", &document("a", "on"));
    repository.put("flags/b.json", "{\"flags\": {");
    let output = run(&repository, &["diff", "work/flags/a.json", &repository.uri("path=flags/")]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("flags/b.json") && said.contains("git+file://"), "{said}");
}
