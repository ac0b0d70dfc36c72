//! The Flipt provider, evaluating here and asking, beside a server of Flipt's API that evaluates by the provider's own rules.

#[path = "../../../providers/flipt/tests/flipt/mod.rs"]
mod server;

use std::time::Duration;

use flipt::{Mode, Options, Values};
use kit::Evaluate;
use serde_json::{Value, json};
use server::Flipt;

use crate::backend::{Backend, Control, Started, Work};
use crate::capability::Capability;
use crate::suites::flags;

const TYPES: &str = "a variant is text to whoever asks for text";
const VARIANTS: &str = "the variants of a boolean flag are `true` and `false`";
const METADATA: &str =
    "answers name namespace and flag set beside what the flag says, which snapshots leave out";
const NESTED: &str = "to Flipt a structure is its JSON as text";
const REMOTE: &str = "the server evaluates";
const ONLY_ASKED: &str = "it knows of the server only what it is told when it asks";

/// Evaluated here, streamed.
pub(super) const IN_PROCESS: Backend = Backend {
    name: "flipt, in-process",
    lacks: &[
        (Capability::Types, TYPES),
        (Capability::Variants, VARIANTS),
        (Capability::Metadata, METADATA),
        (Capability::NestedContext, NESTED),
    ],
    start: || -> Work<'static, Started> {
        Box::pin(async {
            let server = Flipt::start(standard(false)).await;
            let provider = flipt::in_process(&options(&server, Mode::InProcess)).unwrap();
            let handle = provider.handle();
            let mut started = Started::new(provider, server);
            started.at_once = Some(Box::new(move |key, default, context| handle.bool(key, default, context)));
            started
        })
    },
};

/// Evaluated by the server.
pub(super) const PER_REQUEST: Backend = Backend {
    name: "flipt, remote",
    lacks: &[
        (Capability::Types, TYPES),
        (Capability::Variants, VARIANTS),
        (Capability::Metadata, METADATA),
        (Capability::NestedContext, NESTED),
        (Capability::DefaultStands, "to the server what is asked for as a boolean is always on or off"),
        (Capability::Change, ONLY_ASKED),
        (Capability::ChangedKeys, ONLY_ASKED),
        (Capability::Outage, ONLY_ASKED),
        (Capability::Synchronous, REMOTE),
    ],
    start: || -> Work<'static, Started> {
        Box::pin(async {
            let server = Flipt::start(standard(false)).await;
            Started::new(flipt::remote(&options(&server, Mode::Remote)).unwrap(), server)
        })
    },
};

fn options(server: &Flipt, mode: Mode) -> Options {
    Options {
        mode,
        url: server.url(),
        values: Values::Attachment,
        interval: Duration::from_secs(3_600),
        ..Options::default()
    }
}

impl Control for Flipt {
    fn toggle(&mut self, on: bool) {
        self.set(standard(on));
    }

    fn away(&mut self, away: bool) {
        self.script().refuse = away.then_some(503);
        // Streams are ended at the next message.
        self.set(standard(false));
    }
}

/// The standard flags in Flipt's words.
fn standard(toggle: bool) -> Value {
    let boolean = |key: &str, on: bool| json!({"key": key, "type": "BOOLEAN_FLAG_TYPE", "enabled": on});
    let variant = |key: &str, value: Value| {
        let default = json!({"key": "v", "attachment": value.to_string()});
        json!({"key": key, "type": "VARIANT_FLAG_TYPE", "enabled": true, "defaultVariant": default})
    };
    let rule = |key: &str, kind: &str, property: &str, operator: &str, value: &str| {
        let constraint = json!({"type": format!("{kind}_CONSTRAINT_COMPARISON_TYPE"), "property": property,
            "operator": operator, "value": value});
        let segment =
            json!({"key": "them", "matchType": "ALL_SEGMENT_MATCH_TYPE", "constraints": [constraint]});
        json!({"key": key, "type": "BOOLEAN_FLAG_TYPE", "enabled": false,
            "rollouts": [{"rank": 1, "segment": {"value": true, "segments": [segment]}}]})
    };
    json!([
        boolean("on", true),
        boolean("off", false),
        variant("int", json!(7)),
        variant("negative", json!(-3)),
        variant("large", json!(flags::LARGE)),
        variant("float", json!(0.5)),
        variant("text", json!(flags::TEXT)),
        variant("empty", json!("")),
        variant("object", flags::object()),
        {"key": "disabled", "type": "VARIANT_FLAG_TYPE", "enabled": false},
        {"key": "undecided", "type": "VARIANT_FLAG_TYPE", "enabled": true},
        rule("by-key", "ENTITY_ID", "entityId", "eq", "ann"),
        rule("by-plan", "STRING", "plan", "eq", "pro"),
        rule("by-age", "NUMBER", "age", "gt", "40"),
        boolean("toggle", toggle),
    ])
}
