//! The resolver that options choose.

use kit::{Answer, Emitter, Provider, Resolver, Type};
use open_feature::{EvaluationContext, EvaluationError};

use crate::in_process::InProcess;
use crate::options::{Mode, Options, OptionsError};
use crate::rpc::Rpc;

/// Resolves flags as [`Options::mode`] says.
#[derive(Debug)]
pub enum Flagd {
    /// By asking the server.
    Rpc(Box<Rpc>),
    /// By evaluating here.
    InProcess(InProcess),
}

/// A provider as `options` say: `rpc`, `in-process` or `file`. Returns at once, and connects in the background; must be
/// called in a Tokio runtime.
///
/// # Errors
/// An option that cannot be used.
pub fn provider(options: Options) -> Result<Provider<Flagd>, OptionsError> {
    Ok(Provider::new(match options.mode() {
        Mode::Rpc => Flagd::Rpc(Box::new(Rpc::open(&options)?)),
        Mode::InProcess | Mode::File => Flagd::InProcess(InProcess::open(&options)?),
    }))
}

/// A provider that evaluates here, from a server's flags or from a file. Its handle answers without `await`
/// ([`kit::Evaluate`]).
///
/// # Errors
/// An option that cannot be used, or the resolver `rpc`.
pub fn in_process(options: Options) -> Result<Provider<InProcess>, OptionsError> {
    match options.mode() {
        Mode::Rpc => {
            Err(OptionsError::new("resolver", "`rpc` evaluates at the server; use in-process or file"))
        }
        Mode::InProcess | Mode::File => Ok(Provider::new(InProcess::open(&options)?)),
    }
}

impl Resolver for Flagd {
    const NAME: &'static str = crate::NAME;

    async fn resolve(
        &self,
        key: &str,
        want: Type,
        context: &EvaluationContext,
    ) -> Result<Answer, EvaluationError> {
        match self {
            Self::Rpc(rpc) => rpc.resolve(key, want, context).await,
            Self::InProcess(local) => local.resolve(key, want, context).await,
        }
    }

    fn events(&self) -> &Emitter {
        match self {
            Self::Rpc(rpc) => Resolver::events(&**rpc),
            Self::InProcess(local) => Resolver::events(local),
        }
    }
}
