//! Options from the environment, read here and nowhere else.

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
        let variables = std::env::vars_os();
        Self::of(
            variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    /// As [`Options::from_env`], of these variables.
    ///
    /// # Errors
    /// As [`Options::from_env`].
    pub fn of(variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, VariableError> {
        let mut options = Self::new(variables);
        options.prefix = options.variables.get(PREFIX).cloned().unwrap_or_default();
        options.naming =
            match options.variables.get(NAMING).map(|text| text.trim().to_ascii_lowercase()).as_deref() {
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
