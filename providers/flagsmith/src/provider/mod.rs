//! The OpenFeature provider: flags evaluated here, or asked of the server.

mod answer;
mod in_process;
mod remote;

use kit::{Erased, Provider};

use crate::options::{Options, OptionsError};

pub use in_process::{InProcess, in_process};
pub use remote::{Remote, remote};

/// The provider's name.
pub const NAME: &str = "flagsmith";

/// The provider that [`Options::mode`] says. Must be called in a Tokio runtime.
///
/// # Errors
/// An option that cannot be used, or there is no runtime.
pub fn provider(options: &Options) -> Result<Provider<Erased>, OptionsError> {
    Ok(if options.is_in_process() { in_process(options)?.erase() } else { remote(options)?.erase() })
}
