//! What can be said of a Flagsmith beyond what every source over HTTP has.

use serde::Deserialize;

use crate::mapping::{Booleans, Mapping};

/// Options of a source, by the names they have in `--sources`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceOptions {
    /// The flag set of all flags of this source.
    pub flag_set_id: Option<String>,
    /// What a boolean is.
    pub bool_mode: Booleans,
    /// Whether a feature that is off still gives its value, with the reason `DISABLED`.
    pub return_value_when_disabled: bool,
    /// Whether features are served that Flagsmith keeps from clients with a client-side key.
    pub server_key_only: bool,
    /// Whether to report how often each feature was asked for.
    pub report_usage: bool,
    /// Seconds between reports.
    pub report_interval: u64,
}

impl Default for SourceOptions {
    fn default() -> Self {
        Self {
            flag_set_id: None,
            bool_mode: Booleans::default(),
            return_value_when_disabled: false,
            server_key_only: false,
            report_usage: false,
            report_interval: 60,
        }
    }
}

impl SourceOptions {
    /// How features become flags.
    pub fn mapping(&self) -> Mapping {
        Mapping {
            booleans: self.bool_mode,
            value_when_disabled: self.return_value_when_disabled,
            server_key_only: self.server_key_only,
            flag_set: self.flag_set_id.clone(),
        }
    }
}
