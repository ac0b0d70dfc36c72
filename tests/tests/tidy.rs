//! What must never be, checked from `cargo metadata` and the sources. Each finding says what, where and why.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

const FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 60;

/// Which workspace packages a package may import. `None` in place of a list: all of them. A name that ends in `*` stands
/// for every package that begins so and has no row of its own.
const LAYERS: &[(&str, Option<&[&str]>)] = &[
    ("hoist-engine", Some(&[])),
    ("hoist-proto", Some(&[])),
    ("hoist-proto-codegen", Some(&[])),
    ("hoist-schemas", Some(&[])),
    ("hoist-store", Some(&["hoist-engine", "hoist-proto"])),
    (
        "hoistd",
        Some(&[
            "hoist-engine",
            "hoist-proto",
            "hoist-schemas",
            "hoist-store",
            // As sources: without their default features, which the tree of the daemon alone shows.
            "hoist-provider-unleash",
            "hoist-provider-flagsmith",
            "hoist-provider-flipt",
            "hoist-provider-percent-file",
        ]),
    ),
    ("hoist-middleware", Some(&[])),
    ("hoist-provider-kit", Some(&[])),
    ("hoist-provider-local", Some(&["hoist-engine", "hoist-provider-kit", "hoist-store"])),
    (
        "hoist-provider-*",
        Some(&["hoist-engine", "hoist-proto", "hoist-provider-kit", "hoist-provider-local", "hoist-store"]),
    ),
    ("hoist", None),
    ("tests", None),
    ("examples", None),
    ("bench", None),
    ("bench-instructions", Some(&["hoist-engine", "hoist-proto", "hoist-store", "hoistd"])),
];

/// What the engine's tree must not hold: time, randomness, identity and I/O are arguments.
const IMPURE: &[&str] = &[
    "tokio",
    "async-std",
    "smol",
    "mio",
    "socket2",
    "hyper",
    "reqwest",
    "tonic",
    "notify",
    "futures",
    "futures-util",
    "tracing",
    "log",
    "rand",
    "rand_core",
    "getrandom",
    "fastrand",
    "uuid",
    "time",
    "chrono",
    "jiff",
    "open-feature",
];

/// Where the wall clock may be read.
const CLOCK: &[&str] =
    &["daemon/src/ask.rs", "providers/flagd/src/in_process/mod.rs", "providers/local/src/clock.rs"];

/// Where the environment and the command line may be read.
const ENVIRONMENT: &[&str] = &[
    "daemon/src/args.rs",
    "daemon/src/args/",
    "/src/from_env.rs",
    "/options/from_env.rs",
    // A program of its own, outside the workspace, that `bench providers` runs with three words.
    "benches/official/src/main.rs",
    // Runs itself with two words.
    "benches/instructions/src/main.rs",
];

/// Where messages of the wire may be named.
const WIRE: &[&str] = &[
    // Requests and answers of benchmarks are bytes: these write them.
    "benches/instructions/src/wire.rs",
    "benches/src/workload/",
    "benches/src/bin/floor.rs",
    "/convert.rs",
    "daemon/src/services/",
    "daemon/src/services.rs",
    "providers/flagd/src/in_process/sync.rs",
    "providers/flagd/src/rpc/",
    "store/src/sources/grpc/",
];

/// Lints that no file may switch off outside tests.
const KEPT_LINTS: &[&str] = &[
    "unsafe_code",
    "unwrap_used",
    "expect_used",
    "clippy::panic",
    "await_holding_lock",
    "clippy::todo",
    "unimplemented",
];

/// Files that hold nothing but the doors to generated code, which answers to other lints.
const GENERATED_DOORS: &[&str] = &["proto/src/lib.rs"];

// ---------------------------------------------------------------------------------------------------------------------
// The graph

/// The resolved graph: packages by id, and for each id what it needs outside its tests.
struct Graph {
    names: BTreeMap<String, String>,
    needs: BTreeMap<String, Vec<String>>,
    members: Vec<String>,
    manifests: Vec<(String, PathBuf)>,
}

