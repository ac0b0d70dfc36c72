//! Flags that are held and evaluated here.

use std::time::Duration;

use kit::Provider;
use local::{Keeping, Named};
use store::{BUILT_IN, Followed, ReadBy, find};

use super::NAME;
use crate::options::{Mode, Options, OptionsError};
use crate::source;

/// How long the server may be away before that is told.
const GRACE: Duration = Duration::from_secs(5);

/// Resolves flags by evaluating them here.
pub type InProcess = local::InProcess<Flipt>;

/// Flags of Flipt.
#[derive(Debug)]
pub enum Flipt {}

impl Named for Flipt {
    const NAME: &'static str = NAME;
}

/// A provider that evaluates here: what the server has, or with [`Mode::File`] what is in files. Must be called in a Tokio
/// runtime.
///
/// # Errors
/// An option that cannot be used, or there is no runtime.
pub fn in_process(options: &Options) -> Result<Provider<InProcess>, OptionsError> {
    let followed = if options.mode == Mode::File { files(options)? } else { server(options)? };
    let keeping = Keeping { last_known_good: options.last_known_good.as_deref(), stale_after: Some(GRACE) };
    InProcess::provider(followed, keeping).map_err(|error| OptionsError(error.to_string()))
}

fn server(options: &Options) -> Result<Followed, OptionsError> {
    let origin = options.server()?;
    let source = source::build(&origin).map_err(|error| OptionsError(error.to_string()))?;
    Ok((origin, source))
}

fn files(options: &Options) -> Result<Followed, OptionsError> {
    let origin = options.files();
    let kind = find(BUILT_IN, origin.provider())
        .ok_or_else(|| OptionsError(format!("{} needs the feature of that name", origin.provider())))?;
    let wrong = |error: store::OriginError| OptionsError(error.to_string());
    let source = (kind.build)(&origin).map_err(wrong)?;
    let reader = (source::FILES.reader)(&origin).map_err(wrong)?;
    Ok((origin, Box::new(ReadBy::new(source, reader))))
}
