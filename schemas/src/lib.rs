//! The shapes of what people write: flag documents, targeting rules and `hoistd`'s configuration file, as JSON Schema (draft-07).
//!
//! The schemas are data: four embedded files, fetched from nowhere. Feature `validate` adds [`check`], which reports each
//! breach once, with a pointer to the place and a sentence for a person. A breach is advice: what the daemon refuses is
//! decided by its compiler, not here.
//!
//! ```
//! let schema: serde_json::Value = serde_json::from_str(hoist_schemas::TARGETING).unwrap();
//! assert_eq!(schema["$id"], "https://flagd.dev/schema/v0/targeting.json");
//! ```
//!
//! What is not here: spelling hints, source lines, and rules that look at two places at once, such as `defaultVariant`
//! naming an existing variant.

#[cfg(feature = "validate")]
mod validate;

#[cfg(feature = "validate")]
pub use validate::{Schema, Violation, check, validate_flags};

/// A targeting rule: JsonLogic and flagd's own operators.
pub const TARGETING: &str = include_str!("json/targeting.json");

/// A flag document whose `flags` is a map from key to flag.
pub const FLAGS: &str = include_str!("json/flags.json");

/// A flag document whose `flags` is a map, or a list of flags that carry their key.
pub const FLAGD: &str = include_str!("json/flagd.json");

/// `hoistd`'s configuration file.
pub const CONFIG: &str = include_str!("json/config.json");
