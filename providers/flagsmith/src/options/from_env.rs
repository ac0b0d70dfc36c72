//! Options by variables, named as Flagsmith's SDKs name their options.

use kit::{VariableError, Variables};

use super::{Mode, Options, OptionsError};
use crate::mapping::Booleans;

impl Options {
    /// The defaults with what the environment says: `FLAGSMITH_API_URL`, `FLAGSMITH_ENVIRONMENT_KEY` (or the file that
    /// `FLAGSMITH_ENVIRONMENT_KEY_FILE` names), `FLAGSMITH_ENABLE_LOCAL_EVALUATION`, `FLAGSMITH_USE_BOOLEAN_CONFIG_VALUE`,
    /// `FLAGSMITH_RETURN_VALUE_FOR_DISABLED_FLAGS`, `FLAGSMITH_TRANSIENT_IDENTITIES`, `FLAGSMITH_ENABLE_ANALYTICS`,
    /// `FLAGSMITH_ENVIRONMENT_REFRESH_INTERVAL_SECONDS`, `FLAGSMITH_REQUEST_TIMEOUT_SECONDS`, `FLAGSMITH_CA_CERT` and
    /// `FLAGSMITH_LAST_KNOWN_GOOD`.
    ///
    /// # Errors
    /// A variable cannot be read as what it should be, or there is no such file.
    pub fn from_env() -> Result<Self, OptionsError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// As [`from_env`](Self::from_env), with variables from anywhere.
    ///
    /// # Errors
    /// As there.
    pub fn from_variables(get: impl Fn(&str) -> Option<String>) -> Result<Self, OptionsError> {
        let variables = Variables::new(get);
        let switch =
            |name: &str, default: bool| Ok::<_, OptionsError>(variables.switch(name)?.unwrap_or(default));
        let defaults = Self::default();
        let mode = match variables.switch("FLAGSMITH_ENABLE_LOCAL_EVALUATION")? {
            None => Mode::ByKey,
            Some(true) => Mode::InProcess,
            Some(false) => Mode::Remote,
        };
        let by_value = switch("FLAGSMITH_USE_BOOLEAN_CONFIG_VALUE", false)?;
        let interval = variables.seconds("FLAGSMITH_ENVIRONMENT_REFRESH_INTERVAL_SECONDS")?;
        Ok(Self {
            mode,
            url: variables.text("FLAGSMITH_API_URL").unwrap_or(defaults.url),
            environment_key: variables.secret("FLAGSMITH_ENVIRONMENT_KEY")?,
            booleans: if by_value { Booleans::Value } else { Booleans::Enabled },
            value_when_disabled: switch("FLAGSMITH_RETURN_VALUE_FOR_DISABLED_FLAGS", false)?,
            transient_identities: switch("FLAGSMITH_TRANSIENT_IDENTITIES", defaults.transient_identities)?,
            interval: interval.unwrap_or(defaults.interval),
            timeout: variables.seconds("FLAGSMITH_REQUEST_TIMEOUT_SECONDS")?.unwrap_or(defaults.timeout),
            report_usage: switch("FLAGSMITH_ENABLE_ANALYTICS", defaults.report_usage)?,
            cert_path: variables.text("FLAGSMITH_CA_CERT").map(Into::into),
            last_known_good: variables.text("FLAGSMITH_LAST_KNOWN_GOOD").map(Into::into),
        })
    }
}

impl From<VariableError> for OptionsError {
    fn from(error: VariableError) -> Self {
        Self(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pairs: &[(&str, &str)]) -> Result<Options, OptionsError> {
        Options::from_variables(|name| {
            pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn variables_are_read() {
        let path = std::env::temp_dir().join(format!("hoist-flagsmith-{}", std::process::id()));
        std::fs::write(&path, "ser.hunter2\n").expect("written");
        let options = from(&[
            ("FLAGSMITH_API_URL", " https://flagsmith.test/api/v1/ "),
            ("FLAGSMITH_ENVIRONMENT_KEY_FILE", path.to_str().expect("UTF-8")),
            ("FLAGSMITH_USE_BOOLEAN_CONFIG_VALUE", "true"),
            ("FLAGSMITH_TRANSIENT_IDENTITIES", "false"),
            ("FLAGSMITH_ENABLE_ANALYTICS", "true"),
            ("FLAGSMITH_ENVIRONMENT_REFRESH_INTERVAL_SECONDS", "7"),
        ]);
        std::fs::remove_file(&path).expect("removed");
        let options = options.expect("options");
        assert_eq!(options.environment_key.as_deref(), Some("ser.hunter2"));
        assert_eq!((options.url.as_str(), options.interval.as_secs()), ("https://flagsmith.test/api/v1/", 7));
        assert_eq!(
            (options.booleans, options.transient_identities, options.report_usage),
            (Booleans::Value, false, true)
        );
        assert!(!format!("{options:?}").contains("hunter2"));
    }

    #[test]
    fn the_key_decides_who_evaluates_unless_it_is_said() {
        for (key, said, here) in
            [("ser.x", "", true), ("x", "", false), ("ser.x", "false", false), ("x", "true", true)]
        {
            let pairs = [("FLAGSMITH_ENVIRONMENT_KEY", key), ("FLAGSMITH_ENABLE_LOCAL_EVALUATION", said)];
            assert_eq!(from(&pairs).expect("options").is_in_process(), here, "{key} {said}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, value) in [
            ("FLAGSMITH_ENABLE_LOCAL_EVALUATION", "perhaps"),
            ("FLAGSMITH_TRANSIENT_IDENTITIES", "1"),
            ("FLAGSMITH_ENVIRONMENT_REFRESH_INTERVAL_SECONDS", "0"),
            ("FLAGSMITH_REQUEST_TIMEOUT_SECONDS", "soon"),
            ("FLAGSMITH_ENVIRONMENT_KEY_FILE", "/nowhere/at/all"),
        ] {
            let error = from(&[(name, value)]).expect_err(name).to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
