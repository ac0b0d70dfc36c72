//! Options by variables. Flipt's own clients read none; the names are those of their options.

use kit::{VariableError, Variables};

use super::{Mode, Options, OptionsError};
use crate::mapping::Values;

impl Options {
    /// The defaults with what the environment says: `FLIPT_URL`, `FLIPT_TOKEN` or `FLIPT_JWT` (or the files that `FLIPT_TOKEN_FILE`
    /// and `FLIPT_JWT_FILE` name), `FLIPT_NAMESPACE`, `FLIPT_ENVIRONMENT`, `FLIPT_MODE` (`in-process`, `remote`, `file`),
    /// `FLIPT_FEATURES`, `FLIPT_VALUES` (`key`, `attachment`), `FLIPT_REQUIRE_TARGETING_KEY`, `FLIPT_STREAMING`,
    /// `FLIPT_UPDATE_INTERVAL` and `FLIPT_REQUEST_TIMEOUT` (both in seconds), `FLIPT_CA_CERT` and `FLIPT_LAST_KNOWN_GOOD`.
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
        let text = |name: &str| variables.text(name);
        let wrong = |name: &str, must_be: &str| OptionsError::from(VariableError::new(name, must_be));
        let switch =
            |name: &str, default: bool| Ok::<_, OptionsError>(variables.switch(name)?.unwrap_or(default));
        let defaults = Self::default();
        let features = text("FLIPT_FEATURES");
        let mode = match text("FLIPT_MODE").as_deref() {
            None if features.is_some() => Mode::File,
            None | Some("in-process") => Mode::InProcess,
            Some("remote") => Mode::Remote,
            Some("file") => Mode::File,
            Some(_) => return Err(wrong("FLIPT_MODE", "in-process, remote or file")),
        };
        let values = match text("FLIPT_VALUES").as_deref() {
            None | Some("key") => Values::Key,
            Some("attachment") => Values::Attachment,
            Some(_) => return Err(wrong("FLIPT_VALUES", "key or attachment")),
        };
        Ok(Self {
            mode,
            url: text("FLIPT_URL").unwrap_or(defaults.url),
            features: features.unwrap_or(defaults.features),
            token: variables.secret("FLIPT_TOKEN")?,
            jwt: variables.secret("FLIPT_JWT")?,
            namespace: text("FLIPT_NAMESPACE").unwrap_or(defaults.namespace),
            environment: text("FLIPT_ENVIRONMENT"),
            values,
            require_targeting_key: switch("FLIPT_REQUIRE_TARGETING_KEY", defaults.require_targeting_key)?,
            streaming: switch("FLIPT_STREAMING", defaults.streaming)?,
            interval: variables.seconds("FLIPT_UPDATE_INTERVAL")?.unwrap_or(defaults.interval),
            timeout: variables.seconds("FLIPT_REQUEST_TIMEOUT")?.unwrap_or(defaults.timeout),
            cert_path: text("FLIPT_CA_CERT").map(Into::into),
            last_known_good: text("FLIPT_LAST_KNOWN_GOOD").map(Into::into),
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
        let folder = std::env::temp_dir().join(format!("hoist-flipt-{}", std::process::id()));
        std::fs::write(&folder, "hunter2\n").expect("written");
        let options = from(&[
            ("FLIPT_URL", " https://flipt.test "),
            ("FLIPT_TOKEN_FILE", folder.to_str().expect("UTF-8")),
            ("FLIPT_NAMESPACE", "shop"),
            ("FLIPT_ENVIRONMENT", "production"),
            ("FLIPT_MODE", "remote"),
            ("FLIPT_VALUES", "attachment"),
            ("FLIPT_STREAMING", "false"),
            ("FLIPT_UPDATE_INTERVAL", "7"),
        ]);
        std::fs::remove_file(&folder).expect("removed");
        let options = options.expect("options");
        assert_eq!(options.authorization().as_deref(), Some("Bearer hunter2"));
        assert_eq!(
            (options.mode, options.values, options.streaming),
            (Mode::Remote, Values::Attachment, false)
        );
        assert_eq!((options.url.as_str(), options.namespace.as_str()), ("https://flipt.test", "shop"));
        assert_eq!((options.environment.as_deref(), options.interval.as_secs()), (Some("production"), 7));
        assert!(!format!("{options:?}").contains("hunter2"));
        let jwt = from(&[("FLIPT_JWT", "ey.hunter2"), ("FLIPT_TOKEN", "x")]).expect("options");
        assert_eq!(jwt.authorization().as_deref(), Some("JWT ey.hunter2"));
        assert_eq!(from(&[("FLIPT_FEATURES", "a.yaml")]).expect("options").mode, Mode::File);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, value) in [
            ("FLIPT_MODE", "both"),
            ("FLIPT_VALUES", "x"),
            ("FLIPT_UPDATE_INTERVAL", "0"),
            ("FLIPT_STREAMING", "perhaps"),
            ("FLIPT_TOKEN_FILE", "/nowhere/at/all"),
        ] {
            let error = from(&[(name, value)]).expect_err(name).to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
