//! Options from the environment, read here and nowhere else.

use std::ffi::OsString;

use crate::naming::Naming;
use crate::options::Options;

/// Put before every name.
const PREFIX: &str = "HOIST_ENV_VAR_PREFIX";
/// How a key becomes a name.
const NAMING: &str = "HOIST_ENV_VAR_NAMING";

/// A variable that the provider's options are read from has no meaning.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}={value:?}: use one of {choices}")]
pub struct VariableError {
    /// The variable.
    pub name: &'static str,
    /// What it says.
    pub value: String,
    /// What it may say.
    pub choices: &'static str,
}

impl Options {
    /// The process's variables, with prefix and naming from `HOIST_ENV_VAR_PREFIX` and `HOIST_ENV_VAR_NAMING`
    /// (`upper-snake` or `as-is`). Variables that are not Unicode are left out.
    ///
    /// # Errors
    /// `HOIST_ENV_VAR_NAMING` says something else.
    pub fn from_env() -> Result<Self, VariableError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// As [`Options::from_env`], with prefix and naming from anywhere. The flags are the process's variables all the same.
    ///
    /// # Errors
    /// As [`Options::from_env`].
    pub fn from_variables(get: impl Fn(&str) -> Option<String>) -> Result<Self, VariableError> {
        let unicode =
            |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        Self::of(get, std::env::vars_os().filter_map(unicode))
    }

    pub(crate) fn of(
        get: impl Fn(&str) -> Option<String>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, VariableError> {
        let mut options = Self::new(variables);
        options.prefix = get(PREFIX).unwrap_or_default();
        let naming = get(NAMING).map(|text| text.trim().to_ascii_lowercase());
        options.naming = match naming.as_deref() {
            None | Some("" | "upper-snake") => Naming::UpperSnake,
            Some("as-is") => Naming::AsIs,
            Some(other) => {
                let choices = "upper-snake, as-is";
                return Err(VariableError { name: NAMING, value: other.to_owned(), choices });
            }
        };
        let prefix = options.prefix.clone();
        options.variables.retain(|name, _| name.starts_with(&prefix));
        Ok(options)
    }
}
