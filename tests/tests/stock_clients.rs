//! Stock OpenFeature clients, unchanged and in their own languages, play the flagd-testbed against the daemon.
//!
//! One test a client, so that `cargo test -p tests --test stock_clients python_rpc` runs one of them. With
//! `HOIST_TEST_DAEMON=<program>` they talk to another daemon. Reports stay in `target/stock-clients/reports/`.

use serde_json::{Value, json};
use tests::clients::{
    FLAGD_WEB, GO_IN_PROCESS, GO_RPC, JAVA_IN_PROCESS, JAVA_RPC, NODE_IN_PROCESS, NODE_OFREP, NODE_RPC,
    OFREP_WEB, PYTHON_IN_PROCESS, PYTHON_OFREP, PYTHON_RPC, go, java, node, python, web,
};
use tests::testbed::{Follower, follow, run};

#[test]
fn python_rpc() {
    run(&PYTHON_RPC, python);
}

#[test]
fn python_in_process() {
    run(&PYTHON_IN_PROCESS, python);
}

#[test]
fn python_ofrep() {
    run(&PYTHON_OFREP, python);
}

#[test]
fn node_rpc() {
    run(&NODE_RPC, node);
}

#[test]
fn node_in_process() {
    run(&NODE_IN_PROCESS, node);
}

#[test]
fn node_ofrep() {
    run(&NODE_OFREP, node);
}

#[test]
fn flagd_web() {
    run(&FLAGD_WEB, web);
}

#[test]
fn ofrep_web() {
    run(&OFREP_WEB, web);
}

#[test]
fn java_rpc() {
    run(&JAVA_RPC, java);
}

#[test]
fn java_in_process() {
    run(&JAVA_IN_PROCESS, java);
}

#[test]
fn go_rpc() {
    run(&GO_RPC, go);
}

#[test]
fn go_in_process() {
    run(&GO_IN_PROCESS, go);
}

#[test]
fn flagd_web_follows_changes() {
    follow(&FLAGD_WEB, web, &json!({}), |client| {
        sees_the_change(client, "foo", "bar")?;
        sees_the_change(client, "bar", "foo")
    });
}

#[test]
fn ofrep_web_polls_with_its_etag() {
    follow(&OFREP_WEB, web, &json!({"pollMs": 150}), |client| {
        client.expect_event("http 200")?;
        client.expect_event("http 304")?;
        assert!(client.is_silent("change"), "nothing had changed");
        sees_the_change(client, "foo", "bar")?;
        // The client sends the old ETag with a new context as long as the targeting key stays the same.
        let by = |email: &str| client.value("some-email-targeted-flag", &json!({"email": email}));
        assert_eq!(by("ballmer@macrosoft.com")?, "hi");
        assert_eq!(by("somebody@example.com")?, "bye");
        Ok(())
    });
}

#[test]
fn ofrep_web_follows_the_event_stream() {
    follow(&OFREP_WEB, web, &json!({}), |client| {
        client.expect_event("http 200")?;
        assert!(client.is_silent("change"), "nothing had changed");
        sees_the_change(client, "foo", "bar")?;
        sees_the_change(client, "bar", "foo")
    });
}

/// Modifies the changing flag and waits until the client says so by itself.
fn sees_the_change(client: &Follower, old: &str, new: &str) -> Result<(), String> {
    assert_eq!(client.value("changing-flag", &Value::Null)?, old);
    client.modify_flag();
    client.expect_event("change")?;
    assert_eq!(client.value("changing-flag", &Value::Null)?, new);
    Ok(())
}
