//! The OpenFeature provider: flags evaluated here, of a server or of its files, or asked of the evaluation API.

mod answer;
mod in_process;
mod remote;

use kit::{Erased, Provider};

use crate::options::{Mode, Options, OptionsError};

pub use in_process::{InProcess, in_process};
pub use remote::{Remote, remote};

/// The provider's name.
pub const NAME: &str = "flipt";

/// The provider that [`Options::mode`] says. Must be called in a Tokio runtime.
///
/// # Errors
/// An option that cannot be used, or there is no runtime.
pub fn provider(options: &Options) -> Result<Provider<Erased>, OptionsError> {
    Ok(match options.mode {
        Mode::InProcess | Mode::File => in_process(options)?.erase(),
        Mode::Remote => remote(options)?.erase(),
    })
}
