//! Options by the variables that users of Unleash know.

use std::env;

use kit::{VariableError, Variables};

use super::{Options, OptionsError};

impl Options {
    /// The defaults with what the environment says: `UNLEASH_URL`, `UNLEASH_API_TOKEN` (or the file that
    /// `UNLEASH_API_TOKEN_FILE` names), `UNLEASH_APP_NAME`, `UNLEASH_INSTANCE_ID`, `UNLEASH_ENVIRONMENT`,
    /// `UNLEASH_REFRESH_INTERVAL_SECONDS`, `UNLEASH_DISABLE_METRICS` and `UNLEASH_BACKUP_PATH`.
    ///
    /// # Errors
    /// A variable cannot be read as what it should be, or there is no such file.
    pub fn from_env() -> Result<Self, OptionsError> {
        Self::from_variables(|name| env::var(name).ok())
    }

    /// The same from variables that `get` knows, such as a configuration's own. Empty ones count as unset.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_variables(get: impl Fn(&str) -> Option<String>) -> Result<Self, OptionsError> {
        let variables = Variables::new(get);
        let text = |name: &str| variables.text(name);
        let defaults = Self::default();
        Ok(Self {
            url: text("UNLEASH_URL").unwrap_or(defaults.url),
            token: variables.secret("UNLEASH_API_TOKEN")?,
            app_name: text("UNLEASH_APP_NAME").unwrap_or(defaults.app_name),
            instance_id: text("UNLEASH_INSTANCE_ID"),
            environment: text("UNLEASH_ENVIRONMENT"),
            interval: variables.seconds("UNLEASH_REFRESH_INTERVAL_SECONDS")?.unwrap_or(defaults.interval),
            report_usage: text("UNLEASH_DISABLE_METRICS").is_none_or(|text| text != "true" && text != "1"),
            last_known_good: text("UNLEASH_BACKUP_PATH").map(Into::into),
            ..defaults
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
    use std::time::Duration;

    use super::*;

    fn from(pairs: &[(&str, &str)]) -> Result<Options, OptionsError> {
        Options::from_variables(|name| {
            pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn variables_say_where_and_who() {
        let options = from(&[
            ("UNLEASH_URL", "https://flags.test/api"),
            ("UNLEASH_API_TOKEN", "default:production.s3cret"),
            ("UNLEASH_APP_NAME", "shop"),
            ("UNLEASH_ENVIRONMENT", ""),
            ("UNLEASH_REFRESH_INTERVAL_SECONDS", "3"),
            ("UNLEASH_DISABLE_METRICS", "true"),
        ])
        .expect("options");
        assert_eq!(options.url, "https://flags.test/api");
        assert_eq!(options.token.as_deref(), Some("default:production.s3cret"));
        assert_eq!((options.app_name.as_str(), options.environment.as_deref()), ("shop", None));
        assert_eq!((options.interval, options.report_usage), (Duration::from_secs(3), false));
        let defaults = from(&[]).expect("options");
        assert_eq!((defaults.url, defaults.report_usage), (Options::default().url, true));
    }

    #[test]
    fn a_token_may_lie_in_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        std::fs::write(&path, "default:production.s3cret\n").expect("a file");
        let path = path.to_str().expect("a path of text");
        let options = from(&[("UNLEASH_API_TOKEN_FILE", path)]).expect("options");
        assert_eq!(options.token.as_deref(), Some("default:production.s3cret"));
        let missing = from(&[("UNLEASH_API_TOKEN_FILE", "/nowhere/token")]).expect_err("no file");
        assert!(missing.to_string().contains("UNLEASH_API_TOKEN_FILE: /nowhere/token"), "{missing}");
    }

    #[test]
    fn an_interval_is_at_least_a_second() {
        for wrong in ["0", "soon", "-1", "1.5"] {
            let error = from(&[("UNLEASH_REFRESH_INTERVAL_SECONDS", wrong)]).expect_err(wrong);
            assert!(error.to_string().contains("whole number"), "{error}");
        }
    }
}
