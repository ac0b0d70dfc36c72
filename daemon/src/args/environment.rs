//! The environment, read once.

use std::collections::BTreeMap;

/// The environment variables that may matter to us: ours, flagd's, telemetry's, and a few that everybody reads.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

/// What the variables that matter begin with: ours, flagd's, and those that clouds, clusters and collectors tell their
/// clients by.
const PREFIXES: [&str; 8] =
    ["FLAGD_", "HOISTD_", "OTEL_", "DD_", "AWS_", "AZURE_", "GOOGLE_", "KUBERNETES_SERVICE_"];

/// Variables beside them.
const OTHERS: &[&str] = &[
    "HOME",
    "PORT",
    "SUDO_USER",
    "USER",
    "LOGNAME",
    "IDENTITY_ENDPOINT",
    "KUBECONFIG",
    "STORAGE_EMULATOR_HOST",
    "UNLEASH_API_TOKEN",
    "UNLEASH_API_TOKEN_FILE",
    "FLAGSMITH_ENVIRONMENT_KEY",
    "FLAGSMITH_ENVIRONMENT_KEY_FILE",
    "FLIPT_TOKEN",
    "FLIPT_TOKEN_FILE",
];

impl Environment {
    /// Reads the process's environment. Bytes that are not UTF-8 are replaced.
    pub fn from_process() -> Self {
        let all = std::env::vars_os();
        all.map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .collect()
    }

    /// The value of a variable. An empty one counts as unset, as it does for flagd.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The variables that begin with one of `starts`.
    pub fn family<'a>(&'a self, starts: &'a [&str]) -> impl Iterator<Item = (&'a str, &'a str)> {
        let all = self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        all.filter(|(name, _)| starts.iter().any(|start| name.starts_with(start)))
    }

    /// The names of all variables that may matter, empty ones included.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        let ours =
            |name: &str| PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || OTHERS.contains(&name);
        Self { variables: variables.into_iter().filter(|(name, _)| ours(name)).collect() }
    }
}

/// Names only: a value may hold a token.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}
