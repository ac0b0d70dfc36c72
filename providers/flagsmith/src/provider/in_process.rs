//! Flags that are held and evaluated here.

use kit::Provider;
use local::{Keeping, Named};

use super::NAME;
use crate::options::{Options, OptionsError};
use crate::source;

/// How many polls may fail before flags are stale.
const MISSED: u32 = 3;

/// Resolves flags by evaluating them here.
pub type InProcess = local::InProcess<Flagsmith>;

/// Flags of Flagsmith.
#[derive(Debug)]
pub enum Flagsmith {}

impl Named for Flagsmith {
    const NAME: &'static str = NAME;
}

/// A provider that follows the environment document and evaluates here, as Flagsmith's SDKs call it locally. Must be called in a
/// Tokio runtime.
///
/// # Errors
/// An option that cannot be used, or there is no runtime.
pub fn in_process(options: &Options) -> Result<Provider<InProcess>, OptionsError> {
    let origin = options.origin()?;
    let source = source::build(&origin).map_err(|error| OptionsError(error.to_string()))?;
    let keeping = Keeping {
        last_known_good: options.last_known_good.as_deref(),
        stale_after: Some(options.interval.saturating_mul(MISSED)),
    };
    InProcess::provider((origin, source), keeping).map_err(|error| OptionsError(error.to_string()))
}