fn graph() -> Graph {
    let version = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &host])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap();
    let members: Vec<String> = metadata["workspace_members"].as_array().unwrap().iter().map(text).collect();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let needs = nodes.iter().map(|node| {
        let shipped =
            |dep: &&Value| dep["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"] != "dev");
        let needs = node["deps"].as_array().unwrap().iter().filter(shipped).map(|dep| text(&dep["pkg"]));
        (text(&node["id"]), needs.collect())
    });
    Graph {
        names: packages.iter().map(|package| (text(&package["id"]), text(&package["name"]))).collect(),
        needs: needs.collect(),
        manifests: packages
            .iter()
            .filter(|package| members.contains(&text(&package["id"])))
            .map(|package| (text(&package["name"]), PathBuf::from(text(&package["manifest_path"]))))
            .collect(),
        members,
    }
}

impl Graph {
    fn member(&self, name: &str) -> &String {
        self.members.iter().find(|id| self.names[*id] == name).unwrap_or_else(|| panic!("no package {name}"))
    }

    /// Names of everything that `name` ships with, and by which path.
    fn tree(&self, name: &str) -> BTreeMap<&str, String> {
        let mut found = BTreeMap::new();
        let mut open = vec![(self.member(name), name.to_owned())];
        while let Some((id, path)) = open.pop() {
            for need in &self.needs[id] {
                let path = format!("{path} -> {}", self.names[need]);
                if !found.contains_key(self.names[need].as_str()) {
                    found.insert(self.names[need].as_str(), path.clone());
                    open.push((need, path));
                }
            }
        }
        found
    }
}

#[test]
fn packages_import_only_what_lies_below_them() {
    let graph = graph();
    let mut findings = Vec::new();
    for id in &graph.members {
        let name = graph.names[id].as_str();
        let Some((_, allowed)) = LAYERS.iter().find(|(known, _)| is_called(name, known)) else {
            findings
                .push(format!("package {name}: has no row in LAYERS, so nobody decided what it may import"));
            continue;
        };
        let inside: BTreeSet<&str> = graph.needs[id]
            .iter()
            .filter(|need| graph.members.contains(need))
            .map(|need| graph.names[need].as_str())
            .collect();
        for import in inside {
            if allowed.is_some_and(|allowed| !allowed.contains(&import)) {
                findings.push(format!("package {name}: imports {import}, which does not lie below it"));
            }
        }
    }
    report(findings);
}

/// Whether `known`, a row's name, means the package `name`.
fn is_called(name: &str, known: &str) -> bool {
    known.strip_suffix('*').map_or(known == name, |start| name.starts_with(start))
}

#[test]
fn the_engine_is_pure() {
    let graph = graph();
    let tree = graph.tree("hoist-engine");
    let impure = IMPURE.iter().filter_map(|name| tree.get(name));
    report(
        impure
            .map(|path| format!("{path}: the engine does no I/O and reads no clock and no chance"))
            .collect(),
    );
}

#[test]
fn the_daemon_is_free_of_the_sdk() {
    // The features of other packages do not count: a provider brings the SDK, the same vendor's source does not.
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "-p",
            "hoistd",
            "-e",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
            "--locked",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    let tree = String::from_utf8_lossy(&output.stdout);
    assert!(tree.contains("hoist-store "), "{}", String::from_utf8_lossy(&output.stderr));
    let found = tree.lines().find(|line| line.starts_with("open-feature "));
    report(
        found
            .map(|package| format!("hoistd -> {package}: the SDK brings a mocking library into production"))
            .into_iter()
            .collect(),
    );
}

#[test]
fn every_package_takes_the_lints_of_the_workspace() {
    let graph = graph();
    let mut findings = Vec::new();
    for (name, manifest) in &graph.manifests {
        let text = fs::read_to_string(manifest).unwrap();
        if !text.replace(' ', "").contains("[lints]\nworkspace=true") {
            findings.push(format!(
                "package {name}: no `[lints] workspace = true`, so unwrap and unsafe pass unseen"
            ));
        }
    }
    let root = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    for lint in ["unsafe_code", "unwrap_used", "expect_used", "panic", "await_holding_lock"] {
        if !root.lines().any(|line| line.starts_with(&format!("{lint} = "))) {
            findings.push(format!("Cargo.toml: lint {lint} is not switched on for the workspace"));
        }
    }
    report(findings);
}

