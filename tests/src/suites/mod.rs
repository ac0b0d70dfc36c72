//! Questions that every backend of a kind is asked.

pub mod flags;
pub mod provider;
