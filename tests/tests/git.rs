//! The daemon and a git repository: somebody pushes, the git server says so, and clients see it.
//!
//! `HOIST_GIT_PUSHES` sets how many pushes are timed, seen by a stock client; none unless told.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../../store/tests/forge/repository.rs"]
mod repository;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use repository::{Repository, git_is_missing};
use ring::hmac;
use serde_json::{Value, json};
use tests::clients::{PYTHON_RPC, python};
use tests::testbed::Driver;
use tests::world::{Daemon, DaemonOptions, http};

const SECRET: &str = "hunter2";

fn document(value: &str) -> String {
    let flag = json!({"state": "ENABLED", "variants": {"v": value}, "defaultVariant": "v"});
    json!({"flags": {"flag": flag}}).to_string()
}

/// A daemon that follows a repository, and a place for its files.
struct World {
    repository: Repository,
    daemon: Daemon,
}

impl World {
    fn start(interval: u64, hooks: bool) -> Self {
        let repository = Repository::new();
        repository.put("flags/all.json", &document("one"));
        let secret = repository.folder().join("secret");
        std::fs::write(&secret, format!("{SECRET}\n")).expect("written");
        let uri = repository.uri("ref=main&path=flags/");
        let sources = json!([{"provider": "git", "uri": uri, "interval": interval}]).to_string();
        let mut args = vec!["--sources".to_owned(), sources];
        if hooks {
            args.extend(["--hook-secret-path".to_owned(), secret.display().to_string()]);
        }
        let log = Some(repository.folder().join("log"));
        let daemon = DaemonOptions { log, ..DaemonOptions::new(args) }.start();
        Self { repository, daemon }
    }

    fn log(&self) -> PathBuf {
        self.repository.folder().join("log")
    }

    fn value(&self) -> Value {
        let answer = http::post(self.daemon.ports().ofrep, "/ofrep/v1/evaluate/flags/flag", &json!({}));
        answer.expect("an answer").json()["value"].clone()
    }

