//! From a variable's text to a flag's value.

use std::sync::Arc;

use kit::{Emitter, Evaluate, Facts, Found, Held, Local, Provider, Type, error};
use open_feature::{EvaluationContext, EvaluationError, EvaluationReason};

use crate::options::Options;

/// A provider of environment variables.
pub fn provider(options: Options) -> Provider<EnvVar> {
    Provider::new(EnvVar {
        variables: Arc::new(Variables(options)),
        events: Emitter::ready(<EnvVar as Local>::NAME),
    })
}

/// The resolver of environment variables.
#[derive(Debug)]
pub struct EnvVar {
    variables: Arc<Variables>,
    events: Emitter,
}

/// The variables as flags.
#[derive(Debug)]
pub struct Variables(Options);

impl Local for EnvVar {
    const NAME: &'static str = "env-var";
    type View = Variables;

    fn view(&self) -> Arc<Variables> {
        Arc::clone(&self.variables)
    }

    fn read<T>(&self, look: impl FnOnce(&Variables) -> T) -> T {
        look(&self.variables)
    }

    fn events(&self) -> &Emitter {
        &self.events
    }
}

impl Evaluate for Variables {
    fn evaluate<T>(
        &self,
        key: &str,
        want: Type,
        _: &EvaluationContext,
        take: impl FnOnce(Found<'_>) -> T,
    ) -> Result<T, EvaluationError> {
        let name = format!("{}{}", self.0.prefix, self.0.naming.name(key));
        let Some(text) = self.0.variables.get(&name) else {
            return Err(EvaluationError {
                message: Some(format!("flag `{key}`: there is no environment variable {name}")),
                ..error::not_found(key)
            });
        };
        // What it says is left out: any variable may be a secret.
        let unreadable =
            |what: &str| error::parse(format!("flag `{key}`: environment variable {name} is {what}"));
        let give = |value: Held<'_>| {
            let reason = EvaluationReason::Static;
            Ok(take(Found { value: Some(value), variant: None, reason, facts: Facts::None }))
        };
        match want {
            Type::String => give(Held::Str(text)),
            Type::Bool => give(Held::Bool(truth(text).ok_or_else(|| unreadable("neither true nor false"))?)),
            Type::Int => give(Held::Int(text.trim().parse().map_err(|_| unreadable("no whole number"))?)),
            Type::Float => match text.trim().parse::<f64>() {
                Ok(value) if value.is_finite() => give(Held::Float(value)),
                _ => Err(unreadable("no number")),
            },
            Type::Object => match serde_json::from_str::<serde_json::Value>(text) {
                Ok(json) if json.is_object() || json.is_array() => give(Held::Json(&json)),
                _ => Err(unreadable("neither a JSON object nor an array")),
            },
        }
    }
}

/// The words that deployments write.
fn truth(text: &str) -> Option<bool> {
    let text = text.trim();
    let is = |words: [&str; 4]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is(["true", "1", "on", "yes"]) {
        Some(true)
    } else if is(["false", "0", "off", "no"]) {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use open_feature::EvaluationErrorCode;
    use serde_json::json;

    use super::*;
    use crate::naming::Naming;

    fn nobody() -> EvaluationContext {
        EvaluationContext::default()
    }

    #[test]
    fn every_type_is_read_and_nothing_is_guessed() {
        let provider = provider(Options::new([
            ("YES", "On"),
            ("NO", " false "),
            ("INT", "-9007199254740993"),
            ("FLOAT", "1e3"),
            ("NAN", "NaN"),
            ("TEXT", " as it is "),
            ("OBJECT", r#"{"a": [1, 0.5]}"#),
            ("SECRET", "hunter2"),
        ]));
        assert!(provider.bool("yes", false, &nobody()));
        assert!(!provider.bool("no", true, &nobody()));
        assert_eq!(provider.int("int", 0, &nobody()), -9_007_199_254_740_993);
        assert_eq!(provider.float("float", 0.0, &nobody()), 1000.0);
        assert_eq!(provider.string("text", "", &nobody()), " as it is ");
        assert_eq!(provider.decode("object", &nobody()), Ok(json!({"a": [1, 0.5]})));
        let details = provider.details("yes", false, &nobody());
        assert_eq!((details.reason, details.variant), (EvaluationReason::Static, None));

        let codes = [
            provider.get::<bool>("secret", &nobody()).map(drop),
            provider.get::<i64>("secret", &nobody()).map(drop),
            provider.get::<i64>("float", &nobody()).map(drop),
            provider.get::<f64>("nan", &nobody()).map(drop),
            provider.get::<serde_json::Value>("secret", &nobody()).map(drop),
        ];
        for refused in codes {
            let error = refused.unwrap_err();
            assert_eq!(error.code, EvaluationErrorCode::ParseError);
            assert!(!error.message.unwrap().contains("hunter2"));
        }
        let absent = provider.get::<bool>("not-there", &nobody()).unwrap_err();
        assert_eq!(absent.code, EvaluationErrorCode::FlagNotFound);
        assert!(absent.message.unwrap().contains("NOT_THERE"));
    }

    #[test]
    fn options_come_from_the_variables_themselves() {
        let read = |naming: &str| {
            let naming = naming.to_owned();
            let get = move |name: &str| match name {
                "HOIST_ENV_VAR_PREFIX" => Some("FF_".to_owned()),
                "HOIST_ENV_VAR_NAMING" => Some(naming.clone()),
                _ => None,
            };
            let variables = [("FF_a-b", "1"), ("A_B", "2")];
            Options::of(get, variables.map(|(name, value)| (name.to_owned(), value.to_owned())))
        };
        let options = read("as-is").unwrap();
        assert_eq!(options.naming, Naming::AsIs);
        assert_eq!(options.variables.len(), 1, "only what has the prefix is kept");
        assert_eq!(provider(options).int("a-b", 0, &nobody()), 1);
        let error = read("snake").unwrap_err();
        assert_eq!(error.to_string(), "HOIST_ENV_VAR_NAMING=\"snake\": use one of upper-snake, as-is");
        assert!(Options::from_env().is_ok());
    }
}
