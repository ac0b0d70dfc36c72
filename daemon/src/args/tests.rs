//! The command line as a whole.

use std::ffi::OsString;

use clap::{Args, FromArgMatches};

use super::{Command, CommandLine, Environment, SETTINGS, StartArgs, command, exit_code};

/// The arguments of `start` within a whole command line.
fn start(words: &[&str]) -> StartArgs {
    let whole = command().subcommand(StartArgs::augment_args(clap::Command::new("start-here")));
    let matches = whole.try_get_matches_from([&["hoistd"], words].concat()).unwrap();
    StartArgs::from_arg_matches(matches.subcommand().unwrap().1).unwrap()
}

#[test]
fn the_command_is_sound() {
    command().subcommand(StartArgs::augment_args(clap::Command::new("start-here"))).debug_assert();
}

#[test]
fn flags_of_every_command_may_stand_on_either_side() {
    for words in [
        &["-x", "--config", "a.yaml", "start-here"][..],
        &["start-here", "-x=true", "--config=a.yaml"],
        &["--debug=false", "start-here", "--debug", "--config", "a.yaml"],
    ] {
        let args = start(words);
        assert_eq!(args.given["debug"], ["true"], "{words:?}");
        assert_eq!(args.config.as_deref(), Some("a.yaml".as_ref()), "{words:?}");
    }
    assert_eq!(start(&["start-here"]).given.len(), 0);
}

#[test]
fn values_keep_their_order_and_their_dashes() {
    let args =
        start(&["start-here", "-f", "file:a", "-p", "-1", "-ffile:b", "--uri=file:c", "ignored", "--", "-q"]);
    assert_eq!(args.given["uri"], ["file:a", "file:b", "file:c"]);
    assert_eq!(args.given["port"], ["-1"]);
    let twice = start(&["start-here", "-p", "1", "--strict", "-p=2", "--strict=false"]);
    assert_eq!(
        (&twice.given["port"][..], &twice.given["strict"][..]),
        (&["2".to_owned()][..], &["false".to_owned()][..])
    );
}

#[test]
fn what_was_given_is_not_shown() {
    let args = start(&["start-here", "-s", "hidden"]);
    assert!(!format!("{args:?}").contains("hidden"), "{args:?}");
    let environment = Environment::from_iter([("FLAGD_SOURCES".to_owned(), "hidden".to_owned())]);
    assert!(!format!("{environment:?}").contains("hidden"), "{environment:?}");
}

#[test]
fn help_succeeds_and_mistakes_fail_with_flagds_code() {
    let read = |words: &[&str]| CommandLine::read(words.iter().map(OsString::from));
    assert_eq!(exit_code(&read(&["hoistd", "--help"]).unwrap_err()), 0);
    assert_eq!(exit_code(&read(&["hoistd", "help", "version"]).unwrap_err()), 0);
    assert_eq!(exit_code(&read(&["hoistd", "--nope"]).unwrap_err()), 1);
    assert!(matches!(read(&["hoistd", "version"]).unwrap().command, Some(Command::Version)));
    assert!(read(&["hoistd"]).unwrap().command.is_none());
}

#[test]
fn variables_follow_from_the_flags() {
    let variable = |name| SETTINGS.iter().find(|setting| setting.name == name).unwrap().variable();
    assert_eq!(variable("keep-alive-min-time"), "FLAGD_KEEP_ALIVE_MIN_TIME");
    assert_eq!(variable("max-document-bytes"), "HOISTD_MAX_DOCUMENT_BYTES");
}

#[test]
fn the_schema_of_the_configuration_file_has_every_setting() {
    let schema: serde_json::Value = serde_json::from_str(schemas::CONFIG).unwrap();
    let mut known: Vec<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    let mut settings: Vec<&str> =
        SETTINGS.iter().map(|setting| setting.name).chain(["debug", "$schema"]).collect();
    known.sort_unstable();
    settings.sort_unstable();
    assert_eq!(known, settings);
}
