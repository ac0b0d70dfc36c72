//! What stands round a flag evaluation in an application: where the evaluation context comes from, and who hears of the answer.
//!
//! - [`Mapping`] declares which parts of a request become which attributes: an allow-list. What it does not name is never read.
//! - [`layers`] holds the one writer, a tower layer that lays the mapping over every request, and a reader for the handlers of
//!   axum, tonic and connectrpc (one cargo feature each). What it writes is a [`RequestContext`].
//! - [`hooks`] holds what the OpenFeature SDK calls: [`hooks::RequestContextHook`] brings the request's context to evaluations that
//!   name none, and the telemetry hooks (features `opentelemetry` and `datadog`) tell what was evaluated.
//!
//! # Levels
//!
//! The specification (section 3.2.3) merges contexts from the API level up: API, transaction, client, invocation, `before` hooks.
//! A request's context is the transaction level, which open-feature 0.3 does not have. Two ways lead there:
//! - with [`hooks::RequestContextHook`] the request's context lies below what client and invocation say, and above the API level
//!   if the hook, not the SDK, is given that;
//! - a handler that passes the context itself makes it the invocation level. [`RequestContext::under`] lays the handler's own
//!   attributes over it.
//!
//! ```
//! use hoist_middleware::{Mapping, claim, header, peer_address};
//!
//! let mapping = Mapping::new()
//!     .targeting_key(claim("sub"))
//!     .targeting_key(header("x-device-id")) // for requests without a verified token
//!     .attribute("plan", claim("org.plan"))
//!     .attribute("beta", header("x-beta").boolean())
//!     .attribute("address", peer_address());
//! # let parts = http::Request::builder().header("x-device-id", "d1").header("x-other", "?").body(()).unwrap().into_parts().0;
//! let context = mapping.read(&parts).unwrap();
//! assert_eq!(context.targeting_key.as_deref(), Some("d1"));
//! assert!(context.custom_fields.is_empty());
//! ```
//!
//! # What is not here
//!
//! No verification of tokens: a layer in front verifies and puts [`Claims`] into the request's extensions, and only what it put
//! there counts. No parsing of certificates: that layer says whom it saw, as a [`PeerIdentity`].

mod claims;
pub mod hooks;
#[cfg(feature = "tower")]
pub mod layers;
mod mapping;
mod request_context;

pub use claims::{Claims, ClaimsError, PeerAddress, PeerIdentity};
pub use mapping::{
    Attribute, Mapping, MappingError, Refusal, Refused, Repeated, claim, extension, header, path,
    path_segment, peer_address, peer_identity,
};
pub use request_context::RequestContext;
