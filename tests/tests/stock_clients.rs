//! Stock OpenFeature clients, unchanged and in their own languages, play the flagd-testbed against the daemon.
//!
//! One test a client, so that `cargo test -p tests --test stock_clients python_rpc` runs one of them. With
//! `HOIST_TEST_DAEMON=<program>` they talk to another daemon. Reports stay in `target/stock-clients/reports/`.

use tests::clients::{
    FLAGD_WEB, JAVA_IN_PROCESS, JAVA_RPC, NODE_IN_PROCESS, NODE_OFREP, NODE_RPC, OFREP_WEB,
    PYTHON_IN_PROCESS, PYTHON_OFREP, PYTHON_RPC, java, node, python, web,
};
use tests::testbed::run;

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
