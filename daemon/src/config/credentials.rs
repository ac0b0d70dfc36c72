//! Credentials of other vendors' servers, from the variables that their users know.

use std::fs;

use super::{ConfigError, OriginConfig, Provider, Secret};
use crate::args::Environment;

/// The variable of each vendor, and what stands before its value in a header.
const VARIABLES: [(Provider, &str, &str); 3] = [
    (Provider::Unleash, "UNLEASH_API_TOKEN", ""),
    (Provider::Flagsmith, "FLAGSMITH_ENVIRONMENT_KEY", ""),
    (Provider::Flipt, "FLIPT_TOKEN", "Bearer "),
];

/// The longest credential that is read from a file.
const MOST_BYTES: usize = 16 << 10;

/// Gives an origin without credentials those of its vendor's variable, or of the file named by it with `_FILE`.
///
/// # Errors
/// The file cannot be read.
pub(super) fn complete(origin: &mut OriginConfig, environment: &Environment) -> Result<(), ConfigError> {
    let Some((_, variable, before)) = VARIABLES.iter().find(|(provider, ..)| *provider == origin.provider)
    else {
        return Ok(());
    };
    if origin.authorization.is_some() {
        return Ok(());
    }
    let by_file = format!("{variable}_FILE");
    let found = match (environment.get(variable), environment.get(&by_file)) {
        (Some(value), _) => Some(value.to_owned()),
        (None, Some(path)) => {
            Some(read(path).map_err(|what| ConfigError::whole(format!("{by_file}: {what}")))?)
        }
        (None, None) => None,
    };
    // Who writes a scheme, such as `JWT ...`, means it.
    let before = |value: &str| if value.contains(' ') { "" } else { before };
    origin.authorization = found.map(|value| {
        let value = value.trim();
        Secret::from(format!("{}{value}", before(value)))
    });
    Ok(())
}

fn read(path: &str) -> Result<String, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    if text.len() > MOST_BYTES || text.trim().is_empty() {
        return Err(format!("{path}: holds no credential"));
    }
    Ok(text)
}
