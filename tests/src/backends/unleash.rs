//! The Unleash provider, evaluating here, beside a server of Unleash's client API.

use std::time::Duration;

use ::unleash::{Options, provider};
use serde_json::{Value, json};

use crate::backend::{Backend, Control, Started, Work};
use crate::capability::Capability;
use crate::suites::flags;
use crate::world::HttpOrigin;

/// Evaluated here, polled.
pub(super) const UNLEASH: Backend = Backend {
    name: "unleash",
    lacks: &[
        (Capability::Types, "every flag is on or off, whatever its variants carry"),
        (Capability::Variants, "a boolean is the flag's being on, not one of its variants"),
        (Capability::Metadata, "a flag says nothing about itself that an application chose"),
        (Capability::DefaultStands, "a flag that is switched off is off"),
        (Capability::NestedContext, "what is not known by name is a property, as text"),
        (Capability::Outage, "flags whose server is away are out of date after a minute, not at once"),
        (Capability::Synchronous, "the case needs a flag without an answer"),
    ],
    start: || -> Work<'static, Started> {
        Box::pin(async {
            let server = Unleash(HttpOrigin::start(&standard(false)));
            let options = Options {
                url: format!("{}/api", server.0.base()),
                token: Some("default:development.any".to_owned()),
                interval: Duration::from_secs(1),
                report_usage: false,
                ..Options::default()
            };
            Started::new(provider(&options).unwrap(), server)
        })
    },
};

struct Unleash(HttpOrigin);

impl Control for Unleash {
    fn toggle(&mut self, on: bool) {
        self.0.set(Some(&standard(on)));
    }
}

/// The standard flags in Unleash's words.
fn standard(toggle: bool) -> String {
    let flag = |name: &str, enabled: bool, strategy: Value| json!({"name": name, "enabled": enabled, "strategies": [strategy]});
    let everybody = || json!({"name": "default"});
    let plain = |name: &str, kind: &str, value: &str| {
        let variant = json!({"name": "v", "weight": 1000, "payload": {"type": kind, "value": value}});
        flag(name, true, json!({"name": "default", "variants": [variant]}))
    };
    let rule = |name: &str, constraint: Value| {
        flag(name, true, json!({"name": "default", "constraints": [constraint]}))
    };
    json!({"version": 2, "features": [
        flag("on", true, everybody()),
        flag("off", false, everybody()),
        plain("int", "number", "7"),
        plain("negative", "number", "-3"),
        plain("large", "number", &flags::LARGE.to_string()),
        plain("float", "number", "0.5"),
        plain("text", "string", flags::TEXT),
        plain("empty", "string", ""),
        plain("object", "json", &flags::object().to_string()),
        flag("by-key", true, json!({"name": "userWithId", "parameters": {"userIds": "ann"}})),
        rule("by-plan", json!({"contextName": "plan", "operator": "IN", "values": ["pro"]})),
        rule("by-age", json!({"contextName": "age", "operator": "NUM_GT", "value": "40"})),
        flag("toggle", toggle, everybody()),
    ]})
    .to_string()
}