    fn sees(&self, value: &str) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.value() != value {
            assert!(Instant::now() < deadline, "{value} is not seen; {}", self.status());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn status(&self) -> Value {
        let answer = http::get(self.daemon.ports().management, "/readyz?verbose").expect("an answer");
        answer.json()["sources"][0].clone()
    }

    fn notice(&self) -> String {
        let url = format!("file://{}", self.repository.bare().display());
        json!({"ref": "refs/heads/main", "repository": {"full_name": "x/origin", "clone_url": url}})
            .to_string()
    }

    fn hook(&self, headers: &[(&str, &str)], body: &str) -> http::Answer {
        let port = self.daemon.ports().management;
        http::send(port, "POST", "/hooks/git", headers, body.as_bytes()).expect("an answer")
    }

    /// What GitHub sends after a push.
    fn github(&self) -> Value {
        let body = self.notice();
        let answer = self.hook(&[("x-hub-signature-256", &format!("sha256={}", signed(&body)))], &body);
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.json()
    }
}

fn signed(body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    hmac::sign(&key, body.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_push_is_seen_as_soon_as_the_git_server_says_so() {
    if git_is_missing() {
        return;
    }
    let world = World::start(3_600, true);
    world.sees("one");
    let commit = world.repository.put("flags/all.json", &document("two"));
    let answer = world.github();
    assert_eq!(answer["sources"].as_array().map(Vec::len), Some(1), "{answer}");
    world.sees("two");

    // Everybody can tell which commit it is, whose, and of when.
    let status = world.status();
    assert_eq!(
        (&status["originRevision"], &status["originAuthor"]),
        (&json!(commit), &json!("Ada <ada@example.com>"))
    );
    assert_eq!(status["originSubject"], "Change flags");
    assert!(status["originTimestamp"].as_f64().is_some_and(|at| at > 1e9), "{status}");
    assert!(status["name"].as_str().is_some_and(|name| name.ends_with("?ref=main&path=flags/")), "{status}");
    let metrics = http::get(world.daemon.ports().management, "/metrics").expect("metrics").text();
    assert!(metrics.contains("hoistd_source_revision_timestamp_seconds{"), "{metrics}");
    assert!(metrics.contains("/hooks/git"), "hooks are counted as requests");
    let log = std::fs::read_to_string(world.log()).expect("a log");
    assert!(log.contains(&commit) && log.contains("ada@example.com") && !log.contains(SECRET), "{log}");

    // The other servers' ways, and a notice of another repository.
    let (body, other) = (world.notice(), r#"{"repository": {"full_name": "x/other"}}"#);
    assert_eq!(world.hook(&[("x-gitlab-token", SECRET)], &body).status, 202);
    assert_eq!(world.hook(&[("x-gitea-signature", &signed(&body))], &body).status, 202);
    assert_eq!(world.hook(&[("x-gitea-signature", &signed(other))], other).json(), json!({"sources": []}));
}

#[test]
fn a_notice_that_nobody_signed_is_refused() {
    if git_is_missing() {
        return;
    }
    let world = World::start(3_600, true);
    let body = world.notice();
    for headers in [
        vec![],
        vec![("x-gitlab-token", "wrong")],
        vec![("x-hub-signature-256", "sha256=00")],
        vec![("x-gitea-signature", "")],
    ] {
        assert_eq!(world.hook(&headers, &body).status, 401, "{headers:?}");
    }
    let other = signed("another body");
    assert_eq!(world.hook(&[("x-gitea-signature", &other)], &body).status, 401);
    let management = world.daemon.ports().management;
    assert_eq!(http::get(management, "/hooks/git").expect("an answer").status, 405);
    let secret = world.repository.folder().join("secret");
    std::fs::write(&secret, "").expect("written");
    assert_eq!(world.hook(&[("x-gitlab-token", "")], &body).status, 503, "an empty secret opens nothing");
    let closed = World::start(3_600, false);
    assert_eq!(closed.hook(&[("x-gitlab-token", SECRET)], &body).status, 404, "off without a secret");
}

#[test]
fn a_push_is_seen_by_polling() {
    if git_is_missing() {
        return;
    }
    let world = World::start(1, false);
    world.sees("one");
    world.repository.put("flags/all.json", &document("two"));
    world.sees("two");
}

/// Takes the place of `ssh`: every host is this machine.
const SSH: &str = "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done\nexec sh -c \"$3\"\n";
/// Has the program see all file systems read-only but the directory that its first word is, and only if that is so.
const READ_ONLY: &str = r#"
set -e
cache=$1; shift
mount --bind "$cache" "$cache"
while read -r _ at _; do
    [ "$at" = "$cache" ] || mount -o remount,bind,ro "$at" 2>/dev/null || true
done </proc/self/mounts
for at in / /tmp /var/tmp /dev/shm "$HOME" "$PWD"; do
    if touch "$at/probe" 2>/dev/null; then echo "$at can be written" >&2; exit 99; fi
done
touch "$cache/probe"
rm "$cache/probe"
exec "$@"
"#;

/// How to follow `repository` by way of `ssh` on a file system where nothing but `cache` can be written.
fn on_read_only(repository: &Repository, cache: &Path, more: &[&str]) -> DaemonOptions {
    let folder = repository.folder();
    let bin = folder.join("bin");
    std::fs::create_dir_all(&bin).expect("a folder");
    std::fs::write(bin.join("ssh"), SSH).expect("written");
    std::fs::set_permissions(bin.join("ssh"), Permissions::from_mode(0o755)).expect("executable");
    let uri = format!("git+ssh://git@flags.example{}?path=flags/", repository.bare().display());
    let sources = json!([{"provider": "git", "uri": uri, "interval": 1}]).to_string();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a path"));
    let words = ["--sources", &sources].into_iter().chain(more.iter().copied());
    let under = ["unshare", "-rm", "sh", "-c", READ_ONLY, "sh", cache.to_str().expect("UTF-8")];
    DaemonOptions {
        env: vec![("PATH".into(), path.into()), ("HOME".into(), folder.into())],
        folder: Some(folder.to_owned()),
        log: Some(folder.join("log")),
        under: under.map(Into::into).to_vec(),
        ..DaemonOptions::new(words)
    }
}

#[test]
fn on_a_read_only_system_nothing_but_the_cache_is_written() {
    let cache = tempfile::tempdir().expect("a directory");
    let at = cache.path().to_str().expect("UTF-8");
    let permitted = Command::new("unshare").args(["-rm", "mount", "--bind", at, at]).output();
    if git_is_missing() || !permitted.is_ok_and(|done| done.status.success()) {
        println!("skipped: no git, or no mounts of one's own (unshare -rm)");
        return;
    }
    let repository = Repository::new();
    repository.put("flags/all.json", &document("one"));
    let daemon = on_read_only(&repository, cache.path(), &["--cache-dir", at]).start();
    let world = World { repository, daemon };
    world.sees("one");
    world.repository.put("flags/all.json", &document("two"));
    world.sees("two");
    let log = std::fs::read_to_string(world.log()).expect("a log");
    assert!(!log.to_lowercase().contains("read-only"), "{log}");
    let caches = std::fs::read_dir(cache.path()).expect("a cache").flatten();
    assert_eq!(caches.filter(|entry| entry.path().join("repo/HEAD").is_file()).count(), 1);

    // Without one it says what is missing.
    let repository = Repository::new();
    repository.put("flags/all.json", &document("one"));
    assert_eq!(on_read_only(&repository, cache.path(), &[]).fails().code(), Some(1));
    let log = std::fs::read_to_string(repository.folder().join("log")).expect("a log");
    assert!(log.contains("see --cache-dir"), "{log}");
}

/// From the end of a push to the value in a stock client, for as many pushes as `HOIST_GIT_PUSHES` says.
#[test]
fn pushes_are_seen_in_time_by_a_stock_client() {
    let pushes: usize = std::env::var("HOIST_GIT_PUSHES").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    if pushes == 0 {
        println!("skipped: HOIST_GIT_PUSHES is not set");
        return;
    }
    let driver = match python() {
        Ok(command) if !git_is_missing() => Driver::start(command),
        Ok(_) => return,
        Err(why) => return println!("skipped: {why}"),
    };
    for (name, interval, hooks, bound) in [("webhook", 3_600, true, 2.0), ("polling", 1, false, 2.1)] {
        let world = World::start(interval, hooks);
        let open = json!({"op": "open", "provider": name, "kind": PYTHON_RPC.kind,
            "port": (PYTHON_RPC.port)(world.daemon.ports()), "options": {}});
        driver.ask(&open).expect("the client opens");
        let ask = json!({"op": "evaluate", "provider": name, "type": "String", "key": "flag", "default": "none",
            "context": {}});
        let mut times: Vec<f64> = (0..pushes)
            .map(|at| {
                let value = format!("{name} {at}");
                world.repository.put("flags/all.json", &document(&value));
                let pushed = Instant::now();
                if hooks {
                    world.github();
                }
                while driver.ask(&ask).expect("an answer")["value"] != value {
                    assert!(pushed.elapsed() < Duration::from_secs(20), "{value} is not seen");
                    std::thread::sleep(Duration::from_millis(2));
                }
                pushed.elapsed().as_secs_f64()
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
        let (median, p99, most) = (at(0.5), at(0.99), at(1.0));
        println!(
            "{name}: {pushes} pushes, seen after {median:.3} s (median), {p99:.3} s (p99), {most:.3} s (longest)"
        );
        assert!(p99 < bound, "{name}: p99 is {p99} s");
    }
}
