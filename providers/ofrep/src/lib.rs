//! The OpenFeature provider for every server that speaks OFREP, the OpenFeature Remote Evaluation Protocol (0.3.0).
//!
//! ```no_run
//! use std::time::Duration;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let provider = hoist_provider_ofrep::provider(hoist_provider_ofrep::Options {
//!     base_url: "http://localhost:8016".to_owned(),
//!     ..Default::default()
//! })?;
//! let handle = provider.handle();
//! open_feature::OpenFeature::singleton_mut().await.set_provider(provider).await;
//! handle.ready(Duration::from_secs(5)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Two ways to ask
//!
//! [`Mode::PerRequest`], the default, is for servers: each evaluation is one request with its own context, and nothing is kept.
//!
//! [`Mode::Bulk`] is for processes with one context of their own (a device, a job, a front end): all flags are asked for at
//! once under the static context, which is [`Options::context`], and answered from memory. An event stream, where the server
//! names one, says when to ask again; polling with ETags does otherwise. An evaluation whose context says more than the static
//! one is asked for by itself, or answered as if it did not: [`Bulk::other_contexts`] decides. What the application sets as the
//! SDK's global context belongs into [`Options::context`] too, or every evaluation says more.
//!
//! ```text
//!  resolver --one question--> client --HTTP--> server     the client rests when the server says so (Retry-After)
//!     |                         ^
//!     +--all at once--> snapshot <-- bulk: poll, stream, back off, tell events
//! ```
//!
//! # What servers do their own way
//!
//! Decided once, in `answer.rs`, by what an answer looks like and not by the server's name:
//!
//! | server | way | here |
//! |---|---|---|
//! | flagd, hoistd | no `value` for disabled flags and flags without default variant | the caller's default stands |
//! | flagd | `GENERAL` for a variant of the wrong kind | stays `GENERAL` |
//! | Flipt | a variant flag's value is the variant's key; its attachment is JSON text in the metadata | asked for an object, or for a number that the key is not, the attachment answers |
//! | Flipt | attributes must be text | set [`Options::text_attributes`] |
//! | Flipt | a random user where the targeting key is missing | set [`Options::require_targeting_key`] |
//! | Flipt v2 | environment and namespace | headers `X-Flipt-Environment`, `X-Flipt-Namespace` |
//! | GO Feature Flag | reason `TARGETING_MATCH_SPLIT` | `SPLIT` |
//! | GO Feature Flag | `SdkDefault` as the variant of a disabled flag | the caller's default stands |
//! | GO Feature Flag | error code `FLAG_CONFIG` | `PARSE_ERROR` |
//! | GO Feature Flag | the key selects the flag set | header `X-API-Key`, or [`Options::bearer_token`] |
//!
//! # What is not here
//!
//! No synchronous handle: whether an answer is kept is known only when it is asked for. No evaluation: rules stay on the server. No process-wide state: one server's `Retry-After` concerns one provider.

mod answer;
mod bulk;
mod client;
mod fault;
mod model;
mod options;
mod resolver;

pub use options::{Bulk, Mode, Options, OptionsError, OtherContexts};
pub use resolver::OfrepResolver;

/// Makes the provider. Nothing is asked of the server yet: await readiness on the provider's handle.
///
/// # Errors
/// Options that can never work. A server that is away is no error here.
pub fn provider(options: Options) -> Result<kit::Provider<OfrepResolver>, OptionsError> {
    OfrepResolver::new(options).map(kit::Provider::new)
}
