//! From names and settings to a provider.

use kit::Erased;
use multi::{Difference, FlagReport, Member, Multi, MultiError, ShadowOptions};
use serde::Serialize;
use serde_json::Value;

use crate::pick::{Build, Choice, PROVIDERS};

/// Which provider.
const PROVIDER: &str = "HOIST_PROVIDER";
/// Which one is compared with it.
const SHADOW: &str = "HOIST_SHADOW_PROVIDER";
/// The provider when none is named.
const FALLBACK: &str = "file";

/// A provider whose kind was decided at run time.
pub type Provider = kit::Provider<Erased>;

/// Why there is no provider.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No provider is called so.
    #[error("there is no provider {name:?}; set {PROVIDER} to one of: {}", names())]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The program was built without it.
    #[error(
        "this program was built without the provider {name}: switch on the feature {name:?} of the crate hoist"
    )]
    NotBuilt {
        /// What was asked for.
        name: &'static str,
    },
    /// Its settings make no provider.
    #[error("provider {name}: {why}")]
    Settings {
        /// The provider.
        name: &'static str,
        /// What is wrong.
        #[source]
        why: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Several cannot be combined so.
    #[error("{PROVIDER}: {0}")]
    Several(#[from] MultiError),
    /// The section of the configuration is no table of settings.
    #[error("the configuration of the provider: {0}")]
    Section(String),
}

fn names() -> String {
    PROVIDERS.iter().map(|choice| choice.name).collect::<Vec<_>>().join(", ")
}

/// The provider that the variables name which `get` knows, such as a configuration's own. Empty ones count as unset. Must
/// be called on a tokio runtime.
///
/// # Errors
/// A name that no provider has, or settings that make no provider. A backend that cannot be reached is no error: the
/// provider says so by its state.
pub fn from_variables(get: impl Fn(&str) -> Option<String>) -> Result<Provider, ConfigError> {
    let get = |name: &str| get(name).filter(|text| !text.trim().is_empty());
    let named = get(PROVIDER).unwrap_or_else(|| FALLBACK.to_owned());
    let first = in_turn(&named, &get)?;
    match get(SHADOW) {
        None => Ok(first),
        Some(shadow) => {
            let shadow = Member::new(format!("shadow {}", shadow.trim()), in_turn(&shadow, &get)?);
            let members = [Member::new(named.trim(), first), shadow];
            let multi = Multi::shadow(members, ShadowOptions::default())?;
            if let Some(resolver) = multi.resolver() {
                resolver.report().on_difference(tell);
            }
            Ok(multi.erase())
        }
    }
}

/// The provider of a section of a configuration: a table of variables by name, with `provider` for `HOIST_PROVIDER` and
/// `shadow` for `HOIST_SHADOW_PROVIDER`. The environment is not looked at.
///
/// # Errors
/// As [`from_variables`], and a section that is no table.
pub fn from_config(section: &impl Serialize) -> Result<Provider, ConfigError> {
    let section = serde_json::to_value(section).map_err(|error| ConfigError::Section(error.to_string()))?;
    let Value::Object(settings) = section else {
        return Err(ConfigError::Section("it must be a table of settings".to_owned()));
    };
    from_variables(|name| {
        let short = match name {
            PROVIDER => "provider",
            SHADOW => "shadow",
            other => other,
        };
        match settings.get(short).or_else(|| settings.get(name))? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    })
}

/// Logs the first difference of a flag, the second, the fourth and so on. Contexts stay out of it: they are about people.
fn tell(difference: &Difference<'_>, counts: FlagReport) {
    if counts.mismatched.is_power_of_two() {
        tracing::warn!(
            flag = difference.key,
            with = difference.name,
            first = ?difference.first.as_ref().ok().map(|answer| &answer.value),
            other = ?difference.other.as_ref().ok().map(|answer| &answer.value),
            mismatched = counts.mismatched,
            compared = counts.compared,
            "providers disagree"
        );
    }
}

/// One provider, or several that are asked in turn.
fn in_turn(named: &str, get: &dyn Fn(&str) -> Option<String>) -> Result<Provider, ConfigError> {
    let names: Vec<&str> = named.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if let [name] = names[..] {
        return one(name, get);
    }
    let members: Vec<Member> = names
        .into_iter()
        .map(|name| Ok(Member::new(name, one(name, get)?)))
        .collect::<Result<_, ConfigError>>()?;
    Ok(Multi::fallback(members)?.erase())
}

fn one(name: &str, get: &dyn Fn(&str) -> Option<String>) -> Result<Provider, ConfigError> {
    let plain = name.to_ascii_lowercase().replace('_', "-");
    let unknown = || ConfigError::Unknown { name: name.to_owned() };
    let Choice { name, build, .. } =
        PROVIDERS.iter().find(|choice| choice.name == plain).ok_or_else(unknown)?;
    let build: Build = build.ok_or(ConfigError::NotBuilt { name })?;
    build(get).map_err(|why| ConfigError::Settings { name, why })
}
