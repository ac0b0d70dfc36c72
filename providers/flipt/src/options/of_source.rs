//! What can be said of a Flipt, or of its files, beyond what every such source has.

use serde::Deserialize;
use store::{Origin, OriginError};

use crate::mapping::{Mapping, Values};

/// Options of a server as a source, by the names they have in `--sources`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceOptions {
    /// The namespace.
    pub namespace: String,
    /// The environment (v2); the server's default one if not given.
    pub environment: Option<String>,
    /// The flag set of all flags, in place of one called as the namespace.
    pub flag_set_id: Option<String>,
    /// What a variant's value is.
    pub values: Values,
    /// Whether whoever has no targeting key is an error to flags that depend on the context.
    pub require_targeting_key: bool,
    /// Whether to have the server say what changes (v2), and not only to ask.
    pub streaming: bool,
    /// Seconds of silence after which the server is asked whether the stream has missed anything.
    #[serde(rename = "watchdogS")]
    pub watchdog: u64,
}

impl Default for SourceOptions {
    fn default() -> Self {
        Self {
            namespace: crate::features::DEFAULT_NAMESPACE.to_owned(),
            environment: None,
            flag_set_id: None,
            values: Values::default(),
            require_targeting_key: false,
            streaming: true,
            watchdog: 30,
        }
    }
}

impl SourceOptions {
    /// The options of `origin`, with what its address chooses: `?namespace=shop&environment=production`.
    ///
    /// # Errors
    /// An option has the wrong type, or the address a parameter that means nothing.
    pub fn of(origin: &Origin) -> Result<Self, OriginError> {
        let mut options: Self = origin.options()?;
        let (_, query) = origin.name().split_once('?').unwrap_or_default();
        let pairs = reqwest::Url::parse(&format!("query:?{query}"));
        for (name, value) in pairs.iter().flat_map(reqwest::Url::query_pairs) {
            match &*name {
                "namespace" => options.namespace = value.into_owned(),
                "environment" => options.environment = Some(value.into_owned()),
                _ => {
                    let what = "its address has a parameter that is neither namespace nor environment";
                    return Err(OriginError(format!("source {origin}: {what}")));
                }
            }
        }
        options.environment = options.environment.filter(|environment| !environment.is_empty());
        if options.namespace.is_empty() {
            return Err(OriginError(format!("source {origin}: namespace must not be empty")));
        }
        Ok(options)
    }

    /// How its flags are served.
    pub fn mapping(&self) -> Mapping {
        Mapping {
            values: self.values,
            flag_set: self.flag_set_id.clone(),
            environment: self.environment.clone(),
            require_targeting_key: self.require_targeting_key,
        }
    }
}

/// Options of files as a source.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FileOptions {
    /// The only namespace whose flags are served; all of them if not given.
    pub namespace: Option<String>,
    /// The flag set of all flags, in place of one for each namespace.
    pub flag_set_id: Option<String>,
    /// What a variant's value is.
    pub values: Values,
    /// Whether whoever has no targeting key is an error to flags that depend on the context.
    pub require_targeting_key: bool,
}

impl FileOptions {
    /// How the flags are served.
    pub fn mapping(&self) -> Mapping {
        Mapping {
            values: self.values,
            flag_set: self.flag_set_id.clone(),
            environment: None,
            require_targeting_key: self.require_targeting_key,
        }
    }
}
