//! The env-var provider.

use env_var::{Options, provider};
use kit::Evaluate;

use crate::backend::{Backend, Fixed, Started, Work};
use crate::capability::Capability;
use crate::suites::flags;

const NO_RULES: &str = "a variable has no rules";
const STANDS: &str = "a process's environment does not change";

/// The env-var provider.
pub(super) const ENV_VAR: Backend = Backend {
    name: "env-var",
    lacks: &[
        (Capability::Types, "a variable has the type it is asked for, or is a PARSE_ERROR"),
        (Capability::Variants, "a variable has one value"),
        (Capability::Metadata, "a variable says nothing about itself"),
        (Capability::DefaultStands, "a variable is set or not"),
        (Capability::Targeting, NO_RULES),
        (Capability::NestedContext, NO_RULES),
        (Capability::Change, STANDS),
        (Capability::ChangedKeys, STANDS),
        (Capability::Outage, STANDS),
        (Capability::Synchronous, "the case needs a disabled flag and a targeted one"),
    ],
    start: || -> Work<'static, Started> {
        Box::pin(async {
            let object = flags::object().to_string();
            let variables = [
                ("ON", "true"),
                ("OFF", "false"),
                ("INT", "7"),
                ("NEGATIVE", "-3"),
                ("LARGE", "9007199254740991"),
                ("FLOAT", "0.5"),
                ("TEXT", flags::TEXT),
                ("EMPTY", ""),
                ("OBJECT", &object),
            ];
            let provider = provider(Options::new(variables));
            let handle = provider.handle();
            let mut started = Started::new(provider, Fixed);
            started.at_once = Some(Box::new(move |key, default, context| handle.bool(key, default, context)));
            started
        })
    },
};
