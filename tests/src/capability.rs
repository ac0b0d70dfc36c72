//! What a backend can do, and so which cases of a suite it is asked.

use std::fmt;

/// An ability that not every backend has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Capability {
    /// A flag has a type of its own, so that asking for another is `TYPE_MISMATCH`.
    Types,
    /// Flags have named variants.
    Variants,
    /// Flags can be structures.
    Objects,
    /// Numbers that are not whole.
    Floats,
    /// Flags say things about themselves.
    Metadata,
    /// A flag can be switched off, or have no default: then the caller's own default stands.
    DefaultStands,
    /// Rules look at the context.
    Targeting,
    /// Rules look into nested attributes.
    NestedContext,
    /// Flags change while the provider runs.
    Change,
    /// A change tells which flags it is about.
    ChangedKeys,
    /// The backend can go away and come back.
    Outage,
    /// Answers can be had without `await`.
    Synchronous,
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
