//! What the author of a provider writes.

use std::future::Future;
use std::sync::Arc;

use open_feature::{EvaluationContext, EvaluationError};

use crate::answer::{Answer, Type};
use crate::emitter::Emitter;
use crate::evaluate::Evaluate;

/// A backend that is asked one question at a time.
///
/// Its constructor returns at once and starts what must run in the background; dropping it stops that.
pub trait Resolver: Send + Sync + 'static {
    /// The provider's name, as metadata and events say it.
    const NAME: &'static str;

    /// Whether it is asked even when it is not ready or gave up. For those that are made of other providers, which refuse
    /// for themselves.
    const ASKED_UNREADY: bool = false;

    /// Answers for the flag `key`.
    ///
    /// `want` is a hint for backends that are asked by type; what is answered may be of another kind, the kit converts or
    /// refuses it. Is not called before the provider is ready, nor after its shutdown.
    fn resolve(
        &self,
        key: &str,
        want: Type,
        context: &EvaluationContext,
    ) -> impl Future<Output = Result<Answer, EvaluationError>> + Send;

    /// Where the resolver tells its state.
    fn events(&self) -> &Emitter;

    /// Is told the global context when the provider is registered. Must return at once: the SDK holds a lock on all
    /// providers meanwhile.
    fn initialize(&self, _context: &EvaluationContext) {}
}

/// A resolver that holds its flags and answers without waiting. It is a [`Resolver`] too.
pub trait Local: Send + Sync + 'static {
    /// The provider's name, as metadata and events say it.
    const NAME: &'static str;

    /// All flags at one moment.
    type View: Evaluate + Send + Sync + 'static;

    /// The flags of now, to keep: several questions to one view get answers that belong together.
    fn view(&self) -> Arc<Self::View>;

    /// Lends the flags of now. Override it where lending is cheaper than sharing, as a guard of `arc_swap` is.
    #[inline]
    fn read<T>(&self, look: impl FnOnce(&Self::View) -> T) -> T {
        look(&self.view())
    }

    /// Where the resolver tells its state.
    fn events(&self) -> &Emitter;

    /// As [`Resolver::initialize`].
    fn initialize(&self, _context: &EvaluationContext) {}
}

impl<L: Local> Resolver for L {
    const NAME: &'static str = L::NAME;

    async fn resolve(
        &self,
        key: &str,
        want: Type,
        context: &EvaluationContext,
    ) -> Result<Answer, EvaluationError> {
        self.read(|view| view.evaluate(key, want, context, |found| found.to_answer()))?
    }

    fn events(&self) -> &Emitter {
        Local::events(self)
    }

    fn initialize(&self, context: &EvaluationContext) {
        Local::initialize(self, context);
    }
}
