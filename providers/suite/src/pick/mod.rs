//! The providers by name: one line each.

mod env_var;
pub mod file;
mod flagd;
mod flagsmith;
mod flipt;
mod in_memory;
mod ofrep;
mod unleash;

use std::fmt;

use crate::config::Provider;

/// Makes a provider of the variables that the argument knows.
pub(crate) type Build =
    fn(&dyn Fn(&str) -> Option<String>) -> Result<Provider, Box<dyn std::error::Error + Send + Sync>>;

/// Every provider there is, built in or not.
pub const PROVIDERS: &[Choice] = &[
    Choice { name: "env-var", about: "environment variables", build: env_var::BUILD },
    Choice { name: "file", about: "a flagd document on disk, evaluated here", build: file::BUILD },
    Choice {
        name: "flagd",
        about: "flagd, hoistd: asked, or followed and evaluated here",
        build: flagd::BUILD,
    },
    Choice {
        name: "flagsmith",
        about: "Flagsmith: asked, or followed and evaluated here",
        build: flagsmith::BUILD,
    },
    Choice { name: "flipt", about: "Flipt: followed, asked, or its features.yaml", build: flipt::BUILD },
    Choice { name: "in-memory", about: "fixed values, for tests and trials", build: in_memory::BUILD },
    Choice { name: "ofrep", about: "any server that speaks OFREP", build: ofrep::BUILD },
    Choice { name: "unleash", about: "Unleash or GitLab, evaluated here", build: unleash::BUILD },
];

/// A provider that can be named.
#[derive(Clone, Copy)]
pub struct Choice {
    /// What `HOIST_PROVIDER` calls it.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    pub(crate) build: Option<Build>,
}

impl Choice {
    /// Whether this program was built with it.
    pub fn is_built(&self) -> bool {
        self.build.is_some()
    }
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Choice").field("name", &self.name).field("built", &self.is_built()).finish()
    }
}
