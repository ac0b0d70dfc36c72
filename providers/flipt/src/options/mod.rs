//! Options: of the provider, and of the sources behind it.

#[cfg(feature = "provider")]
mod from_env;
#[cfg(feature = "provider")]
mod of_provider;
mod of_source;

#[cfg(feature = "provider")]
pub use of_provider::{Mode, Options, OptionsError};
pub use of_source::{FileOptions, SourceOptions};
