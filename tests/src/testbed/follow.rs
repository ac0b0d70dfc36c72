//! How a client follows changes beyond what the testbed's scenarios ask.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Client, Driver, Setup, Testbed};
use crate::world;

/// How long a change may take to reach the client.
const CHANGE: Duration = Duration::from_secs(10);
/// How long silence is listened to before it counts as such.
const SILENCE: Duration = Duration::from_millis(700);

/// A client that is open against a daemon of its own.
pub struct Follower {
    driver: Driver,
    testbed: Testbed,
}

impl Follower {
    /// Opens the client with these options.
    ///
    /// # Errors
    /// What the client said instead of being ready.
    fn open(client: &Client, driver: Driver, root: &Path, options: &Value) -> Result<Self, String> {
        let testbed = Testbed::launch(root, Setup::Stable);
        let port = (client.port)(testbed.ports());
        let ask =
            json!({"op": "open", "provider": "p", "kind": client.kind, "port": port, "options": options});
        driver.ask(&ask).map(|_| Self { driver, testbed })
    }

    /// The value of a string flag, in this context, or in the one that the client has if it is `null`.
    ///
    /// # Errors
    /// What the client said instead of an answer.
    pub fn value(&self, key: &str, context: &Value) -> Result<Value, String> {
        let ask = json!({
            "op": "evaluate", "provider": "p", "context": context, "type": "String", "key": key, "default": "none",
        });
        self.driver.ask(&ask).map(|mut details| details["value"].take())
    }

    /// Waits for the next event of a kind and returns the flags that it names.
    ///
    /// # Errors
    /// A text when none came in time.
    pub fn expect_event(&self, kind: &str) -> Result<Vec<String>, String> {
        let event = self.driver.take_event("p", kind, CHANGE);
        event.map(|event| event.flags).ok_or_else(|| format!("no `{kind}` event within {CHANGE:?}"))
    }

    /// Whether no event of the kind comes within a short while.
    #[must_use]
    pub fn is_silent(&self, kind: &str) -> bool {
        self.driver.take_event("p", kind, SILENCE).is_none()
    }

    /// Gives `changing-flag` its other default variant: `bar` at first, then `foo`, and so on.
    pub fn modify_flag(&self) {
        self.testbed.modify_flag();
    }
}

/// Opens a client and lets `watch` follow it; panics with what it returns. Skips what [`super::run`] skips.
pub fn follow(
    client: &Client,
    driver: fn() -> Result<Command, String>,
    options: &Value,
    watch: fn(&Follower) -> Result<(), String>,
) {
    let Some(root) = world::shared("conformance/flagd-testbed") else { return };
    let outcome = match driver() {
        Ok(command) => Follower::open(client, Driver::start(command), &root, options),
        Err(why) => return println!("skipped: {}: {why}", client.name),
    };
    if let Err(why) = outcome.and_then(|follower| watch(&follower)) {
        panic!("{}: {why}", client.name);
    }
}
