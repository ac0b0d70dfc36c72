//! The multi provider in each of its ways, over members that make it work for its answers.

use in_memory::InMemory;
use kit::{Answer, Emitter, Provider, Resolver, Type};
use multi::{Member, Multi, ShadowOptions};
use open_feature::{EvaluationContext, EvaluationError};

use super::in_memory::standard;
use crate::backend::{Backend, Started, Work};
use crate::capability::Capability;

const LACKS: &[(Capability, &str)] = &[
    (Capability::Outage, "its members are in memory here"),
    (Capability::Synchronous, "its members may be remote"),
];

/// The flags are in the second of three.
pub(super) const FIRST_MATCH: Backend = Backend {
    name: "multi, first match",
    lacks: LACKS,
    start: || -> Work<'static, Started> {
        Box::pin(async {
            let (flags, others) = (standard(), InMemory::new().with("on", false));
            let members = [
                Member::new("empty", InMemory::new().provider()),
                Member::new("flags", flags.provider()),
                Member::new("others", others.provider()),
            ];
            Started::new(Multi::first_match(members).unwrap(), flags)
        })
    },
};

/// The first is there, and knows nothing.
pub(super) const FALLBACK: Backend = Backend {
    name: "multi, fallback",
    lacks: LACKS,
    start: || -> Work<'static, Started> {
        Box::pin(async {
            let flags = standard();
            let members =
                [Member::new("empty", InMemory::new().provider()), Member::new("flags", flags.provider())];
            Started::new(Multi::fallback(members).unwrap(), flags)
        })
    },
};

/// The second always disagrees.
pub(super) const COMPARE: Backend = Backend {
    name: "multi, compare",
    lacks: LACKS,
    start: || -> Work<'static, Started> {
        Box::pin(async {
            let flags = standard();
            let members =
                [Member::new("flags", flags.provider()), Member::new("empty", InMemory::new().provider())];
            Started::new(Multi::compare(members).unwrap(), flags)
        })
    },
};

/// The second never answers.
pub(super) const SHADOW: Backend = Backend {
    name: "multi, shadow",
    lacks: LACKS,
    start: || -> Work<'static, Started> {
        Box::pin(async {
            let flags = standard();
            let members = [
                Member::new("flags", flags.provider()),
                Member::new("silent", Provider::new(Silent(Emitter::ready(Silent::NAME)))),
            ];
            Started::new(Multi::shadow(members, ShadowOptions::default()).unwrap(), flags)
        })
    },
};

/// Never answers.
struct Silent(Emitter);

impl Resolver for Silent {
    const NAME: &'static str = "silent";

    async fn resolve(&self, _: &str, _: Type, _: &EvaluationContext) -> Result<Answer, EvaluationError> {
        std::future::pending().await
    }

    fn events(&self) -> &Emitter {
        &self.0
    }
}
