//! The binary from outside: exit codes and messages.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

/// Runs `hoistd` with an environment of its own.
fn hoistd(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hoistd")).args(words).env_clear().output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// One answer for one connection, and the request line that asked for it.
fn answering(answer: &'static str) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 1024];
        let count = stream.read(&mut head).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8_lossy(&head[..count]).lines().next().unwrap_or_default().to_owned()
    });
    (port, served)
}

#[test]
fn without_a_command_the_help_is_shown() {
    for words in [&[][..], &["--help"], &["help"], &["--debug"]] {
        let output = hoistd(words);
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        assert!(text(&output.stdout).contains("Usage: hoistd"), "{words:?}");
        assert_eq!(text(&output.stderr), "", "{words:?}");
    }
}

#[test]
fn version_has_flagds_shape() {
    for words in [&["version"][..], &["-x", "version"], &["version", "--debug=false"]] {
        let output = hoistd(words);
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        let line = text(&output.stdout);
        assert!(line.starts_with(concat!("hoistd: ", env!("CARGO_PKG_VERSION"), " (")), "{line}");
        assert!(line.contains("), built at: ") && line.ends_with('\n'), "{line}");
    }
}

#[test]
fn what_is_unknown_gets_usage_and_exit_code_one() {
    for (words, expected) in [
        (&["nonsense"][..], "nonsense"),
        (&["version", "--nonsense"], "--nonsense"),
        (&["-q"], "-q"),
        (&["completion", "tcsh"], "tcsh"),
        (&["healthcheck", "--timeout"], "--timeout"),
    ] {
        let output = hoistd(words);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert_eq!(text(&output.stdout), "", "{words:?}");
        let message = text(&output.stderr);
        assert!(message.contains(expected), "{words:?}: {message}");
        assert!(message.contains("Usage") || message.contains("--help"), "{words:?}: {message}");
    }
}

#[test]
fn completion_scripts_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        for command in ["completion", "completions"] {
            let output = hoistd(&[command, shell]);
            assert_eq!(output.status.code(), Some(0), "{shell}");
            assert!(text(&output.stdout).contains("healthcheck"), "{shell}");
        }
    }
}

#[test]
fn a_ready_daemon_is_healthy() {
    for (flag, path) in [
        (&["healthcheck", "--management-port"][..], "/readyz"),
        (&["healthcheck", "--live", "-m"], "/healthz"),
    ] {
        let (port, served) = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        let output = hoistd(&[flag, &[&port]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_eq!(served.join().unwrap(), format!("GET {path} HTTP/1.1"));
    }
}

#[test]
fn the_health_check_reads_the_daemons_variable() {
    let (port, served) = answering("HTTP/1.1 200 OK\r\n\r\n");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hoistd"));
    let status = command.arg("healthcheck").env_clear().env("FLAGD_MANAGEMENT_PORT", port).status().unwrap();
    assert_eq!(status.code(), Some(0));
    served.join().unwrap();
}

#[test]
fn a_daemon_that_is_not_ready_is_unhealthy() {
    let (port, served) = answering("HTTP/1.1 412 Precondition Failed\r\n\r\n");
    let output = hoistd(&["healthcheck", "-m", &port]);
    assert_eq!(output.status.code(), Some(1));
    let expected =
        format!("Error: http://127.0.0.1:{port}/readyz: answered \"HTTP/1.1 412 Precondition Failed\"\n");
    assert_eq!(text(&output.stderr), expected);
    served.join().unwrap();
}

#[test]
fn a_daemon_that_says_nothing_is_unhealthy_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let start = Instant::now();
    let output = hoistd(&["healthcheck", "-m", &port, "--timeout", "200ms"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    drop(listener);
    let output = hoistd(&["healthcheck", "-m", &port]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with(&format!("Error: http://127.0.0.1:{port}/readyz: ")));
}

#[test]
fn a_wrong_value_says_where_it_was_set() {
    for (words, expected) in [
        (
            ["healthcheck", "-m", "70000"],
            "Error: invalid value \"70000\": a port is a whole number from 0 to 65535 (from --management-port)\n",
        ),
        (
            ["healthcheck", "--timeout", "5"],
            "Error: invalid value \"5\": a duration is a number with a unit (ms, s, m or h), such as 2s (from --timeout)\n",
        ),
    ] {
        let output = hoistd(&words);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(text(&output.stderr), expected);
    }
}
