//! `docs/configuration.md` has every setting as the code has it. `HOIST_REWRITE=1` writes the table anew.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fmt::Write;
use std::fs;
use std::path::Path;

use hoistd::args::{DEBUG, SETTINGS, Setting};

const BEGIN: &str = "<!-- settings: derived from daemon/src/args/setting.rs -->\n";
const END: &str = "<!-- end of settings -->";

fn row(setting: &Setting) -> String {
    let short = setting.short.map(|short| format!("`-{short}`")).unwrap_or_default();
    let default = if setting.default.is_empty() { String::new() } else { format!("`{}`", setting.default) };
    let (name, value, variable) = (setting.name, setting.value, setting.variable());
    format!("| `--{name}` | {short} | {value} | `{variable}` | {default} | {} |\n", setting.help)
}

#[test]
fn the_documentation_has_every_setting() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let text = fs::read_to_string(&path).unwrap();
    let start = text.find(BEGIN).expect("the mark where the settings begin") + BEGIN.len();
    let end = text.find(END).expect("the mark where the settings end");
    let mut table =
        String::from("| flag, and key in the file | short | value | variable | default | meaning |\n");
    table.push_str("|---|---|---|---|---|---|\n");
    for setting in [&DEBUG].into_iter().chain(SETTINGS) {
        write!(table, "{}", row(setting)).unwrap();
    }
    if std::env::var_os("HOIST_REWRITE").is_some() {
        fs::write(&path, format!("{}{table}{}", &text[..start], &text[end..])).unwrap();
        return;
    }
    assert_eq!(
        &text[start..end],
        table,
        "run this test with HOIST_REWRITE=1 and commit docs/configuration.md"
    );
}
