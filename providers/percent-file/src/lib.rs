//! The percent-file format: flags that are on for a share of the subjects, in a file that a program writes and a person reads.
//!
//! ```json
//! {"schemaVersion": 1, "flags": [
//!     {"key": "new-shop", "enabled": true, "rolloutPercent": 25},
//!     {"key": "old-shop", "enabled": true}
//! ]}
//! ```
//!
//! ```text
//! model   the document, as protobuf's JSON has it
//! rules   who gets a flag: FNV-1a of "key:subject"; a flag is an engine::Native with its translation. Pure.
//! reader  document -> flags, wherever files can live
//! ```
//!
//! What is not here: where files live, and an OpenFeature provider, which is the suite's `file`.

pub mod model;
pub mod reader;
pub mod rules;

pub use reader::DIALECT;
