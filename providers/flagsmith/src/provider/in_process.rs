//! Flags that are held and evaluated here.

use std::sync::Arc;

use kit::{Emitter, Local, Provider};
use local::{Stored, StoredFlags};

use super::NAME;
use crate::options::{Options, OptionsError};
use crate::source;

/// How many polls may fail before flags are stale.
const MISSED: u32 = 3;

/// Resolves flags by evaluating them here.
#[derive(Debug)]
pub struct InProcess(Stored);

/// A provider that follows the environment document and evaluates here, as Flagsmith's SDKs call it locally. Must be called in a
/// Tokio runtime.
///
/// # Errors
/// An option that cannot be used, or there is no runtime.
pub fn in_process(options: &Options) -> Result<Provider<InProcess>, OptionsError> {
    let origin = options.origin()?;
    let source = source::build(&origin).map_err(|error| OptionsError(error.to_string()))?;
    let mut settings = Stored::settings();
    settings.state_dir.clone_from(&options.last_known_good);
    settings.generations = 2;
    settings.stale_after = options.interval.saturating_mul(MISSED);
    let stored = Stored::open(NAME, settings, vec![(origin, source)])
        .map_err(|error| OptionsError(error.to_string()))?;
    Ok(Provider::new(InProcess(stored)))
}

impl Local for InProcess {
    const NAME: &'static str = NAME;

    type View = StoredFlags;

    fn view(&self) -> Arc<StoredFlags> {
        self.0.view()
    }

    #[inline]
    fn read<T>(&self, look: impl FnOnce(&StoredFlags) -> T) -> T {
        self.0.read(look)
    }

    fn events(&self) -> &Emitter {
        self.0.events()
    }
}
