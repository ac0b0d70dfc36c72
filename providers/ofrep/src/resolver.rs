//! The OFREP server as a resolver of the kit.

use std::fmt;
use std::sync::Arc;

use kit::{Answer, Emitter, Resolver, State, Type};
use open_feature::{EvaluationContext, EvaluationError};

use crate::answer::answer;
use crate::bulk::Kept;
use crate::client::Client;
use crate::fault::Fault;
use crate::options::{Mode, Options, OptionsError};

/// Asks an OFREP server, or answers from what it said of all flags.
pub struct OfrepResolver {
    client: Arc<Client>,
    events: Emitter,
    /// Dropping it stops its work.
    kept: Option<Kept>,
}

impl OfrepResolver {
    /// A resolver that has asked nothing yet.
    ///
    /// # Errors
    /// Options that can never work.
    pub fn new(options: Options) -> Result<Self, OptionsError> {
        let client = Arc::new(Client::new(&options)?);
        let (events, kept) = match options.mode {
            Mode::PerRequest => (Emitter::ready(Self::NAME), None),
            Mode::Bulk(bulk) => {
                let events = Emitter::new(Self::NAME);
                let kept = Kept::start(Arc::clone(&client), events.clone(), bulk)?;
                (events, Some(kept))
            }
        };
        Ok(Self { client, events, kept })
    }

    /// Replaces the static context of [`Mode::Bulk`]: who this process is changed. All flags are asked for again; until they
    /// are there, evaluations under the new context are asked for one by one.
    ///
    /// The SDK's global context belongs here, or into [`Options::context`]: open-feature 0.3 tells providers an empty one.
    pub fn set_context(&self, context: EvaluationContext) {
        if let Some(kept) = &self.kept {
            kept.set_context(context);
        }
    }

    async fn ask(
        &self,
        key: &str,
        want: Type,
        context: &EvaluationContext,
    ) -> Result<Answer, EvaluationError> {
        let result = self.client.one(key, context).await;
        // What is kept has its own eye on the server.
        if self.kept.is_none() {
            self.note(result.as_ref().err());
        }
        match result {
            Ok(evaluation) => answer(&evaluation, key, want),
            Err(fault) => Err(fault.to_error(key)),
        }
    }

    /// A refused flag is a server that works; a context that cannot be sent says nothing of it.
    fn note(&self, fault: Option<&Fault>) {
        match fault {
            None | Some(Fault::Refused(_)) if self.events.state() != State::Ready => {
                self.events.became_ready()
            }
            None | Some(Fault::Refused(_) | Fault::Context(_)) => {}
            Some(fault @ Fault::Wait(_)) => self.events.became_stale(fault.to_string()),
            Some(fault) => self.events.failed(fault.to_string()),
        }
    }
}

impl Resolver for OfrepResolver {
    const NAME: &'static str = "ofrep";

    async fn resolve(
        &self,
        key: &str,
        want: Type,
        context: &EvaluationContext,
    ) -> Result<Answer, EvaluationError> {
        match self.kept.as_ref().and_then(|kept| kept.answer(key, want, context)) {
            Some(answer) => answer,
            None => self.ask(key, want, context).await,
        }
    }

    fn events(&self) -> &Emitter {
        &self.events
    }

    fn initialize(&self, context: &EvaluationContext) {
        // Nothing said is no wish to forget what was.
        if *context != EvaluationContext::default() {
            self.set_context(context.clone());
        }
    }
}

impl fmt::Debug for OfrepResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfrepResolver").field("events", &self.events).finish_non_exhaustive()
    }
}
