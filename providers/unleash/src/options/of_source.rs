//! What can be said of an Unleash beyond what every source over HTTP has.

use serde::Deserialize;

/// Options of a source, by the names they have in `--sources`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceOptions {
    /// Seconds between polls.
    pub interval: Option<u64>,
    /// The application's name: in registration and reports, and the `appName` of contexts that have none. For GitLab the
    /// name of the environment.
    pub app_name: Option<String>,
    /// Which instance this is; made up if not given. For GitLab it is the secret.
    pub instance_id: Option<String>,
    /// The `environment` of contexts that have none.
    pub environment: Option<String>,
    /// The flag set of all flags of this source.
    pub flag_set_id: Option<String>,
    /// Whether to register, and to report how often flags are asked for.
    pub report_usage: bool,
    /// Seconds between reports.
    pub report_interval: u64,
    /// Whether a payload or a variant's name of `true` or `false` is the boolean, instead of the flag's being on.
    pub bool_variant: bool,
    /// Whether to ask for changes only, which enterprise servers offer.
    pub delta: bool,
}

impl Default for SourceOptions {
    fn default() -> Self {
        Self {
            interval: None,
            app_name: None,
            instance_id: None,
            environment: None,
            flag_set_id: None,
            report_usage: true,
            report_interval: 60,
            bool_variant: false,
            delta: false,
        }
    }
}
