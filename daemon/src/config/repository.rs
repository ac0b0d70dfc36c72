//! How a git repository lets us in, and where what comes from it is kept.

use std::path::PathBuf;

use super::given::Places;
use super::{ConfigError, Secret};
use crate::args::Environment;

/// How variables begin that hold secrets of sources.
pub(crate) const VARIABLES: &str = "HOISTD_SECRET_";

/// Options of a git origin beside its address, which may itself hold user and token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repository {
    /// User whom the server sees; most servers take any together with a token.
    pub username: Option<String>,
    /// Token, or password.
    pub token: Option<Secret>,
    /// File with the token, read again each time.
    pub token_path: Option<PathBuf>,
    /// Variable that the token came from.
    pub token_variable: Option<String>,
    /// Private key (ssh).
    pub identity_path: Option<PathBuf>,
    /// Hosts whose keys are known (ssh).
    pub known_hosts_path: Option<PathBuf>,
    /// Where fetched objects are kept; none for a temporary directory.
    pub cache_dir: Option<PathBuf>,
}

impl Repository {
    /// Takes the token from its variable.
    ///
    /// # Errors
    /// The variable is not set, or not meant for a secret.
    pub(crate) fn resolve(&mut self, environment: &Environment) -> Result<(), String> {
        let Some(name) = &self.token_variable else { return Ok(()) };
        if !name.starts_with(VARIABLES) {
            return Err(format!("tokenEnv must begin with {VARIABLES}"));
        }
        if self.token.is_some() || self.token_path.is_some() {
            return Err("set one of token, tokenPath and tokenEnv".to_owned());
        }
        let token = environment.get(name).ok_or_else(|| format!("environment variable {name} is not set"))?;
        self.token = Some(Secret::from(token.to_owned()));
        Ok(())
    }
}

/// Where repositories are kept.
pub(crate) fn cache_dir(places: &Places<'_>) -> Result<Option<PathBuf>, ConfigError> {
    let state = places.get("state-dir").path()?;
    Ok(places.get("cache-dir").path()?.or(state.map(|state| state.join("git"))))
}
