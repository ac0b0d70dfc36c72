//! The in-memory provider.

use in_memory::{Flag, InMemory};
use kit::Evaluate;
use open_feature::{EvaluationContext, EvaluationContextFieldValue, FlagMetadata, StructValue, Value};

use crate::backend::{Backend, Control, Started, Work};
use crate::capability::Capability;
use crate::suites::flags;

/// The in-memory provider.
pub(super) const IN_MEMORY: Backend = Backend {
    name: "in-memory",
    lacks: &[(Capability::Outage, "memory does not go away")],
    start: || -> Work<'static, Started> {
        Box::pin(async {
            let flags = standard();
            let provider = flags.provider();
            let handle = provider.handle();
            let mut started = Started::new(provider, flags);
            started.at_once = Some(Box::new(move |key, default, context| handle.bool(key, default, context)));
            started
        })
    },
};

impl Control for InMemory {
    fn toggle(&mut self, on: bool) {
        self.set("toggle", Flag::variants([("v", on)], "v"));
    }
}

/// The standard flags.
pub(super) fn standard() -> InMemory {
    let plain = |value: Value| Flag::variants([("v", value)], "v");
    let described = FlagMetadata::default()
        .with_value("owner", "shop")
        .with_value("tier", 2)
        .with_value("share", 0.5)
        .with_value("beta", true);
    InMemory::new()
        .with("on", plain(true.into()))
        .with("off", plain(false.into()))
        .with("int", plain(7.into()))
        .with("negative", plain((-3).into()))
        .with("large", plain(flags::LARGE.into()))
        .with("float", plain(0.5.into()))
        .with("text", plain(flags::TEXT.into()))
        .with("empty", plain("".into()))
        .with("object", plain(flags::object_value().into()))
        .with("described", plain(true.into()).metadata(described))
        .with("disabled", plain(true.into()).disabled())
        .with("undecided", plain(true.into()).without_default())
        .with("by-key", rule(|context| context.targeting_key.as_deref() == Some("ann")))
        .with("by-plan", rule(|context| field(context, "plan").and_then(|f| f.as_str()) == Some("pro")))
        .with("by-age", rule(|context| field(context, "age").is_some_and(|age| number(age) > 40.0)))
        .with("by-nested", rule(|context| field(context, "account").is_some_and(is_admin)))
        .with("toggle", plain(false.into()))
}

fn rule(holds: impl Fn(&EvaluationContext) -> bool + Send + Sync + 'static) -> Flag {
    Flag::variants([("yes", true), ("no", false)], "no")
        .targeting(move |context| holds(context).then(|| "yes".to_owned()))
}

fn field<'a>(context: &'a EvaluationContext, name: &str) -> Option<&'a EvaluationContextFieldValue> {
    context.custom_fields.get(name)
}

fn number(field: &EvaluationContextFieldValue) -> f64 {
    field.as_f64().or_else(|| field.as_i64().map(|whole| whole as f64)).unwrap_or(f64::NAN)
}

fn is_admin(account: &EvaluationContextFieldValue) -> bool {
    let account = account.as_struct().and_then(|any| any.downcast::<StructValue>().ok());
    let Some(Value::Array(roles)) = account.as_ref().and_then(|account| account.fields.get("roles")) else {
        return false;
    };
    roles.contains(&Value::String("admin".to_owned()))
}
