//! Options by the variables that users of Unleash know.

use std::env;
use std::time::Duration;

use super::{Options, OptionsError};

impl Options {
    /// The defaults with what the environment says: `UNLEASH_URL`, `UNLEASH_API_TOKEN` (or the file that
    /// `UNLEASH_API_TOKEN_FILE` names), `UNLEASH_APP_NAME`, `UNLEASH_INSTANCE_ID`, `UNLEASH_ENVIRONMENT`,
    /// `UNLEASH_REFRESH_INTERVAL_SECONDS`, `UNLEASH_DISABLE_METRICS` and `UNLEASH_BACKUP_PATH`.
    ///
    /// # Errors
    /// A variable cannot be read as what it should be, or there is no such file.
    pub fn from_env() -> Result<Self, OptionsError> {
        let mut options = Self::default();
        if let Some(url) = get("UNLEASH_URL") {
            options.url = url;
        }
        options.token = match (get("UNLEASH_API_TOKEN"), get("UNLEASH_API_TOKEN_FILE")) {
            (Some(token), _) => Some(token),
            (None, Some(path)) => {
                let wrong = |error| OptionsError(format!("UNLEASH_API_TOKEN_FILE: {path}: {error}"));
                Some(std::fs::read_to_string(&path).map_err(wrong)?.trim().to_owned())
            }
            (None, None) => None,
        };
        if let Some(name) = get("UNLEASH_APP_NAME") {
            options.app_name = name;
        }
        options.instance_id = get("UNLEASH_INSTANCE_ID");
        options.environment = get("UNLEASH_ENVIRONMENT");
        if let Some(text) = get("UNLEASH_REFRESH_INTERVAL_SECONDS") {
            let seconds = text.parse().ok().filter(|seconds| *seconds > 0);
            let wrong = || {
                OptionsError("UNLEASH_REFRESH_INTERVAL_SECONDS must be a whole number, 1 or more".to_owned())
            };
            options.interval = Duration::from_secs(seconds.ok_or_else(wrong)?);
        }
        options.report_usage =
            get("UNLEASH_DISABLE_METRICS").is_none_or(|text| text != "true" && text != "1");
        options.last_known_good = get("UNLEASH_BACKUP_PATH").map(Into::into);
        Ok(options)
    }
}

fn get(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
