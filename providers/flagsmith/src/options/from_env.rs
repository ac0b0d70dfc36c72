//! Options by variables, named as Flagsmith's SDKs name their options.

use std::str::FromStr;
use std::time::Duration;

use super::{Mode, Options, OptionsError};
use crate::mapping::Booleans;

const SECONDS: &str = "a whole number of seconds, 1 or more";

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
        let get = |name: &str| get(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let switch = |name: &str, default: bool| read(get(name), name, "true or false", default);
        let seconds = |name: &str, default: Duration| match read(get(name), name, SECONDS, default.as_secs())?
        {
            0 => Err(wrong(name, SECONDS)),
            seconds => Ok(Duration::from_secs(seconds)),
        };
        let defaults = Self::default();
        let mode = match get("FLAGSMITH_ENABLE_LOCAL_EVALUATION") {
            None => Mode::ByKey,
            text => match read(text, "FLAGSMITH_ENABLE_LOCAL_EVALUATION", "true or false", false)? {
                true => Mode::InProcess,
                false => Mode::Remote,
            },
        };
        let by_value = switch("FLAGSMITH_USE_BOOLEAN_CONFIG_VALUE", false)?;
        Ok(Self {
            mode,
            url: get("FLAGSMITH_API_URL").unwrap_or(defaults.url),
            environment_key: key(&get)?,
            booleans: if by_value { Booleans::Value } else { Booleans::Enabled },
            value_when_disabled: switch("FLAGSMITH_RETURN_VALUE_FOR_DISABLED_FLAGS", false)?,
            transient_identities: switch("FLAGSMITH_TRANSIENT_IDENTITIES", defaults.transient_identities)?,
            interval: seconds("FLAGSMITH_ENVIRONMENT_REFRESH_INTERVAL_SECONDS", defaults.interval)?,
            timeout: seconds("FLAGSMITH_REQUEST_TIMEOUT_SECONDS", defaults.timeout)?,
            report_usage: switch("FLAGSMITH_ENABLE_ANALYTICS", defaults.report_usage)?,
            cert_path: get("FLAGSMITH_CA_CERT").map(Into::into),
            last_known_good: get("FLAGSMITH_LAST_KNOWN_GOOD").map(Into::into),
        })
    }
}

fn wrong(name: &str, must_be: &str) -> OptionsError {
    OptionsError(format!("{name} must be {must_be}"))
}

fn read<T: FromStr>(text: Option<String>, name: &str, must_be: &str, default: T) -> Result<T, OptionsError> {
    text.map_or(Ok(default), |text| text.parse().map_err(|_| wrong(name, must_be)))
}

fn key(get: &dyn Fn(&str) -> Option<String>) -> Result<Option<String>, OptionsError> {
    match (get("FLAGSMITH_ENVIRONMENT_KEY"), get("FLAGSMITH_ENVIRONMENT_KEY_FILE")) {
        (None, Some(path)) => {
            let text = std::fs::read_to_string(&path);
            let wrong = |error| OptionsError(format!("FLAGSMITH_ENVIRONMENT_KEY_FILE: {path}: {error}"));
            Ok(Some(text.map_err(wrong)?.trim().to_owned()))
        }
        (key, _) => Ok(key),
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
