//! Evaluates flag snapshots inside an application: what stands between the SDK's contexts and the engine.
//!
//! ```text
//! EvaluationContext --lay: borrowed, in the thread's arena--> engine::Context
//!                                                                 |
//! key --Snapshot::find--> Flag --------- resolve <----------------+
//!                          |  a static flag looks at no context   |
//!                          +----------------------------> kit::Found, borrowed from the snapshot
//! ```
//!
//! Every provider that evaluates in process shares it, whatever brings it its snapshots: [`FlagsView`] is the view of their
//! [`kit::Local`] resolvers. It is a crate of its own because the kit knows no engine: a provider that only asks a
//! server does not build one.
//!
//! ```
//! use std::sync::Arc;
//!
//! use engine::{Definition, Options, Snapshot, compile};
//! use hoist_provider_local::FlagsView;
//! use kit::Evaluate;
//! use open_feature::EvaluationContext;
//!
//! let document = r#"{"flags": {"new-shop": {"state": "ENABLED", "variants": {"on": true, "off": false},
//!     "defaultVariant": "off", "targeting": {"if": [{"ends_with": [{"var": "email"}, "@example.com"]}, "on"]}}}}"#;
//! let definition = Definition::parse(document).unwrap();
//! let compiled = compile(&definition, &Arc::from("doc"), &Options::default(), None);
//! let view = FlagsView::new(Arc::new(Snapshot::fold([&compiled.layer], 1)));
//!
//! let ann = EvaluationContext::default().with_custom_field("email", "ann@example.com");
//! assert!(view.bool("new-shop", false, &ann));
//! ```
//!
//! What is not here: where snapshots come from, and state; except that `Stored` (feature `store`) follows a store, and
//! `InProcess` is the whole resolver of providers that are a source and nothing more.

mod arena;
mod clock;
#[cfg(feature = "store")]
mod in_process;
mod lay;
#[cfg(feature = "store")]
mod stored;
mod view;

#[cfg(feature = "store")]
pub use in_process::{InProcess, Keeping, Named};
#[cfg(feature = "store")]
pub use stored::{Stored, StoredFlags};
pub use view::FlagsView;