// ---------------------------------------------------------------------------------------------------------------------
// The sources

#[test]
fn the_wall_clock_is_read_in_one_place() {
    let why = "time is an argument, taken once per request in daemon/src/ask.rs";
    report(uses(&["SystemTime::now", "UNIX_EPOCH.elapsed", "Utc::now", "OffsetDateTime::now"], CLOCK, why));
}

#[test]
fn the_environment_is_read_in_one_place() {
    let why = "settings come from args, so that a test or an embedder can hand in its own";
    report(uses(&["env::var", "env::args", "env::home_dir", "env::temp_dir"], ENVIRONMENT, why));
}

#[test]
fn messages_of_the_wire_stay_at_the_door() {
    let why = "what is decided once must not speak a protocol; translate in convert.rs";
    let findings = uses(&["proto::", "hoist_proto"], WIRE, why);
    report(findings.into_iter().filter(|finding| !finding.starts_with("proto/")).collect());
}

#[test]
fn lints_stay_on_outside_tests() {
    let mut findings = Vec::new();
    for source in product().iter().filter(|source| !GENERATED_DOORS.contains(&source.path.as_str())) {
        for (number, line) in source.lines() {
            let switched = line.contains("allow(") || line.contains("expect(clippy");
            for lint in KEPT_LINTS.iter().filter(|lint| switched && line.contains(**lint)) {
                findings.push(format!(
                    "{}:{number}: switches off {lint}: a bad input must not stop the daemon",
                    source.path
                ));
            }
        }
    }
    report(findings);
}

#[test]
fn files_and_functions_stay_small() {
    let mut findings = Vec::new();
    for source in product() {
        let lines = source.lines().count();
        if lines > FILE_LINES {
            findings.push(format!(
                "{}: {lines} lines without tests, at most {FILE_LINES}: split it",
                source.path
            ));
        }
        for (name, line, lines) in &source.shape.functions {
            if *lines > FUNCTION_LINES && !source.shape.is_test(*line) {
                let path = &source.path;
                findings.push(format!(
                    "{path}:{line}: fn {name} has {lines} lines, at most {FUNCTION_LINES}: split it"
                ));
            }
        }
    }
    report(findings);
}

#[test]
fn names_say_what_is_inside() {
    let empty = ["util", "utils", "common", "manager", "managers", "misc"];
    let mut findings = Vec::new();
    for (path, _) in files() {
        for part in path.split('/') {
            let stem = part.split('.').next().unwrap_or_default();
            if empty.contains(&stem) {
                findings.push(format!("{path}: `{stem}` says nothing; name it after what it does"));
            }
        }
    }
    report(findings);
}

#[test]
fn the_tree_is_finished_and_of_no_machine() {
    let marks = [
        (concat!("TO", "DO"), "finish it or leave it out"),
        (concat!("FIX", "ME"), "finish it or leave it out"),
        (concat!("/wo", "rk/"), "a path of one machine"),
        (concat!("/ro", "ot/"), "a path of one machine"),
        (concat!("/ho", "me/"), "a path of one machine"),
    ];
    let mut findings = Vec::new();
    for (path, text) in files() {
        for (number, line) in (1..).zip(text.lines()) {
            for (mark, why) in marks.iter().filter(|(mark, _)| has_word(line, mark)) {
                findings.push(format!("{path}:{number}: {mark}: {why}"));
            }
        }
    }
    report(findings);
}

#[test]
fn the_checks_see_what_they_look_for() {
    let text = "fn long() {\n\n}\n#[cfg(test)]\nmod tests {\n    fn inside() {}\n}\n// SystemTime::now\n#[test]\nfn one() {}\n";
    let source = Source::new("a.rs".to_owned(), text.to_owned());
    assert_eq!(source.shape.functions[0], ("long".to_owned(), 1, 3));
    assert_eq!(source.shape.tests, [(4, 7), (9, 10)]);
    assert_eq!(source.lines().count(), 3);
    assert!(starts_word("let now = std::time::SystemTime::now();", "SystemTime::now"));
    assert!(!starts_word("use descriptor_proto::Label;", "proto::"));
    for (line, mark, seen) in [
        ("see /opt/x", "/opt/", true),
        ("\"/opt/x\"", "/opt/", true),
        ("https://host/opt/x", "/opt/", false),
        ("a NOTE: later", "NOTE", true),
        ("ANNOTATED NOTES", "NOTE", false),
    ] {
        assert_eq!(has_word(line, mark), seen, "{line}");
    }
}

