//! What every OpenFeature provider of hoist is made of.
//!
//! The author of a provider writes a resolver; the kit makes the SDK's provider of it, with what the SDK lacks: events,
//! a state, readiness with a deadline, a stop, and evaluation without `await`.
//!
//! ```text
//!  Resolver   one question, awaited          --+
//!  Local      a view that answers at once    --+-->  Provider<R>  = open_feature's FeatureProvider
//!                                                       |
//!                        Handle<R>  <-------------------+  state, events, ready, shutdown;
//!                                                          of a Local one also Evaluate and snapshot
//!  Emitter    what a resolver tells: READY, STALE, ERROR, FATAL, CONFIGURATION_CHANGED
//!  FlagValue  the one converter between flag values, the SDK, JSON and Rust;  attribute: the one for contexts
//!  Variables  options from the environment or a configuration
//!  Task, poll, Cache, http   background work that stops with its owner, its rhythm, and what several providers need
//! ```
//!
//! Dropping is stopping: the provider holds the resolver, the resolver holds its background work, and nothing else does.
//!
//! ```
//! use hoist_provider_kit::{Answer, Emitter, Evaluate, Provider, Resolver, Type};
//! use open_feature::{EvaluationContext, EvaluationError, EvaluationReason, OpenFeature};
//!
//! struct Weekend { events: Emitter }
//!
//! impl Resolver for Weekend {
//!     const NAME: &'static str = "weekend";
//!
//!     async fn resolve(&self, key: &str, _: Type, _: &EvaluationContext) -> Result<Answer, EvaluationError> {
//!         match key {
//!             "closed" => Ok(Answer::new(true).variant("on").reason(EvaluationReason::Static)),
//!             _ => Err(hoist_provider_kit::error::not_found(key)),
//!         }
//!     }
//!
//!     fn events(&self) -> &Emitter {
//!         &self.events
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let mut api = OpenFeature::default();
//! api.set_provider(Provider::new(Weekend { events: Emitter::ready(Weekend::NAME) })).await;
//! assert!(api.create_client().get_bool_value("closed", None, None).await.unwrap());
//! # }
//! ```
//!
//! What is not here: rules, protocols, and any vendor.

mod answer;
mod cache;
mod context;
mod emitter;
mod erased;
pub mod error;
mod evaluate;
mod event;
mod handle;
#[cfg(feature = "http")]
pub mod http;
mod poll;
mod provider;
mod resolver;
mod task;
mod value;
mod variables;

pub use answer::{Answer, Facts, Found, Held, Type};
pub use cache::{Cache, Ticket};
pub use context::{Attribute, TARGETING_KEY, attribute, attributes_to_json, context_to_json, datetime};
pub use emitter::{Emitter, EventStream};
pub use erased::Erased;
pub use evaluate::{Details, Evaluate};
pub use event::{Event, EventKind, State};
pub use handle::{Handle, NotReady};
pub use poll::{Backoff, Rhythm, Setback, poll};
pub use provider::Provider;
pub use resolver::{Local, Resolver};
pub use task::{NoRuntime, Task};
pub use value::{FlagValue, from_json, metadata_from_json, of_double, to_json};
pub use variables::{VariableError, Variables};
