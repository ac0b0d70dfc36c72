//! Flags that live in the memory of a test.
//!
//! ```text
//! InMemory  --provider()-->  Provider<Memory>  for the SDK, or asked directly, without await
//!    |
//!    +-- set / remove / replace   for everybody, with CONFIGURATION_CHANGED
//!    +-- scope / scope_sync       for one task or closure alone: tests that share a global provider do not meet
//!    +-- evaluations              what was asked, when it records
//! ```
//!
//! ```
//! use hoist_provider_in_memory::{Flag, InMemory};
//! use kit::Evaluate;
//! use open_feature::{EvaluationContext, OpenFeature};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let flags = InMemory::new()
//!     .with("new-shop", true)
//!     .with("discount", Flag::variants([("none", 0), ("staff", 20)], "none").targeting(|context| {
//!         (context.targeting_key.as_deref() == Some("ann")).then(|| "staff".to_owned())
//!     }));
//!
//! let mut api = OpenFeature::default();
//! api.set_provider(flags.provider()).await;
//! let client = api.create_client();
//! let ann = EvaluationContext::default().with_targeting_key("ann");
//! assert_eq!(client.get_int_value("discount", Some(&ann), None).await, Ok(20));
//!
//! flags.set("new-shop", false);
//! assert_eq!(client.get_bool_value("new-shop", None, None).await, Ok(false));
//!
//! // Only this future sees it, however many tests run beside it.
//! flags.scope([("discount", 50)], async {
//!     assert_eq!(client.get_int_value("discount", Some(&ann), None).await, Ok(50));
//! }).await;
//! # }
//! ```

mod flag;
mod memory;
mod record;
mod scope;

pub use flag::Flag;
pub use memory::{InMemory, Memory, MemoryView};
pub use record::Recorded;