/// Whether `mark` stands in `line` on its own, not inside a longer word or path.
fn has_word(line: &str, mark: &str) -> bool {
    line.match_indices(mark).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + mark.len()..].chars().next();
        let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || "_./-".contains(c));
        !inside(before) && (mark.ends_with('/') || !inside(after))
    })
}

/// Lines of the product's code that name one of `words`, outside `places`.
fn uses(words: &[&str], places: &[&str], why: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for source in product().iter().filter(|source| !places.iter().any(|place| source.path.contains(place))) {
        for (number, line) in source.lines() {
            for word in words.iter().filter(|word| starts_word(line, word)) {
                findings.push(format!("{}:{number}: {word}: {why}", source.path));
            }
        }
    }
    findings
}

fn starts_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        !line[..at].chars().next_back().is_some_and(|before| before.is_alphanumeric() || before == '_')
    })
}

/// One file of the product's code.
struct Source {
    path: String,
    text: String,
    shape: Shape,
}

impl Source {
    fn new(path: String, text: String) -> Self {
        let mut shape = Shape::default();
        shape.visit_file(&syn::parse_file(&text).unwrap_or_else(|error| panic!("{path}: {error}")));
        Self { path, text, shape }
    }

    /// Lines with their numbers, without those of tests and comments.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = (1..).zip(self.text.lines());
        numbered.filter(|(number, line)| !self.shape.is_test(*number) && !line.trim_start().starts_with("//"))
    }
}

/// Where the tests and the functions of a file are.
#[derive(Default)]
struct Shape {
    tests: Vec<(usize, usize)>,
    functions: Vec<(String, usize, usize)>,
}

impl Shape {
    fn is_test(&self, line: usize) -> bool {
        self.tests.iter().any(|(first, last)| (*first..=*last).contains(&line))
    }

    fn function(&mut self, name: &syn::Ident, from: proc_macro2::Span, body: &syn::Block) {
        let first = from.start().line;
        self.functions.push((name.to_string(), first, body.span().end().line - first + 1));
    }
}

impl<'ast> Visit<'ast> for Shape {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        let is_test = |attribute: &syn::Attribute| match &attribute.meta {
            syn::Meta::Path(path) => path.is_ident("test"),
            syn::Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
            syn::Meta::NameValue(_) => false,
        };
        if attributes.iter().any(is_test) {
            self.tests.push((item.span().start().line, item.span().end().line));
        }
        visit::visit_item(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig.ident, item.sig.span(), &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig.ident, item.sig.span(), &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.function(&item.sig.ident, item.sig.span(), body);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

/// The code that ships: every `src`, without generated code, test code and the package of the tests.
fn product() -> Vec<Source> {
    let ships = |path: &str| {
        path.ends_with(".rs")
            && path.contains("src/")
            && !path.starts_with("tests/")
            && !["/generated/", "/tests/", "/tests.rs", "/fuzz/", "/benches/"]
                .iter()
                .any(|part| path.contains(part))
    };
    let sources: Vec<Source> = files()
        .into_iter()
        .filter(|(path, _)| ships(path))
        .map(|(path, text)| Source::new(path, text))
        .collect();
    assert!(sources.len() > 20, "only {} files of code found under {}", sources.len(), root().display());
    sources
}

/// Every text file of the tree with its path from the root, without what is built or fetched.
fn files() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![root()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_symlink()
                || [".git", "target", "node_modules", "corpus", ".venv", "__pycache__"]
                    .contains(&name.as_str())
            {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let relative = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
                found.push((relative, text));
            }
        }
    }
    found.sort();
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn report(findings: Vec<String>) {
    assert!(findings.is_empty(), "{} found:\n{}\n", findings.len(), findings.join("\n"));
}
