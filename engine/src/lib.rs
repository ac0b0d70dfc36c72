//! The engine: feature-flag definitions in, answers out.
//!
//! Pure by design. There is no I/O here, no clock, no async, no log and no SDK: time, randomness and identity are
//! arguments, and everything that can be paid at load is paid at load.
//!
//! ```text
//! document text --Definition::parse--> Definition --compile--> Layer (one source's flags) + Problems
//!                                                               |
//!                                             Snapshot::fold  <-+   layers by priority
//!                                                  |
//!              Selector + key --Snapshot::find--> Flag --Flag::resolve(Context, now)--> Resolution | Fault
//! ```
//!
//! Flags of other vendors live in the same layers and answer by their vendors' own rules: see [`Native`].
//!
//! What is not here: where documents come from (`store`), what an answer looks like on the wire (`daemon`), and every
//! notion of a protocol version.

mod bytes;
mod compile;
mod context;
mod decimal;
mod definition;
mod flag;
mod hash;
mod locate;
mod native;
mod notes;
mod rule;
mod selector;
mod snapshot;
mod text;
mod tree;
mod value;
mod witness;

pub use compile::hint::did_you_mean;
pub use compile::problem::{Place, Problem, Severity};
pub use compile::{Compiled, Layer, Limits, Options, compile};
pub use context::{Attributes, Context};
pub use decimal::parse_float;
pub use definition::{Definition, Malformed};
pub use flag::{Fault, Flag, Kind, Metadata, Reason, Resolution, Variant};
pub use locate::locate;
pub use native::{Fidelity, Harvest, Native, NativeFlag, Question, Translation, Type};
pub use notes::Notes;
pub use rule::fractional::Bucketing;
pub use selector::{Selector, SelectorError};
pub use snapshot::Snapshot;
pub use text::write_json;
pub use value::Value;
pub use witness::{Bucket, Step, Steps, Watch, Witness};

/// The arena that an evaluation takes its scratch space from; reset and reused, it makes evaluation allocation-free.
pub use bumpalo::Bump;
