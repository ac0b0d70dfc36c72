//! The sources of this crate, one line each.

use crate::source::SourceKind;
use crate::sources::{file, grpc, http};

/// Every kind of source this crate has.
pub static BUILT_IN: &[&SourceKind] = &[
    &file::KIND,
    &http::KIND,
    &grpc::KIND,
    #[cfg(feature = "blob")]
    &crate::sources::blob::KIND,
    #[cfg(feature = "git")]
    &crate::sources::git::KIND,
    #[cfg(feature = "kubernetes")]
    &crate::sources::kubernetes::KIND,
];

/// The kind that serves `provider`, if one of `kinds` does.
pub fn find(kinds: &[&'static SourceKind], provider: &str) -> Option<&'static SourceKind> {
    kinds.iter().find(|kind| kind.providers.contains(&provider)).copied()
}
